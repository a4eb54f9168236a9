"""Hybrid search: cosine and words, each query form asked of both, fused by score.

Knows an embedder, a generation and a way to fetch passages by id; nothing of SQL or files.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import chain
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.index.generation import Generation
from retrieval.text import clean, each
from retrieval.types import Embedder, Evidence, Passage, RetrievalError, Vectors

MEANING = 0.7  # weight of the cosine, that of the words is the rest
DEPTH = 4  # candidates per ranking, as a multiple of the results asked for
MOST_CHARACTERS = 20_000  # of one query
ALIKE = 0.93  # cosine from which a passage may be a near copy of another
OWN = 0.1  # the share of its words that a near copy may have of its own

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_TELLING = re.compile(r"\d|^[^\W\d_a-zà-öø-ÿ]|^(?:not?|nor|never|none|without|neither)$|n['’]t$")


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

    def vocabulary(self) -> Mapping[str, int]:
        """Return the words of the collection with the number of passages that hold each; see `retrieval.spelling`."""
        generation = self._generation
        return {} if generation is None else generation.vocabulary

    def among(self, passages: Callable[[Sequence[int]], Sequence[Passage]]) -> "Among":
        """Return the retriever of the same index that finds only what these `passages` return."""
        return Among(self, passages)

    def search(
        self,
        queries: Sequence[str],
        k: int,
        sources: Sequence[str] = (),
        among: Callable[[Sequence[int]], Sequence[Passage]] | None = None,
    ) -> tuple[Evidence, ...]:
        """Return up to `k` passages, best first, found for any of the `queries` (forms of one question).

        `similarity` is the highest cosine over the forms. Where `sources` or `among` restrict, the rankings are read
        deeper until they hold enough passages of theirs, or nothing more. Raises RetrievalError when a search fails.
        """
        generation = self._generation  # one search sees one generation
        forms = [form for form in (clean(query[:MOST_CHARACTERS]).strip() for query in each(queries)) if form]
        if generation is None or not generation.count or not forms or k < 1:
            return ()
        vectors = self._embedder.encode_queries(forms)
        depth = DEPTH * k
        while True:
            candidates = _candidates(generation, vectors, forms, depth)
            if sources or among:
                kept, best = self._best(candidates, candidates.order, k, sources, among)
            else:  # to fetch them takes most of the time, and without copies a quarter more is enough
                kept, best = self._best(candidates, candidates.order[: k + k // 4 + 1], k)
                if len(best) < k:
                    return self._best(candidates, candidates.order, k)[1]
            if not (sources or among) or depth >= generation.count or kept >= DEPTH * k:
                return best
            depth *= DEPTH

    def _best(
        self,
        candidates: "_Candidates",
        places: NDArray[np.int64],
        k: int,
        sources: Sequence[str] = (),
        among: Callable[[Sequence[int]], Sequence[Passage]] | None = None,
    ) -> tuple[int, tuple[Evidence, ...]]:
        """Return how many of the candidates at these places exist and are of the sources, and the best `k` of them."""
        ids = [candidates.ids[place] for place in places]
        found = {p.id: p for p in (among or self._passages)(ids) if not sources or matches(p.source, sources)}
        kept = [place for place in places if candidates.ids[place] in found]
        scores, cosines = candidates.scores, candidates.cosines.max(axis=0, initial=-1.0)
        evidence = [Evidence(found[candidates.ids[at]], float(scores[at]), float(cosines[at])) for at in kept]
        return len(kept), distinct(evidence, candidates.vectors[kept], k)


class _Whole(Protocol):
    def search(
        self,
        queries: Sequence[str],
        k: int,
        sources: Sequence[str] = (),
        among: Callable[[Sequence[int]], Sequence[Passage]] | None = None,
    ) -> tuple[Evidence, ...]: ...


@dataclass(frozen=True)
class Among:
    """A Retriever that finds in another's index only what its `passages` return: those that somebody may see."""

    retriever: _Whole
    passages: Callable[[Sequence[int]], Sequence[Passage]]

    def search(self, queries: Sequence[str], k: int, sources: Sequence[str] = ()) -> tuple[Evidence, ...]:
        """Return up to `k` of those passages, as the retriever does."""
        return self.retriever.search(queries, k, sources, self.passages)


@dataclass(frozen=True)
class _Candidates:
    """What was found by any form of the query: `ids` with their `vectors`, `cosines` and `words` (forms, ids).

    A BM25 score is relative to the form's best; what was not found by words has 0.
    """

    ids: list[int]
    vectors: Vectors
    cosines: NDArray[np.float32]
    words: NDArray[np.float32]

    @cached_property
    def scores(self) -> NDArray[np.float32]:
        """The fused scores, shape (ids,)."""
        return fuse(self.cosines, self.words)

    @property
    def order(self) -> NDArray[np.int64]:
        """The places, best first."""
        return np.argsort(-self.scores, kind="stable")


def _candidates(generation: Generation, vectors: Vectors, forms: Sequence[str], depth: int) -> _Candidates:
    """Search every form by its row of `vectors` and by its words, each `depth` deep."""
    dense, _ = generation.dense(vectors, depth)
    hits = [generation.lexical(form, depth) for form in forms]
    ids = list(dict.fromkeys(chain(*dense.tolist(), *([number for number, _ in found] for found in hits))))
    place = {number: column for column, number in enumerate(ids)}
    words = np.zeros((len(forms), len(ids)), dtype=np.float32)
    for row, found in enumerate(hits):
        for number, score in found:
            words[row, place[number]] = score / found[0][1]
    stored = generation.vectors(ids)
    return _Candidates(ids, stored, vectors @ stored.T, words)


def matches(source: str, patterns: Sequence[str]) -> bool:
    """Say whether the name of a source fits one of the glob patterns, case aside; ``*`` also crosses slashes."""
    return any(fnmatchcase(source.casefold(), pattern.casefold()) for pattern in each(patterns))


def fuse(cosines: NDArray[np.float32], words: NDArray[np.float32], meaning: float = MEANING) -> NDArray[np.float32]:
    """Return the fused score of every passage from arrays (forms, passages): the highest over the forms.

    A convex combination of the cosine, weighing `meaning`, and the BM25 score relative to the form's best (Bruch, Gai
    and Ingber 2023). `benchmarks/fusion.py` compares it with other weights and with reciprocal rank fusion.
    """
    scores: NDArray[np.float32] = (meaning * cosines + (1 - meaning) * words).max(axis=0, initial=-1.0)
    return scores


def distinct(
    evidence: Sequence[Evidence], vectors: Vectors | None = None, most: int | None = None
) -> tuple[Evidence, ...]:
    """Return the evidence best first, up to `most`, without what says again what a better one says.

    That is the same text, case and white space aside, or, where `vectors` (evidence, dimension) are given, a text
    as near as ALIKE that `repeats` it.
    """
    kept: dict[str, int] = {}
    near = np.zeros(len(evidence), dtype=np.bool_)  # to one that is kept
    for place in sorted(range(len(evidence)), key=lambda place: _rank(evidence[place])):
        if len(kept) == most:
            break
        text = evidence[place].passage.text
        plain = " ".join(text.casefold().split())
        if plain in kept:
            continue
        if vectors is not None:
            others = [at for at in kept.values() if near[place] and vectors[at] @ vectors[place] >= ALIKE]
            if any(repeats(text, evidence[at].passage.text) for at in others):
                continue
            near |= vectors @ vectors[place] >= ALIKE
        kept[plain] = place
    return tuple(evidence[place] for place in kept.values())


def repeats(text: str, other: str) -> bool:
    """Say whether a text only says what another says: nearly all of its words stand there as well.

    A number, a negation or a word in capitals that is its own always counts: two reports that differ in a year or in
    a name are two.
    """
    words = set(_WORD.findall(text))
    there = set(_WORD.findall(other.casefold()))
    own = [word for word in words if word.casefold() not in there]
    return len(own) <= OWN * len(words) and not any(_TELLING.search(word) for word in own)


def _rank(item: Evidence) -> tuple[float, float, int]:
    similarity = -1.0 if item.similarity is None else item.similarity
    return (-item.score, -similarity, item.passage.id)
