"""What people said of replies, as `candor ratings export` writes it, read to be learnt from; and unsafe replies.

Knows files and their rows; what is learnt from them is not its business.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, Field, StrictStr, ValidationError

from app.training.contrast import load_pairs
from app.training.generator_data import SHOWN, Sample, TrainingError, lines_of, read_samples
from app.training.quality_data import rows, share
from dialogue.types import Context, Turn
from retrieval.types import Evidence, Passage

SETS: Final = {True: "diasafety.val", False: "diasafety.train"}  # held back or not


@dataclass(frozen=True, slots=True)
class Pair:
    """Two replies in one context, of which somebody took `better`. `group` is the dialogue."""

    context: Context
    better: str
    worse: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Rated:
    """A reply in its context, and whether it was found good."""

    context: Context
    reply: str
    good: bool
    group: str = ""


@dataclass(frozen=True, slots=True)
class Opinions:
    """Preferences and ratings."""

    pairs: tuple[Pair, ...] = ()
    rated: tuple[Rated, ...] = ()

    @property
    def groups(self) -> list[str]:
        """The dialogue of each, pairs first."""
        return [one.group for one in (*self.pairs, *self.rated)]

    def split(self, held: float) -> "tuple[Opinions, Opinions]":
        """Return what to learn from and what is held back, about the share `held` of the dialogues, always the same."""
        parts = []
        for mine in (True, False):
            kept = {group for group in self.groups if (share(f"held {group}") >= held) == mine}
            parts.append(
                Opinions(
                    tuple(pair for pair in self.pairs if pair.group in kept),
                    tuple(one for one in self.rated if one.group in kept),
                )
            )
        return parts[0], parts[1]


class _Message(BaseModel):
    role: StrictStr
    content: StrictStr


class _Source(BaseModel):
    text: StrictStr = Field(min_length=1)
    title: StrictStr = ""


class _PairRow(BaseModel):
    prompt: list[_Message] = Field(min_length=1)
    chosen: list[_Message] = Field(min_length=1)
    rejected: list[_Message] = Field(min_length=1)
    sources: list[_Source] = []
    dialogue: StrictStr = ""


def read_opinions(paths: Sequence[Path]) -> Opinions:
    """Read files of rated replies (the form `lamda`) and of preferences (`dpo`), told apart by their first row.

    Raises TrainingError, naming lines, when any row is bad.
    """
    pairs: list[Pair] = []
    rated: list[Rated] = []
    for path in paths:
        if _of_pairs(path):
            pairs += _pairs(path)
        else:
            rated += rated_of(read_samples(path))
    return Opinions(tuple(pairs), tuple(rated))


def merged(found: Sequence[Opinions]) -> Opinions:
    """Return all of them as one."""
    return Opinions(
        tuple(pair for one in found for pair in one.pairs), tuple(each for one in found for each in one.rated)
    )


def rated_of(samples: Sequence[Sample]) -> list[Rated]:
    """Return the samples that somebody rated."""
    return [Rated(one.context, one.reply, one.good, one.group) for one in samples if one.good is not None]


def pair_of(row: dict[str, Any]) -> Pair:
    """Return the preference of one row. Raises ValidationError."""
    read = _PairRow.model_validate(row)
    turns = tuple(
        Turn("assistant" if one.role == "assistant" else "system" if one.role == "system" else "user", one.content)
        for one in read.prompt
    )
    sources = tuple(
        Evidence(Passage(place, source.text, source.title, source.title, (), 0, len(source.text)), 1.0)
        for place, source in enumerate(read.sources)
    )
    context = Context(turns, turns[-1].text, sources)
    return Pair(context, read.chosen[-1].content, read.rejected[-1].content, read.dialogue or turns[0].text)


def unsafe_replies(held: bool, data: Path | None, most: int) -> dict[str, list[Pair]]:
    """Return pairs of a safe and an unsafe reply by their set, up to `most` of each, always the same.

    The packaged pairs answer the same message; where `data` holds the development data, those of DiaSafety are any two
    to different ones. `held` asks for those that nothing is trained on.
    """
    packaged = [pair for pair in load_pairs() if pair.kind == "reply" and pair.held_back == held]
    found = {"replies to risky messages": [_contrast(pair.before, *pair.pick()) for pair in _some(packaged, most)]}
    if data is not None:
        said = sorted(rows(data / "safety" / f"{SETS[held]}.jsonl.gz"), key=lambda row: share(str(row["text"])))
        unsafe = [row for row in said if row["unsafe"]]
        safe = [row for row in said if not row["unsafe"]]
        two = list(zip(unsafe, safe, strict=False))[:most]
        found["diasafety"] = [
            _contrast(" ".join(bad["context"][-1:]) or "Hello.", bad["text"], good["text"]) for bad, good in two
        ]
    return found


def _some(pairs: Sequence[Any], most: int) -> list[Any]:
    return sorted(pairs, key=lambda pair: share(pair.before + pair.unsafe[0]))[:most]


def _contrast(before: str, unsafe: str, safe: str) -> Pair:
    said = before or "Hello."
    return Pair(Context((Turn("user", said),), said), safe, unsafe, said)


def _of_pairs(path: Path) -> bool:
    for _, line in lines_of(path):
        try:
            row = json.loads(line)
        except ValueError:
            return False
        return isinstance(row, dict) and "chosen" in row
    return False


def _pairs(path: Path) -> Iterator[Pair]:
    wrong: list[str] = []
    for number, line in lines_of(path):
        try:
            yield pair_of(json.loads(line))
        except (ValidationError, ValueError, RecursionError) as error:
            told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            wrong.append(f"line {number}: {told}")
    if wrong:
        raise TrainingError(f"{str(path)!r} has {len(wrong)} bad rows: {'; '.join(wrong[:SHOWN])}")
