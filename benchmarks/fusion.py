"""How rankings by meaning and by words are best fused: nDCG@10 of the ways tried, on queries of the training splits.

    python benchmarks/fusion.py DATA --out benchmarks/results/fusion.json

DATA is the folder of development data. Asked are SciFact's training queries in its abstracts, and XQuAD's questions in
its paragraphs and these abstracts together. `reciprocal` is reciprocal rank fusion by its constant, `convex` the
cosine and the BM25 score relative to the best, by the weight of the cosine; the weight in use is
`retrieval.search.MEANING`. Takes about ten minutes on two cores. Prints one JSON object.
"""

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.evaluation.metrics import ndcg
from app.training.quality_data import rows as lines
from retrieval.encoder.embed import Encoder, load_encoder
from retrieval.index.lexical import Lexical, write
from retrieval.passages import cut_all, embedding_text
from retrieval.search import MEANING, fuse
from retrieval.text import clean
from retrieval.types import Passage

DEPTH = 100  # passages ranked each way
CONSTANTS = (10, 30, 60)
WEIGHTS = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
Table = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Asked:
    """A query and the documents that are relevant."""

    query: str
    documents: frozenset[str]


@dataclass(frozen=True, slots=True)
class Corpus:
    passages: Sequence[Passage]
    queries: Sequence[Asked]


def scifact(folder: Path) -> Corpus:
    """Return SciFact's abstracts and training queries."""
    relevant: dict[str, set[str]] = defaultdict(set)
    for line in (folder / "scifact" / "qrels" / "train.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, _ = line.split("\t")
        relevant[query].add(document)
    asked = [row for row in lines(folder / "scifact" / "queries.jsonl.gz") if row["_id"] in relevant]
    documents = ((row["_id"], row["title"], row["text"]) for row in lines(folder / "scifact" / "corpus.jsonl.gz"))
    return Corpus(cut_all(documents), [Asked(clean(row["text"]), frozenset(relevant[row["_id"]])) for row in asked])


def xquad(folder: Path) -> Corpus:
    """Return XQuAD's paragraphs and questions."""
    rows = list(lines(folder / "xquad_a.jsonl.gz"))
    paragraphs = {str(row["paragraph_id"]): row["paragraph"] for row in rows}
    passages = cut_all((name, "", text) for name, text in paragraphs.items())
    return Corpus(passages, [Asked(row["question"], frozenset([str(row["paragraph_id"])])) for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="the folder of development data")
    parser.add_argument("--out", type=Path, help="write the figures to this file, too")
    given = parser.parse_args()
    if not (given.data / "retrieval" / "scifact").is_dir():
        parser.error(f"{str(given.data)!r} is not the development data: it holds no retrieval/scifact")
    abstracts, paragraphs = scifact(given.data / "retrieval"), xquad(given.data / "retrieval")
    encoder = load_encoder()
    known, more = (encoder.encode(texts(each.passages)) for each in (abstracts, paragraphs))
    both = _numbered([*paragraphs.passages, *abstracts.passages])
    together = np.concatenate([more, known])
    figures = {
        "chosen": {"convex": MEANING},
        "scifact": compared(encoder, abstracts.passages, known, abstracts.queries),
        "xquad": compared(encoder, both, together, paragraphs.queries),
    }
    text = json.dumps(figures, indent=1)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


def compared(
    encoder: Encoder, passages: Sequence[Passage], vectors: Table, queries: Sequence[Asked]
) -> dict[str, float]:
    """Return nDCG@10 over documents for every way of fusing."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), range(len(passages)), texts(passages))
        words = Lexical(Path(folder))
        hits = [dict(words.search(asked.query, DEPTH)) for asked in queries]
    cosines = encoder.encode([asked.query for asked in queries]) @ vectors.T
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :DEPTH]
    found: dict[str, list[float]] = {}
    for asked, row, near, scores in zip(queries, cosines, nearest.tolist(), hits, strict=True):
        for name, order in _orders(row, near, scores).items():
            documents = list(dict.fromkeys(passages[place].source for place in order))
            found.setdefault(name, []).append(ndcg(documents, dict.fromkeys(asked.documents, 1.0), 10))
    return {name: round(float(np.mean(gains)), 4) for name, gains in found.items()} | {"queries": len(queries)}


def _orders(cosines: Table, near: Sequence[int], scores: dict[int, float]) -> dict[str, list[int]]:
    """Return the passages in the order of every way of fusing."""
    pool = np.array(list(dict.fromkeys([*near, *scores])))
    best = max(scores.values(), default=1.0)
    worded = np.array([scores.get(int(place), 0.0) / best for place in pool], dtype=np.float32)
    ways = {f"convex {weight}": fuse(cosines[None, pool], worded[None], weight) for weight in WEIGHTS}
    ranks = [{place: rank for rank, place in enumerate(ranking, 1)} for ranking in (near, list(scores))]
    for constant in CONSTANTS:
        ways[f"reciprocal {constant}"] = np.array(
            [sum(1 / (constant + rank[int(place)]) for rank in ranks if int(place) in rank) for place in pool],
            dtype=np.float32,
        )
    return {name: pool[np.argsort(-way, kind="stable")].tolist() for name, way in ways.items()}


def texts(passages: Sequence[Passage]) -> list[str]:
    """Return the texts as they are embedded and indexed."""
    return [embedding_text(passage) for passage in passages]


def _numbered(passages: Sequence[Passage]) -> list[Passage]:
    return [replace(passage, id=number) for number, passage in enumerate(passages)]


if __name__ == "__main__":
    main()
