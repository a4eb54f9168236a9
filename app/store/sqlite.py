"""One SQLite file: how it is opened, checked, migrated, read and written.

WAL, synchronous FULL, foreign keys on. Transactions are explicit, so that schema changes roll back too;
writers begin IMMEDIATE and wait up to BUSY_SECONDS for each other.
"""

import json
import logging
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.errors import DataError, InputError
from app.store.base import ERASING, LOST, Database, T, read_meta, write_meta
from app.store.grouped import Grouped
from app.store.upgrade import copies, count, migrate, sync
from app.store.wal import LIKELY, Mark, check_log, log_of

NAME: Final = "candor.db"
APPLICATION_ID: Final = 0x43414E44  # "CAND", at bytes 68 to 72 of the file
BUSY_SECONDS: Final = 30  # a deletion beside us may rewrite a file of a gigabyte
READING_SECONDS: Final = 5
CONNECTIONS: Final = 15  # at most, and kept: to open one and read the schema takes longer than most reads
_MAGIC: Final = b"SQLite format 3\0"
_log = logging.getLogger(__name__)


class SqliteDatabase(Database):
    """A database in one file, which one process writes, and guests beside it. Made by `open_sqlite`.

    `missing` is known: a log was lost or damaged after an unclean stop.
    """

    def __init__(self, path: Path, engine: Engine, missing: int = 0) -> None:
        super().__init__(repr(str(path)), engine)
        self.path = path
        self.missing = missing
        self._identity = _identity(path)
        self._mark = Mark(path.resolve())
        self._writer = threading.Lock()
        self._writable = engine.execution_options(begin="IMMEDIATE")
        self._grouped = Grouped(self._transaction)
        self._full_log = False  # what was erased stands in the log still
        _OPEN.add(self)

    @contextmanager
    def write(self, about: str = "") -> Iterator[Session]:
        """A session committed at the end of the block, rolled back when it raises. All who write wait for each other.

        Raises DataError.
        """
        with self._writer, self._usable():
            with Session(self._writable, expire_on_commit=False) as session, session.begin():
                yield session
                number = count(session.connection())
            self._committed()
        with self._usable():
            self._acknowledge(number)  # while others write: it goes to the disk once more

    def together(self, write: Callable[[Connection], T]) -> T:
        """Return what `write` gives, once it is committed, with the writes of all who wait by then.

        It may be called twice, where one of those others fails. Raises what it raises, and DataError.
        """
        return self._grouped.do(write)

    def _transaction(self, write: Callable[[Connection], None]) -> Callable[[], None]:
        """Do a write and commit it; return what notes that outside the log."""
        with self._writer, self._usable():
            with self._writable.begin() as connection:
                write(connection)
                number = count(connection)
            self._committed()
        return partial(self._acknowledge, number)

    def _committed(self) -> None:
        """Empty the log where that is owed; what fails there makes no write undone, and is tried after the next."""
        if self._full_log:
            with suppress(sqlite3.Error):
                self._full_log = not self._empty_log(0)

    def erase(self, at_once: bool = False) -> None:
        """Take what was deleted out of all files of the folder, where that is owed. Raises DataError."""
        with self._writer, self._usable():
            with Session(self.engine) as session:
                owed = bool(read_meta(session, ERASING))
            if owed:
                self._erase()

    def holders(self) -> frozenset[int]:
        """Return nobody: who else has the file open answers no turns."""
        return frozenset()

    def problems(self) -> list[str]:
        """Return what SQLite finds wrong with the file. Raises DataError."""
        with self.read() as session:
            found = [row for row in session.scalars(text("PRAGMA integrity_check(5)")) if row != "ok"]
            orphans = session.execute(text("PRAGMA foreign_key_check")).all()
        return found or ([f"{len(orphans)} rows belong to nothing"] if orphans else [])

    def publishing(self) -> AbstractContextManager[None]:
        """Hold off nobody: the index of the folder is this process's."""
        return nullcontext()

    def is_at(self, path: Path) -> bool:
        """Whether this is the open database at `path`."""
        return not self._closed and self._identity == _identity(path)

    def _translated(self) -> AbstractContextManager[None]:
        return _translated(self.path)

    def _acknowledge(self, number: int, lower: bool = False) -> None:
        """Note outside the log that this write has been committed; where that fails, it is committed all the same."""
        try:
            self._mark.write(number, lower)
        except OSError as error:
            _log.warning("the mark beside %r cannot be written: %s", str(self.path), error.strerror)

    def _erase(self) -> None:
        """Rewrite the file from its rows and empty the log.

        `secure_delete` is not enough: it leaves copies of rows that were moved between pages. The copies of earlier
        schemas hold what was deleted as well.
        """
        for copy in copies(self.path.resolve()):
            copy.unlink()
            _log.warning("%s is removed: it held what was deleted", copy)
        try:
            self._vacuum()
        except sqlite3.Error as error:
            raise DataError(
                f"{str(self.path)!r}: it is deleted, but its bytes stand in the file still ({error}): see to that; the "
                "next deletion or start tries again"
            ) from error
        self._full_log = not self._empty_log(READING_SECONDS)
        if self._full_log:
            _log.warning("what was deleted stands in the write-ahead log until those who read now have ended")
            return
        with Session(self._writable) as session, session.begin():
            write_meta(session, ERASING, "")
            number = count(session.connection())
        self._acknowledge(number)

    def _vacuum(self) -> None:
        with closing(self.engine.raw_connection()) as connection:
            connection.cursor().execute("VACUUM")

    def _empty_log(self, seconds: int) -> bool:
        """Fold the log into the file and truncate it; False when a reader held it for longer than these seconds."""
        with closing(self.engine.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {seconds * 1000}")
            [busy, *_] = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
            return not busy

    def tell_of_loss(self, writable: bool) -> None:
        """Compare the database with the mark, log what is missing, and note it in the database when `writable`."""
        marked = self._mark.read()  # first: others may write meanwhile
        with self.engine.connect() as connection:
            number = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        self.missing = marked - number if 0 < number < marked < number + LIKELY else 0
        if self.missing:
            _log.error("%s", lost(self.path, self.missing))
        if not writable:
            return
        if self.missing:
            with Session(self._writable) as session, session.begin():
                entry = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC: {self.missing}"
                write_meta(session, LOST, "; ".join(filter(None, [read_meta(session, LOST), entry])))
                number = count(session.connection())
        self._acknowledge(number, lower=marked > number)


_OPEN: Final[weakref.WeakSet[SqliteDatabase]] = weakref.WeakSet()


def open_sqlite(folder: Path, writable: bool = True) -> SqliteDatabase:
    """Open the file of `folder`; raises as `app.store.database.open_database` does, and for a log not its own."""
    path = folder / NAME
    with _translated(path):
        if reason := broken_link(folder) or broken_link(path):
            raise DataError(reason)
        if path.exists():
            if not any(database.is_at(path) for database in _OPEN):  # to close a file drops all this process's locks
                _check_file(path)
                check_log(path.resolve())
        elif folder.is_file():
            raise DataError(f"the data folder {str(folder)!r} is a file: name another with --data-dir")
        elif writable:
            _create(path)
        else:
            raise DataError(
                f"there is no data in {str(folder)!r} yet: run `candor ingest PATH` or `candor ask`, "
                "or name another folder with --data-dir"
            )
        immutable = not writable and not os.access(folder, os.W_OK)
        database = SqliteDatabase(path, _engine(path, immutable))
        try:
            if migrate(database.engine, path.resolve(), writable):
                database._empty_log(READING_SECONDS)
            if not immutable:
                database.tell_of_loss(writable)
            elif (log := log_of(path.resolve())).exists() and log.stat().st_size:
                _log.warning(
                    "%r cannot be taken in where nothing can be written: the last turns are not seen", str(log)
                )
            if writable:
                database.erase()
        except BaseException:
            database.close()
            raise
        return database


def broken_link(path: Path) -> str:
    """Say that `path` is a link to nothing, empty when it is not."""
    if not path.is_symlink() or path.exists():
        return ""
    return f"{str(path)!r} is a link to {os.readlink(path)!r}, which is not there: mend it or use another --data-dir"


def lost(path: Path, writes: int) -> str:
    """Say how many acknowledged writes a database lacks."""
    return (
        f"{str(path)!r} lacks the last {writes} writes (of turns, documents) that were acknowledged: its write-ahead "
        "log was lost or damaged after candor had stopped uncleanly, or an older copy was put back"
    )


def _identity(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_dev, about.st_ino


def _engine(path: Path, immutable: bool = False) -> Engine:
    # a folder that cannot be written has no room for the shared memory file of a WAL reader
    url = f"sqlite:///file:{_quoted(path)}?uri=true" + ("&immutable=1" if immutable else "&mode=rw")
    pool = {"pool_size": CONNECTIONS, "max_overflow": 0}
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, json_deserializer=_json, **pool)

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, record: object) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself
        connection.text_factory = _text
        cursor = connection.cursor()
        if not immutable:
            cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}")

    return engine


def _text(data: bytes) -> str:
    """Text as it is stored; damaged text is no reason not to read the row, whose checksum tells."""
    return data.decode("utf-8", "replace")


def _json(text: str) -> Any:  # noqa: ANN401
    """A column of JSON; damaged JSON as it is stored, which no checksum takes for what was."""
    try:
        return json.loads(text)
    except ValueError:
        return text


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
    log = log_of(path)
    if log.exists() and log.stat().st_size:
        raise DataError(
            f"{str(path)!r} is not there, but its write-ahead log is: put the database back, or move the log away to "
            "start afresh"
        )
    fresh = path.with_suffix(".new")
    for leftover in path.parent.glob(f"{fresh.name}*"):
        leftover.unlink()
    connection = sqlite3.connect(fresh)
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute("VACUUM")  # writes the header
    connection.close()
    engine = _engine(fresh)
    migrate(engine, fresh, writable=True)
    engine.dispose()
    sync(fresh)
    Mark(path).remove()
    fresh.replace(path)
    sync(path.parent)


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
