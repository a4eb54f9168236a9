"""Search by cosine: a faiss index whose kind follows from how many vectors there are, and the ids of its rows.

    vectors.faiss    the vectors in float16; above EXACT of them with an HNSW graph (Malkov and Yashunin 2016)
    vectors.ids      the id of every row, 64-bit little-endian; ``~id`` where the passage is gone

Knows nothing of words, texts, generations or whether the files are whole. Only this file imports faiss.
"""

import mmap
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from retrieval.types import RetrievalError, Vectors

if TYPE_CHECKING:
    import faiss

VECTORS: Final = "vectors.faiss"
IDS: Final = "vectors.ids"
EXACT = 100_000  # vectors up to which every one is compared with the query
DEEPEST: Final = 1_000  # results beyond which a graph is no faster than comparing all
_NEIGHBOURS: Final = 48  # of a vertex in the graph
_CONSTRUCTION: Final = 120  # candidates when a vertex is placed (efConstruction)
BREADTH = 256  # candidates when the graph is searched (efSearch)
_BATCH: Final = 50_000  # vectors added at once

Ids = NDArray[np.int64]


class Dense:
    """Vectors opened for search; those of `gone` rows are never found. Safe to use from several threads.

    Made by `load`, and by `without` from another; the vectors are then shared.
    """

    def __init__(self, index: "faiss.Index", data: NDArray[np.uint8], rows: Ids, gone: NDArray[np.bool_]) -> None:
        self._index: Any = index
        self._data = data  # faiss reads from these bytes for as long as it lives
        self._rows = rows
        self._gone = gone
        self._order = np.argsort(rows, kind="stable")
        self._selector = _faiss().IDSelectorBitmap(np.packbits(~gone, bitorder="little")) if gone.any() else None
        self.count = len(rows) - int(gone.sum())
        self.dimension: int = index.d

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
        return Dense(self._index, self._data, self._rows, self._gone | ~np.isin(self._rows, ids))

    def search(self, vectors: Vectors, k: int) -> tuple[Ids, NDArray[np.float32]]:
        """Return ids and cosines, each (queries, min(k, count)), best first."""
        k = min(k, self.count)
        if k < 1 or not len(vectors):
            return np.zeros((len(vectors), 0), np.int64), np.zeros((len(vectors), 0), np.float32)
        faiss = _faiss()
        faiss.omp_set_num_threads(1)  # holds for this thread; waiting OpenMP threads would slow the encoder
        queries = np.ascontiguousarray(vectors, dtype=np.float32)
        if _graph(self._index) and k <= DEEPEST:
            how = faiss.SearchParametersHNSW(efSearch=max(BREADTH, 2 * k), sel=self._selector)
            cosines, rows = self._index.search(queries, k, params=how)
            if (rows >= 0).all():
                return self._rows[rows], cosines
        every = faiss.downcast_index(self._index.storage) if _graph(self._index) else self._index
        cosines, rows = every.search(queries, k, params=faiss.SearchParameters(sel=self._selector))
        return self._rows[rows], cosines

    def vectors(self, ids: Sequence[int] | Ids) -> Vectors:
        """Return the stored vectors of these ids, shape (ids, dimension). Raises RetrievalError for unknown ones."""
        rows = self._places(ids)
        if (rows < 0).any():
            raise RetrievalError(f"the index has no vector of passage {np.asarray(ids)[rows < 0][0]}")
        if not len(rows):
            return np.zeros((0, self.dimension), np.float32)
        found: Vectors = self._index.reconstruct_batch(rows)
        return found

    def wasteful(self, count: int) -> bool:
        """Say whether more than a fifth of the rows are of no use when `count` of them are."""
        return (len(self._rows) - count) * 5 > len(self._rows)

    def grows_into(self, ids: Sequence[int] | Ids) -> bool:
        """Say whether this is a graph to which the vectors of new `ids` are better added than built anew."""
        return _graph(self._index) and not self.wasteful(int(np.isin(self._rows, ids).sum()))

    def write(self, folder: Path, ids: Sequence[int], vectors: Vectors) -> None:
        """Write this graph with the vectors of new `ids` added, and those that `ids` lack gone, as `write` does.

        The vector of an id that is here already is not looked at.
        """
        faiss = _faiss()
        done = 0

        def read(size: int) -> bytes:
            nonlocal done
            done += size
            return self._data[done - size : done].tobytes()

        index = faiss.read_index(faiss.PyCallbackIOReader(read))  # in memory of its own: a mapping cannot grow
        new = np.flatnonzero(self._places(ids) < 0)
        _add(index, vectors, new)
        rows = np.concatenate([self._rows, np.asarray(ids, dtype=np.int64)[new]])
        _save(folder, index, np.where(np.isin(rows, ids), rows, ~rows))

    def _places(self, ids: Sequence[int] | Ids) -> Ids:
        """The row of each id, -1 where there is none."""
        wanted = np.asarray(ids, dtype=np.int64)
        if not len(self._rows):
            return np.full(len(wanted), -1, dtype=np.int64)
        places = np.searchsorted(self._rows, wanted, sorter=self._order)
        rows = self._order[np.minimum(places, len(self._rows) - 1)]
        return np.where(self._rows[rows] == wanted, rows, -1)


def write(folder: Path, ids: Sequence[int], vectors: Vectors) -> None:
    """Write an index of unit rows, (ids, dimension), into the folder. The one place that chooses its kind."""
    faiss = _faiss()
    half, cosine = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    if len(ids) <= EXACT:
        index = faiss.IndexScalarQuantizer(vectors.shape[1], half, cosine)
    else:
        index = faiss.IndexHNSWSQ(vectors.shape[1], half, _NEIGHBOURS, cosine)
        index.hnsw.efConstruction = _CONSTRUCTION
    _add(index, vectors, np.arange(len(ids)))
    _save(folder, index, np.asarray(ids, dtype=np.int64))


def load(vectors: bytes | mmap.mmap, ids: bytes | mmap.mmap) -> Dense:
    """Open what `write` has written; a mapping stays one. Raises RetrievalError when the two disagree."""
    faiss = _faiss()
    data = np.frombuffer(vectors, dtype=np.uint8)
    try:
        index = faiss.read_index(faiss.ZeroCopyIOReader(faiss.swig_ptr(data), len(data)))
        rows = np.frombuffer(ids, dtype="<i8").astype(np.int64)
    except (RuntimeError, ValueError) as error:
        raise RetrievalError(f"{VECTORS} and {IDS} cannot be read: {error}") from error
    if index.ntotal != len(rows):
        raise RetrievalError(f"{VECTORS} holds {index.ntotal} vectors, {IDS} {len(rows)} ids")
    gone = rows < 0
    return Dense(index, data, np.where(gone, ~rows, rows), gone)


def _add(index: "faiss.Index", vectors: Vectors, rows: Ids) -> None:
    faiss = _faiss()
    faiss.omp_set_num_threads(_threads())
    try:
        for start in range(0, len(rows), _BATCH):
            part = vectors[rows[start : start + _BATCH]]
            index.add(np.ascontiguousarray(part, dtype=np.float32))
    finally:
        faiss.omp_set_num_threads(1)


def _save(folder: Path, index: "faiss.Index", rows: Ids) -> None:
    faiss = _faiss()
    with (folder / VECTORS).open("wb") as file:
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))  # errors of the disk arrive as OSError
    (folder / IDS).write_bytes(rows.astype("<i8").tobytes())


def _graph(index: "faiss.Index") -> bool:
    return hasattr(index, "hnsw")


@cache
def _faiss() -> ModuleType:
    import faiss

    _threads()
    return faiss


@cache
def _threads() -> int:
    """How many threads this process may use, asked before any of them is told to use one."""
    import faiss

    threads: int = faiss.omp_get_max_threads()
    return threads
