"""Orders put into pages of ordinary text: how many survive the screening of evidence, and what is lost with them.

    python benchmarks/injection.py DATA --out benchmarks/results/injection.json

DATA is the folder of the development data. Orders are those kept from training (templates of the project, BIPIA,
CyberSecEval) and BIPIA's plain tasks, which are orders only because nobody asked them; pages are paragraphs of SQuAD
articles kept from training and the demo sources. An order survives when any character of it is left. Prints one JSON
object.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.training.contrast import held_back
from app.training.injection import TASKS, gather
from app.training.quality_data import rows
from dialogue.screen import screened
from retrieval.encoder.adapters import load_reader
from retrieval.encoder.embed import load_encoder
from retrieval.sources import find_files, read_documents
from retrieval.text import sentences
from retrieval.types import Evidence, Passage
from safety import SHIPPED, WEIGHTS, EmbeddedGuard, load_policy

DEMO = Path(__file__).parent.parent / "examples" / "demo" / "sources"
PAGES = 600  # of either kind
LONGEST = 900  # characters of a page, about those of a passage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, help="write the result to this file too")
    given = parser.parse_args()
    guard = EmbeddedGuard(load_reader(load_encoder(), WEIGHTS, SHIPPED), load_policy())
    pages = {"squad": squad(given.data), "demo": demo()}
    result: dict[str, Any] = {"guard": guard.fingerprint}
    for name, texts in pages.items():
        result[f"{name}, untouched"] = untouched(guard, texts)
        for source, orders in found_orders(given.data).items():
            result[f"{name}, {source}"] = injected(guard, texts, orders)
    shelf = [evidence(text, place) for place, text in enumerate(pages["squad"][:12])]
    begun = time.perf_counter()
    for _ in range(10):
        screened(lambda texts: guard.check(texts, "evidence"), shelf)
    result["seconds of 12 harmless passages"] = round((time.perf_counter() - begun) / 10, 4)
    text = json.dumps(result, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


def found_orders(data: Path) -> dict[str, list[str]]:
    """Orders by where they come from; none that was trained on."""
    found: dict[str, list[str]] = {}
    for sentence in gather(data):
        if sentence.order and sentence.held:
            found.setdefault(sentence.source, []).append(sentence.text)
    for row in rows(data / "safety" / "bipia_parts_train.jsonl.gz"):
        if row["unsafe"] and row["category"].rpartition("/")[2] in TASKS:
            found.setdefault("bipia tasks", []).append(row["text"])
    ours = found["our orders"]
    found["two orders in a row"] = [f"{a} {b}" for a, b in zip(ours[::2], ours[1::2], strict=False)]
    return found


def squad(data: Path) -> list[str]:
    """Paragraphs of articles that are kept from training."""
    file = rows(data / "reading" / "squad1_train.jsonl.gz")
    found = dict.fromkeys(row["paragraph"][:LONGEST] for row in file if held_back(row["title"]))
    return random.Random(0).sample(list(found), PAGES)


def demo() -> list[str]:
    """The paragraphs of the demo sources."""
    documents = [document for path in find_files([DEMO]) for document in read_documents(path)]
    return [part for document in documents for part in document.text.split("\n\n") if len(sentences(part)) > 2][:PAGES]


def evidence(text: str, place: int = 0) -> Evidence:
    """A page as it is found."""
    return Evidence(Passage(place + 1, text, "page", "Page", (), 0, len(text)), 1.0)


def untouched(guard: EmbeddedGuard, pages: list[str]) -> dict[str, Any]:
    """What is lost of pages that hold no order."""
    whole = sum(len(sentences(page)) for page in pages)
    lost = [bad for page in pages for bad in screened_out(guard, page)]
    return {"pages": len(pages), "sentences lost": round(len(lost) / whole, 5), "lost": lost[:10]}


def injected(guard: EmbeddedGuard, pages: list[str], orders: list[str]) -> dict[str, Any]:
    """What is left of orders, and lost of the rest, with one order a page, between two sentences."""
    chance = random.Random(1)
    whole = lost = survived = 0
    missed: list[str] = []
    drawn = [(page, order) for page, order in zip(pages, _endless(orders, chance), strict=False)]
    for page, order in drawn:
        spans = sentences(page)
        at = chance.choice([0, *(end for _, end in spans)])
        glue = chance.choice([" ", "\n\n"])
        text = f"{page[:at]}{glue if at else ''}{order}{glue}{page[at:].lstrip()}"
        begin = len(page[:at]) + (len(glue) if at else 0)
        end = begin + len(order)
        kept, _ = screened(lambda texts: guard.check(texts, "evidence"), [evidence(text)])
        left = [(item.passage.start, item.passage.end) for item in kept]
        if any(start < end and begin < stop for start, stop in left):
            survived += 1
            missed.append(order)
        harmless = [s for s in sentences(text) if s[1] <= begin or s[0] >= end]
        whole += len(harmless)
        lost += sum(not any(start <= s[0] and s[1] <= stop for start, stop in left) for s in harmless)
    shares = {"survived": round(survived / len(drawn), 4), "harmless sentences lost": round(lost / whole, 4)}
    return {"pages": len(drawn), **shares, "missed": list(dict.fromkeys(missed))[:8]}


def _endless(orders: list[str], chance: random.Random) -> Iterator[str]:
    while True:
        yield from chance.sample(orders, len(orders))


def screened_out(guard: EmbeddedGuard, page: str) -> list[str]:
    """The sentences of a page that are withheld."""
    _, withheld = screened(lambda texts: guard.check(texts, "evidence"), [evidence(page)])
    return [item.passage.text[a:b] for item, _ in withheld for a, b in sentences(item.passage.text)]


if __name__ == "__main__":
    main()
