"""The fit of the judge of what small models write, on drafts whose questions have known answers.

`benchmarks/recipe.py --split fit` writes the drafts and calls this; nothing here knows models or documents.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.evaluation.metrics import auroc
from app.training.perceptron import fit_monotone
from dialogue.judges.heads import Array, Head
from dialogue.judges.written import FEATURES

PULL = 0.02  # to equal weights
GRID = np.linspace(-6, 6, 241)


def fit_written(rows: Array, right: NDArray[np.bool_], groups: Sequence[str]) -> Head:
    """Return the head for rows (drafts, 4) of `WrittenScorer.rows`; `groups` names the question of each.

    Weights by the pull of all drafts. Then the bias is set so that the probability of the best draft of a question is,
    in the mean, how often it is right: that is the one which is served. Raises ValueError without drafts of both kinds.
    """
    if right.all() or not right.any():
        raise ValueError("drafts that are right and drafts that are wrong are needed")
    head = fit_monotone("written", FEATURES, rows, right, ["all"] * len(rows), PULL)
    logits = head.logits(rows)
    best: dict[str, int] = {}
    for place, group in enumerate(groups):
        if group not in best or logits[place] > logits[best[group]]:
            best[group] = place
    chosen = [*best.values()]
    shifts = [abs(float(_sigmoid(logits[chosen] + shift).mean() - right[chosen].mean())) for shift in GRID]
    weights, bias = head.layers[0]
    shifted = (bias + GRID[int(np.argmin(shifts))]).astype(np.float32)
    return Head(head.name, head.features, head.mean, head.scale, ((weights, shifted),))


def worth(before: Sequence[float], after: Sequence[float], right: NDArray[np.bool_]) -> dict[str, Any]:
    """Return how well right drafts are told from wrong ones, by how they read alone and by all that is known."""
    labels = right.astype(int).tolist()
    return {"n": len(labels), "right": int(right.sum()), "before": auroc(labels, before), "after": auroc(labels, after)}


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-x)))
