"""Does a sentence answer the question? The reader's word on where in a passage the answer stands, and what is alike.

A unit (a sentence, a row, a list line) answers as far as a likely span of the passage lies within it, as every token of
the question finds its like in the unit, in the sentence it leans on or in its title (Khattab and Zaharia 2020), as the
whole of it is near the question, which carries questions in other words than the passage's, as it is about what the
question names, and as no other answer is likelier. The reading is that of the search, which has read the same passages
after the same question. Knows nothing of drafts or of how the reader was trained.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dialogue.antecedents import antecedent
from dialogue.judges.deeds import only_meant, out_of_order
from dialogue.judges.echoed import echoed
from dialogue.judges.facts import content_stems
from dialogue.judges.fitting import MISFIT, UNLIKE, Near, fit
from dialogue.judges.hours import posted
from dialogue.judges.keyed import named
from dialogue.judges.lookup import LOOKED_UP, likely, looked_up, of_other_keys
from dialogue.judges.quantities import read
from dialogue.judges.relatives import of_no_relative
from dialogue.judges.subject import FEATURES as SUBJECT
from dialogue.judges.subject import (
    Subject,
    names_another,
    names_of,
    namesakes,
    of_another,
    of_namesake,
    placed,
    stems,
    subject_of,
)
from dialogue.judges.ways import of_another_way
from dialogue.shapes.words import is_difference, plain, superlatives
from retrieval.reading import Page, Reading, bounded
from retrieval.text import BAR, sentences
from retrieval.types import RetrievalError

if TYPE_CHECKING:
    from retrieval.reader import PassageReader

FEATURES = ("span", "answers", "relevant", "match", "least", "alike", "titled", "margin", "away", *SUBJECT)
MOST = 12.0  # by how much, in logits, another answer may be likelier
BEHIND = 2.0  # by how much likelier what is of another kind than asked for speaks against all that is less likely
WORDS = 4096  # pairs of nouns whose cosines are remembered
MISSING = 3  # words that stand in other titles that count
_HOW = re.compile(r"\bhow ([a-z]+) (?:is|are|was|were|does|do|did|will|can|would)\b", re.IGNORECASE)
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

    def score(self, question: str, offers: Sequence[Offer], beside: Sequence[Page] = ()) -> list[float]:
        """Return one probability per offer: 0 for what is about another identifier than the question, or tells
        how much more than another thing something is, where the question asks how much it is; less for what is of
        another kind than the question asks for, or is a row of another key or way; LOOKED_UP at least for the one
        row or value that it looks up by its key, for the one answer to the same question in a source and for the hours
        posted for what it names.

        `beside` are pages that may answer as well, the offers' own need not be among them. A question without a letter
        of English or a digit is never answered.
        """
        if not any(sign.isascii() and sign.isalnum() for sign in question):
            return [0.0] * len(offers)
        rows, factors = self._read(question, offers, beside)
        logits = rows @ np.array([self.weights[name] for name in FEATURES]) + self.weights["bias"]
        found: list[float] = (factors / (1 + np.exp(-logits))).tolist()
        lines = [(offer.line, offer.page.title, offer.page.text) for offer in offers]
        titled = [(line, title) for line, title, _ in lines]
        row = looked_up(question, titled)
        least = LOOKED_UP if row is None else likely(question, titled[row][0])
        for look in (named, echoed, posted):
            row = row if row is not None else look(question, lines)
        away = [place for place, (line, _) in enumerate(titled) if of_another_way(question, line)]
        for place in {*of_other_keys(question, titled), *_one_of_all(question, offers), *away}:
            found[place] *= MISFIT
        if row is not None and row not in away and factors[row] == 1.0:
            found[row] = max(found[row], least)
        for place in out_of_order(question, [f"{title} {line}" for line, title in titled], found):
            found[place] *= MISFIT
        return found

    def features(self, question: str, offers: Sequence[Offer], beside: Sequence[Page] = ()) -> NDArray[np.float64]:
        """Return rows (offers, FEATURES), each by its question, its offer and all pages.

        The logit of the unit's best span; what its page as a whole has of "answers" and "relevant"; the mean cosine of
        the question's tokens with their nearest in the unit, what it leans on or its title, and that of the worst third
        of them; the cosine of the question with the unit, and with all three; how much less likely its span is than the
        best one that says something else; how many words of the question stand in the title of another page, and not on
        the unit's; where what the question names stands, see `subject.placed`.
        """
        return self._read(question, offers, beside)[0]

    def cells(self, question: str, row: Offer) -> list[float]:
        """Return for each cell of a row of a table the logit of the likeliest answer in its value."""
        alone = Page(row.line, row.page.title)
        [reading] = self.reader.read(question, [alone])
        found, place = [], 0
        for cell in alone.text.split(BAR):
            start = place + (cell.find(": ") + 2 if ": " in cell else 0)
            found.append(reading.best(start, place + len(cell))[0])
            place += len(cell) + len(BAR)
        return found

    def _read(
        self, question: str, offers: Sequence[Offer], beside: Sequence[Page]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the features, and by what each probability is multiplied."""
        pages = list(dict.fromkeys([*(offer.page for offer in offers), *beside]))
        alone = {offer: _alone(offer) for offer in offers}
        whole = [page for page in pages if BAR not in page.text]
        read = list(dict.fromkeys([*(offer.page for offer in alone.values()), *whole]))
        readings = dict(zip(read, self.reader.read(question, read), strict=True))
        leads = {offer: _lead(offer) for offer in offers}
        texts = list(
            dict.fromkeys([question, *(o.text for o in offers), *leads.values(), *(o.page.title for o in offers)])
        )
        tokens = dict(zip(texts, self.encode_tokens(texts), strict=True))
        vectors, spans = tokens[question]
        asked = vectors[[question[start:end].isalnum() for start, end in spans.tolist()]]
        named, alike_named = subject_of(question, names_of(pages)), namesakes(question, pages)
        rivals = [
            rival
            for page, reading in readings.items()
            for rival in self._rivals(question, named, page, reading)
            if not of_namesake(alike_named, page, rival.offer.start, rival.offer.stop)
        ]
        away = _only_in_titles(question, pages)
        rows: list[tuple[float, ...]] = []
        factors: list[float] = []
        for o in offers:
            said = [tokens[text][0] for text in (o.text, leads[o], o.page.title)]
            alike = _cosine(vectors, said[0]), _cosine(vectors, np.concatenate(said))
            subject = placed(named, o.page, o.start, o.stop)
            mine = alone[o]
            own = _best(mine, readings[mine.page])
            rival = _rival(own, rivals)
            margin = min(0.0, max(-MOST, own.logit - rival.logit)) if rival else 0.0
            matched = _matched(asked, np.concatenate(said))
            reading = readings[mine.page]
            read_as = bounded(own.logit), reading.answers, reading.relevant
            rows.append((*read_as, *matched, *alike, margin, away[o.page], *subject))
            other = names_another(named, o.page, o.start, o.stop) or of_namesake(alike_named, o.page, o.start, o.stop)
            other = other or _tells_differences(question, o.line)
            fits = self._fit(question, named, own, f"{o.page.title} {leads[o]}")
            behind = rival.fit if rival and margin < -BEHIND and rival.offer.page == mine.page else 1.0
            factors.append(0.0 if other else min(fits, behind))
        return np.array(rows, dtype=np.float64).reshape(-1, len(FEATURES)), np.array(factors)

    def _rivals(self, question: str, named: Subject, page: Page, reading: Reading) -> list["_Answer"]:
        """The best span of every sentence of a page, but for those that count something else than is asked for."""
        found = [_best(Offer(page, start, end), reading) for start, end in _sentences(page.text)]
        fits = [self._fit(question, named, one, f"{page.title} {_lead(one.offer)}") for one in found]
        return [replace(one, fit=fit) for one, fit in zip(found, fits, strict=True) if fit != UNLIKE]

    def _fit(self, question: str, named: Subject, answer: "_Answer", around: str) -> float:
        offer = answer.offer
        if BAR in offer.text and of_another(question, named, offer.text):
            return UNLIKE
        if of_no_relative(question, offer.text, around, offer.page.text) or only_meant(question, offer.text):
            return MISFIT
        return fit(question, offer.text, offer.page.text[slice(*answer.span)], around, self._near)

    @cached_property
    def _near(self) -> Near:
        """The cosine of two words, remembered: the nouns of a page come again in its units and for every draft."""

        @lru_cache(maxsize=WORDS)
        def near(one: str, other: str) -> float:
            first, second = self.reader.encoder.encode([one, other])
            return float(first @ second)

        return near


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is offered with its likeliest span, the logit of that, and what it says."""

    offer: Offer
    logit: float
    span: tuple[int, int]
    said: str
    fit: float = 1.0


@lru_cache(maxsize=512)
def _sentences(text: str) -> tuple[tuple[int, int], ...]:
    return tuple(sentences(text))


def _best(offer: Offer, reading: Reading) -> _Answer:
    logit, begin, stop = reading.best(offer.start, offer.end)
    return _Answer(offer, logit, (begin, stop), _plain(offer.page.text[begin:stop]))


def _rival(own: _Answer, rivals: Sequence[_Answer]) -> _Answer | None:
    """The likeliest answer elsewhere that says something else."""
    mine = own.offer
    others = [
        rival
        for rival in rivals
        if rival.said and not (rival.said in own.said or own.said in rival.said)
        if rival.offer.page != mine.page or rival.offer.stop <= mine.start or mine.stop <= rival.offer.start
    ]
    return max(others, key=lambda rival: rival.logit) if others and own.said else None


def _only_in_titles(question: str, pages: Sequence[Page]) -> dict[Page, int]:
    """How many stems of the question stand in the title of another page and nowhere on this one, MISSING at most."""
    asked = content_stems(question)
    titles = {page.title: asked & stems(page.title) for page in pages}
    found = {}
    for page in pages:
        others = set[str]().union(*(said for title, said in titles.items() if title != page.title))
        found[page] = min(MISSING, len(others - stems(page.title) - stems(page.text)))
    return found


def _plain(text: str) -> str:
    found = re.findall(r"[^\W_]+", text.casefold())
    return f" {' '.join(found)} " if found else ""


def _tells_differences(question: str, text: str) -> bool:
    """Whether a sentence states but how much more one thing is than another, where "How high is it?" is asked."""
    asked = _HOW.search(question)
    if not asked or plain(asked[1]) is None:
        return False
    figures = [quantity.text for quantity in read(text)[0] if quantity.dimension]
    return bool(figures) and all(is_difference(figure, text) for figure in figures)


def _one_of_all(question: str, offers: Sequence[Offer]) -> list[int]:
    """Which offers are rows that do not say themselves what is asked for as the most: only all of them tell that."""
    if not (most := superlatives(question)):
        return []
    says = re.compile(rf"\b(?:{'|'.join(most)})\b", re.IGNORECASE)
    return [at for at, offer in enumerate(offers) if BAR in offer.text and not says.search(offer.text)]


def _alone(offer: Offer) -> Offer:
    """What the reader is given of an offer: its page; a row of a table by itself, since rows are like each other; of a
    page that holds a table as well the running text between its rows."""
    if BAR in offer.text:
        return Offer(Page(offer.text, offer.page.title))
    if BAR not in offer.page.text:
        return offer
    text, stop = offer.page.text, offer.stop
    above, below = text.rfind(BAR, 0, offer.start), text.find(BAR, stop)
    begin = text.find("\n", above, offer.start) + 1 if above >= 0 else 0
    end = text.rfind("\n", stop, below) if below >= 0 else len(text)
    if begin <= 0 < above or end < stop:  # they share a line
        return offer
    return Offer(Page(text[begin:end], offer.page.title), offer.start - begin, stop - begin)


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
