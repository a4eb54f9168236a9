"""What the groundedness judge learns from and is measured on: rows of files, and rows made from their texts.

Only files whose weights may be shipped are trained on. Of the sets of SPLIT the adapter learns from a half, the heads
from a sixth; a third is kept for the report, whole documents or questions each.
"""

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from app.training.adapters import Pair
from app.training.alterations import alter
from app.training.grounding_metrics import Row
from app.training.quality_data import rows as lines
from dialogue.judges.facts import content_stems, words
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
    {
        "ling_nli.train": 0.16,
        "altered": 0.14,
        "infotabs": 0.12,
        "vania": 0.08,
        "summedits": 0.07,
        "cad_snli": 0.06,
        "fever_symmetric.train": 0.05,
        "faithdial_audit.train": 0.05,
        "factcheckgpt": 0.05,
        "snli_dev": 0.04,
        "rte.train": 0.04,
        "conj_nli.train": 0.03,
        "expertqa": 0.03,
        "halueval_qa.train": 0.02,
        "breaking_nli.train": 0.02,
        "bump": 0.02,
        "q2_wow": 0.02,
        "med.train": 0.01,
        "monli.train": 0.01,
    },
)
SPLIT = {  # source: its files, and what keeps rows together
    "infotabs": (("nli/infotabs_train",), "evidence"),
    "vania": (("nli/vania_base_wiki_train", "nli/vania_sim_wiki_train", "nli/vania_translate_wiki_train"), "evidence"),
    "cad_snli": (("nli/cad_snli_train",), "evidence"),
    "snli_dev": (("nli/snli_dev",), "evidence"),
    "summedits": (("faithfulness/summedits",), "evidence"),
    "bump": (("faithfulness/bump_pairs",), "evidence"),
    "q2_wow": (("faithfulness/q2_wow_crossannotation",), "evidence"),
    "expertqa": (("faithfulness/expertqa_claims_val_test",), "question"),
    "factcheckgpt": (("faithfulness/factcheckgpt_claim_evidence_stance",), "response"),
    "fool_me_twice": (("grounding/fool_me_twice.train",), "evidence"),
}
REPLIES = ("summedits", "bump", "q2_wow", "expertqa", "infotabs")  # whole replies, or claims that make some
JOINED = ("expertqa", "infotabs")
MOST = 400  # rows of a source for the heads and for the report
Part = Literal["adapter", "head", "report"]
HEADED = {  # source: most of its rows that the head is trained on; the adapter has seen none of them
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


def split_rows(data: Path, name: str, part: Part) -> list[Row]:
    """Return the rows of one part of a source of SPLIT, in order."""
    files, together = SPLIT[name]
    rows = [row for file in files for row in _any_rows(data, name, file)]
    return [row for row in rows if _part(row.group if together != "question" else row.question) == part]


def _any_rows(data: Path, name: str, file: str) -> Iterator[Row]:
    for line in lines(data / f"{file}.jsonl.gz"):
        raw = _inference(line) if "premise" in line else line
        evidence = tuple(text.strip() for text in raw["evidence"] if text.strip())
        response, question = raw["response"].strip(), raw["context"][-1] if raw.get("context") else ""
        group = response if SPLIT[name][1] == "response" else evidence[0] if evidence else ""
        refuted = raw["label"] in ("refuted", "contradiction", "refute")
        if evidence and response:
            yield Row(name, evidence, question, response, bool(raw["supported"]), "", refuted, group)


def _inference(raw: dict[str, Any]) -> dict[str, Any]:
    """A row of premise and hypothesis as a claim with its evidence."""
    supported = raw["label"] == "entailment"
    return {"evidence": [raw["premise"]], "response": raw["hypothesis"], "supported": supported, "label": raw["label"]}


def _part(group: str) -> Part:
    place = _number(group) % 6
    return "report" if place < 2 else "head" if place == 2 else "adapter"


def _number(group: str) -> int:
    return int.from_bytes(hashlib.sha256(f"part {group}".encode()).digest()[:4], "big")


def by_sentence(rows: Sequence[Row]) -> list[Row]:
    """Return the sentences of replies with their verdicts, as far as these are known.

    All sentences of a supported reply are supported. In another, a sentence that stands in no supported reply to the
    same evidence is not, if it is the only one.
    """
    right: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    cut = [[row.response[a:b] for a, b in sentences(row.response)] for row in rows]
    for row, parts in zip(rows, cut, strict=True):
        right[row.evidence].update(parts if row.supported else ())
    made: dict[Row, None] = {}
    for row, parts in zip(rows, cut, strict=True):
        odd = [part for part in parts if part not in right[row.evidence]]
        if row.supported:
            made.update((replace(row, response=part), None) for part in parts)
        elif len(odd) == 1:
            made[replace(row, response=odd[0])] = None
    return list(made)


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
    wanted = content_stems(row.response)
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
    if name in SPLIT:
        return by_sentence(split_rows(data, name, "adapter"))
    return [row for place, row in enumerate(read_rows(data, name)) if place % HELD]


def pairs(data: Path, seed: int) -> dict[str, list[tuple[Pair, ...]]]:
    """Return what the adapter learns from, by source."""
    names = {name for shares in SHARES for name in shares}
    return {name: [(_pair(row),) for row in training_rows(data, name, seed)] for name in sorted(names)}


def _pair(row: Row) -> Pair:
    stated = row.response if len(words(row.response)) > 3 else f"{row.question} {row.response}".strip()
    return Pair(window(row), stated, (("supported", float(row.supported)), ("refuted", float(row.refuted))))


def head_rows(data: Path, seed: int = 0) -> list[Row]:
    """Return what the heads of claims learn from: rows that the adapter has not seen, half the altered claims held out.

    Of the sets of SPLIT the even groups of the heads' part; the odd ones are for the head of replies.
    """
    found: list[Row] = []
    seen = {(r.evidence, r.response) for name in SHARES[0] for r in training_rows(data, name, seed)}
    for name, limit in HEADED.items():
        rows = [row for row in dict.fromkeys(read_rows(data, name)) if (row.evidence, row.response) not in seen]
        found += sampled(rows, limit, seed, even=True)
    for name in SPLIT:
        found += sampled(by_sentence(_heads(data, name, odd=False)), MOST, seed, even=True)
    return found + halves(altered_rows(data, held=True))[0]


def replies(data: Path, part: Part, seed: int = 0) -> list[Row]:
    """Return whole replies: as they are, and of the claims about one table or by one question several in a row."""
    rng, found = random.Random(seed), []
    for name in REPLIES:
        rows = _heads(data, name, odd=True) if part == "head" else split_rows(data, name, part)
        found += sampled(joined(rows, SPLIT[name][1], rng) if name in JOINED else rows, MOST, seed, even=True)
    place = 0 if part == "head" else 1
    return found + sampled(joined(halves(altered_rows(data, held=True))[place], "evidence", rng), MOST, seed, even=True)


def joined(rows: Sequence[Row], together: str, rng: random.Random) -> list[Row]:
    """Return replies of two to four true claims that belong together, in half of them one claim that is not true."""
    groups: defaultdict[object, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.question if together == "question" else row.evidence].append(row)
    made = []
    for group in groups.values():
        true, false = ([row for row in group if row.supported == side] for side in (True, False))
        while len(true) > 1:
            part = [true.pop() for _ in range(min(len(true), rng.choice((2, 3, 4))))]
            wrong = bool(false) and rng.random() < 0.5
            if wrong:
                part[rng.randrange(len(part))] = false.pop()
            said = " ".join(row.response if row.response[-1] in ".!?" else f"{row.response}." for row in part)
            evidence = tuple(dict.fromkeys(text for row in part for text in row.evidence))
            source = f"{part[0].source}, joined"
            made.append(replace(part[0], source=source, evidence=evidence, response=said, supported=not wrong))
    return made


def _heads(data: Path, name: str, odd: bool) -> list[Row]:
    """Return half of the heads' part of a source, by group."""
    rows, together = split_rows(data, name, "head"), SPLIT[name][1]
    return [row for row in rows if _number(row.question if together == "question" else row.group) // 6 % 2 == odd]


def measured_rows(data: Path, name: str) -> list[Row]:
    """Return the claims of a set that the report is taken on."""
    if name == "altered":
        return halves(altered_rows(data, held=True))[1]
    if name in SPLIT:
        return sampled(by_sentence(split_rows(data, name, "report")), MOST, 0, even=True)
    return sampled(read_rows(data, name), MEASURED[name], 0) if name in MEASURED else []


def halves(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Split altered claims by paragraph: a half for the head, a half for the report."""
    place = {text: i for i, text in enumerate(dict.fromkeys(row.evidence[0] for row in rows))}
    first, second = ([row for row in rows if place[row.evidence[0]] % 2 == side] for side in (0, 1))
    return first, second
