"""What an evaluation of rows is: how rows become records, and records metrics. The pieces kinds share.

A record is a flat JSON object with what the metrics need of one row; ``{"error": reason}`` when it failed, and
``"undetermined": true`` when the judge or the guard gave no score: then it is counted apart.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, Generic

from app.bot import Bot
from app.evaluation.report import Report
from app.evaluation.rows import RowT

Record = dict[str, Any]
BATCH = 32


@dataclass(frozen=True)
class RowTask(Generic[RowT]):
    """One kind of evaluation over rows. `key`, where given, keeps neighbours of one key in one batch."""

    row: type[RowT]
    score: Callable[[Bot, Sequence[RowT]], list[Record]]
    summarise: Callable[[Report, Sequence[Record]], None]
    key: Callable[[RowT], object] | None = None
    size: int = BATCH

    def batches(self, rows: Iterable[tuple[int, RowT]]) -> Iterator[list[tuple[int, RowT]]]:
        """Cut the rows into batches."""
        if self.key is not None:
            key = self.key
            for _, group in groupby(rows, key=lambda pair: key(pair[1])):
                yield list(group)
            return
        rows = iter(rows)
        while batch := list(islice(rows, self.size)):
            yield batch


def grouped(records: Sequence[Record], key: str) -> dict[str, list[Record]]:
    """Return the records by the value of a key, in order of first appearance, the empty value left out."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        if record.get(key):
            groups.setdefault(record[key], []).append(record)
    return groups
