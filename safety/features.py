"""Inputs of the heads: vectors of a text and of the turn before it, and a few facts about the wording.

Knows nothing of heads, policies or where the vectors come from. Training and judging both call `rows`.
"""

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from safety.rules import traits, visible

Array = NDArray[np.float32]
Encode = Callable[[Sequence[str]], Array]

JUDGED = "text, turn before, product, distance, traits/1"
TOPIC = "text + half the turn before/1"
WINDOW = 1000  # characters, about the 256 tokens that the encoder reads
_HEADING = re.compile(r"^#{1,6} ", re.MULTILINE)  # a mark of tweets to the heads, of headings in documents
_TURN = 600  # characters of the turn before that are read; its end, where questions stand


def rows(encode: Encode, texts: Sequence[str], before: Sequence[str]) -> tuple[Array, Array]:
    """Features (n, 4d + traits) for the judging heads and (n, d) for the topic heads, from one `encode` call.

    `before` holds the turn before each text, "" for none: its vector is then zero.
    """
    turns = [visible(turn)[-_TURN:] for turn in before]
    seen = [_HEADING.sub("", visible(text)) for text in texts]
    known = list(dict.fromkeys(seen + [turn for turn in turns if turn.strip()]))
    vectors = dict(zip(known, encode(known), strict=True))
    none = np.zeros_like(next(iter(vectors.values())))
    text = np.stack([vectors[line] for line in seen])
    turn = np.stack([vectors[turn] if turn.strip() else none for turn in turns])
    facts = np.array([traits(text) for text in texts], dtype=np.float32)
    judged = np.concatenate([text, turn, text * turn, np.abs(text - turn), facts], axis=1)
    topic = text + turn / 2
    unit = topic / np.linalg.norm(topic, axis=1, keepdims=True).clip(min=1e-6)
    return judged.astype(np.float32), unit.astype(np.float32)


def windows(text: str) -> list[str]:
    """`text` in pieces the encoder reads whole, cut at white space where there is any."""
    pieces = []
    rest = text
    while len(rest) > WINDOW:
        cut = rest.rfind(" ", WINDOW // 2, WINDOW)
        cut = cut if cut > 0 else WINDOW
        pieces.append(rest[:cut])
        rest = rest[cut:].lstrip()
    return [*pieces, rest] if rest or not pieces else pieces
