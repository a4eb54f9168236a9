"""Grounding in batch: its throughput beside the bare judge on the same batches, and the memory it holds.

    python benchmarks/batch.py DATA --rows 10000 --memory 10000 200000 --out benchmarks/results/batch.json

DATA is the folder of development data; the rows are those of its sets of faithfulness in turn, repeated with another
first word where there are too few. `bare` calls the judge on the very batches that the evaluation makes and does
nothing else; the two take turns over `--parts` parts of the rows, and `ratio` is that of rows per second of processor
time, which other processes on the machine do not change. Memory is the peak of a process of its own over rows of which
all but every `WEIGHED`th repeat a sentence of their evidence, which the judge sees at once. Prints one JSON object.
"""

import argparse
import gzip
import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain, cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

from app.config import load_settings
from app.evaluation import Options, run
from app.evaluation.grounding import KIND, pairs
from app.evaluation.judging import Judges, packaged_judges
from app.evaluation.rows import GroundingRow, Rows

WEIGHED = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="the folder of development data")
    parser.add_argument("--rows", type=int, default=10_000, help="rows that are judged for the throughput")
    parser.add_argument("--parts", type=int, default=5, help="how often the two take turns")
    parser.add_argument("--memory", type=int, nargs="*", default=[10_000, 200_000], help="rows held in turn")
    parser.add_argument("--held", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="write the figures to this file, too")
    given = parser.parse_args()
    if given.held:
        print(json.dumps(_held(given.held)))
        return
    if not (given.data / "faithfulness").is_dir():
        parser.error(f"{str(given.data)!r} is not the development data: it holds no folder 'faithfulness'")
    figures: dict[str, Any] = {"command": f"python benchmarks/batch.py DATA --rows {given.rows} --parts {given.parts}"}
    if given.rows:
        figures["throughput"] = _throughput(given.data, given.rows, given.parts)
    memory = []
    for rows in given.memory:
        command = [sys.executable, __file__, str(given.data), "--held", str(rows)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        memory.append(json.loads(done.stdout.splitlines()[-1]))
    figures["memory"] = memory
    text = json.dumps(figures, indent=1)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


def _rows(data: Path, n: int) -> list[dict[str, Any]]:
    """Rows of all sets in turn."""

    def of(file: Path) -> Iterator[dict[str, Any]]:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)

    files = sorted((data / "faithfulness").glob("*.jsonl.gz"))
    turns = chain.from_iterable(zip(*(cycle(list(of(file))) for file in files), strict=True))
    names = ("evidence", "response", "supported", "context")
    return [{name: row[name] for name in names if name in row} for row in islice(turns, n)]


def _throughput(data: Path, n: int, parts: int) -> dict[str, Any]:
    judges = packaged_judges(load_settings({}, {}))
    rows = _rows(data, n)
    spent = {"bare": [0.0, 0.0], "evaluated": [0.0, 0.0]}
    with TemporaryDirectory() as passing:
        for part in range(parts):
            path = Path(passing) / f"{part}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows[part::parts]), encoding="utf-8")
            ways = [("bare", _bare), ("evaluated", _evaluated)]
            for name, way in ways if part % 2 else ways[::-1]:
                started = perf_counter(), process_time()
                way(path, judges, Path(passing) / f"run-{part}")
                spent[name] = [
                    spent[name][0] + perf_counter() - started[0],
                    spent[name][1] + process_time() - started[1],
                ]
    found = {
        name: {
            "seconds": round(wall, 1),
            "processor_seconds": round(cpu, 1),
            "rows_per_processor_second": round(n / cpu, 2),
        }
        for name, (wall, cpu) in spent.items()
    }
    return {"rows": n, **found, "ratio": round(spent["bare"][1] / spent["evaluated"][1], 4)}


def _bare(path: Path, judges: Judges, folder: Path) -> None:
    """The judge alone, silent rows asked again as the evaluation does."""
    from dataclasses import replace

    for batch in KIND.batches(Rows(path, GroundingRow)):
        judges.forget()
        asked = pairs([row for _, row in batch])
        found = judges.ground(asked)
        again = [(replace(c, exhaustive=True), t) for (c, t), s in zip(asked, found, strict=True) if s.grounded is None]
        judges.ground(again)


def _evaluated(path: Path, judges: Judges, folder: Path) -> None:
    run("grounding", path, judges, options=Options(out=folder))


def _held(n: int) -> dict[str, Any]:
    """Evaluate so many rows in this process, and return the peak of its memory in MB."""
    judges = packaged_judges(load_settings({}, {}))
    with TemporaryDirectory() as passing:
        path = Path(passing) / "rows.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for number in range(n):
                fact = f"Island {number} lies {number + 3} miles off the coast."
                said = f"The island {number} is {number + 3} miles out." if number % WEIGHED == 0 else fact
                row = {"evidence": [f"{fact} Gulls nest there."], "response": said, "supported": True}
                file.write(json.dumps(row) + "\n")
        run("grounding", path, judges, limit=200)
        loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        started = process_time()
        run("grounding", path, judges, options=Options(out=Path(passing) / "run"))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = process_time() - started
    return {"rows": n, "loaded_mb": round(loaded), "peak_mb": round(peak), "processor_seconds": round(seconds, 1)}


if __name__ == "__main__":
    main()
