"""How well the shipped reader reads, and what its probabilities are worth.

    python benchmarks/reader.py DATA --out benchmarks/results/reader.json
    python benchmarks/reader.py DATA --only speed

DATA is the folder of development data. `reading` is measured on articles of SQuAD that the reader has not learnt from,
on XQuAD and on invented pages; `found` on what the search finds for questions of these articles in collections of one
passage to all. The calibration was fitted on collections of the same passages, drawn by seed 0; `--seed`
draws others. `speed` times DEPTH passages read after a question against one pass of the encoder over the same words, in
pairs. Takes about twenty minutes on two cores. Prints one JSON object.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from app.training import reader_calibration, reader_report
from app.training.quality_data import rows as lines
from app.training.reader_data import held, windows
from retrieval.encoder.embed import Encoder, load_encoder
from retrieval.reader import PassageReader, load_passage_reader
from retrieval.rerank import DEPTH

PAIRS = 31
PARTS = ("reading", "found", "speed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="the folder of development data")
    parser.add_argument("--limit", type=int, default=600, help="questions of each set")
    parser.add_argument("--seed", type=int, default=1, help="which questions and collections are drawn")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="measure these parts alone")
    parser.add_argument("--out", type=Path, help="write the figures to this file, too")
    given = parser.parse_args()
    if not (given.data / "reading" / "squad1_train.jsonl.gz").is_file():
        parser.error(f"{str(given.data)!r} is not the development data: it holds no reading/squad1_train.jsonl.gz")
    encoder = load_encoder()
    reader = load_passage_reader(encoder)
    figures: dict[str, Any] = {"reader": reader.fingerprint, "limit": given.limit, "seed": given.seed}
    for part in given.only or PARTS:
        if part == "reading":
            figures[part] = reader_report.report(given.data, reader, given.limit, given.seed)
        elif part == "found":
            found = reader_calibration.collect(given.data, encoder, reader, given.seed)
            figures[part] = reader_calibration.report(found, reader.about)
        else:
            figures[part] = speed(given.data, encoder, reader)
    text = json.dumps(figures, indent=1)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


def speed(data: Path, encoder: Encoder, reader: PassageReader) -> dict[str, float]:
    """Return the median seconds of both over PAIRS questions, DEPTH passages each, and the median of their ratios."""
    rows = [row for row in lines(data / "reading" / "squad1_train.jsonl.gz") if held(row)]
    pages = list(dict.fromkeys(page for row in rows for page, _ in windows(row)))
    took: list[tuple[float, float]] = []
    for pair in range(-2, PAIRS):  # the first two warm up
        some = pages[DEPTH * (pair + 2) : DEPTH * (pair + 3)]
        question = str(rows[7 * (pair + 2)]["question"])
        begun = time.perf_counter()
        reader.read(question, some)
        between = time.perf_counter()
        encoder.encode([f"{question} {page.title} {page.text}" for page in some])
        if pair >= 0:
            took.append((between - begun, time.perf_counter() - between))
    return {
        "reader_seconds": round(statistics.median(read for read, _ in took), 4),
        "encoder_seconds": round(statistics.median(encoded for _, encoded in took), 4),
        "times_the_encoder": round(statistics.median(read / encoded for read, encoded in took), 3),
        "threads": torch.get_num_threads(),
    }


if __name__ == "__main__":
    main()
