"""What a message wants of the library itself, by the nearest of written examples; most messages want nothing of it.

The examples stand in `library.toml`. Knows nothing of what the library holds.
"""

import tomllib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, cast

import numpy as np

from retrieval.types import Embedder, Vectors

Want = Literal["list", "count", "mention", "have", "new", "added", "current", "summary"]
X: Final = "X"  # stands for a document, and for what is looked for
NEAR: Final = 0.7  # cosine to the nearest example from which a message may want this
AHEAD: Final = 0.05  # by which that is nearer than the nearest example that wants nothing


class Requests:
    """Told by the encoder; the examples are encoded when the first message comes."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    @cached_property
    def _examples(self) -> tuple[list[str], Vectors]:
        told = tomllib.loads(Path(__file__).with_name("library.toml").read_text(encoding="utf-8"))
        lines = [(want, line) for want, block in told.items() for line in block.strip().splitlines()]
        return [want for want, _ in lines], self._embedder.encode([_plain(line) for _, line in lines])

    def told(self, messages: Sequence[str]) -> list[tuple[Want | None, float]]:
        """Return what each message wants, its documents and topics written as X, and how far ahead that is of nothing.

        None where it wants nothing of the library.
        """
        wants, vectors = self._examples
        other = np.array([want == "other" for want in wants])
        cosines = self._embedder.encode([_plain(message) for message in messages]) @ vectors.T
        best = np.where(other, -1.0, cosines).argmax(axis=1)
        near = cosines[np.arange(len(messages)), best]
        ahead = near - cosines[:, other].max(axis=1)
        wanted = (near >= NEAR) & (ahead >= AHEAD)
        return [
            (cast(Want, wants[place]) if told else None, float(by))
            for place, told, by in zip(best, wanted, ahead, strict=True)
        ]


def _plain(text: str) -> str:
    return " ".join(text.rstrip(" ?.!").split()).casefold().replace(" x", " X") if text else text
