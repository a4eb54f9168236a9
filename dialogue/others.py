"""The other of two things: what "the other one" is after a question about one of them, as texts name them.

Two things are of a kind where their names end alike ("the Upper Pool", "the Lower Pool") or in a sign ("Programme B").
Knows nothing of sources or models. English alone.
"""

import re
from collections.abc import Sequence
from typing import Final

from dialogue.dates import says_nothing
from dialogue.phrases import ARTICLES, AUXILIARY, OWN, PREPOSITIONS, PRONOUNS, SPEAKERS, WH, Phrase, phrases, verbs
from dialogue.proposals import OPENER, exchanged
from retrieval.text import BAR

OTHER = re.compile(r"\bthe other(?: (?!two\b|three\b|day\b|hand\b|side\b|way\b)(?P<kind>[a-z]+))?\b", re.IGNORECASE)
_SIGN = re.compile(r"[A-Z]|[A-Z]?\d{1,3}")
_SIGNED = re.compile(r"\b([A-Za-z]{3,}) ([A-Z]|\d{1,3})\b")  # "plan A", in which A is no article
_NO_NAME: Final = frozenset(
    "and or but not no every each any some all both either neither another other same own only one two three".split()
).union(ARTICLES, AUXILIARY, OWN, PREPOSITIONS, PRONOUNS, SPEAKERS, WH)
_NO_KIND: Final = frozenset("very more most first next last new whole entire empty".split())


def of_the_other(question: str, previous: str, texts: Sequence[str]) -> str:
    """Return a question about "the other one" as it is meant after the one before, asked of the one other thing of that
    kind that the texts name; "" where they name none or several, and for any other question."""
    match = OTHER.search(question)
    if not match:
        return ""
    kind = (match["kind"] or "one").casefold()
    rest = question[: match.start()] + question[match.end() :]
    half = says_nothing(rest)
    for old in _named(previous, kind if kind not in ("one", "ones") else ""):
        found = _siblings(old, texts)
        if len(found) != 1:
            continue
        put = f"{old.article} {found[0]}".strip() if old.article in ARTICLES else found[0]
        if half:
            return exchanged(previous, old, found[0])
        end = match.end() if match["kind"] is None or kind in ("one", "ones", _head(old)) else match.end("kind")
        return OPENER.sub("", question[: match.start()] + put + question[end:])
    return ""


def kinds(previous: str) -> list[str]:
    """Return the kinds of things that a question names so that there may be another one: "pool", "programme"."""
    return [_head(old) for old in _named(previous, "")]


def _named(text: str, kind: str) -> list[Phrase]:
    """The phrases that name one thing of a kind by more than the kind, the last first."""
    found = [p for p in phrases(text) if p.kind in ("base", "inner") and len(p.bare.split()) > 1]
    found = [p for p in found if not any(q.article and q.bare == p.bare and q.end == p.end and q != p for q in found)]
    signed = [m for m in _SIGNED.finditer(text) if m[1].casefold() not in _NO_NAME]
    found += [Phrase(m[0], *m.span(), "base", m[1]) for m in signed if not any(p.end == m.end() for p in found)]
    return [p for p in reversed(found) if not kind or _head(p) == kind]


def _head(phrase: Phrase) -> str:
    """The word that says the kind of a thing."""
    own = phrase.bare.split()
    return own[-2 if _SIGN.fullmatch(own[-1]) else -1].casefold()


def _siblings(old: Phrase, texts: Sequence[str]) -> list[str]:
    """The names of other things of the kind, each once, as the texts write them."""
    *first, last = old.bare.split()
    joined = [" ".join(text.split()) for text in texts if re.search(rf"\b{re.escape(old.bare)}\b", text, re.IGNORECASE)]
    if _SIGN.fullmatch(last):
        kind = re.escape(" ".join(first))
        signs = re.finditer(rf"\b{kind} ({_SIGN.pattern})\b", " ".join(joined), re.IGNORECASE)
        found = {f"{' '.join(first)} {m[1]}" for m in signs if m[1] != last and _SIGN.fullmatch(m[1])}
        return sorted(found)
    if len(first) != 1:
        return []
    named = first[0][:1].isupper() or last[:1].isupper()
    pattern = rf"(?P<the>\b[Tt]he )?\b(?P<own>[\w'’-]+) (?P<head>{re.escape(last)})\b"
    by_name: dict[str, str] = {}
    for match in re.finditer(pattern, " ".join(joined), re.IGNORECASE):
        own = match["own"]
        plain = own.casefold()
        if (
            plain in _NO_NAME
            or (not named and plain in _NO_KIND | verbs())
            or plain == first[0].casefold()
            or (named and not own[:1].isupper())
        ):
            continue
        if named or match["the"]:
            by_name.setdefault(plain, f"{own} {match['head']}")
    return [by_name[name] for name in sorted(by_name)]


def asked_cells(question: str, reply: str) -> str:
    """Return of a row of a table what was asked for, the cells whose heads the question has; any other reply whole."""
    cells = [cell.partition(": ") for cell in reply.split(BAR)]
    if len(cells) < 2:
        return reply
    asked = set(re.findall(r"\w+", question.casefold()))
    held = [value for head, _, value in cells if value and head.strip().casefold() in asked]
    return ". ".join(held) or reply
