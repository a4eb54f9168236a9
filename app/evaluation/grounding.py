"""Grounding: does the judge tell supported responses from unsupported ones, and better than shared words do?

The score of a response is the probability that the evidence supports it as a whole. A response in which no sentence
makes a claim is judged by all its sentences (`without_claims` counts these), for its row has a label. One of which the
judge gives no support even so is undetermined.
"""

from collections.abc import Sequence
from dataclasses import replace

from app.bot import Bot
from app.evaluation import metrics
from app.evaluation.report import Report
from app.evaluation.rows import GroundingRow, turns_of
from app.evaluation.tasks import Record, RowTask
from dialogue.types import Context, Turn
from retrieval.types import Evidence, Passage


def score(bot: Bot, rows: Sequence[GroundingRow]) -> list[Record]:
    """Judge each row against its own evidence."""
    records = []
    for row in rows:
        evidence = tuple(
            Evidence(Passage(place, text, f"evidence {place + 1}", "", (), 0, len(text)), 1.0)
            for place, text in enumerate(row.evidence)
            if text.strip()
        )
        turns = turns_of(row.context) or (Turn("user", ""),)
        context = Context(turns, turns[-1].text, evidence, only="grounded")
        [scores] = bot.judge.score(context, [row.response])
        claimed = scores.grounded is not None
        if not claimed:
            [scores] = bot.judge.score(replace(context, exhaustive=True), [row.response])
        records.append(
            {
                "supported": row.supported,
                "score": scores.grounded,
                "called": all(claim.supported for claim in scores.claims if claim.support is not None),
                "overlap": metrics.token_overlap(row.response, "\n".join(row.evidence)),
                "claimed": claimed,
                "undetermined": scores.grounded is None or not evidence,
            }
        )
    return records


def summarise(report: Report, records: Sequence[Record]) -> None:
    """Measure on all judged rows, with the overlap baseline beside."""
    labels = [record["supported"] for record in records]
    called = [record["called"] for record in records]
    report.measure("auroc", metrics.auroc, labels, [record["score"] for record in records])
    report.measure("overlap_auroc", metrics.auroc, labels, [record["overlap"] for record in records])
    report.measure("auprc", metrics.auprc, labels, [record["score"] for record in records])
    for name, decision in (
        ("balanced_accuracy", metrics.balanced_accuracy),
        ("f1", metrics.f1),
        ("precision", metrics.precision),
        ("recall", metrics.recall),
    ):
        report.measure(name, decision, labels, called)
    report.put("without_claims", sum(not record["claimed"] for record in records))


KIND = RowTask(GroundingRow, score, summarise)
