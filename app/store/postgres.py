"""PostgreSQL as the database, which several processes may share.

A process holds an advisory lock of its own for as long as it lives, so that the others can tell which turns nobody
answers any more. Writers of one thing wait for each other at another lock, which ends with their transaction.
"""

import logging
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, create_engine, func, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from app.errors import DataError, InputError, SettingsError
from app.store.base import ERASING, Database, read_meta, write_meta
from app.store.upgrade import LOCK, migrate

NODE: Final = "node"  # the file that keeps the name of a data folder among several
CONNECT_SECONDS: Final = 10
ERASE_SECONDS: Final = 60.0  # waited for transactions that may still see what was deleted
OPTIONS: Final = (
    "-c statement_timeout=60s -c lock_timeout=30s -c idle_in_transaction_session_timeout=10min "
    "-c synchronous_commit=on -c timezone=UTC"
)
_LIVE: Final = text(
    "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 "
    "AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_OLDER: Final = text(
    "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) < :since OR EXISTS (SELECT 1 "
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND age(backend_xmin) > age(CAST(CAST(CAST(:since AS text) AS xid8) AS xid)))"
)
_log = logging.getLogger(__name__)


class PostgresDatabase(Database):
    """A database on a PostgreSQL server, open to several processes. Made by `open_postgres`."""

    def __init__(self, name: str, engine: Engine, node: str) -> None:
        super().__init__(name, engine)
        self.node = node
        self.number = 1 + secrets.randbelow(2**62)
        self._guard: Connection | None = None
        self._guarding = threading.Lock()

    @contextmanager
    def write(self, about: str = "") -> Iterator[Session]:
        """A session committed at the end of the block, rolled back when it raises. Raises DataError.

        Those who write `about` the same thing wait for each other, in whatever process they are.
        """
        with self._usable(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            if about:
                session.execute(select(func.pg_advisory_xact_lock(LOCK, _key(about))))
            yield session

    def erase(self, at_once: bool = False) -> None:
        """Have the tables rewritten without what was deleted, where that is owed. Raises DataError.

        That keeps all others waiting, so that unless it is wanted at once only the room of what was deleted is freed:
        then it cannot be read with SQL, and is written over in time.
        """
        with self.read() as session:
            if not read_meta(session, ERASING):
                return
        gone = False
        with self._usable(), self.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("SET statement_timeout = 0"))
            try:
                gone = at_once and _seen_by_nobody(connection)
                connection.execute(text("VACUUM (FULL)" if at_once else "VACUUM"))
                if at_once:
                    with suppress(DBAPIError):  # for superusers and members of pg_checkpoint alone
                        connection.execute(text("CHECKPOINT"))
            finally:
                connection.invalidate()  # its time limit is another one
        if at_once and not gone:
            _log.warning("%s: a transaction of %d s keeps what was deleted in the files", self.name, ERASE_SECONDS)
        if gone:
            with self.write() as session:
                write_meta(session, ERASING, "")

    def holders(self) -> frozenset[int]:
        """Return the numbers of the processes that have the database open now, this one's lock renewed."""
        self.hold()
        with self.read() as session:
            return frozenset(session.scalars(_LIVE))

    def hold(self) -> None:
        """Take this process's own lock, on a connection of its own, or see that it is still held. Raises DataError."""
        with self._guarding, self._usable():
            if self._guard is not None:
                try:
                    self._guard.execute(text("SELECT 1"))
                    return
                except DBAPIError:
                    _log.warning("the connection to %s was lost: connecting again", self.name)
                    with suppress(DBAPIError):
                        self._guard.close()
                    self._guard = None
            guard = self.engine.execution_options(isolation_level="AUTOCOMMIT").connect()
            guard.detach()
            guard.execute(select(func.pg_advisory_lock(self.number)))
            self._guard = guard

    def problems(self) -> list[str]:
        """Return nothing: PostgreSQL checks its pages as they are read, and `pg_amcheck` all of them."""
        return []

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Hold off other processes that would feed the same index."""
        with self._usable(), self.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("SET lock_timeout = 0"))
            connection.execute(text("SET statement_timeout = 0"))
            try:
                connection.execute(select(func.pg_advisory_lock(LOCK, _key("publishing"))))
                yield
            finally:
                connection.invalidate()  # which frees the lock, and the time limits with it

    def close(self) -> None:
        """Close all connections, and with them this process's own lock. It cannot be used any more."""
        with self._guarding:
            if self._guard is not None:
                with suppress(DBAPIError):
                    self._guard.close()
                self._guard = None
        super().close()

    def _readable(self) -> Engine:
        return self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with _translated(self.name):
            yield


def open_postgres(url: str, folder: Path, writable: bool = True) -> PostgresDatabase:
    """Open the database at `url` for the data folder; raises as `app.store.database.open_database` does.

    Raises SettingsError where the URL names no PostgreSQL database, or its driver is not installed.
    """
    engine = _engine(url)
    name = engine.url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)
    database = PostgresDatabase(name, engine, _node(folder, writable))
    try:
        with _translated(name):
            migrate(engine, None, writable, name)
        if writable:
            database.hold()
    except BaseException:
        database.close()
        raise
    return database


def _engine(url: str) -> Engine:
    try:
        named = make_url(url)
        if named.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
            raise ArgumentError("no PostgreSQL")
        named = named.set(drivername="postgresql+psycopg")
        return create_engine(
            named,
            pool_pre_ping=True,
            pool_size=8,
            max_overflow=24,
            pool_timeout=CONNECT_SECONDS,
            connect_args={
                "connect_timeout": CONNECT_SECONDS,
                "options": OPTIONS,
                "tcp_user_timeout": 20_000,
                "application_name": "candor",
            },
        )
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise SettingsError("the setting database must be postgresql://USER:PASSWORD@HOST/NAME, or empty") from None
    except ImportError:
        raise SettingsError("PostgreSQL needs a driver: pip install 'candor[postgres]'") from None


def _node(folder: Path, writable: bool) -> str:
    """The name of a data folder among those that share a database, made up where it has none yet."""
    path = folder / NODE
    with suppress(OSError):
        if (name := path.read_text("ascii", "replace").strip()).isalnum():
            return name
    name = secrets.token_hex(6)
    if writable:
        try:
            path.write_text(f"{name}\n")
        except OSError as error:
            raise DataError(f"{str(path)!r} cannot be written: {error.strerror}") from error
    return name


def _key(about: str) -> int:
    """A lock's number within our class of them, of 31 bits."""
    return int.from_bytes(blake2b(about.encode(), digest_size=4).digest(), "big") >> 1


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Turn the driver's errors into one line that says what to do."""
    try:
        yield
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())[:300]
        if "out of range" in reason:
            raise InputError("a number is too large for the database: it can be no id and no place in a list") from None
        raise DataError(f"{name}: {reason}: {_advice(reason, error.connection_invalidated)}") from error
    except PoolTimeout as error:
        raise DataError(f"{name}: all connections are in use: try again in a moment") from error


def _advice(reason: str, lost: bool) -> str:
    for sign, advice in (
        ("password authentication failed", "check the user and the password of the setting database"),
        ("does not exist", "make the database first, or correct the setting database"),
        ("could not translate host", "correct the host of the setting database"),
        ("too many clients", "allow the server more connections, or run fewer processes; try again in a moment"),
        ("remaining connection slots", "allow the server more connections; try again in a moment"),
        ("No space left", "free some space on the server's disk; what was stored is kept"),
        ("lock timeout", "somebody has been writing for more than 30 s: try again"),
        ("statement timeout", "the server is slow or stands still: try again"),
        ("permission denied", "give the user of the setting database its tables"),
    ):
        if sign in reason:
            return advice
    if lost or "connect" in reason:
        return "the server cannot be reached: start it, or correct the setting database; what was stored is kept"
    return "run `candor doctor`"


def _seen_by_nobody(connection: Connection) -> bool:
    """Wait until no transaction is left that began before now: rows that one may see survive even a full vacuum.

    A writer in any database of the server counts, analysing on the server's own account too.
    """
    since = connection.scalar(text("SELECT CAST(CAST(pg_current_xact_id() AS text) AS bigint)"))
    until = time.monotonic() + ERASE_SECONDS
    while connection.scalar(_OLDER, {"since": since}):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True
