"""Does a sentence answer the question? A linear head on late interaction, word overlap and the kind of answer.

Features of a pair, all from frozen token vectors and the words themselves: the best match of every question
token among the tokens of the sentence and its title (late interaction, Khattab and Zaharia 2020), also with each
token weighted by how much it tells the offered sentences apart; the share of the question's words found; and
whether the sentence holds something new of the kind the question asks for. Beside the head stands a check: a
passage that says nothing of some word of the question, or a sentence without the sum, the date or the name that was
asked for, does not answer, however well the rest agrees. Where the search has read the passage and says how likely it
answers, a sentence's probability follows from both: one of an unlikely passage hardly answers. Knows
nothing of retrieval, of drafts or of how the head was trained.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from dialogue.judges.heads import Array, Head
from dialogue.judges.kinds import HARD, STOP, STRICT, content_words, kind_of, meets, stem
from dialogue.judges.shipped import WEIGHTS as FOLDER
from dialogue.judges.shipped import load_head

FEATURES = "answers-2"
WEIGHTS = FOLDER / "answers.safetensors"

SPOKEN_OF = 0.27  # mean match of the question's worst third of tokens in a passage; 6 % of XQuAD's answers lie below
IMPOSSIBLE = 0.1  # the most a sentence can have that fails a check
OWN, PASSAGE, BIAS = 0.98, 0.53, 0.81  # of a sentence's logit and its passage's; benchmarks/answerable.py fits them

TokenEncoder = Callable[[Sequence[str]], list[tuple[Array, NDArray[np.int64]]]]


@dataclass(frozen=True, slots=True)
class Offer:
    """A sentence offered as an answer, the title and headings it stands under, and the sentences around it.

    `passage` is the probability that its passage answers, None when that was not read.
    """

    sentence: str
    title: str = ""
    around: tuple[str, ...] = ()
    passage: float | None = None


@dataclass(frozen=True)
class AnswerScorer:
    """Probability that a sentence answers a question."""

    encode_tokens: TokenEncoder
    head: Head

    @property
    def fingerprint(self) -> str:
        """Identifies the features and the weights."""
        return f"{self.head.features}/{self.head.fingerprint}/{OWN}:{PASSAGE}:{BIAS}"

    def score(self, question: str, offers: Sequence[Offer], background: Sequence[Offer] = ()) -> list[float]:
        """Return one probability per offer.

        `background` are the sentences against which a word of the question counts as telling, by default the
        offers themselves; with it given, a probability does not depend on the other offers.
        """
        if not offers:
            return []
        rows, possible = features(self.encode_tokens, question, offers, background)
        scored = [combined(float(p), offer.passage) for p, offer in zip(self.head(rows), offers, strict=True)]
        return [p if can else min(p, IMPOSSIBLE) for p, can in zip(scored, possible, strict=True)]


def load_answers(encode_tokens: TokenEncoder) -> AnswerScorer:
    """Load the shipped head. Raises RetrievalError when it is missing or damaged."""
    head = load_head(WEIGHTS)
    if head.features != FEATURES:
        raise ValueError(f"{WEIGHTS.name} was trained on features {head.features!r}, not {FEATURES!r}: train it again")
    return AnswerScorer(encode_tokens, head)


def combined(sentence: float, passage: float | None) -> float:
    """Return the probability that a sentence answers, given that of its passage; logistic, by OWN, PASSAGE and BIAS.

    It is never higher than that of the sentence: where there is only one passage, it is the best for any question.
    """
    if passage is None:
        return sentence
    return min(sentence, 1 / (1 + exp(-(OWN * logit(sentence) + PASSAGE * logit(passage) + BIAS))))


def paged(sentences: Sequence[tuple[str, str]]) -> list[Offer]:
    """Offer the (sentence, title) rows of one page in order; four that follow each other stand for a passage."""
    texts = [sentence for sentence, _ in sentences]
    return [Offer(one, title, tuple(texts[i // 4 * 4 : i // 4 * 4 + 4])) for i, (one, title) in enumerate(sentences)]


def features(
    encode_tokens: TokenEncoder, question: str, offers: Sequence[Offer], background: Sequence[Offer] = ()
) -> tuple[Array, list[bool]]:
    """Return the feature rows (len(offers), width) of a question's offers, and which of them can answer at all."""
    known = (*offers, *background)
    texts = [question, *(text for o in known for text in (o.sentence, o.title, *o.around) if text)]
    encoded = dict(zip(texts, encode_tokens(texts), strict=True))
    asked = _Question(question, *encoded[question])
    vectors = {text: pair[0] for text, pair in encoded.items()}
    telling = asked.telling([asked.matched(o, vectors) for o in (background or offers)])
    rows = np.asarray([asked.row(offer, vectors, telling) for offer in offers], dtype=np.float32)
    return rows, [asked.possible(offer, vectors) for offer in offers]


class _Question:
    """What is computed once per question."""

    def __init__(self, text: str, vectors: Array, spans: NDArray[np.int64]) -> None:
        self.text = text
        self.words = set(content_words(text))
        self.rarity = {word: 1.0 + log(1 + len(word)) for word in self.words}
        self.kind = kind_of(text)
        self.mean = _unit(vectors.mean(0)) if len(vectors) else np.zeros(vectors.shape[1], np.float32)
        pieces = [text[start:end].casefold() for start, end in spans.tolist()]
        keep = [stem(piece) in self.words or (piece not in STOP and piece.isalnum()) for piece in pieces]
        self.vectors = vectors[keep] if any(keep) else vectors
        self._around: dict[tuple[str, ...], tuple[Array, set[str]]] = {}

    def matched(self, offer: Offer, vectors: dict[str, Array]) -> Array:
        """The best cosine of each question token with a token of the sentence or its title, shape (tokens,)."""
        return self._best((offer.sentence, offer.title), vectors)

    def telling(self, matched: Sequence[Array]) -> Array:
        """Weights of the question's tokens (tokens,) that sum to 1: high where some sentences match and most do not."""
        if not len(self.vectors):
            return np.zeros(0, np.float32)
        table = np.stack(matched)
        spread = (table.max(0) - table.mean(0)).clip(0.02)
        weights: Array = spread / spread.sum()
        return weights

    def row(self, offer: Offer, vectors: dict[str, Array], telling: Array) -> list[float]:
        """The features of one offer."""
        matched = self.matched(offer, vectors)
        both = np.concatenate([vectors[text] for text in (offer.sentence, offer.title) if text in vectors])
        own, above = set(content_words(offer.sentence)), set(content_words(offer.title))
        passage, words = self._passage(offer, vectors)
        met = self._met(offer)
        strict = self.kind in STRICT
        return [
            float(telling @ matched) if len(matched) else 0.0,
            float(self.mean @ _unit(both.mean(0))) if len(both) else 0.0,
            float(matched.mean()) if len(matched) else 0.0,
            float(passage.mean()) if len(passage) else 0.0,
            self._covered(own | above),
            self._covered(words | above),
            log(1 + len(offer.sentence)),
            met,
            float(strict and met < 0.2),
            float(strict),
            log(1 + len(self.words)),
        ]

    def possible(self, offer: Offer, vectors: dict[str, Array]) -> bool:
        """Whether the passage speaks of all the question's words and the sentence holds what kind was asked for.

        A question without a word in Latin letters or digits cannot be judged: the encoder reads English.
        """
        if not any(re.search("[a-z0-9]", word) for word in self.words):
            return False
        matched = np.sort(self._passage(offer, vectors)[0])
        spoken_of = not len(matched) or matched[: max(1, len(matched) // 3)].mean() >= SPOKEN_OF
        return bool(spoken_of) and not (self.kind in HARD and self._met(offer) == 0)

    def _met(self, offer: Offer) -> float:
        return meets(self.kind, self.text, offer.sentence, self.words | set(content_words(offer.title)))

    def _passage(self, offer: Offer, vectors: dict[str, Array]) -> tuple[Array, set[str]]:
        """How well the sentences around match each token (tokens,), and their words; computed once per passage."""
        around = (*(offer.around or (offer.sentence,)), offer.title)
        if around not in self._around:
            words = {word for text in around for word in content_words(text)}
            self._around[around] = (self._best(around, vectors), words)
        return self._around[around]

    def _best(self, texts: Sequence[str], vectors: dict[str, Array]) -> Array:
        found = [self.vectors @ vectors[text].T for text in texts if text in vectors and len(vectors[text])]
        if not found or not len(self.vectors):
            return np.zeros(len(self.vectors), np.float32)
        best: Array = np.concatenate(found, axis=1).max(1)
        return best

    def _covered(self, words: set[str]) -> float:
        total = sum(self.rarity.values())
        return sum(self.rarity[word] for word in self.words & words) / total if total else 0.0


def logit(probability: float) -> float:
    """Return the log-odds of a probability, kept within 1e-4 of 0 and 1."""
    bounded = min(max(probability, 1e-4), 1 - 1e-4)
    return log(bounded / (1 - bounded))


def _unit(vector: Array) -> Array:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
