"""What an evaluation of rows is: how rows become records, and records metrics. The pieces kinds share.

A record is a flat JSON object with what the metrics need of one row; ``{"error": reason}`` when it failed, and
``"undetermined": true`` when the judge or the guard gave no score: then it is counted apart.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, Generic, Protocol

from app.evaluation.columns import Columns, Measured
from app.evaluation.judging import Judges
from app.evaluation.report import Report
from app.evaluation.rows import EvaluationError, RowT
from dialogue.types import DialogueError
from retrieval.types import RetrievalError
from safety.types import SafetyError

Record = dict[str, Any]
BATCH = 32


class Collector(Protocol):
    """Takes the records of a run one by one, and measures them at the end."""

    def add(self, record: Record) -> None: ...  # noqa: D102

    def summarise(self, report: Report) -> None: ...  # noqa: D102


class Listed:
    """A collector that keeps the records: for kinds whose sets are small."""

    def __init__(self, summarise: Callable[[Report, Sequence[Record]], None]) -> None:
        self._records: list[Record] = []
        self._summarise = summarise

    def add(self, record: Record) -> None:
        """Keep it."""
        self._records.append(record)

    def summarise(self, report: Report) -> None:
        """Measure them all."""
        self._summarise(report, self._records)


class Columned:
    """A collector that keeps of each record what is measured of it, in columns: for any number of rows."""

    def __init__(self, measured: Callable[[Record], Measured], summarise: Callable[[Report, Columns], None]) -> None:
        self.columns = Columns()
        self._measured = measured
        self._summarise = summarise

    def add(self, record: Record) -> None:
        """Keep its measures."""
        self.columns.add(self._measured(record))

    def summarise(self, report: Report) -> None:
        """Measure them all."""
        self._summarise(report, self.columns)


@dataclass(frozen=True)
class RowTask(Generic[RowT]):
    """One kind of evaluation over rows.

    `key`, where given, keeps neighbours of one key in one batch; `cost` gives the words of a row, of which a batch
    holds about `budget` and at most `size` rows. `served`: rows count whether or not they could be judged. `measured`
    are the measures of one record, None for a kind that has none.
    """

    row: type[RowT]
    score: Callable[[Judges, Sequence[RowT]], list[Record]]
    collector: Callable[[], Collector]
    key: Callable[[RowT], object] | None = None
    size: int = BATCH
    cost: Callable[[RowT], int] | None = None
    budget: int = 0
    served: bool = False
    measured: Callable[[Record], Measured] | None = None

    def batches(self, rows: Iterable[tuple[int, RowT]]) -> Iterator[list[tuple[int, RowT]]]:
        """Cut the rows into batches, the same ones for the same rows."""
        if self.key is not None:
            key = self.key
            for _, group in groupby(rows, key=lambda pair: key(pair[1])):
                yield list(group)
            return
        if self.cost is not None:
            yield from self._within(rows, self.cost)
            return
        rows = iter(rows)
        while batch := list(islice(rows, self.size)):
            yield batch

    def _within(
        self, rows: Iterable[tuple[int, RowT]], cost: Callable[[RowT], int]
    ) -> Iterator[list[tuple[int, RowT]]]:
        batch: list[tuple[int, RowT]] = []
        held = 0
        for pair in rows:
            words = cost(pair[1])
            if batch and (held + words > self.budget or len(batch) == self.size):
                yield batch
                batch, held = [], 0
            batch.append(pair)
            held += words
        if batch:
            yield batch


def scored(kind: RowTask[RowT], judges: Judges, rows: Sequence[RowT]) -> list[Record]:
    """Score a batch by itself; when it fails, its rows one by one, so that only the bad ones are lost."""
    if not rows:
        return []
    judges.forget()
    try:
        return [_sound(record) for record in kind.score(judges, rows)]
    except (DialogueError, RetrievalError, SafetyError, EvaluationError, ValueError, RuntimeError) as error:
        if len(rows) == 1:
            return [{"error": f"{type(error).__name__}: {error}"}]
        return [record for row in rows for record in scored(kind, judges, [row])]


def _sound(record: Record) -> Record:
    """Return the record, or an error where it cannot be counted: a number is not finite, a text half a character."""
    try:
        json.dumps(record, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        return {"error": f"what came of the row cannot be kept: {error}"}
    return record


def grouped(records: Sequence[Record], key: str) -> dict[str, list[Record]]:
    """Return the records by the value of a key, in order of first appearance, the empty value left out."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        if record.get(key):
            groups.setdefault(record[key], []).append(record)
    return groups
