"""Files into the library: read, cut, embedded in batches, stored one document at a time, indexed once.

What is stored is whole: a crash loses at most the documents in hand. A file that holds many documents, a mailbox
or an export of a wiki, is known as read once all of them are stored; until then the next run goes on with the
rest. Knows nothing of SQL.
"""

import hashlib
import os
import stat
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from app.errors import InputError
from app.library import Library, StoredSource, file_of, packed
from retrieval.passages import cut
from retrieval.sources import COLLECTIONS, DEFAULT_LIMITS, SUFFIXES, find_files, read_documents, suffix_of
from retrieval.types import Document, Passage, RetrievalError, SourceError

BATCH: Final = 64  # passages embedded together
_EMBEDDING_FAILS: Final = (RetrievalError, RuntimeError, ValueError)
_CHANGED: Final = "the file changed while it was read: ingest it again"
_PART: Final = "+"  # follows the digest of a file at its documents as long as not all of them are stored
if TYPE_CHECKING:
    from app.pages import Pages

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
    """What became of one file, or why one document of a file that holds many failed, as `reason` says."""

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


def ingest(
    library: Library,
    paths: Sequence[str | Path],
    progress: Progress = lambda step: None,
    start: "Callable[[Library, Progress], _Run] | None" = None,
    web: "Pages | None" = None,
) -> IngestReport:
    """Bring the library up to date with these files, folders and addresses, and publish the index once.

    Files that have not changed are not embedded again; files that have vanished from a folder are removed.
    A file that cannot be read fails alone. KeyboardInterrupt keeps the finished documents. `start` makes what reads
    and embeds, by default in this process; `web` fetches what addresses name.
    """
    with _ONE_AT_A_TIME:
        run = (start or _Run)(library, progress)
        interrupted = False
        try:
            files = _listed(paths, run.outcomes, web)
            run.read_all(files)
            run.remove_vanished([Path(path) for path in paths], {file.uri for file in files})
        except KeyboardInterrupt:
            interrupted = True
        if run.changed:
            progress(IngestProgress("indexing", 0, run.embedded))
            library.publish()
            progress(IngestProgress("indexing", run.embedded, run.embedded))
        return IngestReport(tuple(run.outcomes), interrupted)


@dataclass(frozen=True, slots=True)
class _File:
    uri: str
    name: str
    path: Path

    @property
    def many(self) -> bool:
        """Whether it holds many documents."""
        return SUFFIXES.get(suffix_of(self.path)) in COLLECTIONS


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
    known: dict[str, str] = field(default_factory=dict)  # digests of documents
    files: dict[str, str] = field(default_factory=dict)  # digests of files, empty where documents differ in theirs
    seen: int = 0
    embedded: int = 0
    failures: int = 0  # documents that could not be embedded
    changed: bool = False

    def __post_init__(self) -> None:
        self.known = self.library.hashes()
        for uri, digest in self.known.items():
            file = file_of(uri)
            self.files[file] = digest if self.files.get(file, digest) == digest else ""

    def read_all(self, files: Sequence[_File]) -> None:
        """Read, embed and store every file."""
        for place, file in enumerate(files):
            self.progress(IngestProgress("reading", place, len(files), file.name))
            try:
                if file.many:
                    self._take_many(file)
                elif read := _read(file, self.files.get(file.uri)):
                    self._take(read)
                else:
                    self.outcomes.append(FileOutcome(file.uri, file.name, "unchanged"))
            except (SourceError, OSError) as error:
                self.outcomes.append(FileOutcome(file.uri, file.name, "failed", reason=_reason(file.path, error)))
        if files:
            self.progress(IngestProgress("reading", len(files), len(files)))
        self.flush()

    def _take(self, read: _Read) -> None:
        self.pending.append(read)
        self.seen += len(read.passages)
        if sum(len(item.passages) for item in self.pending) >= BATCH:
            self.flush()

    def _take_many(self, file: _File) -> None:
        """Store the documents of a file that are not stored yet; it counts as read when that is done."""
        digest, _ = _digest(file)
        if self.files.get(file.uri) == digest:
            self.outcomes.append(FileOutcome(file.uri, file.name, "unchanged"))
            return
        self.flush()  # so that what fails from here on is of this file
        failures, passages = self.failures, 0
        for document in read_documents(file.path, file.name, refused=lambda error: self._refused(file, error)):
            try:
                read = _cut(file, document, digest + _PART, len(document.text.encode()))
            except SourceError as error:
                self._refused(file, SourceError(f"{document.source.removeprefix(file.name)}: {error}"))
                continue
            passages += len(read.passages)
            known = self.known.get(read.about.uri)
            if known != digest + _PART and not (known and self.library.confirm(read.about, document)):
                self._take(read)
        self.flush()
        if _digest(file)[0] != digest:
            raise SourceError(_CHANGED)
        if self.failures == failures:
            self.changed |= self.library.complete(file.uri, digest + _PART, digest)
            outcome: Outcome = "replaced" if file.uri in self.files else "added"
            self.outcomes.append(FileOutcome(file.uri, file.name, outcome, passages))

    def _refused(self, file: _File, error: SourceError) -> None:
        member, _, reason = str(error).removeprefix(str(file.path)).partition(": ")
        self.outcomes.append(FileOutcome(file.uri + member, file.name + member, "failed", reason=reason))

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
        gone: dict[str, list[StoredSource]] = defaultdict(list)
        for source in self.library.sources():
            file = file_of(source.uri)
            if file in gone or (any(file.startswith(root) for root in roots) and file not in present and _gone(file)):
                gone[file].append(source)
        if gone:
            self.library.forget([source.uri for sources in gone.values() for source in sources])
            self.changed = True
        for file, sources in gone.items():
            passages = sum(source.passages for source in sources)
            self.outcomes.append(FileOutcome(file, file_of(sources[0].name), "removed", passages))

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
            self.failures += 1
            self.outcomes.append(FileOutcome(about.uri, about.name, "failed", reason=str(error)))

    def _store(self, item: _Read, vectors: list[bytes]) -> None:
        about = item.about
        self.library.store(about, item.document, item.passages, vectors)
        self.changed = True
        if file_of(about.uri) == about.uri:
            outcome: Outcome = "replaced" if about.uri in self.known else "added"
            self.outcomes.append(FileOutcome(about.uri, about.name, outcome, about.passages))


def is_address(path: str | Path) -> bool:
    """Whether what is to be read is an address on the web."""
    return "://" in str(path)


def _listed(paths: Sequence[str | Path], outcomes: list[FileOutcome], web: "Pages | None") -> list[_File]:
    """Return the files to read, each once; a path that cannot be listed becomes an outcome."""
    files: dict[str, _File] = {}
    for given in paths:
        if is_address(given):
            if web is None:
                raise InputError(
                    f"{str(given)!r} is an address, which is not read here: ingest it apart, without --ray"
                )
            for page in web.at(str(given)):
                if page.path is not None:
                    files.setdefault(page.uri, _File(page.uri, page.uri, page.path))
                else:
                    outcome: Outcome = "unchanged" if page.unchanged else "failed"
                    outcomes.append(FileOutcome(page.uri, page.uri, outcome, reason=page.reason))
            continue
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
    """Read and cut a file that is one document; None when its content is the known one. Raises SourceError, OSError."""
    for _ in range(2):  # once more when the file changes under our hands
        digest, size = _digest(file)
        if digest == known:
            return None
        [document] = read_documents(file.path, file.name)
        if _digest(file)[0] == digest:
            return _cut(file, document, digest, size)
    raise SourceError(_CHANGED)


def _cut(file: _File, document: Document, digest: str, size: int) -> _Read:
    passages = cut(document)
    if not passages:
        raise SourceError("there is no text in it")
    uri = file.uri + document.source.removeprefix(file.name)
    kind, now = suffix_of(file.path).removeprefix("."), datetime.now(UTC)
    title, count = document.title, len(passages)
    return _Read(StoredSource(0, uri, document.source, title, kind, size, count, digest, now), document, passages)


def _gone(uri: str) -> bool:
    """Whether the file is surely not there; in a folder that cannot be looked into nothing is sure."""
    try:
        os.lstat(uri)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def _digest(file: _File) -> tuple[str, int]:
    """Return the SHA-256 and the size of a file. Raises SourceError for one that would not be read anyway."""
    about = file.path.stat()
    if not stat.S_ISREG(about.st_mode) or (about.st_size > DEFAULT_LIMITS.max_bytes and not file.many):
        next(read_documents(file.path))  # says why it is refused; hashing a pipe would wait for ever
    with file.path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest(), os.fstat(opened.fileno()).st_size


def _reason(path: Path, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return (reason or str(error)).removeprefix(f"{path}: ")


def _text(path: str | Path) -> str:
    """A path as text that can be stored, shown and told from any other."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
