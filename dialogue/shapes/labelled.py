"""Lines of labels with values ("Adults: 5.50 pounds") under one heading: compared, or taken several times."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dialogue.judges.answers import Offer
from dialogue.judges.facts import words
from dialogue.judges.quantities import Quantity, read
from dialogue.shapes.money import sums, takes_money
from dialogue.shapes.plan import Fits, Plan, Value
from dialogue.units import units
from retrieval.text import BAR
from retrieval.types import Passage

_LINE: Final = re.compile(r"(?P<label>[^:|\n]{2,60}?)(?: ?[:=]| [–-]) ?(?P<value>\S.{0,80})")
_MARKS: Final = "-*•· "
_SMALL: Final = frozenset("the a an our my your in of at on from for with one".split())


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines of labels under one heading, and the words of the title and headings above them."""

    title: str
    heading: frozenset[str]
    lines: tuple[tuple[frozenset[str], str, Offer], ...]


def of_lines(plan: Plan, passages: Sequence[Passage]) -> tuple[str, list[Offer]] | None:
    """Return the sentence of a plan that is worked out by lines under one heading, with these lines.

    None where no heading has a line for each thing; a sentence of "" where several do, so that it is not clear which
    are meant. Of versions of a document the first counts.
    """
    if plan.work is None or plan.dates:
        return None
    asked = frozenset[str]().union(*(_roots(part) for part in plan.parts))
    found: list[tuple[int, _Block, list[tuple[Value, Offer]]]] = []
    for block in _blocks(passages):
        made = [each for thing in plan.about if (each := _of(thing, block, asked, plan.fits))]
        if len({offer for _, offer in made}) == len(plan.about):
            found.append((len(asked & block.heading), block, made))
    nearest = max((near for near, _, _ in found), default=0)
    left = [(block, made) for near, block, made in found if near == nearest]
    if not left:
        return None
    _, made = left[0]
    stated = {tuple(value.said for value, _ in each) for _, each in left}
    if len({re.sub(r"\d+", "", block.title) for block, _ in left}) > 1 and len(stated) > 1:
        return "", []
    sentence = plan.work([value for value, _ in made])
    return (sentence, [offer for _, offer in made]) if sentence else None


def labels(thing: str, offer: Offer) -> bool:
    """Say whether a line is labelled with a thing."""
    match = _LINE.fullmatch(offer.line.lstrip(_MARKS))
    return match is not None and bool(_roots(thing)) and _roots(thing) <= _roots(match["label"])


def _of(thing: str, block: _Block, asked: frozenset[str], fits: Fits | None) -> tuple[Value, Offer] | None:
    """The one line that is labelled like a thing, with its value: of several that with the fewest other words."""
    sought = _roots(thing) - block.heading or _roots(thing)
    named = [(len(label - asked), value, offer) for label, value, offer in block.lines if sought <= label]
    fewest = min((others for others, _, _ in named), default=0)
    nearest = [(value, offer) for others, value, offer in named if others == fewest]
    if not sought or len(nearest) != 1:
        return None
    said, offer = nearest[0]
    stated = _value(said, offer.text, fits)
    return (Value(thing, stated.text, stated), offer) if stated else None


def _value(said: str, line: str, fits: Fits | None) -> Quantity | None:
    every = sums(line) if takes_money(fits) else read(line)[0]
    fitting = [each for each in every if each.text in said and (each.dimension if fits is None else fits(each))]
    return fitting[0] if len(fitting) == 1 else None


def _blocks(passages: Sequence[Passage]) -> list[_Block]:
    """The lines of passages, those under one heading of one document together."""
    held: dict[tuple[str, tuple[str, ...]], list[tuple[frozenset[str], str, Offer]]] = {}
    titles: dict[tuple[str, tuple[str, ...]], str] = {}
    for passage in passages:
        key = (passage.source, passage.headings)
        titles.setdefault(key, " ".join((passage.title, *passage.headings)))
        for offer in units(passage):
            match = None if BAR in offer.text else _LINE.fullmatch(offer.line.lstrip(_MARKS))
            if match and (label := _roots(match["label"])):
                held.setdefault(key, []).append((label, match["value"], offer))
    return [_Block(titles[key], _roots(titles[key]), tuple(dict.fromkeys(rows))) for key, rows in held.items()]


def _roots(text: str) -> frozenset[str]:
    return frozenset(word.stem for word in words(text) if word.content and word.text.casefold() not in _SMALL)
