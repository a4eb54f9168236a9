"""Passages of documents that people have voted down lose rank. Knows nothing of who voted, or how it is stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from retrieval.types import Evidence, Retriever

PLACES: Final = 3  # that a passage falls for every vote against its document
MOST: Final = 3  # votes that count, so that a document can always be found where nothing else answers


@dataclass(frozen=True)
class Voted:
    """A Retriever that moves passages of documents that people voted down behind others that another finds.

    `against` returns, of these sources, the votes against each that are not outweighed by votes for it; a source that
    is not among them has none. A passage falls PLACES places for each, up to MOST, and its probability is divided by
    one more than their number.
    """

    retriever: Retriever
    against: Callable[[Sequence[str]], Mapping[str, int]]

    def search(self, queries: Sequence[str], k: int, sources: Sequence[str] = ()) -> tuple[Evidence, ...]:
        """Return up to `k` passages. Raises RetrievalError as the other."""
        found = self.retriever.search(queries, k, sources)
        votes = self.against(list(dict.fromkeys(item.passage.source for item in found)))
        if not any(votes.values()):
            return found
        if k > 0:  # what is no better than a passage that falls may take its place
            found = self.retriever.search(queries, k + PLACES * MOST, sources)
            votes = self.against(list(dict.fromkeys(item.passage.source for item in found)))
        fallen = [(place, item, min(votes.get(item.passage.source, 0), MOST)) for place, item in enumerate(found)]
        fallen.sort(key=lambda one: one[0] + PLACES * one[2] + (one[2] > 0) / 2)
        return tuple(_less_likely(item, count) for _, item, count in fallen[:k])


def _less_likely(item: Evidence, votes: int) -> Evidence:
    if not votes or item.probability is None:
        return item
    return replace(item, probability=item.probability / (1 + votes))
