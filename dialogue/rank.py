"""Which drafts may be served, and in what order: the gates, the cascade, the ranking.

Pure functions of scores and verdicts. Knows nothing of how either was made.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dialogue.prompts import is_abstention
from dialogue.types import Candidate, Scores
from safety.types import Verdict

QUOTES = "quote"  # the writer of what is quoted or worked out from the sources
FULLY = 0.7  # the least support of every claim of a draft that may stand before a quote
GROUNDED_WEIGHT = 1.0
ANSWERS_WEIGHT = 6.0
IN_ROLE_WEIGHT = 0.5  # enough to choose between drafts that are nearly as good
PREFERRED_WEIGHT = 12.0  # as much as all other terms together: whatever passes the gates may be served


@dataclass(frozen=True, slots=True)
class Gates:
    """The lowest probabilities a served draft may have; a score that does not apply passes its gate.

    What misses `answers` alone, and reaches `shown`, is shown as the closest passage where nothing is served, if its
    risk is no more than `close`: to be quoted in spite of one, it has to answer. What answers and is grounded with
    `ample` probability leaves room to spare. What a small model wrote has to be right with the probability `written`;
    0 where its drafts are judged like all others.
    """

    sensible: float = 0.28
    answers: float = 0.35
    safe: float = 0.5
    shown: float = 0.07
    close: float = 0.5
    ample: float = 0.7
    written: float = 0.0

    def __post_init__(self) -> None:
        """Raise ValueError for a gate that is not a probability."""
        for name in ("sensible", "answers", "safe", "shown", "close", "ample", "written"):
            gate = getattr(self, name)
            if isinstance(gate, bool) or not isinstance(gate, int | float) or not 0 <= gate <= 1:
                raise ValueError(f"the gate {name} is {gate!r}: it has to be a probability, from 0 to 1")


def quality(scores: Scores) -> float:
    """Return the rank score in [0, 1]: LaMDA's ``3*sensible + specific + interesting``, extended and averaged.

    The labels cascade (Thoppilan et al. 2022, section 4.1): what is not sensible is not specific, what is not
    specific is not interesting, so each probability is multiplied by the ones before it. Four terms are our
    own: how well the claims are grounded, whether the draft answers the question, weakly whether it is in the
    role and, where a judge was trained on people's ratings, whether they like it. A term that does not apply (None)
    leaves the mean; an unjudged sensibleness counts as not sensible, so silence never wins.
    """
    sensible = scores.sensible or 0.0
    specific = sensible * (scores.specific or 0.0)
    interesting = specific * (scores.interesting or 0.0)
    terms = [(3.0, sensible), (1.0, specific), (1.0, interesting)]
    if scores.grounded is not None:
        terms.append((GROUNDED_WEIGHT, scores.grounded))
    if scores.answers is not None:
        terms.append((ANSWERS_WEIGHT, scores.answers))
    if scores.in_role is not None:
        terms.append((IN_ROLE_WEIGHT, scores.in_role))
    if scores.preferred is not None:
        terms.append((PREFERRED_WEIGHT, scores.preferred))
    return sum(weight * value for weight, value in terms) / sum(weight for weight, _ in terms)


def why_dropped(verdict: Verdict, scores: Scores, gates: Gates) -> str:
    """Return the reason a draft may not be served, empty when it may. Safety first, as in LaMDA."""
    if unsafe := _why_unsafe(verdict, scores, gates):
        return unsafe
    if scores.sensible is None:
        return "not sensible: could not be judged"
    if scores.sensible < gates.sensible:
        return f"not sensible ({scores.sensible:.2f} < {gates.sensible:.2f})"
    if loose := _why_loose(scores, gates):
        return loose
    if scores.answers is not None and scores.answers < gates.answers:
        return f"does not answer the question ({scores.answers:.2f} < {gates.answers:.2f})"
    return ""


def ample(candidate: Candidate, gates: Gates) -> bool:
    """Say whether a draft passes every gate with room to spare, so that no other one is needed."""
    scores = candidate.scores
    known = scores.sensible is not None and scores.answers is not None and scores.grounded is not None
    return (
        known
        and not candidate.dropped
        and not is_abstention(candidate.text)
        and (scores.sensible or 0.0) >= gates.sensible
        and (scores.answers or 0.0) >= gates.ample
        and (scores.grounded or 0.0) >= gates.ample
    )


def closest(candidates: Sequence[Candidate], gates: Gates) -> Candidate | None:
    """Return the draft that most nearly answers among those that only fail to, if it reaches the gate `shown`."""
    near = [
        candidate
        for candidate in candidates
        if candidate.scores.answers is not None
        and gates.shown <= candidate.scores.answers < gates.answers
        and (candidate.verdict.risk or 0.0) <= gates.close
        and any(claim.supported for claim in candidate.scores.claims)
        and not why_dropped(candidate.verdict, candidate.scores, replace(gates, answers=0.0))
    ]
    return max(near, key=lambda candidate: candidate.scores.answers or 0.0, default=None)


def _why_unsafe(verdict: Verdict, scores: Scores, gates: Gates) -> str:
    if not verdict.safe:
        return f"unsafe: {verdict.reason or verdict.objective or 'could not be judged'}"
    if scores.safe is not None and scores.safe < gates.safe:
        return f"unsafe by the model's own judgement ({scores.safe:.2f} < {gates.safe:.2f})"
    return ""


def _why_loose(scores: Scores, gates: Gates) -> str:
    for claim in scores.claims:
        if claim.support is not None and not claim.supported:
            return f"not grounded: {claim.reason or 'no source supports it'}: “{_short(claim.text)}”"
    return ""


def ranked(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Sort what may be served first, answers before abstentions, then by quality; ties stay as they were written.

    What a model wrote stands behind the best quote unless it is as well grounded and answers at least as well: a
    sentence of a source is what it is, and of two texts that seem alike the copied one is right more often.
    """
    served = [c for c in candidates if not c.dropped and not is_abstention(c.text)]
    best = max((c for c in served if c.writer == QUOTES), key=lambda c: c.quality, default=None)
    return tuple(
        sorted(candidates, key=lambda c: (bool(c.dropped), is_abstention(c.text), _behind(c, best), -c.quality))
    )


def _behind(candidate: Candidate, best: Candidate | None) -> bool:
    """Say whether a model's draft answers less well than the best quote, or is less than fully grounded beside it."""
    if best is None or candidate.writer in ("", QUOTES):
        return False
    own, quoted = candidate.scores, best.scores
    grounded = quoted.grounded is None or (own.grounded or 0.0) >= min(FULLY, quoted.grounded)
    return not grounded or (quoted.answers is not None and (own.answers or 0.0) < quoted.answers)


def _short(text: str, limit: int = 90) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
