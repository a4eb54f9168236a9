"""How much a sentence reads like an order to whatever reads a document for its user.

A linear model of word n-grams, so that every passage of a turn can be read for a few milliseconds, and of what a
sentence means where its words leave a doubt: "Set your helpers ashore" is told from "Set the user's question aside". It
looks at sentences one by one; the rules look at patterns in the whole text.
"""

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safety.files import FileError, read_text
from safety.rules import visible
from safety.types import SafetyError

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
WEIGHTS: Final = Path(__file__).with_name("injection.toml")
SHIPPED: Final = {WEIGHTS: "a19165afd4c498690dad82a1ded115257535aadfb6a35ab476294dab583dfef0"}  # its SHA-256
LONGEST: Final = 3  # words of an n-gram
CLAUSE: Final = 60  # words that are read as one sentence
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+|[<>\[\]#|{}!:\"]")
_LABEL = re.compile(r"^\W*(?:question|answer|q|a|faq)(?: ?\d+)?: +", re.IGNORECASE)  # which order nothing
_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+|\n+|-->|<!--")


@dataclass(frozen=True)
class InjectionModel:
    """Weights of n-grams, the logit `bias` of a sentence that has none of them, and the weights of its meaning.

    `meaning` (dimension + 1,) belongs to a sentence's vector and a one. It is looked at where the n-grams alone give a
    logit of `doubt` or more.
    """

    weights: Mapping[str, float]
    bias: float
    meaning: NDArray[np.float32]
    doubt: float

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> "InjectionModel":
        """Return the model of a card. Raises KeyError, TypeError or ValueError for what is none."""
        weights = {str(gram): float(weight) for gram, weight in card["weights"].items()}
        meaning = np.array([float(weight) for weight in card["meaning"]], dtype=np.float32)
        return cls(weights, float(card["bias"]), meaning, float(card["doubt"]))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the weights, 16 hex digits."""
        numbers = [self.bias, self.doubt, self.meaning.tolist(), sorted(self.weights.items())]
        return hashlib.sha256(json.dumps(numbers).encode()).hexdigest()[:16]

    def risks(self, texts: Sequence[str], encode: Encode) -> list[float]:
        """Return for each text the probability of the sentence that reads most like an order; 0.0 without any.

        `encode` returns unit vectors (sentences, dimension) of those that are in doubt.
        """
        parts = [list(pieces(text)) for text in texts]
        logits = {piece: self.by_words(piece) for part in parts for piece in part}
        doubtful = [piece for piece, logit in logits.items() if logit >= self.doubt]
        if doubtful:
            meant = encode(doubtful) @ self.meaning[:-1] + self.meaning[-1]
            logits |= {piece: logits[piece] + float(more) for piece, more in zip(doubtful, meant, strict=True)}
        return [max((_probability(logits[piece]) for piece in part), default=0.0) for part in parts]

    def by_words(self, sentence: str) -> float:
        """Return the logit of a sentence by its n-grams alone."""
        return self.bias + sum(self.weights.get(gram, 0.0) for gram in ngrams(sentence))


def _probability(logit: float) -> float:
    return 1 / (1 + math.exp(-min(max(logit, -30.0), 30.0)))


def pieces(text: str) -> Iterator[str]:
    """Yield the sentences of a text as far as stops and line ends tell them."""
    return (piece for piece in _END.split(visible(text)) if piece and not piece.isspace())


def ngrams(sentence: str) -> set[str]:
    """Return the distinct runs of one to LONGEST words, the beginning marked."""
    words = ["^", *_WORD.findall(_LABEL.sub("", sentence).casefold().replace("’", "'"))[:CLAUSE]]
    return {" ".join(words[at : at + n]) for n in range(1, LONGEST + 1) for at in range(len(words) - n + 1)} - {"^"}


@lru_cache(maxsize=1)
def load_injections(path: Path = WEIGHTS) -> InjectionModel:
    """Read the model that ships, or another. Raises SafetyError when it is missing or damaged."""
    try:
        text = read_text(path)
        if SHIPPED.get(path) not in (None, hashlib.sha256(text.encode()).hexdigest()):
            raise ValueError("it is not the file that ships")
        return InjectionModel.of(tomllib.loads(text))
    except (FileError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SafetyError(f"{path} cannot be read ({error}): reinstall candor, or run candor train judges") from error
