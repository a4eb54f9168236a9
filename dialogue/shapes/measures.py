"""What of the rows of a table is compared: the columns that measure what an adjective asks for, as values.

Where several columns do, nothing is worked out unless one row wins by each of them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from dialogue.judges.facts import content_stems, stem, stems
from dialogue.judges.hours import CLOCK, minutes
from dialogue.judges.quantities import Date, Quantity, read
from dialogue.shapes.plan import Most, Value
from dialogue.shapes.rows import LACKS, MONEY, OFTEN, is_currency, unyeared, value_in
from dialogue.shapes.tables import Row
from dialogue.shapes.words import DIMENSIONS, measures, travels

Values = dict[int, Value]  # by the place of the row

_FROM = re.compile(r"\b(?:from|since|start\w*|began|born|joined|elected|appointed)\b", re.IGNORECASE)
_TO = re.compile(r"\b(?:to|until|till|ende?d?|died|left)\b", re.IGNORECASE)
_TERM = re.compile(r"\b(?:from|since|to|until|till|joined|hired|employed|elected|appointed)\b", re.IGNORECASE)
_FIRST = re.compile(r"\b(?:first|start\w*|begin\w*|opens?|opening|from)\b", re.IGNORECASE)
_LAST = re.compile(r"\b(?:last|ends?|closes?|closing|until|to)\b", re.IGNORECASE)
_NONE = {  # what is no money, and no time
    "money": re.compile(r"free(?: of charge)?|nothing", re.IGNORECASE),
    "speed": re.compile(r"(?:from|in) stock|at once|immediate(?:ly)?|same day", re.IGNORECASE),
}
_LASTS = re.compile(r"last|take", re.IGNORECASE)
SMALL_HOURS: Final = 4 * 60  # minutes after midnight that are late at night


@dataclass(frozen=True, slots=True)
class Measured:
    """What some columns state of rows: the values by the places of the rows, and whether the least of them wins."""

    columns: tuple[str, ...]
    values: Values
    less: bool
    noun: str = ""  # what the rows have more or less of


def measured(rows: Sequence[Row], most: Most, today: date) -> list[Measured]:
    """Return what measures rows as a superlative or a comparison asks, one for each column that does."""
    if most.lasting:
        return _lasting(rows, most, today)
    if most.degree.adjective in ("late", "early") and (found := _clocks(rows, most)):
        return found
    columns = _columns(rows, most)
    made = [(column, _held(rows, column, most)) for column in columns]
    return [
        Measured((column,), values, most.degree.less != _turned(column, values, most), most.of)
        for column, values in made
        if len(values) > 1
    ]


def _turned(column: str, values: Values, most: Most) -> bool:
    """Whether less is more: the faster takes less time, the older has more years."""
    aged = most.degree.measure == "date" and stem("age") in stems(column)
    timed = any(value.quantity and value.quantity.dimension in ("time", "months") for value in values.values())
    return aged or (most.degree.measure == "speed" and timed)


def _columns(rows: Sequence[Row], most: Most) -> list[str]:
    """The columns that are asked for: those named so, else those of what the adjective measures."""
    degree, names = most.degree, list(dict.fromkeys(column for row in rows for column in row.cells))
    if most.of:
        asked = content_stems(most.of)
        return [name for name in names if asked and all(_names(stems(name), one) for one in asked)]
    nouns = measures(degree.adjective)
    often = degree.measure == "frequency"
    if often or (degree.measure == "length" and _LASTS.match(most.verb)):
        timed = [name for name in names if _is_in(rows, name, ("time", "months"))]
        return [name for name in timed if bool(OFTEN.search(name)) == often]
    if named := [name for name in names if stems(name) & nouns]:
        return _nearest(named, most)
    if degree.measure == "money":
        called = [name for name in names if MONEY.search(name)] or [name for name in names if is_currency(name)]
        return _nearest(called or [n for n in names if _is_in(rows, n, DIMENSIONS["money"])], most)
    if degree.measure == "date":
        dated = [name for name in names if all(_day(row.cells[name]) for row in rows if name in row.cells)]
        if degree.adjective in ("old", "young"):  # no age is told by the time that somebody has been in office
            dated = [name for name in dated if not _TERM.search(name)]
        return [name for name in dated if most.noun or re.search(r"born|birth", name, re.IGNORECASE)]
    dimensions = DIMENSIONS.get(degree.measure, ())[: 1 if degree.measure in ("length", "speed") else None]
    return [name for name in names if _is_in(rows, name, dimensions)]


def _names(column: frozenset[str], asked: str) -> bool:
    """Whether a column is called by a word, or by what an adjective speaks of: "bitter", of "Bitterness"."""
    return bool(column & {asked, f"{re.sub('y$', 'i', asked)}nes", f"{asked}ity"})


def _is_in(rows: Sequence[Row], column: str, dimensions: Sequence[str]) -> bool:
    held = [row.cells[column] for row in rows if column in row.cells and not LACKS.fullmatch(row.cells[column])]
    values = [value_in(cell, column) for cell in held]
    return bool(values) and all(value is not None and value[1].dimension in dimensions for value in values)


def _nearest(columns: list[str], most: Most) -> list[str]:
    """Of several columns those that share most words with the question."""
    asked = content_stems(most.question)
    shared = [len(asked & stems(column)) for column in columns]
    return [column for column, count in zip(columns, shared, strict=True) if count == max(shared)]


def _held(rows: Sequence[Row], column: str, most: Most) -> Values:
    """The values of a column, none where one of its cells cannot be read."""
    found: Values = {}
    for place, row in enumerate(rows):
        cell = row.cells.get(column, "")
        if not cell or LACKS.fullmatch(cell):
            continue
        if most.degree.measure == "date" and not most.of and stem("age") not in stems(column):
            value = _dated(row.name, cell)
        elif (none := _NONE.get(most.degree.measure)) and none.fullmatch(cell):
            value = Value(row.name, cell, Quantity("0", 0.0, 1))
        else:
            stated = value_in(cell, column)
            value = Value(row.name, *stated) if stated else None
        if value is None:
            return {}
        found[place] = value
    return _alike(found)


def _alike(found: Values) -> Values:
    """The values, what is nothing in the dimension of the others, and no year among what are none."""
    plain = unyeared([value.quantity for value in found.values() if value.quantity])
    if len(plain) == len(found):
        found = {place: replace(v, quantity=q) for (place, v), q in zip(found.items(), plain, strict=True)}
    known = next((v.quantity for v in found.values() if v.quantity and v.quantity.dimension), None)
    if known is None:
        return found
    return {
        place: replace(value, quantity=replace(known, value=0.0))
        if value.quantity and not value.quantity.dimension and not value.quantity.value
        else value
        for place, value in found.items()
    }


def _lasting(rows: Sequence[Row], most: Most, today: date) -> list[Measured]:
    """How long each row has been what it is: from one column to another, or since a day up to today."""
    names = list(dict.fromkeys(column for row in rows for column in row.cells))
    begins = [name for name in names if _FROM.search(name) and any(_day(row.cells.get(name, "")) for row in rows)]
    ends = [name for name in names if name not in begins and _TO.search(name)]
    ends = [name for name in ends if any(_day(row.cells.get(name, "")) for row in rows)]
    if len(begins) != 1 or len(ends) > 1:
        return []
    [begin], end = begins, ends[0] if ends else ""
    found: Values = {}
    for place, row in enumerate(rows):
        first, last = row.cells.get(begin, ""), row.cells.get(end, "")
        if end and not last and most.degree.less:  # it is not over
            continue
        value = _span(row.name, first, last, today) if end else _since(row.name, first)
        if value is None:
            return []
        found[place] = value
    less = most.degree.less if end else not most.degree.less
    return [Measured((begin, end) if end else (begin,), found, less, "time")]


def _span(name: str, first: str, last: str, today: date) -> Value | None:
    """The years from one date to another, to today's where there is none."""
    begun, ended = _day(first), _day(last) if last else Date(str(today.year), today.year, today.month, today.day)
    if begun is None or ended is None or begun.year > ended.year:
        return None
    years = ended.year - begun.year
    if begun.month and ended.month:
        years -= (ended.month, ended.day) < (begun.month, begun.day)
    said = f"{years} year{'s' * (years != 1)}"
    whole = f"{said} ({begun.text} to {ended.text})" if last else f"{said} (since {begun.text})"
    return Value(name, whole, Quantity(said, years, 1, "months", 12.0))


def _dated(name: str, cell: str) -> Value | None:
    day = _day(cell)
    return Value(name, day.text, None, day) if day else None


def _since(name: str, cell: str) -> Value | None:
    value = _dated(name, cell)
    return replace(value, said=f"since {value.said}") if value else None


def _day(cell: str) -> Date | None:
    """The one date or year of a cell."""
    quantities, dates = read(cell)
    known = [day for day in dates if day.year]
    years = [quantity for quantity in quantities if quantity.dimension == "year"]
    if len(known) == 1:
        return known[0]
    return Date(years[0].text, int(years[0].value), 0, 0) if len(years) == 1 and not dates else None


def _clocks(rows: Sequence[Row], most: Most) -> list[Measured]:
    """Times of the day, the latest from columns of what is last, the earliest from those of what is first."""
    late = most.degree.adjective == "late"
    names = list(dict.fromkeys(column for row in rows for column in row.cells))
    timed = [name for name in names if all(CLOCK.fullmatch(row.cells.get(name, "")) for row in rows)]
    way = travels(most.verb)
    said = [name for name in timed if stems(name) & {stem(most.verb)} or (way and travels(name) == way)]
    fitting = [name for name in said or timed if not (_FIRST if late else _LAST).search(name)] or said or timed
    found = [(name, _times([row.cells[name] for row in rows], late)) for name in fitting]
    return [
        Measured((name,), {p: Value(rows[p].name, v.text, v) for p, v in enumerate(times)}, most.degree.less)
        for name, times in found
    ]


def _times(said: Sequence[str], late: bool) -> list[Quantity]:
    """Times as minutes of the day; of the latest those past midnight belong to the night before."""
    found = []
    for text in said:
        match = CLOCK.fullmatch(text)
        assert match is not None
        passed = minutes(match)
        found.append(Quantity(text, passed + (24 * 60 if late and passed < SMALL_HOURS else 0), 1, "time", 60.0))
    return found


def size_of(value: Value) -> float:
    """Return a value as a number that can be compared with those of its column."""
    if value.date is not None:
        return value.moment
    assert value.quantity is not None
    return value.quantity.value * value.quantity.size


def winners(found: Measured) -> list[int]:
    """Return the places of the rows that win, more than one where they share it."""
    sizes: Mapping[int, float] = {place: size_of(value) for place, value in found.values.items()}
    best = (min if found.less else max)(sizes.values())
    return [place for place, size in sizes.items() if size == best]


def winner(found: Measured) -> int | None:
    """Return the place of the row that wins, None where two share it."""
    won = winners(found)
    return won[0] if len(won) == 1 else None
