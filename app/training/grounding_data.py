"""What the groundedness judge learns from and is measured on: rows of files, and rows made from their texts.

Only files whose weights may be shipped are trained on; BEGIN, Climate-FEVER and HealthVer are only measured.
"""

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

from app.training.adapters import Pair
from app.training.alterations import alter
from app.training.grounding_metrics import Row
from app.training.quality_data import rows as lines
from dialogue.judges.facts import words
from retrieval.text import sentences

SHARES = (  # of the examples the adapter is trained on, by source
    {
        "ling_nli.train": 0.38,
        "altered": 0.18,
        "fever_symmetric.train": 0.10,
        "rte.train": 0.08,
        "conj_nli.train": 0.08,
        "faithdial_audit.train": 0.06,
        "halueval_qa.train": 0.05,
        "breaking_nli.train": 0.04,
        "med.train": 0.02,
        "monli.train": 0.01,
    },
)
HEADED = {  # source: most of its rows that the head is trained on; the adapter has seen none of them
    "fool_me_twice.train": 1169,
    "rte.train": 345,
    "fever_symmetric.train": 267,
    "faithdial_audit.train": 273,
    "halueval_qa.train": 125,
    "ling_nli.validation": 1500,
    "conj_nli.train": 600,
    "breaking_nli.train": 300,
    "med.train": 200,
    "monli.train": 100,
}
MEASURED = {"begin_dev.validation": None, "climate_fever.train": 2000, "healthver.train": None}  # most rows of each
CONTRARY = ("number", "date", "quantity", "negation", "relation")  # alterations that the evidence denies
SHORT = 320  # characters of evidence that are read whole
HELD = 8  # every eighth row, and every eighth paragraph, is kept from the adapter


def read_rows(data: Path, name: str) -> list[Row]:
    """Return the rows of one grounding file that have a response and evidence, in order."""
    rows = []
    for raw in lines(data / "grounding" / f"{name}.jsonl.gz"):
        evidence = tuple(text for text in raw["evidence"] if text.strip())
        question = raw["context"][-1] if raw["context"] else ""
        if evidence and raw["response"].strip():
            refuted = raw["label"] == "refuted"
            rows.append(Row(name, evidence, question, raw["response"], bool(raw["supported"]), "", refuted))
    return rows


def sampled(rows: Sequence[Row], limit: int | None, seed: int, even: bool = False) -> list[Row]:
    """Return a seeded sample of at most `limit` rows; as many supported ones as others when it is to be `even`."""
    if limit is None or len(rows) <= limit:
        return list(rows)
    drawn = random.Random(seed).sample(rows, len(rows))
    if not even:
        return drawn[:limit]
    true = [row for row in drawn if row.supported][: limit // 2]
    return true + [row for row in drawn if not row.supported][: limit - len(true)]


def altered_rows(data: Path, held: bool, seed: int = 0) -> list[Row]:
    """Return claims made from encyclopaedic paragraphs; every eighth paragraph is held out."""
    paragraphs = [text for place, text in enumerate(_paragraphs(data)) if (place % HELD == 0) == held]
    return [
        Row("altered", (a.paragraph,), "", a.claim, a.supported, a.kind, a.kind in CONTRARY)
        for a in alter(paragraphs, seed, per_paragraph=5)
    ]


def _paragraphs(data: Path) -> list[str]:
    found: dict[str, None] = {}
    for row in lines(data / "retrieval" / "xquad_a.jsonl.gz"):
        found[row["paragraph"]] = None
    for row in lines(data / "dialogues" / "topical_chat_rare.train.jsonl.gz"):
        found.update(dict.fromkeys(text for text in row["knowledge"].values() if 250 < len(text) < 1500))
    films = [s for row in lines(data / "dialogues" / "cmu_dog_films.jsonl.gz") for s in row["sections"].values()]
    abstracts = [row["text"] for row in lines(data / "retrieval" / "scifact" / "corpus.jsonl.gz")]
    more = [text for text in (*films, *abstracts[:300]) if isinstance(text, str) and 250 < len(text) < 2500]
    known = sorted(found, key=lambda text: hashlib.sha256(text.encode()).digest())[:1200] + more
    return sorted(known, key=lambda text: hashlib.sha256(text.encode()).digest())


def window(row: Row) -> str:
    """Return the one to three neighbouring sentences of the evidence that share most words with the response."""
    evidence = " ".join(row.evidence)
    parts = [evidence[a:b] for a, b in sentences(evidence)]
    if len(evidence) <= SHORT or len(parts) < 2:
        return evidence
    wanted = {word.stem for word in words(row.response) if word.content}
    shared = [len(wanted & {word.stem for word in words(part)}) for part in parts]
    best = max(range(len(parts)), key=lambda place: shared[place])
    first = last = best
    while True:
        sides = [place for place in (first - 1, last + 1) if 0 <= place < len(parts) and shared[place]]
        fitting = [p for p in sides if len(" ".join(parts[min(first, p) : max(last, p) + 1])) <= SHORT]
        if not fitting or last - first == 2:
            return " ".join(parts[first : last + 1])
        place = max(fitting, key=lambda p: shared[p])
        first, last = min(first, place), max(last, place)


def training_rows(data: Path, name: str, seed: int) -> list[Row]:
    """Return the rows of a source that the adapter learns from: what is not HELD for the head."""
    if name == "altered":
        return altered_rows(data, held=False, seed=seed)
    return [row for place, row in enumerate(read_rows(data, name)) if place % HELD]


def pairs(data: Path, seed: int) -> dict[str, list[tuple[Pair, ...]]]:
    """Return what the adapter learns from, by source."""
    names = {name for shares in SHARES for name in shares}
    return {name: [(_pair(row),) for row in training_rows(data, name, seed)] for name in sorted(names)}


def _pair(row: Row) -> Pair:
    stated = row.response if len(words(row.response)) > 3 else f"{row.question} {row.response}".strip()
    return Pair(window(row), stated, (("supported", float(row.supported)), ("refuted", float(row.refuted))))


def head_rows(data: Path, seed: int = 0) -> list[Row]:
    """Return what the head learns from: rows that the adapter has not seen, and half the altered claims held out."""
    found: list[Row] = []
    seen = {(r.evidence, r.response) for name in SHARES[-1] for r in training_rows(data, name, seed)}
    for name, limit in HEADED.items():
        rows = [row for row in dict.fromkeys(read_rows(data, name)) if (row.evidence, row.response) not in seen]
        found += sampled(rows, limit, seed, even=True)
    return found + halves(altered_rows(data, held=True))[0]


def halves(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Split altered claims by paragraph: a half for the head, a half for the report."""
    place = {text: i for i, text in enumerate(dict.fromkeys(row.evidence[0] for row in rows))}
    first, second = ([row for row in rows if place[row.evidence[0]] % 2 == side] for side in (0, 1))
    return first, second
