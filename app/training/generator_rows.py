"""The rows that the packaged model's adapter is tuned on, made of the shared data: what `candor train generator` reads.

Short plain replies to questions with their passages, "the text does not say" where they do not answer, follow-ups made
to stand alone, small talk, steps of research, and ratings. Knows files and fields; how a row becomes tokens is not its
business.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from app.training.plain_replies import composed, reply_of
from app.training.quality_data import rows as lines
from app.training.quality_data import share
from app.training.reading_questions import Reading, readings
from app.training.smalltalk import GENERIC, PAIRS
from dialogue.prompts import DECLINED
from retrieval.text import clean

Row = dict[str, Any]

REWRITE: Final = """{conversation}

Rewrite the last question so that it can be understood by itself.
Question: {question}
Rewritten:"""

COUNTS: Final = {
    "paragraphs": 1300, "sentences": 300, "tales": 100, "several": 60, "dolly": 50, "strange": 60, "rewriting": 150,
    "talk": 100, "ratings": 60,
}  # fmt: skip
# questions on one paragraph, which is read once for all; at most one that it does not answer: more teach to abstain
ANSWERED: Final = 5
RATED: Final = 0.1  # of the paragraphs have a right and a wrong reply to be rated
WRITTEN: Final = 30  # words of a reply that a person wrote
SHORT: Final = 400  # characters of a dialogue's turns that are read


def generator_rows(data: Path, scale: float = 1.0, seed: int = 0) -> list[Row]:
    """Return the rows in an order that only the seed decides; `scale` multiplies how many there are of each kind."""
    rng = random.Random(f"rows {seed}")
    found = readings(data, "tune", seed)
    made = {
        "paragraphs": _paragraphs(found, rng),
        "sentences": _families(found["sentence"], rng),
        "tales": _families(found["tale"], rng),
        "several": ([row] for reading in found["several"] if (row := _answered(reading))),
        "dolly": ([row] for reading in found["dolly"] if (row := _answered(reading))),
        "strange": ([_unanswered(reading)] for reading in found["strange"]),
        "rewriting": ([row] for row in _rewriting(data, rng)),
        "talk": ([row] for row in _talk(data, rng)),
        "ratings": ([row] for row in _ratings(data, rng)),
    }
    taken = [row for kind, families in made.items() for row in _taken(families, round(COUNTS[kind] * scale))]
    rng.shuffle(taken)
    return taken


def _taken(families: Iterator[list[Row]], count: int) -> list[Row]:
    return [row for family in islice(families, count) for row in family]


def _row(reading: Reading, reply: str, **more: Any) -> Row:  # noqa: ANN401, fields of a row
    sources = [{"text": text} for text in reading.passages]
    group = reading.passages[0][:80]
    return {"context": [reading.question], "response": reply, "sources": sources, "dialogue": group, **more}


def _unanswered(reading: Reading) -> Row:
    return _row(reading, f"{DECLINED}.")


def _answered(reading: Reading) -> Row | None:
    reply = said(reading)
    return _row(reading, reply) if reply else None


def said(reading: Reading) -> str:
    """Return a plain sentence that answers from the passages, "" where none can be made."""
    answer = reading.answers[0]
    if reading.kind == "dolly":
        return answer if len(answer.split()) <= WRITTEN and answer[-1:] in ".!?" else ""
    passage = reading.passages[reading.gold]
    start = passage.find(answer)
    if start >= 0:
        return reply_of(reading.question, answer, passage, start)
    whole = len(answer.split()) > 4 and reading.kind == "tale"
    return f"{answer[:1].upper()}{answer[1:].rstrip(' .')}." if whole else composed(reading.question, answer)


def _paragraphs(found: dict[str, list[Reading]], rng: random.Random) -> Iterator[list[Row]]:
    """Paragraphs with questions they answer, questions they do not, and replies rated by whether they are right."""
    answered, unanswered = defaultdict(list), defaultdict(list)
    for reading in found["squad"]:
        answered[reading.passages[0]].append(reading)
    for reading in (*found["twin"], *(one for one in found["near"] if len(one.passages) == 1)):
        unanswered[reading.passages[0]].append(reading)
    for text, known in answered.items():
        made = [row for reading in known if (row := _answered(reading))][:ANSWERED]
        others = unanswered[text][: rng.choice((0, 1))]
        if len(made) > 1:
            yield [*made, *map(_unanswered, others), *_grounded(known, rng)]


def _families(found: Sequence[Reading], rng: random.Random) -> Iterator[list[Row]]:
    """Questions on one short text; the one that it does not answer is of another text of the same kind."""
    by_text: dict[str, list[Reading]] = defaultdict(list)
    for reading in found:
        by_text[reading.passages[0]].append(reading)
    for known in by_text.values():
        made = [row for reading in known if (row := _answered(reading))][:ANSWERED]
        if made:
            other = rng.choice(found)
            sources = made[0]["sources"]
            strange = {**_unanswered(other), "sources": sources, "dialogue": made[0]["dialogue"]}
            yield [*made, *[strange] * (rng.random() < 0.5 and other.passages != known[0].passages)]


def _grounded(known: Sequence[Reading], rng: random.Random) -> list[Row]:
    """A right reply, and the same with the answer to another question on the paragraph, rated."""
    if rng.random() > RATED:
        return []
    for reading in known:
        right = composed(reading.question, reading.answers[0])
        others = [one.answers[0] for one in known if one.answers[0] not in right]
        if right and others and (wrong := composed(reading.question, rng.choice(others))):
            return [
                _row(reading, right, ratings={"grounded": 1, "sensible": 1}),
                _row(reading, wrong, ratings={"grounded": 0}),
            ]
    return []


def _rewriting(data: Path, rng: random.Random) -> Iterator[Row]:
    """Follow-ups made to stand alone, and slips of the tongue mended; what DisflQA asks of XQuAD is never answered."""
    folder = data / "rewriting"
    named = (("qrecc_train4k_human", 5), ("gecor_camrest", 2), ("disflqa_train", 2))
    found = [[*lines(folder / f"{name}.jsonl.gz")] for name, _ in named]
    for rows in found:
        rng.shuffle(rows)
    while all(found):
        for rows, (_, times) in zip(found, named, strict=True):
            for row in [rows.pop() for _ in range(min(times, len(rows)))]:
                turns = [clean(turn) for turn in row["context"][-4:]]
                if sum(map(len, turns)) <= SHORT:
                    yield {"context": [rewriting(turns, clean(row["question"]))], "response": clean(row["rewrite"])}


def rewriting(turns: Sequence[str], question: str) -> str:
    """Return the message that asks to make a question stand alone; the turns alternate and end with the agent's."""
    names = ("User", "Agent") if len(turns) % 2 == 0 else ("Agent", "User")
    said = "\n".join(f"{names[place % 2]}: {turn}" for place, turn in enumerate(turns))
    return REWRITE.format(conversation=said, question=question).strip()


def _talk(data: Path, rng: random.Random) -> Iterator[Row]:
    """Greetings and the like in our own words, and turns of people's conversations that others rated excellent."""
    own = [{"context": [said], "response": reply} for said, reply in PAIRS]
    rng.shuffle(own)
    yield from own
    for row in sorted(lines(data / "dialogues" / "topical_chat_rare.train.jsonl.gz"), key=lambda row: share(row["id"])):
        turns = row["turns"]
        for place in range(1, len(turns)):
            reply = clean(turns[place]["text"])
            context = [clean(turn["text"]) for turn in turns[max(0, place - 3) : place]]
            short = sum(map(len, context)) <= SHORT and 20 <= len(reply) <= 160
            if turns[place].get("rating") == "Excellent" and short and not any(c.isdigit() for c in reply):
                yield {"context": context, "response": reply, "dialogue": row["id"]}
                break


def _ratings(data: Path, rng: random.Random) -> Iterator[Row]:
    """Replies with what people said of them, and generic ones, which are specific to nothing."""
    quality = [*lines(data / "quality" / "conture.train.jsonl.gz")]
    quality += [*lines(data / "quality" / "predictive_engagement.train.jsonl.gz")]
    safety = [*lines(data / "safety" / "diasafety.train.jsonl.gz")]
    rng.shuffle(quality)
    rng.shuffle(safety)
    for rated, said in zip(quality, safety, strict=False):
        context = [clean(turn) for turn in rated["context"][-3:]]
        if all(context) and sum(map(len, context)) <= SHORT and rated["response"].strip():
            common = {"context": context, "dialogue": str(context)}
            yield {**common, "response": clean(rated["response"]), "ratings": rated["ratings"]}
            yield {**common, "response": rng.choice(GENERIC), "ratings": {"specific": 0}}
        text, before = clean(said["text"]), [clean(turn) for turn in said["context"][-1:]]
        if all((text, *before, before)) and len(text) + len(before[0]) <= SHORT:
            rating = {"unsafe": int(said["unsafe"])} | ({} if said["unsafe"] else {"specific": 1})
            yield {"context": before, "response": text, "ratings": rating}
