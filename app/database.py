"""One SQLite file: how it is opened, checked, migrated, read and written.

WAL, synchronous FULL, foreign keys on. Transactions are explicit, so that schema changes roll back too;
writers begin IMMEDIATE and wait up to BUSY_SECONDS for each other. Knows nothing of what the tables mean.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.errors import DataError, InputError

NAME: Final = "candor.db"
APPLICATION_ID: Final = 0x43414E44  # "CAND", at bytes 68 to 72 of the file
BUSY_SECONDS: Final = 5
_MAGIC: Final = b"SQLite format 3\0"


class Database:
    """An open database; safe to use from several threads. Made by `open_database`."""

    def __init__(self, path: Path, engine: Engine) -> None:
        self.path = path
        self.engine = engine
        self._writer = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of the database. Raises DataError."""
        with _translated(self.path), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def rows(self, query: str, values: Sequence[object]) -> Sequence[Sequence[Any]]:
        """Return the rows of one SELECT as the driver gives them, in a third of the time of `read`. Raises DataError."""
        with _translated(self.path):
            connection = self.engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute(query, tuple(values))
                return cursor.fetchall()
            finally:
                connection.close()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session committed at the end of the block, rolled back when it raises. Raises DataError."""
        writable = self.engine.execution_options(begin="IMMEDIATE")
        with (
            self._writer,
            _translated(self.path),
            Session(writable, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def close(self) -> None:
        """Close all connections; the last one folds the write-ahead log into the file."""
        self.engine.dispose()


def open_database(folder: Path, writable: bool = True) -> Database:
    """Open the database of `folder`, made or migrated to this version's schema when `writable`.

    Raises DataError when the file is not ours, is damaged, was written by a newer version or, when it is
    only read, is missing or of an older version.
    """
    path = folder / NAME
    with _translated(path):
        if path.exists():
            _check_file(path)
        elif folder.is_file():
            raise DataError(f"the data folder {str(folder)!r} is a file: name another with --data-dir")
        elif writable:
            _create(path)
        else:
            raise DataError(
                f"there is no data in {str(folder)!r} yet: run `candor ingest PATH` or `candor ask`, "
                "or name another folder with --data-dir"
            )
        database = Database(path, _engine(path, immutable=not writable and not os.access(folder, os.W_OK)))
        try:
            _migrate(database.engine, path, writable)
        except BaseException:
            database.close()
            raise
        return database


def _engine(path: Path, immutable: bool = False) -> Engine:
    # a folder that cannot be written has no room for the shared memory file of a WAL reader
    url = f"sqlite:///file:{_quoted(path)}?uri=true" + ("&immutable=1" if immutable else "&mode=rw")
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, record: object) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself
        cursor = connection.cursor()
        if not immutable:
            cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}")

    return engine


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path.absolute()))


def _check_file(path: Path) -> None:
    """Refuse what SQLite would take for a new database, and other programs' databases."""
    if not path.is_file():
        raise DataError(f"{str(path)!r} is not a file: move it away or use another --data-dir")
    with path.open("rb") as file:
        head = file.read(100)
    if not head:
        raise DataError(f"{str(path)!r} is empty where a database was expected: restore it or remove it")
    if not head.startswith(_MAGIC) or int.from_bytes(head[68:72], "big") != APPLICATION_ID:
        raise DataError(f"{str(path)!r} is damaged or not a candor database: restore it or use another --data-dir")


def _create(path: Path) -> None:
    """Make the database beside its place and move it there whole: a crash never leaves half of one."""
    fresh = path.with_suffix(".new")
    for leftover in path.parent.glob(f"{fresh.name}*"):
        leftover.unlink()
    connection = sqlite3.connect(fresh)
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute("VACUUM")  # writes the header
    connection.close()
    engine = _engine(fresh)
    _migrate(engine, fresh, writable=True)
    engine.dispose()
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _migrate(engine: Engine, path: Path, writable: bool) -> None:
    """Bring the schema to this version in one transaction. Raises DataError."""
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found == script.get_current_head():
        return
    if found is not None and found not in {revision.revision for revision in script.walk_revisions()}:
        raise DataError(f"{str(path)!r} was written by a newer candor (schema {found}): update candor to open it")
    if not writable:
        raise DataError(f"{str(path)!r} has an older schema: any command that writes brings it up to date")
    with engine.execution_options(begin="IMMEDIATE").begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn the driver's errors into one line that says what to do."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        raise DataError(_explained(path, str(getattr(error, "orig", error)))) from error
    except OverflowError:
        raise InputError("a number is too large for the database: it can be no id and no place in a list") from None
    except ValueError as error:  # what the driver says of bytes that are no text, no JSON or no time
        if not isinstance(error, json.JSONDecodeError | UnicodeDecodeError) and "isoformat" not in str(error):
            raise
        raise DataError(_explained(path, f"a stored value is malformed ({type(error).__name__})")) from error
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be used: {error.strerror}") from error


def _explained(path: Path, reason: str) -> str:
    for sign, advice in (
        ("disk is full", "free some space on its disk and try again; what was stored is kept"),
        ("disk I/O error", "its disk fails or is full; what was stored is kept"),
        ("locked", f"another process has been writing for more than {BUSY_SECONDS} s; try again"),
        (
            "readonly",
            "it cannot be written; change the permissions or use another --data-dir",
        ),
        ("unable to open", "its folder or file cannot be read or written; change the permissions"),
        ("malformed", "the file is damaged; it was left as it is, restore it from a backup"),
        ("not a database", "the file is damaged; it was left as it is, restore it from a backup"),
    ):
        if sign in reason:
            return f"{str(path)!r}: {reason}: {advice}"
    return f"{str(path)!r}: {reason}: run `candor doctor`"
