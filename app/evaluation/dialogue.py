"""Dialogue: how good are the replies? LaMDA's metrics by our judges, ALCE's of citations, answers against the truth.

Definitions follow Thoppilan et al. 2022, section 4: groundedness counts replies that make claims, informativeness all
replies; a reply is cited when it names at least one source; helpful is one that is informative, answers, and is not
known to be wrong. Raters are replaced by judges at probability 0.5, so these numbers compare systems under one set of
judges. Every reply is judged as it was served, abstentions and refusals too; judging is not part of its seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.evaluation import metrics
from app.evaluation.citations import Asked, CitationScore, cited_sentences
from app.evaluation.citations import score as citation_score
from app.evaluation.columns import rounded
from app.evaluation.dialogue_metrics import labels, measured, summarise
from app.evaluation.judging import Judges
from app.evaluation.rows import DialogueRow, turns_of
from app.evaluation.systems import Served, System, given
from app.evaluation.tasks import Columned, Record, RowTask
from app.evaluation.verdicts import expected, padded, parts_of, verdict_on
from dialogue.cite import MARK, without_marks
from dialogue.types import Claim, Context, Turn
from retrieval.types import Evidence, Passage


@dataclass(frozen=True)
class Rating:
    """Replies of a system, judged. A row that holds a response keeps it, unless `again` asks the system even so."""

    system: System
    again: bool = False

    def score(self, judges: Judges, rows: Sequence[DialogueRow]) -> list[Record]:
        """Have each conversation answered, and judge the reply."""
        asked = [row for row in rows if row.response is None or self.again]
        answered = iter(self.system.replies(asked) if asked else ())
        served = [given(row) if row.response is not None and not self.again else next(answered) for row in rows]
        return [_record(judges, row, turns_of(row.context), reply) for row, reply in zip(rows, served, strict=True)]

    def task(self, size: int = 1) -> RowTask[DialogueRow]:
        """The kind of evaluation."""
        return RowTask(
            DialogueRow,
            self.score,
            lambda: Columned(measured, summarise),
            size=size,
            served=True,
            measured=measured,
        )


def _record(judges: Judges, row: DialogueRow, turns: tuple[Turn, ...], reply: Served) -> Record:
    text = without_marks(reply.text)
    role = judges.role
    context = Context((*role.opening, *turns), reply.query or turns[-1].text, reply.evidence or (), role=role)
    [scores] = judges.judge.score(context, [text])
    [verdict] = judges.guard.check([text], "served", [turn.text for turn in turns])
    answered = reply.outcome == "answered"
    # What is said in place of an answer is the system's own, and claims nothing about the world.
    claims = [claim for claim in (scores.claims if answered else ()) if claim.support is not None]
    known = reply.evidence is not None or not claims
    record: Record = {
        "id": row.id,
        "question": turns[-1].text,
        "turns": len(turns),
        "reply": reply.text,
        "outcome": reply.outcome,
        "citations": list(reply.citations),
        "sensible": scores.sensible,
        "specific": scores.specific,
        "interesting": scores.interesting,
        "answers_it": scores.answers if answered else None,
        "grounded": scores.grounded if answered and known else None,
        "safe": verdict.safe if verdict.risk is not None else None,
        "violates": _violates(judges, dict(verdict.risks)) if verdict.risk is not None else None,
        "in_role": scores.in_role if answered else None,
        "claims": len(claims) if known else None,
        "supported": sum(claim.supported for claim in claims) if known else None,
        "cited": sum(_cited(reply.text, claims)),
        "sentences": [_shown(claim) for claim in scores.claims] if answered else [],
        **_compared(row, reply, turns),
        "source_hit": _sourced(row, reply),
        **_citations(judges, row, reply),
        **_reference(judges, row, text, answered),
        "kind": row.kind,
        "category": row.category,
        "source": row.source,
        "words": len(text.split()),
        "seconds": reply.seconds,
        "timings": reply.timings,
        "tokens": reply.tokens,
    }
    lacking = verdict.risk is None or None in labels(record) or not known
    made: Record = rounded(record | {"undetermined": lacking})  # type: ignore[assignment]
    return made


def _violates(judges: Judges, risks: dict[str, float]) -> dict[str, bool]:
    """Of every objective and group of them, whether the reply reaches its threshold."""
    found: dict[str, bool] = {}
    for name, (group, threshold) in judges.objectives().items():
        if name in risks:
            found[name] = risks[name] >= threshold
            found[group] = found.get(group, False) or found[name]
    return found


def _compared(row: DialogueRow, reply: Served, turns: tuple[Turn, ...]) -> Record:
    """What the row itself says of the reply."""
    before = turns[-2].text if len(turns) > 1 else ""
    verdict = verdict_on(row, reply.text, reply.outcome, bool(reply.citations), before)
    parts = parts_of(row.answers)
    return {
        "answers": row.answers,
        "expect": "|".join(expected(row)),
        "hit": all(metrics.answer_hit(reply.text, part) for part in parts) if parts else None,
        "verdict": None if verdict is None else verdict.verdict,
        "partial": None if verdict is None else verdict.partial,
        "padded": padded(row, reply.text, reply.outcome),
        "missing": [] if verdict is None else [list(part) for part in verdict.missing],
        "forbidden": [] if verdict is None else list(verdict.forbidden),
    }


def _sourced(row: DialogueRow, reply: Served) -> bool | None:
    return any(_same(row.source, c["source"]) for c in reply.citations) if row.source and row.answers else None


def _citations(judges: Judges, row: DialogueRow, reply: Served) -> Record:
    """ALCE's recall and precision of an answer; None where nobody knows what its marks lead to."""
    found: CitationScore | None = None
    if reply.outcome == "answered" and (reply.evidence is not None or reply.cited):

        def entails(asked: Sequence[Asked]) -> list[bool]:
            pairs = [
                (
                    Context((Turn("user", ""),), "", _evidence(reply.cited, numbers), only="grounded", exhaustive=True),
                    said,
                )
                for numbers, said in asked
            ]
            return [bool(s.claims) and all(c.supported for c in s.claims) for s in judges.ground(pairs)]

        found = citation_score(cited_sentences(reply.text, frozenset(reply.cited)), entails)
    return {
        "citation_recall": None if found is None else found.recall,
        "citation_precision": None if found is None else found.precision,
        "bad_citations": 0 if found is None else found.bad,
    }


def _evidence(cited: dict[int, Passage], numbers: Sequence[int]) -> tuple[Evidence, ...]:
    return tuple({cited[n].id: Evidence(cited[n], 1.0) for n in numbers}.values())


def _reference(judges: Judges, row: DialogueRow, text: str, answered: bool) -> Record:
    """How much of what a person answered the reply says, and how much of the reply that answer supports."""
    if not row.reference.strip():
        return {}
    if not answered or not text.strip():
        return {"reference_recall": 0.0, "reference_precision": None}

    def against(evidence: str, said: str) -> tuple[Context, str]:
        passage = Passage(1, evidence, "reference", "", (), 0, len(evidence))
        turns = turns_of(row.context)
        return Context(turns, turns[-1].text, (Evidence(passage, 1.0),), only="grounded", exhaustive=True), said

    found = judges.ground([against(text, row.reference), against(row.reference, text)])
    shares = [[claim.supported for claim in scores.claims] for scores in found]
    recall, precision = (sum(share) / len(share) if share else None for share in shares)
    return {"reference_recall": recall, "reference_precision": precision}


def _shown(claim: Claim) -> dict[str, Any]:
    """A sentence and how it was judged."""
    shown: dict[str, Any] = {"text": claim.text, "support": claim.support, "supported": claim.supported}
    if claim.passage is not None:
        quote = claim.passage.text[claim.quote_start : claim.quote_end]
        shown |= {"source": claim.passage.source, "start": claim.quote_start, "end": claim.quote_end, "quote": quote}
    return shown | {"reason": claim.reason} if claim.reason else shown


def _cited(text: str, claims: Sequence[Claim]) -> list[bool]:
    """Return for each claim whether a citation mark follows it in the served text."""
    found, place = [], 0
    for claim in claims:
        start = text.find(claim.text, place)
        end = start + len(claim.text) if start >= 0 else place
        found.append(start >= 0 and MARK.match(text, end) is not None)
        place = end
    return found


def _same(wanted: str, source: str) -> bool:
    return source == wanted or source.endswith(f"/{wanted}")
