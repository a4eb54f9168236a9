"""Answers: does the scorer rank the sentences that answer a question before those that do not?

Measured over questions with at least one sentence of each sort; others cannot be ranked well or badly.
"""

from collections.abc import Sequence

from app.bot import Bot
from app.evaluation.kinds import Kind, Record, grouped, judge_of
from app.evaluation.report import Report
from app.evaluation.rows import AnswerRow
from dialogue import metrics
from dialogue.answers import paged


def score(bot: Bot, rows: Sequence[AnswerRow]) -> list[Record]:
    """Score the sentences of one question in one call."""
    offers = paged([(row.sentence, row.title) for row in rows])
    scores = judge_of(bot).answers.score(rows[0].question, offers)
    return [
        {"question": row.question, "answers": row.answers, "score": value}
        for row, value in zip(rows, scores, strict=True)
    ]


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


KIND = Kind(AnswerRow, score, summarise, key=lambda row: row.question)
