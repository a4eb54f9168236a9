"""Files into the library: read, cut, embedded in batches, stored one document at a time, indexed once.

What is stored is whole: a crash loses at most the documents in hand. Knows nothing of SQL.
"""

import hashlib
import os
import stat
import threading
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from app.errors import InputError
from app.library import Library, StoredSource, packed
from retrieval.passages import cut
from retrieval.sources import DEFAULT_LIMITS, find_files, read_document
from retrieval.types import Document, Passage, RetrievalError, SourceError

BATCH: Final = 64  # passages embedded together
_EMBEDDING_FAILS: Final = (RetrievalError, RuntimeError, ValueError)
Outcome = Literal["added", "replaced", "unchanged", "removed", "failed"]


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """How far a stage is: files when reading, passages when embedding and indexing."""

    stage: Literal["reading", "embedding", "indexing"]
    done: int
    total: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of one file; `reason` says why it failed."""

    uri: str
    name: str
    outcome: Outcome
    passages: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of every file; `interrupted` when the user stopped before the end."""

    files: tuple[FileOutcome, ...]
    interrupted: bool = False

    def count(self, outcome: Outcome) -> int:
        """How many files ended so."""
        return sum(file.outcome == outcome for file in self.files)


Progress = Callable[[IngestProgress], None]
_ONE_AT_A_TIME = threading.Lock()


def ingest(library: Library, paths: Sequence[str | Path], progress: Progress = lambda step: None) -> IngestReport:
    """Bring the library up to date with these files and folders, and publish the index once.

    Files that have not changed are not embedded again; files that have vanished from a folder are removed.
    A file that cannot be read fails alone. KeyboardInterrupt keeps the finished documents.
    """
    with _ONE_AT_A_TIME:
        run = _Run(library, progress)
        interrupted = False
        try:
            files = _listed(paths, run.outcomes)
            run.read_all(files)
            run.remove_vanished([Path(path) for path in paths], {file.uri for file in files})
        except KeyboardInterrupt:
            interrupted = True
        if any(file.outcome in ("added", "replaced", "removed") for file in run.outcomes):
            progress(IngestProgress("indexing", 0, run.embedded))
            library.publish()
            progress(IngestProgress("indexing", run.embedded, run.embedded))
        return IngestReport(tuple(run.outcomes), interrupted)


@dataclass(frozen=True, slots=True)
class _File:
    uri: str
    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class _Read:
    about: StoredSource
    document: Document
    passages: list[Passage]


@dataclass
class _Run:
    """One ingestion in progress: documents wait in `pending` until a batch of passages is full."""

    library: Library
    progress: Progress
    outcomes: list[FileOutcome] = field(default_factory=list)
    pending: list[_Read] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)
    seen: int = 0
    embedded: int = 0

    def __post_init__(self) -> None:
        self.known = self.library.hashes()

    def read_all(self, files: Sequence[_File]) -> None:
        """Read, embed and store every file."""
        for place, file in enumerate(files):
            self.progress(IngestProgress("reading", place, len(files), file.name))
            try:
                read = _read(file, self.known.get(file.uri))
            except (SourceError, OSError) as error:
                self.outcomes.append(FileOutcome(file.uri, file.name, "failed", reason=_reason(file.path, error)))
                continue
            if read is None:
                self.outcomes.append(FileOutcome(file.uri, file.name, "unchanged"))
                continue
            self.pending.append(read)
            self.seen += len(read.passages)
            if sum(len(item.passages) for item in self.pending) >= BATCH:
                self.flush()
        if files:
            self.progress(IngestProgress("reading", len(files), len(files)))
        self.flush()

    def flush(self) -> None:
        """Embed the pending documents together and store each in its own transaction."""
        pending, self.pending = self.pending, []
        try:
            vectors = iter(self._embed([passage for item in pending for passage in item.passages]))
        except _EMBEDDING_FAILS:
            for item in pending:  # one poisoned text must not take the others with it
                self._store_alone(item)
            return
        for item in pending:
            self._store(item, [next(vectors) for _ in item.passages])

    def remove_vanished(self, folders: Sequence[Path], present: Set[str]) -> None:
        """Forget sources under the folders whose files are gone."""
        roots = [_text(os.path.join(os.path.abspath(path), "")) for path in folders if path.is_dir()]
        gone = [
            source
            for source in self.library.sources()
            if any(source.uri.startswith(root) for root in roots) and source.uri not in present and _gone(source.uri)
        ]
        if gone:
            self.library.forget([source.uri for source in gone])
        self.outcomes += [FileOutcome(s.uri, s.name, "removed", s.passages) for s in gone]

    def _embed(self, passages: Sequence[Passage]) -> list[bytes]:
        vectors: list[bytes] = []
        for first in range(0, len(passages), BATCH):
            vectors += packed(self.library.embedder, passages[first : first + BATCH])
            done = self.embedded + len(vectors)
            self.progress(IngestProgress("embedding", done, max(done, self.seen)))
        self.embedded += len(vectors)
        return vectors

    def _store_alone(self, item: _Read) -> None:
        try:
            self._store(item, self._embed(item.passages))
        except _EMBEDDING_FAILS as error:
            about = item.about
            self.outcomes.append(FileOutcome(about.uri, about.name, "failed", reason=str(error)))

    def _store(self, item: _Read, vectors: list[bytes]) -> None:
        about = item.about
        self.library.store(about, item.document, item.passages, vectors)
        outcome: Outcome = "replaced" if about.uri in self.known else "added"
        self.outcomes.append(FileOutcome(about.uri, about.name, outcome, about.passages))


def _listed(paths: Sequence[str | Path], outcomes: list[FileOutcome]) -> list[_File]:
    """Return the files to read, each once; a path that cannot be listed becomes an outcome."""
    files: dict[str, _File] = {}
    for given in paths:
        if "://" in str(given):
            raise InputError(f"{given!r} is an address: save the page and ingest the file")
        path = Path(given)
        try:
            found = find_files([path])
        except (SourceError, OSError) as error:
            uri, name = _text(os.path.abspath(path)), _text(path)
            outcomes.append(FileOutcome(uri, name, "failed", reason=_reason(path, error)))
            continue
        for file in found:
            uri = _text(os.path.abspath(file))
            name = _text(os.path.relpath(file, path) if path.is_dir() else file.name)
            files.setdefault(uri, _File(uri, name, file))
    return list(files.values())


def _read(file: _File, known: str | None) -> _Read | None:
    """Read and cut one file; None when its content is the known one. Raises SourceError, OSError."""
    about = file.path.stat()
    if not stat.S_ISREG(about.st_mode) or about.st_size > DEFAULT_LIMITS.max_bytes:
        read_document(file.path)  # says why it is refused; hashing a pipe would wait for ever
    for _ in range(2):  # once more when the file changes under our hands
        digest, size = _digest(file.path)
        if digest == known:
            return None
        document = replace(read_document(file.path), source=file.name)
        if _digest(file.path)[0] == digest:
            break
    else:
        raise SourceError("the file changed while it was read: ingest it again")
    passages = cut(document)
    if not passages:
        raise SourceError("there is no text in it")
    kind = file.path.suffix.lower().removeprefix(".")
    now = datetime.now(UTC)
    stored = StoredSource(0, file.uri, file.name, document.title, kind, size, len(passages), digest, now)
    return _Read(stored, document, passages)


def _gone(uri: str) -> bool:
    """Whether the file is surely not there; in a folder that cannot be looked into nothing is sure."""
    try:
        os.lstat(uri)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size


def _reason(path: Path, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return (reason or str(error)).removeprefix(f"{path}: ")


def _text(path: str | Path) -> str:
    """A path as text that can be stored, shown and told from any other."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
