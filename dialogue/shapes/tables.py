"""Things that tables, records and lists tell of, each with its cells: what is compared and counted row by row.

A table may have its things in rows or, where its first column has no name, in columns. Records are lines of names and
values that begin alike; a list gives of each thing since when. Knows nothing of how a question is read.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from dialogue.judges.answers import Offer
from dialogue.judges.facts import stem, stems, words
from dialogue.shapes.rows import DENIED, LACKS, YES, cells, name_in, value_in
from dialogue.units import units
from retrieval.text import BAR
from retrieval.types import Passage

ANYWHERE: Final = frozenset(  # places that narrow nothing down, and what has no meaning of its own
    """town office power service post charge night morning evening total all world company firm list here there us
    history time one serv reign stand""".split()
)

_LINE = re.compile(r"(?P<name>[A-Z][\w ()/.-]{1,40}): (?P<cell>\S.{0,120})")
_SINCE = re.compile(r"(?P<name>[^\n(:;]{2,60}?),? \(?since (?P<cell>[^)\n]{4,20})\)?\.?")
_CODE = re.compile(r"\b(?:no|nr|number|code|id|sku)\b\.?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """A thing of a table: what it is called, its cells by the names of their columns, and where each of them stands."""

    name: str
    cells: Mapping[str, str]
    offers: Mapping[str, Offer] = field(default_factory=dict)
    head: Offer | None = None  # the line of a record that has the name

    @property
    def text(self) -> str:
        """What the row says, with its name, but for cells that say that there is none."""
        return " ".join([self.name, *(cell for cell in self.cells.values() if not LACKS.fullmatch(cell))])


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with columns of the same names, and the title and headings above them."""

    title: str
    rows: tuple[Row, ...]

    @property
    def about(self) -> frozenset[str]:
        """The stems of the words that tell what the rows are: of title, headings, and columns other than of numbers."""
        columns = {name for row in self.rows for name, cell in row.cells.items() if not value_in(cell, name)}
        return stems(" ".join([self.title, next(iter(self.rows[0].cells)), *columns]))


def tables(passages: Sequence[Passage], noun: str = "") -> Iterator[Table]:
    """Yield the tables of two rows or more of passages, source by source, rows named by their kind, the `noun`."""
    for source in dict.fromkeys(passage.source for passage in passages):
        own = sorted({p for p in passages if p.source == source}, key=lambda passage: passage.start)
        lines: dict[str, list[Offer]] = {}
        for passage in own:
            for offer in units(passage):
                lines.setdefault(offer.page.title, []).append(offer)
        for title, offers in lines.items():
            for rows in (_down(offers, noun), _across(offers), _records(offers), _dated(offers)):
                if len(rows) > 1:
                    yield Table(re.sub(r"[-_]", " ", title), tuple(rows))


def of_kind(table: Table, noun: str) -> bool:
    """Say whether a table tells of things of a kind: title, columns or most of the names say so; for "" of persons."""
    if not noun:
        return any(stem("name") in stems(column) for row in table.rows for column in row.cells)
    kind = stem(noun.rsplit(maxsplit=1)[-1])
    names = [row.name for row in table.rows]
    if kind not in stems(f"{table.title} {next(iter(table.rows[0].cells))}") and len(set(names)) < len(names):
        return False  # a row is no thing of that kind, which others have too
    return kind in table.about or 2 * sum(kind in stems(row.name) for row in table.rows) > len(table.rows)


def narrowed(table: Table, said: str) -> list[Row]:
    """Return the rows that have what is said of them: words of the title, of cells, or columns that say yes.

    What nothing in the table says leaves no row, but for places that narrow nothing down.
    """
    rows = list(table.rows)
    if DENIED.search(said):
        return []
    title = stems(table.title)
    for word in words(said):
        if not word.content or word.text.casefold() in ANYWHERE or word.stem in ANYWHERE:
            continue
        yes = [row for row in rows if _says_yes(row, word.stem)]
        way = re.search(rf"\b(from|to)\s+(?:the\s+)?{re.escape(word.text)}", said, re.IGNORECASE)
        having = [row for row in rows if word.stem in stems(_where(row, way[1]) if way else row.text)]
        columns = any(word.stem in stems(column) for row in rows for column in row.cells)
        if yes or having:
            rows = yes or having
        elif word.stem not in title and not columns:
            return []
    return rows


def quoted(row: Row, columns: Sequence[str]) -> list[Offer]:
    """Return what is quoted of a row for some of its columns: the line of its name and those of the cells."""
    found = [row.offers[column] for column in columns if column in row.offers]
    return list(dict.fromkeys([*([row.head] if row.head else []), *found]))


def _where(row: Row, way: str) -> str:
    """The cell of the column that is called "From" or "To", all that the row says where none is."""
    return next((cell for column, cell in row.cells.items() if column.casefold() == way.casefold()), row.text)


def _says_yes(row: Row, word: str) -> bool:
    return any(word in stems(column) and cell.casefold() in YES for column, cell in row.cells.items())


def _down(offers: Sequence[Offer], noun: str) -> list[Row]:
    """The rows of a table whose things are in rows, those of one name told apart by their first other cells."""
    found: list[Row] = []
    columns: frozenset[str] = frozenset()
    for offer in offers:
        row = cells(offer.text)
        if not row or (columns and 2 * len(columns & set(row)) <= len(row)):
            continue
        columns |= set(row)
        found.append(Row(_called(offer.text, row, noun), row, dict.fromkeys(row, offer)))
    return found


def _called(text: str, row: Mapping[str, str], noun: str) -> str:
    """The name of a row: its first cell where that column has no name, else as its kind names it, a code with its
    column."""
    first = " ".join(text.split()).split(BAR)[0]
    if ": " not in first:
        return first
    lettered = {name: cell for name, cell in row.items() if not _CODE.search(name)} or row
    name = name_in(lettered, noun)
    column = next(column for column, cell in lettered.items() if cell == name)
    return name if re.search(r"[^\W\d_]{2}", name) else f"{column} {name}"


def _across(offers: Sequence[Offer]) -> list[Row]:
    """The things that are the columns of a table whose first column has no name."""
    made: dict[str, tuple[dict[str, str], dict[str, Offer]]] = {}
    for offer in offers:
        first = " ".join(offer.text.split()).split(BAR)[0]
        if BAR not in offer.text or ": " in first:
            continue
        for name, cell in cells(offer.text).items():
            held, places = made.setdefault(name, ({}, {}))
            held[first], places[first] = cell, offer
    return [Row(name, held, places) for name, (held, places) in made.items()]


def _records(offers: Sequence[Offer]) -> list[Row]:
    """The things of records: each begins with the name of its first line."""
    found: list[Row] = []
    began = ""
    held: dict[str, str] = {}
    places: dict[str, Offer] = {}
    for offer in offers:
        match = None if BAR in offer.text or "\n" in offer.text else _LINE.fullmatch(offer.text)
        if match is None:
            continue
        began = began or match["name"]
        if match["name"] == began:
            held, places = {}, {}
            found.append(Row(match["cell"], held, places, offer))
        held[match["name"]], places[match["name"]] = match["cell"], offer
    return [row for row in found if len(row.cells) > 1]


def _dated(offers: Sequence[Offer]) -> list[Row]:
    """The things of a list that says of each since when it is one."""
    found = [(match, offer) for offer in offers if (match := _SINCE.fullmatch(offer.text))]
    return [Row(match["name"], {"since": match["cell"]}, {"since": offer}) for match, offer in found]
