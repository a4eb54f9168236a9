"""Tables: CSV, TSV and Excel, each row a line that names its columns, placed by its rows."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retrieval.colours import BLACK, WHITE, Colour, alike, read_colour
from retrieval.markup import Outline, one_line
from retrieval.sources.archive import checked_zip
from retrieval.sources.decode import decode
from retrieval.sources.filetypes import SourceLimits
from retrieval.types import Document, Note, SourceError

if TYPE_CHECKING:
    from openpyxl.cell import Cell
    from openpyxl.styles.colors import Color

_BLOCK: Final = 400  # characters from which on a section of rows ends
TINY: Final = 3.0  # points of letters that nobody reads
_LONGEST_FIELD: Final = 1_000_000  # characters
_WORD: Final = re.compile(r"[^\W\d_]")


def read_csv(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one document. Columns are parted as most of the first rows are, by comma, semicolon, tab or bar."""
    csv.field_size_limit(_LONGEST_FIELD)
    outline = Outline()
    text = decode(path.read_bytes(), outline.notes)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(text)
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    try:
        _add_rows(outline, enumerate(reader, start=1), limits)
    except csv.Error as error:
        raise SourceError(f"broken table: line {reader.line_num}: {error}") from None
    yield "", outline.document("", "")


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
        _add_rows(outline, enumerate(rows, start=1), limits)
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


def _add_rows(outline: Outline, rows: Iterable[tuple[int, list[str]]], limits: SourceLimits) -> None:
    """Add numbered rows; the first names the columns if all it holds are different words."""
    cleaned = ((number, [" ".join(cell.split()) for cell in row]) for number, row in rows)
    filled = ((number, row) for number, row in cleaned if any(row))
    first, second = list(islice(filled, 1)), list(islice(filled, 1))
    names = first[0][1] if second and _are_names(first[0][1]) else []

    def line(row: list[str]) -> str:
        named = zip_longest(names[: len(row)], row, fillvalue="")
        return " | ".join(f"{name}: {cell}" if name else cell for name, cell in named if cell)

    rest = chain([] if names else first, second, filled)
    add_lines(outline, ((number, line(row)) for number, row in rest), "row", limits)


def _are_names(row: list[str]) -> bool:
    filled = [cell for cell in row if cell]
    return len(set(filled)) == len(filled) and all(len(cell) <= 80 and _WORD.search(cell) for cell in filled)


def add_lines(outline: Outline, lines: Iterable[tuple[int, str]], noun: str, limits: SourceLimits) -> None:
    """Add numbered lines in sections of about a passage, placed as ``rows 2-9``. Raises SourceError for too many."""
    block: list[tuple[int, str]] = []
    for number, line in chain(lines, [(0, "")]):
        if block and (not number or sum(len(text) for _, text in block) + len(line) > _BLOCK):
            (start, _), (last, _) = block[0], block[-1]
            outline.at(f"{noun} {start}" if start == last else f"{noun}s {start}-{last}")
            for _, text in block:
                outline.add(text, item=True)
            block = []
        block.append((number, line))
        if outline.length > limits.max_text:
            raise SourceError(f"more than the {limits.max_text} characters of text allowed")
