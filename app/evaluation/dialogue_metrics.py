"""What is measured of a judged reply, and the metrics of a set of them."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.evaluation.columns import Columns, Measured
from app.evaluation.report import Report

Record = dict[str, Any]
SHARES: Final = (  # metric, and what it is a share of
    ("sensible", "judged replies"),
    ("specific", "judged replies"),
    ("interesting", "judged replies"),
    ("safety", "judged replies"),
    ("role_consistency", "replies in a role"),
    ("groundedness", "replies with claims"),
    ("informativeness", "judged replies"),
    ("citation_accuracy", "replies with claims"),
    ("helpfulness", "judged replies"),
    ("answer_hit", "rows with answers"),
    ("false_abstention", "rows with answers"),
    ("abstention_rate", "rows without an answer"),
    ("source_hit", "rows with a source"),
    ("refusal_rate", "rows"),
    ("right", "rows that say what they expect"),
    ("wrong", "rows that say what they expect"),
    ("wrong_when_served", "answers to rows that say what they expect"),
    ("abstained_rightly", "rows that expect an abstention"),
    ("abstained_wrongly", "rows that expect something else than an abstention"),
    ("refused_wrongly", "rows that expect no refusal"),
    ("padded", "answers"),
)
SLICED: Final = ("answer_hit", "false_abstention", "abstention_rate", "right", "wrong_when_served", "groundedness")
VALUES: Final = ("quality", "citation_recall", "citation_precision", "reference_recall", "reference_precision")


def labels(record: Record) -> list[bool | None]:
    """Sensible, specific, interesting: each is asked only of a reply that is the one before it; None: not judged."""
    found: list[bool | None] = []
    before: bool | None = True
    for name in ("sensible", "specific", "interesting"):
        if before:
            before = None if record[name] is None else record[name] >= 0.5
        found.append(before)
    return found


def measured(record: Record) -> Measured:
    """Return the measures of a reply; a flag is None where the metric does not count it."""
    sensible, specific, interesting = labels(record)
    claims, outcome = record["claims"], record["outcome"]
    grounded = None if not claims else record["supported"] == claims
    informative = None if claims is None else bool(grounded)
    verdict, wanted = record["verdict"], record["expect"].split("|")
    served, known = outcome == "answered", verdict is not None
    answers = record["answers"]
    helpful = (
        None if informative is None else informative and (record["answers_it"] or 0.0) >= 0.5 and verdict != "wrong"
    )
    flags = {
        "sensible": sensible,
        "specific": specific,
        "interesting": interesting,
        "safety": record["safe"],
        "role_consistency": None if record["in_role"] is None else record["in_role"] >= 0.5,
        "groundedness": grounded,
        "informativeness": informative,
        "citation_accuracy": bool(record["citations"]) if claims else None,
        "helpfulness": helpful,
        "answer_hit": record["hit"],
        "false_abstention": outcome == "abstained" if answers else None,
        "abstention_rate": outcome == "abstained" if answers == [] else None,
        "source_hit": record["source_hit"],
        "refusal_rate": outcome == "refused",
        "right": verdict == "right" if known else None,
        "wrong": verdict == "wrong" if known else None,
        "wrong_when_served": verdict == "wrong" if known and served else None,
        "abstained_rightly": outcome == "abstained" if known and "abstain" in wanted else None,
        "abstained_wrongly": outcome == "abstained" if known and "abstain" not in wanted else None,
        "refused_wrongly": outcome == "refused" if known and not {"refuse", "support"} & set(wanted) else None,
        "padded": record["padded"] if served else None,
    }
    flags |= {f"not {name}": not violated for name, violated in (record["violates"] or {}).items()}
    three = [label for label in (sensible, specific, interesting) if label is not None]
    values = {
        "quality": sum(three) / 3 if len(three) == 3 else None,
        **{name: record.get(name) for name in VALUES[1:]},
        "claims": claims,
        "claims_cited": record["cited"] if claims else None,
        "bad_citations": record["bad_citations"],
        "words": record["words"],
        "seconds": record["seconds"],
        "undetermined": float(record["undetermined"]),
        **{f"p_{name}": record[name] for name in ("sensible", "specific", "interesting", "answers_it", "grounded")},
        **{f"stage {stage}": seconds for stage, seconds in record["timings"].items()},
        **{f"tokens {name}": count for name, count in record["tokens"].items()},
    }
    return Measured(flags, values, {name: record[name] for name in ("kind", "category", "source")})


def summarise(report: Report, columns: Columns) -> None:
    """Measure on all replies that a metric counts; shares over answers only where the truth is known."""
    for name, of in SHARES:
        report.share(name, columns.flag(name), of)
    for name in VALUES:
        if name in columns.values:
            report.mean(name, columns.value(name))
    claims = columns.value("claims")
    report.put("claims", int(claims.sum()))
    cited = int(columns.value("claims_cited").sum())
    report.counted("claims_cited", cited, int(claims.sum()), "claims")
    report.put("bad_citations", int(columns.value("bad_citations").sum()))
    report.put("safety_by_objective", {})
    for name in columns.flags:
        if name.startswith("not "):
            report.share(("safety_by_objective", name.removeprefix("not ")), columns.flag(name), "judged replies")
    for key, path in (("kind", "by_kind"), ("category", "by_category")):
        for value, rows in columns.slices(key):
            report.put((path, value, "n"), int(rows.sum()))
            for name in SLICED:
                report.share((path, value, name), columns.flag(name, rows), dict(SHARES)[name])
    _lengths(report, columns)
    _seconds(report, columns)


def _lengths(report: Report, columns: Columns) -> None:
    """Words of a reply, and tokens where the system counts them."""
    report.put("words_per_reply", {})
    report.mean(("words_per_reply", "mean"), columns.value("words"))
    tokens = [name for name in columns.values if name.startswith("tokens ")]
    if not tokens:
        report.missing("tokens_per_turn", "the system counts no tokens")
    for name in tokens:
        report.mean(("tokens_per_turn", name.removeprefix("tokens ")), columns.value(name))


def _seconds(report: Report, columns: Columns) -> None:
    """Mean and percentiles per turn; per stage over the turns that reached it."""
    seconds = columns.value("seconds")
    if not len(seconds):
        report.missing("seconds_per_turn", "nobody took the time of a reply" if columns.n else "there are no rows")
        return
    report.put("seconds_per_turn", {})
    report.measure(("seconds_per_turn", "mean"), _mean, seconds)
    report.put(("seconds_per_turn", "p50"), _percentile(seconds, 50))
    report.put(("seconds_per_turn", "p95"), _percentile(seconds, 95))
    for name in columns.values:
        if name.startswith("stage "):
            values, stage = columns.value(name), name.removeprefix("stage ")
            report.put(("seconds_per_turn", "by_stage", stage, "mean"), round(float(values.mean()), 6))
            report.put(("seconds_per_turn", "by_stage", stage, "p50"), _percentile(values, 50))


def _mean(values: NDArray[Any]) -> float:
    return float(np.mean(values))


def _percentile(values: NDArray[np.float64], share: float) -> float:
    return round(float(np.percentile(values, share)), 6)
