"""Tables: CSV, TSV and Excel, each row a line that names its columns, placed by its rows."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retrieval.colours import BLACK, WHITE, Colour, alike, read_colour
from retrieval.outline import Outline, one_line
from retrieval.rows import cells, line, taken_apart
from retrieval.sources.archive import checked_zip
from retrieval.sources.decode import decode
from retrieval.sources.filetypes import SourceLimits
from retrieval.types import Document, Note, SourceError

if TYPE_CHECKING:
    from openpyxl.cell import Cell
    from openpyxl.styles.colors import Color

_BLOCK: Final = 400  # characters from which on a section of rows ends
TINY: Final = 3.0  # points of letters that nobody reads
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


def read_xlsx(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one document: a heading per sheet that is not hidden, formulas by the value last computed."""
    from openpyxl import load_workbook

    checked_zip(path, "Excel", limits).close()
    book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
    outline = Outline()
    for sheet in book.worksheets:
        if sheet.sheet_state != "visible":
            outline.notes[Note.SHEET] += 1
            continue
        sheet.reset_dimensions()  # what a file says of its size may be wrong
        outline.heading(1, sheet.title)
        rows = ([_seen(cell, outline.notes) for cell in row] for row in sheet.iter_rows())
        add_rows(outline, enumerate(rows, start=1), limits, level=2)
    yield "", outline.document("", one_line(book.properties.title or ""))


def _seen(cell: "Cell", notes: Counter[Note]) -> str:
    """The value of a cell; nothing of one whose letters or whose format hide it."""
    text = _shown(cell)
    if text and _is_hidden(cell):
        notes[Note.HIDDEN] += 1
        return ""
    return text


def _is_hidden(cell: "Cell") -> bool:
    if "".join((cell.number_format or "").split()) == ";;;":
        return True
    font, fill = cell.font, cell.fill
    if font is None or fill is None:
        return False
    if font.sz is not None and font.sz < TINY:
        return True
    behind = WHITE if fill.fill_type is None else _colour(fill.fgColor) if fill.fill_type == "solid" else None
    return font.color is not None and alike(_colour(font.color), behind)


def _colour(colour: "Color") -> Colour | None:
    """A colour of a workbook, where its figures or the theme's white are given; a zero before them is no opacity."""
    if colour.type == "theme":
        return WHITE if colour.theme == 0 and not colour.tint else None
    if colour.type == "indexed":
        return {1: WHITE, 9: WHITE, 0: BLACK, 8: BLACK}.get(colour.indexed)
    read = read_colour(str(colour.rgb)[-6:]) if colour.type == "rgb" else None
    return read[0] if read else None


def _shown(cell: "Cell") -> str:
    """The value of a cell as a person would write it."""
    value = cell.value
    if value is None or (cell.data_type == "e"):
        return ""
    if isinstance(value, datetime) and value.time() == time():
        value = value.date()
    if isinstance(value, date | time):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, int | float) and not isinstance(value, bool):
        percent = "%" in (cell.number_format or "")
        return f"{value * 100:.10g}%" if percent else f"{value:.15g}"
    return str(value)


def add_rows(outline: Outline, rows: Iterable[tuple[int, list[str]]], limits: SourceLimits, level: int = 1) -> None:
    """Add numbered rows, table by table: a blank row and other names of columns begin another."""
    names: tuple[str, ...] = ()
    for place, numbered in enumerate(_tables(rows, limits)):
        table = taken_apart([row for _, row in numbered], plain=not place)
        for (number, _), title in zip(numbered, table.titles, strict=False):
            outline.at(f"row {number}")
            outline.heading(level, title)
        goes_on = not table.headed and {len(row) for row in table.rows} == {len(names)}
        names = names if goes_on else table.names
        first = len(table.titles) + table.headed
        numbers = (number for number, _ in numbered[first:])
        lines = ((number, line(names, row)) for number, row in zip(numbers, table.rows, strict=True))
        add_lines(outline, lines, "row", limits)


def _tables(rows: Iterable[tuple[int, list[str]]], limits: SourceLimits) -> Iterator[list[tuple[int, list[str]]]]:
    """Yield the runs of rows between blank ones, as far as their text is allowed."""
    table: list[tuple[int, list[str]]] = []
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
        if outline.length > limits.max_text:
            raise SourceError(f"more than the {limits.max_text} characters of text allowed")
