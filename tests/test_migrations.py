"""A migration leaves a copy of what was before, and a crash at any step of it is made up for."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from older_database import ADDED, take_back
from store_files import findings, full, holding

from app.errors import DataError, OlderSchema
from app.store.database import NAME, open_database
from app.store.history import History
from app.store.upgrade import copies
from dialogue.types import Picture


def older(folder: Path, version: str) -> None:
    """A folder as an earlier version left it, with a turn and a picture."""
    database = open_database(folder)
    history = History(database)
    history.finish(history.begin(history.start("Old"), "Which?", [Picture("a.png", b"data")]), full())
    database.close()
    take_back(folder, version)
    raw = sqlite3.connect(folder / NAME)
    raw.execute("PRAGMA user_version = 0")
    raw.close()
    (folder / f"{NAME}-mark").unlink()


@pytest.mark.parametrize("version", ["0002", *list(ADDED)[:-1]])
def test_every_migration_leaves_a_copy_of_what_was_before(tmp_path: Path, version: str) -> None:
    older(tmp_path, version)
    warned = findings(tmp_path)["database"]
    assert (warned.state, f"has the older schema {version}" in warned.detail) == ("warn", True)
    with pytest.raises(OlderSchema):
        open_database(tmp_path, writable=False)
    assert copies(tmp_path / NAME) == []
    database = open_database(tmp_path)
    history = History(database)
    assert history.turn(1).reply == history.turns(history.conversations()[0].id)[0].reply is not None
    assert len(history.pictures(1)) == 1
    assert whole(tmp_path, version)
    assert "before its last migration" in findings(tmp_path)["copy"].detail
    assert findings(tmp_path)["database"].state == "ok"
    history.delete(history.conversations()[0].id)
    assert copies(tmp_path / NAME) == []
    assert holding(tmp_path, "Which?") == []
    database.close()


def whole(folder: Path, version: str) -> bool:
    """Whether the only copy is a whole database of this version with the turn in it."""
    [copy] = copies(folder / NAME)
    raw = sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True)
    found = raw.execute("SELECT version_num, question FROM alembic_version, turn").fetchall()
    sound = raw.execute("PRAGMA integrity_check").fetchone()
    raw.close()
    return copy.name == f"{NAME}-{version}.backup" and (found, sound) == ([(version, "Which?")], ("ok",))


STEPS = {
    "before the copy": "app.store.upgrade._copy = die",
    "in the copy": "app.store.upgrade.shutil.copymode = die",
    "before the copy has its name": "app.store.upgrade.sync = die",
    "before the migration": "import alembic.command; alembic.command.upgrade = die",
    "in the migration": "app.library.checksums.of_working = die",
    "before the commit": "app.store.upgrade.count = die",
    "after the commit": "app.store.sqlite.SqliteDatabase._empty_log = die",
    "before the mark": "app.store.wal.Mark.write = die",
}


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_of_a_migration_is_made_up_for(tmp_path: Path, step: str) -> None:
    older(tmp_path, "0005")
    program = (
        "import os, sys; from pathlib import Path; import app.library.checksums, app.store.upgrade, "
        "app.store.database, app.store.sqlite, app.store.wal\n"
        f"def die(*_): os._exit(9)\n{STEPS[step]}\napp.store.database.open_database(Path(sys.argv[1]))"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == 9
    database = open_database(tmp_path)
    assert History(database).turn(1).state == "done"
    assert database.missing == 0
    assert whole(tmp_path, "0005")
    database.close()


@pytest.mark.parametrize("fails", ["app.store.upgrade.shutil.copymode", "app.store.upgrade.sync"])
def test_without_room_for_the_copy_nothing_is_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    older(tmp_path, "0005")

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fails, full_disk)
    with pytest.raises(DataError, match="No space left on device"):
        open_database(tmp_path)
    monkeypatch.undo()
    assert copies(tmp_path / NAME) == []
    with pytest.raises(OlderSchema):
        open_database(tmp_path, writable=False)
