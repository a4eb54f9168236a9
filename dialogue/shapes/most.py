"""Which of all is the most: the things of a kind that a document treats, and what it states of each.

The things head sections of their own, or begin paragraphs. Each is asked about by itself, since a sentence may state
several figures of one thing ("9 metres deep; a trail of 3 kilometres"). Knows nothing of how a question is read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dialogue.judges.answers import AnswerScorer, Offer
from dialogue.judges.facts import stem, words
from dialogue.names import COMMON, names
from dialogue.shapes.facts import FOUNDED, Fact, facts, usable, value_of
from dialogue.shapes.plan import Plan, Value
from dialogue.units import quotable, units
from retrieval.text import BAR
from retrieval.types import Passage

LIKELY: Final = 0.03  # the least probability that a sentence states what is asked of a thing
MOST: Final = 12  # things that are compared

_CAME = re.compile(r"\b(?:bought|purchas|acquir|registered|planted|arrived|came to (?:us|the)|donated|given to)", re.I)
_SUBJECT = re.compile(r"\W{0,3}(?P<the>(?:The|An?|Our) )?(?P<name>[A-Z][\w'’&-]*(?: (?:(?:of|the) )*[A-Z\d][\w'’-]*)*)")
_CALLED = re.compile(r"\b(?:called|named|known as) (?:the )?(?P<name>[A-Z][\w'’-]*(?: [A-Z][\w'’-]*)*)")


@dataclass(frozen=True, slots=True)
class Thing:
    """A thing with the passages that treat it, and what of them does."""

    name: str
    passages: tuple[Passage, ...]
    offers: frozenset[Offer]


def things(noun: str, passages: Sequence[Passage]) -> list[Thing]:
    """Return the things of a kind that the first document treats which is about several of them; [] where none is."""
    root = stem(noun.rsplit(maxsplit=1)[-1])
    for source in dict.fromkeys(passage.source for passage in passages):
        own = sorted({p for p in passages if p.source == source}, key=lambda passage: passage.start)
        headed = [passage for passage in own if passage.headings]
        by_heading = len({p.headings for p in headed}) > 1 and len(headed) * 2 > len(own)
        found = _sections(headed) if by_heading else _paragraphs(own)
        told = [f"{p.title} {' '.join(p.headings[:-1] or p.headings)} {'' if p.headings else p.text}" for p in own]
        about = {word.stem for text in (told if by_heading else [own[0].title]) for word in words(text)}
        named = sum(root in {word.stem for word in words(thing.name)} for thing in found)
        if len(found) > 1 and (root in about or named > 1):
            return found[:MOST]
    return []


def heads(found: Sequence[Thing]) -> list[Fact]:
    """Return for each thing the first sentence on it that can be quoted."""
    firsts = []
    for thing in found:
        ordered = [offer for passage in thing.passages for offer in units(passage) if offer in thing.offers]
        first = next((offer for offer in ordered if quotable(offer.line)), None)
        if first:
            firsts.append(Fact(first, 0.0, (first.start, first.stop)))
    return firsts


def stated(plan: Plan, found: Sequence[Thing], scorer: AnswerScorer) -> list[tuple[Value, Fact]]:
    """Return what is stated of each thing in answer to the plan's question, the value with the fact that states it.

    Where the beginning of none is told, it is the day when each came to where it is, if that is told of all of them.
    """
    made = _stated(plan, found, scorer, plan.every, FOUNDED)
    if plan.dates and len(made) < 2:
        made = _stated(plan, found, scorer, plan.every.replace("established", "bought"), _CAME)
        return made if len(made) == len(found) else []
    return made if 2 * len(made) >= len(found) else []


def _stated(
    plan: Plan, found: Sequence[Thing], scorer: AnswerScorer, every: str, dated: re.Pattern[str]
) -> list[tuple[Value, Fact]]:
    made = []
    for thing in found:
        asked = every.format(thing.name)
        likely = [fact for fact in facts(scorer, asked, thing.passages) if fact.offer in thing.offers]
        for fact in likely:
            fits = fact.probability >= LIKELY and usable(fact) and (not plan.dates or dated.search(fact.text))
            if fits and (value := value_of(fact, plan, thing.name, asked)):
                made.append((value, fact))
                break
    return made


def _sections(passages: Sequence[Passage]) -> list[Thing]:
    by_heading: dict[tuple[str, ...], list[Passage]] = {}
    for passage in passages:
        by_heading.setdefault(passage.headings, []).append(passage)
    return [
        Thing(_with_article(headings[-1], held), tuple(held), frozenset(offer for p in held for offer in units(p)))
        for headings, held in by_heading.items()
    ]


def _with_article(name: str, passages: Sequence[Passage]) -> str:
    """A heading as the text under it speaks of its thing: "N9" as "the N9", "Norvik N9" as "the N9" too."""
    last = name.rsplit(maxsplit=1)[-1]
    text = " ".join(passage.text for passage in passages)
    spoken = re.search(rf"\b[Tt]he (?:{re.escape(name)}|{re.escape(last)})\b", text)
    return f"the {spoken[0][4:]}" if spoken and last[:1].isupper() else name


def _paragraphs(passages: Sequence[Passage]) -> list[Thing]:
    """The things that paragraphs begin with, each with its paragraph."""
    found: dict[str, tuple[list[Passage], list[Offer]]] = {}
    for passage in passages:
        name = ""
        for offer in units(passage):
            if BAR in offer.text:
                continue
            if not offer.start or "\n\n" in passage.text[: offer.start][-3:]:
                name = _subject(offer.line) or name
            if name:
                held = found.setdefault(name, ([], []))
                held[0].append(passage)
                held[1].append(offer)
    return [Thing(name, tuple(dict.fromkeys(held)), frozenset(offers)) for name, (held, offers) in found.items()]


def _subject(sentence: str) -> str:
    """What a sentence is about: the name it begins with, or gives to what it begins with."""
    if called := _CALLED.search(sentence):
        return called["name"]
    match = _SUBJECT.match(sentence)
    if match and match["name"].split()[0].casefold() not in COMMON:
        whole = match["the"] or " " in match["name"] or sentence[match.end() :][:1] in " ,"
        return f"the {match['name']}" if match["the"] == "The " else match["name"] if whole else ""
    return next(iter(names(sentence)), "")
