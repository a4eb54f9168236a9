"""Are the documents found that are relevant, and the sentences that answer? Beside the plain encoder, in one run.

    python benchmarks/relevance.py DATA --out benchmarks/results/relevance.json

DATA is the folder of retrieval data. SciFact's test queries are ranked by meaning, by words, by both, and reranked, as
`candor evaluate retrieval` does it; SciFact publishes .665 for BM25, and .645 is published for MiniLM. The sentences
of TREC-QA's validation questions are ranked as `candor evaluate answers` does it, and by MiniLM's cosine alone.
Nothing was tuned on either. Takes about a quarter of an hour on two cores. Prints one JSON object.
"""

import argparse
import json
import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app.bot import Bot, open_bot
from app.evaluation import run
from app.evaluation.metrics import average_precision
from app.training.quality_data import rows as lines
from retrieval.rerank import DEPTH
from retrieval.text import clean

COLLECTION = "scifact"
SENTENCES = "trecqa.validation"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="the folder of retrieval data")
    parser.add_argument("--out", type=Path, help="write the figures to this file, too")
    parser.add_argument("--rerank", type=int, default=DEPTH, help="passages read again after a query")
    parser.add_argument("--limit", type=int, help="queries of the collection, to try this script")
    given = parser.parse_args()
    if not (given.data / COLLECTION).is_dir():
        parser.error(f"{str(given.data)!r} is not the retrieval data: it holds no folder {COLLECTION!r}")
    with tempfile.TemporaryDirectory() as folder, open_bot(folder, "quote", rerank=given.rerank) as bot:
        figures: dict[str, Any] = {"cores": len(os.sched_getaffinity(0)), "threads": torch.get_num_threads()}
        figures |= {"rerank": given.rerank}
        begun = time.perf_counter()
        figures[COLLECTION] = run("retrieval", given.data / COLLECTION, bot, limit=given.limit)
        figures[COLLECTION]["seconds"] = round(time.perf_counter() - begun)
        figures[SENTENCES] = run("answers", given.data / f"{SENTENCES}.jsonl.gz", bot)
        figures[SENTENCES]["map_of_plain_minilm"] = plain(given.data, bot)
    text = json.dumps(figures, indent=1)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


def plain(data: Path, bot: Bot) -> float:
    """Return the mean average precision of the cosine between question and sentence."""
    asked: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for row in lines(data / f"{SENTENCES}.jsonl.gz"):
        title = f"{row['title']}: " if row.get("title") else ""
        asked[clean(row["question"])].append((title + clean(row["sentence"]), bool(row["answers"])))
    precisions = []
    for question, said in asked.items():
        if len({right for _, right in said}) < 2:
            continue
        vectors = bot.library.embedder.encode([question, *(text for text, _ in said)])
        order = np.argsort(-(vectors[1:] @ vectors[0]), kind="stable")
        precisions.append(average_precision([said[place][1] for place in order]))
    return float(np.mean(precisions))


if __name__ == "__main__":
    main()
