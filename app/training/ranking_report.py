"""What the adapter says of passages made a probability, and what ranking by it is worth.

Both are taken on what the search finds for the queries that the training kept apart: once with what answers them in the
collection, once without, so that a high probability also says that there is an answer. Knows nothing of training.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.evaluation.metrics import auroc, average_precision, calibration_error, ndcg
from app.training.ranking import answered, scifact, xquad
from retrieval.encoder.embed import Encoder
from retrieval.index.generation import build_of
from retrieval.rerank import FEATURES, PairReader, Weights, features, weighed
from retrieval.search import HybridRetriever

DEPTH = 16  # passages read per query
RIDGE = 1e-3
SCORE = FEATURES.index("score")


@dataclass(frozen=True)
class Found:
    """What the search found for a query: rows (passages, FEATURES), and which of the passages answer it."""

    rows: NDArray[np.float64]
    met: NDArray[np.bool_]


Collections = dict[str, list[Found]]


def collect(data: Path, encoder: Encoder, reader: PairReader) -> Collections:
    """Search for the queries kept apart, by collection; "without" is what is left without the relevant documents."""
    told: Collections = {"scifact": [], "xquad": [], "without": []}
    for name, corpus in (("scifact", scifact(data, held=True)), ("xquad", xquad(data, held=True))):
        with tempfile.TemporaryDirectory() as folder:
            generation = build_of(Path(folder), corpus.passages, encoder)
            retriever = HybridRetriever(encoder, generation, corpus.stored)
            for asked in corpus.queries:
                near = retriever.search([asked.query], DEPTH)
                rows = features(reader, asked.query, near)
                told[name].append(Found(rows, np.array([asked.met_by(item.passage) for item in near], dtype=bool)))
                rest = rows[[item.passage.source not in asked.documents for item in near]]
                rest[:, SCORE] /= rest[:, SCORE].max(initial=1e-9)  # as if the others had never been there
                told["without"].append(Found(rest, np.zeros(len(rest), dtype=bool)))
    return told


def ordering(told: Collections) -> dict[str, float]:
    """Return the weights of FEATURES that put first what answers, by the likelihood of it among what was found."""
    from scipy.optimize import minimize
    from scipy.special import logsumexp

    answered = [each for every in told.values() for each in every if each.met.any()]
    scale = np.concatenate([each.rows for each in answered]).std(0) + 1e-6

    def loss(weights: NDArray[np.float64]) -> float:
        sums = [each.rows / scale @ weights for each in answered]
        missed = [logsumexp(s) - logsumexp(s[each.met]) for s, each in zip(sums, answered, strict=True)]
        return float(np.mean(missed) + RIDGE * weights @ weights)

    found = minimize(loss, np.ones(len(FEATURES)), method="L-BFGS-B").x / scale
    return dict(zip(FEATURES, found.tolist(), strict=True))


def calibrate(told: Collections) -> dict[str, float]:
    """Return the weights of FEATURES and the bias that make a probability, by logistic regression."""
    from sklearn.linear_model import LogisticRegression

    every = [each for kind in told.values() for each in kind if len(each.rows)]
    rows, met = np.concatenate([each.rows for each in every]), np.concatenate([each.met for each in every])
    model = LogisticRegression(C=100.0, max_iter=1000).fit(rows, met)
    return {**dict(zip(FEATURES, model.coef_[0].tolist(), strict=True)), "bias": float(model.intercept_[0])}


def report(told: Collections, order: Weights, likely: Weights) -> dict[str, float]:
    """Return nDCG@10 of the passages before and after reranking, and what the best probability says.

    `answerable` is its AUROC between queries with and without what answers them; `calibration_error` its mean
    difference from the share that answers, over equally filled bins.
    """
    figures: dict[str, float] = {}
    best: list[
        tuple[float, bool, bool]
    ] = []  # the highest probability, whether it is right, whether there is an answer
    for kind, every in told.items():
        some = [each for each in every if len(each.rows)]
        likeliest = [1 / (1 + np.exp(-weighed(each.rows, likely))) for each in some]
        best += [(p.max(), each.met[p.argmax()], kind != "without") for p, each in zip(likeliest, some, strict=True)]
        if answered := [each for each in some if each.met.any()]:
            sorts = [np.argsort(-weighed(each.rows, order), kind="stable") for each in answered]
            figures[f"{kind}_before"] = float(np.mean([_ndcg(np.arange(len(e.met)), e.met) for e in answered]))
            figures[f"{kind}_after"] = float(np.mean([_ndcg(o, e.met) for o, e in zip(sorts, answered, strict=True)]))
    p, right, known = (np.array(column) for column in zip(*best, strict=True))
    figures["answerable"] = auroc(known.tolist(), p.tolist())
    figures["calibration_error"] = calibration_error(right.tolist(), p.tolist())
    return figures


def answers_report(data: Path, reader: PairReader) -> dict[str, float]:
    """Return the mean average precision on TREC-QA's validation questions, by the answers output."""
    column = reader.outputs.index("answers")
    precisions = []
    for question, said in answered(data, "trecqa.validation").items():
        logits = reader([(question, text) for text, _ in said])[:, column]
        precisions.append(average_precision([said[place][1] for place in np.argsort(-logits, kind="stable")]))
    return {"trecqa_map": float(np.mean(precisions))}


def _ndcg(order: NDArray[np.int64], met: NDArray[np.bool_]) -> float:
    return ndcg([str(place) for place in order], {str(place): 1.0 for place in np.flatnonzero(met)}, 10)
