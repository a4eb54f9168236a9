"""Does a sentence answer the question? The reader's word on where in a passage the answer stands.

A unit (a sentence, a row, a list line) answers as far as the likeliest span of the passage lies within it and the
passage answers at all. The reading is that of the search, which has read the same passages after the same question.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retrieval.reading import Page, Reading
from retrieval.types import RetrievalError

if TYPE_CHECKING:
    from retrieval.reader import PassageReader


FEATURES = ("span", "behind", "answers")
FAR = 15.0  # the most that a span's logit counts


@dataclass(frozen=True, slots=True)
class Offer:
    """Characters `start` to `end` of a page, by default all of it, offered as an answer."""

    page: Page
    start: int = 0
    end: int | None = None


@dataclass(frozen=True)
class AnswerScorer:
    """Probability that a unit of a page answers a question: logistic, by `weights` of FEATURES and of a bias."""

    reader: "PassageReader"
    weights: Mapping[str, float]

    @property
    def fingerprint(self) -> str:
        """Identifies the weights."""
        return self.reader.fingerprint

    def score(self, question: str, offers: Sequence[Offer]) -> list[float]:
        """Return one probability per offer. A question without a letter of English or a digit is never answered."""
        if not any(sign.isascii() and sign.isalnum() for sign in question):
            return [0.0] * len(offers)
        pages = list(dict.fromkeys(offer.page for offer in offers))
        readings = dict(zip(pages, self.reader.read(question, pages), strict=True))
        rows = np.array([features(readings[o.page], o.start, o.end) for o in offers]).reshape(-1, len(FEATURES))
        logits = rows @ np.array([self.weights[name] for name in FEATURES]) + self.weights["bias"]
        found: list[float] = (1 / (1 + np.exp(-logits))).tolist()
        return found


def features(reading: Reading, start: int, end: int | None) -> tuple[float, float, float]:
    """Return by FEATURES: the logit of the unit's best span, how far behind the page's best it is, the page's own."""
    best, own = (min(max(logit, -FAR), FAR) for logit in (reading.best()[0], reading.best(start, end)[0]))
    return own, best - own, reading.answers


def load_answers(reader: "PassageReader") -> AnswerScorer:
    """Return the scorer by the calibration in the reader's card. Raises RetrievalError when it has none."""
    weights = reader.about.get("unit", {})
    if not {*FEATURES, "bias"} <= weights.keys():
        raise RetrievalError("the reader is not calibrated on units: train it with: candor train judges --only reader")
    return AnswerScorer(reader, weights)
