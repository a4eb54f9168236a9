"""A table of 100,000 rows: how long it takes to read, what memory, and whether each row is found by its key.

    python benchmarks/tables.py --out benchmarks/results/tables.json

A CSV file of orders, drawn with a fixed seed, is ingested into a new data folder twice, the second time unchanged.
Then orders are asked for by their numbers, LOOKED_UP that are there and LOOKED_UP that are not: counted is how often
the passage found first holds the row, and how often a reply names the pieces of that order and of no other.
"""

import argparse
import csv
import json
import os
import random
import resource
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOOKED_UP = 20
NAMES = ("order", "customer", "town", "article", "pieces", "sent on")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measured(Path(folder), options.rows)
    text = json.dumps(result, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


def write_orders(path: Path, count: int) -> dict[str, str]:
    """Write the table, the same one every time; return the pieces of every order by its number."""
    dice, pieces = random.Random(3), dict[str, str]()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(NAMES)
        for number in range(count):
            key = f"ORD-{700_000 + 2 * number}"
            who = f"{dice.choice(['Ames', 'Bode', 'Cole', 'Dunn', 'Eyre'])} {dice.choice(['Ltd', 'and Sons', 'Works'])}"
            town = dice.choice(["Holme", "Weirside", "Penlock", "Ashgate"])
            article = f"{dice.choice(['hinge', 'bolt', 'latch', 'hasp'])} {dice.randint(1, 90)}"
            pieces[key] = str(dice.randint(1000, 9999))
            day = f"2024-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}"
            writer.writerow([key, who, town, article, pieces[key], day])
    return pieces


def measured(folder: Path, rows: int) -> dict[str, object]:
    """Ingest twice and look orders up."""
    from app.bot import open_bot

    path = folder / "orders.csv"
    pieces = write_orders(path, rows)
    with open_bot(folder / "data", "quote") as bot:
        bot.library.embedder.encode(["warm"])
        begun, used = time.perf_counter(), _processor()
        first = bot.ingest([path])
        seconds, cpu = time.perf_counter() - begun, _processor() - used
        assert first.count("added") == 1, first
        begun = time.perf_counter()
        assert bot.ingest([path]).count("unchanged") == 1
        again = time.perf_counter() - begun
        dice = random.Random(4)
        there = dice.sample(sorted(pieces), LOOKED_UP)
        found = answered = declined = 0
        waited: list[float] = []
        for key in there:
            begun = time.perf_counter()
            reply = bot.ask(f"How many pieces are in {key}?")
            waited.append(time.perf_counter() - begun)
            answered += pieces[key] in reply.text and reply.outcome == "answered"
            found += any(f"order: {key} |" in item.passage.text for item in reply.trace.evidence)
        for key in (f"ORD-{int(key[4:]) + 1}" for key in there):
            declined += bot.ask(f"How many pieces are in {key}?").outcome != "answered"
        return {
            "rows": rows,
            "megabytes": round(path.stat().st_size / 1e6, 1),
            "passages": first.files[0].passages,
            "seconds": round(seconds, 1),
            "processor_seconds": round(cpu, 1),
            "unchanged_seconds": round(again, 3),
            "peak_memory_mb": _peak(resource.RUSAGE_SELF),
            "peak_memory_of_the_parser_mb": _peak(resource.RUSAGE_CHILDREN),
            "cores": len(os.sched_getaffinity(0)),
            "looked_up": LOOKED_UP,
            "rows_among_the_evidence": found,
            "answered": answered,
            "absent_and_declined": declined,
            "seconds_a_question": round(sorted(waited)[len(waited) // 2], 2),
        }


def _processor() -> float:
    """Processor seconds of this process and of those it waited for."""
    each = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in each)


def _peak(who: int) -> int:
    return resource.getrusage(who).ru_maxrss >> 10


if __name__ == "__main__":
    main()
