"""The text of a PDF, page by page."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from retrieval.outline import one_line
from retrieval.sources.canvas import seen_text
from retrieval.sources.filetypes import SourceLimits
from retrieval.text import clean
from retrieval.types import Document, Note, Section, SourceError

_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u00ad\u2010]\n(?=[a-z])")
_SENTENCE_END = re.compile(r"[.!?:;][\"'”’)\]]*$")
_BULLET = re.compile(r"[-*•–‣▪◦]\s|\d{1,3}[.)]\s")
_POOR_TITLE = re.compile(r"microsoft word|untitled|\.(?:docx?|tex|dvi|indd|pdf)$", re.IGNORECASE)
_PROTECTED = "password-protected; save a copy without the password"


def read_pdf(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one document, its pages as sections. Raises SourceError, or anything for a broken file."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError

    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise SourceError(_PROTECTED)
        if (count := len(reader.pages)) > limits.max_pages:
            raise SourceError(f"{count} pages, more than the {limits.max_pages} allowed")
        title = reader.metadata.title if reader.metadata else None
        notes: Counter[Note] = Counter()
        yield "", _document((seen_text(page, notes) for page in reader.pages), title or "", limits, notes)
    except (DependencyError, FileNotDecryptedError):
        raise SourceError(_PROTECTED) from None


def _document(pages: Iterator[str], title: object, limits: SourceLimits, notes: Counter[Note]) -> Document:
    sections: list[Section] = []
    parts: list[str] = []
    length = 0
    for number, page in enumerate(map(clean, map(running_text, pages)), start=1):
        if page.strip():
            sections.append(Section((), length, length + len(page), f"p. {number}"))
            parts += [page, "\n\n"]
            length += len(page) + 2
        if length > limits.max_text + 2:
            raise SourceError(f"more than the {limits.max_text} characters of text allowed")
    if not sections:
        if hidden := notes[Note.HIDDEN]:
            raise SourceError(f"no text found; {Note.HIDDEN.counted(hidden)}")
        raise SourceError("no text layer, so it is probably scanned; run text recognition on it first")
    named = one_line(title) if isinstance(title, str) else ""
    return Document(
        "", "" if _POOR_TITLE.search(named) else named, "".join(parts[:-1]), tuple(sections), tuple((+notes).items())
    )


def running_text(page: str) -> str:
    """Join words hyphenated at line ends, and lines that the right margin broke; keep other line ends."""
    lines = [line.strip() for line in _HYPHEN.sub("", page).splitlines()]
    if lines and lines[-1].isdecimal():
        lines.pop()  # the page number
    if not lines:
        return ""
    width = max(map(len, lines))
    parts = [lines[0]]
    for line, following in pairwise(lines):
        runs_on = following[:1].islower() or (len(line) > 0.7 * width and len(line) > 30)
        ended = _SENTENCE_END.search(line) and len(line) < 0.9 * width
        parts.append(" " if line and following and runs_on and not ended and not _BULLET.match(following) else "\n")
        parts.append(following)
    return "".join(parts)
