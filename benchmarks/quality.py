"""Every figure of the quality judges, on held-out dialogues, ratings and answers, with n and 95 % intervals.

    python benchmarks/quality.py DATA --out benchmarks/results/quality.json

DATA is the folder of development data; `app/training/quality_report.py` says what is measured. Takes some minutes
on one core. Prints one JSON object.
"""

import argparse
import json
from pathlib import Path

from app.training.quality_report import report
from dialogue.judges.quality import WEIGHTS, load_quality
from dialogue.judges.shipped import SHIPPED
from retrieval.encoder.adapters import load_reader
from retrieval.encoder.embed import load_encoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="the folder of development data")
    parser.add_argument("--out", type=Path, help="write the figures to this file, too")
    given = parser.parse_args()
    if not (given.data / "quality").is_dir():
        parser.error(f"{str(given.data)!r} is not the development data: it holds no folder 'quality'")
    encoder = load_encoder()
    found = report(given.data, load_quality(encoder.encode, load_reader(encoder, WEIGHTS, SHIPPED)))
    text = json.dumps(found, indent=1)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
