"""The embedded generator: an extractive responder that writes only sentences of the evidence.

Needs no language model. Knows nothing of judging: its drafts compete like any other model's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dialogue.antecedents import antecedent, is_dependent
from dialogue.judges.answers import AnswerScorer, Offer, load_answers
from dialogue.persona import in_first_person
from dialogue.prompts import ABSTENTION
from dialogue.shapes.asked import shown
from dialogue.summary import Unit, summaries
from dialogue.talk import ASKING
from dialogue.talk import drafts as talk
from dialogue.types import Attribute, Context, ModelError, Sampling
from dialogue.units import quotable, units, with_lead
from retrieval.text import BAR

if TYPE_CHECKING:
    from retrieval.reader import PassageReader


DRAFTS = 6  # likeliest units, each of which makes a draft


@dataclass(frozen=True, slots=True)
class _Unit:
    """A unit of the evidence on one line, how likely it answers, and how the role's subject says it."""

    offer: Offer
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
        if context.about:
            return self._whole(context)[len(context.complaints) :][:1]
        if context.complaints:
            return []  # the evidence is the same, and every way of quoting it has been tried
        every = self._units(context)
        best = sorted(_needed(every), key=lambda unit: -unit.answers)[:DRAFTS]
        if not context.shaped and not context.parts:  # else rows are quoted side by side, and alike
            best = [self._cut(context.query, unit, every) for unit in best]
        drafts = dict.fromkeys(_voiced(best) if context.role.subject else _arrangements(best))
        return [*list(drafts)[: sampling.n - 1], ABSTENTION]

    def weigh(self, context: Context, drafts: Sequence[str], attributes: Sequence[Attribute]) -> list[list[float]]:
        """Always raises ModelError: no language model is loaded."""
        raise ModelError("the quote generator gives no probabilities; load a language model with --model hf:NAME")

    def _whole(self, context: Context) -> list[str]:
        """What the sources say that are asked for as a whole: the tool's own word, or summaries of a document."""
        said = [item.passage for item in context.evidence if item.passage.source in context.about]
        if all(passage.kind == "tool" for passage in said):
            return [" ".join(passage.text for passage in said)]
        told = [Unit(passage, offer.line, offer.start) for passage in said for offer in units(passage)]
        return summaries(told, self.scorer.reader.encoder.encode)

    def _cut(self, question: str, unit: _Unit, every: Sequence[_Unit]) -> _Unit:
        """A unit with no more of a row than a question asks for, and what tells which row it is."""
        if BAR not in unit.text or unit.spoken or is_dependent(unit.text):
            return unit
        title = unit.offer.page.title
        others = [other.text for other in every if BAR in other.text and other.offer.page.title == title]
        likely = self.scorer.cells(question, unit.offer)
        return replace(unit, text=shown(question, unit.text, title, likely, others))

    def _units(self, context: Context) -> list[_Unit]:
        offered = [(order, offer) for item in context.evidence for order, offer in enumerate(units(item.passage))]
        scores = self.scorer.score(context.query, [offer for _, offer in offered])
        texts = [offer.line for _, offer in offered]
        voiced = _voices(texts, [order for order, _ in offered], context.role.subject)
        return [
            _Unit(offer, text, score, spoken)
            for (_, offer), text, score, spoken in zip(offered, texts, scores, voiced, strict=True)
            if quotable(text)
        ]


def load_quote(reader: "PassageReader") -> Quote:
    """Return the embedded generator, which quotes by what `reader` makes of passages. Raises RetrievalError."""
    return Quote(load_answers(reader))


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
    """Return drafts of the likeliest units: one that leans on a sentence before it with that, any other alone."""
    leads = [antecedent(unit.offer.page.text, unit.offer.start) for unit in best]
    return [with_lead(unit.offer) if lead else unit.text for unit, lead in zip(best, leads, strict=True)]


def _needed(units: Sequence[_Unit]) -> list[_Unit]:
    """The units but for those that lean on a likelier one: that answers without them."""
    likely = {(unit.offer.page, unit.offer.start): unit.answers for unit in units}

    def leads(unit: _Unit) -> float:
        lead = antecedent(unit.offer.page.text, unit.offer.start)
        return likely.get((unit.offer.page, lead[0]), 0.0) if lead else 0.0

    return [unit for unit in units if leads(unit) < unit.answers]
