"""Quality: do the judges' scores rise with people's ratings, also among responses of one length?"""

from collections.abc import Sequence

from app.evaluation import metrics
from app.evaluation.judging import Judges
from app.evaluation.report import Report
from app.evaluation.rows import QualityRow, turns_of
from app.evaluation.tasks import Listed, Record, RowTask
from dialogue.rank import quality
from dialogue.types import Context, Scores

SCORES = ("sensible", "specific", "interesting", "quality")


def score(judges: Judges, rows: Sequence[QualityRow]) -> list[Record]:
    """Judge each response under its context. `quality` is the rank score of the three, nothing else known.

    A response without a word is undetermined, and one that lacks a score.
    """
    records = []
    for row in rows:
        turns = turns_of(row.context)
        [judged] = judges.judge.score(Context(turns, turns[-1].text, only="quality"), [row.response])
        three = {"sensible": judged.sensible, "specific": judged.specific, "interesting": judged.interesting}
        lacking = not row.response.strip() or None in three.values()
        records.append(
            {
                "ratings": row.ratings,
                "words": len(row.response.split()),
                **three,
                "quality": None if lacking else quality(Scores(judged.sensible, judged.specific, judged.interesting)),
                "undetermined": lacking,
            }
        )
    return records


def summarise(report: Report, records: Sequence[Record]) -> None:
    """Correlate every rating with every score."""
    names = sorted({name for record in records for name in record["ratings"]})
    report.put("spearman", {})
    report.put("partial_spearman", {})
    for name in names:
        rated = [record for record in records if name in record["ratings"]]
        ratings = [record["ratings"][name] for record in rated]
        words = [record["words"] for record in rated]
        report.measure(("spearman", name, "length"), metrics.spearman, ratings, words, interval=False)
        for which in SCORES:
            scores = [record[which] for record in rated]
            report.measure(("spearman", name, which), metrics.spearman, ratings, scores)
            report.measure(("partial_spearman", name, which), _length_fixed, ratings, scores, words)


def _length_fixed(ratings: Sequence[float], scores: Sequence[float], words: Sequence[float]) -> float:
    return metrics.partial_spearman(ratings, scores, (words,))


KIND = RowTask(QualityRow, score, lambda: Listed(summarise))
