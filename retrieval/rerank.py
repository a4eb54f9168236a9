"""Reranking: the nearest passages read again after the query, each with the probability that it answers.

An adapter reads query and passage together. Its logits, the cosine and the score of the search before it make two sums:
one orders the passages of a query, the other is a calibrated probability, comparable between queries. Works over
any Retriever and knows nothing of how that one searches, nor of what is done with the probability.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.passages import embedding_text
from retrieval.text import clean, each
from retrieval.types import Evidence, Passage, RetrievalError, Retriever
from retrieval.weights import SHIPPED
from retrieval.weights import WEIGHTS as FOLDER

if TYPE_CHECKING:
    from retrieval.encoder.embed import Encoder

WEIGHTS = FOLDER / "relevance.safetensors"
DEPTH = 12  # passages read after a query
CONTEXT = 2  # of the passages asked for, how many may be neighbours of the best
MOST_CHARACTERS = 1_000  # of a query, as it is read
FEATURES = ("relevant", "answers", "similarity", "score")
Weights = Mapping[str, float]  # by FEATURES, and of a bias


class PairReader(Protocol):
    """Reads pairs of texts; an adapter's Reader is one."""

    outputs: tuple[str, ...]
    fingerprint: str

    def __call__(self, pairs: Sequence[tuple[str, str]], /) -> NDArray[np.float32]:
        """Return logits (pairs, outputs)."""
        ...


@dataclass(frozen=True)
class Reranker:
    """A Retriever that reorders what another finds, by weights of FEATURES for the `order` and for what is `likely`.

    `passages` returns passages by id, as far as they exist: those before and after the best one are shown as well.
    """

    retriever: Retriever
    reader: PairReader
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
    retriever: Retriever, encoder: "Encoder", passages: Callable[[Sequence[int]], Sequence[Passage]], depth: int = DEPTH
) -> Reranker:
    """Put the shipped adapter before a retriever. Raises RetrievalError when it is missing, damaged or does not fit."""
    from retrieval.encoder.adapters import load_reader

    reader = load_reader(encoder, WEIGHTS, SHIPPED)
    order, likely = (reader.about.get(name, {}) for name in ("order", "likely"))
    if not set(FEATURES) <= order.keys() & likely.keys():
        raise RetrievalError(f"{WEIGHTS.name} is not calibrated on {FEATURES}: train it with: candor train judges")
    return Reranker(retriever, reader, order, likely, passages, depth)


def features(reader: PairReader, query: str, found: Sequence[Evidence]) -> NDArray[np.float64]:
    """Return rows (found, FEATURES); the score is relative to the best one found."""
    pairs = [(query[:MOST_CHARACTERS], embedding_text(item.passage)) for item in found]
    logits = reader(pairs)[:, [reader.outputs.index(name) for name in FEATURES[:2]]]
    most = max((item.score for item in found), default=1.0) or 1.0
    told = [((item.similarity or 0.0), item.score / most) for item in found]
    return np.concatenate([logits, np.array(told, dtype=np.float64).reshape(-1, 2)], axis=1)


def weighed(rows: NDArray[np.float64], weights: Weights) -> NDArray[np.float64]:
    """Return the weighted sums (found,) of rows (found, FEATURES)."""
    sums: NDArray[np.float64] = rows @ np.array([weights[name] for name in FEATURES]) + weights.get("bias", 0.0)
    return sums
