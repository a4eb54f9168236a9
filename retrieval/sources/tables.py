"""Tables: CSV and TSV, each row a line that names its columns, placed by its rows; and what spreadsheets share."""

import csv
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Final

from retrieval.outline import Outline
from retrieval.rows import are_names, cells, line, taken_apart
from retrieval.sources.decode import decode
from retrieval.sources.filetypes import SourceLimits
from retrieval.types import Document, SourceError

_BLOCK: Final = 400  # characters from which on a section of rows ends
_FEW: Final = 5  # rows of one cell that are a title, or remarks, beside a table
_NAMED_DELIMITER: Final = re.compile(r"\"?sep=([^\s\w])\"?\s*?(?=\n|\Z)")  # a line for Excel
_LONGEST_FIELD: Final = 1_000_000  # characters


def read_csv(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one document. Columns are parted as most of the first rows are, by comma, semicolon, tab or bar."""
    csv.field_size_limit(_LONGEST_FIELD)
    outline = Outline()
    text = decode(path.read_bytes(), outline.notes)
    named = _NAMED_DELIMITER.match(text)
    delimiter = named[1] if named else "\t" if path.suffix.lower() == ".tsv" else _delimiter(text)
    rows = text.splitlines(keepends=True)
    if named:
        rows[0] = "\n"
    reader = csv.reader(rows, delimiter=delimiter, strict=True)
    try:
        add_rows(outline, enumerate(reader, start=1), limits)
    except csv.Error as error:
        raise SourceError(f"broken table: line {reader.line_num}: {error}") from None
    yield "", outline.document("", outline.title)


def _delimiter(text: str) -> str:
    lines = text[:64_000].splitlines(keepends=True)[:50]

    def agreement(delimiter: str) -> int:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            return 0
        return max((widths.count(width) * (width > 1) for width in set(widths)), default=0)

    return max(",;\t|", key=agreement)


Numbered = list[tuple[int, list[str]]]  # rows with their numbers


def add_rows(
    outline: Outline,
    rows: Iterable[tuple[int, list[str]]],
    limits: SourceLimits,
    level: int = 1,
    wide: Container[int] = (),
) -> None:
    """Add numbered rows, table by table: a blank row and other names of columns begin another.

    Some rows of one cell before a table are its title and remarks. Rows whose numbers are in `wide` hold cells that
    several columns share, and name these together with the rows of names below them.
    """
    names: tuple[str, ...] = ()
    beside = [_beside(table) for table in _tables(rows, limits)]
    tables = [part for parts in beside for part in parts]
    alone = [len(parts) == 1 for parts in beside for _ in parts]
    widths = [max(sum(map(bool, row)) for _, row in table) for table in tables]
    titled = False
    figures: list[bool] = []
    for place, numbered in enumerate(tables):
        if not names and widths[place] == 1 and len(numbered) <= _FEW and max(widths[place:]) > 1:
            titled = _add_remarks(outline, numbered, level, title=not titled)
            continue
        heads = _heads(numbered, wide)
        names = names if alone[place] and not _begins(numbered, figures) else ()
        table = taken_apart([row for _, row in numbered], heads, plain=not names)
        for (number, _), title in zip(numbered, table.titles, strict=False):
            outline.at(f"row {number}")
            outline.heading(level, title)
        goes_on = not table.headed and {len(row) for row in table.rows} == {len(names)}
        names = names if goes_on else table.names
        figures = [all(map(_has_digit, filter(None, column))) for column in zip_longest(*table.rows, fillvalue="")]
        first = len(table.titles) + table.headed
        numbers = (number for number, _ in numbered[first:])
        lines = ((number, line(names, row)) for number, row in zip(numbers, table.rows, strict=True))
        add_lines(outline, lines, "row", limits)


def _begins(numbered: Numbered, figures: Sequence[bool]) -> bool:
    """Whether rows after a blank one begin with names: a full row of words where `figures` stood above it."""
    first = numbered[0][1]
    below = [cell for cell, figure in zip(first, figures, strict=False) if figure]
    return len(numbered) > 1 and all(first) and are_names(first) and any(below) and not any(map(_has_digit, below))


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


def _add_remarks(outline: Outline, numbered: Numbered, level: int, *, title: bool) -> bool:
    """Add rows of one cell each, the first as a heading where it is a `title`; return whether one was."""
    for place, (number, row) in enumerate(numbered):
        outline.at(f"row {number}")
        told = next(filter(None, row))
        if title and not place:
            outline.heading(level, told)
        else:
            outline.add(told)
    return title


def _heads(numbered: Numbered, wide: Container[int]) -> list[bool]:
    """Of each row, whether it names columns because cells of it or of the one above it are shared by several."""
    heads = [False] * len(numbered)
    start = next((at for at, (_, row) in enumerate(numbered) if sum(map(bool, row)) > 1), 0)
    at = start
    while at < len(numbered) and numbered[at][0] in wide:
        heads[at] = True
        at += 1
    if at > start and at + 1 < len(numbered) and not any(map(_has_digit, numbered[at][1])):
        heads[at] = True
    return heads


def _tables(rows: Iterable[tuple[int, list[str]]], limits: SourceLimits) -> Iterator[Numbered]:
    """Yield the runs of rows between blank ones, as far as their text is allowed."""
    table: Numbered = []
    length = 0
    for number, row in rows:
        cleaned = cells(row)
        if any(cleaned):
            table.append((number, cleaned))
            length += sum(map(len, cleaned))
        if table and (not any(cleaned) or length > limits.max_text):
            yield table
            table = []
    if table:
        yield table


def _beside(table: Numbered) -> list[Numbered]:
    """The tables that stand side by side in these rows, a blank column between them: they differ in their length."""
    width = max(len(row) for _, row in table)
    filled = [any(len(row) > at and row[at] for _, row in table) for at in range(width)]
    if all(filled[filled.index(True) :]) or len(table) < 2:
        return [table]
    edges = [at for at in range(width + 1) if (at < width and filled[at]) != (at > 0 and filled[at - 1])]
    parts: list[Numbered] = []
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        cut = [(number, row[first:last]) for number, row in table]
        parts.append([(number, row) for number, row in cut if any(row)])
    differ = len({len(part) for part in parts}) > 1
    named = all(len(part) > 1 and _width(part) > 1 and are_names(part[0][1]) for part in parts)
    return parts if differ and named else [table]


def _width(table: Sequence[tuple[int, list[str]]]) -> int:
    return max(sum(map(bool, row)) for _, row in table)


def add_lines(outline: Outline, lines: Iterable[tuple[int, str]], noun: str, limits: SourceLimits) -> None:
    """Add numbered lines in sections of about a passage, placed as ``rows 2-9``. Raises SourceError for too many."""
    block: list[tuple[int, str]] = []
    for number, told in chain(lines, [(0, "")]):
        if block and (not number or sum(len(text) for _, text in block) + len(told) > _BLOCK):
            (start, _), (last, _) = block[0], block[-1]
            outline.at(f"{noun} {start}" if start == last else f"{noun}s {start}-{last}")
            for _, text in block:
                outline.add(text, item=True)
            block = []
        block.append((number, told))
        limits.check_text(outline.length)
