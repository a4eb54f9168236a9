"""Excel: a heading per sheet that is seen, its tables row by row, values as they are displayed, formulas by theirs.

Merged cells count in all rows and columns that they cover. Hidden sheets, rows and columns, and cells whose letters or
format hide them, are left out and counted; rows that a filter hides, and those of a part that is folded, are read.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final
from zipfile import ZipFile

from retrieval.colours import BLACK, WHITE, Colour, alike, read_colour
from retrieval.outline import Outline, one_line, own_date
from retrieval.rows import MOST_SPANNED
from retrieval.sources.archive import checked_zip
from retrieval.sources.displayed import displayed
from retrieval.sources.filetypes import SourceLimits
from retrieval.sources.tables import add_rows
from retrieval.types import Document, Note

if TYPE_CHECKING:
    from openpyxl.cell import Cell
    from openpyxl.styles.colors import Color

TINY: Final = 3.0  # points of letters that nobody reads
_TOLD: Final = re.compile(
    rb"<(?:\w+:)?(?:mergeCell\b[^>]*?ref=\"(?P<left>[A-Z]{1,3})(?P<top>\d{1,7}):(?P<right>[A-Z]{1,3})"
    rb"(?P<bottom>\d{1,7})\"|(?P<col>col\b[^>]*\bhidden=\"(?:1|true)\"[^>]*)|"
    rb"(?P<row>row\b[^>]*\bhidden=\"(?:1|true)\"[^>]*)|(?P<filter>filterColumn\b)|"
    rb"f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)(?P<blank>(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?"
    rb"</(?:\w+:)?c>))"
)
_NUMBER: Final = re.compile(rb"\b(r|min|max)=\"(\d{1,7})\"")
_CHUNK: Final = 1 << 20
_LONGEST: Final = 1_000  # bytes of what is looked for, longer formulas apart
_MOST_TOLD: Final = 100_000  # merged cells, or hidden rows
_WIDEST: Final = 16_384  # columns

Merged = dict[int, list[tuple[int, int, int]]]  # by its first row: first column, last column, last row; from 1 on


@dataclass(slots=True)
class _Told:
    """What a sheet says beside the values of its cells, which are read apart."""

    merged: Merged = field(default_factory=lambda: defaultdict(list))
    rows: set[int] = field(default_factory=set)  # hidden by hand: neither by a filter nor as a part that is folded
    columns: set[int] = field(default_factory=set)
    filtered: bool = False
    blank: int = 0  # formulas that nobody computed


def read_xlsx(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one document."""
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
        told = _told(path, getattr(sheet, "_worksheet_path", ""))
        outline.notes += Counter({Note.ROW: len(told.rows), Note.COLUMN: len(told.columns), Note.FORMULA: told.blank})
        hidden: dict[int, bool] = {}
        rows = ([_seen(cell, outline.notes, hidden) for cell in row] for row in sheet.iter_rows())
        wide: set[int] = set()
        add_rows(outline, _shown(_spread(rows, told.merged, wide), told), limits, level=2, wide=wide)
    outline.dated = own_date(book.properties.modified, book.properties.created)
    yield "", outline.document("", one_line(book.properties.title or ""))


def _told(path: Path, member: str) -> _Told:
    """What a sheet says of merged cells, which stand behind its rows, and of what is hidden or was never computed."""
    found = _Told()
    with ZipFile(path) as archive:
        try:
            file = archive.open(member.lstrip("/"))
        except KeyError:
            return found
        with file:
            for match in islice(_matches(file), _MOST_TOLD):
                _take(found, match)
    if found.filtered:
        found.rows.clear()
    return found


def _take(found: _Told, match: re.Match[bytes]) -> None:
    hidden = match["col"] or match["row"]
    if match["left"]:
        span = _column(match["left"]), _column(match["right"]), int(match["bottom"])
        found.merged[int(match["top"])].append(span)
    elif match["filter"]:
        found.filtered = True
    elif hidden and b"outlineLevel=" not in hidden:
        numbers = {name: int(number) for name, number in _NUMBER.findall(hidden)}
        if match["row"] and b"r" in numbers:
            found.rows.add(numbers[b"r"])
        elif match["col"] and numbers.get(b"max", _WIDEST) - numbers.get(b"min", 0) < _WIDEST // 2:
            found.columns.update(range(numbers[b"min"], numbers[b"max"] + 1))
    elif match["blank"]:
        found.blank += 1


def _matches(file: IO[bytes]) -> Iterator[re.Match[bytes]]:
    rest = b""
    while chunk := file.read(_CHUNK):
        data = rest + chunk
        end = 0
        for match in _TOLD.finditer(data):
            yield match
            end = match.end()
        rest = data[max(end, len(data) - _LONGEST) :]


def _shown(rows: Iterator[tuple[int, list[str]]], told: _Told) -> Iterator[tuple[int, list[str]]]:
    """Yield the numbered rows without what is hidden."""
    for number, row in rows:
        if number not in told.rows:
            yield number, [cell for place, cell in enumerate(row, start=1) if place not in told.columns]


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - 64
    return number


def _spread(rows: Iterator[list[str]], merged: Merged, wide: set[int]) -> Iterator[tuple[int, list[str]]]:
    """Yield numbered rows with what merged cells hold in all that they cover; `wide` gets those with wide cells.

    A cell that is alone in its row is a title, however wide.
    """
    reaching: list[tuple[int, int, int, str]] = []  # first column, last column, last row, text
    for number, row in enumerate(rows, start=1):
        own = sum(map(bool, row))
        reaching = [one for one in reaching if one[2] >= number]
        filled = list(row)
        if own:
            for first, last, _, text in reaching:
                _fill(filled, first, last, text)
        for first, last, bottom in merged.get(number, ()):
            text = row[first - 1] if len(row) >= first else ""
            if not text or (own == 1 and not reaching):
                continue
            if last > first:
                wide.add(number)
            _fill(filled, first, last, text)
            if bottom > number:
                reaching.append((first, last, bottom, text))
        yield number, filled


def _fill(row: list[str], first: int, last: int, text: str) -> None:
    last = min(last, first + MOST_SPANNED)
    row += [""] * (last - len(row))
    for column in range(first - 1, last):
        row[column] = row[column] or text


def _seen(cell: "Cell", notes: Counter[Note], hidden: dict[int, bool]) -> str:
    """The value of a cell; nothing of one whose letters or whose format hide it. `hidden` keeps this by its style."""
    text = "" if cell.data_type == "e" else displayed(cell.value, cell.number_format if cell.value is not None else "")
    if not text:
        return ""
    style: Any = getattr(cell, "_style_id", None)
    if style not in hidden:
        hidden[style] = _is_hidden(cell)
    notes[Note.HIDDEN] += hidden[style]
    return "" if hidden[style] else text


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
