"""Tables that are ruled on a page: lines that cross to cells, and the words in these."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from retrieval.sources.words import Box, Rule, Word

_NEAR: Final = 3.0  # points between lines that are one, and of a gap where lines meet
_MOST_LINES: Final = 400  # of one page in one direction; beyond it is a drawing
_FEWEST: Final = 4  # cells that hold something


@dataclass(frozen=True, slots=True)
class Ruled:
    """A ruled table: where it stands, and its rows, a merged cell in all that it covers."""

    box: Box
    rows: tuple[tuple[str, ...], ...]


def ruled(rules: Sequence[Rule], words: Sequence[Word]) -> tuple[list[Ruled], list[Word]]:
    """Return the ruled tables of a page, and the words that stand in none."""
    level = _merged([(rule[1] + rule[3]) / 2, rule[0], rule[2]] for rule in rules if rule[2] - rule[0] > _wide(rule))
    upright = _merged([(rule[0] + rule[2]) / 2, rule[1], rule[3]] for rule in rules if rule[3] - rule[1] > _deep(rule))
    if len(level) > _MOST_LINES or len(upright) > _MOST_LINES:
        return [], list(words)
    tables: list[Ruled] = []
    left = list(words)
    for rows, columns in _crossing(level, upright):
        box = (columns[0][0], rows[0][0], columns[-1][0], rows[-1][0])
        inside = [word for word in left if _holds(box, word)]
        made = _table(rows, columns, inside)
        if sum(bool(cell) for row in made for cell in row) >= _FEWEST and sum(len({*row} - {""}) > 1 for row in made):
            tables.append(Ruled(box, tuple(map(tuple, made))))
            left = [word for word in left if not _holds(box, word)]
    return tables, left


def _wide(rule: Rule) -> float:
    return rule[3] - rule[1]


def _deep(rule: Rule) -> float:
    return rule[2] - rule[0]


_Line = list[float]  # where it lies, from, to


def _merged(lines: Iterable[_Line]) -> list[_Line]:
    """Return the lines of one direction, pieces of one line joined, in order."""
    made: list[_Line] = []
    for at, start, end in sorted(lines):
        for line in reversed(made):
            if at - line[0] > _NEAR:
                made.append([at, start, end])
                break
            if start <= line[2] + _NEAR and end >= line[1] - _NEAR:
                line[1:] = [min(line[1], start), max(line[2], end)]
                break
        else:
            made.append([at, start, end])
    return made


class _Groups:
    """Things that belong together, by number."""

    def __init__(self, count: int) -> None:
        self._first = list(range(count))

    def of(self, number: int) -> int:
        """Return the number that stands for the group of this one."""
        while self._first[number] != number:
            self._first[number] = number = self._first[self._first[number]]
        return number

    def join(self, one: int, other: int) -> None:
        """Make two groups one, for which the lower number stands."""
        low, high = sorted((self.of(one), self.of(other)))
        self._first[high] = low


def _crossing(level: list[_Line], upright: list[_Line]) -> "list[tuple[list[_Line], list[_Line]]]":
    """Return the lines that cross each other, group by group; of each group those of rows and those of columns."""
    groups = _Groups(len(level) + len(upright))
    for row, (y, start, end) in enumerate(level):
        for column, (x, top, bottom) in enumerate(upright, start=len(level)):
            if start - _NEAR <= x <= end + _NEAR and top - _NEAR <= y <= bottom + _NEAR:
                groups.join(row, column)
    sides: dict[int, tuple[list[_Line], list[_Line]]] = {}
    for number, line in enumerate([*level, *upright]):
        sides.setdefault(groups.of(number), ([], []))[number >= len(level)].append(line)
    found = []
    for rows, columns in sides.values():
        if not rows or not columns:
            continue
        left, right = min(line[1] for line in rows), max(line[2] for line in rows)
        if columns[0][0] - left > 3 * _NEAR:  # open at the sides
            columns.insert(0, [left, rows[0][0], rows[-1][0]])
        if right - columns[-1][0] > 3 * _NEAR:
            columns.append([right, rows[0][0], rows[-1][0]])
        if len(rows) > 2 and len(columns) > 2:
            found.append((rows, columns))
    return found


def _table(rows: list[_Line], columns: list[_Line], words: Sequence[Word]) -> list[list[str]]:
    """Return the cells between these lines; cells that no line parts are one."""
    ys, xs = _places(rows), _places(columns)
    high, wide = len(ys) - 1, len(xs) - 1
    groups = _Groups(high * wide)
    for row in range(high):
        for column in range(wide):
            middle_x, middle_y = (xs[column] + xs[column + 1]) / 2, (ys[row] + ys[row + 1]) / 2
            if column + 1 < wide and not _covers(columns, xs[column + 1], middle_y):
                groups.join(row * wide + column, row * wide + column + 1)
            if row + 1 < high and not _covers(rows, ys[row + 1], middle_x):
                groups.join(row * wide + column, (row + 1) * wide + column)
    held: dict[int, list[Word]] = {}
    for word in words:
        place = _between(ys, word.middle) * wide + _between(xs, (word.left + word.right) / 2)
        held.setdefault(groups.of(place), []).append(word)
    texts = {place: text_of(found) for place, found in held.items()}
    made: list[list[str]] = []
    for row in range(high):
        cells = [groups.of(row * wide + column) for column in range(wide)]
        alone = len({*cells}) == 1
        made.append([texts.get(cell, "") if not (alone and place) else "" for place, cell in enumerate(cells)])
    return made


def _places(lines: list[_Line]) -> list[float]:
    places: list[float] = []
    for at, _, _ in lines:
        if not places or at - places[-1] > _NEAR:
            places.append(at)
    return places


def _covers(lines: list[_Line], at: float, across: float) -> bool:
    return any(abs(line[0] - at) <= _NEAR and line[1] <= across <= line[2] for line in lines)


def _between(places: list[float], at: float) -> int:
    return next((number for number, (one, other) in enumerate(pairwise(places)) if one <= at <= other), 0)


def _holds(box: Box, word: Word) -> bool:
    left, top, right, bottom = box
    return left <= (word.left + word.right) / 2 <= right and top <= word.middle <= bottom


def text_of(words: Iterable[Word]) -> str:
    """Return words on one line, in the order of reading; a word parted at the end of a line is joined."""
    rows: list[list[Word]] = []
    for word in sorted(words, key=lambda word: (word.middle, word.left)):
        if rows and word.middle - rows[-1][0].middle <= 0.5 * max(word.size, rows[-1][0].size, 1.0):
            rows[-1].append(word)
        else:
            rows.append([word])
    text = ""
    for row in rows:
        text = joined(text, " ".join(word.text for word in sorted(row, key=lambda word: word.left)))
    return text


def joined(text: str, line: str) -> str:
    """Return a text with the line that follows; a word that was parted between them is whole again."""
    if text[-1:] in ("-", "\u00ad", "\u2010") and text[-2:-1].isalpha() and line[:1].islower():
        return text[:-1] + line
    return f"{text} {line}".strip()
