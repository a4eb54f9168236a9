"""Every figure of the groundedness judge, beside shared words and cosine, with n and 95 % intervals.

    python benchmarks/grounding.py DATA --out benchmarks/results/grounding.json

DATA is the folder of development data. `folds` are the sets that the head learns from, each row judged by a head that
has not seen it: the head is trained again on the shipped adapter, and `folds.head` is what was set by it. `measured`
are sets that nothing was learnt from, and altered claims of paragraphs kept apart, by the shipped head. Takes about a
quarter of an hour on one core. Prints one JSON object.
"""

import argparse
import json
from pathlib import Path

from app.training.grounding import report, train
from dialogue.judges.grounding import WEIGHTS, Grounder
from retrieval.encoder.embed import load_encoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="the folder of development data")
    parser.add_argument("--out", type=Path, help="write the figures to this file, too")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="the folder with the judge's two files")
    parser.add_argument("--seed", type=int, default=0, help="of the training of the head")
    given = parser.parse_args()
    if not (given.data / "grounding").is_dir():
        parser.error(f"{str(given.data)!r} is not the development data: it holds no folder 'grounding'")
    encoder = load_encoder()
    grounder = Grounder.load(encoder, given.weights)
    _, folds = train(given.data, encoder, grounder.read, given.seed)
    shipped = {"temperature": grounder.head.temperature, "threshold": grounder.threshold}
    figures = {
        "fingerprint": grounder.fingerprint,
        "shipped": shipped,
        "folds": folds,
        "measured": report(given.data, grounder),
    }
    text = json.dumps(figures, indent=1)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
