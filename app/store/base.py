"""How a database is read and written, whichever it is. SQLite's own is in `sqlite`, PostgreSQL's in `postgres`.

Knows nothing of what the tables mean, but two facts of its own.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.orm import Session

from app.errors import DataError
from app.store.tables import MetaRow, storable

ERASING: Final = "erasing"  # in the table of facts: what was deleted may stand in the files still
LOST: Final = "lost"  # there too: when acknowledged writes were found missing, and how many
T = TypeVar("T")
_KEEP: Final = text(
    "INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


class Database(ABC):
    """An open database; safe to use from several threads. Made by `app.store.database.open_database`.

    `name` is what messages call it. `missing` counts the acknowledged writes that it lacks, as far as that can be told.
    `number` tells this process from the others that have it open, None where there are none. `node` is the name of this
    data folder among those of several processes, "" where there is one.
    """

    missing: int = 0
    number: int | None = None
    node: str = ""

    def __init__(self, name: str, engine: Engine) -> None:
        self.name = name
        self.engine = engine
        self._closed = False

    @property
    def dialect(self) -> str:
        """What SQL is spoken: ``sqlite`` or ``postgresql``."""
        return str(self.engine.dialect.name)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of the database. Raises DataError."""
        with self._usable(), Session(self._readable(), expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """As `read`, without what makes entities of rows, in half of the time. Raises DataError."""
        with self._usable(), self._readable().connect() as connection:
            yield connection

    def rows(self, query: str, values: Sequence[object]) -> Sequence[Sequence[Any]]:
        """Return the rows of one SELECT as the driver gives them, in a third of the time of `read`.

        Raises DataError.
        """
        with self._usable(), closing(self.engine.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute(query, tuple(values))
            return cursor.fetchall()

    @abstractmethod
    def write(self, about: str = "") -> AbstractContextManager[Session]:
        """A session committed at the end of the block, rolled back when it raises. Raises DataError.

        Those who write `about` the same thing wait for each other.
        """

    def together(self, write: Callable[[Connection], T]) -> T:
        """Return what `write` gives, once it is committed: in a transaction that may hold the writes of others too.

        It may be called twice, where one of those others fails. Raises what it raises, and DataError.
        """
        with self._usable(), self.engine.begin() as connection:
            return write(connection)

    @abstractmethod
    def erase(self, at_once: bool = False) -> None:
        """Take what was deleted out of the files of the database, where that is owed. Raises DataError.

        Where that would keep others waiting it is left for later, unless `at_once`.
        """

    @abstractmethod
    def holders(self) -> frozenset[int]:
        """Return the numbers of the processes that have the database open now. Raises DataError."""

    @abstractmethod
    def problems(self) -> list[str]:
        """Return what the database itself finds wrong with what is stored. Raises DataError."""

    @abstractmethod
    def publishing(self) -> AbstractContextManager[None]:
        """Hold off other processes that would feed the same index."""

    def close(self) -> None:
        """Close all connections. It cannot be used any more."""
        self._closed = True
        self.engine.dispose()

    def _readable(self) -> Engine:
        return self.engine

    @contextmanager
    def _usable(self) -> Iterator[None]:
        if self._closed:
            raise DataError(f"{self.name} has been closed: open the data folder again")
        with self._translated():
            yield

    @abstractmethod
    def _translated(self) -> AbstractContextManager[None]:
        """Turn the driver's errors into one line that says what to do."""


def read_meta(session: Session, key: str) -> str:
    """Return a fact about the folder; empty when nothing is known."""
    return session.scalar(select(MetaRow.value).where(MetaRow.key == key)) or ""


def write_meta(session: Session, key: str, value: str) -> None:
    """Keep a fact about the folder."""
    session.execute(_KEEP, {"key": key, "value": storable(value)})


def owe_erasure(session: Session) -> None:
    """Note, with what this session deletes, that `Database.erase` is due; after a crash the next start sees to it."""
    write_meta(session, ERASING, "1")
