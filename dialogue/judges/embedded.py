"""All judgements of a turn's drafts in one object: quality, grounding, and whether the question is answered.

Composes the judges; knows nothing of gates, of ranking or of safety.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dialogue.judges.answers import AnswerScorer, load_answers
from dialogue.judges.consistency import in_role
from dialogue.judges.grounding import Grounder
from dialogue.judges.offered import Offered, answered, offered
from dialogue.judges.quality import WEIGHTS as REPLY
from dialogue.judges.quality import QualityJudge, load_quality
from dialogue.judges.shipped import SHIPPED
from dialogue.judges.written import WrittenScorer
from dialogue.prompts import is_abstention
from dialogue.talk import ABOUT, ASKING, asks, said
from dialogue.types import Claim, Context, Scores
from retrieval.reading import page_of
from retrieval.text import each

if TYPE_CHECKING:
    from retrieval.encoder.embed import Encoder
    from retrieval.reader import PassageReader

ASKED_FOR = 0.95  # the probability that what a document says answers what it says


@dataclass(frozen=True)
class EmbeddedJudge:
    """The judges on the embedded encoder."""

    quality: QualityJudge
    grounder: Grounder
    answers: AnswerScorer
    written: WrittenScorer | None = None

    @property
    def fingerprint(self) -> str:
        """Identifies the weights of all judges."""
        parts = [self.quality.fingerprint, self.grounder.fingerprint, self.answers.fingerprint]
        return "+".join([*parts, self.written.fingerprint] if self.written is not None else parts)

    def score(self, context: Context, drafts: Sequence[str]) -> list[Scores]:
        """Return one Scores per draft, all drafts judged together."""
        drafts = each(drafts)
        judged = self._claims(context, drafts) if context.only != "quality" else [((), None)] * len(drafts)
        claims = [made for made, _ in judged]
        answers = self._answers(context, drafts, claims) if context.wants("answers") else [None] * len(drafts)
        answers = self._right(context, drafts, answers, judged)
        quality = (
            self.quality.score(context, drafts) if context.wants("quality") else [(None, None, None)] * len(drafts)
        )
        roles = in_role(context.role, drafts, self.grounder.encoder) if not context.only else [None] * len(drafts)
        return [
            Scores(_sensible(sensible, answer), specific, interesting, answer, grounded, made, in_role=role)
            for (sensible, specific, interesting), answer, (made, grounded), role in zip(
                quality, answers, judged, roles, strict=True
            )
        ]

    def forget(self) -> None:
        """Drop what is kept of texts that were read, so that scores do not depend on what was judged before."""
        forget = getattr(self.grounder.encoder, "forget", None)
        if forget is not None:
            forget()

    def grounded_each(self, pairs: Sequence[tuple[Context, str]]) -> list[Scores]:
        """Return how the evidence of each context bears on a draft, all judged together: nothing but `grounded`.

        What `score` returns for ``only="grounded"``, up to the arithmetic of other batches.
        """
        found = self.grounder.judged_each(
            [(context, [draft]) for context, draft in pairs], [context.exhaustive for context, _ in pairs]
        )
        scores = []
        for (context, draft), judged in zip(pairs, found, strict=True):
            [(claims, grounded)] = _unclaimed(context, [draft], judged)
            scores.append(Scores(grounded=grounded, claims=claims))
        return scores

    def _claims(self, context: Context, drafts: Sequence[str]) -> list[tuple[tuple[Claim, ...], float | None]]:
        """Judge the claims of every draft, and it as a whole."""
        return _unclaimed(context, drafts, self.grounder.judged(context, drafts, context.exhaustive))

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
        rows: list[Offered] = []
        for draft, made in zip(drafts, claims, strict=True):
            claimed = [claim for claim in made if claim.support is not None] if is_question or not is_talk else []
            judged = claimed or (made if is_question else [])
            rows.append(Offered(()) if _declines(context, draft) else offered(draft, judged, context))
        distinct = list(dict.fromkeys(offer for row in rows for offer in row.offers))
        beside = [page_of(item.passage) for item in context.evidence if item.passage.kind == "document"]
        scores = [
            dict(zip(distinct, self.answers.score(question, distinct, beside), strict=True))
            for question in context.parts or (context.query,)
        ]
        first = context.shaped[0][0] if context.shaped else ""
        whole = next((row.offers for draft, row in zip(drafts, rows, strict=True) if draft == first), ())
        return [
            ASKED_FOR if _tells(context, made) else answered(draft, row, context, scores, whole)
            for draft, row, made in zip(drafts, rows, claims, strict=True)
        ]

    def _right(
        self,
        context: Context,
        drafts: Sequence[str],
        answers: Sequence[float | None],
        judged: Sequence[tuple[Sequence[Claim], float | None]],
    ) -> list[float | None]:
        """What is known of what a small model wrote in answer to a question takes the place of how it reads alone.

        Where a draft answers the question whole, what says only a part of it gains nothing by being right.
        """
        found = list(answers)
        if self.written is None or context.intent != ASKING or not context.evidence:
            return found
        places = [at for at, draft in enumerate(drafts) if draft in context.working.sampled and answers[at] is not None]
        claims, grounded = [judged[at][0] for at in places], [judged[at][1] for at in places]
        scores = self.written.score(context, [drafts[at] for at in places], grounded, claims)
        for at, score in zip(places, scores, strict=True):
            found[at] = min(score, answers[at] or 0.0) if context.shaped else score
        return found


def _unclaimed(
    context: Context, drafts: Sequence[str], judged: Sequence[tuple[tuple[Claim, ...], float | None]]
) -> list[tuple[tuple[Claim, ...], float | None]]:
    """What is judged, but that an abstention claims nothing, nor do the lines of talk."""
    lines = () if context.exhaustive else said(context.intent, context.language, context.role)
    return [
        (tuple(Claim(c.text, c.start, c.end, None) for c in made), None)
        if _declines(context, draft) or draft in lines
        else (made, grounded)
        for draft, (made, grounded) in zip(drafts, judged, strict=True)
    ]


def _tells(context: Context, claims: Sequence[Claim]) -> bool:
    """Whether all that is claimed is what a source says that was asked for as a whole, which answers whatever it is."""
    said = [claim.passage for claim in claims if claim.support is not None]
    return bool(context.about and said) and all(one is not None and one.source in context.about for one in said)


def load_judge(encoder: "Encoder", reader: "PassageReader") -> EmbeddedJudge:
    """Load the shipped judges, which share one encoder. Raises RetrievalError when weights are missing or damaged."""
    from retrieval.encoder.adapters import load_reader

    quality = load_quality(encoder.encode, load_reader(encoder, REPLY, SHIPPED))
    return EmbeddedJudge(quality, Grounder.load(encoder), load_answers(reader), WrittenScorer.load(reader))


def _declines(context: Context, draft: str) -> bool:
    return is_abstention(draft) and not context.exhaustive


def _sensible(sensible: float | None, answers: float | None) -> float | None:
    """A reply that answers makes sense, however terse it is."""
    return sensible if sensible is None or answers is None else max(sensible, answers)
