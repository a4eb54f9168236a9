"""How follow-ups are read: beside the question as it is, the rules, and what people wrote.

    python benchmarks/rewriting.py DATA --out benchmarks/results/rewriting.json

DATA is the folder of development data. QReCC and GECOR are measured on the tenth of their conversations that is kept
apart, TREC CAsT 2019 and 2020 whole, where nothing is known but what the user asked; invented follow-ups and WikiQA's
questions after strange turns were not trained on either. DisflQA's questions hold a slip of the tongue and have no
history. Exact match and BLEU-4 are of the words, case and marks aside. Prints one JSON object.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from encoder import processor

from app.training.rewriting import measured
from app.training.rewriting_data import GECOR, QRECC, FollowUp, held, invented, people, strange
from dialogue.proposals import Said
from dialogue.query import LOOK_BACK, Rewriter, fluent, standalone
from dialogue.rewriter import load_rewriter
from dialogue.types import Turn
from retrieval.encoder.embed import load_encoder

Rewrite = Callable[[str, Sequence[Said]], str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="the folder of development data")
    parser.add_argument("--limit", type=int, default=300, help="rows of each set, at most")
    parser.add_argument("--out", type=Path, help="write the figures to this file, too")
    given = parser.parse_args()
    if not (given.data / "rewriting" / f"{QRECC}.jsonl.gz").is_file():
        parser.error(f"{str(given.data)!r} is not the development data: it holds no rewriting/{QRECC}.jsonl.gz")
    rewriter = load_rewriter(load_encoder())
    ways: dict[str, Rewrite] = {
        "question": lambda question, said: question,
        "rules": by_rules,
        "rewriter": lambda question, said: by_rules(question, said, rewriter),
    }
    figures: dict[str, Any] = {
        "command": "python benchmarks/rewriting.py DATA",
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "rewriter": rewriter.head.fingerprint,
    }
    for name, rows in sets(given.data).items():
        figures[name] = {way: timed(rows[: given.limit], rewrite) for way, rewrite in ways.items()}
    slips = people(given.data, "disflqa_train")[: given.limit]
    figures["disflqa"] = {
        "question": timed(slips, lambda question, said: question),
        "fluent": timed(slips, lambda question, said: fluent(question)),
    }
    text = json.dumps(figures, indent=1)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


def sets(data: Path) -> dict[str, list[FollowUp]]:
    """Return what is measured on, by name."""
    known = people(data, QRECC)
    return {
        "qrecc": [row for row in known if held(row)],
        "gecor": [row for row in people(data, GECOR) if held(row)],
        "cast_2019": people(data, "cast2019_eval"),
        "cast_2020": people(data, "cast2020_eval"),
        "invented": list(invented(300, seed=1_000_003)),
        "wikiqa": list(strange(data, [row for row in known if held(row)], seed=1)),
    }


def by_rules(question: str, said: Sequence[Said], rewriter: Rewriter | None = None) -> str:
    """Return what the rules make of a question, which are all there is without a rewriter."""
    turns = [Turn("user" if turn.user else "assistant", turn.text) for turn in said[-LOOK_BACK:]]
    return standalone(question, turns, rewriter)


def timed(rows: Sequence[FollowUp], rewrite: Rewrite) -> dict[str, float]:
    """Return how a way of reading measures, and the processor's time for a row."""
    begun = time.process_time()
    found = measured(rows, rewrite)
    found["ms"] = 1000 * (time.process_time() - begun) / max(1, len(rows))
    return {name: round(value, 3) for name, value in found.items()}


if __name__ == "__main__":
    main()
