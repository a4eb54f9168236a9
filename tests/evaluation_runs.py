"""Runs of evaluations made up for tests: records as a run keeps them, by a seed, in a folder."""

import json
import random
from pathlib import Path
from typing import Any

from app.evaluation.journal import Journal

QUESTIONS = ("How heavy is a blue whale?", "When does the front desk open?", "Who approves overtime?", "What is bread?")


def dialogue_records(n: int, seed: int, right: float = 0.8, rows: int = 0) -> list[dict[str, Any]]:
    """Judged replies of a system that is right on about so many rows.

    `rows` seeds how hard each row is, so that two systems over the same rows agree on most of them.
    """
    hard, chance = random.Random(f"rows {rows}"), random.Random(f"system {seed}")
    found = []
    for line in range(1, n + 1):
        ease = hard.random()
        p = min(1.0, max(0.0, right + 0.5 * (ease - 0.5)))
        good = chance.random() < p
        absent = line % 5 == 0
        outcome = (
            ("abstained" if good else "answered") if absent else ("answered" if good or ease < 0.6 else "abstained")
        )
        served = outcome == "answered"
        verdict = "right" if good else "wrong" if served else "abstained"
        support = round(min(0.99, max(0.01, (0.85 if good else 0.4) + chance.gauss(0, 0.15))), 6)
        words = 5 + int(40 * chance.random())
        found.append(
            {
                "line": line,
                "id": f"row-{line}",
                "question": QUESTIONS[line % 4],
                "turns": 1,
                "reply": f"It is {line} tonnes. [1]" if served else "My documents do not cover that.",
                "outcome": outcome,
                "citations": [{"source": "whale.md", "quote": "It is heavy."}] if served else [],
                "sensible": round(0.6 + 0.4 * chance.random(), 6),
                "specific": round(chance.random(), 6),
                "interesting": round(chance.random(), 6),
                "answers_it": support if served else None,
                "grounded": support if served else None,
                "safe": chance.random() > 0.02,
                "violates": {"hate": False, "harm": chance.random() < 0.02},
                "in_role": None,
                "claims": 1 if served else 0,
                "supported": int(support >= 0.5) if served else 0,
                "cited": int(served),
                "sentences": [_sentence(line, support)] if served else [],
                "answers": [] if absent else [f"{line} tonnes"],
                "expect": "abstain" if absent else "answer",
                "hit": None if absent else good,
                "verdict": verdict,
                "partial": False,
                "padded": chance.random() < 0.05,
                "missing": [],
                "forbidden": [],
                "source_hit": None,
                "citation_recall": float(support >= 0.5) if served else None,
                "citation_precision": float(support >= 0.5) if served else None,
                "bad_citations": 0,
                "kind": ("fact", "table", "follow-up", "pronoun")[line % 4],
                "category": ("staff", "ferry")[line % 2],
                "source": f"file-{line % 7}.md",
                "words": words,
                "seconds": round(0.5 + chance.random(), 4),
                "timings": {"search": 0.1, "judge": 0.2},
                "tokens": {},
                "undetermined": False,
            }
        )
    return found


def _sentence(line: int, support: float) -> dict[str, Any]:
    made: dict[str, Any] = {"text": f"It is {line} tonnes.", "support": support, "supported": support >= 0.5}
    if support >= 0.5:
        return made | {"source": "whale.md", "start": 0, "end": 12, "quote": "It is heavy."}
    return made | {"reason": "the nearest source sentence does not say this"}


def keep(folder: Path, records: list[dict[str, Any]], data: str = "questions.jsonl") -> Path:
    """Keep the records in a folder as a run does, and return it."""
    about = {"kind": "dialogue", "data": data, "data_sha256": "0" * 16}
    with Journal.open(folder, about) as journal:
        for record in records:
            journal.keep(record["line"], {key: value for key, value in record.items() if key != "line"})
    return folder


def result_of(records: list[dict[str, Any]]) -> dict[str, Any]:
    """The result of such a run."""
    from app.evaluation import measured_of
    from app.evaluation.columns import Columns
    from app.evaluation.dialogue_metrics import summarise
    from app.evaluation.report import Report

    columns, report, measured = Columns(), Report(), measured_of("dialogue")
    for record in records:
        columns.add(measured(record))
    summarise(report, columns)
    about = {"kind": "dialogue", "data": "questions.jsonl", "data_sha256": "0" * 16, "system": "candor", "seed": 0}
    counts = {"n": columns.n, "n_invalid": 1, "n_error": 0, "undetermined": 3, "duplicates": 0}
    lists = {"invalid": ["line 9: not JSON"], "errors": [], "format": "Candor rows"}
    rest = {"ci95": report.ci95, "n_of": report.n_of, "undefined": report.undefined}
    found: dict[str, Any] = json.loads(json.dumps(about | counts | lists | report.metrics | rest))
    return found
