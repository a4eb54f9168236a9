"""Word documents: text under its headings, tables row by row, notes where they are referred to.

What was inserted with changes tracked is read, what was deleted is not. A comment follows the paragraph that it is
about; headers and footers are read once, at the end.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from retrieval.hidden import is_passage
from retrieval.outline import Outline, one_line, own_date
from retrieval.rows import MOST_SPANNED, read_table
from retrieval.sources.archive import checked_zip
from retrieval.sources.filetypes import SourceLimits
from retrieval.sources.unseen import WordStyles
from retrieval.text import sentences
from retrieval.types import Document, Note

if TYPE_CHECKING:
    from docx.document import Document as WordFile

_Element: TypeAlias = Any  # lxml has no types
_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_M: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_RELATED: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
_FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_BLIP: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}blip"
_UNREAD: Final = {f"{_W}{name}" for name in ("del", "moveFrom", "pPr", "instrText", "txbxContent")} | {_FALLBACK}
_SPACES: Final = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_CHANGED: Final = tuple(f"{_W}{name}" for name in ("ins", "del", "moveFrom", "moveTo"))
_NOTES: Final = ("footnote", "endnote", "comment")
_PAGE_NUMBER: Final = re.compile(r"(?:[^\W\d_]{1,7}\.? ?|[-–—] ?)?\d*(?: ?(?:/|[^\W\d_]{2,3}|[-–—|]) ?\d*)?")


def read_docx(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one document: paragraphs under their headings, lists, tables, notes, comments, no deleted text."""
    from docx import Document as open_docx

    checked_zip(path, "Word", limits).close()
    file = open_docx(str(path))
    outline = Outline()
    reading = _Reading(file, outline)
    reading.read(file.element.body)
    outline.close(1)
    for part, said in reading.margins():
        outline.at(part)
        outline.add(said)
    outline.dated = own_date(file.core_properties.modified, file.core_properties.created)
    body = file.element.body
    outline.notes[Note.CHANGE] += sum(1 for _ in body.iter(*_CHANGED))
    outline.notes[Note.PICTURE] += sum(next(blip.iterancestors(_FALLBACK), None) is None for blip in body.iter(_BLIP))
    yield "", outline.document("", reading.title or outline.title)


class _Reading:
    """A Word document while it is read into an outline."""

    def __init__(self, file: "WordFile", outline: Outline) -> None:
        self.file, self.outline = file, outline
        self.title = one_line(file.core_properties.title)
        self.formats = WordStyles(file.styles.element)
        self.styles = {style.style_id: style.name or "" for style in file.styles}
        self.kept = {name: dict(_kept(file, name)) for name in _NOTES}

    def read(self, parent: _Element) -> None:
        """Add the paragraphs and tables below an element."""
        for block in _blocks(parent):
            if block.tag == f"{_W}tbl":
                comments: list[str] = []
                self.outline.add_table(_rows(block, partial(self.text, comments=comments)))
            else:
                comments = self._paragraph(block)
            for comment in comments:
                self.outline.add(comment)

    def _paragraph(self, block: _Element) -> list[str]:
        """Add a paragraph, and return the comments on it."""
        named = block.find(f"{_W}pPr/{_W}pStyle")
        style = self.styles.get(named.get(f"{_W}val"), "") if named is not None else ""
        comments: list[str] = []
        text = self.text(block, comments)
        if style == "Title" and not self.title:
            self.title = one_line(text)
        if style.startswith("Heading ") and style[8:].isdecimal():
            self.outline.heading(int(style[8:]), text)
        elif style != "Title" or one_line(text) != self.title:
            listed = style.startswith("List ") or block.find(f"{_W}pPr/{_W}numPr") is not None
            self.outline.add(text, item=listed)
        return comments

    def text(self, paragraph: _Element, comments: list[str]) -> str:
        """Return the text of a paragraph that is seen, with the notes on it; what is not seen is counted once."""
        made = _Text(self.formats, paragraph)
        text = made.read(paragraph)
        self.outline.notes[Note.HIDDEN] += is_passage("".join(made.hidden))
        for place, kind, number in reversed(made.marks):
            said = self._said(kind, number)
            if said and kind == "comment":
                comments.insert(0, said)
            elif said:
                text = _with_note(text, place, said)
                self.outline.notes[Note.FOOTNOTE] += 1
        self.outline.notes[Note.COMMENT] += len(comments)
        return text

    def _said(self, kind: str, number: str) -> str:
        """What a note or a comment says."""
        note = self.kept[kind].pop(number, None)  # once, however often it is referred to
        if note is None:
            return ""
        texts = (_Text(self.formats, paragraph).read(paragraph) for paragraph in note.iter(f"{_W}p"))
        said = " ".join(" ".join(texts).split())
        author = one_line(note.get(f"{_W}author") or "")
        return f"Comment by {author}: {said}" if said and author and kind == "comment" else said

    def margins(self) -> Iterator[tuple[str, str]]:
        """Yield what headers and footers say, each once, without page numbers."""
        seen: set[str] = set()
        for section in self.file.sections:
            for name in ("header", "footer"):
                for before in ("", "first_page_", "even_page_"):
                    part = getattr(section, f"{before}{name}")
                    if part.is_linked_to_previous:
                        continue
                    for said in self._lines(part._element):
                        if said not in seen and not _PAGE_NUMBER.fullmatch(said):
                            seen.add(said)
                            yield name, said

    def _lines(self, parent: _Element) -> Iterator[str]:
        for block in _blocks(parent):
            if block.tag == f"{_W}tbl":
                if table := read_table(_rows(block, partial(self.text, comments=[]))):
                    yield from (*table.titles, *table.lines)
            else:
                yield from filter(None, [" ".join(self.text(block, []).split())])


@dataclass
class _Text:
    """The text of one paragraph: what of it is hidden, and where notes and comments are referred to."""

    formats: WordStyles
    paragraph: _Element
    hidden: list[str] = field(default_factory=list)
    marks: list[tuple[int, str, str]] = field(default_factory=list)  # place in the text, kind, number
    length: int = 0

    def read(self, element: _Element) -> str:
        """Return the text below an element."""
        parts: list[str] = []
        for child in element:
            said = ""
            if child.tag in (f"{_W}t", f"{_M}t"):
                said = child.text or ""
                self.length += len(said)
            elif child.tag == f"{_W}r" and self.formats.hides(child, self.paragraph):
                before = self.length
                self.hidden.append(self.read(child))
                self.length = before
            elif child.tag in _SPACES:
                said = _SPACES[child.tag]
                self.length += len(said)
            elif isinstance(child.tag, str) and child.tag not in _UNREAD:
                kind = child.tag.removeprefix(_W).removesuffix("Reference")
                if kind in _NOTES:
                    self.marks.append((self.length, kind, child.get(f"{_W}id") or ""))
                said = self.read(child)
            parts.append(said)
        return "".join(parts)


def _with_note(text: str, place: int, said: str) -> str:
    """Return a text with a note: a sentence after the one that it is about, anything else in brackets."""
    if said[:1].isupper() and said[-1:] in ".!?":
        place = next((end for start, end in sentences(text) if end >= place), len(text))
        return f"{text[:place]} {said}{text[place:]}"
    return f"{text[:place]} ({said}){text[place:]}"


def _kept(file: "WordFile", name: str) -> Iterator[tuple[str, _Element]]:
    """Yield the notes of a kind, or the comments, by number."""
    from docx.oxml import parse_xml

    for relation in file.part.rels.values():
        if relation.reltype == f"{_RELATED}{name}s" and not relation.is_external:
            for note in parse_xml(relation.target_part.blob).iter(f"{_W}{name}"):
                if note.get(f"{_W}type") in (None, "normal"):
                    yield note.get(f"{_W}id") or "", note


def _rows(table: _Element, read: Callable[[_Element], str]) -> Iterator[tuple[list[str], bool]]:
    """Yield the rows of a table, each with whether it names columns; merged cells count in all that they cover."""
    above: list[str] = []
    rows = [row for row in table.iter(f"{_W}tr") if next(row.iterancestors(f"{_W}tbl")) is table]
    bold = [_is_bold(row) for row in rows[:2]]
    for number, row in enumerate(rows):
        made: list[str] = []
        for cell in row.findall(f"{_W}tc"):
            paragraphs = (one for one in cell.iter(f"{_W}p") if next(one.iterancestors(_FALLBACK), None) is None)
            text = " ".join(filter(None, map(read, paragraphs)))
            merged = cell.find(f"{_W}tcPr/{_W}vMerge")
            if merged is not None and merged.get(f"{_W}val") != "restart" and len(above) > len(made):
                text = above[len(made)]
            across = cell.find(f"{_W}tcPr/{_W}gridSpan")
            wide = across.get(f"{_W}val", "1") if across is not None else "1"
            made += [text] * (min(int(wide), MOST_SPANNED) if wide.isdecimal() else 1)
        if len(row.findall(f"{_W}tc")) == 1:
            made[1:] = [""] * (len(made) - 1)
        head = row.find(f"{_W}trPr/{_W}tblHeader") is not None or (number == 0 and bold == [True, False])
        yield made, head
        above = made


def _is_bold(row: _Element) -> bool:
    """Whether all that a row says is in bold letters."""
    runs = [run for run in row.iter(f"{_W}r") if run.find(f"{_W}t") is not None]
    marks = [run.find(f"{_W}rPr/{_W}b") for run in runs]
    return bool(marks) and all(mark is not None and mark.get(f"{_W}val") not in ("0", "false") for mark in marks)


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
