"""What damage costs: files of a data folder are corrupted at random, and the folder is opened and searched.

    python benchmarks/corruption.py --rounds 200 > benchmarks/results/corruption.json

Every round spoils one file of a fresh copy: a bit flipped, many bits flipped, the end cut off, a block zeroed, two
files swapped, a file deleted. A third of the rounds goes to the database, the others take the files in turn. Then a
child opens the library and searches; its answers are compared with those of the undamaged folder, passages with their
places and cosines. An outcome counts as named when something was raised or logged as a warning. The folder has a
removed document, whose words still weigh in the BM25 of the index but no longer in that of one built anew, so both
their answers are right; the generation before the current one is opened in need only, so damage to it mostly shows in
nothing. What would be served silently is printed with what was done. Conversations, which have no checksums, are
compared too and counted apart.
"""

import argparse
import json
import logging
import os
import random
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from crash import Words, child, store_note

from app.bot import USER_ERRORS
from app.library.library import INDEX, Library
from app.store.database import NAME, open_database
from app.store.history import History
from retrieval.search import HybridRetriever

QUERIES = ("item 3 of note 17", "harbour lighthouse", "note 4 about granite", "violin comet saffron", "item 11")
THINGS = ("granite", "harbour", "violin", "comet", "saffron", "otter", "lighthouse")
BLOCK = 512
KINDS = ("flip", "rot", "cut", "zero", "swap", "delete")
ROT = 4000  # bytes to each flipped bit of a rotten file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        whole = Path(name) / "whole"
        run(lambda out: _fill(whole))
        expected = json.loads(run(lambda out: _look(whole, out)))
        if expected["told"]:
            sys.exit(f"the undamaged folder is not whole: {expected['told']}")
        shutil.copytree(whole, Path(name) / "rebuilt", ignore=shutil.ignore_patterns(INDEX))
        expected["rebuilt"] = json.loads(run(lambda out: _look(Path(name) / "rebuilt", out)))["answers"]
        files = sorted(str(file.relative_to(whole)) for file in whole.rglob("*") if file.is_file())
        outcomes: dict[str, Counter[str]] = {}
        conversations: Counter[str] = Counter()
        silent = []
        for number in range(options.rounds):
            copy = Path(name) / "copy"
            shutil.copytree(whole, copy)
            file = NAME if number % 3 == 2 else files[number % len(files)]
            kind = dice.choice(KINDS)
            done = _spoil(copy, file, kind, files, dice)
            outcome, talk, detail = _judged(copy, expected)
            part = "database" if file == NAME else "index" if file.startswith(INDEX) else "lock"
            outcomes.setdefault(f"{part}: {kind}", Counter())[outcome] += 1
            conversations[talk] += 1
            if outcome in ("silent", "crashed"):
                silent.append({"file": file, "done": done, "outcome": outcome, "detail": detail})
            shutil.rmtree(copy)
    total = sum(outcomes.values(), Counter())
    result = {
        "rounds": options.rounds,
        "files": len(files),
        "served_silently": total["silent"],
        "crashed": total["crashed"],
        "outcomes": dict(sorted(total.items())),
        "by_part_and_kind": {name: dict(sorted(counts.items())) for name, counts in sorted(outcomes.items())},
        "conversations": dict(sorted(conversations.items())),
        "silent": silent,
    }
    print(json.dumps(result, indent=1))


def run(work: Callable[[TextIO], None]) -> str:
    """Run `work` in a child and return what it wrote; what it wrote before it was killed is kept."""
    pid, pipe = child(work)
    with pipe:
        written = pipe.read()
    os.waitpid(pid, 0)
    return written


def _fill(folder: Path) -> None:
    """A folder with two generations, of which the current one has a removed document, and a conversation."""
    folder.mkdir()
    database = open_database(folder)
    library = Library(database, folder, Words())
    library.open()
    for half in range(2):
        for number in range(20 * half, 20 * half + 20):
            about = THINGS[number % len(THINGS)]
            lines = [f"Item {item} of note {number} is about {about} and {THINGS[item % 7]}." for item in range(15)]
            store_note(library, f"note{number}", lines)
        library.publish()
    library.remove("note9")
    history = History(database)
    conversation = history.start()
    for number in range(20):
        history.fail(history.begin(conversation, f"What is note {number} about?", ()), "failed", "not asked")
    database.close()


def _look(folder: Path, out: TextIO) -> None:
    """Open, search, read what the hits' documents say, and write what was found and what was told."""
    told: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().handlers = [handler]
    answers: list[Any] = []
    talk: list[Any] = []
    try:
        database = open_database(folder)
        library = Library(database, folder, Words())
        retriever = HybridRetriever(library.embedder, library.open(), library.passages)
        for query in QUERIES:
            for item in retriever.search([query], 8):
                passage = item.passage
                shown = [passage.text, passage.source, passage.title, passage.start, passage.end, passage.place]
                answers.append([query, *shown, round(item.similarity or 0, 3)])
        names = list(dict.fromkeys(answer[2] for answer in answers))
        answers += [[name, library.document(library.source(name).id).text] for name in names]
        history = History(database)
        talk = [[turn.question, turn.state] for c in history.conversations(99) for turn in history.turns(c.id)]
        database.close()
    except USER_ERRORS as error:
        told.append(str(error))
    except Exception as error:
        print(f"{error!r} at {traceback.format_exc().splitlines()[-3:-1]}", file=out, end="")
        return
    print(json.dumps({"answers": answers, "talk": talk, "told": told}), file=out)


def _judged(folder: Path, expected: dict[str, Any]) -> tuple[str, str, str]:
    written = run(lambda out: _look(folder, out))
    if not written.endswith("\n"):
        return "crashed", "not compared", written[-300:]
    found = json.loads(written)
    told = "named" if found["told"] else "silent"
    if found["answers"] == expected["answers"]:
        outcome = "same answers" + ", named" * bool(found["told"])
    elif found["told"]:
        rebuilt = found["answers"] == expected["rebuilt"]
        outcome = "answers of an index built anew, named" if rebuilt else "other answers or none, named"
    else:
        outcome = "silent"
    talk = "the same" if found["talk"] == expected["talk"] else f"changed, {told}"
    return outcome, talk, json.dumps(found["told"])[:300]


def _spoil(folder: Path, name: str, kind: str, files: list[str], dice: random.Random) -> str:
    """Damage one file and say how."""
    file = folder / name
    data = bytearray(file.read_bytes())
    place = dice.randrange(len(data)) if data else 0
    if kind == "delete":
        file.unlink()
        return "deleted"
    if kind == "swap":
        other = folder / dice.choice([other for other in files if other != name])
        file.write_bytes(other.read_bytes())
        other.write_bytes(data)
        return f"swapped with {other.relative_to(folder)}"
    if kind == "cut" or not data:
        file.write_bytes(data[:place] if data else b"\0")
        return f"cut to {place} of {len(data)} bytes"
    if kind == "zero":
        start = place // BLOCK * BLOCK
        data[start : start + BLOCK] = bytes(len(data[start : start + BLOCK]))
        file.write_bytes(data)
        return f"zeroed {BLOCK} bytes from {start}"
    if kind == "rot":
        count = max(2, len(data) // ROT)
        for _ in range(count):
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        file.write_bytes(data)
        return f"flipped {count} bits"
    bit = dice.randrange(8)
    data[place] ^= 1 << bit
    file.write_bytes(data)
    return f"flipped bit {bit} of byte {place} of {len(data)}"


if __name__ == "__main__":
    main()
