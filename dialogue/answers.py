"""Does a sentence answer the question? A head on late interaction, word overlap and answer type.

Features of a pair, all from frozen token vectors and the words themselves: cosines, the best match of every
question token among the sentence's tokens (Khattab and Zaharia 2020), the share of the question's rare words
that the sentence or its title holds, and whether the sentence brings something new of the kind that the
question word asks for (a number, a date, a name, a reason). Knows nothing of retrieval or of drafts.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from safety.heads import Array, Head

FEATURES = "answers/1"
WEIGHTS = Path(__file__).parent / "weights" / "answers.safetensors"

TokenEncoder = Callable[[Sequence[str]], list[tuple[Array, NDArray[np.int64]]]]

_WORD = re.compile(r"[^\W_]+(?:[’'.,-][^\W_]+)*")
_STOP = frozenset(
    "a an and are as at be been being but by can could did do does for from had has have he her him his how i if in "
    "into is it its itself many me much my of on or our she so some that the their them then there these they this "
    "those to us was we were what when where which who whom whose why will with would you your about tell please "
    "also any did not no than up out s t".split()
)
_KINDS: tuple[tuple[str, str], ...] = (
    ("reason", r"\bwhy\b|\bhow come\b|\bwhat (?:was |is )?the (?:reason|cause)\b|\bwhat (?:causes?|made)\b"),
    ("duration", r"\bhow long\b|\bhow many (?:years|days|hours|months|weeks|minutes)\b"),
    ("count", r"\bhow many\b|\bwhat number\b"),
    ("amount", r"\bhow (?:much|tall|high|deep|far|big|large|fast|heavy|hot|cold|old|wide|small|often|strong)\b"
               r"|\bwhat (?:percent|percentage|share|height|depth|size|temperature|price|speed|weight|distance|length)\b"),
    ("time", r"\bwhen\b|\bwhat (?:year|date|day|month|time|century|decade)\b|\b(?:which|in what) (?:year|century|month|decade)\b"),
    ("place", r"\bwhere\b|\b(?:what|which) (?:country|city|place|continent|state|town|region|island|river|street)\b"),
    ("person", r"\bwho(?:m|se)?\b|\b(?:what|which) (?:person|people|man|woman|men|women|scientist|king|president|emperor|"
               r"general|player|author|explorer|company|organi[sz]ation|team|group|university|lab)\b"),
    ("manner", r"\bhow\b"),
    ("thing", r"\bwhat\b|\bwhich\b"),
)  # fmt: skip
KINDS = tuple(name for name, _ in _KINDS) + ("other",)
_MONTH = "january|february|march|april|may|june|july|august|september|october|november|december"
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|twenty|thirty|forty|fifty|sixty|"
    r"seventy|eighty|ninety|hundred|thousand|million|billion|half|third|quarter|twice|double|both|single)s?\b",
    re.I,
)
_TIME = re.compile(
    rf"\b(?:1\d\d\d|20\d\d)s?\b|\b(?:{_MONTH})\b|\bcentur(?:y|ies)\b|\b\d+ (?:BC|AD|BCE|CE)\b", re.I
)
_UNIT = re.compile(
    r"%|°|\$|€|£|\b(?:percent|per cent|metres?|meters?|kilomet(?:re|er)s?|km|cm|mm|miles?|feet|foot|kilograms?|kg|grams?|tons?|"
    r"tonnes?|degrees?|dollars?|pounds?|euros?|times|bytes?|gigabytes?|bits?|watts?|volts?|parameters?|tokens?|litres?)\b",
    re.I,
)
_SPAN = re.compile(
    r"\b(?:years?|days?|hours?|months?|weeks?|minutes?|seconds?|decades?|centur(?:y|ies))\b", re.I
)
_REASON = re.compile(
    r"\bbecause\b|\bdue to\b|\bsince\b|\bso that\b|\bin order to\b|\btherefore\b|\bas a result\b|\bcaused?s?\b|\breason\b|\bowing\b"
    r"|\bthanks to\b|\bto (?:avoid|prevent|keep|make|reduce|protect|help|allow|save)\b|\bwhich (?:makes?|means?)\b|\bso\b",
    re.I,
)
_PLACE = re.compile(
    r"\b(?:in|at|near|from|to|on|of|across|between|north|south|east|west|outside)\s+(?:the\s+)?[A-Z]"
)
_MANNER = re.compile(r"\bby\b|\busing\b|\bthrough\b|\bwith\b|\bvia\b|\bmethod\b", re.I)


@dataclass(frozen=True)
class AnswerScorer:
    """Probability that a sentence answers a question."""

    encode_tokens: TokenEncoder
    head: Head

    @property
    def fingerprint(self) -> str:
        """Identifies the features and the weights."""
        return f"{self.head.features}/{self.head.fingerprint}"

    def score(self, question: str, items: Sequence[tuple[str, str]]) -> list[float]:
        """Return one probability per (sentence, title and headings it stands under)."""
        if not items:
            return []
        return [float(p) for p in self.head(features(self.encode_tokens, question, items))]


def load_answers(encode_tokens: TokenEncoder) -> AnswerScorer:
    """Load the shipped head."""
    return AnswerScorer(encode_tokens, Head.load(WEIGHTS))


def kind_of(question: str) -> str:
    """Return the kind of answer that the question asks for, one of KINDS."""
    lowered = question.casefold()
    return next((name for name, pattern in _KINDS if re.search(pattern, lowered)), "other")


def content_words(text: str) -> list[str]:
    """Return the stems of the words that carry meaning, in order."""
    return [stem(word) for word in map(str.casefold, _WORD.findall(text)) if word not in _STOP]


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Strip the commonest English endings, so that `climbed` meets `climb`."""
    word = re.sub(r"['’]s$", "", word)
    for ending, rest in (
        ("ies", "y"),
        ("sses", "ss"),
        ("ing", ""),
        ("edly", ""),
        ("ed", ""),
        ("es", ""),
        ("ly", ""),
        ("s", ""),
        ("e", ""),
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return word[: -len(ending)] + rest
    return word


def features(encode_tokens: TokenEncoder, question: str, items: Sequence[tuple[str, str]]) -> Array:
    """Return the feature rows (len(items), width) of one question and its sentences."""
    titled = [f"{title}: {sentence}" if title else sentence for sentence, title in items]
    encoded = encode_tokens([question, *titled])
    asked = _Question(question, *encoded[0])
    rows = [
        asked.row(sentence, title, len(text) - len(sentence), vectors, spans)
        for (sentence, title), text, (vectors, spans) in zip(items, titled, encoded[1:], strict=True)
    ]
    return np.asarray(rows, dtype=np.float32)


class _Question:
    """What is computed once per question."""

    def __init__(self, text: str, vectors: Array, spans: NDArray[np.int64]) -> None:
        self.words = set(content_words(text))
        self.rarity = {word: 1.0 + log(1 + len(word)) for word in self.words}
        self.kind = kind_of(text)
        self.names = {
            stem(word.casefold())
            for word in _WORD.findall(text)[1:]
            if word[:1].isupper() or word[:1].isdigit()
        }
        self.pooled = _unit(vectors.mean(0)) if len(vectors) else vectors.sum(0)
        keep = [
            stem(text[a:b].casefold()) in self.words
            or text[a:b].casefold() not in _STOP
            and text[a:b].isalnum()
            for a, b in spans.tolist()
        ]
        self.vectors = vectors[keep] if any(keep) else vectors

    def row(
        self, sentence: str, title: str, offset: int, vectors: Array, spans: NDArray[np.int64]
    ) -> list[float]:
        own = vectors[[a >= offset for a, _ in spans.tolist()]] if len(spans) else vectors
        own = own if len(own) else vectors
        words, around = set(content_words(sentence)), set(content_words(title))
        return [
            *self._similar(vectors, own),
            *self._covered(words, around),
            *self._typed(sentence, words, around),
        ]

    def _similar(self, vectors: Array, own: Array) -> list[float]:
        if not len(vectors) or not len(self.vectors):
            return [0.0] * 6
        best = (self.vectors @ vectors.T).max(1)
        best_own = (self.vectors @ own.T).max(1)
        return [
            float(self.pooled @ _unit(vectors.mean(0))),
            float(self.pooled @ _unit(own.mean(0))),
            float(best.mean()),
            float(best.min()),
            float(np.sort(best)[: max(1, len(best) // 3)].mean()),
            float(best_own.mean()),
        ]

    def _covered(self, words: set[str], around: set[str]) -> list[float]:
        total = sum(self.rarity.values()) or 1.0
        inside = sum(self.rarity[word] for word in self.words & words) / total
        either = sum(self.rarity[word] for word in self.words & (words | around)) / total
        named = self.names & self.words
        return [
            inside,
            either,
            len(named & (words | around)) / len(named) if named else 0.5,
            len(named & words) / len(named) if named else 0.5,
            float(bool(named)),
            log(1 + len(words - self.words)),
            log(1 + len(self.words)),
        ]

    def _typed(self, sentence: str, words: set[str], around: set[str]) -> list[float]:
        fresh = [m for m in _WORD.findall(sentence) if stem(m.casefold()) not in self.words]
        names = [w for w in fresh[1:] if w[:1].isupper() and stem(w.casefold()) not in around]
        number = any(_NUMBER.search(word) for word in fresh)
        has = {
            "number": number,
            "time": any(_TIME.search(word) for word in fresh) or bool(_TIME.search(sentence)),
            "unit": number and bool(_UNIT.search(sentence)),
            "span": number and bool(_SPAN.search(sentence)),
            "reason": bool(_REASON.search(sentence)),
            "place": bool(_PLACE.search(sentence)),
            "name": bool(names),
            "manner": bool(_MANNER.search(sentence)),
        }
        wants = {
            "reason": ("reason",), "duration": ("span", "number"), "count": ("number",), "amount": ("number", "unit"),
            "time": ("time", "number"), "place": ("place", "name"), "person": ("name",), "manner": ("manner",),
        }.get(self.kind, ())  # fmt: skip
        meets = [float(has[name]) for name in wants]
        return [
            *(float(self.kind == kind) for kind in KINDS),
            *(float(value) for value in has.values()),
            float(np.mean(meets)) if meets else 0.5,
            float(meets[0]) if meets else 0.5,
            log(1 + len(names)),
            log(1 + len(sentence)),
            float(bool(re.match(r"(?:It|He|She|They|This|These|Its|His|Her|Their|That)\b", sentence))),
        ]


def _unit(vector: Array) -> Array:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
