"""The project's own contrast pairs: what is to be declined beside what only sounds like it.

Reads the files in `pairs/`, expands the frames of general.toml, and splits whole pairs into training and held back.
"""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["request", "reply"]

PAIRS = Path(__file__).with_name("pairs")
_HELD_BACK = 4  # one pair in so many


@dataclass(frozen=True, slots=True)
class Contrast:
    """An unsafe text and its harmless look-alike, in one or more phrasings; `before` is the turn before."""

    kind: Kind
    objective: str
    before: str
    unsafe: tuple[str, ...]
    safe: tuple[str, ...]
    held_back: bool

    def pick(self) -> tuple[str, str]:
        """One phrasing of each, always the same: for counting every pair once."""
        place = _number(self.unsafe[0])
        return self.unsafe[place % len(self.unsafe)], self.safe[place % len(self.safe)]


def load_pairs(folder: Path = PAIRS) -> tuple[Contrast, ...]:
    """Read all pairs, by the names of their files and then in file order."""
    general = _read(folder / "general.toml")
    pairs: list[Contrast] = []
    for path in sorted(folder.glob("*.toml")):
        raw = _read(path)
        for block in raw["requests"]:
            objective = block["objective"]
            for unsafe, safe in block.get("acts", []):
                framed = [tuple(frame.format(act) for frame in general["frames"]) for act in (unsafe, safe)]
                pairs.append(_pair("request", objective, "", framed[0], framed[1]))
            pairs += [_pair("request", objective, "", (u,), (s,)) for u, s in block.get("texts", [])]
        for block in raw["replies"]:
            pairs += [_pair("reply", block["objective"], b, (u,), (s,)) for b, u, s in block["triples"]]
    for unsafe, safe in general["statements"]["pairs"]:
        filled = [_fill(text, general["statements"]) for text in (unsafe, safe)]
        pairs.append(_pair("request", "hate", "", filled[0], filled[1]))
    return tuple(pairs)


def load_ordinary(folder: Path = PAIRS) -> tuple[tuple[str, ...], ...]:
    """Everyday requests, the phrasings of each together."""
    raw = _read(folder / "general.toml")
    framed = (tuple(frame.format(act) for frame in raw["frames"]) for act in raw["ordinary_acts"])
    return (*framed, *((text,) for text in raw["ordinary"]))


def held_back(key: str, one_in: int = _HELD_BACK) -> bool:
    """Whether `key` falls into the part kept from training; fixed by its hash."""
    return _number(key) % one_in == 0


def _pair(kind: Kind, objective: str, before: str, unsafe: tuple[str, ...], safe: tuple[str, ...]) -> Contrast:
    return Contrast(kind, objective, before, unsafe, safe, held_back(unsafe[0] + safe[0]))


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _fill(text: str, words: dict[str, list[str]]) -> tuple[str, ...]:
    """Every filling of the placeholder, sentence case kept."""
    slot, choices = ("{group}", words["groups"]) if "{group}" in text else ("{thing}", words["things"])
    filled = (text.replace(slot, choice) for choice in choices)
    return tuple(line[0].upper() + line[1:] for line in filled)


def _number(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
