"""The result of an evaluation: metrics under their names, intervals, and the reason where one is missing.

Every number it holds is finite; what does not exist is None.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from app.evaluation.metrics import Interval, Undefined, bootstrap, wilson

MANY = 5000  # rows from which fewer resamples give as steady an interval


class Report:
    """Metrics by path, such as ``("dense", "ndcg@10")``, nested in the result."""

    def __init__(self) -> None:
        self.metrics: dict[str, Any] = {}
        self.ci95: dict[str, Any] = {}
        self.undefined: dict[str, str] = {}

    def put(self, path: str | tuple[str, ...], value: object) -> None:
        """Keep a value as it is; a number that is not finite becomes None."""
        if isinstance(value, float) and not math.isfinite(value):
            value = None
        _place(self.metrics, path, value)

    def measure(
        self,
        path: str | tuple[str, ...],
        statistic: Callable[..., float],
        *columns: Sequence[Any],
        interval: bool = True,
    ) -> None:
        """Keep ``statistic(*columns)`` with its bootstrap interval, or None with the reason."""
        arrays = [np.asarray(column) for column in columns]
        rows = len(arrays[0]) if arrays else 0
        self._keep(
            path,
            lambda: statistic(*arrays),
            (lambda: bootstrap(statistic, *arrays, resamples=400 if rows < MANY else 200)) if interval else None,
        )

    def mean(self, path: str | tuple[str, ...], values: Sequence[float]) -> None:
        """Keep the mean of the values with its bootstrap interval."""
        self.measure(path, _mean, values)

    def share(self, path: str | tuple[str, ...], flags: Sequence[bool], of: str = "rows") -> None:
        """Keep the share of true flags with its Wilson interval; `of` names what is counted."""
        hits, n = sum(map(bool, flags)), len(flags)

        def value() -> float:
            if not n:
                raise Undefined(f"there are no {of}")
            return hits / n

        self._keep(path, value, lambda: wilson(hits, n))

    def missing(self, path: str | tuple[str, ...], reason: str) -> None:
        """Keep None and the reason."""
        self.put(path, None)
        self.undefined[path if isinstance(path, str) else ".".join(path)] = reason

    def _keep(
        self,
        path: str | tuple[str, ...],
        value: Callable[[], float],
        interval: Callable[[], Interval] | None,
    ) -> None:
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


def _mean(values: Sequence[float]) -> float:
    if not len(values):
        raise Undefined("there are no rows")
    return float(np.mean(values))


def _place(tree: dict[str, Any], path: str | tuple[str, ...], value: object) -> None:
    *branches, leaf = (path,) if isinstance(path, str) else path
    for branch in branches:
        tree = tree.setdefault(branch, {})
    tree[leaf] = value
