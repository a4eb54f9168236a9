"""The embedded generator: an extractive responder that writes only sentences of the evidence.

Needs no language model. Knows nothing of judging: its drafts compete like any other model's.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dialogue.judges.answers import AnswerScorer, Offer, load_answers
from dialogue.persona import in_first_person
from dialogue.prompts import abstention
from dialogue.talk import ASKING
from dialogue.talk import drafts as talk
from dialogue.types import Attribute, Context, ModelError, Sampling
from retrieval.reading import page_of
from retrieval.text import sentences
from retrieval.types import Passage

if TYPE_CHECKING:
    from retrieval.reader import PassageReader


DRAFTS = 6  # likeliest units, each of which makes a draft
LONGEST = 600  # characters of one quoted sentence; what is longer is a table or a list gone wrong
CLAUSES = 240  # characters of a run of clauses quoted from a longer one
_CLAUSE = re.compile(r"\S.*?(?=\n|[,;:]\s|\s(?:and|but|so|then|because|when|where|which|who)\s|$)[,;:]?", re.DOTALL)
_DEPENDENT = re.compile(
    r"(?:It|He|She|They|This|That|These|Those|Its|His|Her|Their|Such|Both|However|But|And|So|Instead|Then|Thus|There)\b"
)


@dataclass(frozen=True, slots=True)
class _Unit:
    """A sentence of the evidence, its place, how likely it answers, and how the role's subject says it."""

    passage: Passage
    order: int
    text: str
    answers: float
    spoken: str = ""


@dataclass(frozen=True)
class Quote:
    """Units of the evidence that answer, with what they lean on where that stands before them; else an abstention."""

    scorer: AnswerScorer
    name: str = "quote"

    @property
    def fingerprint(self) -> str:
        """The name and the weights that choose."""
        return f"{self.name}/{self.scorer.fingerprint}"

    def sample(self, context: Context, sampling: Sampling) -> list[str]:
        """Return up to `sampling.n` distinct drafts, the likeliest first, an abstention last."""
        if context.intent != ASKING:
            asked = replace(context, intent=ASKING, turns=context.earlier[:-1] or context.turns)
            others = self.sample(asked, sampling) if context.intent == "complaint" and context.earlier else []
            return talk(context, others)[: sampling.n]
        if context.complaints:
            return []  # the evidence is the same, and every way of quoting it has been tried
        best = sorted(self._units(context), key=lambda unit: -unit.answers)
        drafts = dict.fromkeys(_voiced(best) if context.role.subject else _arrangements(best))
        return [*list(drafts)[: sampling.n - 1], abstention(context.evidence)]

    def weigh(self, context: Context, drafts: Sequence[str], attributes: Sequence[Attribute]) -> list[list[float]]:
        """Always raises ModelError: no language model is loaded."""
        raise ModelError("the quote generator gives no probabilities; load a language model with --model hf:NAME")

    def _units(self, context: Context) -> list[_Unit]:
        offered = [
            (item.passage, order, offer) for item in context.evidence for order, offer in enumerate(units(item.passage))
        ]
        scores = self.scorer.score(context.query, [offer for _, _, offer in offered])
        texts = [" ".join(offer.text.split()) for _, _, offer in offered]
        voiced = _voices(texts, [order for _, order, _ in offered], context.role.subject)
        return [
            _Unit(passage, order, text, score, spoken)
            for (passage, order, _), text, score, spoken in zip(offered, texts, scores, voiced, strict=True)
            if _quotable(text)
        ]


def load_quote(reader: "PassageReader") -> Quote:
    """Return the embedded generator, which quotes by what `reader` makes of passages. Raises RetrievalError."""
    return Quote(load_answers(reader))


def units(passage: Passage) -> list[Offer]:
    """Return what of a passage can be quoted by itself, in reading order: sentences, rows, list lines.

    A question that stands in the passage is one unit with what follows it.
    """
    spans: list[tuple[int, int]] = []
    for start, end in sentences(passage.text):
        if spans and passage.text[: spans[-1][1]].endswith("?"):
            spans[-1] = (spans[-1][0], end)
        else:
            spans += _clauses(passage.text, start, end)
    page = page_of(passage)
    return [Offer(page, start, end) for start, end in spans]


def _clauses(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield a sentence whole, one that nobody marked the end of in runs of clauses of up to CLAUSES characters."""
    begin = stop = start
    for match in _CLAUSE.finditer(text, start, end) if end - start > LONGEST else ():
        if match.end() - begin > CLAUSES and stop > begin:
            yield begin, stop
            begin = match.start()
        stop = match.end()
    yield begin, end


def _voices(texts: Sequence[str], orders: Sequence[int], subject: str) -> list[str]:
    """The units in the first person of the role's subject; "" when the role has none or the sentences do not fit it."""
    if not subject:
        return [""] * len(texts)
    before = [texts[place - 1] if order else "" for place, order in enumerate(orders)]
    return [in_first_person(text, subject, earlier) for text, earlier in zip(texts, before, strict=True)]


def _voiced(best: Sequence[_Unit]) -> list[str]:
    """Return the arrangements as the role's subject says them, each followed by the same as the sources say it."""
    spoken = [replace(unit, text=unit.spoken or unit.text) for unit in best]
    return [draft for pair in zip(_arrangements(spoken), _arrangements(best), strict=True) for draft in pair]


def _arrangements(best: Sequence[_Unit]) -> list[str]:
    """Return drafts of the likeliest units: one that leans on what stands before it with that, any other alone."""
    at = {(unit.passage.id, unit.order): unit for unit in best}
    drafts: list[str] = []
    for unit in best[:DRAFTS]:
        first = unit
        while _DEPENDENT.match(first.text) and (before := at.get((first.passage.id, first.order - 1))):
            first = before
        drafts.append(unit.text if first is unit else f"{first.text} {unit.text}")
    return drafts


def _quotable(text: str) -> bool:
    return 15 <= len(text) <= LONGEST and len(text.split()) >= 3 and not text.endswith("?")
