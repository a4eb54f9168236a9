"""Dialogue: how good are the replies? LaMDA's metrics by the bot's own judges, and answers against the truth.

Definitions follow Thoppilan et al. 2022, section 4: groundedness counts replies that make claims,
informativeness all replies; a reply is cited when it names at least one source. Raters are replaced by judges
at probability 0.5, so these numbers compare systems under one set of judges. Every reply is judged as it
was served, abstentions and refusals too; judging is not part of its seconds.
"""

from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter

import numpy as np

from app.bot import Bot
from app.evaluation import metrics
from app.evaluation.report import Report
from app.evaluation.rows import DialogueRow, turns_of
from app.evaluation.tasks import Record, RowTask, grouped
from dialogue.cite import MARK, without_marks
from dialogue.types import Claim, Context, Reply, Turn


def score(bot: Bot, rows: Sequence[DialogueRow]) -> list[Record]:
    """Answer each conversation, with every draft that it has to choose from, and judge the reply."""
    records = []
    responder = replace(bot.responder, options=replace(bot.responder.options, early=False))
    for row in rows:
        turns = turns_of(row.context)
        start = perf_counter()
        reply = responder.respond(turns, bot.role())
        records.append(_record(bot, row, turns, reply, perf_counter() - start))
    return records


def _record(bot: Bot, row: DialogueRow, turns: tuple[Turn, ...], reply: Reply, seconds: float) -> Record:
    text = without_marks(reply.text)
    role = bot.role()
    context = Context((*role.opening, *turns), reply.trace.query or turns[-1].text, reply.trace.evidence, role=role)
    [scores] = bot.judge.score(context, [text])
    [verdict] = bot.responder.guard.check([text], "served", [turn.text for turn in turns])
    # What is said in place of an answer is the system's own, and claims nothing about the world.
    made = scores.claims if reply.outcome == "answered" else ()
    claims = [claim for claim in made if claim.support is not None]
    known = bool(row.answers)
    record: Record = {
        "question": turns[-1].text,
        "reply": reply.text,
        "outcome": reply.outcome,
        "citations": [{"source": c.source, "quote": c.quote} for c in reply.citations],
        "sensible": scores.sensible,
        "specific": scores.specific,
        "interesting": scores.interesting,
        "safe": verdict.safe if verdict.risk is not None else None,
        "in_role": scores.in_role if reply.outcome == "answered" else None,
        "claims": len(claims),
        "supported": sum(claim.supported for claim in claims),
        "cited": sum(_cited(reply.text, claims)),
        "answers": row.answers,
        "hit": metrics.answer_hit(reply.text, row.answers) if row.answers else None,
        "source_hit": any(_same(row.source, c.source) for c in reply.citations) if row.source and known else None,
        "kind": row.kind,
        "seconds": round(seconds, 4),
        "timings": {stage: round(value, 4) for stage, value in reply.trace.timings.items()},
    }
    return record | {"undetermined": verdict.risk is None or None in _labels(record)}


def summarise(report: Report, records: Sequence[Record]) -> None:
    """Measure on all judged replies; shares over answers only where the truth is known."""
    labels = [_labels(record) for record in records]
    for place, name in enumerate(("sensible", "specific", "interesting")):
        report.share(name, [label for row in labels if (label := row[place]) is not None], "judged replies")
    report.share("safety", [record["safe"] for record in records if record["safe"] is not None])
    acting = [record["in_role"] >= 0.5 for record in records if record["in_role"] is not None]
    report.share("role_consistency", acting, "replies in a role")
    claiming = [record for record in records if record["claims"]]
    grounded = [record["supported"] == record["claims"] for record in claiming]
    report.share("groundedness", grounded, "replies with claims")
    report.share("informativeness", grounded + [False] * (len(records) - len(claiming)))
    report.share("citation_accuracy", [bool(record["citations"]) for record in claiming], "replies with claims")
    report.put("claims", sum(record["claims"] for record in records))
    sentences = [place < record["cited"] for record in records for place in range(record["claims"])]
    report.share("claims_cited", sentences, "claims")
    _answers(report, (), records)
    sourced = [record["source_hit"] for record in records if record["source_hit"] is not None]
    report.share("source_hit", sourced, "rows with a source")
    report.share("refusal_rate", [record["outcome"] == "refused" for record in records])
    kinds = grouped(records, "kind")
    if kinds:
        report.put("by_kind", {})
        for kind, members in kinds.items():
            report.put(("by_kind", kind, "n"), len(members))
            _answers(report, ("by_kind", kind), members)
    _seconds(report, records)


def _labels(record: Record) -> list[bool | None]:
    """Sensible, specific, interesting: each is asked only of a reply that is the one before it; None: not judged."""
    labels: list[bool | None] = []
    before: bool | None = True
    for name in ("sensible", "specific", "interesting"):
        if before:
            before = None if record[name] is None else record[name] >= 0.5
        labels.append(before)
    return labels


def _answers(report: Report, path: tuple[str, ...], records: Sequence[Record]) -> None:
    known = [record for record in records if record["answers"]]
    silent = [record for record in records if record["answers"] == []]
    share = report.share
    share((*path, "answer_hit"), [record["hit"] for record in known], "rows with answers")
    share((*path, "false_abstention"), [r["outcome"] == "abstained" for r in known], "rows with answers")
    share((*path, "abstention_rate"), [r["outcome"] == "abstained" for r in silent], "rows without an answer")


def _seconds(report: Report, records: Sequence[Record]) -> None:
    """Mean and percentiles per turn; per stage over the turns that reached it."""
    if not records:
        report.missing("seconds_per_turn", "there are no rows")
        return
    seconds = [record["seconds"] for record in records]
    stages: dict[str, list[float]] = {}
    for record in records:
        for stage, value in record["timings"].items():
            stages.setdefault(stage, []).append(value)
    report.put("seconds_per_turn", {})
    report.measure(("seconds_per_turn", "mean"), np.mean, seconds)
    report.put(("seconds_per_turn", "p50"), float(np.percentile(seconds, 50)))
    report.put(("seconds_per_turn", "p95"), float(np.percentile(seconds, 95)))
    for stage, values in stages.items():
        report.put(("seconds_per_turn", "by_stage", stage, "mean"), round(float(np.mean(values)), 6))
        report.put(("seconds_per_turn", "by_stage", stage, "p50"), round(float(np.median(values)), 6))


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


KIND = RowTask(DialogueRow, score, summarise, size=1)
