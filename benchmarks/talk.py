"""Talk with the language model in the box: thanks, feelings, complaints, help in need, and the same in a role's voice.

    python benchmarks/talk.py FIELD/A --out benchmarks/results/talk.json

Asks the rows of a field set that are no questions about the world, its documents being the library; the talk and the
feelings a second time as the role that is named. Every reply is printed and stands in the result, with who wrote it.
Counted are replies that claim something without a source, and those that cite where nothing was asked. Prints a line
for each reply, and the counts as one JSON object.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from app.bot import open_bot
from app.evaluation.rows import lines
from dialogue.respond import Responder
from dialogue.types import Reply, Role, Turn

KINDS = ("talk", "feelings", "complaint", "crisis", "language")
SPOKEN = ("talk", "feelings")  # asked again in the role
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("field", type=Path, help="the folder of a field set")
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--role", default="everest", help="the role in which talk is asked again")
    parser.add_argument("--out", type=Path, help="write the result to this file too")
    given = parser.parse_args()
    rows = [row for _, text in lines(given.field / "questions.jsonl") if (row := json.loads(text))["kind"] in KINDS]
    with tempfile.TemporaryDirectory() as folder, open_bot(folder, given.model) as bot:
        bot.ingest([given.field / "docs"])
        assert isinstance(bot.responder, Responder)
        asked = [(row, bot.role()) for row in rows]
        asked += [(row, bot.role(given.role)) for row in rows if row["kind"] in SPOKEN]
        replies = [answered(bot.responder, row, role) for row, role in asked]
    told = {
        "model": given.model,
        "n": len(replies),
        "claims_without_source": sum(bool(reply["unsupported"]) for reply in replies),
        "cited_without_question": sum(reply["cited"] > 0 for reply in replies if reply["kind"] != "complaint"),
        "written_by_the_model": sum(reply["writer"] not in ("quote", "") for reply in replies),
    }
    print(json.dumps(told, indent=1))
    if given.out:
        given.out.write_text(json.dumps({**told, "replies": replies}, indent=1, ensure_ascii=False) + "\n", "utf-8")


def answered(responder: Responder, row: Row, role: Role) -> Row:
    """Take the turn and print it."""
    said = row["context"]
    turns = [Turn("user" if (len(said) - 1 - at) % 2 == 0 else "assistant", text) for at, text in enumerate(said)]
    reply = next(step for step in responder.steps(turns, role) if isinstance(step, Reply))
    served = next((c for c in reply.trace.candidates if not c.dropped and c.text[:20] == reply.text[:20]), None)
    claims = served.scores.claims if served else ()
    print(f"{row['kind']:10} {role.name:14} {said[-1][:60]!r:64} {reply.outcome:10} {reply.text[:200]!r}", flush=True)
    return {
        "id": row["id"],
        "kind": row["kind"],
        "role": role.name,
        "said": said[-1],
        "outcome": reply.outcome,
        "reply": reply.text,
        "cited": len(reply.citations),
        "writer": served.writer if served else "",
        "unsupported": [claim.text for claim in claims if claim.support is not None and not claim.supported],
    }


if __name__ == "__main__":
    main()
