"""Pages written into an outline: headings told from text, paragraphs and tables that go on overleaf made whole."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from retrieval.outline import Outline
from retrieval.rows import Table, cells, taken_apart
from retrieval.sources.grids import joined
from retrieval.sources.layout import Block
from retrieval.sources.words import Page
from retrieval.text import sentences

_CLOSED: Final = re.compile(r"[.!?:;…][\"'”’»)\]]*$")
_ITEM: Final = re.compile(r"(?:[-*•–‣▪◦●]|\d{1,3}[.)]|\(?[a-z]\))\s")
_WORDS: Final = re.compile(r"\w+")
_FULL: Final = 60  # characters from which on a paragraph without an end may go on
_LARGE: Final = 1.12  # times the usual size, of a heading
_LONGEST: Final = 110  # characters of one
_LONGEST_BOLD: Final = 80
_RANKS: Final = (1.8, 1.4, _LARGE)  # times the usual size
_CHUNK: Final = 400  # characters of recognised text that have one place


class Usual:
    """How most letters of a document are set."""

    def __init__(self, pages: Sequence[Page]) -> None:
        sizes, bold, count = Counter[float](), 0, 0
        for word in (word for page in pages for word in page.words):
            sizes[round(word.size, 1)] += len(word.text)
            bold += word.bold * len(word.text)
            count += len(word.text)
        self.size = max(sizes, key=lambda size: sizes[size], default=0.0)
        self.bold = 2 * bold > count

    def rank(self, block: Block) -> int:
        """Return the rank of a heading, by how it is set; 0 for what is none."""
        text = block.text
        if not text or len(text) > _LONGEST or text.endswith((".", ",", ";", ":", "-")) or not self.size:
            return 0
        if not any(sign.isalpha() for sign in text) or (_ITEM.match(text) and not block.bold):
            return 0
        times = round(block.size, 1) / self.size
        if times > _LARGE:
            return next(rank for rank, least in enumerate(_RANKS, start=1) if times > least or rank == len(_RANKS))
        alone = block.bold and not self.bold and times >= 0.98 and len(text) <= _LONGEST_BOLD
        return len(_RANKS) + 1 if alone else 0


class Paged:
    """A document of pages as it grows. `labels` are the numbers of the pages as they are printed."""

    def __init__(self, labels: Sequence[str], usual: Usual, marked: bool) -> None:
        self.labels, self.usual, self.marked = labels, usual, marked
        self.comments: list[tuple[int, str]] = []
        self._first = ""  # what stands first, as a title does
        self._outline = Outline()
        self._open: list[tuple[int, str, str]] = []  # the paragraph that may go on: page, place, text
        self._table: tuple[int, Table] | None = None  # the last table and its width, while nothing has followed
        self._heading: tuple[int, str, str] | None = None  # rank, text, place: written once something stands under it

    @property
    def title(self) -> str:
        """What seems to be the title: what heads the first page above the bookmarks, or all, or begins the text."""
        return (self._first if self.marked else "") or self._outline.title or self._first

    @property
    def length(self) -> int:
        """Characters so far."""
        return self._outline.length + sum(len(text) for _, _, text in self._open)

    def take(self, page: int, found: Sequence[Block], marks: Sequence[tuple[int, str]], read: Page | None) -> None:
        """Take what stands on the next page, and its bookmarks; `read` is the page where it was recognised."""
        places = self._places(page, found, read)
        left = list(marks)
        texts = {_plain(block.text) for block in found}
        for rank, title in [mark for mark in left if _plain(mark[1]) not in texts]:
            self._begin(rank, title, places[0] if places else self._label(page))
            left.remove((rank, title))
        for block, place in zip(found, places, strict=True):
            mark = next((mark for mark in left if _plain(mark[1]) == _plain(block.text)), None) if block.text else None
            if mark:
                left.remove(mark)
                self._begin(*mark, place)
            elif block.rows:
                self._add_table(block, place)
            elif read is None and (rank := self.usual.rank(block)):
                if page == 0 and rank < len(_RANKS) and self.marked:
                    self._first = self._first or block.text
                self._begin(rank + (1 + len(_RANKS)) * self.marked, block.text, place)
            else:
                self._add(page, place, block)

    def finished(self, recurring: Sequence[str]) -> Outline:
        """Return the outline, with the comments and what recurs in the margins at its end."""
        self._close()
        self._settle()
        outline = self._outline
        for page, comment in self.comments:
            outline.at(self._label(page))
            outline.add(comment)
        if recurring and outline.length:
            outline.close(1)
            outline.at(f"{self._label(0)}, header and footer")
            for text in recurring:
                outline.add(text)
        return outline

    def _label(self, page: int) -> str:
        return f"p. {self.labels[page]}"

    def _places(self, page: int, found: Sequence[Block], read: Page | None) -> list[str]:
        """Return the place of each block; of recognised ones with their lines, counted from the top of the page."""
        label = self._label(page)
        if read is None:
            return [label] * len(found)
        tops: list[float] = []
        for word in sorted(read.words, key=lambda word: word.middle):
            if not tops or word.middle - tops[-1] > 0.5 * (word.bottom - word.top):
                tops.append(word.middle)
        places: list[str] = []
        chunk: list[Block] = []
        for number, block in enumerate(found, start=1):
            chunk.append(block)
            if sum(len(one.text) for one in chunk) >= _CHUNK or number == len(found):
                top, bottom = min(one.top for one in chunk), max(one.bottom for one in chunk)
                lines = [place for place, middle in enumerate(tops, start=1) if top <= middle <= bottom]
                span = f"{lines[0]}–{lines[-1]}" if lines else "1"
                places += [f"{label}, lines {span}"] * len(chunk)
                chunk = []
        return places

    def _begin(self, rank: int, title: str, place: str) -> None:
        """Begin a heading; one with nothing under it is text."""
        self._close()
        self._table = None
        if self._heading and rank <= self._heading[0]:
            held, self._heading = self._heading, None
            self._outline.at(held[2])
            self._outline.add(held[1])
        self._settle_outer()
        self._heading = rank, title, place

    def _settle_outer(self) -> None:
        """Write the heading that another of a lower rank follows."""
        if self._heading:
            rank, title, place = self._heading
            self._heading = None
            self._outline.at(place)
            self._outline.heading(rank, title)

    def _settle(self) -> None:
        """Write a heading that nothing follows as text."""
        if self._heading:
            _, title, place = self._heading
            self._heading = None
            self._outline.at(place)
            self._outline.add(title)

    def _add(self, page: int, place: str, block: Block) -> None:
        if not self.length and len(block.text) <= _LONGEST_BOLD and block.text[-1:].isalnum():
            self._first = block.text
        self._table = None
        if self._open and not self._heading and _goes_on(self._open[-1], page, block):
            self._open.append((page, place, block.text))
            return
        self._close()
        self._settle_outer()
        self._open = [(page, place, block.text)]

    def _close(self) -> None:
        """Write the open paragraph, each of its sentences at the pages on which it stands."""
        pieces, self._open = self._open, []
        if not pieces:
            return
        text, ends = "", []
        for _, _, piece in pieces:
            text = joined(text, piece)
            ends.append(len(text))
        for place, said in _placed(text, ends, pieces, self.labels):
            self._outline.at(place)
            self._outline.add(said, item=_ITEM.match(said) is not None)

    def _add_table(self, block: Block, place: str) -> None:
        self._close()
        self._settle_outer()
        made = [row for row in (cells(row) for row in block.rows) if any(row)]
        if not made:
            return
        width = len(made[0])
        table = taken_apart(made, [block.bold, *[False] * (len(made) - 1)] if block.bold else (), plain=width > 2)
        before = self._table
        names = table.names
        if before and before[0] == width and not names and not table.titles:
            names = before[1].names
        self._table = width, replace(table, names=names)
        self._outline.at(place)
        if width == 2 and not names:
            for row in (*([title] for title in table.titles), *table.rows):
                self._outline.add(_pair(row), item=True)
            return
        rows = [([title, *[""] * (width - 1)], False) for title in table.titles]
        rows += [(list(names), True)] * bool(names) + [(row, False) for row in table.rows]
        self._outline.add_table(rows)


def _pair(row: Sequence[str]) -> str:
    """Return a row of two columns without names: the first names what stands in the second."""
    filled = [cell for cell in row if cell]
    return f"{filled[0].rstrip(' :')}: {filled[1]}" if len(filled) > 1 else filled[0]


def _goes_on(before: tuple[int, str, str], page: int, block: Block) -> bool:
    """Whether a paragraph goes on in the next column or on the next page."""
    text = before[2]
    if not block.text or _CLOSED.search(text) or _ITEM.match(block.text):
        return False
    if block.text[:1].islower():
        return len(text) >= 30 or text.endswith("-")
    return page != before[0] and len(text) >= _FULL and (text[-1].isalnum() or text[-1] in ",-")


def _placed(
    text: str, ends: Sequence[int], pieces: Sequence[tuple[int, str, str]], labels: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield the sentences of a paragraph by place, those of one place together."""
    if len({place for _, place, _ in pieces}) == 1:
        yield pieces[0][1], text
        return
    spans: list[tuple[str, int, int]] = []
    for start, end in sentences(text):
        first = next(number for number, stop in enumerate(ends) if start < stop)
        last = next(number for number, stop in enumerate(ends) if end <= stop)
        pages = pieces[first][0], pieces[last][0]
        same = pages[0] == pages[1]
        place = pieces[first][1] if same else f"p. {labels[pages[0]]}–{labels[pages[1]]}"
        if spans and spans[-1][0] == place:
            spans[-1] = (place, spans[-1][1], end)
        else:
            spans.append((place, start, end))
    for place, start, end in spans:
        yield place, text[start:end]


def _plain(text: str) -> str:
    """The words of a text, by which a heading is known again; without its number."""
    return " ".join(word for word in _WORDS.findall(text.casefold()) if not word.isdecimal())
