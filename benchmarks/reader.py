"""How well the shipped reader reads, and what its probabilities are worth.

    python benchmarks/reader.py DATA --out benchmarks/results/reader.json

DATA is the folder of development data. `reading` is measured on articles of SQuAD that the reader has not learnt from,
on XQuAD and on invented pages; `found` on what the search finds for questions of these articles in collections of one
passage to all. The calibration was fitted on collections of the same passages, drawn by seed 0; `--seed`
draws others. Takes about twenty minutes on two cores. Prints one JSON object.
"""

import argparse
import json
from pathlib import Path

from app.training import reader_calibration, reader_report
from retrieval.encoder.embed import load_encoder
from retrieval.reader import load_passage_reader


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="the folder of development data")
    parser.add_argument("--limit", type=int, default=600, help="questions of each set")
    parser.add_argument("--seed", type=int, default=1, help="which questions and collections are drawn")
    parser.add_argument("--out", type=Path, help="write the figures to this file, too")
    given = parser.parse_args()
    if not (given.data / "reading" / "squad1_train.jsonl.gz").is_file():
        parser.error(f"{str(given.data)!r} is not the development data: it holds no reading/squad1_train.jsonl.gz")
    encoder = load_encoder()
    reader = load_passage_reader(encoder)
    found = reader_calibration.collect(given.data, encoder, reader, given.seed)
    figures = {
        "reader": reader.fingerprint,
        "limit": given.limit,
        "seed": given.seed,
        "reading": reader_report.report(given.data, reader, given.limit, given.seed),
        "found": reader_calibration.report(found, reader.about),
    }
    text = json.dumps(figures, indent=1)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
