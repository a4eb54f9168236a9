"""Search by cosine: shards of vectors, and the ids of their rows.

    vectors.faiss, vectors-1.faiss, ...   the shards; one up to LARGEST vectors
    vectors.ids                           the id of every row, shard after shard, 64-bit little-endian; ``~id`` where
                                          the passage is gone

Shards are searched by as many threads: two graphs of half the vectors find more in the same time than one of all.
"""

import mmap
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from retrieval.index import shard
from retrieval.index.shard import Shard
from retrieval.types import RetrievalError, Vectors

IDS: Final = "vectors.ids"
LARGEST = 500_000  # vectors of a shard

Ids = NDArray[np.int64]


class Dense:
    """Vectors opened for search; those of `gone` rows are never found. Safe to use from several threads.

    Made by `load`, and by `keeping` from another; the vectors are then shared.
    """

    def __init__(self, shards: Sequence[Shard], rows: Ids, gone: NDArray[np.bool_]) -> None:
        self._starts = np.cumsum([0, *(each.size for each in shards)])
        self.shards = [
            each.without(gone[start : start + each.size]) for each, start in zip(shards, self._starts, strict=False)
        ]
        self._rows = rows
        self._gone = gone
        self._order = np.argsort(rows, kind="stable")
        self.count = len(rows) - int(gone.sum())
        self.dimension = shards[0].dimension

    @property
    def ids(self) -> Ids:
        """The ids that can be found, ascending."""
        return self._rows[self._order[~self._gone[self._order]]]

    def holds(self, ids: Sequence[int] | Ids) -> NDArray[np.bool_]:
        """Say of each id whether it can be found."""
        rows = self._places(ids)
        found = rows >= 0
        found[found] = ~self._gone[rows[found]]
        return found

    def keeping(self, ids: Sequence[int] | Ids) -> "Dense":
        """Return the same vectors with all but those of `ids` never found."""
        return Dense(self.shards, self._rows, self._gone | ~np.isin(self._rows, ids))

    def search(self, vectors: Vectors, k: int) -> tuple[Ids, NDArray[np.float32]]:
        """Return ids and cosines, each (queries, min(k, count)), best first."""
        queries = np.ascontiguousarray(vectors, dtype=np.float32)
        first, *others = self.shards
        waiting = [_pool().submit(each.search, queries, k) for each in others]
        found = [first.search(queries, k), *(each.result() for each in waiting)]
        rows = np.concatenate([rows + start for (rows, _), start in zip(found, self._starts, strict=False)], axis=1)
        cosines = np.concatenate([cosines for _, cosines in found], axis=1)
        if others:
            best = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
            rows, cosines = np.take_along_axis(rows, best, axis=1), np.take_along_axis(cosines, best, axis=1)
        return self._rows[rows], cosines

    def vectors(self, ids: Sequence[int] | Ids) -> Vectors:
        """Return the stored vectors of these ids, shape (ids, dimension). Raises RetrievalError for unknown ones."""
        rows = self._places(ids)
        if (rows < 0).any():
            raise RetrievalError(f"the index has no vector of passage {np.asarray(ids)[rows < 0][0]}")
        found = np.zeros((len(rows), self.dimension), np.float32)
        for each, start in zip(self.shards, self._starts, strict=False):
            here = (rows >= start) & (rows < start + each.size)
            if here.any():
                found[here] = each.vectors(rows[here] - start)
        return found

    def wasteful(self, count: int) -> bool:
        """Say whether more than a fifth of the rows are of no use when `count` of them are."""
        return (len(self._rows) - count) * 5 > len(self._rows)

    def grows_into(self, ids: Sequence[int] | Ids) -> bool:
        """Say whether these are graphs to which the vectors of new `ids` are better added than built again."""
        graphs = all(each.graph for each in self.shards)
        return graphs and not self.wasteful(int(np.isin(self._rows, ids).sum()))

    def write(self, folder: Path, ids: Sequence[int], vectors: Vectors) -> None:
        """Write these graphs with the vectors of new `ids` added, and those that `ids` lack gone, as `write` does.

        The vector of an id that is here already is not looked at.
        """
        numbers = np.asarray(ids, dtype=np.int64)
        new = np.flatnonzero(self._places(ids) < 0)
        rows: list[Ids] = []
        for place, each in enumerate(self.shards):
            here = self._rows[self._starts[place] : self._starts[place + 1]]
            room = max(0, LARGEST - each.size)
            added, new = new[:room], new[room:]
            each.write(folder / _name(place), vectors, added)
            rows += [np.where(np.isin(here, numbers), here, ~here), numbers[added]]
        if len(new):
            rows += [numbers[part] for part in _write_shards(folder, vectors, new, first=len(self.shards))]
        _write_ids(folder, rows)

    def _places(self, ids: Sequence[int] | Ids) -> Ids:
        """The row of each id, -1 where there is none."""
        wanted = np.asarray(ids, dtype=np.int64)
        if not len(self._rows):
            return np.full(len(wanted), -1, dtype=np.int64)
        places = np.searchsorted(self._rows, wanted, sorter=self._order)
        rows = self._order[np.minimum(places, len(self._rows) - 1)]
        return np.where(self._rows[rows] == wanted, rows, -1)


def write(folder: Path, ids: Sequence[int], vectors: Vectors) -> None:
    """Write an index of unit rows, (ids, dimension), into the folder."""
    numbers = np.asarray(ids, dtype=np.int64)
    _write_ids(folder, [numbers[part] for part in _write_shards(folder, vectors, np.arange(len(ids)))])


def load(files: Mapping[str, bytes | mmap.mmap]) -> Dense:
    """Open what `write` has written; a mapping stays one. Raises RetrievalError when a file is missing or wrong."""
    shards: list[Shard] = []
    while _name(len(shards)) in files:
        shards.append(shard.load(files[_name(len(shards))]))
    if not shards or IDS not in files:
        raise RetrievalError(f"there is no {IDS if shards else _name(0)}")
    try:
        rows = np.frombuffer(files[IDS], dtype="<i8").astype(np.int64)
    except ValueError as error:
        raise RetrievalError(f"{IDS} cannot be read: {error}") from error
    total = sum(each.size for each in shards)
    if total != len(rows):
        raise RetrievalError(f"there are {total} vectors, {IDS} holds {len(rows)} ids")
    gone = rows < 0
    return Dense(shards, np.where(gone, ~rows, rows), gone)


def _write_shards(folder: Path, vectors: Vectors, rows: Ids, first: int = 0) -> list[Ids]:
    """Write shards of these rows of `vectors`, all about as large; return the rows of each as they stand in it."""
    graph = first > 0 or len(rows) > shard.EXACT
    if graph:  # it is tried with its last vectors, which therefore are not those of the last document
        last = np.random.default_rng(0).permutation(len(rows)) < shard.SAMPLE * (1 + len(rows) // LARGEST)
        rows = np.concatenate([rows[~last], rows[last]])
    shards = -(-len(rows) // LARGEST) or 1
    parts = [rows[start::shards] for start in range(shards)]
    for place, part in enumerate(parts, first):
        shard.write(folder / _name(place), vectors, part, graph)
    return parts


def _write_ids(folder: Path, parts: Sequence[Ids]) -> None:
    (folder / IDS).write_bytes(np.concatenate(parts).astype("<i8").tobytes())


def _name(place: int) -> str:
    return f"vectors-{place}.faiss" if place else "vectors.faiss"


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="shard")
