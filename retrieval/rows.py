"""Tables as lines: every row names its columns, so that it can be read, found and quoted by itself.

A row of any format becomes ``Course: Pottery | Room: B2 | Fee: £40``. Knows nothing of the formats tables come in.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest
from typing import Final

from retrieval.text import BAR

MOST_SPANNED: Final = 100  # columns or rows that one cell takes up
_LONGEST_NAME: Final = 80  # characters of a column's name
_LONGEST_TITLE: Final = 120  # characters of a table's
_WORD: Final = re.compile(r"[^\W\d_]")
_TOTAL: Final = re.compile(r"(?:grand |sub-?)?totals?\b|sum\b", re.IGNORECASE)


def line(names: Sequence[str], row: Sequence[str]) -> str:
    """Return a row with the name of its column before each cell that has one; empty cells are left out.

    A row of three columns or more that holds but its first cell is a remark, and no value of that column; "Total" is
    the value of none.
    """
    if len(names) > 2 and row[0] and not any(row[1:]):
        return row[0]
    named = zip_longest(names[: len(row)], row, fillvalue="")
    return BAR.join(
        f"{name}: {cell}" if name and name != cell and not _TOTAL.fullmatch(cell.rstrip(" :")) else cell
        for name, cell in named
        if cell
    )


def cells(row: Iterable[str]) -> list[str]:
    """Return the cells, each on one line and without what would part it in two."""
    return [" ".join(cell.replace(BAR, " / ").split()) for cell in row]


def is_cut(text: str, row: str) -> bool:
    """Whether a text is several cells of a row, as they stand there and in its order, case and white space aside."""
    wanted, held = (" ".join(line.casefold().split()).split(BAR) for line in (text, row))
    left = iter(held)
    return len(wanted) > 1 and all(cell in left for cell in wanted)


def are_names(row: Sequence[str]) -> bool:
    """Whether all that a row holds are different words, such as name columns."""
    filled = [cell for cell in row if cell]
    return len(set(filled)) == len(filled) > 0 and all(
        len(cell) <= _LONGEST_NAME and _WORD.search(cell) for cell in filled
    )


def stand_out(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether the first of several rows names columns, by being unlike the rows below it.

    It is where a column holds figures below a word, or, in three columns and more, where no cell of it is repeated
    below while others are.
    """
    if not rest or not are_names(first) or any(cell.endswith(":") for cell in first):
        return False
    columns = list(zip_longest(*rest, fillvalue=""))[: len(first)]
    figures = [
        bool(name) and not _has_digit(name) and all(map(_has_digit, filter(None, below))) and any(below)
        for name, below in zip(first, columns, strict=False)
    ]
    if len(first) == 2:
        return len(rest) > 1 and figures[1]
    repeated = any(len({*filter(None, below)}) < len([*filter(None, below)]) for below in columns)
    return any(figures) or (repeated and not any(name in below for name, below in zip(first, columns, strict=False)))


def _has_digit(text: str) -> bool:
    return any(sign.isdigit() for sign in text)


def _spanned(body: Sequence[Sequence[str]]) -> int:
    """How many rows name columns together, by their form: 2 or 0.

    Those are two rows of words above figures, of which the upper says what several columns have in common: one cell
    for two columns side by side, or one with none beside it above names that come again.
    """
    if len(body) < 3:
        return 0
    above, below, rest = body[0], body[1], body[2:]
    if not 1 < len(above) <= len(below) or any(map(_has_digit, below)) or not all(below[1:]):
        return 0
    shared = any(one and one == other for one, other in pairwise(above[1:]))
    again = len(set(below)) < len(below) and any(one and not other for one, other in pairwise(above[1:]))
    figures = sum(any(map(_has_digit, row[1:])) for row in rest)
    return 2 if (shared or again) and 2 * figures > len(rest) else 0


def _reaching(row: Sequence[str], below: Sequence[str]) -> list[str]:
    """Return the upper of two rows of names with its empty cells filled from the left, where names below repeat."""
    made = [*row, *[""] * (len(below) - len(row))]
    if len(set(below)) < len(below):
        for place in range(2, len(made)):
            made[place] = made[place] or made[place - 1]
    return made


def _joined(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the names of columns that stand in several rows, one below the other: ``Adult single``."""
    if len(rows) == 2:
        rows = [_reaching(rows[0], rows[1]), rows[1]]
    columns = zip_longest(*rows, fillvalue="")
    return [" ".join(dict.fromkeys(filter(None, column))).rstrip(" :") for column in columns]


def _filled_down(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the rows with what groups them written into each.

    A leading column groups rows when it is empty in some and the next is filled in all: its empty cells mean what
    stands above. What it holds has to differ from group to group.
    """
    made = [list(row) for row in rows]
    for column in range(max((len(row) for row in made), default=0) - 1):
        if not _groups(made, column):
            break
        for above, row in pairwise(made):
            if row and not row[column] and len(above) > column and not _TOTAL.match(row[column + 1]):
                row[column] = above[column]
    return made


def _groups(rows: Sequence[Sequence[str]], column: int) -> bool:
    wide = [row for row in rows if len(row) > column + 1]
    named = [row[column] for row in wide if row[column]]
    return (
        len(wide) == len(rows)
        and 0 < len(named) < len(wide)
        and bool(wide[0][column])
        and all(row[column + 1] for row in wide)
        and len(set(named)) == len(named)
        and all(_WORD.search(name) for name in named)
    )


@dataclass(frozen=True, slots=True)
class Table:
    """A table taken apart: `above` rows of titles, then `headed` rows that name the columns, then the `rows`."""

    titles: tuple[str, ...]
    names: tuple[str, ...]
    rows: tuple[list[str], ...]
    headed: int

    @property
    def lines(self) -> list[str]:
        """The rows as lines, titles not among them."""
        return [line(self.names, row) for row in self.rows]


def taken_apart(rows: Sequence[Sequence[str]], heads: Sequence[bool] = (), plain: bool = False) -> Table:
    """Return the table of these rows of `cells`, none of them empty.

    A row with one thing alone above the others is a title. `heads` says of each row whether the format has it name
    columns; where it says so of none, the first row does if it is unlike the others or, with `plain`, if it holds
    words alone.
    """
    titles: list[str] = []
    while len(titles) + 1 < len(rows) and (title := _title(rows[len(titles)], len(rows[len(titles) + 1]))):
        titles.append(title)
    body, marks = rows[len(titles) :], list(heads[len(titles) :])
    spanned = _spanned(body)
    if any(marks) and not (spanned and sum(marks) == 1 and marks[0]):
        headed = marks.index(False) if False in marks else len(marks)
    elif spanned:
        headed = spanned
    else:
        first, rest = body[0], body[1:]
        headed = int(bool(rest) and (are_names(first) if plain else stand_out(first, rest)))
    if headed == len(body):  # names of nothing
        return Table(tuple(titles), (), tuple(map(list, body)), 0)
    return Table(tuple(titles), tuple(_joined(body[:headed])), tuple(_filled_down(body[headed:])), headed)


def _title(row: Sequence[str], width: int) -> str:
    """What a row says that holds one cell alone above one of more columns; "" for any other."""
    filled = [cell for cell in row if cell]
    return filled[0] if width > 1 and len(filled) == 1 and len(filled[0]) <= _LONGEST_TITLE else ""


@dataclass
class Grid:
    """A table as its cells come, each of which may take up several columns and rows and then counts in all of them."""

    rows: list[tuple[list[str], bool]] = field(default_factory=list)
    _cells: list[tuple[str, bool, int, int]] = field(default_factory=list)  # text, names, columns, rows
    _open: tuple[bool, int, int] | None = None
    _above: dict[int, tuple[str, int]] = field(default_factory=dict)  # column: what reaches down, and how far
    _head: bool = False

    def begin(self, head: bool = False) -> None:
        """Begin a row; `head` says that it stands in the table's head."""
        self._end()
        self._head = head

    def open(self, names: bool = False, across: int = 1, down: int = 1) -> None:
        """Begin a cell; `names` says that it names a column or a row."""
        self._open = (names, across, down)

    def fill(self, text: str) -> None:
        """Give the open cell its text; text outside of cells is one of its own."""
        if self._open or text:
            names, across, down = self._open or (False, 1, 1)
            self._cells.append((text, names, across, down))
        self._open = None

    def taken(self) -> list[tuple[list[str], bool]]:
        """Return the rows, each with whether it names columns, and begin another table."""
        self._end()
        rows, self.rows, self._above = self.rows, [], {}
        return rows

    def _end(self) -> None:
        if not self._cells:
            return
        row: list[str] = []

        def reach() -> None:
            while (held := self._above.get(len(row))) and held[1]:
                self._above[len(row)] = (held[0], held[1] - 1)
                row.append(held[0])

        alone = len(self._cells) == 1 and not any(left for _, left in self._above.values())
        for text, _, across, down in self._cells:
            reach()
            for place in range(across):
                self._above[len(row)] = (text, down - 1)
                row.append("" if alone and place else text)
        reach()
        self.rows.append((row, self._head or all(names for _, names, _, _ in self._cells)))
        self._cells = []


def read_table(rows: Iterable[tuple[Sequence[str], bool]]) -> Table | None:
    """Return the table that rows make, each given with whether it names columns; None where all are empty."""
    cleaned = [(cells(row), head) for row, head in rows]
    filled = [(row, head) for row, head in cleaned if any(row)]
    return taken_apart([row for row, _ in filled], [head for _, head in filled]) if filled else None
