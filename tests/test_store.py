"""The files of a data folder: what is deleted is in none of them, and what was acknowledged is there or missed aloud."""

import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from older_database import ADDED, take_back
from test_index_library import Words

from app.catalogue import StoredSource
from app.checksums import _TURN, WORKING
from app.config import Settings
from app.database import NAME, Database, open_database
from app.doctor import Finding, examine
from app.errors import DataError, OlderSchema
from app.history import History, damaged_turns
from app.library import Embedded, Library, packed
from app.tables import TurnRow
from app.upgrade import copies
from app.wal import Mark, check_log, in_use, log_of
from dialogue.types import Candidate, Citation, Picture, Reply, Scores, Trace, Turn
from retrieval.types import Document, Evidence, Passage, Section
from safety.types import Verdict

SAFE = Verdict(True, 0.01)
PLAIN = Reply("Blue.", "answered", (), Trace(asked=SAFE))
DIES = """
import os, sys
from pathlib import Path
from app.database import open_database
from app.history import History
database = open_database(Path(sys.argv[1]))
history = History(database)
"""


def full(text: str = "Blue.") -> Reply:
    """A reply with a row in every table."""
    passage = Passage(7, f"The sky: {text}", "sky.md", "Sky", ("Colour",), 0, 800, "p. 1")
    draft = Candidate(text, SAFE, Scores(0.9, 0.8, 0.7, 0.6, 0.9, safe=0.9, in_role=0.8), 3.2)
    cited = Citation(1, "sky.md", "Sky", ("Colour",), "p. 1", passage, text, 0, 16, 0.9)
    evidence = Evidence(passage, 1.5, 0.5, 0.25)
    trace = Trace(SAFE, "sky", ("sky",), (evidence,), ((evidence, "x"),), (draft,), 1, {"rank": 0.5}, "m", "j", "p")
    return Reply(f"{text}[1]", "answered", (cited,), trace)


def dies(folder: Path, work: str) -> str:
    """Run `work` on the history of a folder in a process that ends without closing anything; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", f"{DIES}{work}\nsys.stdout.flush()\nos._exit(9)", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{Path(__file__).parents[1]}:{Path(__file__).parent}"},
    )
    assert done.returncode == 9, done.stderr
    return done.stdout.strip()


def holding(folder: Path, text: str) -> list[str]:
    """The files of a folder in which a text stands."""
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and text.encode() in p.read_bytes())


def findings(folder: Path) -> dict[str, Finding]:
    """What doctor says about the folder and what is in it, by name."""
    return {each.name: each for each in examine(Settings(data_dir=folder), "words")}


# --- what is deleted is gone -------------------------------------------------------------------------------


def test_a_deleted_conversation_is_in_no_file_while_the_database_is_open(tmp_path: Path) -> None:
    """Many sizes, so that rows are moved between pages: a copy of a moved row is what `secure_delete` leaves."""
    dice = random.Random(4)
    database = open_database(tmp_path)
    history = History(database)
    alive: list[tuple[str, str]] = []
    for number in range(90):
        if len(alive) < 2 or dice.random() < 0.3:
            word = f"secret{number:04}x"
            alive.append((history.start(f"{word} title"), word))
        conversation, word = dice.choice(alive)
        question = f"{word} " * dice.choice([1, 10, 100, 900])
        turn = history.begin(conversation, question, [Picture(f"{word}.png", question.encode())])
        history.finish(turn, full(f"{word} " * dice.choice([1, 10, 300])))
        if number % 6 == 5:
            conversation, word = alive.pop(dice.randrange(len(alive)))
            history.delete(conversation)
            assert holding(tmp_path, word) == []
    for conversation, word in alive:
        assert history.turns(conversation) is not None
        assert NAME in holding(tmp_path, word) or f"{NAME}-wal" in holding(tmp_path, word)
    database.close()


def test_a_removed_source_is_in_no_file_while_the_database_is_open(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    library = Library(database, tmp_path, Words())
    for number in range(40):
        texts = [f"part {part} of note{number:03} is long " * (1 + number % 7 * 9) for part in range(5)]
        whole = "\n".join(texts)
        passages = [Passage(0, one, f"note{number:03}", "", (), whole.index(one), len(one)) for one in texts]
        now, name = datetime.now(UTC), f"note{number:03}"
        about = StoredSource(0, f"/{name}", name, name, "text", len(whole), len(texts), "0", now)
        document = Document(name, name, whole, (Section((), 0, len(whole)),))
        library.store([Embedded(about, document, passages, packed(library.embedder, passages))])
    library.publish()
    for number in range(3, 40, 8):
        assert NAME in holding(tmp_path, f"note{number:03}") or log_of(tmp_path / NAME).exists()
        library.remove(f"note{number:03}")
        assert holding(tmp_path, f"note{number:03}") == []
    database.close()


def test_who_reads_delays_the_erasure_and_the_next_write_makes_up_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.database.BUSY_SECONDS", 0)
    database = open_database(tmp_path)
    history = History(database)
    conversation = history.start("a secret title")
    with database.read() as session:
        session.get(TurnRow, 1)
        history.delete(conversation)
        assert "until those who read now have ended" in caplog.text
    history.start("another")
    assert holding(tmp_path, "a secret title") == []
    database.close()


def test_an_erasure_that_a_crash_has_cut_off_is_finished_at_the_next_start(tmp_path: Path) -> None:
    dies(
        tmp_path,
        "kept = [history.start(f'secret title {n} ' * 9) for n in range(30)]\n"
        "type(database).erase = lambda self: os._exit(9)\nhistory.delete(*kept[3:20])",
    )
    assert holding(tmp_path, "secret title 4 ") != []
    database = open_database(tmp_path)
    assert holding(tmp_path, "secret title 4 ") == []
    assert len(History(database).conversations()) == 13
    database.close()


def test_a_full_disk_says_that_what_is_deleted_is_not_erased_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_database(tmp_path)
    history = History(database)
    conversation = history.start("a secret title")
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
    monkeypatch.setattr(Database, "_vacuum", _full, raising=True)
    with pytest.raises(DataError, match="it is deleted, but stands in the file still"):
        history.delete(conversation)
    monkeypatch.undo()
    database.close()
    open_database(tmp_path).close()
    assert holding(tmp_path, "a secret title") == []


def _full(database: Database) -> None:
    raise sqlite3.OperationalError("database or disk is full")


# --- a log that does not belong, and one that is lost ------------------------------------------------------

ACKNOWLEDGES = "c = history.start('mine')\nfor n in range(5): print(history.begin(c, f'Question {n}?'), flush=True)"


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
    program = "import sys; from pathlib import Path; from app.wal import in_use; print(in_use(Path(sys.argv[1])))"
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


# --- history that is not as it was stored ------------------------------------------------------------------


@pytest.fixture
def talk(tmp_path: Path) -> tuple[History, str]:
    """Two turns, each with a row in every table."""
    history = History(open_database(tmp_path))
    conversation = history.start("Colours")
    for question in ("What colour?", "And why?"):
        history.finish(history.begin(conversation, question, [Picture("a.png", b"data")]), full())
    return history, conversation


def changes() -> list[tuple[str, str]]:
    """Every column that a checksum is over."""
    columns = [("turn", name) for name in _TURN if name not in ("conversation_id", "number")]
    return columns + [(table.__tablename__, name) for table, names in WORKING.items() for name in names]


def test_the_checksums_are_over_all_that_is_stored_of_a_turn() -> None:
    every = {("turn", column) for column in TurnRow.__table__.columns.keys()}  # noqa: SIM118
    every |= {(table.__tablename__, column) for table in WORKING for column in table.__table__.columns.keys()}  # noqa: SIM118
    own = {("turn", name) for name in ("id", "conversation_id", "number", "checksum")}
    keys = {(table.__tablename__, "turn_id") for table in WORKING} | {("picture", "data")}  # data: by its checksum
    assert every - own - keys == set(changes())


@pytest.mark.parametrize(("table", "column"), changes())
def test_a_turn_that_is_not_as_it_was_stored_is_never_shown_as_sound(
    talk: tuple[History, str], tmp_path: Path, table: str, column: str
) -> None:
    history, conversation = talk
    raw = sqlite3.connect(tmp_path / NAME)
    where = "id = 1" if table == "turn" else "turn_id = 1"
    first = f"rowid = (SELECT min(rowid) FROM {table} WHERE {where})"
    [value] = raw.execute(f'SELECT "{column}" FROM {table} WHERE {first}').fetchone()
    raw.execute(f'UPDATE {table} SET "{column}" = ? WHERE {first}', (other(value),))
    raw.commit()
    raw.close()
    turn, second = history.turns(conversation)
    assert (turn.state, turn.reply) == ("damaged", None)
    assert second.reply == replace(full(), conversation=conversation)
    assert "Blue" not in history.export(conversation, "md").split("And why?")[0]
    assert findings(tmp_path)["conversations"].detail.endswith(conversation)
    if table == "turn":
        assert [turn.text for turn in history.context(conversation)] == ["And why?", "Blue.[1]"]


def other(value: object) -> object:
    """Something else of the same type, text and bytes with one bit flipped."""
    if isinstance(value, str):
        return value[:-1] + chr(ord(value[-1]) ^ 1) if value else "x"
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    return value + 7 if isinstance(value, int | float) else "x"


def test_every_bit_of_a_reply_in_the_file_counts(talk: tuple[History, str], tmp_path: Path) -> None:
    history, conversation = talk
    history._database.close()
    path = tmp_path / NAME
    whole = path.read_bytes()
    start = whole.index(b"Blue.[1]")
    for bit in range(8 * len(b"Blue.[1]")):
        content = bytearray(whole)
        content[start + bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        database = open_database(tmp_path, writable=False)
        turns = History(database).turns(conversation)
        assert sorted(turn.state for turn in turns) == ["damaged", "done"]
        with database.read() as session:
            assert damaged_turns(session) == [conversation]
        database.close()


def test_a_damaged_picture_is_left_out_and_named(talk: tuple[History, str], tmp_path: Path) -> None:
    history, conversation = talk
    raw = sqlite3.connect(tmp_path / NAME)
    raw.execute("UPDATE picture SET data = x'ff' WHERE turn_id = 1")
    raw.commit()
    raw.close()
    assert history.pictures(1) == ()
    with pytest.raises(DataError, match=r"the stored picture 'a.png' is damaged"):
        history.picture(1, "a.png")
    assert len(history.pictures(2)) == 1
    assert [len(turn.pictures) for turn in history.context(conversation)] == [0, 0, 1, 0]
    assert findings(tmp_path)["conversations"].state == "fail"


def test_a_question_damaged_while_it_waits_is_not_called_sound_by_its_reply(tmp_path: Path) -> None:
    history = History(open_database(tmp_path))
    for settle in (lambda turn: history.finish(turn, PLAIN), lambda turn: history.interrupt()):
        conversation = history.start()
        turn = history.begin(conversation, "What colour?")
        raw = sqlite3.connect(tmp_path / NAME)
        raw.execute("UPDATE turn SET question = 'What odour?'")
        raw.commit()
        raw.close()
        settle(turn)
        assert history.turn(turn).state == "damaged"


# --- migrations --------------------------------------------------------------------------------------------


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
    "before the copy": "app.upgrade._copy = die",
    "in the copy": "app.upgrade.shutil.copymode = die",
    "before the copy has its name": "app.upgrade.sync = die",
    "before the migration": "import alembic.command; alembic.command.upgrade = die",
    "in the migration": "app.checksums.of_turn = die",
    "before the commit": "app.upgrade.count = die",
    "after the commit": "app.database.Database._empty_log = die",
    "before the mark": "app.wal.Mark.write = die",
}


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_of_a_migration_is_made_up_for(tmp_path: Path, step: str) -> None:
    older(tmp_path, "0005")
    program = (
        "import os, sys; from pathlib import Path; import app.checksums, app.upgrade, app.database, app.wal\n"
        f"def die(*_): os._exit(9)\n{STEPS[step]}\napp.database.open_database(Path(sys.argv[1]))"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == 9
    database = open_database(tmp_path)
    assert History(database).turn(1).state == "done"
    assert database.missing == 0
    assert whole(tmp_path, "0005")
    database.close()


@pytest.mark.parametrize("fails", ["app.upgrade.shutil.copymode", "app.upgrade.sync"])
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


def test_a_turn_is_user_and_assistant(talk: tuple[History, str]) -> None:
    history, conversation = talk
    assert history.context(conversation)[1] == Turn("assistant", "Blue.[1]")
