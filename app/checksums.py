"""Passages and documents in SQL under checksums: what a disk changes inside a page, SQLite does not notice.

Eight bytes of BLAKE2b over what is stored, written with a row and compared whenever it is read.
"""

import json
import logging
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from app.tables import PassageRow, SourceRow, storable
from retrieval.types import Passage

_log = logging.getLogger(__name__)


def of_bytes(data: bytes) -> bytes:
    """Return the checksum of a packed vector."""
    return blake2b(data, digest_size=8).digest()


def of_passage(passage: Passage) -> bytes:
    """Return the checksum of all that is shown of a passage, its source's name and title among it; not of its id."""
    shown = (passage.source, passage.title, passage.text, passage.place)
    return _of([*map(storable, shown), list(passage.headings), passage.start, passage.end])


def of_document(text: str, sections: Sequence[dict[str, Any]]) -> bytes:
    """Return the checksum of a document's text and its sections as they are stored."""
    return _of([storable(text), sections])


def whole_passage(row: PassageRow, name: str, title: str) -> Passage | None:
    """Return the passage of a row; None, told in the log, when it does not match its checksum."""
    try:
        passage = Passage(row.id, row.text, name, title, tuple(row.headings), row.start, row.end, row.place)
        if of_passage(passage) == row.checksum:
            return passage
    except (TypeError, AttributeError):  # a column has become something else
        pass
    advice = "remove that source and ingest it again, or restore the database from a backup"
    _log.error("the stored passage %s of %r is damaged and left out: %s", row.id, name, advice)
    return None


def passages_where(session: Session, condition: ColumnElement[bool]) -> list[Passage]:
    """Return the whole ones of the passages that meet the condition, by id."""
    query = select(PassageRow, SourceRow.name, SourceRow.title).join(SourceRow).where(condition)
    rows = session.execute(query.order_by(PassageRow.id))
    found = (whole_passage(row, name, title) for row, name, title in rows)
    return [passage for passage in found if passage is not None]


def passages_with_vectors(
    session: Session, after: int, most: int | None
) -> tuple[list[Passage], list[bytes], list[int]]:
    """Return up to `most` whole passages with ids above `after`, their vectors, and the rows of damaged vectors."""
    passages: list[Passage] = []
    vectors: list[bytes] = []
    spoilt: list[int] = []
    query = select(PassageRow, SourceRow.name, SourceRow.title, PassageRow.vector, PassageRow.vector_checksum)
    query = query.join(SourceRow).where(PassageRow.id > after).order_by(PassageRow.id).limit(most)
    for row, name, title, vector, checksum in session.execute(query.execution_options(yield_per=1000)):
        passage = whole_passage(row, name, title)
        if passage is not None:
            if of_bytes(vector) != checksum:
                spoilt.append(len(passages))
            passages.append(passage)
            vectors.append(vector)
    return passages, vectors, spoilt


def write_vectors(session: Session, passages: Sequence[Passage], vectors: Sequence[bytes]) -> None:
    """Give the stored passages these vectors."""
    rows = [
        {"id": passage.id, "vector": vector, "vector_checksum": of_bytes(vector)}
        for passage, vector in zip(passages, vectors, strict=True)
    ]
    if rows:
        session.execute(update(PassageRow), rows)


def damaged_sources(session: Session) -> list[str]:
    """Return the names of the sources of which a passage, a vector or the text does not match its checksum."""
    names: dict[str, None] = {}
    rows = select(PassageRow, SourceRow.name, SourceRow.title, PassageRow.vector, PassageRow.vector_checksum)
    for row, name, title, vector, checksum in session.execute(rows.join(SourceRow).execution_options(yield_per=1000)):
        if whole_passage(row, name, title) is None or of_bytes(vector) != checksum:
            names[name] = None
    texts = select(SourceRow.name, SourceRow.text, SourceRow.sections, SourceRow.checksum)
    for name, text, sections, checksum in session.execute(texts.execution_options(yield_per=10)):
        if of_document(text, sections) != checksum:
            names[name] = None
    return list(names)


def _of(value: list[Any]) -> bytes:
    return of_bytes(json.dumps(value, sort_keys=True).encode())
