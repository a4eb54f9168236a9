"""What the shipped guard catches and what it blocks by mistake, beside plain n-grams: the safety section of
docs/scoring.md.

    python benchmarks/guard.py DATA --out benchmarks/results/guard.json

DATA is the folder of the development data. To `app.training.safety_report.report` are added the sentences and headings
of the demo sources, the floors (logistic regression on TF-IDF of words and letters, of the text and of the turn before,
learnt from the train split of the same set), and the contrast pairs by number. Prints one JSON object.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from app.training.contrast import load_pairs
from app.training.safety_data import macro_f1, read
from app.training.safety_report import blocked, report
from retrieval.encoder.adapters import load_reader
from retrieval.encoder.embed import load_encoder
from retrieval.sources import find_files, read_documents
from retrieval.text import sentences
from safety import SHIPPED, WEIGHTS, EmbeddedGuard, load_policy

SOURCES = Path(__file__).parent.parent / "examples" / "demo" / "sources"
LABELLED = ("diasafety", "convabuse", "gptfuzz")
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, help="write the result to this file too")
    given = parser.parse_args()
    guard = EmbeddedGuard(load_reader(load_encoder(), WEIGHTS, SHIPPED), load_policy())
    result = report(given.data, guard)
    shown = list(dict.fromkeys(texts()))
    result["blocked_by_mistake"] |= {
        "demo_sources_as_candidate": blocked(guard.check(shown, "candidate")),
        "demo_sources_as_evidence": blocked(guard.check(shown, "evidence")),
    }
    result["floors"] = {name: floor(given.data, name) for name in LABELLED}
    pairs = load_pairs()
    result["pairs"] = {"all": len(pairs), "held_back": sum(pair.held_back for pair in pairs)}
    result["weights_bytes"] = WEIGHTS.stat().st_size
    text = json.dumps(result, indent=1)
    print(text)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(text + "\n", encoding="utf-8")


def texts() -> list[str]:
    """The titles, headings and sentences of the demo sources."""
    found: list[str] = []
    for path in find_files([SOURCES]):
        [document] = read_documents(path)
        found += [document.title, *(heading for section in document.sections for heading in section.headings)]
        found += [document.text[start:end] for start, end in sentences(document.text)]
    return found


def floor(data: Path, name: str) -> dict[str, float]:
    """Macro-F1 at one half and AUROC of n-grams, the better of the text alone and with the turn before."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    parts = [read(data / "safety" / f"{name}.{part}.jsonl.gz") for part in ("train", "test")]
    learn, test = ([row for row in part if row["text"].strip()] for part in parts)
    labels = np.array([bool(row["unsafe"]) for row in test])
    sides: tuple[Callable[[Row], str], ...] = (text_of, before)
    words = {"ngram_range": (1, 2), "min_df": 2}
    letters = {"analyzer": "char_wb", "ngram_range": (2, 4), "min_df": 3}
    kinds = [(side, TfidfVectorizer(sublinear_tf=True, **kind)) for side in sides for kind in (words, letters)]
    inputs = [(v.fit_transform(map(side, learn)), v.transform(map(side, test))) for side, v in kinds]
    found: dict[str, float] = {"macro_f1": 0.0, "auroc": 0.0}
    for chosen in (inputs[:2], inputs):
        model = LogisticRegression(C=1.0, class_weight="balanced", solver="liblinear")
        model.fit(hstack([x for x, _ in chosen]).tocsr(), [bool(row["unsafe"]) for row in learn])
        risk = model.predict_proba(hstack([x for _, x in chosen]).tocsr())[:, 1]
        found["macro_f1"] = max(found["macro_f1"], round(macro_f1(labels, risk >= 0.5), 4))
        found["auroc"] = max(found["auroc"], round(float(roc_auc_score(labels, risk)), 4))
    return found


def text_of(row: Row) -> str:
    """The beginning of the text, as much as three windows hold."""
    return str(row["text"])[:2000]


def before(row: Row) -> str:
    """The end of the turn before."""
    return str(row["context"][-1])[-300:] if row["context"] else ""


if __name__ == "__main__":
    main()
