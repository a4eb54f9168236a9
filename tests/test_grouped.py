"""Writes that share a transaction: each is durable before it is acknowledged, and fails alone."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text
from store_files import full

from app.errors import InputError
from app.store.database import Database, open_database
from app.store.grouped import Grouped, Write
from app.store.history import History

WAIT = 10.0
KILLED = """
import os, signal, sys, threading
from pathlib import Path
from uuid import uuid4
from app.store.database import open_database
from app.store.history import History
from store_files import full
history = History(open_database(Path(sys.argv[1])))
acknowledged = threading.Semaphore(0)
def talk():
    while True:
        conversation = str(uuid4())
        turn = history.begin(conversation, "Why?", role="candor")
        os.write(1, f"begun {conversation}\\n".encode())
        history.finish(turn, full(conversation))
        os.write(1, f"done {conversation}\\n".encode())
        acknowledged.release()
for _ in range(12):
    threading.Thread(target=talk, daemon=True).start()
for _ in range(60):
    acknowledged.acquire()
os.kill(os.getpid(), signal.SIGKILL)
"""


class Slow:
    """Transactions that begin when the test lets them; keeps how many writes each of them held."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)
        self.committed: list[list[object]] = []
        self.acknowledged = 0
        self.interrupted = False

    def __call__(self, write: Write[None]) -> Callable[[], object]:
        self.entered.release()
        assert self.gate.acquire(timeout=WAIT)
        stored: list[object] = []
        write(stored)  # type: ignore[arg-type]
        if self.interrupted:
            self.interrupted = False
            raise KeyboardInterrupt
        self.committed.append(stored)
        return self._acknowledge

    def _acknowledge(self) -> None:
        self.acknowledged += 1


def adding(value: object) -> Write[object]:
    """A write of a value; of an error it is that error."""

    def write(connection: Connection) -> object:
        if isinstance(value, BaseException):
            raise value
        connection.append(value)  # type: ignore[attr-defined]
        return value

    return write


def done(slow: Slow, *values: object) -> list[object]:
    """Begin the first of these writes, the others while it waits, and let them go on; return what becomes of each."""
    grouped = Grouped(slow)

    def do(value: object) -> object:
        try:
            return grouped.do(adding(value))
        except BaseException as error:
            return error

    with ThreadPoolExecutor(len(values)) as pool:
        begun = [pool.submit(do, values[0])]
        assert slow.entered.acquire(timeout=WAIT)
        begun += [pool.submit(do, value) for value in values[1:]]
        pause = threading.Event()
        for _ in range(1000):
            if len(grouped._waiting) == len(values):
                break
            pause.wait(0.01)
        slow.gate.release(9)
        return [each.result(WAIT) for each in begun]


def test_all_who_wait_share_a_transaction_and_each_gets_its_own_answer() -> None:
    slow = Slow()
    assert done(slow, 0, 1, 2, 3) == [0, 1, 2, 3]
    assert [set(stored) for stored in slow.committed] == [{0, 1, 2, 3}]
    assert slow.acknowledged == 1


def test_what_fails_fails_alone() -> None:
    slow, error = Slow(), InputError("no")
    assert done(slow, 0, 1, error, 3) == [0, 1, error, 3]
    assert sorted(str(value) for stored in slow.committed for value in stored) == ["0", "1", "3"]


def test_who_is_interrupted_leaves_the_others_to_the_next() -> None:
    slow = Slow()
    slow.interrupted = True
    first, *others = done(slow, 0, 1, 2, 3)
    assert isinstance(first, KeyboardInterrupt)
    assert others == [1, 2, 3]
    assert sorted(str(value) for stored in slow.committed for value in stored) == ["1", "2", "3"]


def test_a_transaction_that_cannot_begin_fails_one_writer_and_the_next_tries_again() -> None:
    broken = [InputError("locked")]

    def transaction(write: Write[None]) -> Callable[[], object]:
        if broken:
            raise broken.pop()
        write([])  # type: ignore[arg-type]
        return bool

    grouped = Grouped(transaction)
    with pytest.raises(InputError, match="locked"):
        grouped.do(adding(1))
    assert grouped.do(adding(2)) == 2


def test_turns_begun_at_once_are_all_there_but_those_that_are_refused(database: Database) -> None:
    history = History(database)
    good = [str(uuid4()) for _ in range(20)]

    def begin(conversation: str, new: bool) -> str:
        try:
            history.finish(history.begin(conversation, "Why?", role="candor" if new else None), full(conversation))
        except InputError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(begin, [name for good_one in good for name in (good_one, "gone")], [True, False] * 20))
    assert told[::2] == [""] * 20
    assert all("there is no conversation 'gone'" in line for line in told[1::2])
    for conversation in good:
        [turn] = history.turns(conversation)
        assert turn.state == "done"
        assert turn.reply is not None
        assert turn.reply.text == f"{conversation}[1]"


def test_a_write_that_fails_in_the_database_takes_none_along(tmp_path: Path) -> None:
    database = open_database(tmp_path)

    def write(connection: Connection) -> None:
        connection.execute(text("INSERT INTO meta (key, value) VALUES ('a', '1')"))
        raise InputError("no")

    with pytest.raises(InputError):
        database.together(write)
    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM meta WHERE key = 'a'")) == 0
    database.close()


@pytest.mark.slow
def test_a_killed_process_has_every_turn_that_any_of_its_threads_was_told_of(tmp_path: Path) -> None:
    path = f"{Path(__file__).parents[1]}:{Path(__file__).parent}"
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == -signal.SIGKILL, done.stderr
    told = [line.split() for line in done.stdout.splitlines()]
    assert sum(what == "done" for what, _ in told) >= 60
    database = open_database(tmp_path)
    history = History(database)
    for what, conversation in told:
        [turn] = history.turns(conversation)
        assert turn.question == "Why?"
        if what == "done":
            assert turn.reply is not None
            assert turn.reply.text == f"{conversation}[1]"
    assert not database.missing
    database.close()
