"""Hybrid search: cosine and words, each query form asked of both, fused by rank.

Knows an embedder, a generation and a way to fetch passages by id; nothing of SQL or files.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from itertools import chain

from retrieval.index import Generation
from retrieval.text import clean
from retrieval.types import Embedder, Evidence, Passage, RetrievalError, Vectors

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

    def search(self, queries: Sequence[str], k: int, sources: Sequence[str] = ()) -> tuple[Evidence, ...]:
        """Return up to `k` passages, best first, found for any of the `queries` (forms of one question).

        `similarity` is the highest cosine over the forms. Where `sources` restrict, the rankings are read deeper
        until they hold enough passages of theirs, or nothing more. Raises RetrievalError when a search fails.
        """
        generation = self._generation  # one search sees one generation
        forms = [form for form in (clean(query[:MOST_CHARACTERS]).strip() for query in queries) if form]
        if generation is None or not generation.count or not forms or k < 1:
            return ()
        vectors = self._embedder.encode(forms)
        rankings, found = self._ranked(generation, vectors, forms, DEPTH * k, sources)
        scores = fuse(rankings)
        present = [number for number in scores if number in found]
        cosines = (vectors @ generation.vectors(present).T).max(axis=0, initial=-1.0)
        evidence = [
            Evidence(found[number], scores[number], float(cosine))
            for number, cosine in zip(present, cosines, strict=True)
        ]
        return distinct(evidence)[:k]

    def _ranked(
        self, generation: Generation, vectors: Vectors, forms: Sequence[str], wanted: int, sources: Sequence[str]
    ) -> tuple[list[list[int]], dict[int, Passage]]:
        """Return the ids by meaning and by words, one list per form and way, and the passages behind them."""
        depth = wanted
        while True:
            dense, _ = generation.dense(vectors, depth)
            words = [[number for number, _ in generation.lexical(form, depth)] for form in forms]
            rankings = [*dense.tolist(), *words]
            found = {passage.id: passage for passage in self._passages(list(dict.fromkeys(chain(*rankings))))}
            if not sources:
                return rankings, found
            kept = {number: passage for number, passage in found.items() if matches(passage.source, sources)}
            rankings = [[number for number in ranking if number in kept][:wanted] for ranking in rankings]
            if depth >= generation.count or all(len(ranking) >= wanted for ranking in rankings[: len(forms)]):
                return rankings, kept
            depth *= DEPTH


def matches(source: str, patterns: Sequence[str]) -> bool:
    """Say whether the name of a source fits one of the glob patterns, case aside; ``*`` also crosses slashes."""
    return any(fnmatchcase(source.casefold(), pattern.casefold()) for pattern in patterns)


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
