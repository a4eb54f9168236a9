"""A backup: one file with all rows and the user's own files, made and put back while others go on working.

It is a tar archive of a database of SQLite, whichever the database is, the uploaded documents, the roles and the
languages. It holds password hashes and everything that was said, so that only its owner may read it.
"""

import json
import os
import shutil
import tarfile
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from app.errors import InputError
from app.store.copying import Copied, copy_rows
from app.store.database import NAME, Database, open_database
from app.store.upgrade import HEAD, sync

FOLDERS: Final = ("uploads", "roles", "languages")
PASSING: Final = ("incoming", "unread")  # in the folder of uploads: what is on its way
ABOUT: Final = "backup.json"


def back_up(database: Database, folder: Path, file: Path) -> Copied:
    """Write a backup of a database and of the files in its data folder. Raises InputError, DataError, OSError."""
    if file.exists() or file.is_symlink():
        raise InputError(f"{str(file)!r} is there already: name another file")
    if not file.parent.is_dir():
        raise InputError(f"there is no folder {str(file.parent)!r} for the backup: make it first")
    part = file.with_name(f"{file.name}.part")
    try:
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".candor-backup-") as name:
            passing = Path(name)
            with closing(open_database(passing)) as copy:
                copied = copy_rows(database, copy)
            about = {
                "schema": HEAD,
                "folder": str(folder.resolve()),
                "rows": dict(copied.rows),
                "digest": copied.digest,
            }
            (passing / ABOUT).write_text(json.dumps(about, indent=2))
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as raw, tarfile.open(fileobj=raw, mode="w") as archive:
                for each in (ABOUT, NAME):
                    archive.add(passing / each, each)
                for each in FOLDERS:
                    if (folder / each).is_dir():
                        archive.add(folder / each, each, filter=_kept)
        sync(part)
        part.replace(file)
        sync(file.parent)
    finally:
        part.unlink(missing_ok=True)
    return copied


def restore(file: Path, database: Database, folder: Path) -> Copied:
    """Put a backup in the place of what the database and the data folder hold. Raises InputError, DataError, OSError.

    The rows are replaced in one transaction; those who have the database open see the old state or the new one.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".candor-restore-") as name:
        passing = Path(name)
        try:
            with tarfile.open(file, "r:") as archive:
                archive.extractall(passing, filter="data")
            about = json.loads((passing / ABOUT).read_text("utf-8"))
            before = str(about["folder"])
        except (tarfile.TarError, ValueError, KeyError, TypeError, FileNotFoundError, EOFError) as error:
            raise InputError(f"{str(file)!r} is no backup that `candor backup` made ({type(error).__name__})") from None
        with closing(open_database(passing)) as copy:  # an older one is brought up to this schema first
            copied = copy_rows(copy, database, replace=True, change=_moved(before, str(folder.resolve())))
        for each in FOLDERS:
            _put_back(passing / each, folder / each)
    return copied


def _kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what is on its way, links and devices."""
    parts = Path(entry.name).parts
    return entry if (entry.isfile() or entry.isdir()) and not set(parts[1:2]) & set(PASSING) else None


def _moved(before: str, now: str) -> Any:  # noqa: ANN401, a Changed
    """Have uploaded documents stand in the data folder as it is called here."""

    def change(table: str, row: dict[str, Any]) -> dict[str, Any]:
        start = os.path.join(before, "uploads", "")
        if table == "source" and row["uri"].startswith(start):
            return {**row, "uri": os.path.join(now, "uploads", row["uri"][len(start) :])}
        return row

    return change


def _put_back(found: Path, place: Path) -> None:
    """Make the files below `place` those of a backup."""
    kept = {path.relative_to(found) for path in found.rglob("*")} if found.is_dir() else set()
    for path in sorted(place.rglob("*"), reverse=True) if place.is_dir() else ():
        inside = path.relative_to(place)
        if inside.parts[0] in PASSING or inside in kept:
            continue
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):  # something came meanwhile
                path.rmdir()
        else:
            path.unlink(missing_ok=True)
    for inside in sorted(kept):
        if (found / inside).is_dir():
            (place / inside).mkdir(mode=0o700, parents=True, exist_ok=True)
        else:
            (place / inside).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.move(found / inside, place / inside)
