"""What slips of typing cost the search, and how much of it the spelling wins back.

    python benchmarks/spelling.py DATA --out benchmarks/results/spelling.json

DATA is the folder of development data. Questions of articles of SQuAD that nothing was trained on are asked of their
paragraphs: as written, with one or two slips each (two letters exchanged, one left out, doubled, or hit beside), and
with the slips mended. `found` is the share whose paragraph is the first passage found, or among five; `mended` of the
slips that come back as they were; `touched` the share of rightly spelt questions that are changed: those whose words
all stand five times or more in the file. Prints one JSON object.
"""

import argparse
import json
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.training.quality_data import rows as lines
from app.training.reader_data import held, titled
from retrieval.encoder.embed import load_encoder
from retrieval.index.generation import build_of
from retrieval.passages import cut_all
from retrieval.search import HybridRetriever
from retrieval.spelling import Spelling, lexicon_of
from retrieval.text import clean

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="the folder of development data")
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--articles", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the figures to this file, too")
    given = parser.parse_args()
    file = given.data / "reading" / "squad1_train.jsonl.gz"
    if not file.is_file():
        parser.error(f"{str(given.data)!r} is not the development data: it holds no reading/squad1_train.jsonl.gz")
    rng = random.Random(given.seed)
    every = list(lines(file))
    usual = Counter(
        word for text in dict.fromkeys(t for r in every for t in (r["question"], r["paragraph"])) for word in read(text)
    )
    rows = [row for row in every if held(row)]
    articles = rng.sample(sorted({row["title"] for row in rows}), given.articles)
    rows = [row for row in rows if row["title"] in articles]
    figures = measured(rows, rng.sample(rows, given.questions), usual, rng)
    text = json.dumps({"articles": given.articles, "seed": given.seed} | figures, indent=1)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


def measured(
    rows: Sequence[dict[str, Any]], asked: Sequence[dict[str, Any]], usual: Counter[str], rng: random.Random
) -> dict[str, Any]:
    """Return the figures of the questions `asked` of the paragraphs of `rows`."""
    encoder = load_encoder()
    texts = dict.fromkeys((titled(row), clean(row["paragraph"])) for row in rows)
    passages = cut_all([(title, title, text) for title, text in texts])
    with tempfile.TemporaryDirectory() as folder:
        generation = build_of(Path(folder), passages, encoder)
        retriever = HybridRetriever(encoder, generation, lambda ids: [p for p in passages if p.id in set(ids)])
        spelling = Spelling(lexicon_of(encoder.vocabulary), retriever.vocabulary)
        right = [clean(row["question"]).strip() for row in asked]
        slipped = [misspelt(question, rng) for question in right]
        begun = time.perf_counter()
        mended = [spelling.corrected(text) for text in slipped]
        seconds = time.perf_counter() - begun
        wanted = [clean(row["paragraph"]) for row in asked]
        found = {
            name: shares(retriever, questions, wanted)
            for name, questions in (("as_written", right), ("with_slips", slipped), ("mended", mended))
        }
        spelt = dict.fromkeys(clean(row["question"]) for row in rows)
        spelt = [text for text in spelt if all(usual[word] >= 5 for word in read(text))]
        touched = [(text, spelling.corrected(text)) for text in spelt]
    changed = [pair for pair in touched if pair[0] != pair[1]]
    words = [
        (one, wrong, two)
        for text, typed, made in zip(right, slipped, mended, strict=True)
        if len(text.split()) == len(typed.split()) == len(made.split())
        for one, wrong, two in zip(text.split(), typed.split(), made.split(), strict=True)
        if one != wrong
    ]
    return {
        "questions": len(asked),
        "passages": len(passages),
        "found": found,
        "slips_mended": round(sum(one.casefold() == two.casefold() for one, _, two in words) / len(words), 3),
        "spelt_rightly": len(spelt),
        "touched": round(len(changed) / len(spelt), 4),
        "touched_questions": [" -> ".join(pair) for pair in changed],
        "ms_per_question": round(1000 * seconds / len(asked), 2),
    }


def read(text: str) -> list[str]:
    """Return the words of a text, case aside."""
    return re.findall(r"[^\W\d_]+", text.casefold())


def shares(retriever: HybridRetriever, questions: Sequence[str], wanted: Sequence[str]) -> dict[str, float]:
    """Return the shares of questions whose paragraph holds the first passage found, and one of the first five."""
    hits = [
        [item.passage.text in text for item in retriever.search([question], 5)]
        for question, text in zip(questions, wanted, strict=True)
    ]
    return {
        "first": round(sum(row[0] for row in hits) / len(hits), 3),
        "five": round(sum(any(row) for row in hits) / len(hits), 3),
    }


def misspelt(question: str, rng: random.Random) -> str:
    """Return the question with a slip in one word or two."""
    words = list(re.finditer(r"\b[^\W\d_]{4,}\b", question))
    for match in sorted(rng.sample(words, min(len(words), rng.choice((1, 2)))), key=lambda m: -m.start()):
        question = question[: match.start()] + slip(match.group(), rng) + question[match.end() :]
    return question


def slip(word: str, rng: random.Random) -> str:
    """Return a word with one slip, not of its first letter."""
    at = rng.randrange(1, len(word) - 1)
    row = next((row for row in _ROWS if word[at].lower() in row), "aa")
    place = row.find(word[at].lower())
    beside = row[place - 1] if place else row[1]
    made = rng.choice(
        (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + beside + word[at + 1 :],
        )
    )
    return made if made != word else word[:at] + word[at + 1 :]


if __name__ == "__main__":
    main()
