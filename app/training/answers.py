"""Training of the answer head: which sentence answers a question, and when none does.

Holds what the head learns from and how it is fitted. Knows nothing of where the head is shipped. TREC-QA and HaluEval
were tried and left out: their tokenised newswire and two-step questions made the head worse on every other set.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.evaluation.metrics import auroc
from app.training.quality_data import rows as lines
from dialogue.judges.answers import FEATURES, AnswerScorer, Offer, features, paged
from dialogue.judges.heads import Array, Head
from dialogue.quote import said
from retrieval.passages import cut_all
from retrieval.text import sentences
from retrieval.types import Passage, TokenEmbedder

FOLDS = 4
PASSAGES = 8  # offered per question, the nearest
NO_ANSWER = 3.0  # weight of a question without an answer, relative to the wrong sentences of one with


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the sentences offered for it, and which of them answer; none does when nothing offered can."""

    group: str  # questions of one group never stand on both sides of a split
    question: str
    offers: tuple[Offer, ...]
    answers: tuple[bool, ...]


def train(data: Path, encoder: TokenEmbedder, seed: int = 0) -> tuple[Head, dict[str, float]]:
    """Return the head and its figures by cross-validation over XQuAD's articles (`seed` changes nothing here).

    `best` is the share of questions whose likeliest sentence answers; `answerable` the AUROC of the likeliest
    sentence's probability between questions with their paragraph and the same questions without it.
    """
    xquad, bare = _xquad(data, encoder)
    groups = [*xquad, *bare, *_wikiqa(data)]
    rows = [features(encoder.encode_tokens, asked.question, asked.offers)[0] for asked in groups]
    labels = [np.asarray(asked.answers, dtype=np.float32) for asked in groups]
    folds = {name: place % FOLDS for place, name in enumerate(dict.fromkeys(a.group for a in xquad))}
    best: list[bool] = []
    top: list[float] = []
    known: list[bool] = []
    for fold in range(FOLDS):
        inside = [i for i, asked in enumerate(groups) if folds.get(asked.group) == fold]
        outside = [i for i, asked in enumerate(groups) if folds.get(asked.group) != fold]
        head = _fit([rows[i] for i in outside], [labels[i] for i in outside])
        for i in inside:
            scores = head(rows[i])
            top.append(float(scores.max()))
            known.append(bool(labels[i].any()))
            if known[-1]:
                best.append(bool(labels[i][scores.argmax()]))
    figures = {"best": float(np.mean(best)), "answerable": auroc(known, top), "questions": float(len(best))}
    return _fit(rows, labels), figures


def report(data: Path, scorer: AnswerScorer) -> dict[str, float]:
    """Return the share of TREC-QA validation questions whose likeliest sentence answers."""
    asked = [a for a in _sentences(data, "trecqa.validation") if any(a.answers) and not all(a.answers)]
    best = [a.answers[int(np.argmax(scorer.score(a.question, a.offers)))] for a in asked]
    return {"trecqa_best": float(np.mean(best)), "questions": float(len(best))}


def _fit(rows: Sequence[Array], labels: Sequence[Array]) -> Head:
    """A logistic regression with a strong ridge; the answers of a question weigh as one sentence, the rest as three."""
    from sklearn.linear_model import LogisticRegression

    x, y = np.concatenate(rows), np.concatenate(labels)
    mean, scale = x.mean(0), x.std(0) + 1e-2
    weight = np.concatenate([_weights(label) for label in labels])
    model = LogisticRegression(C=0.01, max_iter=1000).fit((x - mean) / scale, y, sample_weight=weight)
    layer = (model.coef_.T.astype(np.float32), model.intercept_.astype(np.float32))
    return Head("answers", FEATURES, mean.astype(np.float32), scale.astype(np.float32), (layer,))


def _weights(label: Array) -> Array:
    right, wrong = float(label.sum()), float((1 - label).sum())
    other = (3.0 if right else 3.0 * NO_ANSWER) / max(wrong, 1.0)
    return np.where(label == 1, 1 / max(right, 1.0), other).astype(np.float32)


def _xquad(data: Path, encoder: TokenEmbedder) -> tuple[list[Asked], list[Asked]]:
    """Return XQuAD's questions over their nearest passages, and again with their own paragraph taken away."""
    found = list(lines(data / "retrieval" / "xquad_a.jsonl.gz"))
    paragraphs = {str(row["paragraph_id"]): row["paragraph"] for row in found}
    passages = cut_all((name, "", text) for name, text in paragraphs.items())
    near = encoder.encode([row["question"] for row in found]) @ encoder.encode([p.text for p in passages]).T
    whole, bare = [], []
    for row, cosines in zip(found, near, strict=True):
        chosen = [passages[i] for i in np.argsort(-cosines)[:PASSAGES]]
        own = str(row["paragraph_id"])
        whole.append(_asked(row, [(p, _holds(p, row)) for p in chosen]))
        bare.append(_asked(row, [(p, ()) for p in chosen if p.source != own]))
    return [a for a in whole if any(a.answers)], [a for a in bare if a.offers]


def _asked(row: dict[str, Any], chosen: Sequence[tuple[Passage, Sequence[int]]]) -> Asked:
    offers, answers = [], []
    for passage, right in chosen:
        around = said(passage)
        offers += [Offer(one, "", around) for one in around]
        answers += [place in right for place in range(len(around))]
    return Asked(str(row["paragraph_id"]).split("-")[0], row["question"], tuple(offers), tuple(answers))


def _holds(passage: Passage, row: dict[str, Any]) -> tuple[int, ...]:
    """Which sentence of the passage holds the answer's first character."""
    if passage.source != str(row["paragraph_id"]):
        return ()
    at = row["start"] - passage.start
    return tuple(i for i, (start, end) in enumerate(sentences(passage.text)) if start <= at < end)


def _wikiqa(data: Path) -> Iterator[Asked]:
    return iter(_sentences(data, "wikiqa.train"))


def _sentences(data: Path, name: str) -> list[Asked]:
    """Read a file of answer sentences; four following sentences of a page stand for a passage."""
    pages: dict[str, list[dict[str, Any]]] = {}
    for row in lines(data / "retrieval" / f"{name}.jsonl.gz"):
        pages.setdefault(row["question"], []).append(row)
    made = []
    for question, kept in pages.items():
        offers = paged([(row["sentence"], row["title"]) for row in kept])
        made.append(Asked(question, question, tuple(offers), tuple(bool(row["answers"]) for row in kept)))
    return made
