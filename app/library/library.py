"""The sources: documents, passages and vectors in SQL, and the search index made from them.

SQL is the truth. The index folder is a cache: whatever is missing, late or damaged there is built again from the stored
vectors.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from app.errors import DataError, InputError
from app.library.catalogue import StoredSource, file_of, is_address, owner_of, sources_named, stored_sources
from app.library.checksums import (
    of_document,
    passages_of,
    passages_where,
    passages_with_vectors,
    write_vectors,
)
from app.library.embedded import Embedded, packed
from app.store.database import Database, owe_erasure, read_meta, write_meta
from app.store.jsonform import from_json
from app.store.tables import PassageRow, SourceRow
from retrieval.index.generation import Generation, build, open_current, sweep
from retrieval.passages import embedding_text
from retrieval.types import Document, Embedder, IndexDamaged, Passage, RetrievalError, Section, Vectors

INDEX: Final = "index"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IndexState:
    """How the library and its index stand: `published` names the version and generation last built."""

    version: int
    published: str
    encoder: str
    passages: int

    def naming(self, generation: str) -> str:
        """What `published` says when the index has this id and is up to date."""
        return f"{self.version}:{generation}:{self.passages}"


class Library:
    """The sources of one database and their published index. Every method raises DataError."""

    def __init__(self, database: Database, folder: Path, embedder: Embedder) -> None:
        self.database = database
        self.embedder = embedder
        self._folder = folder / INDEX
        self._publishing = threading.Lock()
        self._serve: Callable[[Generation | None], None] = lambda generation: None
        self._generation: Generation | None = None  # the last one opened or published, and of which version
        self._version = -1

    def open(self) -> Generation | None:
        """Return the index to search, brought up to date with the passages; None when there are none.

        Where a damaged one was put aside, the one before it serves, with what it lacks added first.
        """
        sweep(self._folder)
        state = index_state(self.database)
        if state.passages == 0:
            if state.version == 0 and (self._folder / "CURRENT").exists():
                raise DataError(
                    f"{self.database.name} holds no sources, but an index of some lies beside it: restore the "
                    f"database from a backup, or remove the folder {str(self._folder)!r} to start afresh"
                )
            return None
        if state.encoder != self.embedder.fingerprint:
            _log.warning("the encoder has changed: embedding %d passages again", state.passages)
            return self.rebuild()
        try:
            found = open_current(self._folder, self.embedder.fingerprint)
        except IndexDamaged as error:
            _log.warning("%s; building it again from the stored passages", error)
            found = None
        self._generation = found
        if found and found.count == state.passages and state.published == state.naming(found.id):
            self._version = state.version
            return found
        if found and f":{found.id}:" not in state.published:
            reason = f"the index {found.id} is not the one the database names ({state.published or 'none'})"
            _log.warning("%s: candor stopped while publishing, or one was put back; bringing it up to date", reason)
        try:
            return self.publish()
        except RetrievalError as error:
            if found is None:
                raise
            _log.warning("%s; what was stored since cannot be found until then", error)
            return found

    def feed(self, serve: Callable[[Generation | None], None]) -> None:
        """Hand every index published from now on to `serve`."""
        self._serve = serve

    def publish(self) -> Generation | None:
        """Bring the index up to date with the stored passages and serve it. Raises RetrievalError.

        What is gone is gone from its files too; only a graph keeps the vectors of removed passages, see `rebuild`.
        """
        with self._publishing:  # an index begun earlier must not be served after a later one
            self._generation = self._published()
            self._serve(self._generation)
            return self._generation

    def _published(self) -> Generation | None:
        before = self._generation
        with self.database.read() as session:
            state = _state(session, self.database)
            ids = np.array(session.scalars(select(PassageRow.id)).all(), dtype=np.int64)
        self._version = state.version
        if (
            before
            and state.published.startswith(f"{state.version}:{before.id}:")
            and state.published != state.naming(before.id)
        ):
            raise DataError(
                f"{self.database.name} is damaged: it shows {len(ids)} passages of the version "
                f"{state.published!r}; restore it from a backup (`candor doctor` tells more)"
            )
        if not len(ids):
            return None
        if before is not None and before.count == len(ids) and before.holds(ids).all():
            generation = before
        else:
            passages, vectors = self.stored()
            texts, numbers = [embedding_text(p) for p in passages], [p.id for p in passages]
            generation = build(self._folder, numbers, vectors, texts, self.embedder.fingerprint, before)
        if state.published != state.naming(generation.id):
            if before is not None and (generation is before or not generation.holds(before.ids).all()):
                sweep(self._folder, earlier=False)  # the one before holds the words of what is gone
            with self.database.write("library") as session:
                write_meta(session, published_key(self.database), state.naming(generation.id))
        return generation

    def rebuild(self) -> Generation | None:
        """Embed all stored passages again and publish their index. Raises RetrievalError."""
        with self.database.read() as session:
            sources = session.scalars(select(SourceRow.id).order_by(SourceRow.id)).all()
        for source in sources:
            with self.database.write("library") as session:
                passages = passages_where(session, PassageRow.source_id == source)
                write_vectors(session, passages, packed(self.embedder, passages))
        with self.database.write("library") as session:
            write_meta(session, "encoder", self.embedder.fingerprint)
            note_change(session)
        self._generation = None  # nothing of it is used again
        return self.publish()

    def sources(self, account: str | None = None) -> list[StoredSource]:
        """Return all sources by name, or those that the account with this id sees."""
        return stored_sources(self.database, account)

    def remove(self, *names: str | int) -> list[StoredSource]:
        """Remove the sources that the names stand for (see `sources_named`), and their passages from the index.

        Replies keep what they quote. Raises InputError, and removes nothing, where a name means nothing.
        """
        known = self.sources()
        found = list({row.id: row for name in names for row in sources_named(known, name)}.values())
        if found:
            self.forget([row.uri for row in found])
            self.publish()
        return found

    def source(self, name: str | int) -> StoredSource:
        """Return the source that a name stands for, see `sources_named`. Raises InputError unless it is exactly one."""
        found = sources_named(self.sources(), name)
        if len(found) > 1:
            raise InputError(f"{len(found)} sources are meant by {str(name)!r}: give the id of one")
        return found[0]

    def source_of(self, passage: int) -> StoredSource | None:
        """Return the source that holds this passage now; None when it is gone."""
        with self.database.read() as session:
            identity = session.scalar(select(PassageRow.source_id).where(PassageRow.id == passage))
        return None if identity is None else self.source(identity)

    def document(self, source: int) -> Document:
        """Return the stored text of a source, as its passages' offsets count it. Raises InputError."""
        query = select(SourceRow.name, SourceRow.title, SourceRow.text, SourceRow.sections, SourceRow.checksum)
        with self.database.read() as session:
            row = session.execute(query.where(SourceRow.id == source)).one_or_none()
        if row is None:
            raise InputError(f"there is no source {source!r}: `candor sources list` shows them all")
        if of_document(row.text, row.sections) != row.checksum:
            raise DataError(f"the stored text of {row.name!r} is damaged: remove that source and ingest it again")
        sections = tuple(from_json(Section, section) for section in row.sections)
        return Document(row.name, row.title, row.text, sections)

    def passages(self, ids: Sequence[int], account: str | None = None) -> list[Passage]:
        """Return those passages of the given ids that still exist, and that the account sees, in the order of `ids`."""
        found: dict[int, Passage] = {}
        for first in range(0, len(ids), 500):
            wanted = passages_of(self.database, ids[first : first + 500], account)
            found.update((passage.id, passage) for passage in wanted)
        if account is None and (missing := [number for number in ids if number not in found]):
            self._miss(missing)
        return [found[number] for number in ids if number in found]

    def _miss(self, ids: Sequence[int]) -> None:
        """Log passages that are missing although nothing has changed since they were published."""
        generation = self._generation
        if generation is None or not (held := generation.holds(ids)).any():
            return
        with self.database.read() as session:
            version = read_meta(session, "version")
        if version == str(self._version):
            lost = np.asarray(ids)[held].tolist()
            _log.error("the database cannot show the passages %s: run `candor doctor`", lost[:5])

    def stored(self, after: int = 0, most: int | None = None) -> tuple[list[Passage], Vectors]:
        """Return up to `most` passages with ids above `after`, in their order, and their vectors as unit rows.

        Damaged passages are left out; passages whose vectors are damaged are embedded again.
        """
        with self.database.read() as session:
            passages, vectors, damaged = passages_with_vectors(session, after, most)
        if damaged:
            _log.warning("%d stored vectors are damaged: embedding their passages again", len(damaged))
            again = [passages[row] for row in damaged]
            mended = packed(self.embedder, again)
            with self.database.write("library") as session:
                write_vectors(session, again, mended)
            for row, vector in zip(damaged, mended, strict=True):
                vectors[row] = vector
        unit = np.frombuffer(b"".join(vectors), dtype=np.float16).astype(np.float32)
        unit = unit.reshape(len(passages), self.embedder.dimension)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True).clip(min=1e-6)
        return passages, unit

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of every stored source by uri."""
        with self.database.read() as session:
            return {uri: digest for uri, digest in session.execute(select(SourceRow.uri, SourceRow.sha256))}

    def store(self, documents: Sequence[Embedded]) -> None:
        """Store documents with all their passages in one transaction; each takes the place of the one with its uri.

        `about.id` and `passages[...].id` do not count; new ids are given. The index is published apart.
        """
        ids = select(SourceRow.uri, SourceRow.id).where(SourceRow.uri.in_([item.about.uri for item in documents]))
        with self.database.write("library") as session:
            old = {uri: number for uri, number in session.execute(ids)}
            owners = {item.about.uri: owner_of(item.about.uri, self._folder.parent) for item in documents}
            session.execute(delete(PassageRow).where(PassageRow.source_id.in_(list(old.values()))))
            if again := [
                {"id": old[item.about.uri], **item.source(owners[item.about.uri])}
                for item in documents
                if item.about.uri in old
            ]:
                session.execute(update(SourceRow), again)
            if new := [item.source(owners[item.about.uri]) for item in documents if item.about.uri not in old]:
                session.execute(insert(SourceRow), new)
            now = {uri: number for uri, number in session.execute(ids)}
            session.execute(insert(PassageRow), [row for item in documents for row in item.rows(now[item.about.uri])])
            if (encoder := read_meta(session, "encoder")) not in ("", self.embedder.fingerprint):
                raise DataError(f"the passages have been embedded by {encoder!r} meanwhile: run it again")
            if not encoder:
                write_meta(session, "encoder", self.embedder.fingerprint)
            note_change(session)

    def confirm(self, about: StoredSource, document: Document) -> bool:
        """Whether the stored document of this uri reads the same; if so it takes on the digest of `about`."""
        with self.database.write("library") as session:
            row = session.scalar(select(SourceRow).where(SourceRow.uri == about.uri))
            if row is None or (row.name, row.title, row.text) != (about.name, about.title, document.text):
                return False
            if tuple(from_json(Section, section) for section in row.sections) != document.sections:
                return False
            row.sha256 = about.sha256
            return True

    def complete(self, file: str, marked: str, digest: str) -> bool:
        """Give the documents of a file that have the digest `marked` its own digest, and remove the others.

        In one transaction. Returns whether any was removed. The index is published apart.
        """
        query = select(SourceRow.id, SourceRow.uri, SourceRow.sha256)
        with self.database.write("library") as session:
            rows = session.execute(query.where(SourceRow.uri.startswith(f"{file}#", autoescape=True))).all()
            members = [(row.id, row.sha256 == marked) for row in rows if file_of(row.uri) == file]
            stale = [number for number, current in members if not current]
            for number in stale:
                session.execute(delete(SourceRow).where(SourceRow.id == number))
            if values := [{"id": number, "sha256": digest} for number, current in members if current]:
                session.execute(update(SourceRow), values)
            if stale:
                note_change(session)
                owe_erasure(session)
        self.database.erase()
        return bool(stale)

    def adopt(self, origins: Mapping[int, str]) -> None:
        """Note the origins of sources, by id."""
        if values := [{"id": number, "origin": origin} for number, origin in origins.items()]:
            with self.database.write("library") as session:
                session.execute(update(SourceRow), values)

    def forget(self, uris: Sequence[str]) -> None:
        """Remove the sources of these uris, some hundreds at a time. The index is published apart."""
        for first in range(0, len(uris), 500):  # others who write wait for a few seconds only
            with self.database.write("library") as session:
                session.execute(delete(SourceRow).where(SourceRow.uri.in_(uris[first : first + 500])))
                note_change(session)
                owe_erasure(session)
        self.database.erase()
        if any(map(is_address, uris)):
            from app.library.pages import forget_pages

            forget_pages(self._folder.parent, set(uris))


def index_state(database: Database) -> IndexState:
    """Return how the library and its index stand; needs no encoder and no writing."""
    with database.read() as session:
        return _state(session, database)


def published_key(database: Database) -> str:
    """Return the name of the fact that tells which index was published: each data folder on a database has its own."""
    return f"published {database.node}".strip()


def _state(session: Session, database: Database) -> IndexState:
    return IndexState(
        _version(session),
        read_meta(session, published_key(database)),
        read_meta(session, "encoder"),
        session.scalar(select(func.count()).select_from(PassageRow)) or 0,
    )


def _version(session: Session) -> int:
    version = read_meta(session, "version")
    return int(version) if version.isdecimal() else 0


def note_change(session: Session) -> None:
    """Note, with what this session changes of the passages, that the index is behind."""
    write_meta(session, "version", str(_version(session) + 1))
