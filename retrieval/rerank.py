"""Reranking: the nearest passages read after the query, each with the probability that it answers.

What the reader makes of a passage, its cosine and the score of the search before it make two sums: one orders the
passages of a query, the other is a calibrated probability, comparable between queries. Works over any Retriever and
knows nothing of how that one searches, nor of what is done with the probability.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.reading import bounded, page_of
from retrieval.text import clean, each
from retrieval.types import Evidence, Passage, RetrievalError, Retriever

if TYPE_CHECKING:
    from retrieval.reader import PassageReader


DEPTH = 12  # passages read after a query
CONTEXT = 2  # of the passages asked for, how many may be neighbours of the best
FEATURES = ("answers", "span", "relevant", "similarity", "score")
Weights = Mapping[str, float]  # by FEATURES, and of a bias


@dataclass(frozen=True)
class Reranker:
    """A Retriever that reorders what another finds, by weights of FEATURES for the `order` and for what is `likely`.

    `passages` returns passages by id, as far as they exist: those before and after the best one are shown as well.
    """

    retriever: Retriever
    reader: "PassageReader"
    order: Weights
    likely: Weights
    passages: Callable[[Sequence[int]], Sequence[Passage]] = lambda ids: ()
    depth: int = DEPTH

    def search(self, queries: Sequence[str], k: int, sources: Sequence[str] = ()) -> tuple[Evidence, ...]:
        """Return up to `k` passages, the most relevant first; those that were read have their `probability`.

        Found for any form of the question in `queries`, read after the first form. Where the best has neighbours that
        were not found, the last places, CONTEXT at most, are theirs. Raises RetrievalError as the retriever does.
        """
        forms = [form for form in (clean(query).strip() for query in each(queries)) if form]
        if not forms or k < 1:
            return ()
        found = self.retriever.search(queries, max(k, self.depth), sources)
        if not found:
            return ()
        read = found[: self.depth]
        rows = features(self.reader, forms[0], read)
        likely = 1 / (1 + np.exp(-weighed(rows, self.likely)))
        order = np.argsort(-weighed(rows, self.order), kind="stable")
        ranked = [replace(read[place], probability=float(likely[place])) for place in order]
        best = [*ranked, *found[self.depth :]][:k]
        near = self._neighbours(best)[: min(CONTEXT, k // 2)]
        return (*best[: k - len(near)], *near)

    def _neighbours(self, best: Sequence[Evidence]) -> list[Evidence]:
        """The passages after and before the best one, which ids tell, unless they are among the best themselves."""
        passage, shown = best[0].passage, {item.passage.id for item in best}
        beside = self.passages([passage.id + 1, passage.id - 1])
        return [Evidence(p, 0.0) for p in beside if p.source == passage.source and p.id not in shown]


def load_reranker(
    retriever: Retriever,
    reader: "PassageReader",
    passages: Callable[[Sequence[int]], Sequence[Passage]],
    depth: int = DEPTH,
) -> Reranker:
    """Put the reader before a retriever. Raises RetrievalError when its card holds no calibration of FEATURES."""
    order, likely = (reader.about.get(name, {}) for name in ("order", "likely"))
    if not set(FEATURES) <= order.keys() & likely.keys():
        raise RetrievalError(f"the reader is not calibrated on {FEATURES}: train it with: candor train judges")
    return Reranker(retriever, reader, order, likely, passages, depth)


def features(reader: "PassageReader", query: str, found: Sequence[Evidence]) -> NDArray[np.float64]:
    """Return rows (found, FEATURES); the score is relative to the best one found."""
    readings = reader.read(query, [page_of(item.passage) for item in found])
    most = max((item.score for item in found), default=1.0) or 1.0
    rows = [
        (one.answers, bounded(one.best()[0]), one.relevant, item.similarity or 0.0, item.score / most)
        for one, item in zip(readings, found, strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, len(FEATURES))


def weighed(rows: NDArray[np.float64], weights: Weights) -> NDArray[np.float64]:
    """Return the weighted sums (found,) of rows (found, FEATURES)."""
    sums: NDArray[np.float64] = rows @ np.array([weights[name] for name in FEATURES]) + weights.get("bias", 0.0)
    return sums
