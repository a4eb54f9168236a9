"""Questions of the shared reading data with the passages that are shown with them and the answers that are known.

What the generator is tuned on, and what its candidates are sampled on to be labelled. Articles are dealt out by their
titles, so that nothing tuned on is sampled on, and that what is held back of either is of articles not seen before.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from app.training.quality_data import rows as lines
from app.training.quality_data import share
from app.training.reader_data import HELD, joined, titled
from retrieval.text import clean

Split = Literal["tune", "sample", "held"]

SAMPLED: Final = 0.35  # of the articles lie below it and are not tuned on; of these, those below HELD are held back
LONGEST: Final = 1100  # characters of a passage
SQUAD: Final = "squad1_train.jsonl.gz"
TWINS: Final = "squad2_train_unanswerable_pairs.jsonl.gz"
TALES: Final = "fairytaleqa_train.jsonl.gz"
SENTENCES: Final = "qamr_sentences_dev.jsonl.gz"
CLOSED: Final = "dolly_closedqa_subset.jsonl.gz"


@dataclass(frozen=True, slots=True)
class Reading:
    """A question with its passages.

    `answers` are the known spans, of the kind "dolly" a person's reply; () when none is known to answer. `key`
    names question and article for a split; `gold` is the place of the passage that answers, -1 for none.
    """

    key: str
    kind: str
    question: str
    passages: tuple[str, ...]
    answers: tuple[str, ...]
    gold: int
    split: Split


def split_of(title: str) -> Split:
    """Return what an article is for; those of the split "held" are those the reader does not learn from either."""
    place = share(f"reader {title}")
    return "held" if place < HELD else "sample" if place < SAMPLED else "tune"


def readings(data: Path, wanted: Split | None = None, seed: int = 0) -> dict[str, list[Reading]]:
    """Return the questions by kind, of one split or all, in an order that only the seed decides.

    The kinds: "squad" with the one passage, "several" beside another of its article, "near" with others alone, "twin"
    (nobody could answer it: SQuAD 2.0), "tale", "sentence", "dolly", and "strange" with passages of another article.
    """
    rng = random.Random(f"readings {seed}")
    folder = data / "reading"
    squad = [row for row in lines(folder / SQUAD) if _fits(row) and wanted in (None, split_of(row["title"]))]
    pages = _pages(squad)
    found = {
        "squad": [_one(row, "squad") for row in squad],
        "several": list(_several(squad, pages, rng)),
        "near": list(_near(squad, pages, rng)),
        "strange": list(_strange(squad, rng)),
        "twin": [_one(row, "twin", answered=False) for row in lines(folder / TWINS) if _fits(row)],
        "tale": [_one(row, "tale") for row in lines(folder / TALES) if _fits(row)],
        "sentence": [_sentence(row) for row in lines(folder / SENTENCES)],
        "dolly": [_written(row) for row in lines(folder / CLOSED) if _fits(row)],
    }
    kept = {kind: [row for row in rows if wanted in (None, row.split)] for kind, rows in found.items()}
    for rows in kept.values():
        rng.shuffle(rows)
    return kept


def mixed(found: Mapping[str, Sequence[Reading]], shares: Mapping[str, float], count: int) -> list[Reading]:
    """Return about `count` questions, each kind's share of them, dealt round: every beginning has the same mixture."""
    queues = [list(found[kind][: round(count * part)]) for kind, part in shares.items()]
    placed = [((at + 0.5) / len(queue), row) for queue in queues for at, row in enumerate(queue)]
    return [row for _, row in sorted(placed, key=lambda pair: pair[0])]


def _fits(row: Mapping[str, Any]) -> bool:
    return len(row["paragraph"]) <= LONGEST


def _pages(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for row in rows:
        found[row["title"]][row["paragraph"]] = None
    return {title: list(pages) for title, pages in found.items()}


def _one(row: Mapping[str, Any], kind: str, answered: bool = True) -> Reading:
    answers = tuple(dict.fromkeys(clean(answer) for answer in row["answers"])) if answered else ()
    title = row.get("title") or row["question"]
    passages = (clean(row["paragraph"]),)
    return Reading(
        _key(kind, row), kind, clean(row["question"]), passages, answers, 0 if answered else -1, split_of(title)
    )


def _key(kind: str, row: Mapping[str, Any]) -> str:
    return f"{kind} {titled(row)} {row.get('id') or row['question']}"


def _others(row: Mapping[str, Any], pages: Mapping[str, Sequence[str]], rng: random.Random, count: int) -> list[str]:
    """Passages of the row's article that share words with the question and hold none of its answers."""
    asked = set(row["question"].casefold().split())
    answers = [answer.casefold() for answer in row["answers"]]
    known = pages[row["title"]]
    drawn = rng.sample(known, min(len(known), 8))
    able = [page for page in drawn if not any(answer in page.casefold() for answer in answers)]
    able.sort(key=lambda page: -len(asked & set(page.casefold().split())))
    return [clean(page) for page in able[:count]]


def _several(
    rows: Iterable[Mapping[str, Any]], pages: Mapping[str, Sequence[str]], rng: random.Random
) -> Iterator[Reading]:
    for row in rows:
        one = _one(row, "several")
        passages = [*_others(row, pages, rng, 1), *one.passages]
        rng.shuffle(passages)
        if len(passages) > 1 and sum(map(len, passages)) <= 2 * LONGEST:
            gold = passages.index(one.passages[0])
            yield Reading(one.key, "several", one.question, tuple(passages), one.answers, gold, one.split)


def _near(
    rows: Iterable[Mapping[str, Any]], pages: Mapping[str, Sequence[str]], rng: random.Random
) -> Iterator[Reading]:
    for row in rows:
        others = tuple(_others(row, pages, rng, rng.choice((1, 1, 2))))
        if others:
            yield Reading(_key("near", row), "near", clean(row["question"]), others, (), -1, split_of(row["title"]))


def _strange(rows: Sequence[Mapping[str, Any]], rng: random.Random) -> Iterator[Reading]:
    for row in rng.sample(rows, min(len(rows), 4000)):
        other = rng.choice(rows)
        if other["title"] != row["title"]:
            passages = (clean(other["paragraph"]),)
            question = clean(row["question"])
            yield Reading(_key("strange", row), "strange", question, passages, (), -1, split_of(row["title"]))


def _sentence(row: Mapping[str, Any]) -> Reading:
    answers = tuple(dict.fromkeys(joined(answer) for answer in row["answers"]))
    key, passages = f"sentence {row['id']}", (joined(row["paragraph"]),)
    return Reading(key, "sentence", clean(row["question"]), passages, answers, 0, split_of(row["title"]))


def _written(row: Mapping[str, Any]) -> Reading:
    question, passages = clean(row["question"]), (clean(row["paragraph"]),)
    return Reading(f"dolly {question}", "dolly", question, passages, (clean(row["answer"]),), 0, split_of(question))
