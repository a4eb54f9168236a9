"""Word documents and PowerPoint presentations."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from retrieval.hidden import is_passage
from retrieval.outline import Outline, one_line
from retrieval.rows import MOST_SPANNED, Grid
from retrieval.sources.archive import checked_zip
from retrieval.sources.filetypes import SourceLimits
from retrieval.sources.unseen import Ground, WordStyles
from retrieval.types import Document, Note

if TYPE_CHECKING:
    from pptx.shapes.base import BaseShape
    from pptx.slide import Slide

_Element: TypeAlias = Any  # lxml has no types
_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_UNREAD: Final = {f"{_W}{name}" for name in ("del", "moveFrom", "pPr", "instrText", "txbxContent")} | {_FALLBACK}
_SPACES: Final = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}


def read_docx(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one document: paragraphs under their headings, lists, tables row by row, no deleted text."""
    from docx import Document as open_docx

    checked_zip(path, "Word", limits).close()
    file = open_docx(str(path))
    formats = WordStyles(file.styles.element)
    styles = {style.style_id: style.name or "" for style in file.styles}
    outline = Outline()
    read = partial(_text, formats=formats, notes=outline.notes)
    title = one_line(file.core_properties.title)
    for block in _blocks(file.element.body):
        if block.tag == f"{_W}tbl":
            outline.add_table(_rows(block, read))
            continue
        named = block.find(f"{_W}pPr/{_W}pStyle")
        style = styles.get(named.get(f"{_W}val"), "") if named is not None else ""
        text = read(block)
        if style == "Title" and not title:
            title = one_line(text)
        if style.startswith("Heading ") and style[8:].isdecimal():
            outline.heading(int(style[8:]), text)
        elif style != "Title" or one_line(text) != title:
            listed = style.startswith("List ") or block.find(f"{_W}pPr/{_W}numPr") is not None
            outline.add(text, item=listed)
    yield "", outline.document("", title or outline.title)


def _rows(table: _Element, read: Callable[[_Element], str]) -> Iterator[tuple[list[str], bool]]:
    """Yield the rows of a table, each with whether it is repeated as a head; merged cells count in all they cover."""
    above: list[str] = []
    for row in table.iter(f"{_W}tr"):
        if next(row.iterancestors(f"{_W}tbl")) is not table:
            continue
        made: list[str] = []
        for cell in row.findall(f"{_W}tc"):
            text = " ".join(read(paragraph) for paragraph in cell.iter(f"{_W}p"))
            merged = cell.find(f"{_W}tcPr/{_W}vMerge")
            if merged is not None and merged.get(f"{_W}val") != "restart" and len(above) > len(made):
                text = above[len(made)]
            across = cell.find(f"{_W}tcPr/{_W}gridSpan")
            wide = across.get(f"{_W}val", "1") if across is not None else "1"
            made += [text] * (min(int(wide), MOST_SPANNED) if wide.isdecimal() else 1)
        if len(row.findall(f"{_W}tc")) == 1:
            made[1:] = [""] * (len(made) - 1)
        yield made, row.find(f"{_W}trPr/{_W}tblHeader") is not None
        above = made


def _blocks(parent: _Element) -> Iterator[_Element]:
    """Yield the paragraphs and tables in order, those of text boxes after the paragraph that holds the box."""
    for child in parent:
        if child.tag == f"{_W}tbl":
            yield child
        elif child.tag == f"{_W}p":
            yield child
            for box in child.iter(f"{_W}txbxContent"):
                if next(box.iterancestors(_FALLBACK), None) is None:
                    yield from _blocks(box)
        elif isinstance(child.tag, str) and child.tag not in _UNREAD:  # content controls and the like
            yield from _blocks(child)


def _text(paragraph: _Element, formats: WordStyles, notes: Counter[Note]) -> str:
    """The text of a paragraph that is seen; what is not is counted once."""
    hidden: list[str] = []

    def read(element: _Element) -> str:
        parts: list[str] = []
        for child in element:
            if child.tag == f"{_W}t":
                parts.append(child.text or "")
            elif child.tag == f"{_W}r" and formats.hides(child, paragraph):
                hidden.append(read(child))
            elif isinstance(child.tag, str) and child.tag not in _UNREAD:
                parts.append(_SPACES.get(child.tag) or read(child))
        return "".join(parts)

    text = read(paragraph)
    notes[Note.HIDDEN] += is_passage("".join(hidden))
    return text


def read_pptx(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one document: a section per slide under the slide's title, and one of its notes."""
    from pptx import Presentation

    checked_zip(path, "PowerPoint", limits).close()
    file = Presentation(str(path))
    outline = Outline()
    ground, first = Ground(file), ""
    for number, slide in enumerate(file.slides, start=1):
        if slide._element.get("show") in ("0", "false"):
            outline.notes[Note.SLIDE] += 1
            continue
        outline.at(f"slide {number}")
        title = slide.shapes.title
        outline.close(1)
        if title is not None and title.has_text_frame and not ground.is_away(title):
            outline.heading(1, title.text_frame.text)
            first = first or one_line(title.text_frame.text)
        for shape in slide.shapes:
            if title is None or shape.shape_id != title.shape_id:
                _add_shape(outline, shape, slide, ground)
        if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) is not None:
            outline.at(f"slide {number}, notes")
            outline.add(notes.text)
    yield "", outline.document("", one_line(file.core_properties.title) or first)


def _add_shape(outline: Outline, shape: "BaseShape", slide: "Slide", ground: Ground) -> None:
    from pptx.shapes.graphfrm import GraphicFrame
    from pptx.shapes.group import GroupShape

    if ground.is_away(shape):
        texts = (element.text or "" for element in shape._element.iter(f"{_A}t"))
        outline.notes[Note.HIDDEN] += is_passage(" ".join(texts))
    elif isinstance(shape, GroupShape):
        for part in shape.shapes:
            _add_shape(outline, part, slide, ground)
    elif isinstance(shape, GraphicFrame) and shape.has_table:
        grid = Grid()
        for number, row in enumerate(shape.table.rows):
            grid.begin(shape.table.first_row and number == 0)
            for cell in row.cells:
                if not cell.is_spanned:
                    grid.open(False, cell.span_width, cell.span_height)
                    grid.fill(cell.text)
        outline.add_table(grid.taken())
    elif shape.has_text_frame:
        for paragraph in shape.text_frame.paragraphs:  # type: ignore[attr-defined]
            hidden = [run for run in paragraph.runs if ground.hides(run._r, shape, slide)]
            outline.notes[Note.HIDDEN] += is_passage("".join(run.text for run in hidden))
            for run in hidden:
                run.text = ""
            outline.add(paragraph.text, item=True)
