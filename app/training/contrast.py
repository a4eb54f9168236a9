"""The project's own contrast pairs: what is to be declined beside what only sounds like it.

Reads the files in `pairs/`, expands the frames of general.toml and the templates of TEMPLATES, and splits whole pairs
and templates into training and held back.
"""

import hashlib
import random
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["request", "reply"]

PAIRS = Path(__file__).with_name("pairs")
TEMPLATES = ("lookalikes.toml", "kinds.toml", "spoken.toml")
_HELD_BACK = 4  # one pair in so many, one template too
_SLOT = re.compile(r"{(\w+)}")


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


@dataclass(frozen=True, slots=True)
class Template:
    """A text with slots, filled in several ways; unsafe ones share their words with safe ones.

    Of a reply there is a turn before for every text, "" for a request.
    """

    objective: str
    unsafe: bool
    texts: tuple[str, ...]
    held_back: bool
    source: str = "lookalikes"
    kind: Kind = "request"
    before: tuple[str, ...] = ()


def load_templates(most: int, folder: Path = PAIRS) -> tuple[Template, ...]:
    """Return every template of the files TEMPLATES with up to `most` fillings, always the same."""
    return tuple(
        _template(group, raw["slots"], side == "unsafe", template, most)
        for raw in (read_pairs(folder / name) for name in TEMPLATES)
        for group in raw["groups"]
        for side in ("unsafe", "safe")
        for template in group[side]
    )


def _template(group: dict[str, Any], slots: dict[str, list[str]], unsafe: bool, template: str, most: int) -> Template:
    texts, kind = fill(template, slots, most), group.get("kind", "request")
    asked, chance = group.get("asked", [""]), random.Random(f"asked {template}")
    before = tuple(fill(chance.choice(asked), slots, most)[0] if asked != [""] else "" for _ in texts)
    source = group.get("source", "lookalikes")
    return Template(group["objective"], unsafe, texts, held_back(template), source, kind, before)


def fill(template: str, slots: dict[str, list[str]], most: int) -> tuple[str, ...]:
    """Return up to `most` fillings of a template's slots, always the same.

    Some are typed carelessly, without a capital and the mark at the end.
    """
    chance = random.Random(template)
    found: dict[str, None] = {}
    for _ in range(most):
        text = template
        while _SLOT.search(text):  # what fills a slot may have one itself
            text = _SLOT.sub(lambda slot: chance.choice(slots[slot[1]]), text)
        found[text.lower().rstrip("?.") if chance.random() < 0.2 else text[0].upper() + text[1:]] = None
    return tuple(found)


def load_pairs(folder: Path = PAIRS) -> tuple[Contrast, ...]:
    """Read all pairs, by the names of their files and then in file order."""
    general = read_pairs(folder / "general.toml")
    pairs: list[Contrast] = []
    for path in sorted(folder.glob("*.toml")):
        raw = read_pairs(path)
        for block in raw.get("requests", []):
            objective = block["objective"]
            for unsafe, safe in block.get("acts", []):
                framed = [tuple(frame.format(act) for frame in general["frames"]) for act in (unsafe, safe)]
                pairs.append(_pair("request", objective, "", framed[0], framed[1]))
            pairs += [_pair("request", objective, "", (u,), (s,)) for u, s in block.get("texts", [])]
        for block in raw.get("replies", []):
            pairs += [_pair("reply", block["objective"], b, (u,), (s,)) for b, u, s in block["triples"]]
    for unsafe, safe in general["statements"]["pairs"]:
        filled = [_fill(text, general["statements"]) for text in (unsafe, safe)]
        pairs.append(_pair("request", "hate", "", filled[0], filled[1]))
    return tuple(pairs)


def load_ordinary(folder: Path = PAIRS) -> tuple[tuple[str, ...], ...]:
    """Everyday requests, the phrasings of each together."""
    raw = read_pairs(folder / "general.toml")
    framed = (tuple(frame.format(act) for frame in raw["frames"]) for act in raw["ordinary_acts"])
    written = (*raw["ordinary"], *read_pairs(folder / "everyday.toml")["ordinary"])
    return (*framed, *((text,) for text in written))


def held_back(key: str, one_in: int = _HELD_BACK) -> bool:
    """Whether `key` falls into the part kept from training; fixed by its hash."""
    return _number(key) % one_in == 0


def _pair(kind: Kind, objective: str, before: str, unsafe: tuple[str, ...], safe: tuple[str, ...]) -> Contrast:
    return Contrast(kind, objective, before, unsafe, safe, held_back(unsafe[0] + safe[0]))


def read_pairs(path: Path) -> dict[str, Any]:
    """Return the table of one of the files."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _fill(text: str, words: dict[str, list[str]]) -> tuple[str, ...]:
    """Every filling of the placeholder, sentence case kept."""
    slot, choices = ("{group}", words["groups"]) if "{group}" in text else ("{thing}", words["things"])
    filled = (text.replace(slot, choice) for choice in choices)
    return tuple(line[0].upper() + line[1:] for line in filled)


def _number(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
