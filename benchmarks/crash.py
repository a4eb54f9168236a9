"""What kill -9 costs: children are killed in the middle of turns, ingestions and publications; the rest is counted.

    python benchmarks/crash.py --rounds 20 --publications 50 > benchmarks/results/crash.json

A turn is acknowledged when the child has written its id after `ask` returned. The moments of the kills are spread
over the time that a turn, an ingestion or the writing of an index takes when it is let alone; a publication is killed
between the moment its folder appears and the line that its child writes at the end, and only such kills are counted.
Every child is a real process with the real pipeline; power loss is not simulated, it rests on SQLite's synchronous
FULL and fsync.
"""

import argparse
import importlib
import json
import logging
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TextIO
from zlib import crc32

import numpy as np

from app.bot import open_bot
from app.library.catalogue import StoredSource, stored_sources
from app.library.embedded import Embedded, packed
from app.library.library import INDEX, Library, index_state
from app.store.database import open_database
from retrieval.index.generation import open_current
from retrieval.passages import cut
from retrieval.types import Document, Passage, Section, Vectors

HEAVY = (
    "alembic.command",
    "dialogue.judges.embedded",
    "dialogue.respond",
    "faiss",
    "retrieval.encoder.embed",
    "retrieval.search",
    "safety.guards.embedded",
    "tantivy",
    "transformers.models.bert.modeling_bert",
    "transformers.models.bert.tokenization_bert",
)
LIGHT = ("alembic.command", "faiss", "tantivy")
QUESTION = "What is note {} about?"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="kills in turns, and as many in ingestions")
    parser.add_argument("--publications", type=int, default=50, help="kills while an index is published")
    parser.add_argument("--passages", type=int, default=2_000, help="of the index that is published")
    parser.add_argument("--documents", type=int, default=45)
    parser.add_argument("--items", type=int, default=24, help="paragraphs of a document")
    parser.add_argument("--model", default="quote")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    for name in HEAVY if options.rounds else LIGHT:
        importlib.import_module(name)  # once, not in every child
    result: dict[str, Any] = {"rounds": options.rounds}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.rounds:
            notes = _notes(folder / "notes", options.documents, options.items)
            result["turns"] = _turns(folder / "turns", notes, options.model, options.rounds, dice)
            result["ingest"] = _ingests(folder, notes, options.model, options.rounds, dice)
        if options.publications:
            result["publish"] = _publications(folder / "publish", options.passages, options.publications, dice)
    print(json.dumps(result, indent=2))


def _turns(data: Path, notes: Path, model: str, rounds: int, dice: random.Random) -> dict[str, Any]:
    """Kill children that answer; every acknowledged reply has to be there afterwards."""
    acknowledged: list[str] = []

    def answer(out: TextIO) -> None:
        with open_bot(data, model) as bot:
            bot.ingest(sorted(notes.iterdir())[:5])
            for number in range(10_000):
                print(bot.ask(QUESTION.format(number % 5)).conversation, file=out, flush=True)

    def time_turns(out: TextIO) -> None:
        with open_bot(data, model) as bot:
            bot.ingest(sorted(notes.iterdir())[:5])
            bot.ask(QUESTION.format(0))  # the first one loads what is loaded late
            begun = time.perf_counter()
            for number in range(3):
                bot.ask(QUESTION.format(number))
            print((time.perf_counter() - begun) / 3, file=out)

    def look(out: TextIO) -> None:
        with open_bot(data, model) as bot:
            states = [turn.state for c in bot.history.conversations(100_000) for turn in bot.history.turns(c.id)]
            lost = [name for name in acknowledged if bot.history.turns(name)[0].reply is None]
            print(json.dumps([len(lost), states.count("interrupted"), states.count("pending")]), file=out)

    turn = float(finished(time_turns))
    lost = interrupted = pending = 0
    for _ in range(rounds):
        acknowledged += killed(answer, dice.randint(1, 4), dice.uniform(0, turn))
        lost, interrupted, pending = json.loads(finished(look))
    return {
        "killed_inside_a_turn": interrupted,
        "killed_between_turns": rounds - interrupted,
        "acknowledged": len(acknowledged),
        "acknowledged_lost": lost,
        "left_pending": pending,
        **_state(data),
    }


def _ingests(folder: Path, notes: Path, model: str, rounds: int, dice: random.Random) -> dict[str, Any]:
    """Kill children that ingest; stored documents have to be whole, and a second run has to finish."""
    counts = {"documents_stored_at_kill": 0, "half_documents": 0, "embedded_twice": 0, "missing_after": 0}
    moments = {
        name: 0 for name in ("before_the_first_document", "between_documents", "while_indexing", "after_the_end")
    }
    states: list[dict[str, int]] = []
    documents = len(list(notes.iterdir()))

    def reading(data: Path) -> Callable[[TextIO], None]:
        def read(out: TextIO) -> None:
            with open_bot(data, model) as bot:
                bot.ingest([notes], lambda step: print(time.perf_counter(), step.stage, file=out, flush=True))
                print(time.perf_counter(), "done", file=out, flush=True)

        return read

    whole = [float(line.split()[0]) for line in finished(reading(folder / "whole")).splitlines()]
    for number in range(rounds):
        data = folder / f"ingest{number}"

        def look(out: TextIO, data: Path = data) -> None:
            with open_bot(data, model) as bot:
                before = stored_sources(bot.library.database)
                halves = sum(len(cut(bot.library.document(row.id))) != row.passages for row in before)
                report = bot.ingest([notes])
                again = len(before) - report.count("unchanged")
                missing = documents - len(bot.library.sources())
                print(json.dumps([len(before), halves, again, missing]), file=out)

        # one kill in each of `rounds` equal parts of the time that the whole takes
        written = killed(reading(data), 1, (whole[-1] - whole[0]) * (number + dice.random()) / rounds)
        found = json.loads(finished(look))
        before, between, indexing, after = moments
        stored = before if not found[0] else between if found[0] < documents else indexing
        moments[after if written[-1].endswith("done") else stored] += 1
        for name, value in zip(counts, found, strict=True):
            counts[name] += value
        states.append(_state(data))
    return (
        {f"killed_{name}": count for name, count in moments.items()}
        | counts
        | {name: sum(state[name] for state in states) for name in states[0]}
    )


class Words:
    """An embedder without weights: the sum of a fixed random direction for each word."""

    dimension = 384
    fingerprint = "words"

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = [sum(map(_direction, text.lower().split()), np.full(384, 1e-3, np.float32)) for text in texts]
        return np.stack([row / np.linalg.norm(row) for row in rows])

    encode_queries = encode


@cache
def _direction(word: str) -> Vectors:
    return np.random.default_rng(crc32(word.strip(".,?!:").encode())).normal(size=384).astype(np.float32)


def store_note(library: Library, name: str, texts: Sequence[str]) -> None:
    """Store a document of one passage per text; the index is published apart."""
    whole, passages = "\n\n".join(texts), []
    for text in texts:
        start = whole.index(text)
        passages.append(Passage(0, text, name, name, (), start, start + len(text)))
    about = StoredSource(0, f"/{name}", name, name, "text", len(whole), len(texts), "0", datetime.now(UTC))
    document = Document(name, name, whole, (Section((), 0, len(whole)),))
    library.store([Embedded(about, document, passages, packed(library.embedder, passages))])


def _publications(data: Path, passages: int, kills: int, dice: random.Random) -> dict[str, Any]:
    """Kill children that publish, each time with one document more, while they write the index."""
    data.mkdir()

    def publish(out: TextIO) -> None:
        database = open_database(data)
        library = Library(database, data, Words())
        library.open()
        stored = [source.id for source in library.sources()]
        if not stored:
            for number in range(passages // 20):
                store_note(library, f"note{number}", [f"Item {item} of note {number}." for item in range(20)])
        store_note(library, f"new{dice.random()}", [f"Item {item} of {dice.random()}." for item in range(5)])
        library.publish()
        print("ended", file=out, flush=True)

    def look(out: TextIO) -> None:
        told: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger().addHandler(handler)
        begun = [path for path in (data / INDEX).iterdir() if path.is_dir()]
        halves = sum(not (path / "manifest.json").exists() for path in begun)
        found = open_current(data / INDEX, "words")
        database = open_database(data)
        library = Library(database, data, Words())
        behind = found is None or index_state(database).published != index_state(database).naming(found.id)
        generation = library.open()
        kept, vectors = library.stored()
        right = generation is not None and generation.ids.tolist() == [passage.id for passage in kept]
        if generation is not None and right:
            hits = generation.dense(vectors[::50], 1)[0][:, 0].tolist()
            right = hits == [passage.id for passage in kept[::50]]
        left = [path.name for path in (data / INDEX).iterdir() if path.name not in ("CURRENT", "LOCK")]
        damaged = sum("damaged" in line for line in told) + sum(name.endswith(".damaged") for name in left)
        print(json.dumps([halves, behind, not right, damaged, max(0, len(left) - 2)]), file=out)

    finished(publish)
    usual = max(_while_writing(publish, data / INDEX, None)[1] for _ in range(2))
    names = ("half_written_found", "served_the_old_one_first", "wrong_after", "damaged", "orphans_left")
    counts = dict.fromkeys(names, 0)
    inside = missed = 0
    while inside < kills:
        if _while_writing(publish, data / INDEX, 1.2 * usual * dice.random())[0]:
            missed += 1
            continue
        inside += 1
        for name, value in zip(counts, json.loads(finished(look)), strict=True):
            counts[name] += value
    return {"killed_while_publishing": inside, "killed_outside": missed, "seconds_of_one": round(usual, 3), **counts}


def _state(data: Path) -> dict[str, int]:
    """Look into the file itself, past our own code."""
    raw = sqlite3.connect(data / "candor.db")
    orphans = "SELECT count(*) FROM {0} JOIN turn ON turn.id = {0}.turn_id WHERE turn.state != 'done'"
    found = {
        "integrity_failures": int(raw.execute("PRAGMA integrity_check").fetchone()[0] != "ok"),
        "orphan_rows": len(raw.execute("PRAGMA foreign_key_check").fetchall()),
        "half_written_turns": sum(
            raw.execute(orphans.format(table)).fetchone()[0] for table in ("candidate", "evidence", "citation")
        )
        + raw.execute("SELECT count(*) FROM turn WHERE (state = 'done') != (outcome IS NOT NULL)").fetchone()[0],
    }
    raw.close()
    return found


def killed(work: Callable[[TextIO], None], lines: int, delay: float) -> list[str]:
    """Run `work` in a child, kill it some seconds after so many lines, and return its whole lines."""
    pid, pipe = child(work)
    with pipe:
        read: list[str] = []
        for line in pipe:
            read.append(line)
            if len(read) == lines:
                time.sleep(delay)
                os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return [line.strip() for line in read if line.endswith("\n")]


def _while_writing(work: Callable[[TextIO], None], folder: Path, delay: float | None) -> tuple[bool, float]:
    """Run `work` in a child and kill it some seconds after it has begun to write a generation into `folder`.

    Return whether it had ended by then, and the seconds from there to its end; without a delay it is let alone.
    """
    known = {path.name for path in folder.iterdir()}
    pid, pipe = child(work)
    with pipe:
        started = time.perf_counter()
        while {path.name for path in folder.iterdir() if path.is_dir()} <= known:
            if time.perf_counter() - started > 300:
                sys.exit("a child has not begun to write an index within 300 s")
            time.sleep(0.0005)
        begun = time.perf_counter()
        if delay is not None:
            time.sleep(delay)
            os.kill(pid, signal.SIGKILL)
        ended = bool(pipe.read())
        seconds = time.perf_counter() - begun
    os.waitpid(pid, 0)
    return ended, seconds


def finished(work: Callable[[TextIO], None]) -> str:
    """Run `work` in a child to its end and return what it wrote."""
    pid, pipe = child(work)
    with pipe:
        written = pipe.read()
    if os.waitpid(pid, 0)[1]:
        sys.exit("a child that was not killed has failed")
    return written


def child(work: Callable[[TextIO], None]) -> tuple[int, TextIO]:
    """Fork before any thread is started: the libraries are imported once, the child does all the work."""
    here, there = os.pipe()
    pid = os.fork()
    if pid:
        os.close(there)
        return pid, os.fdopen(here)
    status = 1
    try:
        os.close(here)
        with os.fdopen(there, "w") as out:
            work(out)
        status = 0
    finally:
        os._exit(status)


def _notes(folder: Path, documents: int, items: int) -> Path:
    folder.mkdir()
    for number in range(documents):
        lines = [
            f"Note {number} is about topic {number}, item {item}. It has been checked twice." for item in range(items)
        ]
        (folder / f"note{number:03}.md").write_text(f"# Note {number}\n\n" + "\n\n".join(lines))
    return folder


if __name__ == "__main__":
    main()
