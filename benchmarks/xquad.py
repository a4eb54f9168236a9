"""Answer every question of an XQuAD-like file from its own paragraphs, and from the nearest sentence alone.

    python benchmarks/xquad.py XQUAD.jsonl.gz --out benchmarks/results/xquad

Rows have ``paragraph``, ``question`` and ``answer`` (or ``answers``). All paragraphs are ingested into a
fresh data folder, one document each; every question is then evaluated as ``candor evaluate dialogue`` does.
The baseline replies with the sentence of highest MiniLM cosine in the five best passages, and never abstains.
Prints one JSON object.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from app.bot import Bot, open_bot
from app.evaluation import run
from app.evaluation.metrics import answer_hit, wilson
from app.evaluation.rows import lines
from retrieval.text import sentences


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, help="keep rows and result in this folder")
    parser.add_argument("--limit", type=int, help="evaluate the first rows only")
    parser.add_argument("--model", default="quote")
    given = parser.parse_args()
    rows = [json.loads(line) for _, line in lines(given.data)]
    with tempfile.TemporaryDirectory() as folder:
        names = written(rows, Path(folder) / "paragraphs")
        asked = [
            {"context": [row["question"]], "answers": answers(row), "source": names[row["paragraph"]]}
            for row in rows[: given.limit]
        ]
        questions = Path(folder) / "questions.jsonl"
        questions.write_text("".join(json.dumps(row) + "\n" for row in asked), encoding="utf-8")
        with open_bot(Path(folder) / "data", model=given.model) as bot:
            bot.ingest([Path(folder) / "paragraphs"])
            result = run("dialogue", questions, bot)
            result["baseline"] = baseline(bot, asked)
    text = json.dumps(result, ensure_ascii=False, indent=1)
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "dialogue.json").write_text(text + "\n", encoding="utf-8")
    print(text)


def written(rows: list[dict[str, Any]], folder: Path) -> dict[str, str]:
    """Write each distinct paragraph as a text file and return its name by paragraph."""
    folder.mkdir()
    names: dict[str, str] = {}
    for row in rows:
        if row["paragraph"] not in names:
            names[row["paragraph"]] = f"paragraph-{len(names):04d}.txt"
            (folder / names[row["paragraph"]]).write_text(row["paragraph"] + "\n", encoding="utf-8")
    return names


def answers(row: dict[str, Any]) -> list[str]:
    return list(row["answers"]) if "answers" in row else [row["answer"]]


def baseline(bot: Bot, asked: list[dict[str, Any]]) -> dict[str, Any]:
    """How often the nearest sentence of the five best passages holds an answer, with its 95 % interval."""
    retriever = bot.responder.retriever  # type: ignore[attr-defined]
    encoder = bot.library.embedder
    hits = []
    for row in asked:
        question = row["context"][-1]
        passages = [found.passage.text for found in retriever.search([question], 5)]
        spoken = [text[start:end] for text in passages for start, end in sentences(text)]
        vectors = encoder.encode([question, *spoken])
        best = spoken[int(np.argmax(vectors[1:] @ vectors[0]))] if spoken else ""
        hits.append(answer_hit(best, row["answers"]))
    return {"answer_hit": sum(hits) / len(hits), "ci95": wilson(sum(hits), len(hits)), "n": len(hits)}


if __name__ == "__main__":
    main()
