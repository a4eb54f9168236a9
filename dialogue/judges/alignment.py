"""A claim laid against a stretch of evidence: the features from which support is judged.

Knows nothing of heads, thresholds, adapters or passages. Token alignment is late interaction (Khattab and Zaharia 2020)
on the contextual token vectors of the sentence encoder.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dialogue.judges.facts import Difference, Word, compare, words

Array = NDArray[np.float32]

FEATURES = "alignment-2"
COUNTED = 44  # what `features` returns; a row ends with the logits of an adapter that has read window and claim
COSINE, OVERLAP, SUPPORTED, REFUTED = 0, 17, 44, 45  # places in a row: the two baselines, the logits
ALIGNED, FIGURES, NAMES = 15, 30, 32  # mean alignment; the shares of the claim's figures and names that are missing
_UNIVERSAL = frozenset(
    [
        "all",
        "every",
        "each",
        "only",
        "always",
        "entire",
        "whole",
        "both",
        "any",
        "everyone",
        "everything",
        "exclusively",
        "never",
    ]
)
_PARTIAL = frozenset(
    [
        "some",
        "most",
        "many",
        "several",
        "few",
        "often",
        "sometimes",
        "usually",
        "generally",
        "partly",
        "mostly",
        "may",
        "might",
        "could",
    ]
)
_NEGATIVE = frozenset(["not", "no", "never", "without"])


@dataclass(frozen=True, eq=False)
class EncodedText:
    """An encoded text: unit token vectors (tokens, dimension) and their character spans (tokens, 2)."""

    text: str
    vectors: Array
    spans: NDArray[np.int64]

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """The words of the text."""
        return words(self.text)

    @cached_property
    def sequence(self) -> tuple[str, ...]:
        """The stems of all its words, in order."""
        return tuple(word.stem for word in self.words)

    @cached_property
    def content_sequence(self) -> tuple[str, ...]:
        """The stems of its content words, in order."""
        return tuple(word.stem for word in self.words if word.content)

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of its content words."""
        return frozenset(self.content_sequence)

    @cached_property
    def lowered(self) -> frozenset[str]:
        """Its words as they are spelt, in lower case."""
        return frozenset(word.text.lower() for word in self.words)

    @cached_property
    def total(self) -> Array:
        """The sum of the token vectors (dimension,)."""
        found: Array = self.vectors.sum(0)
        return found

    @cached_property
    def mean(self) -> Array:
        """The unit mean of the token vectors (dimension,), zero for no tokens."""
        return unit(self.total)

    @cached_property
    def content(self) -> NDArray[np.bool_]:
        """Which tokens belong to content words, shape (tokens,); all when none does."""
        inside = np.zeros(len(self.spans), dtype=bool)
        for word in self.words:
            if word.content:
                inside |= (self.spans[:, 0] >= word.start) & (self.spans[:, 1] <= word.end)
        return inside if inside.any() else np.ones(len(self.spans), dtype=bool)


def unit(vector: Array) -> Array:
    """Return a vector of length one, zero for zero."""
    return (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Span:
    """Some sentences of the evidence, with what gives them their meaning.

    `backgrounds` are title and headings of each passage they are from; `before` the sentences before, which may
    supply names; `leads` what each sentence leans on, "" for nothing.
    """

    sentences: tuple[EncodedText, ...]
    backgrounds: tuple[EncodedText, ...]
    before: str = ""
    leads: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The sentences, joined."""
        return " ".join(sentence.text for sentence in self.sentences)


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """Largest cosines of tokens: of each token of the claim (tokens,) with the span, with the span and its
    backgrounds, and with the whole passages; and of the content tokens of the span with the claim."""

    span: Array
    titled: Array
    passages: Array
    reverse: Array


def closeness(claim: EncodedText, best: Array, found: NDArray[np.bool_]) -> Array:
    """Return how near spans are (spans,), to choose by: mean of token alignment and share of words found.

    `best` (tokens, spans) are largest cosines, `found` (stems, spans) says which stems of the claim stand there.
    """
    if not len(best):
        return np.zeros(best.shape[1], dtype=np.float32)
    share = found.mean(0) if len(found) else np.zeros(best.shape[1])
    near: Array = (0.5 * best[claim.content].mean(0) + 0.5 * share).astype(np.float32)
    return near


def difference(stated: str, span: Span, known: Collection[str]) -> Difference:
    """Compare `stated`, the words the draft itself uses, with the span."""
    titles = " ".join(background.text for background in span.backgrounds)
    leans = list(zip((sentence.text for sentence in span.sentences), span.leads, strict=False))
    return compare(stated, span.text, f"{titles} {span.before}", known, leans)


def features(
    claim: EncodedText, span: Span, everywhere: Collection[str], difference: Difference, match: Match
) -> Array:
    """Return the features (COUNTED,) of a claim and a span; `everywhere` holds the stems of the whole passages."""
    vector = unit(np.sum([sentence.total for sentence in span.sentences], axis=0))
    titles = unit(np.sum([background.total for background in span.backgrounds], axis=0))
    matched = np.stack([match.span, match.titled, match.passages])[:, claim.content]
    numbers = [
        float(claim.mean @ vector),
        max(float(claim.mean @ sentence.mean) for sentence in span.sentences),
        float(claim.mean @ unit(vector + 0.5 * titles)),
        *_summaries(matched),
        float(match.span.mean()) if len(match.span) else 0.0,
        float(match.reverse.mean()) if len(match.reverse) else 0.0,
        *_lexical(claim, span, everywhere),
        *_difference_features(claim, span, difference),
    ]
    return np.asarray(numbers, dtype=np.float32)


def _summaries(matched: Array) -> list[float]:
    """Return mean, minimum, lower quartile and share below 0.5 of each row of token alignments."""
    rows, tokens = matched.shape
    if not tokens:
        return [0.0, 0.0, 0.0, 1.0] * rows
    ordered = np.sort(matched, axis=1)
    low, part = divmod(0.25 * (tokens - 1), 1)
    first, second = ordered[:, int(low)], ordered[:, min(int(low) + 1, tokens - 1)]
    columns = (ordered.mean(1), ordered[:, 0], first + part * (second - first), (ordered < 0.5).mean(1))
    found: list[float] = np.stack(columns, axis=1).ravel().tolist()
    return found


def _lexical(claim: EncodedText, span: Span, everywhere: Collection[str]) -> list[float]:
    mine, content = claim.sequence, claim.content_sequence
    theirs = [stem for sentence in span.sentences for stem in sentence.sequence]
    present = set(theirs)
    titled = present.union(*(background.sequence for background in span.backgrounds))
    missing = [s for s in content if s not in titled]
    return [
        _share(mine, present),
        _share(content, present),
        _share(content, titled),
        _share(content, everywhere),
        _share(list(pairwise(mine)), set(pairwise(theirs))),
        _share([stem for sentence in span.sentences for stem in sentence.content_sequence], claim.stems),
        math.log1p(len(missing)),
        float(bool(content) and content[-1] not in titled),
        float(bool(content) and content[0] not in titled),
        math.log1p(len(mine)),
        math.log1p(len(theirs)),
        min(3.0, len(mine) / max(1, len(theirs))),
    ]


def _share(items: Sequence[object], present: Collection[object]) -> float:
    return sum(item in present for item in items) / len(items) if items else 0.0


def _difference_features(claim: EncodedText, span: Span, difference: Difference) -> list[float]:
    mine = claim.lowered
    theirs = frozenset[str]().union(*(sentence.lowered for sentence in span.sentences))
    return [
        math.log1p(difference.numbers),
        len(difference.numbers_missing) / max(1, difference.numbers),
        math.log1p(difference.names),
        len(difference.names_missing) / max(1, difference.names),
        float(bool(difference.negation)),
        float(bool(difference.direction)),
        float(bool(difference.order)),
        float(bool(difference.reason)),
        float(bool(difference.lacking)),
        float(not _NEGATIVE.isdisjoint(mine) or "n't" in claim.text),
        float(not _NEGATIVE.isdisjoint(theirs) or "n't" in span.text),
        float(bool(_UNIVERSAL & mine - theirs)),
        float(bool(_UNIVERSAL & theirs - mine)),
        float(bool(_PARTIAL & mine - theirs)),
        float(bool(_PARTIAL & theirs - mine)),
    ]
