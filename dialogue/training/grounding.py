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


def fit(
    x: Array, y: NDArray[np.bool_], weight: Array, seed: int = 0, width: int = 48, epochs: int = 60
) -> tuple[tuple[Array, Array], tuple[tuple[Array, Array], ...]]:
    """Return (mean, scale) and the layers of a perceptron on rows (n, features): AdamW, dropout, no early stop."""
    import torch

    torch.manual_seed(seed)
    mean, scale = x.mean(0), x.std(0) + 1e-3
    inputs = torch.from_numpy((x - mean) / scale).float()
    target, weights = torch.from_numpy(y.astype(np.float32)), torch.from_numpy(weight.astype(np.float32))
    net = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], width), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(width, 1)
    )
    steps = epochs * (len(x) // 256 + 1)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        if step % (len(x) // 256 + 1) == 0:
            order = torch.randperm(len(x))
        batch = order[(step % (len(x) // 256 + 1)) * 256 :][:256]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            net(inputs[batch])[:, 0], target[batch], weights[batch]
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    layers = tuple(
        (layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy())
        for layer in (net[0], net[3])
    )
    return (mean, scale), layers
