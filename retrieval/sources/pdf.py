"""PDF: what stands on its pages in the order of reading, under its headings, placed by the printed numbers of pages."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retrieval.hidden import is_passage
from retrieval.outline import one_line, own_date
from retrieval.sources import ocr
from retrieval.sources.canvas import drawn
from retrieval.sources.fields import overlay
from retrieval.sources.filetypes import SourceLimits
from retrieval.sources.layout import Block, blocks
from retrieval.sources.margins import Margins
from retrieval.sources.paged import Paged, Usual
from retrieval.sources.words import Box, Page
from retrieval.types import Document, Note, SourceError

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

_POOR_TITLE: Final = re.compile(
    r"microsoft word|untitled|anonymous|unspecified|^slide 1$|\.(?:docx?|tex|dvi|indd|pdf|pptx?)$", re.IGNORECASE
)
_PROTECTED: Final = "password-protected; save a copy without the password"
_RUN: Final = 20  # pages looked at together for what recurs, at the beginning, the middle and the end
_MOST_BOOKMARKS: Final = 5_000
_ORNAMENT: Final = 0.05  # share of a page below which a picture is one
_UNDERLAY: Final = 0.9  # of a page, from which a picture lies under all that stands on it
_DAY: Final = re.compile(r"D:(\d{4})(\d\d)(\d\d)")

Marks = dict[int, list[tuple[int, str]]]  # the bookmarks of each page: rank and title


def read_pdf(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document | None]]:
    """Yield the one document, its pages as sections, and None after pages that took their time.

    Raises SourceError, or anything for a broken file.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise SourceError(_PROTECTED) from None
        raise
    if (count := len(document)) > limits.max_pages:
        raise SourceError(f"{count} pages, more than the {limits.max_pages} allowed")
    if document.get_formtype():
        document.init_forms()
    yield from _Reading(document, limits).steps()


class _Reading:
    """A PDF while it is read."""

    def __init__(self, document: "PdfDocument", limits: SourceLimits) -> None:
        self.document, self.limits = document, limits
        self.notes = Counter[Note]()
        self.marks = _bookmarks(document)

    def steps(self) -> Iterator[tuple[str, Document | None]]:
        """Yield None now and then, and the document at last."""
        count = len(self.document)
        sample = sorted({place for start in (0, count // 2, count - _RUN) for place in range(start, start + _RUN)})
        looked_at = [self._drawn(place)[0] for place in sample if 0 <= place < count]
        margins, usual = Margins(looked_at), Usual(looked_at)
        paged = Paged([self._label(place) for place in range(count)], usual, bool(self.marks))
        for place in range(count):
            found, read = self._blocks(place, margins, paged)
            paged.take(place, found, self.marks.get(place, []), read)
            self.limits.check_text(paged.length)
            if read is not None or place % _RUN == 0:
                yield "", None
        self._refuse(paged)
        title = one_line(str(self.document.get_metadata_value("Title")))
        outline = paged.finished(margins.lines)
        outline.notes += self.notes
        told = (_DAY.match(str(self.document.get_metadata_value(key))) for key in ("ModDate", "CreationDate"))
        outline.dated = own_date(*("-".join(day.groups()) for day in told if day))
        said = title and not _POOR_TITLE.search(title)
        yield "", outline.document("", title if said else paged.title or margins.title)

    def _blocks(self, place: int, margins: Margins, paged: Paged) -> tuple[list[Block], Page | None]:
        """Return what stands on a page, and the page as it was recognised if its text is in a picture."""
        page, comments = self._drawn(place, paged)
        paged.comments += [(place, comment) for comment in comments]
        self.notes[Note.COMMENT] += len(comments)
        hidden = " ".join(word.text for word in page.hidden)
        self.notes[Note.HIDDEN] += is_passage(hidden)
        page.words = margins.taken_off(page)
        if page.words or page.aside or not page.drawn or (page.hidden and not page.pictures):
            self.notes[Note.PICTURE] += sum(_is_large(picture, page) for picture in page.pictures)
            return blocks(page), None
        if not ocr.is_installed() or self.notes[Note.RECOGNISED] >= self.limits.max_recognised:
            self.notes[Note.PICTURED] += 1
            return [], None
        read = ocr.recognised(self._picture(place))
        self.notes[Note.RECOGNISED if read.words else Note.WORDLESS] += 1
        return blocks(read), read

    def _drawn(self, place: int, paged: Paged | None = None) -> tuple[Page, list[str]]:
        """Return what is drawn on a page with the values of a form on it, and the comments there."""
        page = self.document[place]
        try:
            found, within = drawn(page)
            laid_over = overlay(self.document, page, found, within)
            found.words += laid_over.values
            return found, laid_over.comments
        finally:
            page.close()

    def _picture(self, place: int) -> ocr.Pixels:
        page = self.document[place]
        try:
            width, height = page.get_size()
            most = ocr.MOST_PIXELS / max(width, height, 1.0)
            return page.render(scale=min(ocr.DOTS / 72, most), rev_byteorder=False).to_numpy()
        finally:
            page.close()

    def _label(self, place: int) -> str:
        try:
            label = one_line(self.document.get_page_label(place))
        except Exception:
            label = ""
        return label or str(place + 1)

    def _refuse(self, paged: Paged) -> None:
        """Raise SourceError where there is nothing to read."""
        if paged.length:
            return
        if hidden := self.notes[Note.HIDDEN]:
            raise SourceError(f"no text found; {Note.HIDDEN.counted(hidden)}")
        if self.notes[Note.WORDLESS]:
            raise SourceError("no text layer, and text recognition finds no words on its pages")
        if self.notes[Note.PICTURED]:
            raise SourceError(f"no text layer, so it is probably scanned; {ocr.INSTALL}")
        raise SourceError("no text layer, and its pages are empty")


def _is_large(picture: Box, page: Page) -> bool:
    """Whether a picture is no mere ornament, nor what lies under a whole page, as a scan does under its words."""
    left, top, right, bottom = picture
    wide, high = page.box[2] - page.box[0], page.box[3] - page.box[1]
    share = abs((right - left) * (bottom - top)) / (abs(wide * high) or 1)
    return _ORNAMENT <= share < _UNDERLAY


def _bookmarks(document: "PdfDocument") -> Marks:
    found: Marks = {}
    try:
        for number, mark in enumerate(document.get_toc(max_depth=6)):
            target = mark.get_dest()
            place = target.get_index() if target else None
            if place is not None and (title := one_line(mark.get_title())):
                found.setdefault(place, []).append((mark.level + 1, title))
            if number >= _MOST_BOOKMARKS:
                break
    except Exception:
        return found
    return found
