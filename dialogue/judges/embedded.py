"""All judgements of a turn's drafts in one object: quality, grounding, and whether the question is answered.

Composes the judges; knows nothing of gates, of ranking or of safety.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dialogue.judges.answers import AnswerScorer, Offer, load_answers
from dialogue.judges.consistency import in_role
from dialogue.judges.grounding import Grounder
from dialogue.judges.quality import WEIGHTS as REPLY
from dialogue.judges.quality import QualityJudge, load_quality
from dialogue.judges.shipped import SHIPPED
from dialogue.persona import in_third_person
from dialogue.prompts import is_abstention
from dialogue.talk import ABOUT, ASKING, asks, said
from dialogue.types import Claim, Context, Scores
from retrieval.reading import Page, page_of
from retrieval.text import each

if TYPE_CHECKING:
    from retrieval.encoder.embed import Encoder
    from retrieval.reader import PassageReader

ASKED_FOR = 0.95  # the probability that what a document says answers what it says
VERBOSE = 0.05  # what every further sentence costs a draft's probability of answering


@dataclass(frozen=True)
class EmbeddedJudge:
    """The judges on the embedded encoder."""

    quality: QualityJudge
    grounder: Grounder
    answers: AnswerScorer

    @property
    def fingerprint(self) -> str:
        """Identifies the weights of all judges."""
        return "+".join((self.quality.fingerprint, self.grounder.fingerprint, self.answers.fingerprint))

    def score(self, context: Context, drafts: Sequence[str]) -> list[Scores]:
        """Return one Scores per draft, all drafts judged together."""
        drafts = each(drafts)
        claims = self._claims(context, drafts) if context.only != "quality" else [()] * len(drafts)
        answers = self._answers(context, drafts, claims) if context.wants("answers") else [None] * len(drafts)
        quality = (
            self.quality.score(context, drafts) if context.wants("quality") else [(None, None, None)] * len(drafts)
        )
        roles = in_role(context.role, drafts, self.grounder.encoder) if not context.only else [None] * len(drafts)
        return [
            Scores(_sensible(sensible, answer), specific, interesting, answer, _weakest(made), made, in_role=role)
            for (sensible, specific, interesting), answer, made, role in zip(
                quality, answers, claims, roles, strict=True
            )
        ]

    def _claims(self, context: Context, drafts: Sequence[str]) -> list[tuple[Claim, ...]]:
        """Judge the claims of every draft; an abstention makes none, nor do the lines of talk."""
        lines = () if context.exhaustive else said(context.intent, context.language, context.role)
        return [
            tuple(Claim(c.text, c.start, c.end, None) for c in made)
            if _declines(context, draft) or draft in lines
            else made
            for draft, made in zip(drafts, self.grounder.claims(context, drafts, context.exhaustive), strict=True)
        ]

    def _answers(
        self, context: Context, drafts: Sequence[str], claims: Sequence[Sequence[Claim]]
    ) -> list[float | None]:
        """Judge every distinct claim as an answer once; a draft that claims nothing is judged by its sentences.

        Where the user asked nothing only claims are judged, since what is claimed has to be to the point all the same.
        None for an abstention, and for any draft where there is nothing to judge.
        """
        worked_out = any(item.passage.kind in ("tool", "page") for item in context.evidence)  # "12 * 7" asks in its way
        is_talk = context.intent not in (ASKING, *ABOUT)
        is_question = context.exhaustive or ((asks(context.question) or worked_out) and context.intent == ASKING)
        offered: list[list[Offer]] = []
        for draft, made in zip(drafts, claims, strict=True):
            claimed = [claim for claim in made if claim.support is not None] if is_question or not is_talk else []
            judged = claimed or (made if is_question else [])
            offered.append([] if _declines(context, draft) else [_offer(claim, context) for claim in judged])
        distinct = list(dict.fromkeys(offer for row in offered for offer in row))
        scored = dict(zip(distinct, self.answers.score(context.query, distinct), strict=True))
        return [
            ASKED_FOR if _tells(context, made) else _any([scored[offer] for offer in row])
            for row, made in zip(offered, claims, strict=True)
        ]


def _tells(context: Context, claims: Sequence[Claim]) -> bool:
    """Whether all that is claimed is what a source says that was asked for as a whole, which answers whatever it is."""
    said = [claim.passage for claim in claims if claim.support is not None]
    return bool(context.about and said) and all(one is not None and one.source in context.about for one in said)


def load_judge(encoder: "Encoder", reader: "PassageReader") -> EmbeddedJudge:
    """Load the shipped judges, which share one encoder. Raises RetrievalError when weights are missing or damaged."""
    from retrieval.encoder.adapters import load_reader

    quality = load_quality(encoder.encode, load_reader(encoder, REPLY, SHIPPED))
    return EmbeddedJudge(quality, Grounder.load(encoder), load_answers(reader))


def _declines(context: Context, draft: str) -> bool:
    return is_abstention(draft) and not context.exhaustive


def _offer(claim: Claim, context: Context) -> Offer:
    """Return what of its passage a claim quotes; one in other words is read by itself, under the passage's title."""
    subject = context.role.subject
    sentence = " ".join(claim.text.split())
    sentence = in_third_person(sentence, subject) if subject else sentence
    if claim.passage is None:
        return Offer(Page(sentence))
    page = page_of(claim.passage)
    quoted = " ".join(page.text[claim.quote_start : claim.quote_end].split()) == sentence
    return Offer(page, claim.quote_start, claim.quote_end) if quoted else Offer(Page(sentence, page.title))


def _sensible(sensible: float | None, answers: float | None) -> float | None:
    """A reply that answers makes sense, however terse it is."""
    return sensible if sensible is None or answers is None else max(sensible, answers)


def _any(probabilities: Sequence[float]) -> float | None:
    """The probability that a sentence answers, the second best counted by half; what says more has to earn it."""
    if not probabilities:
        return None
    best, second = (*sorted(probabilities, reverse=True), 0.0)[:2]
    return max(0.0, 1 - (1 - best) * (1 - second / 2) - VERBOSE * (len(probabilities) - 1))


def _weakest(claims: Sequence[Claim]) -> float | None:
    supports = [claim.support for claim in claims if claim.support is not None]
    return min(supports) if supports else None
