"""Metrics of evaluation: pure functions of labels, scores, ranks and texts.

Knows nothing of files, models or reports. A metric that does not exist for its input (one class only, nothing
to count) raises Undefined with the reason; no function returns NaN.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = Sequence[int] | Sequence[bool] | NDArray[Any]
Values = Sequence[float] | NDArray[Any]
Interval = tuple[float, float]

_MARK = re.compile(r"\[\d+(?:\s*[,–-]\s*\d+)*\]")
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*\w*|\w+|%")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_FUNCTION_WORDS = """
a about again all also am an and any are as at be because been before being both but by can could did do does
doing don each few for from had has have having he her here him his how i if in into is it its just may me
might more most my no nor not now of off on once only or other our over own s same she should so some such t
than that the their them then there these they this those through to too under until up very was we were what
when where which while who whom why will with would you your
"""
_FUNCTION = frozenset(_FUNCTION_WORDS.split())


class Undefined(ValueError):
    """The metric does not exist for this input. The message says why."""


def auroc(labels: Labels, scores: Values) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half.

    By rank sums (Mann and Whitney 1947). Raises Undefined with one class only.
    """
    y, x = _classes(labels, scores)
    positives = int(y.sum())
    rank_sum = float(_ranks(x)[y].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * (len(y) - positives))


def auprc(labels: Labels, scores: Values) -> float:
    """Average precision of the positives, equal scores together. Raises Undefined with one class only."""
    y, x = _classes(labels, scores)
    order = np.argsort(-x, kind="stable")
    last = np.append(np.flatnonzero(np.diff(x[order])), len(x) - 1)  # of each group of equal scores
    found = y[order].cumsum()[last]
    gained = np.diff(found, prepend=0) / found[-1]
    return float((gained * found / (last + 1)).sum())


def tpr_at_fpr(labels: Labels, scores: Values, fpr: float = 0.01) -> float:
    """Largest share of positives above a limit that at most `fpr` of the negatives pass (needs both)."""
    y, x = _classes(labels, scores)
    allowed = math.floor(fpr * int((~y).sum()) + 1e-9)
    highest = np.sort(x[~y])[::-1]
    limit = highest[allowed] if allowed < len(highest) else -np.inf
    return float((x[y] > limit).mean())


def precision(labels: Labels, positive: Labels) -> float:
    """Share of the rows called positive that are. Raises Undefined when none is called positive."""
    y, called = _decisions(labels, positive)
    return _share(int((y & called).sum()), int(called.sum()), "nothing was called positive")


def recall(labels: Labels, positive: Labels) -> float:
    """Share of the positives that are called so. Raises Undefined without positives."""
    y, called = _decisions(labels, positive)
    return _share(int((y & called).sum()), int(y.sum()), "there are no positives")


def fpr(labels: Labels, positive: Labels) -> float:
    """Share of the negatives that are called positive. Raises Undefined without negatives."""
    y, called = _decisions(labels, positive)
    return _share(int((~y & called).sum()), int((~y).sum()), "there are no negatives")


def f1(labels: Labels, positive: Labels) -> float:
    """Harmonic mean of precision and recall. Raises Undefined when no row is positive or called so."""
    y, called = _decisions(labels, positive)
    return _share(2 * int((y & called).sum()), int(y.sum() + called.sum()), "no row is positive or called so")


def macro_f1(labels: Labels, positive: Labels) -> float:
    """Mean of the F1 of both classes. Raises Undefined where either is."""
    y, called = _decisions(labels, positive)
    return (f1(y, called) + f1(~y, ~called)) / 2


def balanced_accuracy(labels: Labels, positive: Labels) -> float:
    """Mean of the recall of both classes. Raises Undefined with one class only."""
    y, called = _decisions(labels, positive)
    return (recall(y, called) + recall(~y, ~called)) / 2


def kappa(labels: Labels, called: Labels) -> float:
    """Agreement of two raters beyond chance (Cohen 1960). Raises Undefined where chance alone agrees, or no row is."""
    y, x = _decisions(labels, called)
    if not len(y):
        raise Undefined("no rows")
    chance = float(y.mean() * x.mean() + (1 - y.mean()) * (1 - x.mean()))
    if chance >= 1:
        raise Undefined("both say the same of every row")
    return (float((y == x).mean()) - chance) / (1 - chance)


def spearman(first: Values, second: Values) -> float:
    """Rank correlation. Raises Undefined with fewer than three rows or a constant side."""
    return partial_spearman(first, second, ())


def partial_spearman(first: Values, second: Values, covariates: Sequence[Values]) -> float:
    """Rank correlation with the covariates held fixed: ranks regressed on theirs, the residuals correlated.

    Raises Undefined with too few rows, or when a side is constant or determined by the covariates.
    """
    columns = [_ranks(np.asarray(column, dtype=float)) for column in (first, second, *covariates)]
    rows = len(columns[0])
    if rows < 3 + len(covariates):
        raise Undefined(f"a rank correlation needs at least {3 + len(covariates)} rows, got {rows}")
    design = np.stack([np.ones(rows), *columns[2:]], axis=1)
    sides = np.stack(columns[:2], axis=1)
    residuals = sides - design @ np.linalg.lstsq(design, sides, rcond=None)[0]
    spread = np.sqrt((residuals**2).sum(axis=0))
    if spread.min() < 1e-9 * rows:
        raise Undefined("one side is constant or determined by what is held fixed")
    return float(np.clip((residuals[:, 0] @ residuals[:, 1]) / (spread[0] * spread[1]), -1, 1))


def calibration_error(labels: Labels, probabilities: Values, bins: int = 10) -> float:
    """Mean difference of probability and share of positives over equally filled bins; fewer rows are as many bins.

    Raises Undefined without rows.
    """
    y, p = np.asarray(labels, dtype=bool), np.asarray(probabilities, dtype=float)
    if len(y) != len(p):
        raise ValueError(f"{len(y)} labels and {len(p)} probabilities: one probability per label")
    if not len(y):
        raise Undefined("no rows")
    parts = np.array_split(np.argsort(p, kind="stable"), min(bins, len(p)))
    return float(np.mean([abs(p[rows].mean() - y[rows].mean()) for rows in parts]))


def average_precision(relevant: Sequence[bool]) -> float:
    """Average precision of one ranking, best first, that holds every relevant item. Needs a relevant one."""
    hits = np.flatnonzero(np.asarray(relevant, dtype=bool))
    if not len(hits):
        raise Undefined("no item is relevant")
    return float(np.mean(np.arange(1, len(hits) + 1) / (hits + 1)))


def reciprocal_rank(relevant: Sequence[bool], k: int | None = None) -> float:
    """One over the rank of the first relevant item of a ranking, 0 when none is among the first `k`."""
    return next((1 / rank for rank, hit in enumerate(relevant[:k], 1) if hit), 0.0)


def ndcg(ranking: Sequence[str], gains: Mapping[str, float], k: int = 10) -> float:
    """Discounted gain of the first `k` ids over that of the best order (Järvelin and Kekäläinen 2002).

    Gains are linear, as in trec_eval and BEIR. Raises Undefined when no id has a gain.
    """
    ideal = _discounted(sorted((gain for gain in gains.values() if gain > 0), reverse=True)[:k])
    if not ideal:
        raise Undefined("no item is relevant")
    return _discounted([max(gains.get(name, 0.0), 0.0) for name in ranking[:k]]) / ideal


def recall_at(ranking: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Share of the relevant ids among the first `k`. Raises Undefined when none is relevant."""
    return _share(len(set(ranking[:k]) & set(relevant)), len(set(relevant)), "no item is relevant")


def wilson(hits: int, n: int, z: float = 1.959964) -> Interval:
    """95 % interval of a share (Wilson 1927). Raises Undefined for no trial."""
    if n <= 0:
        raise Undefined("nothing was counted")
    share, spread = hits / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


def bootstrap(
    statistic: Callable[..., float],
    *columns: Sequence[Any] | NDArray[Any],
    resamples: int = 400,
    seed: int = 0,
) -> Interval:
    """95 % percentile interval of `statistic(*columns)` over rows drawn with replacement (Efron 1979).

    Drawing rows twice makes some statistics larger, as the calibration error: an interval that misses their value is
    moved by as much as the median of the resamples differs from it. Resamples where the statistic is undefined are left
    out; raises Undefined when that is more than half of them.
    """
    arrays = [np.asarray(column) for column in columns]
    random = np.random.default_rng(seed)
    found: list[float] = []
    for _ in range(resamples):
        rows = random.integers(0, len(arrays[0]), len(arrays[0])) if len(arrays[0]) else np.zeros(0, dtype=int)
        try:
            found.append(statistic(*(array[rows] for array in arrays)))
        except Undefined:
            continue
    if 2 * len(found) < resamples or not found:
        raise Undefined("too few rows for an interval")
    low, middle, high = np.percentile(found, [2.5, 50, 97.5])
    value = statistic(*arrays)
    if not low <= value <= high:
        least = 0.0 if min(found) >= 0 else -np.inf
        low, high = max(low + value - middle, least), high + value - middle
    return float(low), float(high)


def tokens(text: str) -> list[str]:
    """Words and numbers, casefolded; without punctuation and citation marks.

    ``8,849`` becomes ``8849`` and ``%`` the word percent.
    """
    found = _TOKEN.findall(_THOUSANDS.sub("", _MARK.sub(" ", text)))
    return ["percent" if token == "%" else token.casefold() for token in found]


def answer_hit(reply: str, answers: Sequence[str]) -> bool:
    """Whether any of the answers stands in the reply as an unbroken sequence of whole tokens."""
    reply_tokens = tokens(reply)
    for answer in answers:
        wanted = tokens(answer)
        if wanted and any(
            reply_tokens[i : i + len(wanted)] == wanted for i in range(len(reply_tokens) - len(wanted) + 1)
        ):
            return True
    return False


def token_overlap(response: str, evidence: str) -> float:
    """Share of the response's content words that stand in the evidence: the baseline of grounding.

    All words count when none has content; a response without words gets 0.
    """
    response_tokens = tokens(response)
    content = [token for token in response_tokens if token not in _FUNCTION] or response_tokens
    held = set(tokens(evidence))
    return sum(token in held for token in content) / len(content) if content else 0.0


def _classes(labels: Labels, scores: Values) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    y, x = np.asarray(labels, dtype=bool), np.asarray(scores, dtype=float)
    if len(y) != len(x):
        raise ValueError(f"{len(y)} labels and {len(x)} scores: one score per label")
    if not len(y) or y.all() or not y.any():
        raise Undefined("no rows" if not len(y) else f"one class only: every label is {int(y[0])}")
    return y, x


def _decisions(labels: Labels, positive: Labels) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    y, called = np.asarray(labels, dtype=bool), np.asarray(positive, dtype=bool)
    if len(y) != len(called):
        raise ValueError(f"{len(y)} labels and {len(called)} decisions: one decision per label")
    return y, called


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean: NDArray[np.float64] = counts.cumsum() - (counts - 1) / 2
    return mean[inverse]


def _share(hits: int, n: int, without: str) -> float:
    if not n:
        raise Undefined(without)
    return hits / n


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))
