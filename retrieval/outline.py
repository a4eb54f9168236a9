"""The outline that every format is written into: text, and the sections that headings, places and tables make."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from retrieval.rows import read_table
from retrieval.text import clean
from retrieval.types import Document, Note, Section

LONGEST_TITLE: Final = 200  # characters
_NO_DAYS: Final = frozenset(  # in the properties of a file: what clocks begin with, python-docx's and python-pptx's own
    ("1601-01-01", "1970-01-01", "1980-01-01", "2000-01-01", "2013-12-23", "2013-01-27")
)
_CAPTION: Final = 99  # the rank of a table's caption: below every heading


class Outline:
    """A document as it grows: text, and the sections its headings and places make."""

    def __init__(self) -> None:
        self.headings: list[tuple[int, str]] = []
        self._highest: tuple[int, list[str]] = (0, [])  # the highest rank of a heading, and those of it
        self.length = 0  # characters so far
        self.notes: Counter[Note] = Counter()
        self.dated = ""
        self._parts: list[str] = []
        self._sections: list[Section] = []
        self._new = True
        self._after_long = False  # the last thing added was an item of 30 characters or more
        self._place = ""

    def at(self, place: str) -> None:
        """Say where a reader finds what follows, as ``p. 4``; another place begins a section."""
        self._new = self._new or place != self._place
        self._place = place

    def heading(self, level: int, text: str) -> None:
        """Begin a section below the nearest heading of a higher rank."""
        if title := one_line(text):
            self.headings = [*(item for item in self.headings if item[0] < level), (level, title)]
            rank, titles = self._highest
            if not rank or level < rank:
                self._highest = (level, [title])
            elif level == rank:
                titles.append(title)
            self._new = True

    @property
    def title(self) -> str:
        """The one heading above all others; "" where there is none, since the first of several is but a section's."""
        _, titles = self._highest
        return titles[0] if len(titles) == 1 else ""

    def close(self, level: int) -> None:
        """End the sections of this rank and of those below it."""
        self.headings = [item for item in self.headings if item[0] < level]
        self._new = True

    def add(self, text: str, *, item: bool = False) -> None:
        """Append a paragraph, or a list item or table row."""
        text = clean(text).strip()
        if not text:
            return
        # A longer item stands apart: a bare line end could be taken for the wrapping of running text.
        near = item and len(text) < 30 and not (self._after_long and text[0].islower())
        self._after_long = item and len(text) >= 30
        gap = "" if not self._parts else "\n" if near else "\n\n"
        start = self.length + len(gap)
        self._parts += [gap, text]
        self.length = start + len(text)
        if self._new:
            headings = tuple(name for _, name in self.headings)
            self._sections.append(Section(headings, start, self.length, self._place))
            self._new = False
        else:
            last = self._sections[-1]
            self._sections[-1] = Section(last.headings, last.start, self.length, last.place)

    def add_table(self, rows: Iterable[tuple[Sequence[str], bool]], caption: str = "") -> None:
        """Append a table, each row a line that names its columns, under its caption and the titles above its rows.

        Each row comes with whether the format has it name columns. A row is a unit by itself, see `rows.line`.
        """
        table = read_table(rows)
        if table is None:
            return
        before = self.headings
        for title in filter(None, map(one_line, dict.fromkeys([caption, *table.titles]))):
            self.headings, self._new = [*self.headings, (_CAPTION, title)], True
        for line in table.lines:
            self.add(line, item=True)
        if self.headings != before:
            self.headings, self._new = before, True

    def document(self, source: str, title: str) -> Document:
        """Return the document. A path that begins with the title leaves it out."""
        sections = tuple(
            Section(s.headings[1:] if s.headings[:1] == (title,) else s.headings, s.start, s.end, s.place)
            for s in self._sections
        )
        return Document(source, title, "".join(self._parts), sections, tuple((+self.notes).items()), self.dated)


def iso_date(told: object) -> str:
    """Return the day of a date, or of a text that tells one in figures or as mail does, in ISO 8601; "" for others."""
    if isinstance(told, date):
        return (told.date() if isinstance(told, datetime) else told).isoformat()
    text = str(told or "").strip()
    forms: tuple[Callable[[str], date], ...] = (
        datetime.fromisoformat,
        parsedate_to_datetime,
        lambda said: date.fromisoformat(said[:10]),
    )
    for read in forms:
        try:
            return iso_date(read(text))
        except (ValueError, TypeError, IndexError):
            continue
    return ""


def own_date(*told: object) -> str:
    """Return the first day that is told by the properties of a file and is no stamp of the program that made it."""
    return next((day for day in map(iso_date, told) if day and day not in _NO_DAYS), "")


def one_line(text: str) -> str:
    """Return the text cleaned, on one line, cut to the length a title may have."""
    return " ".join(clean(text).split())[:LONGEST_TITLE].strip()
