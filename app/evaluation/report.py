"""The result of an evaluation: metrics under their names, each with n and an interval, or the reason why it is missing.

Every number it holds is finite; what does not exist is None.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.evaluation.metrics import Interval, Undefined, bootstrap, wilson

MANY: Final = 5000  # rows from which fewer resamples give as steady an interval
FEW: Final = 30  # rows below which a share has Wilson's interval
DRAWS: Final = 4000  # resamples of a share, of which only the count matters


class Report:
    """Metrics by path, such as ``("dense", "ndcg@10")``, nested in the result.

    Intervals are the percentile bootstrap's (Efron 1979), by `seed`. A share of fewer than FEW rows, or one that is 0
    or 1, has Wilson's interval: the bootstrap would be sure of it.
    """

    def __init__(self, seed: int = 0) -> None:
        self.metrics: dict[str, Any] = {}
        self.ci95: dict[str, Any] = {}
        self.n_of: dict[str, Any] = {}
        self.undefined: dict[str, str] = {}
        self._seed = seed

    def put(self, path: str | tuple[str, ...], value: object) -> None:
        """Keep a value as it is; a number that is not finite becomes None."""
        if isinstance(value, float) and not math.isfinite(value):
            value = None
        _place(self.metrics, path, value)

    def measure(
        self,
        path: str | tuple[str, ...],
        statistic: Callable[..., float],
        *columns: Sequence[Any] | NDArray[Any],
        interval: bool = True,
    ) -> None:
        """Keep ``statistic(*columns)`` with its bootstrap interval, or None with the reason."""
        arrays = [np.asarray(column) for column in columns]
        rows = len(arrays[0]) if arrays else 0
        resamples = 400 if rows < MANY else 200
        self._keep(
            path,
            rows,
            lambda: statistic(*arrays),
            (lambda: bootstrap(statistic, *arrays, resamples=resamples, seed=self._seed)) if interval else None,
        )

    def mean(self, path: str | tuple[str, ...], values: Sequence[float] | NDArray[Any]) -> None:
        """Keep the mean of the values with its bootstrap interval."""
        self.measure(path, _mean, values)

    def share(self, path: str | tuple[str, ...], flags: Sequence[bool] | NDArray[np.bool_], of: str = "rows") -> None:
        """Keep the share of true flags with its interval; `of` names what is counted."""
        n = len(flags)
        self.counted(path, int(np.count_nonzero(np.asarray(flags, dtype=bool))), n, of)

    def counted(self, path: str | tuple[str, ...], hits: int, n: int, of: str = "rows") -> None:
        """Keep the share that `hits` are of `n`, as `share` does."""

        def value() -> float:
            if not n:
                raise Undefined(f"there are no {of}")
            return hits / n

        self._keep(path, n, value, lambda: _share_interval(hits, n, self._seed))

    def missing(self, path: str | tuple[str, ...], reason: str) -> None:
        """Keep None and the reason."""
        self.put(path, None)
        self.undefined[path if isinstance(path, str) else ".".join(path)] = reason

    def _keep(
        self,
        path: str | tuple[str, ...],
        n: int,
        value: Callable[[], float],
        interval: Callable[[], Interval] | None,
    ) -> None:
        _place(self.n_of, path, n)
        try:
            self.put(path, round(float(value()), 6))
        except Undefined as error:
            self.missing(path, str(error))
            return
        if interval is None:
            return
        try:
            _place(self.ci95, path, [round(limit, 6) for limit in interval()])
        except Undefined:
            _place(self.ci95, path, None)


def _share_interval(hits: int, n: int, seed: int) -> Interval:
    """The bootstrap of a share draws n rows, of which hits/n are true: a binomial."""
    if n < FEW or hits in (0, n):
        return wilson(hits, n)
    drawn = np.random.default_rng(seed).binomial(n, hits / n, DRAWS) / n
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def _mean(values: Sequence[float]) -> float:
    if not len(values):
        raise Undefined("there are no rows")
    return float(np.mean(values))


def _place(tree: dict[str, Any], path: str | tuple[str, ...], value: object) -> None:
    *branches, leaf = (path,) if isinstance(path, str) else path
    for branch in branches:
        tree = tree.setdefault(branch, {})
    tree[leaf] = value
