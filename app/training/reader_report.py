"""How well the reader reads: on SQuAD and documents that it did not learn from, on XQuAD and invented pages.

F1 and exact match are those of SQuAD (Rajpurkar et al. 2016), over answerable questions, the best span of all passages
of the paragraph being the answer.
"""

import random
import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.evaluation.metrics import auroc
from app.training import document_questions
from app.training.asked import Asked
from app.training.invented import invented
from app.training.quality_data import rows as lines
from app.training.reader_data import held, windows
from retrieval.reader import PassageReader
from retrieval.reading import Reading

Row = Mapping[str, Any]


def report(data: Path, reader: PassageReader, limit: int = 600, seed: int = 0) -> dict[str, float]:
    """Return F1, exact match and AUROC by set, of at most `limit` questions of each kind."""
    rng = random.Random(seed)
    reading = data / "reading"
    squad = [row for row in lines(reading / "squad1_train.jsonl.gz") if held(row)]
    twins = [row for row in lines(reading / "squad2_train_unanswerable_pairs.jsonl.gz") if held(row)]
    titles = {row["title"] for row in twins}
    xquad = [{**row, "title": "", "answers": [row["answer"]]} for row in lines(data / "retrieval" / "xquad_a.jsonl.gz")]
    answered = _sample(rng, squad, limit)
    twin_rows = _sample(rng, twins, limit)
    beside = _sample(rng, [row for row in squad if row["title"] in titles], limit)
    found = {f"squad_{name}": value for name, value in spans(reader, answered).items()}
    found |= {f"xquad_{name}": value for name, value in spans(reader, _sample(rng, xquad, limit)).items()}
    right = [likeliest(reader, row)[1] for row in beside]
    wrong = [likeliest(reader, row)[1] for row in twin_rows]
    labels = [True] * len(right) + [False] * len(wrong)
    found["twins_auroc"] = auroc(labels, [sure for sure in (*right, *wrong)])
    found |= {f"invented_{name}": value for name, value in on(reader, list(invented(limit, 10_000 + seed))).items()}
    kept = [document for document in document_questions.documents() if document.held()]
    asked = [*document_questions.answered(kept), *document_questions.unanswered(kept)]
    found |= {f"documents_{name}": value for name, value in on(reader, _sample(rng, asked, 2 * limit)).items()}
    return {name: round(value, 4) for name, value in found.items()}


def on(reader: PassageReader, pages: Sequence[Asked]) -> dict[str, float]:
    """Return the AUROC of answered or not, and the share of answers of which the best span is a good half or more."""
    read = [reader.read(asked.question, [asked.page])[0] for asked in pages]
    answerable = [(asked, one) for asked, one in zip(pages, read, strict=True) if asked.answers]
    exact = [any(_overlap(one.best()[1:], span) > 0.5 for span in asked.spans) for asked, one in answerable]
    return {
        "auroc": auroc([bool(asked.answers) for asked in pages], [sure(one) for one in read]),
        "found": float(np.mean(exact)),
    }


def sure(reading: Reading) -> float:
    """How sure it is that a passage answers, in logits: its own and that of its best span."""
    return reading.answers + 0.5 * reading.best()[0]


def likeliest(reader: PassageReader, row: Row) -> tuple[str, float]:
    """Return the likeliest answer in a row's paragraph, and how sure it is that there is one."""
    pages = [page for page, _ in windows(row)]
    read = reader.read(row["question"], pages)
    best = max(range(len(pages)), key=lambda at: sure(read[at]))
    _, start, end = read[best].best()
    return pages[best].text[start:end], sure(read[best])


def spans(reader: PassageReader, rows: Sequence[Row]) -> dict[str, float]:
    """Return F1 and exact match of answerable questions."""
    found = [(likeliest(reader, row)[0], row["answers"]) for row in rows]
    return {
        "f1": float(np.mean([max(f1(text, answer) for answer in answers) for text, answers in found])),
        "exact": float(np.mean([any(_words(text) == _words(a) for a in answers) for text, answers in found])),
    }


def f1(text: str, answer: str) -> float:
    """Return the harmonic mean of precision and recall of an answer's words."""
    words, wanted = Counter(_words(text)), Counter(_words(answer))
    same = sum((words & wanted).values())
    return 2 * same / (words.total() + wanted.total()) if same else 0.0


def _words(text: str) -> list[str]:
    plain = text.casefold().translate(str.maketrans("", "", string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", plain).split()


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> float:
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return max(0, shared) / max(1, max(one[1], other[1]) - min(one[0], other[0]))


def _sample(rng: random.Random, rows: Sequence[Any], limit: int) -> list[Any]:
    return rng.sample(rows, min(limit, len(rows)))
