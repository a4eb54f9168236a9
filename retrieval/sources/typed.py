"""Tables typed in plain text: columns between bars, or parted by spaces that stand below each other."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from retrieval.rows import are_names, stand_out
from retrieval.sources.encoded import encoded

Rows = list[tuple[list[str], bool]]  # each with whether it names columns

_RULE: Final = re.compile(r"[\s|+=:_│┃┼├┤┌┐└┘┬┴─━═║╔╗╚╝╠╣╦╩╬-]*[-=_─━═][\s|+=:_│┃┼├┤┌┐└┘┬┴─━═║╔╗╚╝╠╣╦╩╬-]*")
_BARS: Final = re.compile(r"[|│┃║]")
_WIDEST: Final = 240  # characters of a row
_FEWEST: Final = 3  # rows between spaces
_GAP: Final = 2  # spaces between columns
_LONGEST: Final = 30  # characters of a cell between spaces, on average
_BARE: Final = re.compile(r"\S(?: {2,}|\t)\S")


def table_in(paragraph: str) -> Rows | None:
    """Return the rows of a paragraph that is a table, as `Outline.add_table` takes them; None for any other."""
    lines = paragraph.expandtabs().split("\n") if "|" in paragraph or "│" in paragraph else paragraph.split("\n")
    if len(lines) < _FEWEST or max(map(len, lines)) > _WIDEST or encoded(paragraph):
        return None
    ruled = [_RULE.fullmatch(line) is not None for line in lines]
    rows = [line for line, rule in zip(lines, ruled, strict=True) if not rule]
    if len(rows) < 2:
        return None
    first, last = ruled.index(False), len(ruled) - 1 - ruled[::-1].index(False)
    inner = [place for place in range(first, last) if ruled[place]]
    headed = len(inner) == 1 and inner[0] == first + 1
    if all(_BARS.search(line) for line in rows):
        cut = [_between_bars(line) for line in rows]
        fits = len({len(row) for row in cut}) == 1 and len(cut[0]) > 1
        return _marked(cut, headed or len(inner) == len(rows) - 1) if fits else None
    if any(_BARS.search(line) for line in rows) or (len(rows) < _FEWEST and not inner):
        return None
    cut = _between_spaces(rows)
    return _marked(cut, headed) if cut and (headed or are_names(cut[0]) or stand_out(cut[0], cut[1:])) else None


def _marked(rows: Sequence[list[str]], headed: bool) -> Rows:
    return [(row, headed and place == 0) for place, row in enumerate(rows)]


def _between_bars(line: str) -> list[str]:
    cells = [cell.strip() for cell in _BARS.split(line.strip())]
    start = 1 if not cells[0] else 0
    return cells[start : len(cells) - (not cells[-1])]


def _between_spaces(rows: Sequence[str]) -> list[list[str]]:
    """The cells of rows whose columns no letter crosses; [] where there are none."""
    if all("\t" in row.strip() for row in rows):
        cut = [[cell.strip() for cell in row.strip().split("\t")] for row in rows]
        return cut if len({len(row) for row in cut}) == 1 else []
    if any("\t" in row for row in rows) or sum(_BARE.search(row.strip()) is not None for row in rows) < 0.8 * len(rows):
        return []
    edges = list(_gutters(rows))
    if not edges:
        return []
    borders = [0, *edges, _WIDEST]
    cut = [[row[a:b].strip() for a, b in pairwise(borders)] for row in rows]
    filled = [cell for row in cut for cell in row if cell]
    most = sum(sum(map(bool, row)) > 1 for row in cut)
    short = sum(map(len, filled)) <= _LONGEST * len(filled)
    return cut if short and most >= 0.8 * len(cut) and all(cut[0]) else []


def _gutters(rows: Sequence[str]) -> Iterator[int]:
    """Yield where columns begin: after so many places that are blank in all rows, and not before the first letter."""
    width = max(map(len, rows))
    blank = [all(place >= len(row) or row[place] == " " for row in rows) for place in range(width)]
    run, seen = 0, False
    for place, empty in enumerate(blank):
        if not empty and seen and run >= _GAP:
            yield place
        run = run + 1 if empty else 0
        seen = seen or not empty
