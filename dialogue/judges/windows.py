"""Where in the evidence a claim is looked up: the nearest stretches of each passage, laid out for the judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from dialogue.antecedents import antecedent
from dialogue.judges.alignment import Array, EncodedText, Match, Span, closeness, difference, features, unit
from dialogue.judges.claims import bare
from dialogue.judges.facts import Difference, names, stem, words
from retrieval.text import sentences
from retrieval.types import Passage, TokenEmbedder

NEAREST = 3  # stretches of evidence, the nearest, that are read per claim
BLOCK_CHARACTERS = 320  # characters of neighbouring sentences that the adapter reads as one
GAIN = 0.03  # closeness that a further sentence of a stretch has to add


@dataclass(frozen=True, eq=False)
class ReadPassage:
    """A passage made ready: its sentence spans, their encodings, its title with headings, apart and as one text."""

    passage: Passage
    spans: tuple[tuple[int, int], ...]
    texts: tuple[EncodedText, ...]
    headings: tuple[str, ...]
    background: EncodedText

    @cached_property
    def blocks(self) -> tuple[tuple[int, int], ...]:
        """The passage cut into neighbouring sentences of at most BLOCK_CHARACTERS characters (first, last)."""
        found = [(0, 0)]
        for place, (_, end) in enumerate(self.spans):
            first = found[-1][0]
            if place > first and end - self.spans[first][0] > BLOCK_CHARACTERS:
                found.append((place, place))
            found[-1] = (found[-1][0], place + 1)
        return tuple(found)

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of all words, headings with them."""
        return frozenset(self.background.sequence).union(*(text.sequence for text in self.texts))


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """The sentences ``read.texts[first:last]`` of a passage."""

    read: ReadPassage
    first: int
    last: int

    @property
    def texts(self) -> tuple[EncodedText, ...]:
        """The sentences."""
        return self.read.texts[self.first : self.last]

    @property
    def before(self) -> str:
        """The two sentences before."""
        return " ".join(text.text for text in self.read.texts[max(0, self.first - 2) : self.first])

    @property
    def leads(self) -> tuple[str, ...]:
        """What each of the sentences leans on, "" for nothing."""
        text = self.read.passage.text
        leads = [antecedent(text, start) for start, _ in self.read.spans[self.first : self.last]]
        return tuple(text[slice(*lead)] if lead else "" for lead in leads)

    @property
    def block(self) -> "Stretch":
        """The block that holds the sentences, so that other claims are read after the same text; else themselves."""
        for first, last in self.read.blocks:
            if first <= self.first and self.last <= last:
                return Stretch(self.read, first, last)
        return self

    @property
    def shown(self) -> str:
        """The sentences after title and headings, those left out that the sentences name themselves."""
        named = frozenset[str]().union(*(text.sequence for text in self.texts))
        lacking = [
            heading
            for heading in self.read.headings
            if any(word.content and word.stem not in named for word in words(heading))
        ]
        return " ".join([*(f"{heading.rstrip('. ')}." for heading in lacking), *(text.text for text in self.texts)])


@dataclass(frozen=True, slots=True, eq=False)
class EvidenceWindow:
    """A stretch of evidence as it is judged: one stretch, or the nearest and one that adds to it.

    `text` is what the adapter reads before the claim, `row` the features, `difference` the explicit comparison.
    `overlap` and `cosine` are those of the claim with the passage that is nearest as a whole.
    """

    stretches: tuple[Stretch, ...]
    text: str
    row: Array
    difference: Difference
    overlap: float = 0.0
    cosine: float = 0.0

    @property
    def nearest(self) -> Stretch:
        """The stretch that is cited."""
        return self.stretches[0]


@dataclass(frozen=True, slots=True)
class Layout:
    """Claims and passages cut into the texts that have to be encoded, so that many layouts share one call."""

    stated: tuple[str, ...]  # the words of each claim
    whole: tuple[str, ...]  # the same, short answers completed by the question
    passages: tuple[Passage, ...]
    spans: tuple[tuple[tuple[int, int], ...], ...]
    headings: tuple[tuple[str, ...], ...]

    @classmethod
    def make(cls, query: str, claimed: Sequence[str], passages: Sequence[Passage]) -> "Layout":
        """Cut. A claim of up to three words is read together with the question it answers."""
        stated = tuple(bare(text) or text for text in claimed)
        return cls(
            stated,
            tuple(text if len(words(text)) > 3 else f"{query} {text}".strip() for text in stated),
            tuple(passages),
            tuple(tuple(sentences(passage.text)) for passage in passages),
            tuple(tuple(dict.fromkeys((p.title, *p.headings))) for p in passages),
        )

    @property
    def texts(self) -> list[str]:
        """All texts to encode."""
        return [*self.whole, *map(". ".join, self.headings), *(text for row in self.parts() for text in row)]

    def parts(self) -> list[list[str]]:
        """Return the sentences of each passage."""
        return [[p.text[a:b] for a, b in row] for p, row in zip(self.passages, self.spans, strict=True)]

    def windows(self, encoded: Mapping[str, EncodedText]) -> list[list[EvidenceWindow]]:
        """Return for each claim its nearest stretches of evidence, nearest first, last the one of two stretches."""
        reads = [
            ReadPassage(p, spans, tuple(encoded[part] for part in row), heads, encoded[". ".join(heads)])
            for p, spans, row, heads in zip(self.passages, self.spans, self.parts(), self.headings, strict=True)
        ]
        laid = Passages(reads)
        return [laid.windows_of(encoded[text], words) for text, words in zip(self.whole, self.stated, strict=True)]


def encode(encoder: TokenEmbedder, texts: Sequence[str]) -> dict[str, EncodedText]:
    """Encode the distinct texts in one call."""
    distinct = list(dict.fromkeys(texts))
    pairs = encoder.encode_tokens(distinct)
    return {text: EncodedText(text, *pair) for text, pair in zip(distinct, pairs, strict=True)}


class Passages:
    """The passages of a turn, laid out so that one product compares a claim with all their sentences.

    Every background and every sentence is a column, a stretch the columns (background, first sentence, last).
    """

    def __init__(self, reads: Sequence[ReadPassage]) -> None:
        self.reads = reads
        self.columns = [text for read in reads for text in (read.background, *read.texts)]
        filled = [t.vectors if len(t.vectors) else np.zeros((1, t.vectors.shape[1]), np.float32) for t in self.columns]
        self.starts = [0, *accumulate(map(len, filled))]
        self.vectors = np.concatenate(filled) if filled else np.zeros((0, 0), np.float32)
        self.titles = [0, *accumulate(1 + len(read.texts) for read in reads)]  # column of each background
        self.stretches = [
            (place, first, last)
            for place, read in enumerate(reads)
            for first in range(len(read.texts))
            for last in range(first + 1, min(first + 2, len(read.texts)) + 1)
        ]
        places, firsts, lasts = np.asarray(self.stretches, dtype=np.int64).reshape(-1, 3).T
        title = np.asarray(self.titles, dtype=np.int64)[places]
        self.parts = np.stack([title, title + 1 + firsts, title + lasts])
        self.cost = (GAIN * (lasts - firsts - 1)).astype(np.float32)
        self.single = np.flatnonzero(lasts - firsts == 1).tolist()
        self.known = frozenset(stem(name) for read in reads for text in read.texts for name in names(text.text))
        self.means = [unit(np.sum([text.total for text in read.texts], axis=0)) for read in reads if read.texts]
        self.holding: dict[str, NDArray[np.bool_]] = {}  # by stem: which columns hold it
        for column, text in enumerate(self.columns):
            for held in text.stems:
                self.holding.setdefault(held, np.zeros(len(self.columns), dtype=bool))[column] = True

    def windows_of(self, claim: EncodedText, stated: str) -> list[EvidenceWindow]:
        """Return the evidence windows of one claim; `stated` is the claim in the words the draft itself uses."""
        if not self.stretches:
            return []
        cosines = claim.vectors @ self.vectors.T
        best: Array = np.maximum.reduceat(cosines, self.starts[:-1], axis=1)
        absent = np.zeros(len(self.columns), dtype=bool)
        held = np.zeros((len(claim.stems), len(self.columns)), dtype=bool)
        for row, wanted in enumerate(sorted(claim.stems)):
            held[row] = self.holding.get(wanted, absent)
        matched = best[:, self.parts].max(1)
        found = held[:, self.parts].max(1)
        near = closeness(claim, matched, found)
        chosen = np.argsort(self.cost - near, kind="stable")[:NEAREST].tolist()
        further = self._further(claim, chosen[0], matched, found)
        pairs = [[window] for window in chosen] + [[chosen[0], window] for window in further]
        beside = self.beside(claim)
        return [self._window(claim, stated, cosines, best, pair, beside) for pair in pairs]

    def beside(self, claim: EncodedText) -> tuple[float, float]:
        """Return the largest share of the claim's words in one passage, and its largest cosine with one."""
        mine = claim.sequence
        overlap = max((sum(stem in read.stems for stem in mine) for read in self.reads), default=0) / max(1, len(mine))
        return overlap, max((float(claim.mean @ mean) for mean in self.means), default=0.0)

    def _further(self, claim: EncodedText, nearest: int, matched: Array, found: NDArray[np.bool_]) -> list[int]:
        """Return the sentence elsewhere that adds most to the nearest stretch, if it adds enough."""
        place, first, last = self.stretches[nearest]
        apart = [
            w for w in self.single if self.stretches[w][0] != place or not first - 1 <= self.stretches[w][1] <= last
        ]
        if not apart:
            return []
        both = [nearest, *apart]
        near = closeness(
            claim, np.maximum(matched[:, both], matched[:, [nearest]]), found[:, both] | found[:, [nearest]]
        )
        best = int(near.argmax())
        return [both[best]] if near[best] > near[0] + GAIN else []

    def _window(
        self,
        claim: EncodedText,
        stated: str,
        cosines: Array,
        best: Array,
        chosen: Sequence[int],
        beside: tuple[float, float],
    ) -> EvidenceWindow:
        cut = {w: Stretch(self.reads[place], first, last) for w in chosen for place, first, last in [self.stretches[w]]}
        ordered = sorted(chosen)  # as they stand in the evidence
        places = sorted({self.stretches[w][0] for w in chosen})
        inside = [c for w in ordered for c in range(self.parts[1, w], self.parts[2, w] + 1)]
        titles = [self.titles[place] for place in places]
        around = [c for place in places for c in range(self.titles[place], self.titles[place + 1])]
        backgrounds = tuple(self.columns[c] for c in titles)
        leads = tuple(lead for w in ordered for lead in cut[w].leads)
        before = " ".join(cut[w].before for w in ordered)
        span = Span(tuple(self.columns[c] for c in inside), backgrounds, before, leads)
        explicit = difference(stated, span, self.known)
        absent = "" if explicit.reason else self._absent(stated, explicit, [*inside, *titles], before)
        if absent:
            explicit = replace(explicit, reason=f"the nearest source sentence says nothing of {absent!r}")
        reverse = [self._reverse(cosines, c) for c in inside] if len(cosines) else [np.zeros(1, np.float32)]
        match = Match(
            best[:, inside].max(1), best[:, inside + titles].max(1), best[:, around].max(1), np.concatenate(reverse)
        )
        stems = frozenset[str]().union(*(self.reads[place].stems for place in places))
        return EvidenceWindow(
            tuple(cut.values()),
            " ".join(cut[w].shown for w in ordered) if len(ordered) > 1 else cut[ordered[0]].block.shown,
            features(claim, span, stems, explicit, match),
            explicit,
            *beside,
        )

    def _absent(self, stated: str, explicit: Difference, columns: Sequence[int], before: str) -> str:
        """Return a name or figure of the claim that stands elsewhere in the evidence, so that this does not bear it.

        A name may come from `before` as well.
        """
        figures = [word for text in explicit.numbers_missing for word in words(text) if word.text[:1].isdigit()]
        near = {word.stem for word in words(before)}
        called = [word for name in explicit.names_missing for word in words(name) if word.stem not in near]
        for word in (*figures, *called):
            where = self.holding.get(word.stem)
            if where is not None and not where[columns].any():
                return word.text
        return ""

    def _reverse(self, cosines: Array, column: int) -> Array:
        text, start = self.columns[column], self.starts[column]
        best: Array = cosines[:, start : start + len(text.vectors)].max(0)[text.content]
        return best
