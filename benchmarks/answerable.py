"""Is there an answer in what was found? The sentence, its passage, and both together, on XQuAD's questions.

    python benchmarks/answerable.py DATA --out benchmarks/results/answerable.json

DATA is the folder of development data. Every question is searched for among XQuAD's paragraphs, and the passages are
read again, as in a turn: once with its own paragraph, once as if that had never been there. `sentence` is the answer
head's likeliest sentence of a passage, `passage` the reranker's probability, `both` their logistic sum, fitted on the
other articles of five folds, and `in a turn` the lower one of `sentence` and `both`; the weights fitted on all are those
of `dialogue.judges.answers`. The answer head has learnt from these questions, the reranker from 60 % of the articles. Of each: AUROC
between questions with and without their paragraph, the calibration error of the best passage's probability over ten
bins, and, at the gate of a turn, how many questions with and without an answer are refused.
Takes about ten minutes on two cores. Prints one JSON object.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from app.evaluation.metrics import auroc, calibration_error
from app.training.ranking import xquad
from dialogue.judges.answers import BIAS, OWN, PASSAGE, AnswerScorer, Offer, load_answers, logit
from dialogue.quote import heading, said
from dialogue.rank import Gates
from retrieval.encoder.embed import load_encoder
from retrieval.index.generation import build_of
from retrieval.rerank import DEPTH, load_reranker
from retrieval.search import HybridRetriever
from retrieval.types import Evidence

SHOWN = 8  # passages of a turn
FOLDS = 5
Table = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """What was found for a question: rows (passages, 2) of logits, by sentence and by passage, and what answers."""

    article: str
    known: bool
    rows: Table
    met: NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="the folder of development data")
    parser.add_argument("--limit", type=int, help="about so many questions, from all articles, to try this script")
    parser.add_argument("--out", type=Path, help="write the figures to this file, too")
    given = parser.parse_args()
    if not (given.data / "retrieval" / "xquad_a.jsonl.gz").is_file():
        parser.error(f"{str(given.data)!r} is not the development data: it holds no retrieval/xquad_a.jsonl.gz")
    found = list(collected(given.data, given.limit))
    both = crossed(found)
    figures = {
        "questions": sum(each.known for each in found),
        "in_use": {"own": OWN, "passage": PASSAGE, "bias": BIAS},
        "fitted": dict(zip(("own", "passage", "bias"), fitted(found), strict=True)),
        "sentence": measured(found, [each.rows[:, 0] for each in found]),
        "passage": measured(found, [each.rows[:, 1] for each in found]),
        "both": measured(found, both),
        "in a turn": measured(found, [np.minimum(each.rows[:, 0], row) for each, row in zip(found, both, strict=True)]),
    }
    text = json.dumps(figures, indent=1)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


def collected(data: Path, limit: int | None) -> Iterator[Found]:
    """Search for the questions, with and without what answers them."""
    encoder = load_encoder()
    scorer = load_answers(encoder.encode_tokens)
    corpus = xquad(data)
    with tempfile.TemporaryDirectory() as folder:
        retriever = HybridRetriever(encoder, build_of(Path(folder), corpus.passages, encoder), corpus.stored)
        reranker = load_reranker(retriever, encoder, lambda ids: ())
        for asked in corpus.queries[:: max(1, len(corpus.queries) // limit) if limit else 1]:
            near = retriever.search([asked.query], 2 * DEPTH)
            rest = [item for item in near if item.passage.source not in asked.documents]
            for known, offered in ((True, near), (False, rest)):
                shown = replace(reranker, retriever=_Held(offered)).search([asked.query], SHOWN)
                met = np.array([asked.met_by(item.passage) for item in shown], dtype=bool)
                article = next(iter(asked.documents)).split("-")[0]
                yield Found(article, known, logits(scorer, asked.query, shown), met)


@dataclass(frozen=True)
class _Held:
    """A retriever that always finds the same."""

    evidence: Sequence[Evidence]

    def search(self, queries: Sequence[str], k: int, sources: Sequence[str] = ()) -> tuple[Evidence, ...]:
        return tuple(self.evidence[:k])


def logits(scorer: AnswerScorer, question: str, shown: Sequence[Evidence]) -> Table:
    """Return rows (passages, 2): of the likeliest sentence by the head alone, and of the passage."""
    offers = [[Offer(one, heading(i.passage), said(i.passage)) for one in said(i.passage)] for i in shown]
    scores = iter(scorer.score(question, [offer for row in offers for offer in row]))
    best = [max((next(scores) for _ in row), default=0.0) for row in offers]
    told = [[logit(sentence), logit(item.probability or 0.0)] for sentence, item in zip(best, shown, strict=True)]
    return np.array(told, dtype=np.float64).reshape(-1, 2)


def fitted(found: Sequence[Found]) -> list[float]:
    """Return the weights of both logits, and the bias, by logistic regression."""
    rows, met = np.concatenate([each.rows for each in found]), np.concatenate([each.met for each in found])
    model = LogisticRegression(C=100.0, max_iter=1000).fit(rows, met)
    return [round(float(weight), 3) for weight in (*model.coef_[0], model.intercept_[0])]


def crossed(found: Sequence[Found]) -> list[Table]:
    """Return the sums of each question by weights fitted on the articles of other folds."""
    articles = sorted({each.article for each in found})
    fold = {article: place % FOLDS for place, article in enumerate(articles)}
    weights = [fitted([each for each in found if fold[each.article] != number]) for number in range(FOLDS)]
    return [each.rows @ weights[fold[each.article]][:2] + weights[fold[each.article]][2] for each in found]


def measured(found: Sequence[Found], sums: Sequence[Table]) -> dict[str, float]:
    """Return what the best passage's probability of each question is worth."""
    known = np.array([each.known for each in found])
    best = np.array([1 / (1 + np.exp(-row.max())) for row in sums])
    right = np.array([each.met[row.argmax()] for each, row in zip(found, sums, strict=True)])
    return {
        "auroc": round(auroc(known.tolist(), best.tolist()), 4),
        "calibration_error": round(calibration_error(right.tolist(), best.tolist()), 4),
        "refused_with_an_answer": round(float((best[known] < Gates().answers).mean()), 3),
        "refused_without": round(float((best[~known] < Gates().answers).mean()), 3),
        "best_is_right": round(float(right[known].mean()), 4),
    }


if __name__ == "__main__":
    main()
