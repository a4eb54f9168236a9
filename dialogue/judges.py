"""All judgements of a turn's drafts in one object: quality, grounding, and whether the question is answered.

Composes the judges; knows nothing of gates, of ranking or of safety.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dialogue.answers import AnswerScorer, Offer, load_answers
from dialogue.grounding import Grounder
from dialogue.prompts import is_abstention
from dialogue.quality import QualityJudge, load_quality
from dialogue.quote import evidence, heading, said, small_talk
from dialogue.types import Claim, Context, Scores
from retrieval.types import TokenEmbedder


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
        claims = self.grounder.claims(context, drafts)
        answers = self._answers(context, drafts, claims)
        quality = self.quality.score(context, drafts)
        return [
            Scores(sensible, specific, interesting, answer, _weakest(made), made)
            for (sensible, specific, interesting), answer, made in zip(quality, answers, claims, strict=True)
        ]

    def _answers(
        self, context: Context, drafts: Sequence[str], claims: Sequence[Sequence[Claim]]
    ) -> list[float | None]:
        """Judge every distinct claim as an answer once; a draft without claims is neither right nor wrong."""
        if small_talk(context.question):
            return [None] * len(drafts)
        items = dict.fromkeys(item for made in claims for item in map(_item, made) if item)
        scored = dict(zip(items, self.answers.score(context.query, list(items), evidence(context)), strict=True))
        return [
            None if is_abstention(draft) else _any(scored[item] for item in map(_item, made) if item)
            for draft, made in zip(drafts, claims, strict=True)
        ]


def load_judge(encoder: TokenEmbedder) -> EmbeddedJudge:
    """Load the shipped judges on one encoder."""
    return EmbeddedJudge(load_quality(encoder.encode), Grounder.load(encoder), load_answers(encoder.encode_tokens))


def _item(claim: Claim) -> Offer | None:
    if claim.support is None:
        return None
    sentence = " ".join(claim.text.split())
    return Offer(sentence, heading(claim.passage), said(claim.passage)) if claim.passage else Offer(sentence)


def _any(probabilities: Iterable[float]) -> float | None:
    """The probability that at least one sentence answers, the best counted fully and the second by half."""
    best = sorted(probabilities, reverse=True)
    if not best:
        return None
    second = best[1] / 2 if len(best) > 1 else 0.0
    return float(1 - (1 - best[0]) * (1 - second))


def _weakest(claims: Sequence[Claim]) -> float | None:
    supports = [claim.support for claim in claims if claim.support is not None]
    return min(supports) if supports else None
