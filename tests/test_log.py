"""A write-ahead log that does not belong is refused, and acknowledged writes are there or missed aloud."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from store_files import ACKNOWLEDGES, dies, findings

from app.errors import DataError
from app.store.database import NAME, open_database
from app.store.history import History
from app.store.wal import Mark, check_log, in_use, log_of


def test_a_log_of_the_database_is_replayed_and_nothing_is_missing(tmp_path: Path) -> None:
    dies(tmp_path, ACKNOWLEDGES)
    assert log_of(tmp_path / NAME).stat().st_size
    database = open_database(tmp_path)
    assert database.missing == 0
    assert History(database).conversations()[0].turns == 5
    database.close()


def test_a_log_of_another_database_is_refused_and_nothing_is_touched(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    for folder in (mine, other):
        folder.mkdir()
        open_database(folder).close()
    dies(other, ACKNOWLEDGES)
    shutil.copy(log_of(other / NAME), log_of(mine / NAME))
    before = {path.name: path.read_bytes() for path in mine.iterdir()}
    for writable in (True, False):
        with pytest.raises(DataError, match="does not belong to the database beside it"):
            open_database(mine, writable)
    assert {path.name: path.read_bytes() for path in mine.iterdir()} == before
    assert findings(mine)["database"].state == "fail"


@pytest.mark.parametrize("older", ["database", "log"])
def test_an_older_copy_of_the_one_does_not_go_with_the_other(tmp_path: Path, older: str) -> None:
    part = tmp_path / NAME if older == "database" else log_of(tmp_path / NAME)
    open_database(tmp_path).close()
    if older == "database":
        shutil.copy(part, tmp_path / "kept")
        database = open_database(tmp_path)
        for _ in range(3):
            History(database).start()
        database.close()
        dies(tmp_path, ACKNOWLEDGES)
    else:
        dies(tmp_path, ACKNOWLEDGES)
        shutil.copy(part, tmp_path / "kept")
        database = open_database(tmp_path)
        History(database).start()
        database.close()
    shutil.copy(tmp_path / "kept", part)
    with pytest.raises(DataError, match="does not belong"):
        open_database(tmp_path)


def test_a_log_without_its_database_is_not_given_to_a_new_one(tmp_path: Path) -> None:
    dies(tmp_path, ACKNOWLEDGES)
    (tmp_path / NAME).unlink()
    with pytest.raises(DataError, match="put the database back"):
        open_database(tmp_path)
    assert not (tmp_path / NAME).exists()


def test_a_log_deleted_after_an_unclean_stop_is_told_by_all_who_look(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dies(tmp_path, ACKNOWLEDGES)
    log_of(tmp_path / NAME).unlink()
    found = findings(tmp_path)["log"]
    assert (found.state, "lacks the last 6 writes" in found.detail) == ("fail", True)
    database = open_database(tmp_path)
    assert database.missing == 6
    assert "lacks the last 6 writes" in caplog.text
    History(database).start()
    database.close()
    found = findings(tmp_path)["log"]
    assert (found.state, found.detail.endswith(": 6")) == ("warn", True)
    database = open_database(tmp_path)
    assert database.missing == 0
    database.close()


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder after an unclean stop: six acknowledged writes stand in its log."""
    folder = tmp_path_factory.mktemp("stopped")
    open_database(folder).close()
    dies(folder, ACKNOWLEDGES)
    return folder


@profile(max_examples=25)
@given(where=st.floats(0, 1), cut=st.booleans())
def test_a_log_that_is_cut_or_flipped_anywhere_never_loses_writes_in_silence(
    stopped: Path, where: float, cut: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    for path in stopped.iterdir():
        if not path.name.endswith("-shm"):
            shutil.copy(path, folder)
    log = log_of(folder / NAME)
    content = bytearray(log.read_bytes())
    place = int(where * (len(content) - 1))
    content[place] ^= 1 << place % 8
    log.write_bytes(content[:place] if cut else content)
    database = open_database(folder, writable=False)
    conversations = History(database).conversations()
    kept = len(conversations) + sum(found.turns for found in conversations)
    database.close()
    assert kept + database.missing == 6


def test_looking_at_an_open_database_leaves_it_locked_for_others(tmp_path: Path) -> None:
    """To close any file of a database drops the locks that the process holds on it."""
    database = open_database(tmp_path)
    History(database).start()
    findings(tmp_path)
    program = "import sys; from pathlib import Path; from app.store.wal import in_use; print(in_use(Path(sys.argv[1])))"
    look = [sys.executable, "-c", program, str(tmp_path / NAME)]
    assert subprocess.run(look, capture_output=True, text=True, check=True).stdout == "True\n"
    other = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM turn'); c.close()"
    subprocess.run([sys.executable, "-c", other, str(tmp_path / NAME)], check=True)
    assert log_of(tmp_path / NAME).exists(), "the other process took itself for the last one"
    database.close()
    assert not in_use(tmp_path / NAME)
    check_log(tmp_path / NAME)


def test_a_mark_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    mark = Mark(tmp_path / NAME)
    assert mark.read() == 0
    mark.write(7)
    mark.write(5)
    assert mark.read() == 7
    path = tmp_path / f"{NAME}-mark"
    path.write_bytes(path.read_bytes().replace(b"7", b"8", 1))
    assert mark.read() == 0


def test_a_dangling_link_is_one_clear_line_and_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(tmp_path / "gone")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / NAME).symlink_to(tmp_path / "gone.db")
    for folder in ("data", "kept"):
        for writable in (True, False):
            with pytest.raises(DataError, match=r"is a link to .*, which is not there: mend it"):
                open_database(tmp_path / folder, writable)
    assert (tmp_path / "kept" / NAME).is_symlink()
    assert findings(tmp_path / "data")["data folder"].state == "fail"
    assert findings(tmp_path / "kept")["database"].state == "fail"


def test_a_linked_database_has_its_log_and_its_mark_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    open_database(tmp_path / "there").close()
    (tmp_path / "here" / NAME).symlink_to(tmp_path / "there" / NAME)
    dies(tmp_path / "here", ACKNOWLEDGES)
    log_of(tmp_path / "there" / NAME).unlink()
    database = open_database(tmp_path / "here")
    assert database.missing == 6
    database.close()


def test_a_closed_database_is_not_used_again(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    history = History(database)
    database.close()
    uses: list[Callable[[], Any]] = [history.start, history.conversations, lambda: database.rows("SELECT 1", ())]
    for use in uses:
        with pytest.raises(DataError, match="has been closed: open the data folder again"):
            use()
