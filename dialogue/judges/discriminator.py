"""The generator as its own discriminator: it weighs the attributes of its drafts (Thoppilan et al. 2022, section 6.1).

Replaces the quality scores of another judge and adds an opinion on safety; grounding and answering stay with the other
judge.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dialogue.attributes import IN_ROLE, INTERESTING, QUALITY, SENSIBLE, SPECIFIC, UNSAFE
from dialogue.types import Attribute, Context, Judge, LanguageModel, ModelError, Scores, Unavailable
from retrieval.text import each


@dataclass(frozen=True)
class GeneratorJudge:
    """A judge whose quality scores are the probabilities that `model` gives; all else is `judge`'s."""

    judge: Judge
    model: LanguageModel

    @property
    def fingerprint(self) -> str:
        """Identifies the weights of both."""
        return f"{self.judge.fingerprint}+generator/{self.model.fingerprint}"

    def score(self, context: Context, drafts: Sequence[str]) -> list[Scores]:
        """Return one Scores per draft; all attributes of all drafts are weighed in one call.

        IN_ROLE is asked where the other judge found a role to be in. A model that cannot weigh leaves sensible,
        specific, interesting and safe unjudged, and what is not judged sensible is not served. Only while it is
        unavailable, when another model wrote the drafts, do the other judge's scores stand, with a note.
        """
        drafts = each(drafts)
        scores = self.judge.score(context, drafts)
        if not drafts or not context.wants("quality"):
            return scores
        played = any(score.in_role is not None for score in scores)
        attributes = (*QUALITY, IN_ROLE) if played else QUALITY
        try:
            weighed = self.model.weigh(context, drafts, attributes)
        except Unavailable as error:
            context.working.notes.append(f"judged without {self.model.name}: {error}")
            return scores
        except ModelError as error:
            return [_unjudged(score, f"not judged by {self.model.name}: {error}") for score in scores]
        return [_weighed(score, attributes, row) for score, row in zip(scores, weighed, strict=True)]


def _weighed(score: Scores, attributes: Sequence[Attribute], row: Sequence[float]) -> Scores:
    found = dict(zip(attributes, row, strict=True))
    return replace(
        score,
        sensible=found[SENSIBLE],
        specific=found[SPECIFIC],
        interesting=found[INTERESTING],
        safe=found[UNSAFE],
        in_role=None if score.in_role is None else found[IN_ROLE],
    )


def _unjudged(score: Scores, note: str) -> Scores:
    return replace(score, sensible=None, specific=None, interesting=None, safe=None, notes=(*score.notes, note))
