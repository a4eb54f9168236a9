"""Grounding: does the judge tell supported responses from unsupported ones, and better than shared words do?

The score of a response is the probability that the evidence supports it as a whole. A response in which no sentence
makes a claim is judged by all its sentences (`without_claims` counts these), for its row has a label. One of which the
judge gives no support even so is undetermined. Rows without a label are judged and counted in `supported_rate` alone.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from app.evaluation import metrics
from app.evaluation.columns import Columns, Measured, rounded
from app.evaluation.judging import Judges
from app.evaluation.report import Report
from app.evaluation.rows import GroundingRow, turns_of
from app.evaluation.tasks import Columned, Record, RowTask
from dialogue.types import Claim, Context, Scores, Turn
from retrieval.types import Evidence, Passage

ROWS: Final = 64  # in a batch, at most
WORDS: Final = 4096  # in a batch, about
RESPONSE: Final = 32_000  # characters that are read of a response
EVIDENCE: Final = 400_000  # and of all its evidence


def score(judges: Judges, rows: Sequence[GroundingRow]) -> list[Record]:
    """Judge the rows, each against its own evidence, in one call of the judge, or two where some make no claim."""
    asked = pairs(rows)
    found = judges.ground(asked)
    silent = [place for place, scores in enumerate(found) if scores.grounded is None]
    again = judges.ground([(replace(asked[place][0], exhaustive=True), asked[place][1]) for place in silent])
    judged = dict(zip(silent, again, strict=True))
    return [
        _record(row, context, judged.get(place, scores), place not in judged)
        for place, (row, (context, _), scores) in enumerate(zip(rows, asked, found, strict=True))
    ]


def pairs(rows: Sequence[GroundingRow]) -> list[tuple[Context, str]]:
    """Return what the judge is asked of each row."""
    return [(_context(row), row.response[:RESPONSE]) for row in rows]


def _context(row: GroundingRow) -> Context:
    turns = turns_of(row.context) or (Turn("user", ""),)
    left, evidence = EVIDENCE, []
    for place, whole in enumerate(row.evidence):
        text = whole[:left]
        left -= len(text)
        if text.strip():
            evidence.append(Evidence(Passage(place, text, f"evidence {place + 1}", "", (), 0, len(text)), 1.0))
    return Context(turns, turns[-1].text, tuple(evidence), only="grounded")


def _record(row: GroundingRow, context: Context, scores: Scores, claimed: bool) -> Record:
    record: Record = {
        "id": row.id,
        "question": row.context[-1] if row.context else "",
        "reply": row.response,
        "label": row.supported,
        "score": scores.grounded,
        "called": all(claim.supported for claim in scores.claims if claim.support is not None),
        "overlap": metrics.token_overlap(row.response, "\n".join(row.evidence)),
        "claimed": claimed,
        "sentences": [_shown(claim) for claim in scores.claims],
        "words": len(row.response.split()),
        "kind": row.kind,
        "category": row.category,
        "source": row.source,
    }
    if len(row.response) > RESPONSE or sum(map(len, row.evidence)) > EVIDENCE:
        record["truncated"] = True
    made: Record = rounded(record)  # type: ignore[assignment]
    return made | {"undetermined": scores.grounded is None or not context.evidence}


def _shown(claim: Claim) -> Record:
    """A sentence, how it was judged, and where in which piece of the evidence its support stands, counted from 0."""
    shown: Record = {
        "text": claim.text,
        "start": claim.start,
        "end": claim.end,
        "support": claim.support,
        "supported": claim.supported,
    }
    if claim.passage is not None:
        quote = claim.passage.text[claim.quote_start : claim.quote_end]
        where = {"evidence": claim.passage.id, "quote_start": claim.quote_start, "quote_end": claim.quote_end}
        shown |= where | {"quote": quote}
    return shown | {"reason": claim.reason} if claim.reason else shown


def measured(record: Record) -> Measured:
    """Return the measures of a judged response."""
    label = record["label"]
    flags = {
        "label": label,
        "called": record["called"],
        "correct": None if label is None else record["called"] == label,
        "claimed": record["claimed"],
    }
    values = {"score": record["score"], "overlap": record["overlap"], "words": record["words"]}
    return Measured(flags, values, {name: record[name] for name in ("kind", "category", "source")})


def summarise(report: Report, columns: Columns) -> None:
    """Measure on all judged rows, with the overlap baseline beside."""
    labelled = columns.numbers("label") >= 0
    labels = columns.flag("label")
    called = columns.flag("called", labelled)
    scores, overlaps = columns.numbers("score")[labelled], columns.numbers("overlap")[labelled]
    report.measure("auroc", metrics.auroc, labels, scores)
    report.measure("overlap_auroc", metrics.auroc, labels, overlaps)
    report.measure("auprc", metrics.auprc, labels, scores)
    for name, decision in (
        ("balanced_accuracy", metrics.balanced_accuracy),
        ("f1", metrics.f1),
        ("precision", metrics.precision),
        ("recall", metrics.recall),
    ):
        report.measure(name, decision, labels, called)
    report.measure("calibration_error", metrics.calibration_error, labels, scores)
    report.share("supported_rate", columns.flag("called"), "judged rows")
    report.put("unlabelled", int(columns.n - labelled.sum()))
    report.put("without_claims", int((~columns.flag("claimed")).sum()))
    for key, path in (("kind", "by_kind"), ("category", "by_category")):
        for value, rows in columns.slices(key):
            report.put((path, value, "n"), int(rows.sum()))
            report.share((path, value, "supported_rate"), columns.flag("called", rows), "judged rows")
            report.share((path, value, "correct"), columns.flag("correct", rows), "labelled rows")


def _cost(row: GroundingRow) -> int:
    return len(row.response.split()) + sum(len(text.split()) for text in row.evidence)


KIND = RowTask(
    GroundingRow,
    score,
    lambda: Columned(measured, summarise),
    size=ROWS,
    cost=_cost,
    budget=WORDS,
    measured=measured,
)
