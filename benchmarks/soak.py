"""What memory a long run takes: many conversations over the demo documents, through the threads of the web server.

    python benchmarks/soak.py --turns 1000 --out benchmarks/results/soak.json

The questions are those of examples/demo and as many variations as are needed, so that no two are alike; those of a
dialogue are asked in one conversation, and `--at-once` conversations go on side by side. Resident memory is printed at
MARKS and the result is written as it goes, so that a run that is stopped leaves what it measured. The slope is that of
a straight line through the second half of the turns.
"""

import argparse
import json
import logging
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from encoder import processor

from app import open_bot
from app.web.jobs import Jobs

DEMO = Path(__file__).parents[1] / "examples" / "demo"
MARKS = (0, 1, 10, 100, 1_000)  # turns after which a figure is kept by name
OFTEN = 10  # turns between two points of the line
POLL = 0.02  # seconds
BEFORE = ("", "Please tell me: ", "I was wondering, ", "Quick question: ", "For a talk I am giving, ", "My son asks: ")
AFTER = ("", " Be brief.", " Thanks!", " And how do you know?", " I need it for school.", " Where does it say so?")


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder, open_bot(folder, model="quote") as bot:
        bot.ingest([DEMO / "sources"])
        run = Run(options)
        run.note(0)
        jobs = Jobs(bot)
        running: list[tuple[str, list[str]]] = []  # conversation, questions not asked yet
        dialogues = varied(options.seed)
        done = 0
        while done < options.turns:
            while len(running) < options.at_once:
                conversation, questions = bot.start(), next(dialogues)
                jobs.start(conversation, questions.pop(0))
                running.append((conversation, questions))
            time.sleep(POLL)
            for place, (conversation, questions) in reversed(list(enumerate(running))):
                if jobs.live(conversation) is not None:
                    continue
                refused = jobs.refused(conversation)
                if refused is not None:
                    sys.exit(f"a turn failed: {refused.error}")
                done += 1
                run.note(done)
                if questions:
                    jobs.start(conversation, questions.pop(0), before=1)
                else:
                    del running[place]
        jobs.close()


class Run:
    """What was measured so far: resident memory by turn, kept in a file."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._began = time.monotonic()
        self._points: list[tuple[int, float]] = []
        self._marks: dict[str, float] = {}

    def note(self, turn: int) -> None:
        """Take a point after so many turns."""
        if turn % OFTEN and turn not in MARKS:
            return
        here = resident()
        self._points.append((turn, here))
        if turn in MARKS:
            self._marks[str(turn)] = here
        slope = slope_of(self._points)
        print(f"turn {turn:5}  {here:8.1f} MiB  {slope:+.2f} MiB a 100 turns", flush=True)
        result: dict[str, Any] = {
            "command": " ".join(["python", *sys.argv]),
            "processor": processor(),
            "arithmetic": arithmetic(),
            "threads": torch.get_num_threads(),
            "turns": turn,
            "seconds": round(time.monotonic() - self._began),
            "resident_mib_after_turn": self._marks,
            "resident_mib_last": here,
            "mib_per_100_turns_second_half": slope,
            "resident_mib": dict(self._points),
        }
        if self._options.out:
            self._options.out.write_text(json.dumps(result, indent=1) + "\n")


def varied(seed: int) -> Iterator[list[str]]:
    """Yield the questions of dialogues without end: the demo's own first, then others made of them."""
    chance = random.Random(seed)
    lines = (DEMO / "questions.jsonl").read_text().splitlines()
    dialogues = [json.loads(line)["context"][::2] for line in lines]
    chance.shuffle(dialogues)
    yield from map(list, dialogues)
    topics = [path.stem.replace("-", " ") for path in sorted((DEMO / "sources").glob("*.md"))]
    while True:
        yield [_variation(text, topics, chance) for text in chance.choice(dialogues)]


def _variation(question: str, topics: Sequence[str], chance: random.Random) -> str:
    """Return another question of another length: about another topic, or with other words before and after."""
    text = question
    if chance.random() < 0.5:
        named = [name for name in re.findall(r"(?<=\s)[A-Z][\w-]+", text) if len(name) > 2]
        if named:
            text = text.replace(chance.choice(named), chance.choice(topics))
    if chance.random() < 0.2:
        text = f"{text.rstrip('?.! ')} and what about {chance.choice(topics)}?"
    return f"{chance.choice(BEFORE)}{text}{chance.choice(AFTER)}"


def slope_of(points: Sequence[tuple[int, float]]) -> float:
    """Return MiB per 100 turns over the second half of the turns, 0 while there are too few."""
    half = [point for point in points if point[0] >= points[-1][0] / 2]
    if len(half) < 3:
        return 0.0
    turns, sizes = zip(*half, strict=True)
    return round(100 * float(np.polyfit(turns, sizes, 1)[0]), 2)


def resident() -> float:
    """Return the resident memory of this process in MiB, of which the files it maps are a part."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return round(int(found[1]) / 1024, 1)


def arithmetic() -> str:
    """Return what the encoder computes in."""
    from retrieval.encoder.layers import fast_bfloat16

    return "bfloat16" if fast_bfloat16("cpu") else "float32"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=1_000)
    parser.add_argument("--at-once", type=int, default=2, help="conversations side by side")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the result here as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    main()
