"""A database opened: the file of a data folder, or one on a PostgreSQL server."""

from pathlib import Path
from typing import Final

from app.store.base import ERASING, LOST, Database, owe_erasure, read_meta, write_meta
from app.store.sqlite import NAME, open_sqlite

__all__: Final = ("ERASING", "LOST", "NAME", "Database", "open_database", "owe_erasure", "read_meta", "write_meta")


def open_database(folder: Path, writable: bool = True, url: str = "") -> Database:
    """Open the database of `folder`, or the one at `url`, made or migrated to this version's schema when `writable`.

    Raises DataError when it is not ours, is damaged, was written by a newer version, cannot be reached or, when it is
    only read, is missing; then OlderSchema when it is of an older version.
    """
    if url:
        from app.store.postgres import open_postgres

        return open_postgres(url, folder, writable)
    return open_sqlite(folder, writable)
