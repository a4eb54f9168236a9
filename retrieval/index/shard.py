"""One faiss index in a file: exact for few vectors, an HNSW graph for many (Malkov and Yashunin 2016).

Knows vectors by their row; nothing of ids, of words, or whether a file is whole. Only this file imports faiss.
"""

import mmap
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from retrieval.types import RetrievalError, Vectors

if TYPE_CHECKING:
    import faiss

EXACT = 100_000  # vectors up to which every one is compared with the query
DEEPEST: Final = 1_000  # results beyond which a graph is no faster than comparing all
BREADTHS: Final = (64, 96, 128, 192, 256, 384, 512)  # candidates when a graph is searched (efSearch)
FOUND: Final = 0.99  # of the nearest ten of SAMPLE vectors that a graph's breadth has to find
SAMPLE: Final = 200
_UNTUNED: Final = 16  # faiss's default: of a graph that was written before breadths were tried
_NEIGHBOURS: Final = 48  # of a vertex in the graph
_CONSTRUCTION: Final = 120  # candidates when a vertex is placed (efConstruction)
_BATCH: Final = 50_000  # vectors added at once

Rows = NDArray[np.int64]


class Shard:
    """Vectors opened for search; those of `gone` rows are never found. Safe to use from several threads."""

    def __init__(self, index: "faiss.Index", data: NDArray[np.uint8], gone: NDArray[np.bool_]) -> None:
        self._index: Any = index
        self._data = data  # faiss reads from these bytes for as long as it lives
        self._selector = _faiss().IDSelectorBitmap(np.packbits(~gone, bitorder="little")) if gone.any() else None
        self.size = int(index.ntotal)
        self.dimension = int(index.d)
        self.count = self.size - int(gone.sum())
        self.graph = hasattr(index, "hnsw")

    def without(self, gone: NDArray[np.bool_]) -> "Shard":
        """Return the same vectors, these rows gone."""
        return Shard(self._index, self._data, gone)

    def search(self, queries: Vectors, k: int) -> tuple[Rows, NDArray[np.float32]]:
        """Return rows and cosines, each (queries, min(k, count)), best first."""
        k = min(k, self.count)
        if k < 1 or not len(queries):
            return np.zeros((len(queries), max(k, 0)), np.int64), np.zeros((len(queries), max(k, 0)), np.float32)
        faiss = _faiss()
        faiss.omp_set_num_threads(1)  # holds for this thread; waiting OpenMP threads would slow the encoder
        if self.graph and k <= DEEPEST:
            how = faiss.SearchParametersHNSW(efSearch=max(self.breadth, 2 * k), sel=self._selector)
            cosines, rows = self._index.search(queries, k, params=how)
            if (rows >= 0).all():
                return rows, cosines
        every = faiss.downcast_index(self._index.storage) if self.graph else self._index
        cosines, rows = every.search(queries, k, params=faiss.SearchParameters(sel=self._selector))
        return rows, cosines

    @property
    def breadth(self) -> int:
        """How many candidates are kept while the graph is searched."""
        tuned = int(self._index.hnsw.efSearch)
        return BREADTHS[-1] if tuned == _UNTUNED else tuned

    @breadth.setter
    def breadth(self, candidates: int) -> None:
        self._index.hnsw.efSearch = candidates

    def vectors(self, rows: Rows) -> Vectors:
        """Return the stored vectors of these rows, shape (rows, dimension)."""
        found: Vectors = self._index.reconstruct_batch(rows)
        return found

    def write(self, path: Path, vectors: Vectors, new: Rows) -> None:
        """Write these vectors, and after them those of the `new` rows of `vectors`. Raises OSError.

        With every further _BATCH vectors a graph is tried again, and searched no less broadly than before.
        """
        if not len(new):
            path.write_bytes(self._data.data)
            return
        faiss, done = _faiss(), 0

        def read(size: int) -> bytes:
            nonlocal done
            done += size
            return self._data[done - size : done].tobytes()

        index = faiss.read_index(faiss.PyCallbackIOReader(read))  # in memory of its own: a mapping cannot grow
        if (self.size + len(new)) // _BATCH > self.size // _BATCH and self.graph:
            _fill(index, vectors, new, min(SAMPLE, len(new)), self.breadth)
        else:
            _add(index, vectors, new)
        _save(path, index)


def write(path: Path, vectors: Vectors, rows: Rows, graph: bool) -> None:
    """Write a shard of these rows of `vectors`, which are unit rows. Raises OSError.

    A graph is tried with the last SAMPLE of them, a tenth at most, before they are added: it keeps the least of
    BREADTHS by which it finds FOUND of their nearest ten, so that easy vectors are searched fast and hard ones well.
    """
    faiss = _faiss()
    half, cosine = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    if not graph:
        index = faiss.IndexScalarQuantizer(vectors.shape[1], half, cosine)
        _add(index, vectors, rows)
    else:
        index = faiss.IndexHNSWSQ(vectors.shape[1], half, _NEIGHBOURS, cosine)
        index.hnsw.efConstruction = _CONSTRUCTION
        _fill(index, vectors, rows, min(SAMPLE, len(rows) // 10))
    _save(path, index)


def load(data: bytes | mmap.mmap) -> Shard:
    """Open what `write` has written; a mapping stays one. Raises RetrievalError."""
    faiss = _faiss()
    held = np.frombuffer(data, dtype=np.uint8)
    try:
        index = faiss.read_index(faiss.ZeroCopyIOReader(faiss.swig_ptr(held), len(held)))
    except (RuntimeError, ValueError) as error:
        raise RetrievalError(f"the vectors cannot be read: {error}") from error
    return Shard(index, held, np.zeros(index.ntotal, dtype=np.bool_))


def _fill(index: "faiss.IndexHNSW", vectors: Vectors, rows: Rows, sample: int, least: int = 0) -> None:
    """Add these rows to a graph, and try it with the last of them before they are in; `least` bounds its breadth."""
    first = len(rows) - sample
    _add(index, vectors, rows[:first])
    tried = _breadth(index, np.ascontiguousarray(vectors[rows[first:]], dtype=np.float32))
    index.hnsw.efSearch = max(least, tried)
    _add(index, vectors, rows[first:])


def _breadth(index: "faiss.IndexHNSW", queries: Vectors) -> int:
    """Return the least of BREADTHS that finds FOUND of the nearest ten of each query."""
    faiss = _faiss()
    if not len(queries):
        return BREADTHS[-1]
    faiss.omp_set_num_threads(_threads())
    try:
        _, true = faiss.downcast_index(index.storage).search(queries, 10)
        for breadth in BREADTHS:
            _, rows = index.search(queries, 10, params=faiss.SearchParametersHNSW(efSearch=breadth))
            if (rows[:, :, None] == true[:, None]).any(axis=1).mean() >= FOUND:
                return breadth
    finally:
        faiss.omp_set_num_threads(1)
    return BREADTHS[-1]


def _add(index: "faiss.Index", vectors: Vectors, rows: Rows) -> None:
    faiss = _faiss()
    faiss.omp_set_num_threads(_threads())
    try:
        for start in range(0, len(rows), _BATCH):
            part = vectors[rows[start : start + _BATCH]]
            index.add(np.ascontiguousarray(part, dtype=np.float32))
    finally:
        faiss.omp_set_num_threads(1)


def _save(path: Path, index: "faiss.Index") -> None:
    faiss = _faiss()
    with path.open("wb") as file:
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))  # errors of the disk arrive as OSError


@cache
def _faiss() -> ModuleType:
    import faiss

    _threads()
    return faiss


@cache
def _threads() -> int:
    """How many threads this process may use, read before any library limits itself to one."""
    import faiss

    threads: int = faiss.omp_get_max_threads()
    return threads
