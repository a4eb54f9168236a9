"""The fake that ships: exact dense search over passages in memory, for tests, demos and small scripts."""

from collections.abc import Sequence

from retrieval.passages import embedding_text
from retrieval.search import distinct, matches
from retrieval.text import clean, each
from retrieval.types import Embedder, Evidence, Passage


class MemoryRetriever:
    """A Retriever without files: every passage is compared with every query form."""

    def __init__(self, passages: Sequence[Passage], embedder: Embedder) -> None:
        """Embed the passages at once."""
        self._passages = tuple(passages)
        self._embedder = embedder
        self._vectors = embedder.encode([embedding_text(passage) for passage in passages])

    def search(self, queries: Sequence[str], k: int, sources: Sequence[str] = ()) -> tuple[Evidence, ...]:
        """Return the `k` passages of the highest cosine to any query form; the cosine is also the score."""
        forms = [form for form in (clean(query).strip() for query in each(queries)) if form]
        if not forms or not self._passages or k < 1:
            return ()
        cosines = (self._embedder.encode_queries(forms) @ self._vectors.T).max(axis=0)
        found = [Evidence(passage, float(c), float(c)) for passage, c in zip(self._passages, cosines, strict=True)]
        kept = [row for row, p in enumerate(self._passages) if not sources or matches(p.source, sources)]
        return distinct([found[row] for row in kept], self._vectors[kept])[:k]
