"""Three servers on one PostgreSQL know the same users and documents, and one that is killed takes nothing along."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from postgres_server import Postgres
from test_web_accounts import PASSWORD, login
from web_client import call, request

from app.accounts.accounts import Accounts
from app.store.database import Database, open_database
from app.store.history import History

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
NAMES = ("ada", "bob", "root")


@dataclass
class Server:
    """A running `candor serve` and its address."""

    process: "subprocess.Popen[str]"
    url: str


def until(done: Callable[[], bool], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.fixture
def database(tmp_path: Path, postgres: Postgres) -> Iterator[Database]:
    database = open_database(tmp_path, url=postgres.fresh())
    for name in NAMES:
        Accounts(database).add(name, "admin" if name == "root" else "user", PASSWORD)
    yield database
    database.close()


@pytest.fixture
def servers(tmp_path: Path, database: Database) -> Iterator[list[Server]]:
    settings = {
        "CANDOR_DATABASE": database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False),
        "CANDOR_ACCOUNTS": "on",
        "CANDOR_TURNS_PER_MINUTE": "0",
        "CANDOR_MODEL": "quote",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    command = [sys.executable, "-m", "app", "serve", "--port", "0", "--data-dir"]
    processes = [
        subprocess.Popen(
            [*command, str(tmp_path / f"data{number}")],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **settings},
        )
        for number in range(3)
    ]
    try:
        found = []
        for process in processes:
            assert process.stdout is not None
            found.append(Server(process, process.stdout.readline().split()[-1] + "/"))
        yield found
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_three_servers_share_everything_and_one_that_is_killed_takes_nothing_along(
    servers: list[Server], database: Database
) -> None:
    jars = {name: {"cookie": login(servers[0].url, name, PASSWORD)[2].partition(";")[0]} for name in NAMES}
    for server in servers:  # a login holds everywhere
        assert [request(server.url, "GET", "/config", headers=jars[name]).status for name in NAMES] == [200] * 3
    body = b"The lighthouse of Lindesnes was lit in 1656."
    assert request(servers[0].url, "POST", "/documents?name=light.txt", body, jars["root"]).status == 200
    history = {name: History(database, Accounts(database).named(name).id) for name in NAMES}
    question = "When was the lighthouse of Lindesnes lit?"

    tries = iter(range(1000))

    def asked(server: Server, name: str, words: str) -> None:
        page = f"page-{next(tries)}"
        assert call(server.url, "do_send", [""], {"text": words}, page, jars[name]).status == 200

    def replies(name: str) -> dict[str, str]:
        rows = [history[name].turns(row.id)[0] for row in history[name].conversations()]
        return {row.question: row.reply.text if row.reply else row.state for row in rows}

    def found_by(server: Server) -> bool:
        words = f"{question} ({next(tries)})"
        asked(server, "root", words)
        until(lambda: replies("root").get(words, "pending") != "pending")
        return "1656" in replies("root")[words]

    for server in servers:  # what one has read is found by the others
        until(lambda server=server: found_by(server))  # type: ignore[misc]
    sent: dict[str, list[str]] = {"ada": [], "bob": []}
    for number in range(4):
        for name, server in (("ada", servers[0]), ("bob", servers[1])):
            sent[name].append(f"{question} ({number})")
            asked(server, name, sent[name][-1])
    servers[0].process.send_signal(signal.SIGKILL)
    for name in ("ada", "bob"):
        until(lambda name=name: "pending" not in replies(name).values())  # type: ignore[misc]
        assert sorted(replies(name)) == sent[name]
    assert [reply for reply in replies("bob").values() if "1656" not in reply] == []
    assert [reply for reply in replies("ada").values() if "1656" not in reply and reply != "interrupted"] == []
    asked(servers[1], "ada", question)
    until(lambda: "1656" in replies("ada").get(question, ""))
    for server in servers[1:]:
        assert request(server.url, "GET", "/healthz").status == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
