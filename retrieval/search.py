"""Hybrid search: cosine and words, each query form asked of both, fused by rank.

Knows an embedder, a generation and a way to fetch passages by id; nothing of SQL or files.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

from retrieval.index import Generation
from retrieval.text import clean
from retrieval.types import Embedder, Evidence, Passage, RetrievalError

RANK_CONSTANT = 60  # reciprocal rank fusion, Cormack, Clarke and Buettcher 2009
DEPTH = 4  # candidates per ranking, as a multiple of the results asked for
MOST_CHARACTERS = 20_000  # of one query


class HybridRetriever:
    """A Retriever over a published index. The generation may be swapped while other threads search."""

    def __init__(
        self,
        embedder: Embedder,
        generation: Generation | None,
        passages: Callable[[Sequence[int]], Sequence[Passage]],
    ) -> None:
        """Take `passages`, which returns those passages of the given ids that still exist, in any order.

        Raises RetrievalError when another encoder made the generation. None stands for an empty index.
        """
        self._embedder = embedder
        self._passages = passages
        self.use(generation)

    def use(self, generation: Generation | None) -> None:
        """Serve this generation from the next search on. Raises RetrievalError as at the start."""
        if generation is not None and generation.encoder != self._embedder.fingerprint:
            raise RetrievalError(
                f"the index was made by the encoder {generation.encoder!r}, "
                f"not {self._embedder.fingerprint!r}: build it again"
            )
        self._generation = generation

    def search(self, queries: Sequence[str], k: int) -> tuple[Evidence, ...]:
        """Return up to `k` passages, best first, found for any of the `queries` (forms of one question).

        `similarity` is the highest cosine over the forms. Raises RetrievalError when a search fails.
        """
        generation = self._generation  # one search sees one generation
        forms = [form for form in (clean(query[:MOST_CHARACTERS]).strip() for query in queries) if form]
        if generation is None or not generation.count or not forms or k < 1:
            return ()
        vectors = self._embedder.encode(forms)
        dense, _ = generation.dense(vectors, DEPTH * k)
        words = [[number for number, _ in generation.lexical(form, DEPTH * k)] for form in forms]
        scores = fuse([*dense.tolist(), *words])
        found = {passage.id: passage for passage in self._passages(list(scores))}
        present = [number for number in scores if number in found]
        cosines = (vectors @ generation.vectors(present).T).max(axis=0, initial=-1.0)
        evidence = [
            Evidence(found[number], scores[number], float(cosine))
            for number, cosine in zip(present, cosines, strict=True)
        ]
        return distinct(evidence)[:k]


def fuse(rankings: Sequence[Sequence[int]]) -> dict[int, float]:
    """Return each id's reciprocal rank score: the sum of 1 / (60 + rank) over the rankings, ranks from 1."""
    scores: defaultdict[int, float] = defaultdict(float)
    for ranking in rankings:
        for rank, number in enumerate(ranking, start=1):
            scores[number] += 1 / (RANK_CONSTANT + rank)
    return dict(scores)


def distinct(evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Return the evidence best first, one of each text; case and white space make no difference."""
    kept: dict[str, Evidence] = {}
    for item in sorted(evidence, key=_rank):
        kept.setdefault(" ".join(item.passage.text.casefold().split()), item)
    return tuple(kept.values())


def _rank(item: Evidence) -> tuple[float, float, int]:
    similarity = -1.0 if item.similarity is None else item.similarity
    return (-item.score, -similarity, item.passage.id)
