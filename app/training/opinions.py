"""What people said of replies, as `candor ratings export` writes it, read to be learnt from; and unsafe replies.

Knows files and their rows; what is learnt from them is not its business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.training.contrast import load_pairs
from app.training.generator_data import Sample, read_samples
from app.training.quality_data import rows, share
from dialogue.types import Context, Turn

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
        return [*(pair.group for pair in self.pairs), *(one.group for one in self.rated)]

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


def read_opinions(paths: Sequence[Path]) -> Opinions:
    """Read files of what `candor ratings export` writes: rated and liked replies, and preferences.

    Raises TrainingError, naming lines, when any row is bad.
    """
    return opinions_of([sample for path in paths for sample in read_samples(path)])


def opinions_of(samples: Sequence[Sample]) -> Opinions:
    """Return what people said of these; replies that nobody rated are left out."""
    pairs = [Pair(one.context, one.reply, one.rejected, one.group) for one in samples if one.rejected]
    rated = [Rated(one.context, one.reply, one.good, one.group) for one in samples if one.good is not None]
    return Opinions(tuple(pairs), tuple(rated))


def merged(found: Sequence[Opinions]) -> Opinions:
    """Return all of them as one."""
    return Opinions(
        tuple(pair for one in found for pair in one.pairs), tuple(rated for one in found for rated in one.rated)
    )


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
