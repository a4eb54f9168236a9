"""Training examples of the quality judges, made from the development data's files.

Holds how replies are corrupted (swapped, repeated, shuffled, negated) and which replies count as generic.
"""

import gzip
import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from app.training.smalltalk import ABSTENTIONS, GENERIC, PAIRS
from dialogue.judges.quality import WINDOW, clean

CORPORA = {"topical_chat": "topical_chat_rare.train", "cmu_dog": "cmu_dog.train"}
DIALOGUES = 4000  # of each corpus, at most, from which an adapter's part is taken
STRANGERS = 3  # random replies beside each true one, from which an adapter learns
FEWER = 500  # from which the heads' part and what is held out are
TURNS = 12  # replies taken from one dialogue
RATED = {"Poor": 0.0, "Not Good": 0.25, "Passable": 0.5, "Good": 0.75, "Excellent": 1.0}

Part = Literal["adapter", "head", "held"]

_AUXILIARY = re.compile(r"\b(is|are|was|were|am|can|could|will|would|should|do|did|does|have|has|had)\b", re.I)
_NOT = re.compile(r"\s+not\b|n['’]t\b", re.I)


@dataclass(frozen=True, slots=True)
class RatedReply:
    """A reply under its context (oldest turn first, the last is the user's) and why it is good or bad.

    `kind` is "true", "random", "earlier", "shuffled", "negated", "echo", "generic", "answer", "smalltalk",
    "abstention" or "rated"; `corpus` names the source, `group` the dialogue or question; `rating` is in
    [0, 1].
    """

    context: tuple[str, ...]
    reply: str
    kind: str
    corpus: str
    group: str
    rating: float | None = None


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Alternating turns of two speakers; `ratings` beside them, None where not rated."""

    id: str
    topic: str
    turns: tuple[str, ...]
    ratings: tuple[float | None, ...]


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a gzipped JSONL file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def share(name: str) -> float:
    """Return a fixed number in [0, 1) for a name: below a limit means the same split in every run."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 16**8


def dialogues(data: Path, corpus: str, limit: int = DIALOGUES) -> list[Dialogue]:
    """Return `limit` dialogues of a corpus, consecutive turns of one speaker joined."""
    found = sorted(rows(data / "dialogues" / f"{CORPORA[corpus]}.jsonl.gz"), key=lambda row: share(row["id"]))
    return [_dialogue(row) for row in found[:limit]]


def _dialogue(row: dict[str, Any]) -> Dialogue:
    turns: list[str] = []
    ratings: list[float | None] = []
    speaker = None
    for turn in row["turns"]:
        text = clean(turn["text"])
        if not text:
            continue
        if turn["speaker"] == speaker:
            turns[-1] = f"{turns[-1]} {text}"
        else:
            turns.append(text)
            ratings.append(RATED.get(turn.get("rating", "")))
        speaker = turn["speaker"]
    return Dialogue(row["id"], str(row.get("film", row["id"])), tuple(turns), tuple(ratings))


def held_out(dialogue: str) -> bool:
    """Whether a dialogue is kept for reporting (one in five), by its id."""
    return share(f"held {dialogue}") < 0.2


def part_of(name: str) -> Part:
    """Return what a dialogue or question is for: one in five for the report, one in seven for the heads."""
    if held_out(name):
        return "held"
    return "head" if share(f"head {name}") < 0.18 else "adapter"


def plain(text: str) -> str:
    """Return lower-case words only, for counting replies that are the same."""
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))


def generic_replies(data: Path, least: int = 5) -> list[str]:
    """Return the turns said in at least `least` dialogues not held out, most frequent first, and GENERIC."""
    counted: Counter[str] = Counter()
    spelt: dict[str, str] = {}
    for name in CORPORA.values():
        for row in rows(data / "dialogues" / f"{name}.jsonl.gz"):
            turns = {} if held_out(row["id"]) else {plain(turn["text"]): turn["text"] for turn in row["turns"]}
            counted.update(turns.keys())
            for key, text in turns.items():
                spelt.setdefault(key, text)
    frequent = [clean(spelt[key]) for key, count in counted.most_common() if count >= least and key]
    return [*frequent, *GENERIC]


def negate(text: str) -> str:
    """Return `text` with its first statement turned round, or "" when there is nothing to turn."""
    if _NOT.search(text):
        return clean(_NOT.sub("", text, count=1))
    turned = _AUXILIARY.sub(lambda match: f"{match.group()} not", text, count=1)
    return turned if turned != text else ""


def shuffle(text: str, rng: random.Random) -> str:
    """Return the words of `text` in another order."""
    words = text.split()
    rng.shuffle(words)
    return " ".join(words)


def from_dialogues(kept: Sequence[Dialogue], corpus: str, rng: random.Random, strangers: int = 1) -> list[RatedReply]:
    """Return true replies, each with random ones, as many as `strangers`, of other topics and one that is corrupted."""
    made: list[RatedReply] = []
    for dialogue in kept:
        places = range(1, len(dialogue.turns))
        for place in sorted(rng.sample(places, min(TURNS, len(places)))):
            context = dialogue.turns[max(0, place - WINDOW) : place]
            reply = dialogue.turns[place]

            def add(text: str, kind: str, rating: float | None = None) -> None:
                if text and (kind == "true" or plain(text) != plain(reply)):  # noqa: B023
                    made.append(RatedReply(context, text, kind, corpus, dialogue.id, rating))  # noqa: B023

            add(reply, "true", dialogue.ratings[place])
            for _ in range(strangers):
                other = rng.choice([d for d in rng.sample(kept, 8) if d.topic != dialogue.topic] or [dialogue])
                if other is not dialogue:
                    add(rng.choice(other.turns[1:] or other.turns), "random")
            chance = rng.random()
            if chance < 0.4:
                add(rng.choice(dialogue.turns[:place]), "earlier")
            elif chance < 0.65 and len(reply.split()) > 3:
                add(shuffle(reply, rng), "shuffled")
            elif chance < 0.8 and len(context) > 1:
                add(negate(rng.choice(context[-2::-2])), "negated")
            elif chance < 0.85:
                add(context[-1], "echo")
    return made


def questions(data: Path) -> dict[str, list[tuple[str, bool]]]:
    """Return question -> sentences of its document, in order, and whether each answers it.

    HaluEval's answers count whether true or invented: both are sensible replies, only one is grounded.
    """
    found: dict[str, list[tuple[str, bool]]] = {}
    for name in ("wikiqa.train", "trecqa.train", "trecqa.validation"):
        for row in rows(data / "retrieval" / f"{name}.jsonl.gz"):
            sentence = (_readable(row["sentence"]), bool(row["answers"]))
            found.setdefault(_readable(row["question"]), []).append(sentence)
    for row in rows(data / "grounding" / "halueval_qa.train.jsonl.gz"):
        if len(row["response"].split()) > 3:
            found.setdefault(clean(row["context"][0]), []).append((clean(row["response"]), True))
    return found


def _readable(text: str) -> str:
    """Undo the tokenisation of the question sets: brackets, quotes, spaces, masked numbers."""
    text = text.replace("-LRB-", "(").replace("-RRB-", ")").replace("``", '"').replace("''", '"')
    text = re.sub(r"<num>", lambda _: str(1900 + len(text) % 100), text)
    return clean(re.sub(r"\s+([,.;:?!%')])", r"\1", text))


def from_questions(
    questions: dict[str, list[tuple[str, bool]]], rng: random.Random, chat: Sequence[Dialogue]
) -> list[RatedReply]:
    """Return answers (alone, with the next sentence, after other talk, asked again) and strangers' ones."""
    made: list[RatedReply] = []
    everything = [sentence for sentences in questions.values() for sentence, _ in sentences]
    for question, sentences in questions.items():
        answers = [place for place, (_, right) in enumerate(sentences) if right]
        for place in answers:
            answer = sentences[place][0]
            longer = " ".join(sentence for sentence, _ in sentences[place : place + 2])
            before = rng.choice(chat).turns[: rng.choice((2, 4))]
            typed = rng.choice((question, question[:1].upper() + question[1:].rstrip("? ") + "?"))
            for context, reply in (
                ((typed,), answer),
                ((typed,), longer),
                ((*before, typed), rng.choice((answer, longer))),
                ((typed, answer, typed), answer),
            ):
                made.append(RatedReply(context, reply, "answer", "questions", question))
            for context, reply in (
                ((typed,), rng.choice(everything)),
                ((*before, typed), rng.choice(everything)),
                ((typed,), rng.choice(rng.choice(chat).turns)),
                (before[:-1] or before, answer),
            ):
                made.append(RatedReply(context, reply, "random", "questions", question))
    return made


def from_smalltalk(questions: Iterable[str], rng: random.Random, chat: Sequence[Dialogue]) -> list[RatedReply]:
    """Return small talk, alone and within a dialogue, and abstentions after questions."""
    talk = [
        RatedReply(context, reply, "smalltalk", "smalltalk", opening)
        for opening, reply in PAIRS
        for context in ((opening,), (opening.lower().rstrip("?!."),), (*rng.choice(chat).turns[:2], opening))
    ]
    abstained = [
        RatedReply((question,), rng.choice(ABSTENTIONS), "abstention", "smalltalk", question) for question in questions
    ]
    return talk + abstained


def from_ratings(data: Path) -> list[RatedReply]:
    """Return the rated replies of ConTurE (overall) and PredictiveEngagement, ratings in [0, 1]."""
    made: list[RatedReply] = []
    for row in rows(data / "quality" / "conture.train.jsonl.gz"):
        rating, group = row["ratings"]["overall"] / 2, f"conture {row['dialogue']}"
        made.append(_rated(row, "conture", group, rating))
    for place, row in enumerate(rows(data / "quality" / "predictive_engagement.train.jsonl.gz")):
        made.append(_rated(row, "predictive_engagement", f"engagement {place}", (row["ratings"]["engaging"] - 1) / 4))
    return made


def _rated(row: dict[str, Any], corpus: str, group: str, rating: float) -> RatedReply:
    context = tuple(clean(turn) for turn in row["context"][-WINDOW:])
    return RatedReply(context, clean(row["response"]), "rated", corpus, group, rating)
