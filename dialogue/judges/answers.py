"""Does a sentence answer the question? The reader's word on where in a passage the answer stands, and what is alike.

A unit (a sentence, a row, a list line) answers as far as a likely span of the passage lies within it, as every token of
the question finds its like in the unit, in the sentence it leans on or in its title (Khattab and Zaharia 2020), as the
whole of it is near the question, which carries questions in other words than the passage's, and as it is about what the
question names. The reading is that of the search, which has read the same passages after the same question. Knows
nothing of drafts or of how the reader was trained.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dialogue.antecedents import antecedent
from dialogue.judges.subject import FEATURES as SUBJECT
from dialogue.judges.subject import names_another, names_of, placed, subject_of
from retrieval.reading import Page, bounded
from retrieval.types import RetrievalError

if TYPE_CHECKING:
    from retrieval.reader import PassageReader

FEATURES = ("span", "match", "least", "alike", "titled", *SUBJECT)
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

    @property
    def line(self) -> str:
        """What is offered, on one line."""
        return " ".join(self.text.split())

    @property
    def stop(self) -> int:
        """Where it ends."""
        return len(self.page.text) if self.end is None else self.end


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
        """Return one probability per offer: 0 for what is about another identifier than the question.

        A question without a letter of English or a digit is never answered.
        """
        if not any(sign.isascii() and sign.isalnum() for sign in question):
            return [0.0] * len(offers)
        rows = self.features(question, offers)
        logits = rows @ np.array([self.weights[name] for name in FEATURES]) + self.weights["bias"]
        asked = subject_of(question)
        another = [names_another(asked, o.page, o.start, o.stop) for o in offers]
        found: list[float] = np.where(another, 0.0, 1 / (1 + np.exp(-logits))).tolist()
        return found

    def features(self, question: str, offers: Sequence[Offer]) -> NDArray[np.float64]:
        """Return rows (offers, FEATURES), each by its question and offer alone.

        The logit of the unit's best span; the mean cosine of the question's tokens with their nearest in the unit, what
        it leans on or its title, and that of the worst third of them; the cosine of the question with the unit, and
        with all three; where what the question names stands, see `subject.placed`.
        """
        pages = list(dict.fromkeys(offer.page for offer in offers))
        readings = dict(zip(pages, self.reader.read(question, pages), strict=True))
        leads = {offer: _lead(offer) for offer in offers}
        texts = list(dict.fromkeys([question, *(o.text for o in offers), *leads.values(), *(p.title for p in pages)]))
        tokens = dict(zip(texts, self.encode_tokens(texts), strict=True))
        vectors, spans = tokens[question]
        asked = vectors[[question[start:end].isalnum() for start, end in spans.tolist()]]
        named = subject_of(question, names_of(pages))
        rows = []
        for o in offers:
            said = [tokens[text][0] for text in (o.text, leads[o], o.page.title)]
            alike = _cosine(vectors, said[0]), _cosine(vectors, np.concatenate(said))
            subject = placed(named, o.page, o.start, o.stop)
            span = bounded(readings[o.page].best(o.start, o.end)[0])
            rows.append((span, *_matched(asked, np.concatenate(said)), *alike, *subject))
        return np.array(rows, dtype=np.float64).reshape(-1, len(FEATURES))


def _lead(offer: Offer) -> str:
    """The sentence that a unit leans on, "" for none."""
    span = antecedent(offer.page.text, offer.start)
    return offer.page.text[slice(*span)] if span else ""


def _matched(asked: NDArray[np.float32], said: NDArray[np.float32]) -> tuple[float, float]:
    """The mean of the question's tokens' best cosines, and that of the worst third of them."""
    if not len(asked) or not len(said):
        return 0.0, 0.0
    best = np.sort((asked @ said.T).max(1))
    return float(best.mean()), float(best[: max(1, len(best) // 3)].mean())


def _cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The cosine of the means of two texts' token vectors, 0 where one has none."""
    if not len(one) or not len(other):
        return 0.0
    a, b = one.mean(0), other.mean(0)
    return float(a @ b / max(1e-6, float(np.linalg.norm(a) * np.linalg.norm(b))))


def load_answers(reader: "PassageReader") -> AnswerScorer:
    """Return the scorer by the calibration in the reader's card. Raises RetrievalError when it has none."""
    weights = reader.about.get("unit", {})
    if not {*FEATURES, "bias"} <= weights.keys():
        raise RetrievalError("the reader is not calibrated on units: train it with: candor train judges --only reader")
    return AnswerScorer(reader, reader.encoder.encode_tokens, weights)
