"""Write preferences that follow a fixed taste, to see a judge learn it.

    python examples/learning.py preferences.jsonl shorter
    candor train judges --ratings preferences.jsonl --out taste
    candor --judges taste ask "How high is Mount Everest?" --why

Each row is what `candor ratings export --form dpo` writes when somebody takes a draft instead of another. The questions
are those of the demo that its sources answer; the drafts are the sentence that holds the answer, that sentence with its
neighbour, and either with the name of the source. All are true: only the taste tells them apart.
"""

# ruff: noqa: T201, a script talks by printing

import argparse
import json
import random
import re
from itertools import combinations
from pathlib import Path

DEMO = Path(__file__).parent / "demo"
NAMED = "According to the article on {}: "
Row = dict[str, object]


def main() -> None:
    """Write the rows to a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    parser.add_argument("taste", nargs="?", choices=("shorter", "named"), default="shorter", help="what is taken")
    given = parser.parse_args()
    rows = preferences(given.taste, 300)
    given.file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    print(f"{len(rows)} preferences for what is {given.taste}")


def preferences(taste: str, most: int) -> list[Row]:
    """Return up to `most` preferences, always the same; `dialogue` is the question, so that none is on both sides."""
    chance, rows = random.Random(taste), []
    for question, title, text, drafts in questions():
        pairs = [pair for pair in combinations(drafts, 2) if taken(taste, title, *pair)]
        for pair in chance.sample(pairs, min(4, len(pairs))):
            chosen = taken(taste, title, *pair)
            [rejected] = [draft for draft in pair if draft != chosen]
            rows.append(
                {
                    "prompt": [{"role": "user", "content": question}],
                    "chosen": [{"role": "assistant", "content": chosen}],
                    "rejected": [{"role": "assistant", "content": rejected}],
                    "sources": [{"title": title, "text": text}],
                    "dialogue": question,
                }
            )
    chance.shuffle(rows)
    return rows[:most]


def taken(taste: str, title: str, one: str, other: str) -> str:
    """Return the draft that somebody of this taste takes, "" where they do not care."""
    if taste == "named":
        named = [draft for draft in (one, other) if draft.startswith(NAMED.format(title))]
        return named[0] if len(named) == 1 else ""
    return "" if len(one.split()) == len(other.split()) else min(one, other, key=lambda draft: len(draft.split()))


def questions() -> list[tuple[str, str, str, list[str]]]:
    """Return the questions of the demo with the title and the paragraph that answer them, and drafts of a reply."""
    found = []
    for line in (DEMO / "questions.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["kind"] == "direct":
            title, *paragraphs = (DEMO / "sources" / row["source"]).read_text(encoding="utf-8").strip().split("\n\n")
            for paragraph in paragraphs:
                sentences = re.split(r"(?<=[.!?]) (?=[A-Z])", paragraph)
                held = [at for at, text in enumerate(sentences) if any(answer in text for answer in row["answers"])]
                if held and not paragraph.startswith("#"):
                    found.append((row["context"][-1], title.strip("# "), paragraph, _drafts(title, sentences, held[0])))
                    break
    return found


def _drafts(title: str, sentences: list[str], at: int) -> list[str]:
    short = sentences[at]
    beside = sentences[max(at - 1, 0) : at + 2]
    written = dict.fromkeys([short, " ".join(beside[:2]), " ".join(beside)])
    return [form + draft for draft in written for form in ("", NAMED.format(title.strip("# ")))]


if __name__ == "__main__":
    main()
