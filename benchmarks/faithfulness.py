"""Rows as RAGAS writes them, judged in one run: our groundedness, shared words and cosine, against what people said.

    python benchmarks/faithfulness.py DATA --out benchmarks/results/faithfulness.json

DATA is the folder of development data. Every row of `faithfulness` becomes a row of a question, an answer and its
contexts, and goes through the evaluation of grounding; the cosine is that of the packaged encoder, of the answer and
the nearest of its contexts' sentences, the mean over the answer's sentences. For each set: how many rows, how many
supported, and the AUROC of the three with 95 % intervals, the balanced accuracy and F1 of the judge at its threshold.
`--limit` takes the first so many rows of a set after a shuffle by a fixed seed. Prints one JSON object.
"""

import argparse
import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from app.config import load_settings
from app.evaluation import Options, run
from app.evaluation import metrics as m
from app.evaluation.journal import stored_rows
from app.evaluation.judging import Judges, packaged_judges
from retrieval.encoder.embed import Encoder, load_encoder
from retrieval.text import sentences


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="the folder of development data")
    parser.add_argument("--limit", type=int, help="of each set, so many rows")
    parser.add_argument("--only", action="append", help="this set alone")
    parser.add_argument("--out", type=Path, help="write the figures to this file, too")
    given = parser.parse_args()
    files = sorted((given.data / "faithfulness").glob("*.jsonl.gz"))
    if not files:
        parser.error(f"{str(given.data)!r} is not the development data: it holds no folder 'faithfulness'")
    encoder, judges = load_encoder(), packaged_judges(load_settings({}, {}))
    sets: dict[str, Any] = {}
    for file in files:
        name = file.name.removesuffix(".jsonl.gz")
        if given.only and name not in given.only:
            continue
        rows = drawn(file, given.limit)
        start = perf_counter()
        result, records = judged(rows, judges)
        seconds = perf_counter() - start
        sets[name] = _figures(result, records, rows, encoder) | {"seconds": round(seconds, 1)}
        print(name, json.dumps(sets[name]["auroc"]), flush=True)
    figures = {
        "command": " ".join(
            ["python benchmarks/faithfulness.py DATA", *(f"--only {name}" for name in given.only or ())]
        )
        + (f" --limit {given.limit}" if given.limit else ""),
        "judges": judges.judge.fingerprint,
        "sets": sets,
    }
    text = json.dumps(figures, indent=1)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


def drawn(file: Path, limit: int | None) -> list[dict[str, Any]]:
    """The rows of a set as RAGAS writes them, with the label that people gave."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    if limit is not None and len(found) > limit:
        found = random.Random(0).sample(found, limit)
    return [
        {
            "question": (row.get("context") or [""])[-1],
            "answer": row["response"],
            "contexts": row["evidence"],
            "supported": bool(row["supported"]),
        }
        for row in found
    ]


def judged(rows: list[dict[str, Any]], judges: Judges) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The evaluation of grounding on rows: its result, and the records of those it could judge."""
    with TemporaryDirectory() as passing:
        data = Path(passing) / "rows.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        result = run("grounding", data, judges, options=Options(out=Path(passing) / "run"))
        records = [row for row in stored_rows(Path(passing) / "run") if not row.get("undetermined", True)]
    return result, records


def _figures(
    result: dict[str, Any], records: list[dict[str, Any]], rows: list[dict[str, Any]], encoder: Encoder
) -> dict[str, Any]:
    labels = [record["label"] for record in records]
    nearest = list(cosines([rows[record["line"] - 1] for record in records], encoder))
    columns = {
        "groundedness": [record["score"] for record in records],
        "overlap": [record["overlap"] for record in records],
        "cosine": nearest,
    }
    return {
        "n": result["n"],
        "undetermined": result["undetermined"],
        "supported": sum(labels),
        "auroc": {name: _rounded(m.auroc(labels, scores)) for name, scores in columns.items()},
        "ci95": {name: [_rounded(x) for x in m.bootstrap(m.auroc, labels, scores)] for name, scores in columns.items()},
        "balanced_accuracy": result["balanced_accuracy"],
        "f1": result["f1"],
        "calibration_error": result["calibration_error"],
    }


def cosines(rows: list[dict[str, Any]], encoder: Encoder) -> Iterator[float]:
    """The mean over an answer's sentences of the cosine with the nearest sentence of its contexts."""
    for row in rows:
        said = [row["answer"][a:b] for a, b in sentences(row["answer"])]
        held = [text[a:b] for text in row["contexts"] for a, b in sentences(text)]
        if not said or not held:
            yield 0.0
            continue
        vectors = encoder.encode([*said, *held])
        yield float((vectors[: len(said)] @ vectors[len(said) :].T).max(1).mean())


def _rounded(value: float) -> float:
    return round(float(value), 4)


if __name__ == "__main__":
    main()
