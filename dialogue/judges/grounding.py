"""The groundedness judge: for every claim of a draft the best supporting sentence, or why there is none."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dialogue.antecedents import is_dependent, put_in
from dialogue.judges.alignment import ALIGNED, COUNTED, FEATURES, FIGURES, NAMES, REFUTED, Array
from dialogue.judges.claims import Sentence, bare, split, testifies
from dialogue.judges.facts import words
from dialogue.judges.heads import Head
from dialogue.judges.settling import CLAIM, REPLY, Weighed, claim_rows, settled
from dialogue.judges.shipped import SHIPPED, WEIGHTS, load_head
from dialogue.judges.windows import EvidenceWindow, Layout, encode
from dialogue.persona import in_third_person
from dialogue.talk import ASKING
from dialogue.types import Claim, Context
from retrieval.rows import is_cut
from retrieval.text import BAR, sentences
from retrieval.types import Passage, TokenEmbedder
from retrieval.weights import Shipped
from safety.types import PairReader

if TYPE_CHECKING:
    from retrieval.encoder.embed import Encoder

HEAD, ADAPTER = "grounded.safetensors", "evidence.safetensors"
CLAIM_HEAD, REPLY_HEAD = "claim.safetensors", "whole.safetensors"
FILES = (ADAPTER, HEAD, CLAIM_HEAD, REPLY_HEAD)
OUTPUTS = ("supported", "refuted")  # what the adapter says of a claim read after a stretch of evidence
COPIED = 0.99  # support of a sentence that stands word for word in a passage
ALIKE = 0.9  # and its cosine and alignment
NOTHING = Weighed(0.0, 1, 0.0, 0.0, 0.0)  # what is known of a claim without evidence
CONTRADICTED = 0.4  # an explicit contradiction caps support at this share of the threshold
DENIED = 0.8  # P(refuted), by the adapter, from which it is given as the reason
PUT_IN = "its subject is put in for a pronoun"  # of a supported claim
_FAR = "no source sentence is close"
_MARK = re.compile(r"\s*\[\d{1,3}\]")
_CLOSERS = " .!?…\"'”’)]*_"


class Grounder:
    """Judges drafts sentence by sentence against the evidence of the turn."""

    def __init__(self, encoder: TokenEmbedder, read: PairReader, head: Head, claim: Head, reply: Head) -> None:
        """Take what reads a claim after evidence. Raises ValueError for a head or a reader made for something else."""
        for each, features in ((head, FEATURES), (claim, CLAIM), (reply, REPLY)):
            if each.features != features:
                raise ValueError(
                    f"head {each.name!r} was trained on features {each.features!r}, not {features!r}: "
                    "train it again with: candor train judges"
                )
        if not set(OUTPUTS) <= set(read.outputs):
            raise ValueError(f"a reader of {OUTPUTS} is needed, not of {tuple(read.outputs)}: load {ADAPTER}")
        self.encoder, self.read, self.head, self.claim, self.reply = encoder, read, head, claim, reply
        heads = "/".join(each.fingerprint for each in (head, claim, reply))
        self.fingerprint = f"grounded/{FEATURES}/{read.fingerprint}/{heads}/{claim.threshold:.3f}"

    @classmethod
    def load(cls, encoder: "Encoder", folder: Path = WEIGHTS, shipped: Shipped = SHIPPED) -> "Grounder":
        """Return the judge with the packaged adapter and heads, or those in `folder`.

        Raises RetrievalError when one of them is missing or damaged.
        """
        from retrieval.encoder.adapters import load_reader

        heads = [load_head(folder / name, shipped) for name in (HEAD, CLAIM_HEAD, REPLY_HEAD)]
        return cls(encoder, load_reader(encoder, folder / ADAPTER, shipped), *heads)

    @property
    def threshold(self) -> float:
        """The support from which a claim counts as supported."""
        return self.claim.threshold

    def claims(self, context: Context, drafts: Sequence[str], every: bool = False) -> list[tuple[Claim, ...]]:
        """Return the sentences of every draft, judged, as `judged` does."""
        return [claims for claims, _ in self.judged(context, drafts, every)]

    def judged(
        self, context: Context, drafts: Sequence[str], every: bool = False
    ) -> list[tuple[tuple[Claim, ...], float | None]]:
        """Return the sentences of every draft, judged, and how probably the evidence supports the draft as a whole.

        One call of the encoder and one of the reader for them all. `support` is None for sentences that claim nothing
        or open the role, unless `every` asks for a judgement of each; that of a draft is None where none has one.
        """
        return self.judged_each([(context, drafts)], [every])[0]

    def judged_each(
        self, turns: Sequence[tuple[Context, Sequence[str]]], every: Sequence[bool]
    ) -> list[list[tuple[tuple[Claim, ...], float | None]]]:
        """Do what `judged` does for the drafts of many turns, with as few calls; `every` has a flag for each turn."""
        asked = [_Asked.of(context, drafts, all_of) for (context, drafts), all_of in zip(turns, every, strict=True)]
        made = []
        for one, judged in zip(asked, self._judge(asked), strict=True):
            support = dict(zip(one.claimed, judged, strict=True))
            made.append([self._settled(row, support) for row in one.written])
        return made

    def _settled(
        self, row: Sequence[Sentence], support: Mapping[str, tuple[Claim, Weighed]]
    ) -> tuple[tuple[Claim, ...], float | None]:
        known = [support[s.text] if s.text in support else (Claim(s.text, s.start, s.end, None), None) for s in row]
        claims = [
            replace(claim, text=s.text, start=s.start, end=s.end) for (claim, _), s in zip(known, row, strict=True)
        ]
        return _in_order(claims), settled(self.reply, [weighed for _, weighed in known if weighed])

    def _judge(self, asked: Sequence["_Asked"]) -> list[list[tuple[Claim, Weighed]]]:
        weighed = iter(self._weigh([one for one in asked if one.rest and one.passages]))
        found = []
        for one in asked:
            given = iter(next(weighed) if one.rest and one.passages else ())
            found.append([one.given(s, place) or next(given) for s, place in one.places])
        return found

    def _weigh(self, asked: Sequence["_Asked"]) -> list[list[tuple[Claim, Weighed]]]:
        if not asked:
            return []
        layouts = [Layout.make(one.query, [s.text for s in one.rest], one.passages) for one in asked]
        encoded = encode(self.encoder, [text for layout in layouts for text in layout.texts])
        windows = [layout.windows(encoded) for layout in layouts]
        whole = [text for layout in layouts for text in layout.whole]
        rows = iter(complete(self.read, whole, [each for of_turn in windows for each in of_turn]))
        found = []
        for one, of_turn in zip(asked, windows, strict=True):
            made = []
            for sentence, each in zip(one.rest, of_turn, strict=True):
                row = next(rows)
                claim = self._verdict(sentence, each, row)
                made.append((claim, _near(claim, each, row)))
            found.append(made)
        return found

    def _verdict(self, sentence: Sentence, windows: Sequence[EvidenceWindow], rows: Array) -> Claim:
        """Take the window that speaks best for the claim; a contradiction only ever lowers its score."""
        if not windows:
            return Claim(sentence.text, sentence.start, sentence.end, 0.0, reason=_FAR)
        contradicts = [bool(window.difference.reason) or _bare_of(sentence.text, window) for window in windows]
        scores = self.claim(beside(self.head, rows, windows[0].overlap, windows[0].cosine))
        best, place = best_support(scores.tolist(), contradicts, self.threshold)
        if best < self.threshold:
            reason = _reason(sentence.text, windows[0], bool(rows[0, REFUTED] > np.log(DENIED / (1 - DENIED))))
            return Claim(sentence.text, sentence.start, sentence.end, best, reason=reason)
        stretch = windows[place].nearest
        start, end = stretch.read.spans[stretch.first][0], stretch.read.spans[stretch.last - 1][1]
        return Claim(sentence.text, sentence.start, sentence.end, best, True, stretch.read.passage, start, end)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The drafts of one turn in sentences, those to be judged by their text as the sources would say them, and where
    the evidence reads like them, None where that has to be weighed.
    """

    query: str
    passages: tuple[Passage, ...]
    written: tuple[tuple[Sentence, ...], ...]
    claimed: tuple[str, ...]
    places: tuple[tuple[Sentence, tuple[tuple[Passage, int, int], bool] | None], ...]

    @classmethod
    def of(cls, context: Context, drafts: Sequence[str], every: bool) -> "_Asked":
        subject = context.role.subject
        written = tuple(tuple(split(draft, subject)) for draft in drafts)
        own = {turn.text[a:b] for turn in context.role.opening for a, b in sentences(turn.text)}
        passages = tuple({e.passage.id: e.passage for e in context.evidence if e.passage.text.strip()}.values())
        quoted = passages if context.intent == ASKING else ()  # "We take no cheques" claims something, quoted

        def claims(s: Sentence) -> bool:
            told = s.claims or not (s.text.endswith("?") or copied(s.text, quoted) is None)
            told = told or (context.intent == ASKING and testifies(s.text, subject))  # a program has climbed nothing
            return every or (told and s.text not in own)

        judged = {s.text: _of_others(s, subject) for row in written for s in row if claims(s)}
        return cls(
            context.query,
            passages,
            written,
            tuple(judged),
            tuple((s, _place(s.text, passages)) for s in judged.values()),
        )

    @property
    def rest(self) -> list[Sentence]:
        """What has to be weighed."""
        return [sentence for sentence, place in self.places if place is None]

    def given(self, s: Sentence, place: tuple[tuple[Passage, int, int], bool] | None) -> tuple[Claim, Weighed] | None:
        """Return the judgement of a sentence that needs no weighing."""
        if not self.passages:
            return Claim(s.text, s.start, s.end, 0.0, reason="no source was found"), NOTHING
        if place is None:
            return None
        where, copy = place
        claim = Claim(s.text, s.start, s.end, COPIED, True, *where, reason="" if copy else PUT_IN)
        return claim, Weighed(COPIED, len(words(s.text)), 1.0, ALIKE, ALIKE)


def _place(text: str, passages: Sequence[Passage]) -> tuple[tuple[Passage, int, int], bool] | None:
    """Where whole sentences read like this, and whether word for word."""
    if found := copied(text, passages):
        return found, True
    put = resolved(text, passages)
    return (put, False) if put else None


def _near(claim: Claim, windows: Sequence[EvidenceWindow], rows: Array) -> Weighed:
    if not windows:
        return NOTHING
    aligned = float(rows[:, ALIGNED].max())
    return Weighed(claim.support or 0.0, len(words(claim.text)), windows[0].overlap, windows[0].cosine, aligned)


def beside(head: Head, rows: Array, overlap: float, cosine: float) -> Array:
    """Return the rows of `claim_rows` for the windows of one claim."""
    return claim_rows(head.logits(rows), overlap, cosine, rows[:, ALIGNED], rows[:, FIGURES], rows[:, NAMES])


def complete(read: PairReader, claimed: Sequence[str], windows: Sequence[Sequence[EvidenceWindow]]) -> list[Array]:
    """Return for each claim the rows (windows, features and logits) of its evidence windows.

    One call of the reader for them all.
    """
    pairs = [(window.text, claim) for claim, each in zip(claimed, windows, strict=True) for window in each]
    logits = read(pairs)[:, [read.outputs.index(name) for name in OUTPUTS]]
    found, start = [], 0
    for each in windows:
        counted = np.stack([window.row for window in each]) if each else np.zeros((0, COUNTED), np.float32)
        found.append(np.concatenate([counted, logits[start : start + len(each)]], axis=1))
        start += len(each)
    return found


def _bare_of(claim: str, window: EvidenceWindow) -> bool:
    """Whether a claim too short to be read by itself shares less than half of its words with the evidence."""
    mine = words(bare(claim) or claim)
    held = frozenset[str]().union(*(stretch.read.stems for stretch in window.stretches))
    return len(mine) <= 3 and 2 * sum(word.stem in held for word in mine) < max(1, len(mine))


def best_support(scores: Sequence[float], contradicts: Sequence[bool], threshold: float) -> tuple[float, int]:
    """Return the support of the window that speaks best for a claim, and its place.

    An explicit contradiction caps a window's score below the threshold, keeping the order.
    """
    cap = CONTRADICTED * threshold
    capped = [cap * p if contradicted else p for p, contradicted in zip(scores, contradicts, strict=True)]
    place = max(range(len(capped)), key=lambda i: capped[i])
    return capped[place], place


def copied(sentence: str, passages: Sequence[Passage], after: int = 0) -> tuple[Passage, int, int] | None:
    """Return where whole sentences of a passage read word for word like this, white space and case aside.

    Looked for from the character `after` of each passage on. Of a row of a table some of its cells are a copy too: each
    has the name of its column.
    """
    for text in dict.fromkeys((sentence, bare(sentence))):
        tokens = _MARK.sub("", text).rstrip(_CLOSERS).split()
        if not tokens:
            continue
        pattern = re.compile(r"\s+".join(map(re.escape, tokens)), re.IGNORECASE)
        for passage in passages:
            matches = list(pattern.finditer(passage.text, after))
            spans = sentences(passage.text) if matches else []
            for match in matches:
                starts = [
                    a for a, _ in spans if a <= match.start() and not passage.text[a : match.start()].strip(_CLOSERS)
                ]
                ends = [b for _, b in spans if b >= match.end() and not passage.text[match.end() : b].strip(_CLOSERS)]
                if starts and ends:
                    return passage, starts[-1], ends[0]
    return _row_of(sentence, passages, after) if BAR in sentence else None


def _row_of(sentence: str, passages: Sequence[Passage], after: int) -> tuple[Passage, int, int] | None:
    """Where the first row stands of which this is a part."""
    said = _MARK.sub("", sentence)
    for passage in passages:
        for start, end in sentences(passage.text):
            if start >= after and is_cut(said, passage.text[start:end]):
                return passage, start, end
    return None


def resolved(sentence: str, passages: Sequence[Passage]) -> tuple[Passage, int, int] | None:
    """Return where a sentence stands that reads like this once what its pronoun stands for is put in, with that."""
    plain = " ".join((bare(sentence) or sentence).split())
    for passage in passages:
        for start, _ in sentences(passage.text) if plain[:1].isalnum() else ():
            found = put_in(passage.text, start)
            if found and found[1] == plain:
                return passage, *found[0]
    return None


def _in_order(claims: Iterable[Claim]) -> tuple[Claim, ...]:
    """Find a sentence that leans on the one before it where that one stands, if it reads alike in several places."""
    made: list[Claim] = []
    for claim in claims:
        before, there = made[-1] if made else None, None
        if before and before.passage and claim.support == COPIED and is_dependent(claim.text):
            there = copied(claim.text, [before.passage], before.quote_end)
        made.append(replace(claim, passage=there[0], quote_start=there[1], quote_end=there[2]) if there else claim)
    return tuple(made)


def _of_others(sentence: Sentence, subject: str) -> Sentence:
    """A sentence as the sources would say it, where the role's subject speaks of itself."""
    return replace(sentence, text=in_third_person(sentence.text, subject)) if subject else sentence


def _reason(claim: str, window: EvidenceWindow, denied: bool) -> str:
    """Say what the nearest sentence says otherwise, or lacks."""
    if window.difference.reason or window.difference.lacking:
        return window.difference.reason or window.difference.lacking
    stretch = window.nearest
    present = {s for text in (*stretch.texts, stretch.read.background) for s in text.sequence}
    content = [word for word in words(bare(claim)) if word.content]
    missing = [word.text for word in content if word.stem not in present]
    if len(missing) > 0.6 * len(content):
        return _FAR
    if denied:
        return "the nearest source sentence says otherwise"
    if missing:
        return f"the nearest source sentence says nothing of {missing[0]!r}"
    return "the nearest source sentence does not say this"
