"""The servers that `load.py` asks, each run as a process of its own: `python benchmarks/load_servers.py KIND FOLDER`.

The first line of stdout is the port, and after it the API keys, where one is needed.
"""

import argparse
import asyncio
import contextlib
import re
import socket
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    from app import Bot
    from dialogue.types import Drafted, Reply, Role, Step, Turn

SOURCES = Path(__file__).parents[1] / "examples" / "demo" / "sources"
QUESTION = "Why is octopus blood blue?"
KINDS = ("trivial", "bare", "api", "policy", "whole")
ACCOUNTS = 32  # that ask `whole`, each with a key of its own
TOGETHER = 128  # replies at a time, and as many that wait


async def trivial() -> None:
    """Answer every request with the same bytes."""
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found = re.search(rb"content-length: (\d+)", head)
                await reader.readexactly(int(found[1]) if found else 0)
                writer.write(answer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def bare(folder: Path, seconds: float) -> "FastAPI":
    """One route that stores a message, waits, and stores the answer: two durable commits and nothing else."""
    import threading

    from fastapi import FastAPI, Request

    connection = sqlite3.connect(folder / "bare.db", check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE turn (id INTEGER PRIMARY KEY, text TEXT, reply TEXT)")
    writer = threading.Lock()

    def commit(statement: str, *values: object) -> int:
        with writer:
            return connection.execute(statement, values).lastrowid or 0

    app = FastAPI()

    @app.post("/v1/chat/completions")
    async def complete(request: Request) -> dict[str, str]:
        body = await request.json()
        text = body["messages"][-1]["content"]
        turn = await asyncio.to_thread(commit, "INSERT INTO turn (text) VALUES (?)", text)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(commit, "UPDATE turn SET reply = ? WHERE id = ?", "Yes.", turn)
        return {"text": "Yes."}

    return app


def candor(folder: Path, seconds: float, kind: str) -> "tuple[FastAPI, list[str]]":
    """Candor's whole server around a bot whose turns take the time of a stub model, and the keys of its accounts.

    What a real turn said is said again, with the number of the question behind it: no two texts are the same.
    """
    import logging

    from app import open_bot
    from app.web.server import build_app
    from dialogue import Responder
    from dialogue.types import Step

    logging.disable(logging.WARNING)
    limits = {"accounts": "on", "turns_per_minute": 100_000, "turns_per_day": 1_000_000} if kind == "whole" else {}
    bot = open_bot(folder / "data", "quote", workers=TOGETHER, waiting=TOGETHER, index="faiss", **limits)
    bot.ingest([SOURCES / "octopus.md"])
    said = bot.ask(QUESTION)
    assert said.outcome == "answered"

    class Stub(Responder):
        """The turn without the model's and the judges' own work, and without the guard for `api`."""

        def steps(self, turns: "Sequence[Turn]", role: "Role | None" = None) -> "Iterator[Step | Drafted | Reply]":
            asked = turns[-1].text
            answer = f"{said.text} {asked.removeprefix(QUESTION).strip()}"
            yield Step("guard")
            if kind != "api":
                assert self.guard.check([asked], "request")[0].safe
            yield Step("sample")
            time.sleep(seconds)
            if kind != "api":
                assert self.guard.check([answer], "served")[0].safe
            yield replace(said, text=answer, conversation="")

    bot.responder = Stub(**{each.name: getattr(bot.responder, each.name) for each in fields(Responder)})
    return build_app(bot), _keys(bot) if kind == "whole" else []


def _keys(bot: "Bot") -> list[str]:
    from app.accounts.accounts import Accounts
    from app.accounts.keys import Keys

    database = bot.library.database
    names = [Accounts(database).add(f"asker-{number}").name for number in range(ACCOUNTS)]
    return [Keys(database).make(name)[0] for name in names]


def serve(kind: str, folder: Path, seconds: float) -> None:
    """Serve until the process is ended."""
    import uvicorn

    from app.web.server import server_config, warm

    app, keys = (bare(folder, seconds), []) if kind == "bare" else candor(folder, seconds, kind)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            await warm(app)  # as `candor serve` does

    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        print(listener.getsockname()[1], *keys, flush=True)
        Server(server_config(app)).run(sockets=[listener])


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model-ms", type=float, default=200.0)
    given = parser.parse_args()
    if given.kind == "trivial":
        asyncio.run(trivial())
    else:
        serve(given.kind, given.folder, given.model_ms / 1000)


if __name__ == "__main__":
    main()
