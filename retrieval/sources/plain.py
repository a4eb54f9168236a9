"""Files that are text: decoded, and divided into sections by their headings.

What they cost grows faster than they do where somebody means harm, Markdown and HTML above all: see `kinds.INLINE`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from retrieval.html import from_html
from retrieval.markup import from_markdown
from retrieval.outline import Outline, iso_date
from retrieval.sources.decode import decoded
from retrieval.sources.filetypes import SourceLimits
from retrieval.sources.settings import read_front
from retrieval.sources.typed import table_in
from retrieval.text import clean
from retrieval.types import Document, Note, Section, SourceError

_LONGEST: Final = 80  # characters of a heading
_TITLED: Final = 4  # lines of a title and what belongs to it
_UNDERLINE: Final = re.compile(r"([=~^\"'*#+-])\1{2,}\s*")
_NO_HEADING: Final = re.compile(
    r"[^\w\"'“‘(*]|[A-Za-z]:|\d+[.)]\s|.*(?:[.,;:!?…]|[.!?][\"'”’)])$|.*(?:\||://|@|\t| {3}|: )|(?:dear|hi|hello)\b",
    re.IGNORECASE,
)
_NUMBERED: Final = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,3})\.? [A-Z][^.!?:;]*")
_OMITTED: Final = re.compile(  # a picture in a chat, and what its program says
    r"^\[?\d[^\n]{5,60}: ?<[^<>\n]* omitted>\n?|^\[?\d[^\n]{5,30}Messages and calls are end-to-end encrypted[^\n]*\n?",
    re.MULTILINE,
)


def read_text(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the text by the headings that stand on lines of their own: underlined, in capitals, numbered, the first."""
    notes: Counter[Note] = Counter()
    text = _OMITTED.sub("", clean(decoded(path, limits, notes, "text")))
    outline = Outline()
    outline.notes = notes
    if add_text(outline, text) and outline.length:
        yield "", outline.document("", outline.title)
    else:
        yield "", Document("", "", text, (Section((), 0, len(text)),), tuple((+notes).items()))


def add_text(outline: Outline, text: str) -> bool:
    """Append a text by its headings, tables typed in it as rows; return whether it has some of these."""
    found = False
    for rank, said in _pieces(text):
        table = None if rank else table_in(said)
        found = found or bool(rank) or table is not None
        if rank:
            outline.heading(rank, said)
        elif table:
            outline.add_table(table)
        else:
            outline.add(said)
    return found


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Yield the paragraphs, those that are headings with their rank, the others with 0."""
    paragraphs = [part.strip("\n") for part in re.split(r"\n[ \t]*\n", text) if part.strip()]
    first = True
    for place, paragraph in enumerate(paragraphs):
        lines = paragraph.split("\n")
        rest = paragraph
        if len(lines) > 1 and _UNDERLINE.fullmatch(lines[1]) and 0 < len(lines[0].strip()) <= _LONGEST:
            yield ("=-~^\"'*#+".index(lines[1][0]) + 1), lines[0].strip()
            rest = "\n".join(lines[2:])
        elif len(lines) == 1 and place + 1 < len(paragraphs) and (rank := _rank(lines[0].strip(), first)):
            yield rank, lines[0].strip()
            rest = ""
        elif (
            first and place + 1 < len(paragraphs) and _is_title_page(lines) and (rank := _rank(lines[0].strip(), first))
        ):
            yield rank, lines[0].strip()
            rest = "\n".join(lines[1:])
        if rest.strip():
            yield 0, rest
        first = False


def _is_title_page(lines: Sequence[str]) -> bool:
    """Whether the first lines of a text are a title with what belongs to it, such as a date, and no sentences."""
    return 1 < len(lines) <= _TITLED and all(
        len(line) <= _LONGEST and not re.search(r"[.!?:;,]\s*$|[|\t]| {3}", line.strip()) for line in lines
    )


def _rank(line: str, first: bool) -> int:
    """Of a line by itself: the rank of the heading that it is, 0 where it is none."""
    if len(line) > _LONGEST or not any(sign.isalpha() for sign in line):
        return 0
    if numbered := _NUMBERED.fullmatch(line):
        return 3 + numbered[1].count(".")
    if _NO_HEADING.match(line):
        return 0
    return 1 if first else 2 if line.isupper() and sum(map(str.isalpha, line)) > 3 else 0


def read_markdown(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the text by its headings, what its front matter says first."""
    outline = Outline()
    text = clean(decoded(path, limits, outline.notes, "Markdown"))
    front = read_front(text)
    for key, value in front.items():
        if key not in ("title", "layout"):
            outline.add(f"{key}: {value}", item=True)
    if front:
        outline.close(1)
        named = (front.get(key) for key in ("updated", "last_updated", "modified", "lastmod", "date"))
        outline.dated = next(filter(None, map(iso_date, named)), "")
    yield "", from_markdown(text, "", "", outline)


def read_html(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield what can be seen of the page, by its headings."""
    outline = Outline()
    text = decoded(path, limits, outline.notes, "HTML")
    if (tags := text.count("<")) > limits.max_tags:
        raise SourceError(f"{tags} tags, more than the {limits.max_tags} allowed")
    yield "", from_html(text, "", "", outline)
