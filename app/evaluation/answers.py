"""Answers: does the judge rank the sentences that answer a question before those that do not?

Measured over questions with at least one sentence of each sort; others cannot be ranked well or badly.
"""

from collections.abc import Sequence

from app.evaluation import metrics
from app.evaluation.judging import Judges
from app.evaluation.report import Report
from app.evaluation.rows import AnswerRow
from app.evaluation.tasks import Listed, Record, RowTask, grouped
from dialogue.types import Context, Turn
from retrieval.types import Evidence, Passage

PASSAGE = 4  # rows that follow each other and stand for a passage


def score(judges: Judges, rows: Sequence[AnswerRow]) -> list[Record]:
    """Judge the sentences of one question in one call, as drafts that quote the page they are from."""
    question = rows[0].question
    context = Context((Turn("user", question),), question, _page(rows), only="answers", exhaustive=True)
    judged = judges.judge.score(context, [row.sentence for row in rows])
    return [
        {
            "question": row.question,
            "answers": row.answers,
            "score": scores.answers,
            "undetermined": scores.answers is None,
        }
        for row, scores in zip(rows, judged, strict=True)
    ]


def _page(rows: Sequence[AnswerRow]) -> tuple[Evidence, ...]:
    """The sentences in order, PASSAGE of them a passage under the title of its first."""
    found = []
    for start in range(0, len(rows), PASSAGE):
        part = rows[start : start + PASSAGE]
        text = "\n\n".join(row.sentence for row in part)  # what stands apart is not read as one sentence
        found.append(Evidence(Passage(start, text, f"page {start}", part[0].title, (), 0, len(text)), 1.0))
    return tuple(found)


def summarise(report: Report, records: Sequence[Record]) -> None:
    """Measure over the questions that have sentences of both sorts; ties keep the order of the data."""
    rankings = []
    questions = grouped(records, "question").values()
    for members in questions:
        ranked = sorted(members, key=lambda record: -record["score"])
        relevant = [record["answers"] for record in ranked]
        if any(relevant) and not all(relevant):
            rankings.append(relevant)
    report.mean("map", [metrics.average_precision(relevant) for relevant in rankings])
    report.mean("mrr", [metrics.reciprocal_rank(relevant) for relevant in rankings])
    labels = [record["answers"] for record in records]
    report.measure("auroc", metrics.auroc, labels, [record["score"] for record in records])
    report.put("n_questions", len(rankings))
    report.put("questions_of_one_sort", len(questions) - len(rankings))


KIND = RowTask(AnswerRow, score, lambda: Listed(summarise), key=lambda row: row.question)
