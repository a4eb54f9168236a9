"""How many turns a second the whole API route serves, beside a bare durable route, and whether any is lost.

    python benchmarks/load.py [--clients 1 8 32 64 128] [--seconds 20] [--soak 600] [--out FILE]

Servers (`load_servers.py`), each a process of its own, one after the other, on loopback, asked by clients that each
send the next message when the answer is there (and, for `overload`, by arrivals at a fixed rate that wait for nobody).
Every message and every answer has a number of its own, so that nothing is gained by remembering texts:

- `trivial` answers at once: the ceiling of the client. A rate of more than half of it is refused as a result.
- `bare` is one FastAPI route that waits as long as the stub model and commits twice to SQLite (WAL, synchronous FULL).
- `api` is Candor's server: the gate, the request checked, the queue, a stored conversation and turn, a reply with the
  whole working of a real one (evidence, candidates, claims, citations) sealed and committed, the answer with its trace.
- `policy` is `api` with the real guard on every message and on every reply that is served.
- `whole` is `policy` with accounts: an API key in the header, its scopes, both limits counted, conversations of their
  own. Overload and soak are of this one, or of the last one of those that are asked for.

The model is a stub that takes `--model-ms`. The first seconds of every step are not counted. At the end the answers
that were acknowledged are looked up in the database. Prints JSON.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from load_servers import KINDS, QUESTION

ROOT = Path(__file__).parents[1]
SERVERS = Path(__file__).with_name("load_servers.py")
NUMBERS = count(100_000)
WARM = 3.0  # seconds at the start of a step that are not counted
MOST_CLIENTS, MOST_SECONDS = 256, 3600
CEILING = 0.5  # the share of the client's own ceiling that a result may take
TURN = re.compile(rb'"conversation":"([0-9a-f-]{36})"')


@dataclass
class Seen:
    """What the clients of one step saw: seconds of each answer that counts, statuses, and acknowledged turns.

    `asked` is how many answers there were in all.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    turns: list[str] = field(default_factory=list)
    took: float = 0.0
    asked: int = 0

    def told(self) -> dict[str, Any]:
        """Return the figures of the step."""
        spent = sorted(self.seconds) or [0.0]
        marks = {name: round(1000 * float(np.quantile(spent, q)), 1) for name, q in (("p50", 0.5), ("p95", 0.95))}
        marks["p99"] = round(1000 * float(np.quantile(spent, 0.99)), 1)
        rate = round(len(self.seconds) / self.took, 1) if self.took else 0.0
        return {"per_second": rate, **{f"{name}_ms": mark for name, mark in marks.items()}, "statuses": self.statuses}


@dataclass(frozen=True)
class Server:
    """A server that runs: where it listens, its process, and the keys that it wants, none where it asks for none."""

    port: int
    process: int
    keys: tuple[str, ...]

    def lines(self) -> Iterator["Line"]:
        """Yield connections, the keys in turn."""
        for key in cycle(self.keys or ("",)):
            yield Line(self.port, key)


class Line:
    """One connection that is kept open."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        wanted = f"authorization: Bearer {key}\r\n" if key else ""
        self._head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n{wanted}content-type: application/json\r\n"
        )
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self) -> tuple[str, bytes]:
        """Send the message and return the status and the body of the answer, or "lost" where there was none."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            words = f"{QUESTION} {next(NUMBERS)}"
            body = json.dumps({"model": "candor", "messages": [{"role": "user", "content": words}]}).encode()
            writer.write(f"{self._head}content-length: {len(body)}\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            found = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
            told = await reader.readexactly(int(found[1]) if found else 0)
            if b"connection: close" in answer.lower():
                self.close()
            return answer.split(maxsplit=2)[1].decode(), told
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return "lost", b""

    def close(self) -> None:
        """Close the connection; the next message opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def closed_loop(server: Server, clients: int, seconds: float, warm: float = WARM) -> Seen:
    """Ask with so many clients for so long, each as soon as its last answer is there."""
    seen, begun = Seen(), time.perf_counter()

    async def client(line: Line) -> None:
        while (now := time.perf_counter()) < begun + warm + seconds:
            status, body = await line.ask()
            ended = time.perf_counter()
            seen.asked += 1
            if status == "200":
                seen.turns += [found.decode() for found in TURN.findall(body)[:1]]
            if begun + warm <= ended <= begun + warm + seconds:
                seen.statuses[status] += 1
                if status == "200":
                    seen.seconds.append(ended - now)
        line.close()

    await asyncio.gather(*map(client, islice(server.lines(), clients)))
    seen.took = seconds
    return seen


async def open_loop(server: Server, rate: float, seconds: float) -> tuple[Seen, Seen]:
    """Ask at a fixed rate, whatever becomes of what was asked before; return what was answered and what refused."""
    answered, refused, lines = Seen(took=seconds), Seen(took=seconds), server.lines()
    spare: list[Line] = []
    tasks = []

    async def one() -> None:
        line, now = spare.pop() if spare else next(lines), time.perf_counter()
        status, body = await line.ask()
        seen = answered if status == "200" else refused
        seen.seconds.append(time.perf_counter() - now)
        seen.statuses[status] += 1
        answered.turns += [found.decode() for found in TURN.findall(body)[:1]] if status == "200" else []
        spare.append(line)

    begun = time.perf_counter()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(one()))
    await asyncio.gather(*tasks)
    return answered, refused


@contextlib.contextmanager
def served(kind: str, folder: Path, seconds: float) -> Iterator[Server]:
    """A server of this kind in a process of its own."""
    command = [sys.executable, str(SERVERS), kind, str(folder), "--model-ms", str(1000 * seconds)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        port, *keys = process.stdout.readline().split()
        yield Server(int(port), process.pid, tuple(keys))
    finally:
        process.terminate()
        process.wait(60)


def state_of(process: int) -> dict[str, float]:
    """Return memory in MiB, open files, threads and seconds of processor of a process."""
    status = Path(f"/proc/{process}/status").read_text()
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return {
        "mib": round(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024, 1),  # type: ignore[index]
        "files": len(os.listdir(f"/proc/{process}/fd")),
        "threads": int(re.search(r"Threads:\s+(\d+)", status)[1]),  # type: ignore[index]
        "processor": (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
    }


def lost(folder: Path, turns: list[str]) -> int:
    """Return how many acknowledged turns the database does not hold as done."""
    with contextlib.closing(sqlite3.connect(folder / "data" / "candor.db")) as database:
        done = {row[0] for row in database.execute("SELECT conversation_id FROM turn WHERE state = 'done'")}
    return sum(turn not in done for turn in turns)


def steps(kind: str, given: argparse.Namespace, ceiling: float) -> dict[str, Any]:
    """Measure one server at every number of clients."""
    seconds = given.model_ms / 1000
    with tempfile.TemporaryDirectory() as name:
        folder, turns, found = Path(name), [], {}
        with served(kind, folder, seconds) as server:
            for clients in given.clients:
                before = state_of(server.process)
                seen = asyncio.run(closed_loop(server, clients, given.seconds))
                after = state_of(server.process)
                told = seen.told()
                spent = after["processor"] - before["processor"]
                told["processor_ms_per_turn"] = round(1000 * spent / max(1, seen.asked), 2)
                if told["per_second"] > CEILING * ceiling:
                    told["refused"] = f"more than {CEILING:.0%} of the client's own ceiling: no result"
                found[str(clients)] = told
                turns += seen.turns
            if kind == given.tried and given.overload:
                most = max(found[str(clients)]["per_second"] for clients in given.clients)
                found["overload"] = overload(server, 4 * most, turns)
            if kind == given.tried and given.soak:
                found["soak"] = soak(server, given, turns)
        if kind != "bare":
            found |= {"acknowledged": len(turns), "lost": lost(folder, turns)}
    return found


def overload(server: Server, rate: float, turns: list[str]) -> dict[str, Any]:
    """Ask four times as much as can be served, for ten seconds; then see whether it serves as before."""
    answered, refused = asyncio.run(open_loop(server, rate, 10.0))
    after = asyncio.run(closed_loop(server, 8, 3.0, warm=0.0))
    turns += answered.turns + after.turns
    slowest = round(1000 * max(refused.seconds, default=0.0), 1)
    return {
        "asked_per_second": round(rate, 1),
        "answered": answered.told(),
        "refused": {**refused.told(), "slowest_ms": slowest},
        "after": after.told(),
    }


def soak(server: Server, given: argparse.Namespace, turns: list[str]) -> dict[str, Any]:
    """Ask for a long time with as many clients as the largest step but one; return how memory and files went."""
    clients, points, began = sorted(given.clients)[-2 if len(given.clients) > 1 else -1], [], time.monotonic()
    rates = []
    while (passed := time.monotonic() - began) < given.soak:
        seen = asyncio.run(closed_loop(server, clients, min(10.0, given.soak - passed + 1), warm=0.0))
        turns += seen.turns
        rates.append(seen.told()["per_second"])
        points.append((time.monotonic() - began, state_of(server.process)))
    half = [(at / 60, state["mib"]) for at, state in points if at >= given.soak / 2] or [(0.0, 0.0)]
    slope = float(np.polyfit(*zip(*half, strict=True), 1)[0]) if len(half) > 2 else 0.0
    return {
        "seconds": round(time.monotonic() - began),
        "clients": clients,
        "per_second": round(statistics.mean(rates), 1),
        "mib_first": points[0][1]["mib"],
        "mib_last": points[-1][1]["mib"],
        "mib_per_minute_second_half": round(slope, 2),
        "files": [points[0][1]["files"], points[-1][1]["files"]],
        "threads": [points[0][1]["threads"], points[-1][1]["threads"]],
    }


def main() -> None:
    """Measure and print."""
    given = _options()
    with tempfile.TemporaryDirectory() as name, served("trivial", Path(name), 0.0) as server:
        ceiling = max(asyncio.run(closed_loop(server, c, 3.0, warm=1.0)).told()["per_second"] for c in (8, 64))
    found: dict[str, Any] = {
        "command": " ".join(["python", "benchmarks/load.py", *sys.argv[1:]]),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "model_ms": given.model_ms,
        "client_ceiling_per_second": ceiling,
        **{kind: steps(kind, given, ceiling) for kind in given.kinds},
    }
    if "bare" in given.kinds:
        found["share_of_bare"] = {
            kind: {
                str(clients): round(
                    found[kind][str(clients)]["per_second"] / found["bare"][str(clients)]["per_second"], 2
                )
                for clients in given.clients
            }
            for kind in given.kinds
            if kind != "bare"
        }
    text = json.dumps(found, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32, 64, 128])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each step, after the first three")
    parser.add_argument("--model-ms", type=float, default=200.0)
    parser.add_argument("--kinds", nargs="+", default=KINDS[1:], choices=KINDS[1:])
    parser.add_argument("--overload", action="store_true", help="also ask four times as much as can be served")
    parser.add_argument("--soak", type=float, default=0.0, help="seconds of a soak")
    parser.add_argument("--out", type=Path, help="write the result here as JSON")
    given = parser.parse_args()
    given.tried = max(given.kinds, key=KINDS.index)
    if max(given.clients) > MOST_CLIENTS or max(given.seconds, given.soak) > MOST_SECONDS:
        parser.error(f"at most {MOST_CLIENTS} clients and {MOST_SECONDS} seconds")
    return given


if __name__ == "__main__":
    main()
