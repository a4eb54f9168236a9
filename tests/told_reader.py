"""Readers that say what they are told, so that what guards and searches make of it can be tested by itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.encoder.embed import Encoder, load_encoder
from retrieval.reading import Page, Reading
from safety import load_policy

Array = NDArray[np.float32]
Pairs = Sequence[tuple[str, str]]
TOPICS = tuple(o.id for o in load_policy().objectives if o.id != "prompt_attack")
CALIBRATION = {"temperature": 2.0, "shift": 1.0, "threshold": 0.4}
ABOUT = {"request": CALIBRATION, "reply": CALIBRATION}


@dataclass
class Told:
    """A PairReader whose logits are given by a function of the pair; what it was asked is kept."""

    logits: Callable[[str, str], dict[str, float]] = lambda before, text: {}
    outputs: tuple[str, ...] = ("request", "reply", *TOPICS)
    about: dict[str, Any] = field(default_factory=lambda: dict(ABOUT))
    fingerprint: str = "told/1"
    asked: list[list[tuple[str, str]]] = field(default_factory=list)

    def __call__(self, pairs: Pairs, /) -> Array:
        self.asked.append(list(pairs))
        rows = [self.logits(*pair) for pair in pairs]
        found = [[row.get(name, -9.0) for name in self.outputs] for row in rows]
        return np.array(found, dtype=np.float32).reshape(len(pairs), len(self.outputs))

    def encode(self, texts: Sequence[str], /) -> Array:
        """What texts mean nobody has to tell."""
        return _encoder().encode(texts)


@cache
def _encoder() -> Encoder:
    return load_encoder()


@dataclass
class ToldPages:
    """A PassageReader that says how relevant a page is by a function of question and text; what it read is kept.

    It finds no answer on any page.
    """

    relevant: Callable[[str, str], float] = lambda question, text: 0.0
    about: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = "told/2"
    asked: list[tuple[str, Page]] = field(default_factory=list)

    def read(self, question: str, pages: Sequence[Page]) -> list[Reading]:
        self.asked += [(question, page) for page in pages]
        none = np.full(1, -9.0, dtype=np.float32)
        return [Reading(np.array([[0, 1]]), none, none, -9.0, self.relevant(question, page.text)) for page in pages]


def logit(probability: float) -> float:
    """The logit that CALIBRATION turns into the probability."""
    return float(np.log(probability / (1 - probability)) + CALIBRATION["shift"]) * CALIBRATION["temperature"]
