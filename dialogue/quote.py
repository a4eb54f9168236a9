"""The embedded generator: an extractive responder that writes only sentences of the evidence.

Needs no language model. Knows nothing of judging: its drafts compete like any other model's.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dialogue.judges.answers import AnswerScorer, Offer, load_answers
from dialogue.persona import in_first_person
from dialogue.prompts import abstention
from dialogue.talk import small_talk
from dialogue.types import Attribute, Context, ModelError, Sampling
from retrieval.text import sentences
from retrieval.types import Passage, TokenEmbedder

LONGEST = 600  # characters of one quoted sentence; what is longer is a table or a list gone wrong
_DEPENDENT = re.compile(
    r"(?:It|He|She|They|This|That|These|Those|Its|His|Her|Their|Such|Both|However|But|And|So|Instead|Then|Thus|There)\b"
)


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence of the evidence, its place, how likely it answers, and how the role's subject says it."""

    passage: Passage
    order: int
    text: str
    answers: float
    spoken: str = ""


@dataclass(frozen=True)
class Quote:
    """Sentences of the evidence that answer, alone, with their neighbours and in pairs; else an abstention."""

    scorer: AnswerScorer
    name: str = "quote"

    @property
    def fingerprint(self) -> str:
        """The name and the weights that choose."""
        return f"{self.name}/{self.scorer.fingerprint}"

    def sample(self, context: Context, sampling: Sampling) -> list[str]:
        """Return up to `sampling.n` distinct drafts, the likeliest first, an abstention last."""
        chat = small_talk(context.question, context.role)
        if chat:
            return list(chat[: sampling.n])
        if context.complaints:
            return []  # the evidence is the same, and every way of quoting it has been tried
        best = sorted(self._sentences(context), key=lambda sentence: -sentence.answers)
        drafts = dict.fromkeys(_voiced(best) if context.role.subject else _arrangements(best))
        return [*list(drafts)[: sampling.n - 1], abstention(context.evidence)]

    def weigh(self, context: Context, drafts: Sequence[str], attributes: Sequence[Attribute]) -> list[list[float]]:
        """Always raises ModelError: no language model is loaded."""
        raise ModelError("the quote generator gives no probabilities; load a language model with --model hf:NAME")

    def _sentences(self, context: Context) -> list[_Sentence]:
        everything = offers(context)
        offered = [item for item in everything if _quotable(item[2].sentence)]
        background = [offer for *_, offer in everything]
        scores = self.scorer.score(context.query, [offer for *_, offer in offered], background)
        return [
            _Sentence(passage, order, offer.sentence, score, _spoken(offer, order, context.role.subject))
            for (passage, order, offer), score in zip(offered, scores, strict=True)
        ]


def load_quote(encoder: TokenEmbedder) -> Quote:
    """Return the embedded generator with the shipped weights."""
    return Quote(load_answers(encoder.encode_tokens))


def offers(context: Context) -> list[tuple[Passage, int, Offer]]:
    """Return every sentence of the evidence with its passage and its place there."""
    found: list[tuple[Passage, int, Offer]] = []
    for item in context.evidence:
        around = said(item.passage)
        title = heading(item.passage)
        offered = [Offer(one, title, around, item.probability) for one in around]
        found += [(item.passage, order, offer) for order, offer in enumerate(offered)]
    return found


def evidence(context: Context) -> list[Offer]:
    """Return the sentences of the evidence as a background for the scorer."""
    return [offer for *_, offer in offers(context)]


def said(passage: Passage) -> tuple[str, ...]:
    """Return the sentences of a passage, line breaks taken out."""
    return tuple(" ".join(passage.text[start:end].split()) for start, end in sentences(passage.text))


def heading(passage: Passage) -> str:
    """Return the title and headings that a passage stands under, one text."""
    return ": ".join(dict.fromkeys((passage.title, *passage.headings)))


def _spoken(offer: Offer, order: int, subject: str) -> str:
    """The sentence as the role's subject says it of itself, "" where there is none or it does not speak."""
    return in_first_person(offer.sentence, subject, offer.around[order - 1] if order else "") if subject else ""


def _voiced(best: Sequence[_Sentence]) -> list[str]:
    """Return the arrangements as the role's subject says them, each followed by the same as the sources say it."""
    spoken = [replace(sentence, text=sentence.spoken or sentence.text) for sentence in best]
    return [draft for pair in zip(_arrangements(spoken), _arrangements(best), strict=True) for draft in pair]


def _arrangements(best: Sequence[_Sentence]) -> list[str]:
    """Return drafts around the best sentences: alone, with a neighbour, two from different places."""
    at = {(sentence.passage.id, sentence.order): sentence for sentence in best}
    drafts: list[str] = []
    for rank, sentence in enumerate(best[:6]):
        after = at.get((sentence.passage.id, sentence.order + 1))
        before = at.get((sentence.passage.id, sentence.order - 1))
        alone = [sentence]
        led = [before, sentence] if before else []
        followed = [sentence, after] if after else []
        pair = _in_order(sentence, best[rank + 1]) if rank + 1 < len(best) else []
        ways = [led, alone, followed, pair] if _DEPENDENT.match(sentence.text) else [alone, followed, pair, led]
        drafts += [" ".join(one.text for one in way) for way in ways if way]
        if rank == 0 and len(best) > 2:
            drafts.append(" ".join(one.text for one in _in_order(sentence, best[2])))
    return drafts


def _in_order(first: _Sentence, second: _Sentence) -> list[_Sentence]:
    """Two sentences of one passage in reading order, else the likelier first."""
    if first.passage.id == second.passage.id and second.order < first.order:
        return [second, first]
    return [first, second]


def _quotable(text: str) -> bool:
    return 15 <= len(text) <= LONGEST and len(text.split()) >= 3 and not text.endswith("?")
