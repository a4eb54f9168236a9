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
from dialogue.shapes.facts import CAME, FOUNDED, Fact, facts, usable, value_of
from dialogue.shapes.plan import Plan, Value
from dialogue.shapes.words import NUMBERS
from dialogue.units import quotable, units
from retrieval.text import BAR
from retrieval.types import Passage

LIKELY: Final = 0.03  # the least probability that a sentence states what is asked of a thing
MOST: Final = 12  # things that are compared

_SUBJECT = re.compile(r"\W{0,3}(?P<the>(?:The|An?|Our) )?(?P<name>[A-Z][\w'’&-]*(?: (?:(?:of|the) )*[A-Z\d][\w'’-]*)*)")
_CALLED = re.compile(r"\b(?:called|named|known as) (?:the )?(?P<name>[A-Z][\w'’-]*(?: [A-Z][\w'’-]*)*)")


@dataclass(frozen=True, slots=True)
class Thing:
    """A thing with the passages that treat it, and what of them does."""

    name: str
    passages: tuple[Passage, ...]
    offers: frozenset[Offer]


def things(noun: str, passages: Sequence[Passage], count: int = 0) -> list[Thing]:
    """Return the things of a kind that the first document treats which is about several of them; [] where none is.

    Where just so many of them are called by their kind as the question or the title counts, no others are.
    """
    root = stem(noun.rsplit(maxsplit=1)[-1])
    for source in dict.fromkeys(passage.source for passage in passages):
        own = sorted({p for p in passages if p.source == source}, key=lambda passage: passage.start)
        headed = [passage for passage in own if passage.headings]
        by_heading = len({p.headings for p in headed}) > 1 and len(headed) * 2 > len(own)
        found = _sections(headed) if by_heading else _paragraphs(own)
        told = [f"{p.title} {' '.join(p.headings[:-1] or p.headings)} {'' if p.headings else p.text}" for p in own]
        about = {word.stem for text in (told if by_heading else [own[0].title]) for word in words(text)}
        named = [thing for thing in found if root in {word.stem for word in words(thing.name)}]
        if len(named) > 1 and len(named) in (count, _counted(own[0].title)):
            return named
        if len(found) > 1 and (root in about or len(named) > 1):
            return found[:MOST]
    return []


def _counted(title: str) -> int:
    """The number that a title says, 0 for none: "The two pools"."""
    return next((NUMBERS.index(word) + 1 for word in title.casefold().split() if word in NUMBERS[1:]), 0)


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
        made = _stated(plan, found, scorer, plan.every.replace("established", "bought"), CAME)
        return made if len(made) == len(found) else []
    if plan.count and len(made) > plan.count:  # of two lifts by length, what else has a heading may state a time
        alike = [[pair for pair in made if pair[0].measure == measure] for measure in {v.measure for v, _ in made}]
        made = next((pairs for pairs in alike if len(pairs) == plan.count), made)
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
            if fits and not _denies(fact, plan) and (value := value_of(fact, plan, thing.name, asked)):
                made.append((value, fact))
                break
    return made


def _denies(fact: Fact, plan: Plan) -> bool:
    """Whether a fact says that there is none of what is compared: "She has no fridge, only a cool box of 8 litres"."""
    of = plan.most.of if plan.most else ""
    return bool(of) and bool(
        re.search(rf"\b(?:no|without (?:an? )?|not an?) {re.escape(of)}\b", fact.text, re.IGNORECASE)
    )


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
    if spoken and last[:1].isupper():
        return f"the {spoken[0][4:]}"
    low = f"the {name[:1].lower()}{name[1:]}"
    return low if re.search(rf"\b{re.escape(low)}\b", text, re.IGNORECASE) and not name[1:2].isupper() else name


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
