"""All rows of one database into another: from SQLite to PostgreSQL and back, for backups and for moving.

One transaction reads and one writes. What was written is read again and compared before it is committed, so that a copy
is whole or not there.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

from sqlalchemy import Row, Table, delete, func, insert, select, text
from sqlalchemy.orm import Session

from app.errors import DataError
from app.store.database import Database, owe_erasure, read_meta, write_meta
from app.store.tables import Base, MetaRow, PassageRow

BATCH: Final = 200  # rows, of which some hold pictures
OWN: Final = ("published", "milvus", "erasing", "lost")  # facts of a folder and its index, how their names begin
NUMBERED: Final = (
    "source",
    "passage",
    "turn",
    "preference",
    "annotation",
    "audit",
)  # tables whose ids are never used twice
_AS_JSON: Final = json.JSONEncoder(
    sort_keys=True, default=lambda value: value.hex() if isinstance(value, bytes) else datetime.isoformat(value)
).encode
Changed = Callable[[str, dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied: how many rows of each table, and the digest of them all, read again from where they are now."""

    rows: Mapping[str, int]
    digest: str


def copy_rows(
    source: Database, target: Database, replace: bool = False, change: Changed = lambda table, row: row
) -> Copied:
    """Copy all rows; with `replace` in place of what the target holds, else into an empty one. `change` may alter them.

    Where passages are replaced, the new ones get ids that were never used there, so that no index takes them for
    others. Raises DataError where the target is not empty, or does not give back what was written.
    """
    tables = [table for table in Base.metadata.sorted_tables if table.name != MetaRow.__tablename__]
    with source.read() as reader, target.write("library") as writer:
        held = sum(writer.scalar(select(func.count()).select_from(table)) or 0 for table in tables)
        if held and not replace:
            raise DataError(f"{target.name} holds {held} rows already: name an empty database")
        version = max(_version(writer), _version(reader)) + 1
        offset = _highest(writer, target, "passage") if held else 0
        for table in reversed(tables) if held else ():
            writer.execute(delete(table))

        def changed(table: str, row: dict[str, Any]) -> dict[str, Any]:
            row = change(table, row)
            return {**row, "id": row["id"] + offset} if table == PassageRow.__tablename__ else row

        counts, sums = {}, {}
        for table in tables:
            counts[table.name], sums[table.name] = _copied(reader, writer, table, changed)
        _copy_facts(reader, writer, version)
        for name in NUMBERED:
            _raise(writer, target, name, _highest(reader, source, name) + (offset if name == "passage" else 0))
        writer.expire_all()
        wrong = [table.name for table in tables if (counts[table.name], sums[table.name]) != _read(writer, table)]
        if wrong:
            raise DataError(f"{target.name} gives back other rows than were written: {', '.join(wrong)}")
        if held:
            owe_erasure(writer)
    target.erase()
    return Copied(counts, blake2b("".join(sums.values()).encode(), digest_size=16).hexdigest())


def _copied(reader: Session, writer: Session, table: Table, change: Changed) -> tuple[int, str]:
    """Copy one table; return the number of its rows and their digest."""
    count, digest = 0, blake2b(digest_size=16)
    batch: list[dict[str, Any]] = []
    for row in _ordered(reader, table):
        batch.append(change(table.name, dict(row._mapping)))
        digest.update(_AS_JSON(list(batch[-1].values())).encode())
        count += 1
        if len(batch) == BATCH:
            writer.execute(insert(table), batch)
            batch = []
    if batch:
        writer.execute(insert(table), batch)
    return count, digest.hexdigest()


def _read(session: Session, table: Table) -> tuple[int, str]:
    """Return the number of rows of a table, and their digest."""
    count, digest = 0, blake2b(digest_size=16)
    for row in _ordered(session, table):
        digest.update(_AS_JSON(list(row)).encode())
        count += 1
    return count, digest.hexdigest()


def _ordered(session: Session, table: Table) -> Iterator[Row[Any]]:
    query = select(table).order_by(*table.primary_key.columns)
    yield from session.execute(query.execution_options(yield_per=BATCH))


def _copy_facts(reader: Session, writer: Session, version: int) -> None:
    facts = {row.key: row.value for row in reader.scalars(select(MetaRow)) if not row.key.startswith(OWN)}
    for row in writer.scalars(select(MetaRow)).all():
        if not row.key.startswith(OWN) and row.key not in facts:
            writer.delete(row)
    for key, value in {**facts, "version": str(version)}.items():
        write_meta(writer, key, value)


def _version(session: Session) -> int:
    version = read_meta(session, "version")
    return int(version) if version.isdecimal() else 0


def _highest(session: Session, database: Database, table: str) -> int:
    """Return the highest id that a table has ever given."""
    if database.dialect == "sqlite":
        query = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
        return int(session.scalar(query, {"name": table}) or 0)
    last, called = session.execute(text(f"SELECT last_value, is_called FROM {table}_id_seq")).one()
    return int(last) if called else 0


def _raise(session: Session, database: Database, table: str, number: int) -> None:
    """See that the ids a table gives from now on are above this number."""
    number = max(number, _highest(session, database, table))
    if not number:
        return
    if database.dialect != "sqlite":
        session.execute(text(f"SELECT setval('{table}_id_seq', :number)"), {"number": number})
        return
    session.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table})
    values = {"name": table, "number": number}
    session.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)"), values)
