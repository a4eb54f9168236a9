"""The published index at size: recall against comparing all, latency, build, memory, and what opening it takes.

    python benchmarks/index.py --passages 1000000 --work /tmp/million

The vectors are synthetic: 384 dimensions, a point per passage around one of passages / 100 topics, topics around
areas, queries drawn like passages. Spread and spectrum are chosen so that neighbours come from many topics: at 30,000
passages an inverted file of 1,024 lists that visits 16 finds .76 of the true ten, 64 .95; on 100,000 real MiniLM
vectors it finds .83 and .94. Texts are three words, so the word index is small. Every finished step stays in the work
folder, and a stopped run goes on from there. Opening and searching are measured in a process of their own.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.index import dense, manifest, shard
from retrieval.index.generation import Generation, build, open_current

DIMENSION = 384
CHUNK = 50_000
TRUE = 50  # nearest vectors kept of every query
ENCODER = "synthetic"
RESULTS = Path(__file__).parent / "results" / "index.json"


def main() -> None:
    options = _options()
    shard.EXACT = 0 if options.graph else shard.EXACT
    work: Path = options.work / "-".join(map(str, (options.passages, options.queries, options.seed, options.graph)))
    work.mkdir(parents=True, exist_ok=True)
    if options.measure:
        print(json.dumps(_measured(work, options)))
        return
    vectors, queries = _vectors(work, options.passages, options.queries, options.seed)
    _step(work / "exact.npy", "exact neighbours", lambda path: np.save(path, _exact(vectors, queries)))
    built = _step(work / "built.json", "build", lambda path: path.write_text(json.dumps(_built(work, vectors))))
    again = [sys.executable, __file__, "--measure", "--passages", str(options.passages), "--work", str(options.work)]
    again += ["--queries", str(options.queries), "--seed", str(options.seed), *["--graph"] * options.graph]
    measured = subprocess.run(again, stdout=subprocess.PIPE, text=True, check=True, cwd=Path(__file__).parents[1])
    result = {
        "vectors": "synthetic, clustered",
        "passages": options.passages,
        "queries": options.queries,
        "dimension": DIMENSION,
        "cores": len(os.sched_getaffinity(0)),
        "build": json.loads(built.read_text()),
        **json.loads(measured.stdout),
    }
    text = json.dumps(result, indent=1)
    print(text)
    options.out.write_text(text + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, required=True, help="where finished steps are kept; 2.5 GB for a million")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--graph", action="store_true", help="a graph however few the passages, to try this script")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _step(path: Path, name: str, make: Callable[[Path], object]) -> Path:
    """Make a file unless an earlier run has; half of one never gets its name."""
    if not path.exists():
        begun = time.perf_counter()
        half = path.with_name(f"half-{path.name}")
        make(half)
        half.replace(path)
        print(f"{name}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    return path


def _vectors(work: Path, passages: int, queries: int, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the passages' vectors in float16, mapped, and the queries'."""
    dice = np.random.default_rng(seed)
    scale = (1 + np.arange(DIMENSION)) ** -0.5
    scale /= np.linalg.norm(scale)
    topics = max(2, passages // 100)
    areas = dice.normal(size=(max(2, int(topics**0.5)), DIMENSION))
    middles = (
        0.6 * areas[dice.integers(len(areas), size=topics)] + 0.8 * dice.normal(size=(topics, DIMENSION))
    ) * scale
    weights = (1 + np.arange(topics)) ** -0.5
    weights /= weights.sum()

    def drawn(rows: int, part: int) -> NDArray[Any]:
        own = np.random.default_rng([seed, part])
        points = middles[own.choice(topics, size=rows, p=weights)]
        points = points + 2 * own.normal(size=(rows, DIMENSION)) * scale
        return points / np.linalg.norm(points, axis=1, keepdims=True)

    def make(path: Path) -> None:
        whole = np.lib.format.open_memmap(path, "w+", np.float16, (passages, DIMENSION))
        for start in range(0, passages, CHUNK):
            rows = min(CHUNK, passages - start)
            whole[start : start + rows] = drawn(rows, 1 + start // CHUNK)
        whole.flush()

    path = _step(work / "vectors.npy", "vectors", make)
    return np.load(path, mmap_mode="r"), drawn(queries, 0).astype(np.float32)


def _exact(vectors: NDArray[Any], queries: NDArray[Any]) -> NDArray[Any]:
    """Return the rows of the nearest vectors of every query, by comparing all in float32."""
    best = np.full((len(queries), TRUE), -2, dtype=np.float32)
    rows = np.zeros((len(queries), TRUE), dtype=np.int64)
    for start in range(0, len(vectors), CHUNK):
        cosines = queries @ vectors[start : start + CHUNK].astype(np.float32).T
        all_cosines = np.hstack([best, cosines])
        all_rows = np.hstack([rows, np.broadcast_to(np.arange(start, start + cosines.shape[1]), cosines.shape)])
        order = np.argpartition(-all_cosines, TRUE, axis=1)[:, :TRUE]
        best, rows = np.take_along_axis(all_cosines, order, 1), np.take_along_axis(all_rows, order, 1)
    return np.take_along_axis(rows, np.argsort(-best, axis=1), 1)


def _built(work: Path, vectors: NDArray[Any]) -> dict[str, Any]:
    texts = [f"passage {number} text{number % 5000}" for number in range(len(vectors))]
    begun, cpu = time.perf_counter(), time.process_time()
    generation = build(work / "index", range(len(vectors)), vectors, texts, ENCODER)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    folder = work / "index" / generation.id
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "vectors_mb": round(sum(file.stat().st_size for file in folder.glob("vectors*")) / 1e6, 1),
        "words_mb": round(sum(file.stat().st_size for file in (folder / "lexical").iterdir()) / 1e6, 1),
    }


def _measured(work: Path, options: argparse.Namespace) -> dict[str, Any]:
    vectors, queries = _vectors(work, options.passages, options.queries, options.seed)
    exact = np.load(work / "exact.npy")
    _opened(work)  # loads the libraries
    from_disk = _from_disk(work)
    before = _memory()
    opened: list[Generation] = []
    verified = _seconds(lambda: opened.append(_opened(work)))
    generation = opened[0]
    folder = work / "index" / generation.id
    files = list(folder.glob("vectors*"))
    unverified = _seconds(lambda: dense.load({file.name: manifest.contents(file) for file in files}))
    mapped = max(file.stat().st_size for file in files) >= manifest.MAPPED
    shards = generation.shards
    after_open = _memory()
    result = {
        "kind": "graph" if shards[0].graph else "exact",
        "shards": [each.size for each in shards],
        "open": {
            "mapped": mapped,
            "seconds_verified": round(verified, 3),
            "seconds_unverified_vectors_alone": round(unverified, 4),
            "seconds_verified_from_disk": round(from_disk, 3),
            "memory_mb": {name: after_open[name] - before[name] for name in before},
        },
        "search": {},
    }
    if shards[0].graph:
        chosen = [each.breadth for each in shards]
        for breadth in shard.BREADTHS[2:]:
            for each in shards:
                each.breadth = breadth
            result["search"][f"breadth_{breadth}"] = _searched(generation, queries, exact)
        for each, tried in zip(shards, chosen, strict=True):
            each.breadth = tried
        result["breadths_chosen"] = chosen
    result["search"]["chosen"] = _searched(generation, queries, exact)
    after_search = _memory()
    result["memory_after_searches_mb"] = {name: after_search[name] - before[name] for name in before}
    left = np.setdiff1d(
        np.arange(len(vectors)), np.random.default_rng(0).permutation(len(vectors))[: len(vectors) // 10]
    )
    result["with_a_tenth_removed"] = _searched(generation.keeping(left), queries, exact, left)
    few = queries[:30]
    result["comparing_all_ms"] = _milliseconds(lambda query: generation.dense(query[None], 2 * shard.DEEPEST), few)[0]
    return result


def _opened(work: Path) -> Generation:
    generation = open_current(work / "index", ENCODER)
    if generation is None:
        raise SystemExit("nothing was published: remove the work folder and run again")
    return generation


def _searched(
    generation: Generation, queries: NDArray[Any], exact: NDArray[Any], left: NDArray[Any] | None = None
) -> dict[str, Any]:
    """Return recall@10, and milliseconds of single queries from one caller and from two at once."""
    for query in queries[:50]:
        generation.dense(query[None], 10)
    found = [generation.dense(query[None], 10)[0][0] for query in queries]
    true = exact if left is None else [row[np.isin(row, left)] for row in exact]
    recall = statistics.mean(len(set(f.tolist()) & set(t[:10].tolist())) / 10 for f, t in zip(found, true, strict=True))
    one = _milliseconds(lambda query: generation.dense(query[None], 10), queries)
    both: list[float] = []

    def caller() -> None:
        for query in queries:
            begun = time.perf_counter()
            generation.dense(query[None], 10)
            both.append(1000 * (time.perf_counter() - begun))

    threads = [threading.Thread(target=caller) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "recall@10": round(recall, 4),
        "ten_each": all(len(set(f.tolist())) == 10 for f in found),
        "one_caller_ms": {"median": one[0], "p95": one[1]},
        "two_callers_ms": {"median": round(statistics.median(both), 3), "p95": round(np.percentile(both, 95), 3)},
    }


def _milliseconds(search: Callable[[NDArray[Any]], object], queries: NDArray[Any]) -> tuple[float, float]:
    times = [1000 * _seconds(lambda query=query: search(query)) for query in queries]
    return round(statistics.median(times), 3), round(float(np.percentile(times, 95)), 3)


def _from_disk(work: Path) -> float:
    """Return the seconds of a verified open after the system was asked to forget the files."""
    for file in (work / "index").rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return _seconds(lambda: _opened(work))


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _memory() -> dict[str, int]:
    """Return what this process holds in memory: its own, and pages of mapped files that the system may drop."""
    rows = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(rows[key].split()[0]) // 1024 for name, key in (("own", "RssAnon"), ("mapped", "RssFile"))}


if __name__ == "__main__":
    main()
