"""Retrieval: are the relevant documents found? Over a folder in BEIR's form (Thakur et al. 2021).

Documents are cut, embedded and indexed as ingestion does; a document ranks where its first passage does. One that has
the id of the query is the query itself, as in ArguAna, and is left out, as BEIR's own evaluation leaves it out.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from app.bot import Bot
from app.evaluation import metrics
from app.evaluation.beir import read_objects, read_qrels
from app.evaluation.report import Report
from app.evaluation.tables import EvaluationError
from retrieval.cross_encoder import CrossEncoderReranker
from retrieval.index.generation import Generation, build_of
from retrieval.passages import cut_all
from retrieval.rerank import Reranker
from retrieval.search import HybridRetriever
from retrieval.text import clean
from retrieval.types import Passage, Vectors
from retrieval.versions import Versioned
from retrieval.votes import Voted

DEPTH = 100  # documents ranked
WIDE = 500  # passages searched for them
Ranker = Callable[[str], list[str]]
Progress = Callable[[int], None]


def run(report: Report, data: Path, bot: Bot, limit: int | None, progress: Progress) -> int:
    """Measure every ranker on the judged queries and return their number. Raises EvaluationError."""
    qrels = read_qrels(data)
    queries = {row["_id"]: row["text"] for row in read_objects(data, "queries") if row["_id"] in qrels}
    questions = [(name, text) for name, text in queries.items() if any(gain > 0 for gain in qrels[name].values())]
    questions = questions[:limit]
    if not questions:
        raise EvaluationError(f"{str(data)!r} has 0 rows to evaluate: no query has a relevant document in qrels")
    passages = cut_all((row["_id"], row.get("title") or "", row["text"]) for row in read_objects(data, "corpus"))
    if not passages:
        raise EvaluationError(f"{str(data)!r} has 0 documents with text in its corpus")
    embedder = bot.library.embedder
    with tempfile.TemporaryDirectory() as folder:
        generation = build_of(Path(folder), passages, embedder)
        rankers = _rankers(generation, passages, bot)
        rankings: dict[str, list[list[str]]] = {name: [] for name in rankers}
        for done, (query, text) in enumerate(questions, 1):
            for name, rank in rankers.items():
                rankings[name].append([document for document in rank(text) if document != query])
            progress(done)
    judged = [qrels[name] for name, _ in questions]
    for name, found in rankings.items():
        _measure(report, name, found, judged)
    if "reranked" not in rankings:
        report.missing("reranked", "the setting rerank is 0")
    report.put("documents", len({passage.source for passage in passages}))
    report.put("passages", len(passages))
    return len(questions)


def _measure(report: Report, name: str, found: Sequence[list[str]], judged: Sequence[dict[str, float]]) -> None:
    pairs = list(zip(found, judged, strict=True))
    relevant = [{doc for doc, gain in gains.items() if gain > 0} for gains in judged]
    report.mean((name, "ndcg@10"), [metrics.ndcg(ranking, gains, 10) for ranking, gains in pairs])
    for k in (10, 100):
        shares = [metrics.recall_at(ranking, docs, k) for (ranking, _), docs in zip(pairs, relevant, strict=True)]
        report.mean((name, f"recall@{k}"), shares)
    firsts = [
        metrics.reciprocal_rank([doc in docs for doc in ranking], 10)
        for (ranking, _), docs in zip(pairs, relevant, strict=True)
    ]
    report.mean((name, "mrr@10"), firsts)


def _rankers(generation: Generation, passages: Sequence[Passage], bot: Bot) -> dict[str, Ranker]:
    embedder, served = bot.library.embedder, bot.responder.retriever
    while isinstance(served, Versioned | Voted):  # a benchmark's documents have neither versions nor votes
        served = served.retriever
    hybrid = HybridRetriever(embedder, generation, lambda ids: [passages[number] for number in ids])

    def documents(numbers: Iterator[int]) -> list[str]:
        return list(dict.fromkeys(passages[number].source for number in numbers))[:DEPTH]

    def nearest(vectors: Vectors) -> Iterator[int]:
        return iter(generation.dense(vectors, WIDE)[0][0].tolist())

    rankers = {
        "dense": lambda text: documents(nearest(embedder.encode_queries([clean(text)]))),
        "lexical": lambda text: documents(number for number, _ in generation.lexical(text, WIDE)),
        "hybrid": lambda text: documents(found.passage.id for found in hybrid.search([text], WIDE)),
    }
    if isinstance(served, Reranker | CrossEncoderReranker):
        over = replace(served, retriever=hybrid)
        reranked = replace(over, passages=lambda ids: ()) if isinstance(over, Reranker) else over
        rankers["reranked"] = lambda text: documents(found.passage.id for found in reranked.search([text], WIDE))
    return rankers
