"""OpenDocument: texts by their headings, sheets by their rows, slides with their notes."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retrieval.outline import Outline, iso_date, one_line
from retrieval.rows import MOST_SPANNED
from retrieval.sources.archive import checked_zip
from retrieval.sources.filetypes import SourceLimits
from retrieval.sources.tables import add_rows
from retrieval.types import Document, Note, SourceError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_NAMES: Final = "{urn:oasis:names:tc:opendocument:xmlns:%s:1.0}"
_OFFICE, _TEXT, _TABLE = _NAMES % "office", _NAMES % "text", _NAMES % "table"
_DRAW, _STYLE, _PRESENTATION = _NAMES % "drawing", _NAMES % "style", _NAMES % "presentation"
_DC: Final = "{http://purl.org/dc/elements/1.1/}"
_UNREAD: Final = {
    f"{_OFFICE}annotation",
    f"{_OFFICE}annotation-end",
    f"{_TEXT}tracked-changes",
    f"{_TEXT}note-citation",
}
_SPACES: Final = {f"{_TEXT}tab": "\t", f"{_TEXT}line-break": "\n"}
_HIDDEN: Final = {f"{_TEXT}hidden-text", f"{_TEXT}hidden-paragraph"}
_MOST_REPEATED: Final = 1_000  # blank rows or columns that count


def read_odf(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one document; deleted text and hidden sheets are left out. Raises SourceError."""
    from defusedxml.ElementTree import fromstring

    with checked_zip(path, "OpenDocument", limits) as archive:
        names = set(archive.namelist())
        if "content.xml" not in names:
            raise SourceError("no OpenDocument: it holds no content.xml")
        content = fromstring(archive.read("content.xml"))
        about = fromstring(archive.read("meta.xml")) if "meta.xml" in names else None
    body = content.find(f"{_OFFICE}body")
    outline = Outline()
    hidden = {
        str(style.get(f"{_STYLE}name"))
        for style in content.iter(f"{_STYLE}style")
        if any(part.get(f"{_TABLE}display") == "false" for part in style.iter(f"{_STYLE}table-properties"))
    }
    for part in body if body is not None else ():
        if part.tag == f"{_OFFICE}spreadsheet":
            _add_sheets(outline, part, hidden, limits)
        elif part.tag == f"{_OFFICE}presentation":
            _add_slides(outline, part)
        else:
            _add_blocks(outline, part)
    outline.notes += Counter(
        {
            Note.FOOTNOTE: sum(1 for _ in content.iter(f"{_TEXT}note")),
            Note.PICTURE: sum(1 for _ in content.iter(f"{_DRAW}image")),
            Note.CHANGE: sum(1 for _ in content.iter(f"{_TEXT}changed-region")),
        }
    )
    outline.dated = iso_date(about.findtext(f".//{_DC}date")) if about is not None else ""
    title = about.findtext(f".//{_DC}title") if about is not None else ""
    sheets = content.find(f".//{_OFFICE}spreadsheet") is not None  # a name such as Sheet1 is no title
    yield "", outline.document("", one_line(title or "") or ("" if sheets else outline.title))


def _add_blocks(outline: Outline, parent: "Element", item: bool = False) -> None:
    """Append headings, paragraphs, lists and tables in order."""
    for block in parent:
        if block.tag == f"{_TEXT}h":
            outline.heading(int(block.get(f"{_TEXT}outline-level") or 1), _read(block))
        elif block.tag == f"{_TEXT}p":
            outline.add(_read(block), item=item)
            for said in _comments(block):
                outline.add(said)
                outline.notes[Note.COMMENT] += 1
        elif block.tag == f"{_TABLE}table":
            outline.add_table((row, head) for row, head in _rows(block))
        elif block.tag not in _UNREAD:
            _add_blocks(outline, block, item or block.tag == f"{_TEXT}list")


def _add_sheets(outline: Outline, parent: "Element", hidden: set[str], limits: SourceLimits) -> None:
    for sheet in parent.iter(f"{_TABLE}table"):
        if sheet.get(f"{_TABLE}style-name") in hidden:
            outline.notes[Note.SHEET] += 1
            continue
        unseen = [row for row in sheet.iter(f"{_TABLE}table-row") if row.get(f"{_TABLE}visibility") == "collapse"]
        outline.notes[Note.ROW] += sum(_number(row, "number-rows-repeated") for row in unseen if _holds(row))
        outline.close(1)
        outline.heading(1, sheet.get(f"{_TABLE}name") or "")
        add_rows(outline, enumerate((row for row, _ in _rows(sheet)), start=1), limits, level=2)


def _add_slides(outline: Outline, parent: "Element") -> None:
    for number, page in enumerate(parent.iter(f"{_DRAW}page"), start=1):
        outline.at(f"slide {number}")
        outline.close(1)
        notes: Element | None = None
        for frame in page:
            if frame.tag == f"{_PRESENTATION}notes":
                notes = frame
            elif frame.get(f"{_PRESENTATION}class") == "title":
                outline.heading(1, " ".join(_read(part) for part in frame.iter(f"{_TEXT}p")))
            else:
                _add_blocks(outline, frame, item=True)
        if notes is not None:
            outline.at(f"slide {number}, notes")
            _add_blocks(outline, notes)


def _rows(table: "Element") -> Iterator[tuple[list[str], bool]]:
    """Yield the rows of a table with whether they are its head; merged cells count in all that they cover."""
    below: dict[int, tuple[str, int]] = {}  # column: what reaches down, and how far
    for row, head in _row_elements(table, False):
        made: list[str] = []
        for cell in row:
            if cell.tag not in (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
                continue
            text = " ".join(filter(None, (_read(part) for part in cell.iter(f"{_TEXT}p"))))
            repeated = min(_number(cell, "number-columns-repeated"), _MOST_REPEATED)
            wide, deep = _number(cell, "number-columns-spanned"), _number(cell, "number-rows-spanned")
            for _ in range(repeated):
                column = len(made)
                held, left = below.get(column, ("", 0))
                covered = cell.tag.endswith("covered-table-cell")
                made.append(held if covered and left else text)
                below[column] = (held, left - 1) if covered and left else (text, deep - 1)
                for beside in range(column + 1, column + min(wide, MOST_SPANNED)):
                    below[beside] = (text, deep)
        while made and not made[-1]:
            made.pop()
        repeats = min(_number(row, "number-rows-repeated"), _MOST_REPEATED) if made else 1
        for _ in range(repeats):
            yield list(made), head


def _row_elements(parent: "Element", head: bool) -> "Iterator[tuple[Element, bool]]":
    for child in parent:
        if child.tag == f"{_TABLE}table-row":
            if child.get(f"{_TABLE}visibility") != "collapse":
                yield child, head
        elif child.tag in {f"{_TABLE}{name}" for name in ("table-header-rows", "table-rows", "table-row-group")}:
            yield from _row_elements(child, head or child.tag.endswith("header-rows"))


def _holds(row: "Element") -> bool:
    return any(_read(part).strip() for part in row.iter(f"{_TEXT}p"))


def _number(element: "Element", name: str) -> int:
    said = element.get(f"{_TABLE}{name}") or "1"
    return max(1, int(said)) if said.isdecimal() and len(said) < 8 else 1


def _read(element: "Element") -> str:
    """The text of a paragraph; a footnote stands in brackets where its mark is."""

    def parts(parent: "Element") -> Iterable[str]:
        yield parent.text or ""
        for child in parent:
            if child.tag == f"{_TEXT}s":
                yield " " * _spaces(child)
            elif child.tag in _SPACES:
                yield _SPACES[child.tag]
            elif child.tag == f"{_TEXT}note":
                yield f" ({' '.join(_read(part) for part in child.iter(f'{_TEXT}p'))})"
            elif child.tag not in _UNREAD | _HIDDEN:
                yield from parts(child)
            yield child.tail or ""

    return "".join(parts(element))


def _comments(paragraph: "Element") -> Iterator[str]:
    """Yield the comments on a paragraph, each with who wrote it."""
    for note in paragraph.iter(f"{_OFFICE}annotation"):
        said = " ".join(filter(None, (_read(part) for part in note.iter(f"{_TEXT}p"))))
        author = one_line(note.findtext(f"{_DC}creator") or "")
        if said:
            yield f"Comment by {author}: {said}" if author else f"Comment: {said}"


def _spaces(element: "Element") -> int:
    said = element.get(f"{_TEXT}c") or "1"
    return min(int(said), 8) if said.isdecimal() and len(said) < 4 else 1
