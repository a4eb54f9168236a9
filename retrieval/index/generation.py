"""The published index: vectors and words of all passages, as checksummed generations in a folder.

    <folder>/CURRENT                  the id of the generation that is served
    <folder>/<id>/vectors*            cosine search
    <folder>/<id>/lexical/            word search
    <folder>/<id>/manifest.json       written last: sizes and SHA-256 of the files, and what they hold

A generation is complete before CURRENT names it, so a crash at any moment leaves the old one served.
Knows ids, vectors and texts; nothing of documents or of where passages live.
"""

import fcntl
import logging
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.index import dense
from retrieval.index.dense import Dense, Ids
from retrieval.index.lexical import Lexical, write
from retrieval.index.manifest import NAME, SCHEMA, Manifest, listed, read_manifest, sync, verified
from retrieval.index.shard import Shard
from retrieval.passages import embedding_text
from retrieval.types import Embedder, IndexDamaged, Passage, RetrievalError, Vectors

_log = logging.getLogger(__name__)


class Generation:
    """An opened, verified index. Safe to search from several threads."""

    def __init__(self, name: str, manifest: Manifest, dense: Dense, lexical: Lexical) -> None:
        self.id = name
        self.count = dense.count
        self.dimension = manifest.dimension
        self.encoder = manifest.encoder
        self.created = manifest.created
        self._manifest = manifest
        self._dense = dense
        self._lexical = lexical

    @property
    def ids(self) -> Ids:
        """The ids of the passages that can be found, ascending."""
        return self._dense.ids

    def holds(self, ids: Sequence[int] | Ids) -> NDArray[np.bool_]:
        """Say of each id whether it can be found."""
        return self._dense.holds(ids)

    def spans(self, ids: Sequence[int] | Ids) -> bool:
        """Say whether `keeping` is enough for these ids: none is missing, and no more than a fifth is wasted."""
        return bool(np.isin(ids, self.ids).all()) and not self._dense.wasteful(len(ids))

    def keeping(self, ids: Sequence[int] | Ids) -> "Generation":
        """Return this generation without the passages that are not among `ids`; nothing is written or copied."""
        return Generation(self.id, self._manifest, self._dense.keeping(ids), self._lexical)

    def dense(self, vectors: Vectors, k: int) -> tuple[Ids, NDArray[np.float32]]:
        """Return ids and cosines, each (queries, min(k, count)), best first."""
        return self._dense.search(vectors, k)

    def lexical(self, query: str, k: int) -> list[tuple[int, float]]:
        """Return up to `k` (id, BM25 score), best first. Raises RetrievalError when the search fails."""
        depth = k
        while True:
            hits = self._lexical.search(query, depth)
            if self.count == self._manifest.count:
                return hits
            here = self.holds([number for number, _ in hits])
            found = [hit for hit, held in zip(hits, here, strict=True) if held]
            if len(found) >= k or len(hits) < depth:
                return found[:k]
            depth *= 2

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        """The words of the texts with the number of texts that hold each; read when first asked for."""
        return self._lexical.vocabulary()

    def vectors(self, ids: Sequence[int]) -> Vectors:
        """Return the stored vectors of these ids, shape (ids, dimension). Raises RetrievalError for unknown ones."""
        return self._dense.vectors(ids)

    @property
    def shards(self) -> Sequence[Shard]:
        """What is searched by cosine."""
        return self._dense.shards

    def base_for(self, ids: Sequence[int]) -> Dense | None:
        """Return the vectors to which those of new `ids` can be added, None when it is better to start afresh."""
        return self._dense if self._dense.grows_into(ids) else None


def build(
    folder: Path,
    ids: Sequence[int],
    vectors: Vectors,
    texts: Sequence[str],
    encoder: str,
    before: Generation | None = None,
) -> Generation:
    """Write a generation, verify it by reading it back, publish it as current, and return it opened.

    `ids` are distinct and not negative; `vectors` are unit rows, (ids, dimension). From `before`, a generation of
    the same encoder, the vectors of ids that it holds are taken where that saves time. Raises ValueError when
    the three disagree, RetrievalError when the folder cannot be written; then the old one stays current.
    """
    _check_parts(ids, vectors, texts)
    base = before.base_for(ids) if before and before.encoder == encoder else None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            path = folder / f"{_next_number(folder):08d}-{secrets.token_hex(4)}"
            try:
                (path / "lexical").mkdir(parents=True)
                write(path / "lexical", ids, texts)
                (base.write if base else dense.write)(path, ids, vectors)
                _seal(path, len(ids), vectors.shape[1], encoder)
                generation = _open(path)
                _publish(folder, path.name)
            except BaseException:
                shutil.rmtree(path, ignore_errors=True)
                raise
            _sweep(folder)
    except IndexDamaged as error:
        raise RetrievalError(f"the new index does not read back as written, check the disk: {error}") from error
    except OSError as error:
        raise RetrievalError(
            f"cannot write the index in {str(folder)!r}: {error.strerror or error}; the old one stays in use"
        ) from error
    return generation


def build_of(folder: Path, passages: Sequence[Passage], embedder: Embedder) -> Generation:
    """Embed the passages and `build` their index."""
    texts = [embedding_text(passage) for passage in passages]
    ids = [passage.id for passage in passages]
    return build(folder, ids, embedder.encode(texts), texts, embedder.fingerprint)


def open_current(folder: Path, encoder: str) -> Generation | None:
    """Open the published generation, or return None when nothing was ever published.

    Every byte is verified before it is used. A damaged generation is renamed to ``<id>.damaged``; the one before
    it is served with a warning that names the damage, and becomes the current one. Raises IndexDamaged, naming file
    and difference, when there is none to serve or when the index was made by another encoder; build it again then.
    """
    try:
        current = _current(folder)
    except FileNotFoundError:
        if not any(folder.glob(f"*/{NAME}")):
            return None
        current = ""
    except OSError as error:
        raise RetrievalError(f"cannot read the index in {str(folder)!r}: {error.strerror}") from error
    names = sorted(_names(folder), reverse=True)
    first: IndexDamaged | None = None
    if current in names:
        names = names[names.index(current) :]
    else:
        first = IndexDamaged(f"{folder / 'CURRENT'} names no index that is there, but {current[:40]!r}")
    for name in names:
        try:
            generation = _open(folder / name)
        except IndexDamaged as error:
            first = first or error
            with suppress(OSError):
                (folder / name).rename(folder / f"{name}.damaged")
            continue
        if generation.encoder != encoder:
            raise IndexDamaged(
                f"the index {name} was made by the encoder {generation.encoder!r}, not {encoder!r}: build it again"
            )
        if first:
            _log.warning("%s; the index before it, %s, is served", first, name)
            with suppress(OSError), _locked(folder, wait=False):
                if not current or _current(folder) == current:
                    _publish(folder, name)
        return generation
    assert first is not None
    raise first


def sweep(folder: Path, earlier: bool = True) -> None:
    """Remove all but the current generation and, with `earlier`, the one before it.

    Nothing is removed while one is being built; without `earlier` that is waited for.
    """
    if folder.is_dir():
        with suppress(OSError), _locked(folder, wait=not earlier):
            _sweep(folder, earlier)


def _check_parts(ids: Sequence[int], vectors: Vectors, texts: Sequence[str]) -> None:
    if vectors.ndim != 2 or not len(ids) == len(vectors) == len(texts):
        raise ValueError(f"{len(ids)} ids, vectors of shape {vectors.shape} and {len(texts)} texts disagree")
    if len(set(ids)) != len(ids) or any(number < 0 for number in ids):
        raise ValueError("ids have to be distinct and not negative")
    if not np.isfinite(vectors).all():
        raise ValueError("a vector holds a number that is not finite")


def _seal(path: Path, count: int, dimension: int, encoder: str) -> None:
    """Write the manifest of a finished generation, all through to the disk."""
    created = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = Manifest(SCHEMA, encoder, count, dimension, created, listed(path))
    (path / NAME).write_bytes(manifest.render())
    for place in (path / NAME, path / "lexical", path):
        sync(place)


def _open(path: Path) -> Generation:
    """Verify every file of the generation, then open it. Raises IndexDamaged."""
    manifest = read_manifest(path / NAME)
    held = {name: verified(path / name, *expected) for name, expected in manifest.files.items()}
    try:
        vectors = dense.load(held)
        lexical = Lexical(path / "lexical")
    except RetrievalError as error:
        raise IndexDamaged(f"{path} cannot be opened: {error}") from error
    for what, found, expected in [
        ("vectors", vectors.count, manifest.count),
        ("dimensions", vectors.dimension, manifest.dimension),
        ("texts", lexical.count, manifest.count),
    ]:
        if found != expected:
            raise IndexDamaged(f"{path} holds {found} {what}, its manifest says {expected}")
    return Generation(path.name, manifest, vectors, lexical)


def _publish(folder: Path, name: str) -> None:
    sync(folder)
    temporary = folder / f"CURRENT.{secrets.token_hex(4)}"
    try:
        temporary.write_text(f"{name}\n", "ascii")
        sync(temporary)
        os.replace(temporary, folder / "CURRENT")
    finally:
        temporary.unlink(missing_ok=True)
    sync(folder)


@contextmanager
def _locked(folder: Path, wait: bool = True) -> Iterator[None]:
    """Hold the folder's lock, so that no sweep removes what another process is still writing."""
    with (folder / "LOCK").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _sweep(folder: Path, earlier: bool = True) -> None:
    with suppress(FileNotFoundError):
        current = _current(folder)
        names = sorted(_names(folder))
        if current not in names:
            return
        before = [name for name in names if name < current][-1:] if earlier else []
        keep = {current, *before, "CURRENT", "LOCK"}
        for path in folder.iterdir():
            if path.name not in keep:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _current(folder: Path) -> str:
    return (folder / "CURRENT").read_text("ascii", errors="replace").strip()


def _names(folder: Path) -> list[str]:
    """The generations in the folder, complete or not, damaged ones left out."""
    return [path.name for path in folder.iterdir() if path.is_dir() and not path.suffix]


def _next_number(folder: Path) -> int:
    numbers = [int(head) for head in (p.name.partition("-")[0] for p in folder.iterdir()) if head.isdecimal()]
    return max(numbers, default=0) + 1
