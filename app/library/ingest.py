"""Files into the library: read, cut, embedded in batches, stored one document at a time, indexed once.

What is stored is whole: a crash loses at most the documents in hand. A file that holds many documents, a mailbox or an
export of a wiki, is known as read once all of them are stored; until then the next run goes on with the rest.
"""

import hashlib
import os
import stat
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from app.library.catalogue import StoredSource, as_read, file_of
from app.library.embedded import Embedded, packed
from app.library.library import Library
from app.library.listing import FileOutcome, Listing, Outcome, SourceFile, reason_of
from retrieval.passages import cut
from retrieval.sources import DEFAULT_LIMITS, read_documents, suffix_of
from retrieval.types import Document, Note, Passage, RetrievalError, SourceError

AHEAD: Final = 4  # files that are read before they are needed
BATCH: Final = 256  # passages embedded together; fewer are padded more, 64 by 4 % instead of 1
EMBEDDING_FAILS: Final = (RetrievalError, RuntimeError, ValueError)
_CHANGED: Final = "the file changed while it was read: ingest it again"
_PART: Final = "+"  # follows the digest of a file at its documents as long as not all of them are stored
if TYPE_CHECKING:
    from app.library.pages import Pages


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """How far a stage is: pages when fetching, files when reading, passages when embedding and indexing."""

    stage: Literal["fetching", "reading", "embedding", "indexing"]
    done: int
    total: int
    name: str = ""


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
    paths: str | Path | Sequence[str | Path],
    progress: Progress = lambda step: None,
    start: "Callable[[Library, Progress], Ingestion] | None" = None,
    web: "Pages | None" = None,
) -> IngestReport:
    """Bring the library up to date with these files, folders and addresses, and publish the index once.

    A single path is one of them. Files that have not changed are not embedded again; files that have vanished from a
    folder, and pages that are no longer in a sitemap, are removed. A file that cannot be read fails alone.
    KeyboardInterrupt keeps the finished documents. `start` makes what reads and embeds, by default in this process;
    `web` fetches what addresses name. Raises InputError for an empty name.
    """
    return _carried_out((start or Ingestion)(library, progress), web, lambda listing: listing.take(paths))


def refresh(
    library: Library,
    names: str | Path | Sequence[str | Path] = (),
    progress: Progress = lambda step: None,
    web: "Pages | None" = None,
) -> IngestReport:
    """Read again, from where they came, the sources that names stand for (see `meant`), without names all.

    What changed is replaced, what is gone removed; what cannot be reached now keeps its passages and has failed. New
    files of a folder and new pages of a sitemap are added where all sources, or these, are refreshed. Raises InputError
    for a name that stands for nothing.
    """
    return _carried_out(Ingestion(library, progress), web, lambda listing: listing.again(names))


def ingesting() -> bool:
    """Whether this process is at it."""
    return _ONE_AT_A_TIME.locked()


def _carried_out(run: "Ingestion", web: "Pages | None", find: Callable[[Listing], None]) -> IngestReport:
    """List, read, remove, and publish once."""
    with _ONE_AT_A_TIME:
        run.begin()
        interrupted = False
        fetching = partial(IngestProgress, "fetching")
        listing = Listing(run.stored, web, lambda *step: run.progress(fetching(*step)), outcomes=run.outcomes)
        listing.ready = lambda: run.read_all(listing.unread())
        try:
            find(listing)
            run.read_all(listing.unread())
            run.remove(listing.gone)
            run.adopt(listing.files)
        except KeyboardInterrupt:
            interrupted = True
        if run.changed:
            run.progress(IngestProgress("indexing", 0, run.embedded))
            run.library.publish()
            run.progress(IngestProgress("indexing", run.embedded, run.embedded))
        return IngestReport(tuple(run.outcomes), interrupted)


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A document and its passages, ready to be embedded and stored."""

    about: StoredSource
    document: Document
    passages: list[Passage]


@dataclass
class Ingestion:
    """One ingestion in progress: documents wait in `pending` until a batch of passages is full."""

    library: Library
    progress: Progress
    outcomes: list[FileOutcome] = field(default_factory=list)
    stored: list[StoredSource] = field(default_factory=list)
    pending: list[ReadFile] = field(default_factory=list)
    waiting: int = 0  # passages of them
    known: dict[str, str] = field(default_factory=dict)  # digests of documents
    files: dict[str, str] = field(default_factory=dict)  # digests of files, empty where documents differ in theirs
    seen: int = 0
    embedded: int = 0
    failures: int = 0  # documents that could not be embedded
    changed: bool = False

    def begin(self) -> None:
        """Learn what is stored."""
        self.stored = self.library.sources()
        self.known = {row.uri: row.sha256 for row in self.stored}
        for uri, digest in self.known.items():
            file = file_of(uri)
            self.files[file] = digest if self.files.get(file, digest) == digest else ""

    def read_all(self, files: Sequence[SourceFile]) -> None:
        """Read, embed and store every file."""
        for place, (file, read) in enumerate(self._ahead(files)):
            self.progress(IngestProgress("reading", place, len(files), file.name))
            try:
                if file.many:
                    self._take_many(file)
                elif document := read():
                    self._take(document)
                else:
                    self.outcomes.append(FileOutcome(file.uri, file.name, "unchanged"))
            except (SourceError, OSError) as error:
                self.outcomes.append(FileOutcome(file.uri, file.name, "failed", reason=reason_of(file.path, error)))
        if files:
            self.progress(IngestProgress("reading", len(files), len(files)))
        self.flush()

    def _ahead(self, files: Sequence[SourceFile]) -> Iterator[tuple[SourceFile, Callable[[], ReadFile | None]]]:
        """Yield the files with what gives their documents, which are read up to AHEAD files before they are needed.

        The encoder need not wait for a parser then, which works in a process of its own.
        """
        pool = ThreadPoolExecutor(1, "reading")
        coming: deque[tuple[SourceFile, Callable[[], ReadFile | None]]] = deque()
        try:
            for file in files:
                known = self.files.get(file.uri)
                reading = None if file.many else pool.submit(read_file, file, known)
                coming.append((file, reading.result if reading else lambda: None))
                if len(coming) > AHEAD:
                    yield coming.popleft()
            yield from coming
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _take(self, read: ReadFile) -> None:
        self.pending.append(read)
        self.waiting += len(read.passages)
        self.seen += len(read.passages)
        if self.waiting >= BATCH:
            self.flush()

    def _take_many(self, file: SourceFile) -> None:
        """Store the documents of a file that are not stored yet; it counts as read when that is done."""
        digest, _ = _digest(file)
        if self.files.get(file.uri) == digest:
            self.outcomes.append(FileOutcome(file.uri, file.name, "unchanged"))
            return
        self.flush()  # so that what fails from here on is of this file
        failures, passages = self.failures, 0
        notes: Counter[Note] = Counter()
        for document in read_documents(file.path, file.name, refused=lambda error: self._refused(file, error)):
            try:
                read = _cut(file, document, digest + _PART, len(document.text.encode()))
            except SourceError as error:
                self._refused(file, SourceError(f"{document.source.removeprefix(file.name)}: {error}"))
                continue
            passages += len(read.passages)
            notes.update(dict(document.notes))
            known = self.known.get(read.about.uri)
            if known != digest + _PART and not (known and self.library.confirm(read.about, document)):
                self._take(read)
        self.flush()
        if _digest(file)[0] != digest:
            raise SourceError(_CHANGED)
        if self.failures == failures:
            self.changed |= self.library.complete(file.uri, digest + _PART, digest)
            outcome: Outcome = "replaced" if file.uri in self.files else "added"
            self.outcomes.append(FileOutcome(file.uri, file.name, outcome, passages, notes=_note_counts(notes.items())))

    def _refused(self, file: SourceFile, error: SourceError) -> None:
        member, _, reason = str(error).removeprefix(str(file.path)).partition(": ")
        self.outcomes.append(FileOutcome(file.uri + member, file.name + member, "failed", reason=reason))

    def flush(self) -> None:
        """Embed the pending documents together and store them."""
        pending, self.pending, self.waiting = self.pending, [], 0
        try:
            vectors = iter(self._embed([passage for item in pending for passage in item.passages]))
        except EMBEDDING_FAILS:
            for item in pending:  # one poisoned text must not take the others with it
                self._store_alone(item)
            return
        self._store([(item, [next(vectors) for _ in item.passages]) for item in pending])

    def remove(self, files: Set[str]) -> None:
        """Forget the documents of files that are gone."""
        gone: dict[str, list[StoredSource]] = defaultdict(list)
        for source in self.stored:
            if (file := file_of(source.uri)) in files:
                gone[file].append(source)
        if gone:
            self.library.forget([source.uri for sources in gone.values() for source in sources])
            self.changed = True
        for file, sources in gone.items():
            passages = sum(source.passages for source in sources)
            self.outcomes.append(FileOutcome(file, file_of(sources[0].name), "removed", passages))

    def adopt(self, files: Mapping[str, SourceFile]) -> None:
        """Note the folder of documents that were stored without one and were found through it now."""
        alone = {
            row.id: files[file].origin for row in self.stored if not row.origin and (file := file_of(row.uri)) in files
        }
        self.library.adopt({number: origin for number, origin in alone.items() if origin})

    def _embed(self, passages: Sequence[Passage]) -> list[bytes]:
        vectors: list[bytes] = []
        for first in range(0, len(passages), BATCH):
            vectors += packed(self.library.embedder, passages[first : first + BATCH])
            done = self.embedded + len(vectors)
            self.progress(IngestProgress("embedding", done, max(done, self.seen)))
        self.embedded += len(vectors)
        return vectors

    def _store_alone(self, item: ReadFile) -> None:
        try:
            self._store([(item, self._embed(item.passages))])
        except EMBEDDING_FAILS as error:
            about = item.about
            self.failures += 1
            self.outcomes.append(FileOutcome(about.uri, about.name, "failed", reason=str(error)))

    def _store(self, made: Sequence[tuple[ReadFile, list[bytes]]]) -> None:
        if not made:
            return
        self.library.store([Embedded(read.about, read.document, read.passages, vectors) for read, vectors in made])
        self.changed = True
        for read, _ in made:
            about = read.about
            if file_of(about.uri) == about.uri:
                outcome: Outcome = "replaced" if about.uri in self.known else "added"
                notes = _note_counts(read.document.notes)
                self.outcomes.append(FileOutcome(about.uri, about.name, outcome, about.passages, notes=notes))


def _note_counts(notes: Iterable[tuple[Note, int]]) -> tuple[str, ...]:
    return tuple(note.counted(count) for note, count in notes)


def read_file(file: SourceFile, known: str | None) -> ReadFile | None:
    """Read and cut a file that is one document; None when its content is the known one. Raises SourceError, OSError."""
    for _ in range(2):  # once more when the file changes under our hands
        digest, size = _digest(file)
        if digest == known:
            return None
        [document] = read_documents(file.path, file.name)
        if _digest(file)[0] == digest:
            return _cut(file, document, digest, size)
    raise SourceError(_CHANGED)


def _cut(file: SourceFile, document: Document, digest: str, size: int) -> ReadFile:
    passages = cut(document)
    if not passages:
        raise SourceError("there is no text in it")
    uri = file.uri + document.source.removeprefix(file.name)
    kind, now = suffix_of(file.path).removeprefix("."), datetime.now(UTC)
    title, count = document.title, len(passages)
    about = StoredSource(
        *(0, uri, document.source, title, kind, size, count, digest, now, file.origin), dated=document.dated
    )
    return ReadFile(about, document, passages)


def _digest(file: SourceFile) -> tuple[str, int]:
    """Return the SHA-256 of a file, see `as_read`, and its size. Raises SourceError for one that nobody would read."""
    about = file.path.stat()
    if not stat.S_ISREG(about.st_mode) or (about.st_size > DEFAULT_LIMITS.max_bytes and not file.many):
        next(read_documents(file.path))  # says why it is refused; hashing a pipe would wait for ever
    with file.path.open("rb") as opened:
        return as_read(hashlib.file_digest(opened, "sha256").hexdigest()), os.fstat(opened.fileno()).st_size
