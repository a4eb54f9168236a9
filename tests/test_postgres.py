"""PostgreSQL, a real server: what is its own, what several processes may rely on, and copies to and from it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import Postgres
from sqlalchemy import create_engine, func, select, text
from store_files import PLAIN, full, holding

from app.accounts.accounts import Accounts
from app.accounts.rights import delete_account, export_account
from app.config import Settings
from app.doctor import examine
from app.errors import DataError, InputError, SettingsError
from app.store.backup import back_up, restore
from app.store.copying import copy_rows
from app.store.database import Database, open_database
from app.store.history import History
from app.store.tables import PassageRow, SourceRow, TurnRow

pytestmark = pytest.mark.slow  # a server is started
ANSWERS = """
import sys
from dataclasses import replace
from pathlib import Path
from store_files import full
from app.store.database import open_database
from app.store.history import History
folder, url, mine, common, turns = sys.argv[1:6]
Path(folder).mkdir()
history = History(open_database(Path(folder), url=url))
for number in range(int(turns)):
    for conversation in (mine, common):
        question = f"{Path(folder).name} asks {number} in {conversation}"
        turn = history.begin(conversation, question)
        print("begun", turn, flush=True)
        history.finish(turn, full(question))
        print("done", turn, question, flush=True)
print("end", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.fresh()


@pytest.fixture
def shared(tmp_path: Path, url: str) -> Iterator[Database]:
    database = open_database(tmp_path, url=url)
    yield database
    database.close()


def test_three_processes_lose_and_cross_no_turn_when_one_is_killed(tmp_path: Path, shared: Database, url: str) -> None:
    history = History(shared)
    common = history.start("common")
    begun: dict[str, list[int]] = {}
    done: dict[int, str] = {}
    places = f"{Path(__file__).parents[1]}:{Path(__file__).parent}"
    processes = {}
    for name in ("one", "two", "three"):
        arguments = [str(tmp_path / name), url, history.start(name), common, "40"]
        processes[name] = subprocess.Popen(
            [sys.executable, "-c", ANSWERS, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": places},
        )
    first = processes["one"]
    lines = [first.stdout.readline() for _ in range(21)] if first.stdout else []
    first.send_signal(signal.SIGKILL)  # after a "begun"
    first.wait()
    lines += first.stdout.readlines() if first.stdout else []
    told = {"one": lines}
    for name in ("two", "three"):
        output = processes[name].stdout
        assert output is not None
        told[name] = []
        while (line := output.readline()) != "end\n":
            assert line
            told[name].append(line)
    for name, printed in told.items():
        rows = [line.split(maxsplit=2) for line in printed if line.endswith("\n")]
        begun[name] = [int(row[1]) for row in rows if row[0] == "begun"]
        done.update({int(row[1]): row[2].strip() for row in rows if row[0] == "done"})
    cut_off = [turn for turn in begun["one"] if turn not in done]
    assert history.interrupt() <= 1  # of the dead one alone: the others live
    for turn, question in done.items():
        stored = history.turn(turn)
        assert (stored.state, stored.question) == ("done", question)
        assert stored.reply is not None
        assert stored.reply.text == f"{question}[1]"
        assert stored.reply.trace.candidates[0].text == question
    states = {history.turn(turn).state for turn in cut_off}
    assert states <= {"interrupted", "done"}  # done where it was killed before it could say so
    numbers = [turn.number for turn in history.turns(common)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {len(begun[name]) for name in ("two", "three")} == {80}
    with shared.read() as session:
        assert session.scalar(select(func.count()).where(TurnRow.state == "pending")) == 0
    for name in ("two", "three"):
        processes[name].communicate(input="")
        assert processes[name].returncode == 0


def test_a_turn_of_a_process_that_was_cut_off_is_finished_by_it(
    tmp_path: Path, shared: Database, url: str, postgres: Postgres
) -> None:
    history = History(shared)
    (tmp_path / "other").mkdir()
    other = open_database(tmp_path / "other", url=url)
    conversation = history.start()
    turn = history.begin(conversation, "One?")
    assert History(other).interrupt() == 0
    postgres.cut(url)
    assert History(other).interrupt() == 1  # nobody holds its lock
    assert history.interrupt() == 0  # takes its lock again
    assert History(other).turn(turn).state == "interrupted"
    history.finish(turn, PLAIN)
    assert History(other).turn(turn).state == "done"
    other.close()


def test_all_rows_reach_postgresql_and_come_back(tmp_path: Path, url: str) -> None:
    database = open_database(tmp_path)
    history = History(database)
    Accounts(database).add("ada", password="correct horse battery")
    conversation = history.start("A title \u00df \u4e2d")
    history.finish(history.begin(conversation, "Why?"), full())
    gone = history.start("gone")
    history.begin(gone, "Gone?")
    history.delete(gone)
    there = open_database(tmp_path, url=url)
    copied = copy_rows(database, there)
    assert (copied.rows["turn"], copied.rows["account"], copied.rows["evidence"]) == (1, 1, 2)
    assert json.loads(History(there).export(conversation)) == json.loads(history.export(conversation))
    assert Accounts(there).check("ada", "correct horse battery").name == "ada"
    assert History(there).begin(conversation, "And?") > 2  # ids are not used twice
    with pytest.raises(DataError, match="rows already: name an empty database"):
        copy_rows(database, there)
    (tmp_path / "back").mkdir()
    back = open_database(tmp_path / "back")
    assert copy_rows(there, back).rows["turn"] == 2
    assert History(back).turn(1).reply == history.turn(1).reply
    for each in (database, there, back):
        each.close()


def test_a_backup_of_postgresql_is_put_back_while_others_use_it(tmp_path: Path, shared: Database, url: str) -> None:
    history = History(shared)
    kept = history.start("kept")
    history.finish(history.begin(kept, "Why?"), full())
    back_up(shared, tmp_path, tmp_path / "b.tar")
    history.delete(kept)
    later = history.start("later")
    restore(tmp_path / "b.tar", shared, tmp_path)
    assert [found.title for found in history.conversations()] == ["kept"]
    with pytest.raises(InputError):
        history.begin(later, "Gone?")


def test_what_is_deleted_with_its_account_is_gone_from_the_tables_files(
    tmp_path: Path, shared: Database, postgres: Postgres
) -> None:
    ada = Accounts(shared).add("ada")
    history = History(shared, ada.id)
    conversation = history.start("a confidence of ada")
    history.finish(history.begin(conversation, "a confidence of ada"), full("a secret of ada"))
    assert "a confidence of ada" in json.dumps(export_account(shared, "ada"))
    postgres.checkpoint()
    assert holding(postgres.folder / "base", "a confidence of ada") != []
    delete_account(shared, tmp_path, "ada")
    postgres.checkpoint()
    assert holding(postgres.folder / "base", "a confidence of ada") == []


@pytest.mark.parametrize("reading", [False, True], ids=["a writer elsewhere", "a reader here"])
def test_what_an_older_transaction_may_still_see_is_erased_after_it(
    tmp_path: Path, shared: Database, postgres: Postgres, url: str, reading: bool
) -> None:
    history = History(shared, Accounts(shared).add("ada").id)
    history.begin(history.start("a riddle of ada"), "a riddle of ada")
    engine = create_engine((url if reading else postgres.fresh()).replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        connection.execution_options(isolation_level="REPEATABLE READ")
        connection.execute(text("SELECT count(*) FROM turn" if reading else "SELECT pg_current_xact_id()"))
        deleting = threading.Thread(target=delete_account, args=(shared, tmp_path, "ada"))
        deleting.start()
        deleting.join(0.5)
        assert deleting.is_alive()  # waits
    deleting.join()
    engine.dispose()
    postgres.checkpoint()
    assert holding(postgres.folder / "base", "a riddle of ada") == []


def test_a_server_that_is_not_there_and_a_wrong_address_are_told(tmp_path: Path, postgres: Postgres) -> None:
    with pytest.raises(DataError, match=r"the server cannot be reached: start it.*what was stored is kept"):
        open_database(tmp_path, url="postgresql://ada:secret@127.0.0.1:1/x")
    with pytest.raises(DataError) as told:
        open_database(tmp_path, url=postgres.url("nowhere"))
    assert "make the database first" in str(told.value)
    with pytest.raises(SettingsError, match="must be postgresql://"):
        open_database(tmp_path, url="mysql://x/y")


def test_the_password_of_the_address_is_shown_nowhere(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, model="quote", database="postgresql://ada:hidden@127.0.0.1:1/x")
    assert "hidden" not in repr(settings)
    told = [str(finding) for finding in examine(settings, "words")]
    assert any("127.0.0.1:1/x" in line for line in told)
    assert not any("hidden" in line for line in told)


def test_a_newer_schema_is_refused_and_an_older_one_migrated_by_one_of_many(tmp_path: Path, postgres: Postgres) -> None:
    url = postgres.fresh("template0")
    with pytest.raises(DataError, match="there is no data in"):
        open_database(tmp_path, False, url)
    program = "import sys; from pathlib import Path; from app.store.database import open_database\n"
    program += "open_database(Path(sys.argv[1]), url=sys.argv[2]).close()"
    runs = []
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        runs.append(subprocess.Popen([sys.executable, "-c", program, str(tmp_path / name), url]))
    assert [run.wait() for run in runs] == [0, 0, 0]
    database = open_database(tmp_path, url=url)
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(DataError, match=r"newer candor \(schema 9999\)"):
        open_database(tmp_path, url=url)


def test_a_restart_of_the_server_is_made_up_for(shared: Database, url: str, postgres: Postgres) -> None:
    history = History(shared)
    conversation = history.start()
    postgres.cut(url)
    time.sleep(0.1)
    assert history.conversation(conversation).turns == 0
    history.begin(conversation, "Still there?")


def test_numbers_and_bytes_that_the_server_refuses_are_told_like_elsewhere(shared: Database) -> None:
    history = History(shared)
    conversation = history.start("a\0b\ud800")
    assert history.conversation(conversation).title == "a\ufffdb\ufffd"
    assert history.conversations(search="\0 \ud800 %") == []
    for number in (2**31, 2**63, 10**30):
        with pytest.raises(InputError, match=r"too large for the database|there is no turn"):
            history.turn(number)


def test_passages_of_a_restored_library_have_ids_that_no_index_knows(tmp_path: Path, url: str) -> None:
    place = tmp_path / "other"
    place.mkdir()
    for folder, names in ((place, ("a",)), (tmp_path, ("b", "c"))):
        database = open_database(folder, url=url if folder == tmp_path else "")
        with database.write("library") as session:
            for name in names:
                _source(session, name)
        database.close()
    source, target = open_database(place), open_database(tmp_path, url=url)
    copy_rows(source, target, replace=True)
    with target.read() as session:
        assert session.scalars(select(PassageRow.id)).all() == [3]
        assert session.scalars(select(SourceRow.name)).all() == ["a"]
    source.close()
    target.close()


def _source(session, name: str) -> None:  # noqa: ANN001
    from datetime import UTC, datetime

    row = SourceRow(
        uri=f"/{name}", name=name, title=name, kind="txt", bytes=1, sha256="0", text=name, sections=[], notes=[],
        origin="", dated="", added_at=datetime.now(UTC),
    )  # fmt: skip
    session.add(row)
    session.flush()
    session.add(PassageRow(source_id=row.id, start=0, end=1, text=name, headings=[], place="", vector=b"v"))
