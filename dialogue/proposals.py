"""What a follow-up may mean: ways to make a question stand alone by phrases of the turns before it.

Everything is an edit: a pronoun replaced, a phrase added, one thing put in the place of another in the question
before. Which of them is meant, or none, is not decided here.
"""

import re
from calendar import month_name
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from dialogue.phrases import (
    ARTICLES,
    AUXILIARY,
    OWN,
    PREPOSITIONS,
    PRONOUNS,
    SPEAKERS,
    WH,
    Phrase,
    Word,
    phrases,
    verbs,
    words,
)

OPENER = re.compile(r"^(?:(?:and|but|so|then|or|also|ok|okay|well|yes|no|now)\b[\s,]*)+", re.IGNORECASE)
ABOUT = re.compile(r"^(?:what|how) about\s+|^(?:versus|compared (?:to|with))\s+", re.IGNORECASE)
_MORE = re.compile(r"^(?:and|or)\b", re.IGNORECASE)
_OTHER = re.compile(r"^(?:(?:what|how) about )?the (?:other|second|latter|last)(?: ones?)?\W*$", re.IGNORECASE)
_DATE = rf"\d{{1,2}}(?:st|nd|rd|th)?(?: of)? (?:{'|'.join(month_name[1:])})(?: \d{{4}})?"
_DAY = re.compile(
    rf"(?:the )?(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?(?:,? (?:the )?{_DATE})?|{_DATE})\b", re.IGNORECASE
)
IMPERATIVES: Final = frozenset("tell give show explain describe list name compare find".split())
MOST = 30  # phrases of earlier turns that are considered
KINDS: Final = ("copy", "replace", "determine", "append", "expand", "substitute", "aspect", "event", "whole", "other")
_GROUPS = {
    **dict.fromkeys(("it", "its", "itself"), "it"),
    **dict.fromkeys(("he", "him", "his", "himself"), "he"),
    **dict.fromkeys(("she", "her", "hers", "herself"), "she"),
    **dict.fromkeys(("they", "them", "their", "theirs"), "they"),
    **dict.fromkeys(("this", "that", "these", "those"), "that"),
    **dict.fromkeys(("one", "ones"), "one"),
    "there": "there",
}


@dataclass(frozen=True, slots=True)
class Said:
    """A turn: its text, and whether the user said it."""

    text: str
    user: bool


@dataclass(frozen=True, slots=True)
class Mention:
    """A phrase of the turns before. `back` counts turns from the question; `place` is its number in its turn."""

    phrase: Phrase
    back: int
    user: bool
    place: int
    count: int
    asked: str = ""  # the word that its turn asks with


@dataclass(frozen=True, slots=True)
class Proposal:
    """A question that may be what was meant, and how it came about.

    `kind` is one of KINDS; `word` is the pronoun or the phrase of the question that was edited, `old` the phrase that
    had to go, `group` and `how` tell pronouns and links apart, `at` says where it stood, in tenths. A question that is
    `elliptical` ("And the bridge?") lacks what the one before has.
    """

    text: str
    kind: str
    mention: Mention | None = None
    word: str = ""
    old: Phrase | None = None
    group: str = ""
    at: int = 0
    how: str = ""
    elliptical: bool = False


def mentions(said: Sequence[Said]) -> list[Mention]:
    """Return the phrases of the turns, the last turn's first, each where it was said last."""
    found: dict[str, Mention] = {}
    counts: dict[str, int] = {}
    for back, turn in enumerate(reversed(said), start=1):
        asked = next((w.plain for w in words(turn.text) if w.plain in WH), "") if turn.user else ""
        for place, phrase in enumerate(phrases(turn.text)):
            key = phrase.bare.casefold()
            counts[key] = counts.get(key, 0) + 1
            if (
                key not in found
                and len(phrase.text.split()) <= 10
                and phrase.article not in OWN
                and not SPEAKERS & _parts(phrase)
            ):
                found[key] = Mention(phrase, back, turn.user, place, 1, asked)
    kept = list(found.items())[:MOST]
    return [Mention(m.phrase, m.back, m.user, m.place, counts[key], m.asked) for key, m in kept]


def _parts(phrase: Phrase) -> set[str]:
    return {word.plain.split("'")[0] for word in words(phrase.text)}


def proposals(question: str, said: Sequence[Said]) -> list[Proposal]:
    """Return what the question may mean after these turns, the question as it is first."""
    bare = OPENER.sub("", question.strip())
    plain = bare[:1].upper() + bare[1:] if question[:1].isupper() else bare
    found = [Proposal(plain if len(words(plain)) > 2 else question, "copy")]
    if not said or not words(plain) or not _asked(question, plain):
        return found
    known = mentions(said)
    about = ABOUT.sub("", bare)
    previous = next((turn.text for turn in reversed(said) if turn.user), "")
    reply = said[-1].text if not said[-1].user else ""
    opened = about != question.strip()
    elliptical = about != bare or not _predicate(plain)
    found += _replaced(plain if about == bare else about, known)
    if elliptical and previous and (opened or _thing(bare) or ("?" in question and phrases(bare.lower()))):
        found += _substituted(about, previous, known)
    if not elliptical:
        found += _appended(plain, known)
    found += _expanded(plain, known)
    if previous and any(word.plain in WH for word in words(plain)):
        rest = plain.rstrip("?!. ")
        found.append(Proposal(f"{rest} ({previous})", "event"))
        if _bare(plain) and not opened:
            return [found[0], Proposal(f"{rest}: {previous} {reply}".strip(), "whole")]
    if elliptical and opened and any(each.kind in ("substitute", "aspect") for each in found):
        found = [replace(each, elliptical=True) for each in found]
    if other := _other(plain, previous, reply):
        return [found[0], Proposal(other, "other")]
    distinct: dict[str, Proposal] = {}
    for each in found:
        distinct.setdefault(each.text.casefold(), each)
    return list(distinct.values())


def _bare(question: str) -> bool:
    """Whether a question is little more than the word that asks: "why?", "which one then?"."""
    read = [word.plain for word in words(question)]
    known = (AUXILIARY | PRONOUNS | ARTICLES | verbs()) - WH - PREPOSITIONS - {"one", "then", "many"}
    bare = len(read) <= 4 and any(w in WH for w in read[:2]) and not any(w in known or w.endswith("ed") for w in read)
    return bare or (read[:2] == ["why", "not"] and len(read) <= 6)


def _asked(question: str, plain: str) -> bool:
    """Whether a message asks for something, as far as its form tells, rather than saying something."""
    first = words(plain)[0].plain
    if "?" in question or first in WH | AUXILIARY | IMPERATIVES or first.split("'")[0] in WH:
        return True
    more = _MORE.match(question) and len(words(plain)) <= 3 and phrases(plain)  # "and kids"
    named = (
        len(words(plain)) <= 6 and (more or _thing(plain)) and not any(word.plain in SPEAKERS for word in words(plain))
    )
    return bool(named) and first.split("'")[0] not in PRONOUNS


def _thing(text: str) -> bool:
    """Whether a few words without a verb name something, rather than say yes, sorry or thanks."""
    return any(p.article or p.before or any(c.isupper() for c in p.bare[1:]) or p.start for p in phrases(text))


def _other(question: str, previous: str, reply: str) -> str:
    """The question before, asked of the one named thing that the reply was not about; "" where none is meant."""
    if not reply or not _OTHER.search(question):
        return ""
    named = [p for p in phrases(previous) if p.kind in ("base", "inner") and p.bare[:1].isupper()]
    named = [p for p in named if not any(q is not p and p.start <= q.start and q.end <= p.end for q in named)]
    told = [p for p in named if p.bare.casefold() in reply.casefold()]
    left = [p for p in named if p not in told]
    if not told or not left:
        return ""
    if len(left) > 1 or max(told + left, key=lambda p: p.end).start - min(p.end for p in told + left) > 10:
        return ""
    held = next((p for p in phrases(reply) if p.kind == "base" and told[-1].bare in p.text), told[-1])
    start, end = min(p.start for p in told + left), max(p.end for p in told + left)
    whole = next((p for p in phrases(previous) if previous[p.end : start] == ", " and p.kind == "base"), None)
    other = held.text.replace(told[-1].bare, left[0].bare)
    other = other[:1].lower() + other[1:] if held.article else other
    before = previous[: whole.start if whole else start]
    if other.startswith("the "):
        before = re.sub(r"\bthe $", "", before, flags=re.IGNORECASE)
    return before + other + previous[end:]


def _predicate(question: str) -> bool:
    """Whether a question has a verb of its own, as far as its closed words tell."""
    read = words(question)
    if any(word.plain in AUXILIARY or ("'" in word.plain and word.plain.split("'")[0] in WH) for word in read):
        return True
    asks = read[0].plain in WH and len(read) > 2
    return asks or len(read) > 8 or read[0].plain in IMPERATIVES


def _pronouns(question: str) -> Iterator[tuple[Word, str, bool, int, bool]]:
    """Yield (word, group, possessive, end, determiner): `end` is where "that bridge" ends."""
    read = words(question)
    held = phrases(question)
    for place, word in enumerate(read):
        plain = word.plain
        short = plain.removesuffix("'s")
        group = _GROUPS.get(short)
        if not group:
            continue
        following = read[place + 1] if place + 1 < len(read) else None
        if group == "that":
            noun = next((p for p in held if following and p.start == following.start and p.kind == "base"), None)
            if noun and short == plain:
                yield word, group, False, noun.end, True
                continue
        own = plain in OWN and (plain != "her" or any(p.start == word.start for p in held))
        yield word, group, own, word.end - (len(plain) - len(short)), False


def _named(mention: Mention) -> str:
    """A phrase as it stands inside a sentence."""
    article = mention.phrase.article
    if article in ARTICLES:
        the = "the" if article in ("a", "an") and mention.user is False else article
        return f"{the} {mention.phrase.bare}"
    return mention.phrase.text


def _owned(name: str) -> str:
    return f"{name}'" if name.endswith("s") and name[-2:-1] not in "s" and not name[0].isupper() else f"{name}'s"


def _replaced(question: str, known: Sequence[Mention]) -> Iterator[Proposal]:
    seen: set[str] = set()
    for word, group, own, end, determiner in _pronouns(question):
        if group in seen:
            continue
        seen.add(group)
        at = word.start / max(1, len(question))
        for mention in known:
            name = _named(mention)
            if group == "one":
                yield from _one(question, word, mention)
                continue
            if group == "there":
                name = f"{mention.phrase.before if mention.phrase.before in ('in', 'at', 'on') else 'in'} {name}"
            put = _owned(name) if own else name
            if (own and word.plain in ("theirs", "hers")) or (mention.phrase.kind == "owner" and not own):
                put = name
            text = _fit(question[: word.start], put, question[end:])
            kind = "determine" if determiner else "replace"
            yield Proposal(
                text, kind, mention, question[word.start : end], None, group, int(10 * at), "own" if own else ""
            )


def _one(question: str, word: Word, mention: Mention) -> Iterator[Proposal]:
    """Put what is spoken of for "one": the one at Denholm is, after a bridge, the bridge at Denholm."""
    if mention.phrase.kind != "base" or mention.phrase.head[:1].isupper() or mention.phrase.head[:1].isdigit():
        return
    text = _fit(question[: word.start], mention.phrase.head, question[word.end :])
    yield Proposal(text, "replace", mention, word.text, None, "one", 0)


def _fit(before: str, put: str, after: str) -> str:
    if not before.strip() and put:
        put = put[0].upper() + put[1:]
    return f"{before}{put}{after}"


def _appended(question: str, known: Sequence[Mention]) -> Iterator[Proposal]:
    """Say of what: after a phrase of the question, or at its end."""
    rest = question.rstrip("?!. ")
    mark = question[len(rest) :].strip() or "?"
    held = [p for p in phrases(question) if p.kind == "base"]
    places = [(p.end, p) for p in held if not question[p.end :].lstrip().startswith(("of ", "for "))]
    for mention in known:
        name = _named(mention)
        if mention.phrase.bare.casefold() in question.casefold():
            continue
        own = mention.phrase.before if mention.phrase.before in ("in", "at", "for", "on", "from") else ""
        for end, phrase in places:
            if phrase.end < len(rest):
                yield Proposal(
                    f"{rest[:end]} of {name}{rest[end:]}{mark}", "append", mention, phrase.text, None, "", 0, "of"
                )
            if own and phrase.end < len(rest):
                yield Proposal(
                    f"{rest[:end]} {own} {name}{rest[end:]}{mark}", "append", mention, phrase.text, None, "", 0, own
                )
        last = places[-1][1].text if places and places[-1][0] >= len(rest) else ""
        for link in dict.fromkeys((own, "of" if last else own or "in")):
            if link:
                yield Proposal(f"{rest} {link} {name}{mark}", "append", mention, last, None, "end", 0, link)


def _expanded(question: str, known: Sequence[Mention]) -> Iterator[Proposal]:
    """A short name of something in its full form: the sisters as the Cone sisters, Lincoln as Abraham Lincoln."""
    for phrase in phrases(question):
        if phrase.kind == "owner" or phrase.article in OWN:
            continue
        inside = set(phrase.bare.casefold().split())
        for mention in known:
            full = mention.phrase.bare.casefold().split()
            if inside < set(full) and full != [*inside]:
                name = _named(mention)
                if name.casefold() in question.casefold():
                    continue
                text = _fit(question[: phrase.start], name, question[phrase.end :])
                yield Proposal(text, "expand", mention, phrase.text, phrase, "the" if phrase.article else "")


def _substituted(about: str, previous: str, known: Sequence[Mention]) -> Iterator[Proposal]:
    """The question before with one of its phrases exchanged for what is asked about now."""
    rest = about.rstrip("?!. ")
    link = re.match(r"(?:in|at|on|of|for|with|to|from|by|near|during)\s+", rest, re.IGNORECASE)
    new = re.sub(r"['’]s$", "", rest[link.end() :] if link else rest)  # "And T4's?"
    before = link.group().strip().casefold() if link else ""
    if not new or (len(words(new)) == 1 and words(new)[0].plain in WH | {"why"}):
        return
    if day := _other_day(new, previous):
        yield Proposal(_fit(previous[: day.start], new, previous[day.end :]), "substitute", None, new, day, before)
        return
    for resolved, mention in _resolved(new, known):
        for old in phrases(previous):
            if old.text.casefold() == resolved.casefold():
                continue
            like = _of_one_make(old, resolved)
            text = exchanged(previous, old, like or resolved)
            yield Proposal(text, "substitute", mention, like or resolved, old, before)
        if not resolved[:1].isupper():
            yield from _aspects(resolved, mention, known)


def _other_day(new: str, previous: str) -> Phrase | None:
    """The one day that the question before says, where another day is asked about now."""
    said = list(_DAY.finditer(previous)) if _DAY.fullmatch(new) else []
    return Phrase(said[0][0], *said[0].span(), "base", said[0][0], "on") if len(said) == 1 else None


def _of_one_make(old: Phrase, new: str) -> str:
    """The whole name of what is told by its last part alone, "" for anything else: "the XL" after the Loam M."""
    *first, last = old.bare.split()
    own = [word for word in new.split() if word.casefold() not in ARTICLES]
    signs = [word for word in (last, *own) if not (word.isupper() or word[:1].isdigit())]
    if (
        not first
        or not (first[-1][:1].isupper() or last[:1].isdigit())
        or len(own) != 1
        or signs
        or old.kind not in ("base", "inner")
    ):
        return ""
    return " ".join([*([old.article] if old.article else []), *first, own[0]])


def _aspects(new: str, mention: Mention | None, known: Sequence[Mention]) -> Iterator[Proposal]:
    """What the new thing is of something known; of the `mention` where it says so itself ("its depth")."""
    owned = words(new)[0].plain in ARTICLES | OWN | SPEAKERS or re.search(r"['’]s? ", new)
    asked = new if owned else f"the {new}"
    if mention is not None:
        yield Proposal(f"What is {asked}?", "aspect", mention, new, None, "resolved")
        return
    for of in known:
        if of.phrase.bare.casefold() in new.casefold():
            continue
        own = of.phrase.before if of.phrase.before in ("in", "at", "for", "on") else "of"
        for way in dict.fromkeys(("of", own)):
            yield Proposal(f"What is {asked} {way} {_named(of)}?", "aspect", of, new, None, "", 0, way)


def _resolved(new: str, known: Sequence[Mention]) -> Iterator[tuple[str, Mention | None]]:
    """What is asked about now, each of its pronouns replaced."""
    found = [p for p in _replaced(new, known) if p.kind in ("replace", "determine")]
    if not found:
        yield new, None
    for each in found:
        article = words(each.text)[0].plain in ARTICLES
        yield each.text[0].lower() + each.text[1:] if article else each.text, each.mention


def exchanged(previous: str, old: Phrase, new: str) -> str:
    """Return `previous` with `new` put for `old`, which keeps its article where the new one has none."""
    start = old.start
    article = words(new)[0].plain in ARTICLES | OWN if words(new) else False
    if not article and old.article in ARTICLES and not (new[:1].isupper() and not old.bare[:1].isupper()):
        start += len(old.article) + 1
    before = previous[:start]
    if (article and old.kind in ("inner", "owner")) or (not article and new.endswith("s")):
        gone = r"\b(?:the|an?)\s+$" if article else r"\ban?\s+$"
        before = re.sub(gone, "", before, flags=re.IGNORECASE)
    elif found := re.search(r"\ba(n?) $", before, re.IGNORECASE):
        vowel = new[:1].casefold() in "aeio"
        before = before[: found.start() + 1] + ("n " if vowel else " ")
    return re.sub(r"\b(?:the|an?) (?=(?:the|an?) )", "", _fit(before, new, previous[old.end :]))
