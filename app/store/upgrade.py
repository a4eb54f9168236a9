"""The schema of an existing database brought to this version's, with a copy made before."""

import logging
import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, cast

from sqlalchemy import Connection, Engine, func, inspect, select

from app.errors import DataError, OlderSchema
from app.store.wal import first_number

HEAD: Final = "0012"  # the last revision in migrations/versions
LOCK: Final = 0x43414E44  # "CAND", the class of our advisory locks in PostgreSQL
_log = logging.getLogger(__name__)


def migrate(engine: Engine, path: Path | None, writable: bool, name: str = "") -> bool:
    """Bring the schema to this version in one transaction, after a copy of what was there; return whether it had to.

    Without a `path` it is the PostgreSQL database of this `name`, of which no copy is made. Raises DataError for a
    newer schema and when the copy cannot be made, OlderSchema when it is only read.
    """
    with engine.connect() as connection:
        if _stored(connection) == [HEAD]:
            return False  # as nearly always: what migrates is not even imported

    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    name = name or repr(str(path))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in {revision.revision for revision in script.walk_revisions()}:
        raise DataError(f"{name} was written by a newer candor (schema {found}): update candor to open it")
    if not writable:
        if found is None and path is None:
            raise DataError(f"there is no data in {name} yet: run `candor ingest PATH` or `candor ask`")
        raise OlderSchema(
            f"{name} has the older schema {found}: any command that writes brings it up to {HEAD}, after a copy"
        )
    with engine.execution_options(begin="IMMEDIATE").begin() as connection:
        if path is None:
            connection.execute(select(func.pg_advisory_xact_lock(LOCK, 0)))  # one migrates, the others wait
        if MigrationContext.configure(connection).get_current_revision() == HEAD:
            return False  # by another process meanwhile
        if path is None:
            if found:
                _log.warning("the database is brought from schema %s to %s", found, HEAD)
        elif inspect(connection).get_table_names():
            kept = _copy(engine, path, found or "0000")
            _log.warning("the database is brought from schema %s to %s; as it was it is kept in %s", found, HEAD, kept)
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)
        if path is not None:
            count(connection)
    return True


def _stored(connection: Connection) -> list[str]:
    """The revisions that the database says it has, as alembic keeps them; none where it says nothing."""
    if not inspect(connection).has_table("alembic_version"):
        return []
    return list(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars())


def count(connection: Connection) -> int:
    """Raise the number of the last write in the database's header; return it. See `app.store.wal`."""
    stored = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    number = stored + 1 if stored else first_number()
    connection.exec_driver_sql(f"PRAGMA user_version = {number}")
    return number


def copies(path: Path) -> list[Path]:
    """Return the copies that were made before migrations of this database, unfinished ones too."""
    return sorted(path.parent.glob(f"{path.name}-*.backup*"))


def _copy(engine: Engine, path: Path, schema: str) -> Path:
    """Copy the database, its log included, beside it; the copy is whole before it has its name, and the only one.

    The caller holds the write lock, so that nothing is written between the copy and the migration.
    """
    kept = path.with_name(f"{path.name}-{schema}.backup")
    part = kept.with_name(f"{kept.name}.part")
    for leftover in (part, part.with_name(f"{part.name}-journal")):
        leftover.unlink(missing_ok=True)
    try:
        with closing(engine.raw_connection()) as source, closing(sqlite3.connect(part)) as target:
            cast(sqlite3.Connection, source.driver_connection).backup(target)
        shutil.copymode(path, part)
        sync(part)
        part.replace(kept)
        sync(path.parent)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    for older in copies(path):
        if older != kept:
            older.unlink()
    return kept


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, through to the disk. Raises OSError."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
