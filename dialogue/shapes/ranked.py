"""What is worked out from the rows of one table: which is the most of all, which of two is more, how many there are.

Nothing is, where the kind or the measure is not clear, where two rows share what is most, or where two columns that may
be meant are each led by another row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from dialogue.judges.answers import Offer
from dialogue.judges.facts import words
from dialogue.shapes.measures import Measured, measured, winner, winners
from dialogue.shapes.plan import Most, Plan
from dialogue.shapes.tables import Row, Table, narrowed, of_kind, quoted, tables
from retrieval.types import Passage

SHOWN: Final = 4  # rows that are all quoted; of more the winner alone
MOST: Final = 40  # rows that are compared
_SMALL: Final = frozenset("the a an our my your in of at on from".split())

Worked = tuple[str, list[Offer]]


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Rows with the one thing that they are compared by."""

    rows: Sequence[Row]
    by: Measured
    most: Most


def most_of_rows(plan: Plan, passages: Sequence[Passage], today: date) -> Worked | None:
    """Return the sentence that names the most of the rows of a kind, with what is quoted, None for no such rows.

    The sentence is "" where what else is said of the rows leaves none to compare.
    """
    most = plan.most
    if most is None or plan.ranked is None:
        return None
    for table in tables(passages, most.noun):
        noun, _, kind = most.noun.rpartition(" ")
        if not of_kind(table, kind) or not measured(table.rows, most, today):
            continue
        rows = narrowed(table, f"{noun} {most.said}")
        chosen = _agreed(told := _told_apart(rows), measured(told, most, today), most) if len(rows) > 1 else None
        if chosen is None or len(rows) > MOST:
            return None if len(rows) == len(table.rows) else ("", [])
        sentence = plan.ranked(list(chosen.by.values.values()), chosen.most)
        return (sentence, _shown(chosen)) if sentence else None
    return None


def more_of_two(plan: Plan, passages: Sequence[Passage], today: date) -> Worked | None:
    """Return the sentence that says which of the rows named is more, with all of them, None where it is not clear."""
    most = plan.most
    if most is None or plan.ranked is None or len(plan.about) < 2:
        return None
    for table in tables(passages):
        found = [_named(table, thing) for thing in plan.about]
        if not all(len(rows) == 1 for rows in found) or len({rows[0].name for rows in found}) < len(found):
            continue
        both = [rows[0] for rows in found]
        chosen = _agreed(both, measured(both, most, today), most)
        if chosen is None or len(chosen.by.values) != len(both):
            continue
        values = [replace(chosen.by.values[place], label=about) for place, about in enumerate(plan.about)]
        sentence = plan.ranked(values, chosen.most)
        return (sentence, _shown(chosen)) if sentence else None
    return None


def _told_apart(rows: Sequence[Row]) -> list[Row]:
    """Rows of one name with another cell behind it that tells them apart."""
    names = [row.name for row in rows]
    return [
        replace(row, name=f"{row.name} ({other})")
        if names.count(row.name) > 1 and (other := next((c for c in row.cells.values() if c not in row.name), ""))
        else row
        for row in rows
    ]


def _agreed(rows: Sequence[Row], found: Sequence[Measured], most: Most) -> _Chosen | None:
    """The first of the measures by which a row wins that no other of them is won without, be it shared."""
    first = next((each for each in found if winner(each) is not None), None)
    if first is None or any(winner(first) not in winners(each) for each in found):
        return None
    plain = most.lasting or most.of or (len(found) == 1 and most.degree.measure != "harm")
    by = "" if plain else first.columns[0]
    turned = most.degree.measure == "speed" and first.less != most.degree.less
    degree = replace(most.degree, less=first.less, measure="time" if turned else most.degree.measure)
    return _Chosen(rows, first, replace(most, degree=degree, of=first.noun, by=by))


def _named(table: Table, thing: str) -> list[Row]:
    """The rows that a thing is called like, those of that very name before any that has all its words.

    What the title says too, as "storm" over storms by their years, need not be in the name.
    """
    asked = {word.stem for word in words(thing)} - _SMALL
    called = [(row, {word.stem for word in words(row.name)}) for row in table.rows]
    exact = [row for row, held in called if asked == held]
    rest = asked - {word.stem for word in words(table.title)}
    having = [row for row, held in called if asked and asked <= held]
    return exact or having or [row for row, held in called if rest and rest <= held]


def _shown(chosen: _Chosen) -> list[Offer]:
    """What is quoted: the rows compared, of many the winner's alone."""
    won = winner(chosen.by)
    places = list(chosen.by.values) if len(chosen.by.values) <= SHOWN else [won]
    offers = [offer for place in places if place is not None for offer in quoted(chosen.rows[place], chosen.by.columns)]
    return list(dict.fromkeys(offers))
