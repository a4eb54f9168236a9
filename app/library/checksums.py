"""Rows of SQL under checksums: what a disk changes inside a page, SQLite does not notice.

Eight bytes of BLAKE2b over what is stored, written with a row and compared whenever it is read.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache, partial
from hashlib import blake2b
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Connection, Float, Select, Table, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.store.database import Database
from app.store.tables import (
    Base,
    CandidateRow,
    CitationRow,
    EvidenceRow,
    PassageRow,
    PictureRow,
    SourceRow,
    TurnRow,
    storable,
)
from retrieval.types import Passage

_PASSAGE: Final = PassageRow.__table__.c
_SOURCE: Final = SourceRow.__table__.c
_SHOWN: Final = select(  # columns, not entities: to make those took most of the time of a search
    *(_PASSAGE.id, _PASSAGE.text, _SOURCE.name, _SOURCE.title),
    *(_PASSAGE.headings, _PASSAGE.start, _PASSAGE.end, _PASSAGE.place, _PASSAGE.checksum),
).join_from(PassageRow.__table__, SourceRow.__table__)
_VECTOR: Final = (_PASSAGE.vector, _PASSAGE.vector_checksum)
_AS_JSON: Final = json.JSONEncoder(
    sort_keys=True, default=lambda value: value.hex() if isinstance(value, bytes) else datetime.isoformat(value)
).encode
_TURNS: Final = cast(Table, TurnRow.__table__)
# What a turn's checksums are over, by name: a column that is added later counts once a migration has sealed again.
_TURN: Final = (
    *("conversation_id", "number", "question", "state", "reason", "created_at", "finished_at", "reply", "outcome"),
    *("asked", "query", "queries", "rounds", "timings", "model", "judges", "policy", "notes", "role", "research"),
    *("tokens", "working_checksum", "prompt"),
)
WORKING: Final = {
    EvidenceRow: ("rank", "source", "passage", "score", "similarity", "probability", "withheld"),
    CandidateRow: (
        *("rank", "text", "quality", "dropped", "repaired", "verdict", "sensible", "specific", "interesting"),
        *("answers", "grounded", "safe", "in_role", "claims", "notes", "writer", "preferred"),
    ),
    CitationRow: (
        *("rank", "number", "source", "title", "headings", "place", "passage", "quote", "start", "end", "support"),
    ),
    PictureRow: ("number", "name", "checksum"),
}
_FLOATS: Final = {
    name for table, names in WORKING.items() for name in names if isinstance(table.__table__.c[name].type, Float)
}
# These count where they are there, so that what was sealed before they came still matches.
_LATER: Final = ("writer", "prompt", "preferred")
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


def of_picture(name: str, data: bytes) -> bytes:
    """Return the checksum of a picture and its name."""
    return of_bytes(_AS_JSON(storable(name)).encode() + data)


def of_turn(row: Any) -> bytes:  # noqa: ANN401, a TurnRow, a row of its columns or a dict of them
    """Return the checksum of a turn's own row, the stored checksum of its working among it."""
    return _of(_values(row, _TURN))


def of_working(*tables: Sequence[Any]) -> bytes:
    """Return the checksum of the rows beside a turn: those of each table of `WORKING`, in its order.

    They may be new: then text is taken as it will be stored.
    """
    named = zip(tables, WORKING.values(), strict=True)
    return _of([[_values(row, names) for row in rows] for rows, names in named])


def _values(row: Any, names: Sequence[str]) -> list[Any]:  # noqa: ANN401
    value_of = row.__getitem__ if isinstance(row, dict) else partial(getattr, row)
    values = ((name, value_of(name)) for name in names)
    return [_stored(value, name in _FLOATS) for name, value in values if value is not None or name not in _LATER]


def _stored(value: object, number: bool = False) -> object:
    """A value of a new row as it will be read again; one that has been read is that already."""
    if isinstance(value, str):
        return storable(value)
    return float(value) + 0.0 if number and isinstance(value, int | float) else value  # SQLite keeps no -0.0


def of_beside(tables: Mapping[type[Base], Sequence[Any]]) -> bytes:
    """Return the checksum of the rows beside a turn, in their order by table."""
    return of_working(*(tables.get(table, ()) for table in WORKING))


def seal(session: Session | Connection, turn: int) -> None:
    """Write the checksums of a stored turn, from what is stored."""
    if isinstance(session, Session):
        session.flush()
    columns = _TURNS.c
    working = of_working(*(session.execute(_working_rows(table, turn)).all() for table in WORKING))
    where = columns.id == turn
    row = session.execute(select(*(columns[name] for name in _TURN)).where(where)).one()._asdict()
    found = {**row, "working_checksum": working}
    checksum = _of([found[name] for name in _TURN if found[name] is not None or name not in _LATER])
    session.execute(update(_TURNS).where(where).values(working_checksum=working, checksum=checksum))


def _working_rows(table: Any, turn: int) -> Select[Any]:  # noqa: ANN401
    columns, names = table.__table__.c, WORKING[table]
    return select(*(columns[name] for name in names)).where(columns.turn_id == turn).order_by(columns[names[0]])


def passages_of(database: Database, ids: Sequence[int], account: str | None = None) -> list[Passage]:
    """Return the undamaged passages with these ids that an account sees, by id; all of them without an account.

    Searches spend most of their time here.
    """
    owned = account is not None
    rows = database.rows(_by_id(len(ids), database.dialect, owned), [*ids, account] if owned else ids)
    read = _decoded if database.dialect == "sqlite" else list  # PostgreSQL's driver reads JSON itself
    return _whole((*row[:4], read(row[4]), *row[5:]) for row in rows)


def passages_where(session: Session, condition: ColumnElement[bool]) -> list[Passage]:
    """Return the whole ones of the passages that meet the condition, by id."""
    return _whole(session.execute(_SHOWN.where(condition).order_by(_PASSAGE.id)))


def passages_with_vectors(
    session: Session, after: int, most: int | None
) -> tuple[list[Passage], list[bytes], list[int]]:
    """Return up to `most` whole passages with ids above `after`, their vectors, and the rows of damaged vectors."""
    passages: list[Passage] = []
    vectors: list[bytes] = []
    damaged: list[int] = []
    query = _SHOWN.add_columns(*_VECTOR).where(_PASSAGE.id > after).order_by(_PASSAGE.id).limit(most)
    for *shown, vector, checksum in session.execute(query.execution_options(yield_per=1000)):
        passage = _whole_passage(shown)
        if passage is not None:
            if of_bytes(vector) != checksum:
                damaged.append(len(passages))
            passages.append(passage)
            vectors.append(vector)
    return passages, vectors, damaged


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
    rows = _SHOWN.add_columns(*_VECTOR).execution_options(yield_per=1000)
    for *shown, vector, checksum in session.execute(rows):
        if _whole_passage(shown) is None or of_bytes(vector) != checksum:
            names[shown[2]] = None
    texts = select(SourceRow.name, SourceRow.text, SourceRow.sections, SourceRow.checksum)
    for name, text, sections, checksum in session.execute(texts.execution_options(yield_per=10)):
        if of_document(text, sections) != checksum:
            names[name] = None
    return list(names)


@cache
def _by_id(count: int, dialect: str, owned: bool) -> str:
    """The query for so many ids, and after them an account."""
    query = _SHOWN.where(_PASSAGE.id.in_([0] * count)).order_by(_PASSAGE.id)
    if owned:
        query = query.where(or_(_SOURCE.account_id.is_(None), _SOURCE.account_id == ""))
    spoken = sqlite.dialect() if dialect == "sqlite" else postgresql.dialect(paramstyle="format")  # type: ignore[no-untyped-call]
    return str(query.compile(dialect=spoken, compile_kwargs={"render_postcompile": True}))


@lru_cache(maxsize=1024)  # the passages of a section share their headings
def _decoded(value: object) -> Any:  # noqa: ANN401
    """A column of JSON; None for one that is damaged."""
    try:
        return json.loads(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _whole(rows: Iterable[Sequence[Any]]) -> list[Passage]:
    return [passage for row in rows if (passage := _whole_passage(row)) is not None]


def _whole_passage(row: Sequence[Any]) -> Passage | None:
    """Return the passage of a row of `_SHOWN`; None, with a log entry, when it does not match its checksum."""
    number, text, name, title, headings, start, end, place, checksum = row
    try:
        passage = Passage(number, text, name, title, tuple(headings), start, end, place)
        if _of([name, title, text, place, headings, start, end]) == checksum:
            return passage
    except (TypeError, AttributeError):  # a column has become something else
        pass
    advice = "remove that source and ingest it again, or restore the database from a backup"
    _log.error("the stored passage %s of %r is damaged and left out: %s", number, name, advice)
    return None


def _of(value: list[Any]) -> bytes:
    return of_bytes(_AS_JSON(value).encode())
