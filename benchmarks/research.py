"""Does research find what one search does not? Two-hop questions about the demo documents, with scripted queries.

    python benchmarks/research.py --out benchmarks/results/research.json

Each question names a thing only by what one document says of it (the clue), and asks what another document says.
The script looks up the clue while it is not among the evidence, then the answer, as one who reads would. Counts the
questions whose answer is among the evidence, by the number of passages searched for at first. Prints one JSON object.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.bot import Bot, open_bot
from dialogue.models.scripted import Scripted
from dialogue.prompts import ABSTENTION
from dialogue.research import lookups
from dialogue.respond import Options, Responder
from dialogue.types import Context, Sampling, Turn

HERE = Path(__file__).parent
SOURCES = HERE.parent / "examples" / "demo" / "sources"
ROUNDS = 4
PASSAGES = (1, 2, 4, 8)

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, help="write the result to this file too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, open_bot(folder, "quote") as bot:
        bot.ingest([SOURCES])
        result = {"questions": len(rows()), "rounds": ROUNDS, "found": [found(bot, k) for k in PASSAGES]}
    text = json.dumps(result, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


def rows() -> list[Row]:
    text = (HERE / "two_hops.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def found(bot: Bot, passages: int) -> dict[str, int]:
    """How many answers one search of so many passages finds, how many research finds, and in how many look-ups."""
    counts = {"passages": passages, "search": 0, "research": 0, "lookups": 0}
    for row in rows():
        for name, rounds in (("search", 0), ("research", ROUNDS)):
            options = Options(Sampling(n=1), passages=passages, rounds=0, research=rounds)
            assert isinstance(bot.responder, Responder)
            responder = replace(bot.responder, model=Scripted(reader(row)), options=options)
            trace = responder.respond([Turn("user", row["question"])]).trace
            counts[name] += any(row["answer"] in item.passage.text for item in trace.evidence)
            counts["lookups"] += len(lookups(trace.research))
    return counts


def reader(row: Row) -> Callable[[Context], Sequence[str]]:
    """A model that looks up what it has not seen: first the clue, then the answer."""

    def replies(context: Context) -> list[str]:
        seen = "\n".join(item.passage.text for item in context.evidence)
        if not context.research:
            return [ABSTENTION]
        if row["answer"] in seen:
            return [f"User, {row['answer']}"]
        return [f"TS, {row['queries'][row['clue'] in seen]}"]

    return replies


if __name__ == "__main__":
    main()
