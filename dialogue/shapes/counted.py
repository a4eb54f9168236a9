"""How many rows of a kind a table has, and what is counted of several things added up. English only."""

import re
from collections.abc import Sequence
from typing import Final

from dialogue.judges.answers import Offer
from dialogue.judges.facts import stem, words
from dialogue.judges.quantities import Quantity, read
from dialogue.shapes.facts import Fact, usable
from dialogue.shapes.most import Thing, things
from dialogue.shapes.plan import Value
from dialogue.shapes.ranked import Worked
from dialogue.shapes.rows import value_in
from dialogue.shapes.tables import ANYWHERE, Table, narrowed, of_kind, quoted, tables
from dialogue.shapes.words import NUMBERS
from dialogue.units import units
from retrieval.types import Passage

SHOWN: Final = 12  # rows that are counted, all of which are quoted
_COUNT = re.compile(
    r"how many (?P<noun>(?:[\w-]+ ){0,3}?[\w-]*[^\W\d_]s)"
    r"(?P<verb> (?:do|does|did) (?:we|you|they) [a-z]+| (?:have|had) there been| [a-z]+(?: there)?)"
    r"(?P<said>(?: [\w'’-]+)*)",
    re.IGNORECASE,
)
_THERE = re.compile(
    r" (?:are|were) there| (?:have|had) there been| (?:do|does|did) (?:we|you|they) [a-z]+", re.IGNORECASE
)
_TOGETHER = re.compile(
    rf"how many (?P<noun>[a-z]+) .*?\b(?:all|the|our)(?: of)?(?: the| our)?"
    rf"(?: (?P<count>\d+|{'|'.join(NUMBERS[1:])}))? "
    r"(?P<kind>[a-z-]+s) (?:taken )?(?:together|altogether|combined|in total)",
    re.IGNORECASE,
)
_SIZES: Final = frozenset(  # what tells by its number how large a place or a body is
    map(stem, "people inhabitants residents pupils students members employees workers seats rooms beds".split())
)


def asks_count(question: str) -> bool:
    """Say whether a question asks how many there are of a kind."""
    return bool(_COUNT.fullmatch(_plain(question)) or _TOGETHER.fullmatch(_plain(question)))


def count_of(question: str, passages: Sequence[Passage]) -> Worked | None:
    """Return the sentence that says how many rows there are of what a question asks for, with them, or a sum.

    None where no table or several things of that kind are told of, or not clearly.
    """
    text = _plain(question)
    if match := _TOGETHER.fullmatch(text):
        return _sum(match["noun"], match["kind"], match["count"] or "", passages)
    match = _COUNT.fullmatch(text)
    if match is None:
        return None
    noun, said = match["noun"], match["said"]
    others, _, kind = noun.rpartition(" ")
    for table in tables(passages, kind):
        if not of_kind(table, kind) or not _lists(table, kind):
            continue
        rows = narrowed(table, f"{others} {said}")
        if not 2 <= len(rows) <= SHOWN:
            return None
        offers = [offer for row in rows for offer in quoted(row, list(row.cells)[:1])]
        does = match["verb"]
        plain = _THERE.fullmatch(does)
        sentence = (
            f"{len(rows)} {noun}{said} are listed." if plain else f"{len(rows)} of the {noun} listed{does}{said}."
        )
        return sentence, list(dict.fromkeys(offers))
    return None


def sized(found: Sequence[Thing]) -> list[tuple[Value, Fact]]:
    """Return how large things are by the number of what is counted of most of them, of people, seats or the like."""
    counts = {noun: _counts(found, noun) for noun in _SIZES}
    most = max(map(len, counts.values()))
    fullest = [made for made in counts.values() if len(made) == most]
    return fullest[0] if most > 1 and 2 * most >= len(found) and len(fullest) == 1 else []


def _sum(noun: str, kind: str, number: str, passages: Sequence[Passage]) -> Worked | None:
    """What is counted of all things of a kind, added up, where it is stated of each of them once."""
    found = things(kind, passages)
    wanted = int(number) if number.isdigit() else NUMBERS.index(number.casefold()) + 1 if number else len(found)
    made = _counts(found, stem(noun))
    if len(made) != wanted or len(made) < 2 or (not number and len(made) != len(found)):
        return None
    figures = [value.quantity.value for value, _ in made if value.quantity]
    total = sum(figures)
    if any(figure != int(figure) for figure in figures):
        return None
    added = " + ".join(f"{int(figure):,}" for figure in figures)
    return f"{added} = {int(total):,} {noun}.", [fact.offer for _, fact in made]


def _counts(found: Sequence[Thing], noun: str) -> list[tuple[Value, Fact]]:
    """The number of what is counted of each thing, for those that state just one."""
    made = []
    for thing in found:
        stated: dict[float, tuple[Quantity, Offer]] = {}
        for offer in (offer for passage in thing.passages for offer in units(passage) if offer in thing.offers):
            for quantity in read(offer.text)[0]:
                if not quantity.dimension and quantity.noun and stem(quantity.noun) == noun:
                    stated.setdefault(quantity.value, (quantity, offer))
        if len(stated) == 1:
            [(quantity, offer)] = stated.values()
            fact = Fact(offer, 0.0, (offer.start, offer.stop))
            if usable(fact):
                said = f"{quantity.text} {quantity.noun}{'' if quantity.noun == 'people' else 's'}"
                made.append((Value(thing.name, said, quantity), fact))
    return made


def _lists(table: Table, kind: str) -> bool:
    """Whether the rows of a table are things of that kind, by the name of a column of words or of the table itself."""
    root = stem(kind)
    first = next(iter(table.rows[0].cells))
    for column in {column for row in table.rows for column in row.cells} - {first}:
        if root in {word.stem for word in words(column)} and all(
            value_in(row.cells[column], column) for row in table.rows if column in row.cells
        ):
            return False  # a number of them is given of something else
    columns = {stem(column) for row in table.rows for column in list(row.cells)[:2]}
    heading = {word.stem for word in words(table.title.rpartition(": ")[2]) if word.content}
    return root in columns or heading - ANYWHERE == {root}


def _plain(question: str) -> str:
    return " ".join(question.split()).rstrip("?!. ")
