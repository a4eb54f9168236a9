"""The library as its own tool sees it: which documents there are, how they begin, and where words stand in them."""

from collections.abc import Mapping, Sequence

from sqlalchemy import func, or_, select

from app.library.catalogue import seen_by
from app.library.checksums import passages_where
from app.store.database import Database, read_meta
from app.store.tables import PassageRow, SourceRow
from retrieval.tools.holdings import Holding
from retrieval.types import Passage
from retrieval.versions import OPENING


class Shelf:
    """A Catalogue over the database, or over what an account sees of it.

    What documents there are is read again when the library has changed.
    """

    def __init__(self, database: Database, account: str | None = None) -> None:
        self._database = database
        self._seen = seen_by(account)
        self._known: tuple[str, tuple[Holding, ...]] = ("", ())

    def holdings(self) -> Sequence[Holding]:
        """Return all documents by name. Raises DataError."""
        with self._database.read() as session:
            version = read_meta(session, "version")
            if self._known[0] != version or not version:
                query = select(SourceRow.id, SourceRow.name, SourceRow.title, SourceRow.kind, SourceRow.added_at)
                query = query.where(*self._seen)
                rows = session.execute(query.order_by(SourceRow.name, SourceRow.id)).all()
                self._known = (version, tuple(Holding(*row) for row in rows))
        return self._known[1]

    def openings(self, sources: Sequence[str]) -> Mapping[str, str]:
        """Return how the documents of these names begin. Raises DataError."""
        query = select(SourceRow.name, func.substr(SourceRow.text, 1, OPENING))
        with self._database.read() as session:
            return {name: text for name, text in session.execute(query.where(SourceRow.name.in_(sources), *self._seen))}

    def passages(self, holding: Holding) -> Sequence[Passage]:
        """Return the passages of a document in reading order. Raises DataError."""
        with self._database.read() as session:
            return passages_where(session, PassageRow.source_id == holding.id)

    def texts(self, words: Sequence[str], most: int) -> Mapping[int, str]:
        """Return the texts, by id, of up to `most` documents that hold one of the strings. Raises DataError."""
        held = [
            column.icontains(word, autoescape=True) for word in words for column in (SourceRow.text, SourceRow.title)
        ]
        query = select(SourceRow.id, SourceRow.title, SourceRow.text).where(or_(*held), *self._seen)
        query = query.order_by(SourceRow.name)
        with self._database.read() as session:
            return {number: f"{title}\n{text}" for number, title, text in session.execute(query.limit(most))}
