"""A claim laid against a stretch of evidence: the features from which support is judged.

Knows nothing of heads, thresholds or passages. Token alignment is late interaction (Khattab and Zaharia 2020)
on the contextual token vectors of the sentence encoder.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dialogue.facts import Difference, Word, compare, words

Array = NDArray[np.float32]

FEATURES = "alignment-1"
COSINE, OVERLAP = 0, 17  # places of the cosine and of the share of words found in a feature row
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


@dataclass(frozen=True, eq=False)
class Text:
    """An encoded text: unit token vectors (tokens, dimension) and their character spans (tokens, 2)."""

    text: str
    vectors: Array
    spans: NDArray[np.int64]

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """The words of the text."""
        return words(self.text)

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of its content words."""
        return frozenset(word.stem for word in self.words if word.content)

    @cached_property
    def mean(self) -> Array:
        """The unit mean of the token vectors (dimension,), zero for no tokens."""
        return _unit(self.vectors.sum(0)) if len(self.vectors) else np.zeros(self.vectors.shape[1], np.float32)

    @cached_property
    def content(self) -> NDArray[np.bool_]:
        """Which tokens belong to content words, shape (tokens,); all when none does."""
        inside = np.zeros(len(self.spans), dtype=bool)
        for word in self.words:
            if word.content:
                inside |= (self.spans[:, 0] >= word.start) & (self.spans[:, 1] <= word.end)
        return inside if inside.any() else np.ones(len(self.spans), dtype=bool)


def _unit(vector: Array) -> Array:
    return (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)


def best_match(claim: Text, source: Text) -> Array:
    """Return for each token of the claim its largest cosine with a token of the source, shape (tokens,)."""
    if not len(source.vectors) or not len(claim.vectors):
        return np.zeros(len(claim.vectors), dtype=np.float32)
    best: Array = (claim.vectors @ source.vectors.T).max(1)
    return best


def closeness(claim: Text, matched: Array, stems: Collection[str]) -> float:
    """Return how near a window is, to choose windows by: mean of token alignment and share of words found."""
    if not len(matched):
        return 0.0
    found = sum(s in stems for s in claim.stems) / max(1, len(claim.stems))
    return 0.5 * float(matched[claim.content].mean()) + 0.5 * found


@dataclass(frozen=True, slots=True)
class Window:
    """One or two neighbouring sentences of a passage, with what gives them their meaning.

    `background` is the title with the headings; `before` the sentences before, which may supply names.
    """

    sentences: tuple[Text, ...]
    background: Text
    before: str = ""

    @property
    def text(self) -> str:
        """The sentences, joined."""
        return " ".join(sentence.text for sentence in self.sentences)


def difference(stated: str, window: Window, known: Collection[str]) -> Difference:
    """Compare `stated`, the words the draft itself uses, with the window."""
    return compare(stated, window.text, f"{window.background.text} {window.before}", known)


def features(claim: Text, window: Window, passage: Sequence[Text], told: Difference, matched_all: Array) -> Array:
    """Return the feature row of a claim and a window; `matched_all` is the best match in the passage."""
    parts = [best_match(claim, sentence) for sentence in window.sentences]
    matched = np.max(parts, axis=0)
    titled = np.maximum(matched, best_match(claim, window.background))
    content = claim.content
    vector = _unit(np.sum([s.vectors.sum(0) for s in window.sentences], axis=0))
    back = [best_match(sentence, claim)[sentence.content] for sentence in window.sentences]
    reverse = np.concatenate(back) if back else np.zeros(1, np.float32)
    numbers = [
        float(claim.mean @ vector),
        max(float(claim.mean @ sentence.mean) for sentence in window.sentences),
        float(claim.mean @ _unit(vector + 0.5 * window.background.mean)),
        *_summary(matched[content]),
        *_summary(titled[content]),
        *_summary(matched_all[content]),
        float(matched.mean()) if len(matched) else 0.0,
        float(reverse.mean()) if len(reverse) else 0.0,
        *_lexical(claim, window, passage),
        *_told(claim, window, told),
    ]
    return np.asarray(numbers, dtype=np.float32)


def _summary(matched: Array) -> tuple[float, float, float, float]:
    """Return mean, minimum, lower quartile and share below 0.5 of token alignments."""
    if not len(matched):
        return 0.0, 0.0, 0.0, 1.0
    low = float(np.quantile(matched, 0.25))
    return float(matched.mean()), float(matched.min()), low, float((matched < 0.5).mean())


def _lexical(claim: Text, window: Window, passage: Sequence[Text]) -> list[float]:
    mine = [word.stem for word in claim.words]
    theirs = [word.stem for sentence in window.sentences for word in sentence.words]
    content = [word.stem for word in claim.words if word.content]
    present = set(theirs)
    titled = present | {word.stem for word in window.background.words}
    everywhere = titled | {word.stem for sentence in passage for word in sentence.words}
    pairs = set(pairwise(theirs))
    missing = [s for s in content if s not in titled]
    return [
        _share(mine, present),
        _share(content, present),
        _share(content, titled),
        _share(content, everywhere),
        _share(list(pairwise(mine)), pairs),
        _share([word.stem for s in window.sentences for word in s.words if word.content], set(content)),
        math.log1p(len(missing)),
        float(bool(content) and content[-1] not in titled),
        float(bool(content) and content[0] not in titled),
        math.log1p(len(mine)),
        math.log1p(len(theirs)),
        min(3.0, len(mine) / max(1, len(theirs))),
    ]


def _share(items: Sequence[object], present: Collection[object]) -> float:
    return sum(item in present for item in items) / len(items) if items else 0.0


def _told(claim: Text, window: Window, told: Difference) -> list[float]:
    mine = {word.text.lower() for word in claim.words}
    theirs = {word.text.lower() for sentence in window.sentences for word in sentence.words}
    return [
        math.log1p(told.numbers),
        len(told.numbers_missing) / max(1, told.numbers),
        math.log1p(told.names),
        len(told.names_missing) / max(1, told.names),
        float(bool(told.negation)),
        float(bool(told.direction)),
        float(bool(told.order)),
        float(bool(told.reason)),
        float(bool(told.lacking)),
        float(any(word in mine for word in ("not", "no", "never", "without")) or "n't" in claim.text),
        float(any(word in theirs for word in ("not", "no", "never", "without")) or "n't" in window.text),
        float(bool(_UNIVERSAL & mine - theirs)),
        float(bool(_UNIVERSAL & theirs - mine)),
        float(bool(_PARTIAL & mine - theirs)),
        float(bool(_PARTIAL & theirs - mine)),
    ]
