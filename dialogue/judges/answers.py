"""Does a sentence answer the question? The reader's word on where in a passage the answer stands, and late interaction.

A unit (a sentence, a row, a list line) answers as far as a likely span of the passage lies within it, and as every
token of the question finds its like in the unit or its title (Khattab and Zaharia 2020), which carries questions in
other words than the passage's. The reading is that of the search, which has read the same passages after the same
question. Knows nothing of drafts or of how the reader was trained.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dialogue.antecedents import antecedent
from retrieval.reading import Page, bounded
from retrieval.types import RetrievalError

if TYPE_CHECKING:
    from retrieval.reader import PassageReader

FEATURES = ("span", "match", "least")
Tokens = tuple[NDArray[np.float32], NDArray[np.int64]]  # unit vectors of a text's tokens, and their character spans
TokenEncoder = Callable[[Sequence[str]], Sequence[Tokens]]


@dataclass(frozen=True, slots=True)
class Offer:
    """Characters `start` to `end` of a page, by default all of it, offered as an answer."""

    page: Page
    start: int = 0
    end: int | None = None

    @property
    def text(self) -> str:
        """What is offered."""
        return self.page.text[self.start : self.end]


@dataclass(frozen=True)
class AnswerScorer:
    """Probability that a unit of a page answers a question: logistic, by `weights` of FEATURES and of a bias."""

    reader: "PassageReader"
    encode_tokens: TokenEncoder
    weights: Mapping[str, float]

    @property
    def fingerprint(self) -> str:
        """Identifies the weights."""
        return self.reader.fingerprint

    def score(self, question: str, offers: Sequence[Offer]) -> list[float]:
        """Return one probability per offer. A question without a letter of English or a digit is never answered."""
        if not any(sign.isascii() and sign.isalnum() for sign in question):
            return [0.0] * len(offers)
        rows = self.features(question, offers)
        logits = rows @ np.array([self.weights[name] for name in FEATURES]) + self.weights["bias"]
        found: list[float] = (1 / (1 + np.exp(-logits))).tolist()
        return found

    def features(self, question: str, offers: Sequence[Offer]) -> NDArray[np.float64]:
        """Return rows (offers, FEATURES), each by its question and offer alone.

        The logit of the unit's best span; the mean cosine of the question's tokens with their nearest in the unit,
        what it leans on or its title, and that of the worst third of them.
        """
        pages = list(dict.fromkeys(offer.page for offer in offers))
        readings = dict(zip(pages, self.reader.read(question, pages), strict=True))
        leads = {offer: _lead(offer) for offer in offers}
        texts = list(dict.fromkeys([question, *(o.text for o in offers), *leads.values(), *(p.title for p in pages)]))
        tokens = dict(zip(texts, self.encode_tokens(texts), strict=True))
        vectors, spans = tokens[question]
        asked = vectors[[question[start:end].isalnum() for start, end in spans.tolist()]]
        rows = [
            (
                bounded(readings[o.page].best(o.start, o.end)[0]),
                *_matched(asked, [tokens[text][0] for text in (o.text, leads[o], o.page.title)]),
            )
            for o in offers
        ]
        return np.array(rows, dtype=np.float64).reshape(-1, len(FEATURES))


def _lead(offer: Offer) -> str:
    """The sentence that a unit leans on, "" for none."""
    span = antecedent(offer.page.text, offer.start)
    return offer.page.text[slice(*span)] if span else ""


def _matched(asked: NDArray[np.float32], said: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
    """The mean of the question's tokens' best cosines, and that of the worst third of them."""
    tokens = np.concatenate(said)
    if not len(asked) or not len(tokens):
        return 0.0, 0.0
    best = np.sort((asked @ tokens.T).max(1))
    return float(best.mean()), float(best[: max(1, len(best) // 3)].mean())


def load_answers(reader: "PassageReader") -> AnswerScorer:
    """Return the scorer by the calibration in the reader's card. Raises RetrievalError when it has none."""
    weights = reader.about.get("unit", {})
    if not {*FEATURES, "bias"} <= weights.keys():
        raise RetrievalError("the reader is not calibrated on units: train it with: candor train judges --only reader")
    return AnswerScorer(reader, reader.encoder.encode_tokens, weights)
