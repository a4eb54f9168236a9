"""A document as it is read: headings, pages, tables as tables, and the cited sentence marked."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Final

from app.web.parts.basics import icon, icon_button, marked, small
from app.web.parts.sources import page_link, passage_of
from app.web.words import html, said
from dialogue.types import Citation
from retrieval.types import Document, Section

WINDOW: Final = 30_000  # characters shown on each side of a mark
_CELL: Final = re.compile(r"([^|:\n]{1,80}): ([^|\n]*)")


@dataclass(frozen=True, slots=True)
class Opened:
    """A document on the page: which source, and the turn from whose citations it was opened with their numbers.

    `address` is where a page is on the web; `original` says that its file can be downloaded.
    """

    source: str = ""
    turn: str = ""
    numbers: tuple[int, ...] = ()
    address: str = ""
    original: bool = False


def document(document: Document, opened: Opened, citation: Citation | None = None) -> str:
    """A document around a cited sentence, or from its beginning; long ones are cut.

    Where it no longer holds the sentence at its place, the passage as it was is shown instead.
    """
    text = document.text
    start, end = (citation.start, citation.end) if citation else (0, 0)
    if citation and text[start:end] != citation.quote:
        gone = "was removed" if not text else "has changed"
        note = html(f"This document {gone} since the reply. This is the passage as it was then.")
        body = f"<p class='fine'>{note}</p><p>{passage_of(citation)}</p>"
    else:
        low, high = max(0, start - WINDOW), min(len(text), end + (WINDOW if citation else 2 * WINDOW))
        cut = (
            f"<p class='cut'>{html('… earlier text not shown …')}</p>",
            f"<p class='cut'>{html('… later text not shown …')}</p>",
        )
        body = (cut[0] if low else "") + _body(document, low, high, start, end) + (cut[1] if high < len(text) else "")
    head = _head(document.title, opened, citation)
    text_html = f"<div class='text' tabindex='-1'>{body}</div>"
    return f"<div class='document' data-turn='{escape(opened.turn)}'>{head}{text_html}</div>"


def _head(title: str, opened: Opened, citation: Citation | None) -> str:
    back = f"<button type='button' class='lnk' data-act='library'>{icon('back')}{html('Library')}</button>"
    steps = ""
    if citation:
        turn = escape(opened.turn)
        back = small("sources", "back", html("Sources"), f" data-turn='{turn}'")
        at = opened.numbers.index(citation.number)
        sides = (("back", "Previous citation", at - 1), ("next", "Next citation", at + 1))
        steps = "".join(
            icon_button(
                drawing,
                "document",
                said(label),
                f" data-turn='{turn}' data-number='{opened.numbers[to]}'"
                if 0 <= to < len(opened.numbers)
                else " disabled",
            )
            for drawing, label, to in sides
        )
        steps = f"<span class='steps'>{steps}</span>"
    links = page_link(opened.address)
    if opened.original:
        href = f"/original?source={escape(opened.source)}"
        links += f"<a class='lnk' href='{href}' download>{icon('down')}{html('Original')}</a>"
    return f"<div class='title'>{back}<b>{escape(title)}</b>{steps}</div><div class='links'>{links}</div>"


def _body(document: Document, low: int, high: int, start: int, end: int) -> str:
    pieces: list[str] = []
    headings: tuple[str, ...] = ()
    place = ""
    for section in _sections(document, low, high):
        if section.place and section.place != place:
            place = section.place
            pieces.append(f"<div class='page' role='separator'><span>{escape(place)}</span></div>")
        for depth, heading in enumerate(section.headings):
            if section.headings[: depth + 1] != headings[: depth + 1]:
                level = min(depth + 2, 6)
                pieces.append(f"<h{level}>{escape(heading)}</h{level}>")
        headings = section.headings or headings
        pieces.append(_blocks(document.text, max(section.start, low), min(section.end, high), start, end))
    return "".join(pieces)


def _sections(document: Document, low: int, high: int) -> Iterator[Section]:
    """The sections in view, with what stands between them."""
    at = low
    for section in document.sections:
        if section.end <= low or section.start >= high:
            continue
        if document.text[at : section.start].strip():
            yield Section((), at, section.start)
        yield section
        at = section.end
    if document.text[at:high].strip():
        yield Section((), at, high)


def _blocks(text: str, low: int, high: int, start: int, end: int) -> str:
    """Lines as paragraphs, and lines of one set of names as a table."""
    lines, at = [], low
    for line in text[low:high].split("\n"):
        lines.append((at, line))
        at += len(line) + 1
    html_blocks = []
    for names, group in groupby(lines, key=lambda item: _names(item[1])):
        rows = list(group)
        if names and (len(rows) > 1 or len(names) > 1):
            html_blocks.append(_table(names, rows, start, end))
            continue
        for place, line in rows:
            if line.strip():
                html_blocks.append(f"<p>{marked_part(line, place, start, end)}</p>")
    return "".join(html_blocks)


def _names(line: str) -> tuple[str, ...]:
    """The names of the cells of a line such as ``name: K2 | height: 8611``, () where it is none."""
    cells = [_CELL.fullmatch(cell) for cell in line.split(" | ")]
    return tuple(cell[1] for cell in cells if cell) if len(cells) > 1 and all(cells) else ()


def _table(names: Sequence[str], rows: Sequence[tuple[int, str]], start: int, end: int) -> str:
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in names)
    body = []
    for place, line in rows:
        cells, at = [], place
        for name, cell in zip(names, line.split(" | "), strict=True):
            inner = at + len(name) + 2
            cells.append(f"<td>{marked_part(cell[len(name) + 2 :], inner, start, end)}</td>")
            at += len(cell) + 3
        hit = " class='hit'" if start < place + len(line) and place < end else ""
        body.append(f"<tr{hit}>{''.join(cells)}</tr>")
    return (
        f"<div class='scroll' tabindex='0' role='region' aria-label='{html('Table')}'><table>"
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def marked_part(text: str, place: int, start: int, end: int) -> str:
    """A piece of a document that begins at `place`, with what of it lies from `start` to `end` marked."""
    low, high = max(start - place, 0), min(end - place, len(text))
    return marked(text, low, high) if low < high else escape(text)
