"""How well the automatic labels of candidates agree with labels given by reading: `python benchmarks/onpolicy.py`.

`candidates_by_hand.jsonl` holds drafts of the packaged model before and after tuning, read one by one. Where a
label by hand is "n" the draft claims nothing; where an automatic one is open, nothing is compared.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from app.evaluation.metrics import wilson
from app.training.candidate_labels import labelled
from app.training.candidates import vocabulary

ROWS = Path(__file__).with_name("candidates_by_hand.jsonl")


def agreement(rows: list[dict[str, Any]], known: frozenset[str]) -> dict[str, Any]:
    """Return, for each of the three labels, how often it is given and agrees, and the figures of finding a 1."""
    found: dict[str, Any] = {}
    labels = [labelled(r["response"], r["question"], r["passages"], r["known"], known) for r in rows]
    for name in ("supported", "answers", "sensible"):
        pairs = [
            (bool(row[name]), bool(getattr(label, name)))
            for row, label in zip(rows, labels, strict=True)
            if getattr(label, name) is not None and row[name] != "n"
        ]
        same, both = sum(hand == made for hand, made in pairs), sum(hand and made for hand, made in pairs)
        low, high = wilson(same, len(pairs))
        found[name] = {
            "labelled": len(pairs),
            "agree": round(same / len(pairs), 3),
            "interval": [round(low, 3), round(high, 3)],
            "precision": round(both / max(1, sum(made for _, made in pairs)), 3),
            "recall": round(both / max(1, sum(hand for hand, _ in pairs)), 3),
        }
    return {"drafts": len(rows), **found}


def main() -> None:
    """Print the agreement, of all drafts and of those of each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder of the development data, for the words of the language")
    known = vocabulary(parser.parse_args().data)
    with ROWS.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    models = dict.fromkeys(row["model"] for row in rows)
    report = {"all": agreement(rows, known)} | {
        model: agreement([row for row in rows if row["model"] == model], known) for model in models
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
