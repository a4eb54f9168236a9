"""Rows of dialogue and what a causal model learns from them: LaMDA's generative, discriminative and research formats.

Knows the fields of a row; the formats' texts are those of `dialogue.prompts` and `dialogue.research`.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, Field, FiniteFloat, StrictStr, ValidationError, model_validator

from app.training.quality_data import share
from dialogue.attributes import GROUNDED, IN_ROLE, INTERESTING, SENSIBLE, SPECIFIC, UNSAFE
from dialogue.models.formats import Format
from dialogue.prompts import NOTHING
from dialogue.research import Lookup, Said, format_step
from dialogue.types import Attribute, Context, DialogueError, Turn
from retrieval.types import Evidence, Passage

Kind = Literal["generative", "discriminative", "research"]

ATTRIBUTES: Final = (SENSIBLE, SPECIFIC, INTERESTING, UNSAFE, GROUNDED, IN_ROLE)
# name in the data -> the attribute, the range of the rating, and whether a high rating is the attribute's "1"
RATINGS: Final[Mapping[str, tuple[Attribute, float, float, bool]]] = {
    "sensible": (SENSIBLE, 0, 1, True),
    "specific": (SPECIFIC, 0, 1, True),
    "interesting": (INTERESTING, 0, 1, True),
    "unsafe": (UNSAFE, 0, 1, True),
    "safe": (UNSAFE, 0, 1, False),
    "grounded": (GROUNDED, 0, 1, True),
    "in_role": (IN_ROLE, 0, 1, True),
    "overall": (SENSIBLE, 0, 2, True),  # ConTurE
    "engaging": (INTERESTING, 1, 5, True),  # PredictiveEngagement
}
LOW, HIGH = 0.4, 0.6  # shares of a rating's range; a mean between them is no label
SHOWN = 3  # bad rows that an error quotes
TURNS = 8  # turns of a dialogue before a reply that are read


class TrainingError(DialogueError):
    """A training cannot be run as asked. The message says what to mend."""


class _Search(BaseModel):
    query: StrictStr = Field(min_length=1)
    found: list[StrictStr] = []


class _Source(BaseModel):
    text: StrictStr = Field(min_length=1)
    title: StrictStr = ""


class _Said(BaseModel):
    role: Literal["system", "user", "assistant"]
    text: StrictStr


class _ReplyRow(BaseModel):
    context: list[StrictStr | _Said] = Field(min_length=1)
    response: StrictStr
    ratings: dict[str, FiniteFloat] = {}
    research: list[_Search] | None = None
    base: StrictStr = ""
    sources: list[StrictStr | _Source] = []

    @model_validator(mode="after")
    def _known(self) -> "_ReplyRow":
        for name, value in self.ratings.items():
            if name not in RATINGS:
                raise ValueError(f"ratings.{name} is unknown, the ratings are {', '.join(RATINGS)}")
            _, low, high, _ = RATINGS[name]
            if not low <= value <= high:
                raise ValueError(f"ratings.{name} = {value!r} lies outside {low:g} to {high:g}")
        if not self.response.strip() and (self.base or not self.ratings):
            raise ValueError("response is empty, so only a rating can be trained on it")
        if self.research and not self.base:
            raise ValueError("research needs base, the reply before the research")
        return self


class _Message(BaseModel):
    role: Literal["system", "user", "assistant"]
    content: StrictStr


class _LikedRow(BaseModel):
    messages: list[_Message] = Field(min_length=2)
    sources: list[StrictStr | _Source] = []


class _PairRow(BaseModel):
    prompt: list[_Message] = Field(min_length=1)
    chosen: list[_Message] = Field(min_length=1)
    rejected: list[_Message] = Field(min_length=1)
    sources: list[StrictStr | _Source] = []


class _Utterance(BaseModel):
    speaker: StrictStr
    text: StrictStr


class _DialogueRow(BaseModel):
    turns: list[_Utterance] = Field(min_length=2)


@dataclass(frozen=True, slots=True)
class Sample:
    """A reply in its context. `ratings` maps an attribute's name to whether it holds; `searches` follow `base`.

    `group` is what must not stand on both sides of a split: the dialogue. `rejected` is a reply that somebody took this
    one instead of, "" for none.
    """

    context: Context
    reply: str
    ratings: Mapping[str, bool]
    group: str
    searches: tuple[tuple[str, tuple[str, ...]], ...] = ()
    base: str = ""
    rejected: str = ""

    @property
    def good(self) -> bool | None:
        """Whether people found the reply fit to train on: sensible, specific, grounded and safe; None when unrated."""
        if not self.ratings:
            return None
        wanted = (SENSIBLE.name, SPECIFIC.name, GROUNDED.name)
        return all(self.ratings.get(name, True) for name in wanted) and not self.ratings.get(UNSAFE.name, False)


@dataclass(frozen=True, slots=True)
class TrainingSequence:
    """A prompt and what has to follow it; only `target` is trained on, after which the text ends or not.

    In a discriminative example the rated `reply` and `suffix`, the attribute's name as it follows a reply, stand
    between the two; `other` is the rating it did not get; `attribute` and `label` are that name and whether it holds.
    `worse` is a target that the other has to be likelier than, "" for none.
    The parts are kept apart because doors to models make tokens of each by itself.
    """

    kind: Kind
    prompt: str
    target: str
    reply: str = ""
    suffix: str = ""
    attribute: str = ""
    label: bool = False
    other: str = ""
    worse: str = ""

    @property
    def text(self) -> str:
        """The whole, as the paper writes it."""
        return self.prompt + self.reply + self.suffix + self.target


def read_samples(path: Path, limit: int | None = None) -> list[Sample]:
    """Return the samples of the first `limit` rows of a JSONL file, gzipped or not: of replies or of dialogues.

    A row is ``{context, response, ratings, base, research, sources}`` (the first two at least), ``{turns}``, whose
    every turn but the first is an unrated reply, or what `candor ratings export` writes of liked replies,
    ``{messages}``, and of preferences, ``{prompt, chosen, rejected}``. Raises TrainingError, naming lines and fields,
    when any row is bad: nothing is left out in silence.
    """
    samples: list[Sample] = []
    wrong: list[str] = []
    for number, line in islice(_lines(path), limit):
        try:
            samples += samples_of(json.loads(line), number)
        except (ValidationError, ValueError, RecursionError) as error:
            wrong.append(f"line {number}: {_problem(error)}")
    if wrong:
        more = f" (and {len(wrong) - SHOWN} more)" if len(wrong) > SHOWN else ""
        raise TrainingError(f"{str(path)!r} has {len(wrong)} bad rows: {'; '.join(wrong[:SHOWN])}{more}")
    if not samples:
        raise TrainingError(f"{str(path)!r} holds no rows to train on")
    return samples


def split(samples: Sequence[Sample], held: float) -> tuple[list[Sample], list[Sample]]:
    """Return the samples to train on and those held back, about the share `held` of the dialogues, always the same."""
    kept = [share(f"held {sample.group}") >= held for sample in samples]
    return (
        [sample for sample, mine in zip(samples, kept, strict=True) if mine],
        [sample for sample, mine in zip(samples, kept, strict=True) if not mine],
    )


def examples(samples: Iterable[Sample], form: Format) -> list[TrainingSequence]:
    """Return every example of the samples in a format: replies unless rated bad, ratings, and research."""
    made: list[TrainingSequence] = []
    for sample in samples:
        made += [*_generative(sample, form), *discriminative(sample, form), *_research(sample, form)]
    return made


def one_sided(made: Iterable[TrainingSequence]) -> set[str]:
    """Return the attributes that are rated but never both ways, from which there is nothing to learn."""
    labels: dict[str, set[bool]] = {}
    for example in made:
        if example.attribute:
            labels.setdefault(example.attribute, set()).add(example.label)
    return {name for name, seen in labels.items() if len(seen) == 1}


def _generative(sample: Sample, form: Format) -> Iterator[TrainingSequence]:
    """``<context> RESPONSE <response>``; where the reply came of research, the reply before it."""
    reply = sample.base or sample.reply
    if sample.good is not False and reply.strip():
        worse = form.reply(sample.rejected) if sample.rejected.strip() else ""
        yield TrainingSequence("generative", form.prompt(sample.context), form.reply(reply), worse=worse)


def discriminative(sample: Sample, form: Format) -> Iterator[TrainingSequence]:
    """Yield ``<context> RESPONSE <response> SENSIBLE 1``, an example for each rating.

    A reply that came of research is weighed, as in a dialogue, after what was found.
    """
    found = any(texts for _, texts in sample.searches)
    context = _at(sample, _exchange(sample)[-1]) if found else sample.context
    prompt, reply = form.prompt(context), form.reply(sample.reply)
    for attribute in ATTRIBUTES:
        if attribute.name in sample.ratings:
            label = sample.ratings[attribute.name]
            asked, desired = form.asked(attribute), label == (attribute.desired == "1")
            wanted, other = asked.wanted[0], asked.other[0]
            target, other = (wanted, other) if desired else (other, wanted)
            yield TrainingSequence("discriminative", prompt, target, reply, asked.text, attribute.name, label, other)


def _research(sample: Sample, form: Format) -> Iterator[TrainingSequence]:
    """Each step of the exchange with the toolset: after the base and what was found so far, the next query or reply."""
    if not sample.base or sample.good is False:
        return
    steps: list[Lookup | Said] = [*(Lookup(query) for query, _ in sample.searches), Said(sample.reply)]
    for step, before in zip(steps, _exchange(sample), strict=True):
        yield TrainingSequence("research", form.prompt(_at(sample, before)), form.reply(format_step(step)))


def _exchange(sample: Sample) -> list[tuple[Turn, ...]]:
    """What stands before each step of the research, as `dialogue.research` keeps it."""
    turns: tuple[Turn, ...] = (Turn("assistant", sample.base),)
    before = [turns]
    for query, found in sample.searches:
        answer = [Turn("system", text) for text in found or (NOTHING,)]
        turns = (*turns, Turn("assistant", format_step(Lookup(query))), *answer)
        before.append(turns)
    return before


def _at(sample: Sample, research: tuple[Turn, ...]) -> Context:
    return replace(sample.context, research=research)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rt", encoding="utf-8") if packed else path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line
    except UnicodeDecodeError as error:
        raise TrainingError(f"{str(path)!r} is not UTF-8 text: {error.reason}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise TrainingError(f"{str(path)!r} cannot be read: {error}") from error


def samples_of(row: object, number: int) -> list[Sample]:
    """Return the samples of one row; `number` names it. Raises ValueError, ValidationError."""
    if not isinstance(row, dict):
        raise ValueError(f"a row is a JSON object, this is {type(row).__name__}")
    if "turns" in row:
        return _from_dialogue(_DialogueRow.model_validate(row), str(row.get("id", f"line {number}")))
    if "chosen" in row or "messages" in row:
        return [_exported(row, number)]
    found = _ReplyRow.model_validate(row)
    turns = _turns(found.context)
    sources = tuple(_evidence(source, place) for place, source in enumerate(found.sources))
    group = str(row.get("dialogue", row.get("id", turns[0].text)))
    searches = tuple((search.query, tuple(search.found)) for search in found.research or ())
    context = Context(turns, turns[-1].text, sources)
    return [Sample(context, found.response, _labels(found.ratings), group, searches, found.base)]


def _exported(row: dict[str, object], number: int) -> Sample:
    """A liked reply, which counts as one that was rated sensible, or one that was preferred to another."""
    read = _PairRow.model_validate(row) if "chosen" in row else _LikedRow.model_validate(row)
    said = read.prompt if isinstance(read, _PairRow) else read.messages[:-1]
    turns = tuple(Turn(one.role, one.content) for one in said)
    context = Context(turns, turns[-1].text, tuple(_evidence(source, at) for at, source in enumerate(read.sources)))
    group = str(row.get("dialogue") or turns[0].text or f"line {number}")
    if isinstance(read, _PairRow):
        return Sample(context, read.chosen[-1].content, {}, group, rejected=read.rejected[-1].content)
    return Sample(context, read.messages[-1].content, {SENSIBLE.name: True}, group)


def _turns(lines: Sequence[str | _Said]) -> tuple[Turn, ...]:
    """Texts alternate and end with the user's; turns that say who spoke stand as they are."""
    roles: tuple[Literal["user", "assistant"], ...] = ("user", "assistant")
    return tuple(
        Turn(roles[(len(lines) - 1 - place) % 2], text) if isinstance(text, str) else Turn(text.role, text.text)
        for place, text in enumerate(lines)
    )


def _evidence(source: str | _Source, place: int) -> Evidence:
    text, title = (source, f"source {place + 1}") if isinstance(source, str) else (source.text, source.title)
    return Evidence(Passage(place, text, title, title, (), 0, len(text)), 1.0)


def _labels(ratings: Mapping[str, float]) -> dict[str, bool]:
    """What was rated clearly. Where a reply makes no sense, or is not specific, nobody asks for more: it has not."""
    labels: dict[str, bool] = {}
    for name, value in ratings.items():
        attribute, low, high, upward = RATINGS[name]
        place = (value - low) / (high - low)
        if not LOW < place < HIGH:
            labels[attribute.name] = (place >= HIGH) == upward
    for above, below in ((SENSIBLE, SPECIFIC), (SPECIFIC, INTERESTING)):
        if labels.get(above.name) is False:
            labels.setdefault(below.name, False)
    return labels


def _from_dialogue(row: _DialogueRow, group: str) -> list[Sample]:
    """Every turn after the first as a reply to those before it; consecutive turns of one speaker are one."""
    said: list[tuple[str, str]] = []
    for turn in row.turns:
        text = " ".join(turn.text.split())
        if text and said and said[-1][0] == turn.speaker:
            said[-1] = (turn.speaker, f"{said[-1][1]} {text}")
        elif text:
            said.append((turn.speaker, text))
    texts = [text for _, text in said]
    if len(texts) < 2:
        raise ValueError("turns: one speaker says all of it, so there is no reply")
    found = []
    for place in range(1, len(texts)):
        turns = _turns(texts[max(0, place - TURNS) : place])
        found.append(Sample(Context(turns, turns[-1].text), texts[place], {}, group))
    return found


def _problem(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "row"
        return f"{place}: {first['msg']} (found {str(first['input'])[:60]!r})"
    return f"not JSON: {error}" if isinstance(error, json.JSONDecodeError) else str(error)
