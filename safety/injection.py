"""How much a sentence reads like an order to whatever reads a document for its user.

A linear model of word n-grams, so that every passage of a turn can be read for a few milliseconds. It looks at
sentences one by one; the rules look at patterns in the whole text.
"""

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from safety.files import FileError, read_text
from safety.rules import visible
from safety.types import SafetyError

WEIGHTS: Final = Path(__file__).with_name("injection.toml")
SHIPPED: Final = {WEIGHTS: "63ec30c820e79d04e4ca2190ad6ba4a34270f3b26369713f833758e31b65fd5c"}  # its SHA-256
LONGEST: Final = 3  # words of an n-gram
CLAUSE: Final = 60  # words that are read as one sentence
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+|[<>\[\]#|{}!:\"]")
_LABEL = re.compile(r"^\W*(?:question|answer|q|a|faq)(?: ?\d+)?: +", re.IGNORECASE)  # which order nothing
_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+|\n+|-->|<!--")


@dataclass(frozen=True)
class InjectionModel:
    """Weights of n-grams, and the logit of a sentence that has none of them."""

    weights: Mapping[str, float]
    bias: float

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the weights, 16 hex digits."""
        return hashlib.sha256(json.dumps([self.bias, sorted(self.weights.items())]).encode()).hexdigest()[:16]

    def risk(self, text: str) -> float:
        """Return the probability of the sentence of `text` that reads most like an order; 0.0 without any."""
        return max((self._probability(sentence) for sentence in pieces(text)), default=0.0)

    def _probability(self, sentence: str) -> float:
        logit = self.bias + sum(self.weights.get(gram, 0.0) for gram in ngrams(sentence))
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
        card = tomllib.loads(text)
        return InjectionModel({str(g): float(w) for g, w in card["weights"].items()}, float(card["bias"]))
    except (FileError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SafetyError(f"{path} cannot be read ({error}): reinstall candor, or run candor train judges") from error
