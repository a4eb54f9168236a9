"""The published index: vectors and words of all passages, as checksummed generations in a folder.

    <folder>/CURRENT                  the id of the generation that is served
    <folder>/<id>/vectors.faiss       cosine search
    <folder>/<id>/lexical/            word search
    <folder>/<id>/manifest.json       written last: sizes and SHA-256 of the files, and what they hold

A generation is complete before CURRENT names it, so a crash at any moment leaves the old one served.
Knows ids, vectors and texts; nothing of documents or of where passages live. Only this file imports faiss.
"""

import fcntl
import hashlib
import json
import logging
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.lexical import Lexical, write
from retrieval.types import IndexDamaged, RetrievalError, Vectors

if TYPE_CHECKING:
    import faiss

SCHEMA = 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation holds. `files` maps a relative path to (size in bytes, SHA-256)."""

    schema: int
    encoder: str
    count: int
    dimension: int
    created: str
    files: dict[str, tuple[int, str]]

    def render(self) -> bytes:
        """Return the only bytes that stand for this manifest: JSON with its own SHA-256 at the end."""
        fields = asdict(self)
        digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
        return json.dumps({**fields, "sha256": digest}, indent=1).encode() + b"\n"


class Generation:
    """An opened, verified index. Safe to search from several threads."""

    def __init__(self, name: str, manifest: Manifest, vectors: "faiss.Index", lexical: Lexical) -> None:
        self.id = name
        self.count = manifest.count
        self.dimension = manifest.dimension
        self.encoder = manifest.encoder
        self.created = manifest.created
        self._vectors = vectors
        self._lexical = lexical

    def dense(self, vectors: Vectors, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return ids and cosines, each (queries, min(k, count)), best first."""
        import faiss

        k = min(k, self.count)
        if k < 1 or not len(vectors):
            return np.zeros((len(vectors), 0), np.int64), np.zeros((len(vectors), 0), np.float32)
        faiss.omp_set_num_threads(1)  # holds for this thread; waiting OpenMP threads would slow the encoder
        cosines, ids = self._vectors.search(np.ascontiguousarray(vectors, dtype=np.float32), k)
        return ids, cosines

    def lexical(self, query: str, k: int) -> list[tuple[int, float]]:
        """Return up to `k` (id, BM25 score), best first. Raises RetrievalError when the search fails."""
        return self._lexical.search(query, k)

    def vectors(self, ids: Sequence[int]) -> Vectors:
        """Return the stored vectors of these ids, shape (ids, dimension)."""
        rows = [self._vectors.reconstruct(int(number)) for number in ids]
        return np.asarray(rows, dtype=np.float32).reshape(len(ids), self.dimension)


def build(folder: Path, ids: Sequence[int], vectors: Vectors, texts: Sequence[str], encoder: str) -> Generation:
    """Write a generation, verify it by reading it back, publish it as current, and return it opened.

    `ids` are distinct and not negative; `vectors` are unit rows, (ids, dimension). Raises ValueError when
    the three disagree, RetrievalError when the folder cannot be written; then the old one stays current.
    """
    _check_parts(ids, vectors, texts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            path = folder / f"{_next_number(folder):08d}-{secrets.token_hex(4)}"
            try:
                _write_generation(path, ids, vectors, texts, encoder)
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


def open_current(folder: Path, encoder: str) -> Generation | None:
    """Open the published generation, or return None when nothing was ever published.

    Every byte is verified before it is used. A damaged generation is renamed to ``<id>.damaged`` and the
    one before it is served with a warning. Raises IndexDamaged, naming file and difference, when there is
    none to serve or when the index was made by another encoder; build it again then.
    """
    try:
        current = (folder / "CURRENT").read_text("ascii", errors="replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RetrievalError(f"cannot read the index in {str(folder)!r}: {error.strerror}") from error
    names = sorted(_names(folder), reverse=True)
    first: IndexDamaged | None = None
    if current in names:
        names = names[names.index(current) :]
    else:
        first = IndexDamaged(f"{folder / 'CURRENT'} names {current[:40]!r}, and there is no such index")
    for name in names:
        try:
            generation = _open(folder / name)
        except IndexDamaged as error:
            first = first or error
            with suppress(OSError):
                (folder / name).rename(folder / f"{name}.damaged")
            continue
        if first:
            _log.warning("%s; serving the index before it, %s: build the index again", first, name)
        if generation.encoder != encoder:
            raise IndexDamaged(
                f"the index {name} was made by the encoder {generation.encoder!r}, not {encoder!r}: build it again"
            )
        return generation
    assert first is not None
    raise first


def sweep(folder: Path) -> None:
    """Remove all but the current generation and the one before it, unless one is being built now."""
    if folder.is_dir():
        with suppress(OSError), _locked(folder, wait=False):
            _sweep(folder)


def _check_parts(ids: Sequence[int], vectors: Vectors, texts: Sequence[str]) -> None:
    if vectors.ndim != 2 or not len(ids) == len(vectors) == len(texts):
        raise ValueError(f"{len(ids)} ids, vectors of shape {vectors.shape} and {len(texts)} texts disagree")
    if len(set(ids)) != len(ids) or any(number < 0 for number in ids):
        raise ValueError("ids have to be distinct and not negative")
    if not np.isfinite(vectors).all():
        raise ValueError("a vector holds a number that is not finite")


def _write_generation(path: Path, ids: Sequence[int], vectors: Vectors, texts: Sequence[str], encoder: str) -> None:
    lexical = path / "lexical"
    lexical.mkdir(parents=True)
    write(lexical, ids, texts)
    (path / "vectors.faiss").write_bytes(_vector_index(ids, vectors))
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.suffix != ".lock")
    for file in files:
        _sync(file)
    listed = {str(file.relative_to(path)): _measure(file.read_bytes()) for file in files}
    created = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = Manifest(SCHEMA, encoder, len(ids), vectors.shape[1], created, listed)
    (path / "manifest.json").write_bytes(manifest.render())
    for place in (path / "manifest.json", lexical, path):
        _sync(place)


def _vector_index(ids: Sequence[int], vectors: Vectors) -> bytes:
    """Return the serialised faiss index. The one place that chooses its kind."""
    import faiss

    index = faiss.IndexIDMap2(faiss.IndexFlatIP(vectors.shape[1]))
    index.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), np.asarray(ids, dtype=np.int64))
    return bytes(faiss.serialize_index(index))


def _open(path: Path) -> Generation:
    """Verify every file of the generation, then open it. Raises IndexDamaged."""
    import faiss

    manifest = _read_manifest(path / "manifest.json")
    held = {name: _verified(path / name, *expected) for name, expected in manifest.files.items()}
    if "vectors.faiss" not in held:
        raise IndexDamaged(f"{path / 'manifest.json'} does not list vectors.faiss")
    try:
        vectors = faiss.deserialize_index(np.frombuffer(held["vectors.faiss"], dtype=np.uint8))
        lexical = Lexical(path / "lexical")
    except (RuntimeError, RetrievalError) as error:
        raise IndexDamaged(f"{path} cannot be opened: {error}") from error
    for what, found, expected in [
        ("vectors", vectors.ntotal, manifest.count),
        ("dimensions", vectors.d, manifest.dimension),
        ("texts", lexical.count, manifest.count),
    ]:
        if found != expected:
            raise IndexDamaged(f"{path} holds {found} {what}, its manifest says {expected}")
    return Generation(path.name, manifest, vectors, lexical)


def _read_manifest(file: Path) -> Manifest:
    try:
        data = file.read_bytes()
        fields = json.loads(data)
        fields.pop("sha256")
        fields["files"] = {name: (int(size), str(digest)) for name, (size, digest) in fields["files"].items()}
        manifest = Manifest(**fields)
    except OSError as error:
        raise IndexDamaged(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexDamaged(f"{file} is not a manifest: {error!r}") from error
    if manifest.render() != data:
        raise IndexDamaged(f"{file} does not match its own SHA-256")
    if manifest.schema != SCHEMA:
        raise IndexDamaged(f"{file} has schema {manifest.schema!r}, this version reads {SCHEMA}")
    return manifest


def _verified(file: Path, size: int, digest: str) -> bytes:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise IndexDamaged(f"{file} cannot be read: {error.strerror}") from error
    found = _measure(data)
    if found[0] != size:
        raise IndexDamaged(f"{file} has {found[0]} bytes, its manifest says {size}")
    if found[1] != digest:
        raise IndexDamaged(f"{file} has SHA-256 {found[1][:12]}…, its manifest says {digest[:12]}…")
    return data


def _measure(data: bytes) -> tuple[int, str]:
    return len(data), hashlib.sha256(data).hexdigest()


def _publish(folder: Path, name: str) -> None:
    _sync(folder)
    temporary = folder / f"CURRENT.{secrets.token_hex(4)}"
    try:
        temporary.write_text(f"{name}\n", "ascii")
        _sync(temporary)
        os.replace(temporary, folder / "CURRENT")
    finally:
        temporary.unlink(missing_ok=True)
    _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _locked(folder: Path, wait: bool = True) -> Iterator[None]:
    """Hold the folder's lock, so that no sweep removes what another process is still writing."""
    with (folder / "LOCK").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _sweep(folder: Path) -> None:
    with suppress(FileNotFoundError):
        current = (folder / "CURRENT").read_text("ascii", errors="replace").strip()
        names = sorted(_names(folder))
        if current not in names:
            return
        keep = {current, *[name for name in names if name < current][-1:], "CURRENT", "LOCK"}
        for path in folder.iterdir():
            if path.name not in keep:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _names(folder: Path) -> list[str]:
    """The generations in the folder, complete or not, damaged ones left out."""
    return [path.name for path in folder.iterdir() if path.is_dir() and not path.suffix]


def _next_number(folder: Path) -> int:
    numbers = [int(head) for head in (p.name.partition("-")[0] for p in folder.iterdir()) if head.isdecimal()]
    return max(numbers, default=0) + 1
