"""Files that are text: decoded, and Markdown, HTML and source code divided into sections.

What they cost grows faster than they do where somebody means harm, Markdown and HTML above all: see `kinds.INLINE`.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from retrieval.markup import from_html, from_markdown
from retrieval.outline import Outline
from retrieval.sources.decode import decode
from retrieval.sources.filetypes import SourceLimits, suffix_of
from retrieval.text import clean
from retrieval.types import Document, Note, Section, SourceError

_BLOCK: Final = 400  # characters of source code from which on a section ends where the code has a gap


def read_text(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the text as one section."""
    notes: Counter[Note] = Counter()
    text = clean(_decoded(path, "text", limits, notes))
    yield "", Document("", "", text, (Section((), 0, len(text)),), tuple((+notes).items()))


def read_markdown(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the text by its headings."""
    outline = Outline()
    yield "", from_markdown(clean(_decoded(path, "Markdown", limits, outline.notes)), "", "", outline)


def read_html(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield what can be seen of the page, by its headings."""
    outline = Outline()
    text = _decoded(path, "HTML", limits, outline.notes)
    if (tags := text.count("<")) > limits.max_tags:
        raise SourceError(f"{tags} tags, more than the {limits.max_tags} allowed")
    yield "", from_html(text, "", "", outline)


def read_code(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield source code in sections that end at gaps between its parts, each placed by its lines."""
    outline = Outline()
    block: list[str] = []
    first, length, gap = 1, 0, False
    lines = clean(_decoded(path, "source code", limits, outline.notes)).expandtabs(4).splitlines()
    for number, line in enumerate([*lines, ""], start=1):
        begins = gap and not line.startswith((" ", "}", ")", "]"))
        if block and (length > 2 * _BLOCK or (length > _BLOCK and begins)):
            outline.at(f"lines {first}-{number - 1}")
            outline.add("\n".join(block).strip("\n"))
            block, first, length = [], number, 0
        block.append(line)
        length += len(line) + 1
        gap = not line.strip()
    outline.at(f"lines {first}-{first + len(block) - 2}")
    outline.add("\n".join(block).strip("\n"))
    yield "", outline.document("", os.fsencode(path.name).decode("utf-8", "replace"))


def _decoded(path: Path, kind: str, limits: SourceLimits, notes: Counter[Note]) -> str:
    try:
        text = decode(path.read_bytes(), notes, page=kind == "HTML")
    except SourceError as error:
        raise SourceError(f"named as {kind} ({suffix_of(path)}) but {error}") from None
    if len(text) > limits.max_text:
        raise SourceError(f"{len(text)} characters of text, more than the {limits.max_text} allowed")
    return text
