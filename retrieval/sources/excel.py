"""Excel: a heading per sheet that is seen, its tables row by row, values as they are displayed, formulas by theirs.

Merged cells count in all rows and columns that they cover. Hidden sheets, and cells whose letters or format hide them,
are left out and counted.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final
from zipfile import ZipFile

from retrieval.colours import BLACK, WHITE, Colour, alike, read_colour
from retrieval.outline import Outline, iso_date, one_line
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
_MERGED: Final = re.compile(rb"<(?:\w+:)?mergeCell\b[^>]*?ref=\"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})\"")
_CHUNK: Final = 1 << 20
_MOST_MERGED: Final = 100_000  # cells

Merged = dict[int, list[tuple[int, int, int]]]  # by its first row: first column, last column, last row; from 1 on


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
        merged = _merged(path, getattr(sheet, "_worksheet_path", ""))
        hidden: dict[int, bool] = {}
        rows = ([_seen(cell, outline.notes, hidden) for cell in row] for row in sheet.iter_rows())
        wide: set[int] = set()
        add_rows(outline, _spread(rows, merged, wide), limits, level=2, wide=wide)
    outline.dated = iso_date(book.properties.modified or book.properties.created)
    yield "", outline.document("", one_line(book.properties.title or ""))


def _merged(path: Path, member: str) -> Merged:
    """The merged cells of a sheet, which stand behind its rows and are not read with them."""
    found: Merged = defaultdict(list)
    with ZipFile(path) as archive:
        try:
            file = archive.open(member.lstrip("/"))
        except KeyError:
            return found
        with file:
            for count, (left, top, right, bottom) in enumerate(_ranges(file)):
                if count >= _MOST_MERGED:
                    break
                found[int(top)].append((_column(left), _column(right), int(bottom)))
    return found


def _ranges(file: IO[bytes]) -> Iterator[tuple[bytes, ...]]:
    rest = b""
    while chunk := file.read(_CHUNK):
        data = rest + chunk
        end = 0
        for match in _MERGED.finditer(data):
            yield match.groups()
            end = match.end()
        rest = data[max(end, len(data) - 200) :]


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
