"""Folders in BEIR's form (Thakur et al. 2021): a corpus, queries, and which documents are relevant to which."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.evaluation.tables import EvaluationError, lines


def judged_queries(data: Path) -> Iterator[dict[str, Any]]:
    """Yield the judged queries of a folder as conversations of one turn, with the document that answers best."""
    qrels = read_qrels(data)
    for row in read_objects(data, "queries"):
        gains = qrels.get(row["_id"], {})
        best = max(gains, key=lambda name: gains[name], default="")
        if best and gains[best] > 0:
            yield {"context": [row["text"]], "source": best, "id": row["_id"]}


def read_objects(data: Path, stem: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of ``<stem>.jsonl`` or ``<stem>.jsonl.gz``, which must have ``_id`` and ``text``."""
    path = next((p for p in (data / f"{stem}.jsonl", data / f"{stem}.jsonl.gz") if p.is_file()), None)
    if path is None:
        raise EvaluationError(f"{str(data)!r} is no BEIR folder: it has no {stem}.jsonl or {stem}.jsonl.gz")
    for number, line in lines(path):
        try:
            row = json.loads(line)
            if not isinstance(row["_id"], str) or not isinstance(row["text"], str):
                raise TypeError("_id and text are strings")
        except (ValueError, KeyError, TypeError) as error:
            raise EvaluationError(f"{str(path)!r}, line {number}: expected _id and text ({error!r})") from error
        yield row


def read_qrels(data: Path) -> dict[str, dict[str, float]]:
    """Read the judgements of the test split, or of the only split there is. Raises EvaluationError."""
    splits = sorted((data / "qrels").glob("*.tsv"))
    path = next((split for split in splits if split.stem == "test"), splits[0] if len(splits) == 1 else None)
    if path is None:
        raise EvaluationError(f"{str(data)!r} is no BEIR folder: it has no qrels/test.tsv")
    qrels: dict[str, dict[str, float]] = {}
    for number, line in lines(path):
        fields = line.decode("utf-8", "replace").split()
        try:
            query, document, gain = fields[0], fields[-2], float(fields[-1])
        except (IndexError, ValueError):
            if number > 1:  # the first line names the columns
                raise EvaluationError(f"{str(path)!r}, line {number}: expected query, document, score") from None
            continue
        qrels.setdefault(query, {})[document] = gain
    return qrels
