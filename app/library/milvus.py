"""The library of a data folder whose index is in Milvus: what SQL holds, fed there, and put right where they differ.

SQL is the truth here too. Ids of passages grow and are never used twice: what is new lies above the highest id fed, and
what differs below shows in the number of passages between two ids, and is found by halving.
"""

import logging
import secrets
from pathlib import Path
from typing import Final

from sqlalchemy import func, select

from app.library.library import Library, index_state, published_key
from app.store.database import Database, read_meta, write_meta
from app.store.tables import PassageRow
from retrieval.index.milvus import BATCH, Collection, Milvus
from retrieval.types import Embedder, IndexDamaged

SPAN: Final = 4096  # ids that are compared one by one
TOP: Final = 2**62  # above every id
_log = logging.getLogger(__name__)


class MilvusLibrary(Library):
    """A library that feeds a collection of its own. Every method raises DataError or RetrievalError."""

    def __init__(self, database: Database, folder: Path, embedder: Embedder, server: Milvus) -> None:
        super().__init__(database, folder, embedder)
        self._server = server
        self._collection: Collection | None = None

    def collection(self) -> Collection | None:
        """Return the collection to search now; None before anything was stored."""
        return self._collection

    def open(self) -> None:
        """Bring the collection up to date with the passages."""
        state = index_state(self.database)
        if state.passages and state.encoder != self.embedder.fingerprint:
            _log.warning("the encoder has changed: embedding %d passages again", state.passages)
            self.rebuild()
        elif state.passages:
            self.publish()

    def publish(self) -> None:
        """Feed Milvus what is new, remove there what is gone, and search it from now on."""
        with self._publishing, self.database.publishing():
            state = index_state(self.database)
            name, fed = fed_collection(self.database)
            collection = self._opened(name) if name else None
            if collection is None:
                name, fed = self._renamed(), 0
                made_by, dimension = self.embedder.fingerprint, self.embedder.dimension
                collection = self._server.create(name, made_by, dimension, state.passages)
            fed = self._feed(collection, fed)
            collection.delete_between(fed + 1, TOP)  # fed before an older copy of the database was put back
            self._settle(collection, 0, fed)
            with self.database.write("library") as session:
                write_meta(session, published_key(self.database), f"{state.version}:{name}")
            self._collection = collection  # until now the one before was searched
            for other in self._server.names(name.rpartition("_")[0] + "_"):
                if other != name:
                    self._server.drop(other)

    def rebuild(self) -> None:
        """Embed all stored passages again, and feed a new collection."""
        self._renamed()
        super().rebuild()

    def _opened(self, name: str) -> Collection | None:
        try:
            return self._server.open(name, self.embedder.fingerprint)
        except IndexDamaged as error:
            _log.warning("%s; building it again from the stored passages", error)
            return None

    def _renamed(self) -> str:
        """Choose the name of a collection that is not there yet, and return it."""
        before, _ = fed_collection(self.database)
        owner, _, number = before.rpartition("_")
        name = f"{owner}_{int(number) + 1}" if before else f"candor_{secrets.token_hex(6)}_1"
        self._note(name, 0)
        return name

    def _note(self, name: str, fed: int) -> None:
        with self.database.write("library") as session:
            write_meta(session, "milvus", f"{name}:{fed}")

    def _feed(self, collection: Collection, fed: int) -> int:
        """Store what lies above the id `fed`, note after every batch how far this is, and return it."""
        while True:
            passages, vectors = self.stored(fed, BATCH)
            if not passages:
                return fed
            collection.upsert(passages, vectors)
            fed = passages[-1].id
            self._note(collection.name, fed)

    def _settle(self, collection: Collection, after: int, last: int) -> None:
        """Make the ids above `after` up to `last` the same there as here, wherever their numbers differ.

        As many lost as left over between the same ids stay unseen; no crash leads there, and `rebuild` mends it.
        """
        here, there = stored_between(self.database, after, last), collection.count(after + 1, last)
        if here == there:
            return
        if here == 0:
            collection.delete_between(after + 1, last)
        elif last - after <= SPAN:
            passages, vectors = self.stored(after, SPAN)
            kept = [row for row, passage in enumerate(passages) if passage.id <= last]
            held = set(collection.ids(after + 1, last))
            missing = [row for row in kept if passages[row].id not in held]
            collection.delete(sorted(held - {passages[row].id for row in kept}))
            collection.upsert([passages[row] for row in missing], vectors[missing])
        else:
            middle = (after + last) // 2
            self._settle(collection, after, middle)
            self._settle(collection, middle, last)


def fed_collection(database: Database) -> tuple[str, int]:
    """Return the name of the collection of this folder, empty before there is one, and the highest id fed to it."""
    with database.read() as session:
        name, _, fed = read_meta(session, "milvus").rpartition(":")
    return name, int(fed or 0)


def stored_between(database: Database, after: int, last: int) -> int:
    """Return how many stored passages have ids above `after` up to `last`."""
    with database.read() as session:
        counted = select(func.count()).where(PassageRow.id > after, PassageRow.id <= last)
        return session.scalar(counted) or 0
