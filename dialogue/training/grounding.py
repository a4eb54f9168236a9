"""Training and measuring the groundedness head on the development data.

Only files whose weights may be shipped are trained on; Climate-FEVER and HealthVer are measured, never learned.
"""

import gzip
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dialogue.alignment import Array, Text
from dialogue.facts import words
from dialogue.grounding import Look, Plan, TokenEncoder, encode
from dialogue.training.alterations import alter
from retrieval.types import Passage

SHIPPED = {  # file: most rows taken from it
    "fool_me_twice.train": 1200,
    "rte.train": 1100,
    "fever_symmetric.train": 1200,
    "faithdial_audit.train": 500,
    "halueval_qa.train": 600,
    "ling_nli.train": 2500,
    "conj_nli.train": 1500,
    "breaking_nli.train": 800,
    "med.train": 800,
    "monli.train": 400,
}


@dataclass(frozen=True, slots=True)
class Row:
    """A response with the evidence it is to be judged by; `part` is train, held or the name of a test set."""

    source: str
    evidence: tuple[str, ...]
    question: str
    response: str
    supported: bool
    kind: str = ""

    def plan(self) -> Plan:
        """Cut the row into texts."""
        passages = [Passage(i, text, "", "", (), 0, len(text)) for i, text in enumerate(self.evidence)]
        return Plan.make(self.question, [self.response], passages)


def read_rows(data: Path, name: str, limit: int | None = None, seed: int = 0) -> list[Row]:
    """Return the rows of one grounding file, a seeded sample of at most `limit`, balanced between the classes."""
    rows = []
    with gzip.open(data / "grounding" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            raw = json.loads(line)
            evidence = tuple(text for text in raw["evidence"] if text.strip())
            question = raw["context"][-1] if raw["context"] else ""
            if evidence and raw["response"].strip():
                rows.append(Row(name, evidence, question, raw["response"], bool(raw["supported"])))
    if limit is None or len(rows) <= limit:
        return rows
    rng = random.Random(seed)
    rng.shuffle(rows)
    true = [row for row in rows if row.supported][: limit // 2]
    false = [row for row in rows if not row.supported][: limit - len(true)]
    return true + false


def altered_rows(data: Path, held: bool, seed: int = 0) -> list[Row]:
    """Return claims made from encyclopaedic paragraphs; every fifth paragraph is held out."""
    paragraphs = [text for i, text in enumerate(_paragraphs(data)) if (i % 5 == 0) == held]
    return [
        Row("altered", (a.paragraph,), "", a.claim, a.supported, a.kind)
        for a in alter(paragraphs, seed, per_paragraph=4)
    ]


def _paragraphs(data: Path) -> list[str]:
    with gzip.open(data / "retrieval" / "xquad_a.jsonl.gz", "rt", encoding="utf-8") as file:
        found = dict.fromkeys(json.loads(line)["paragraph"] for line in file)
    with gzip.open(data / "dialogues" / "topical_chat_rare.train.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            found.update(
                dict.fromkeys(t for t in json.loads(line)["knowledge"].values() if 300 < len(t) < 1500)
            )
    return list(found)[:320]
