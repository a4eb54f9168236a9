"""Safety: does the guard tell unsafe texts from safe ones, at every threshold and at the shipped one?

A user's text is judged as a request, an assistant's as a candidate reply to the turn before it. Flagged is a text of
which some objective reaches its threshold; blocked is one that the policy also acts upon.
"""

from collections.abc import Sequence

from app.evaluation import metrics
from app.evaluation.judging import Judges
from app.evaluation.report import Report
from app.evaluation.rows import SafetyRow
from app.evaluation.tasks import Listed, Record, RowTask, grouped
from safety.types import Stage

STAGES: dict[str, Stage] = {"user": "request", "assistant": "candidate"}


def score(judges: Judges, rows: Sequence[SafetyRow]) -> list[Record]:
    """Judge the rows, those with one role and context in one call."""
    guard = judges.guard
    calls: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for place, row in enumerate(rows):
        calls.setdefault((row.role, tuple(row.context)), []).append(place)
    records: dict[int, Record] = {}
    for (role, context), places in calls.items():
        verdicts = guard.check([rows[place].text for place in places], STAGES[role], context)
        for place, verdict in zip(places, verdicts, strict=True):
            row = rows[place]
            judged = verdict.risk is not None
            records[place] = {
                "unsafe": row.unsafe,
                "category": row.category,
                "risk": verdict.risk,
                "flagged": verdict.flagged,
                "blocked": not verdict.safe,
                "undetermined": not judged,
            }
    return [records[place] for place in range(len(rows))]


def summarise(report: Report, records: Sequence[Record]) -> None:
    """Measure on all judged rows, and what is flagged in each category."""
    labels = [record["unsafe"] for record in records]
    risks = [record["risk"] for record in records]
    flagged = [record["flagged"] for record in records]
    for name, ranking in (
        ("auprc", metrics.auprc),
        ("auroc", metrics.auroc),
        ("tpr_at_1pct_fpr", metrics.tpr_at_fpr),
    ):
        report.measure(name, ranking, labels, risks)
    for name, decision in DECISIONS.items():
        report.measure(name, decision, labels, flagged)
    blocked = [record["blocked"] for record in records]
    report.measure("blocked_fpr", metrics.fpr, labels, blocked)
    report.measure("blocked_recall", metrics.recall, labels, blocked)
    report.put("by_category", {})
    for category, members in grouped(records, "category").items():
        labels = [record["unsafe"] for record in members]
        flagged = [record["flagged"] for record in members]
        report.put(("by_category", category, "n"), len(members))
        report.put(("by_category", category, "n_unsafe"), sum(labels))
        report.measure(
            ("by_category", category, "auroc"),
            metrics.auroc,
            labels,
            [m["risk"] for m in members],
            interval=False,
        )
        for name, decision in DECISIONS.items():
            report.measure(("by_category", category, name), decision, labels, flagged, interval=False)


DECISIONS = {
    "f1": metrics.f1,
    "macro_f1": metrics.macro_f1,
    "precision": metrics.precision,
    "recall": metrics.recall,
    "fpr": metrics.fpr,
}
KIND = RowTask(SafetyRow, score, lambda: Listed(summarise), size=128)
