"""How documents were read, as the library keeps it: one report per document, for people and for machines."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from app.library.catalogue import sources_named, stored_sources
from app.store.database import Database
from app.store.tables import SourceRow
from retrieval.types import Note


@dataclass(frozen=True, slots=True)
class SourceReport:
    """How a document was read: its `sections` by place and headings, in order, and the `notes` in words.

    `counts` are the notes by the names of their kinds; `dated` is the date that the document bears itself.
    """

    id: int
    name: str
    uri: str
    title: str
    kind: str
    dated: str
    bytes: int
    characters: int
    passages: int
    sections: Sequence[str]
    notes: Sequence[str]
    counts: dict[str, int]


def reports(database: Database, name: str) -> list[SourceReport]:
    """Return how the documents that a name stands for were read, see `sources_named`. Raises InputError, DataError."""
    found: list[SourceReport] = []
    for about in sources_named(stored_sources(database), name):
        with database.read() as session:
            query = select(SourceRow.text, SourceRow.sections, SourceRow.notes).where(SourceRow.id == about.id)
            row = session.execute(query).one()
        counts = {str(kind): int(count) for kind, count in row.notes}
        told = [Note[kind].counted(count) for kind, count in counts.items() if kind in Note.__members__]
        places = dict.fromkeys(
            " › ".join(filter(None, [*section["headings"], section["place"]])) for section in row.sections
        )
        found.append(
            SourceReport(
                *(about.id, about.name, about.uri, about.title, about.kind, about.dated, about.bytes),
                *(len(row.text), about.passages, [place for place in places if place], told, counts),
            )
        )
    return found
