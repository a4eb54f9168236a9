"""The groundedness judge: for every claim of a draft the best supporting sentence, or why there is none.

Knows nothing of ranking, of models or of how its head was trained.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dialogue.alignment import (
    FEATURES,
    Array,
    Text,
    Window,
    best_match,
    closeness,
    difference,
    features,
)
from dialogue.claims import Sentence, bare, split
from dialogue.facts import Difference, names, stem, words
from dialogue.persona import in_third_person
from dialogue.types import Claim, Context
from retrieval.text import sentences
from retrieval.types import Passage, TokenEmbedder
from safety.heads import Head

WEIGHTS = Path(__file__).parent / "weights" / "grounded.safetensors"
COPIED = 0.99  # support of a sentence that stands word for word in a passage
WINDOWS = 3  # stretches of evidence, the nearest, that the head looks at per claim
CONTRADICTED = 0.4  # an explicit contradiction caps support at this share of the threshold
_FAR = "no source sentence is close"
_CLOSERS = " .!?…\"'”’)]*_"


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """A passage made ready: its sentence spans, their encodings, its title with headings."""

    passage: Passage
    spans: tuple[tuple[int, int], ...]
    texts: tuple[Text, ...]
    background: Text


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One window of one passage as the head sees it."""

    read: Read
    first: int  # the sentences read.texts[first:last]
    last: int
    row: Array
    told: Difference


class Grounder:
    """Judges drafts sentence by sentence against the evidence of the turn."""

    def __init__(self, encoder: TokenEmbedder, head: Head) -> None:
        if head.features != FEATURES:
            raise ValueError(f"head {head.name!r} was trained on features {head.features!r}, not {FEATURES!r}")
        self.encoder, self.head = encoder, head
        digest = hashlib.sha256(b"".join(part.tobytes() for layer in head.layers for part in layer))
        self.fingerprint = f"grounded/{FEATURES}/{digest.hexdigest()[:12]}/{head.threshold:.3f}"

    @classmethod
    def load(cls, encoder: TokenEmbedder, path: Path = WEIGHTS) -> "Grounder":
        """Return the judge with the packaged head."""
        return cls(encoder, Head.load(path))

    @property
    def threshold(self) -> float:
        """The support from which a claim counts as supported."""
        return self.head.threshold

    def claims(self, context: Context, drafts: Sequence[str], every: bool = False) -> list[tuple[Claim, ...]]:
        """Return the sentences of every draft, judged. One encoder call for the whole turn.

        `support` is None for sentences that claim nothing or open the role, unless `every` asks for a judgement of each.
        """
        subject = context.role.subject
        written = [split(draft, subject) for draft in drafts]
        own = {turn.text[a:b] for turn in context.role.opening for a, b in sentences(turn.text)}
        claimed = [s for row in written for s in row if every or (s.claims and s.text not in own)]
        judged = {s.text: _of_others(s, subject) for s in claimed}
        support = dict(zip(judged, self._judge(context, list(judged.values())), strict=True))
        return [
            tuple(
                replace(support[s.text], text=s.text, start=s.start, end=s.end)
                if s.text in support
                else Claim(s.text, s.start, s.end, None)
                for s in row
            )
            for row in written
        ]

    def _judge(self, context: Context, judged: Sequence[Sentence]) -> list[Claim]:
        if not judged:
            return []
        passages = list({e.passage.id: e.passage for e in context.evidence if e.passage.text.strip()}.values())
        if not passages:
            return [Claim(s.text, s.start, s.end, 0.0, reason="no source was found") for s in judged]
        copies = [copied(s.text, passages) for s in judged]
        rest = [s for s, copy in zip(judged, copies, strict=True) if copy is None]
        weighed = iter(self._weigh(context, rest, passages))
        return [
            next(weighed) if copy is None else Claim(s.text, s.start, s.end, COPIED, True, *copy)
            for s, copy in zip(judged, copies, strict=True)
        ]

    def _weigh(self, context: Context, judged: Sequence[Sentence], passages: Sequence[Passage]) -> list[Claim]:
        if not judged:
            return []
        looks = self.looks(context.query, [s.text for s in judged], passages)
        rows = [look.row for each in looks for look in each]
        scores = iter(self.head(np.stack(rows)).tolist() if rows else [])
        return [
            self._verdict(s, [(next(scores), look) for look in each]) for s, each in zip(judged, looks, strict=True)
        ]

    def _verdict(self, sentence: Sentence, weighed: list[tuple[float, Look]]) -> Claim:
        """Take the window that speaks best for the claim; a contradiction only ever lowers its score."""
        if not weighed:
            return Claim(sentence.text, sentence.start, sentence.end, 0.0, reason="no source sentence is close")
        told = [bool(look.told.reason) for _, look in weighed]
        best, place = best_support([p for p, _ in weighed], told, self.threshold)
        look = weighed[place][1]
        if best < self.threshold:
            nearest = weighed[0][1]
            reason = nearest.told.reason or nearest.told.lacking or _unmatched(sentence.text, nearest)
            return Claim(sentence.text, sentence.start, sentence.end, best, reason=reason)
        start, end = look.read.spans[look.first][0], look.read.spans[look.last - 1][1]
        return Claim(sentence.text, sentence.start, sentence.end, best, True, look.read.passage, start, end)

    def looks(self, query: str, claimed: Sequence[str], passages: Sequence[Passage]) -> list[list[Look]]:
        """Return for each claim its nearest windows, nearest first, with their feature rows."""
        plan = Plan.make(query, claimed, passages)
        return plan.looks(encode(self.encoder, plan.texts))


@dataclass(frozen=True, slots=True)
class Plan:
    """Claims and passages cut into the texts that have to be encoded, so that many plans share one call."""

    stated: tuple[str, ...]  # the words of each claim
    whole: tuple[str, ...]  # the same, short answers completed by the question
    passages: tuple[Passage, ...]
    spans: tuple[tuple[tuple[int, int], ...], ...]
    backgrounds: tuple[str, ...]

    @classmethod
    def make(cls, query: str, claimed: Sequence[str], passages: Sequence[Passage]) -> "Plan":
        """Cut. A claim of up to three words is read together with the question it answers."""
        stated = tuple(bare(text) or text for text in claimed)
        return cls(
            stated,
            tuple(text if len(words(text)) > 3 else f"{query} {text}".strip() for text in stated),
            tuple(passages),
            tuple(tuple(sentences(passage.text)) for passage in passages),
            tuple(". ".join(dict.fromkeys((p.title, *p.headings))) for p in passages),
        )

    @property
    def texts(self) -> list[str]:
        """All texts to encode."""
        return [*self.whole, *self.backgrounds, *(text for row in self._parts() for text in row)]

    def _parts(self) -> list[list[str]]:
        return [[p.text[a:b] for a, b in row] for p, row in zip(self.passages, self.spans, strict=True)]

    def looks(self, encoded: Mapping[str, Text]) -> list[list[Look]]:
        """Return for each claim its nearest windows, nearest first."""
        parts = self._parts()
        reads = [
            Read(p, spans, tuple(encoded[part] for part in row), encoded[head])
            for p, spans, row, head in zip(self.passages, self.spans, parts, self.backgrounds, strict=True)
        ]
        known = frozenset(stem(name) for row in parts for part in row for name in names(part))
        return [_nearest(encoded[text], said, reads, known) for text, said in zip(self.whole, self.stated, strict=True)]


def encode(encoder: TokenEmbedder, texts: Sequence[str]) -> dict[str, Text]:
    """Encode the distinct texts in one call."""
    distinct = list(dict.fromkeys(texts))
    pairs = encoder.encode_tokens(distinct)
    return {text: Text(text, *pair) for text, pair in zip(distinct, pairs, strict=True)}


def best_support(scores: Sequence[float], contradicts: Sequence[bool], threshold: float) -> tuple[float, int]:
    """Return the support of the window that speaks best for a claim, and its place.

    An explicit contradiction caps a window's score below the threshold, keeping the order.
    """
    cap = CONTRADICTED * threshold
    capped = [cap * p if told else p for p, told in zip(scores, contradicts, strict=True)]
    place = max(range(len(capped)), key=lambda i: capped[i])
    return capped[place], place


def copied(sentence: str, passages: Sequence[Passage]) -> tuple[Passage, int, int] | None:
    """Return where whole sentences of a passage read word for word like this, white space and case aside."""
    for text in dict.fromkeys((sentence, bare(sentence))):
        tokens = re.sub(r"\s*\[\d{1,3}\]", "", text).rstrip(_CLOSERS).split()
        if not tokens:
            continue
        pattern = re.compile(r"\s+".join(map(re.escape, tokens)), re.IGNORECASE)
        for passage in passages:
            spans = sentences(passage.text)
            for match in pattern.finditer(passage.text):
                starts = [
                    a for a, _ in spans if a <= match.start() and not passage.text[a : match.start()].strip(_CLOSERS)
                ]
                ends = [b for _, b in spans if b >= match.end() and not passage.text[match.end() : b].strip(_CLOSERS)]
                if starts and ends:
                    return passage, starts[-1], ends[0]
    return None


def _of_others(sentence: Sentence, subject: str) -> Sentence:
    """A sentence as the sources would say it, where the role's subject speaks of itself."""
    return replace(sentence, text=in_third_person(sentence.text, subject)) if subject else sentence


def _nearest(claim: Text, stated: str, reads: Sequence[Read], known: frozenset[str]) -> list[Look]:
    found: list[tuple[float, int, int, int]] = []
    whole: list[Array] = []
    for place, read in enumerate(reads):
        matched = [best_match(claim, text) for text in read.texts]
        titled = best_match(claim, read.background)
        whole.append(np.max([titled, *matched], axis=0))
        stems = read.background.stems
        for first in range(len(read.texts)):
            for last in (first + 1, first + 2):
                if last <= len(read.texts):
                    near = closeness(
                        claim,
                        np.max([titled, *matched[first:last]], axis=0),
                        stems.union(*(text.stems for text in read.texts[first:last])),
                    )
                    found.append((near - 0.03 * (last - first - 1), place, first, last))
    looks = []
    for _, place, first, last in sorted(found, key=lambda row: (-row[0], row[1:]))[:WINDOWS]:
        read = reads[place]
        before = " ".join(text.text for text in read.texts[max(0, first - 2) : first])
        window = Window(read.texts[first:last], read.background, before)
        told = difference(stated, window, known)
        looks.append(Look(read, first, last, features(claim, window, read.texts, told, whole[place]), told))
    return looks


def _unmatched(claim: str, look: Look) -> str:
    """Say what the nearest sentence lacks."""
    present = {w.stem for text in (*look.read.texts[look.first : look.last], look.read.background) for w in text.words}
    content = [word for word in words(bare(claim)) if word.content]
    missing = [word.text for word in content if word.stem not in present]
    if len(missing) > 0.6 * len(content):
        return _FAR
    if missing:
        return f"the nearest source sentence says nothing of {missing[0]!r}"
    return "the nearest source sentence does not say this"
