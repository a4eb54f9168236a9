"""Agreement: do our judges say what people say, and how far do people agree with each other?

Of every rating that the data hold, the judge of its name is compared with the mean of the raters; a rating that has no
judge of its own is compared with `quality`. Positive is a mean above the middle of the scale, the least and the largest
rating there is. The human ceiling is what one rater gets who is compared with the mean of the others, the mean over the
raters: a judge that reaches it is as good as one more person.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.evaluation import metrics
from app.evaluation.judging import Judges, pieces
from app.evaluation.metrics import Undefined
from app.evaluation.report import Report
from app.evaluation.rows import AgreementRow, turns_of
from app.evaluation.tasks import Listed, Record, RowTask
from dialogue.rank import quality
from dialogue.types import Context, Scores

JUDGES: Final = {  # the judge of a rating, by the beginning of its name
    "sensib": "sensible",
    "specif": "specific",
    "interest": "interesting",
    "engag": "interesting",
    "safe": "safe",
    "ground": "grounded",
    "faithful": "grounded",
    "support": "grounded",
    "factual": "grounded",
    "answer": "answers",
    "help": "answers",
    "role": "in_role",
}
FEWEST: Final = 10  # rows that a rater shares with others, to be counted in the ceiling
Array = NDArray[np.float64]


def score(judges: Judges, rows: Sequence[AgreementRow]) -> list[Record]:
    """Judge each response under its context, and against its evidence where it has some."""
    records = []
    for row in rows:
        turns = turns_of(row.context)
        evidence = pieces([(text, "", "") for text in row.evidence])
        context = Context(turns, turns[-1].text, evidence, role=judges.role)
        [scores] = judges.judge.score(context, [row.response])
        [verdict] = judges.guard.check([row.response], "served", row.context)
        three = (scores.sensible, scores.specific, scores.interesting)
        records.append(
            {
                "ratings": row.ratings,
                "words": len(row.response.split()),
                "sensible": scores.sensible,
                "specific": scores.specific,
                "interesting": scores.interesting,
                "quality": None if None in three else quality(Scores(*three)),
                "answers": scores.answers if evidence else None,
                "grounded": scores.grounded if evidence else None,
                "in_role": scores.in_role,
                "safe": None if verdict.risk is None else 1 - verdict.risk,
                "undetermined": False,
            }
        )
    return records


def judge_of(rating: str) -> str:
    """The judge that says what a rating says."""
    plain = rating.lower().removeprefix("is_")
    return next((judge for start, judge in JUDGES.items() if plain.startswith(start)), "quality")


def summarise(report: Report, records: Sequence[Record]) -> None:
    """Compare every rating with its judge, and the raters with each other."""
    report.put("agreement", {})
    for name in sorted({name for record in records for name in record["ratings"]}):
        judge = judge_of(name)
        rated = [(record[judge], _raters(record["ratings"][name])) for record in records if name in record["ratings"]]
        report.put(("agreement", name, "judge"), judge)
        report.put(("agreement", name, "without_score"), sum(score is None for score, _ in rated))
        kept = [(score, raters) for score, raters in rated if score is not None and raters]
        means = np.asarray([np.mean(list(raters.values())) for _, raters in kept])
        every = [value for _, raters in kept for value in raters.values()]
        low, high = (min(every), max(every)) if every else (0.0, 1.0)
        report.put(("agreement", name, "scale"), [low, high])
        scores = np.asarray([score for score, _ in kept], dtype=float)
        _compare(report, ("agreement", name), means, scores, (low, high), judge)
        _ceiling(report, ("agreement", name, "human"), [raters for _, raters in kept], (low, high))


def _compare(
    report: Report, path: tuple[str, ...], means: Array, scores: Array, scale: tuple[float, float], judge: str
) -> None:
    positive = means > sum(scale) / 2
    called = scores > (2.5 if judge == "quality" else 0.5)  # `quality` lies in [0, 5]
    report.measure((*path, "spearman"), metrics.spearman, means, scores)
    report.measure((*path, "auroc"), metrics.auroc, positive, scores)
    report.measure((*path, "kappa"), metrics.kappa, positive, called)
    share = scores / 5 if judge == "quality" else scores
    report.measure((*path, "calibration_error"), metrics.calibration_error, positive, share)


def _ceiling(
    report: Report, path: tuple[str, ...], rows: Sequence[Mapping[str, float]], scale: tuple[float, float]
) -> None:
    """One rater against the mean of the others, averaged over the raters."""
    raters = sorted({name for row in rows for name in row})
    middle = sum(scale) / 2
    found: dict[str, list[float]] = {"spearman": [], "auroc": [], "kappa": []}
    counted = 0
    for rater in raters:
        shared = [
            (row[rater], float(np.mean([value for other, value in row.items() if other != rater])))
            for row in rows
            if rater in row and len(row) > 1
        ]
        if len(shared) < FEWEST:
            continue
        counted += 1
        mine, others = np.asarray(shared).T
        for name, values in found.items():
            with suppress(Undefined):
                values.append(_alike(name, others, mine, middle))
    report.put((*path, "raters"), counted)
    for name, values in found.items():
        if values:
            report.put((*path, name), round(float(np.mean(values)), 6))
        else:
            report.missing((*path, name), f"no two raters share {FEWEST} rows")


def _alike(name: str, others: Array, mine: Array, middle: float) -> float:
    """One of the three measures of a rater beside the mean of the others. Raises Undefined."""
    if name == "spearman":
        return metrics.spearman(others, mine)
    if name == "auroc":
        return metrics.auroc(others > middle, mine)
    return metrics.kappa(others > middle, mine > middle)


def _raters(found: Any) -> dict[str, float]:  # noqa: ANN401
    """The ratings by rater, those that were not given left out."""
    named = found if isinstance(found, dict) else {str(place): value for place, value in enumerate(found)}
    return {name: float(value) for name, value in named.items() if value is not None}


KIND = RowTask(AgreementRow, score, lambda: Listed(summarise))
