"""What a message is: a question for the sources or one of the kinds of talk, and in which language it is said.

A small classifier reads the sentence embedding and hashed pieces of words; by the pieces it knows greetings, feelings
and cries for help in languages that the encoder does not read. Knows nothing of what is replied.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from dialogue.judges.shipped import SHIPPED
from dialogue.judges.shipped import WEIGHTS as FOLDER
from dialogue.language import language_of
from dialogue.talk import ASKING, DISTRESS
from dialogue.types import Intent, Role
from retrieval.text import each, sentences
from retrieval.types import RetrievalError
from retrieval.weights import Shipped, Tensors, read_weights

Array = NDArray[np.float32]
Encode = Callable[[Sequence[str]], Array]

WEIGHTS: Final = FOLDER / "intent.safetensors"
FEATURES: Final = "MiniLM + hashed n-grams, 2"
BUCKETS: Final = 8192
EMBEDDED: Final = 4.0  # by what the embedding is multiplied, so that it counts beside the n-grams
LANGUAGES: Final = ("en", "de", "nl", "fr", "es", "it", "pt")
PIECES: Final = 4  # last sentences of a message that are looked at one by one for a cry for help
LIKELY: Final = 0.3  # the least probability of a kind of talk: where many seem possible it is none of them
CRYING: Final = 0.9  # the least probability of one in a single sentence
CALM: Final = 0.1  # what no sentence reaches where none is one,
ASKS: Final = 0.8  # and the least probability that the last one asks something then
_WORD = re.compile(r"\w+|[^\w\s]")


def features(texts: Sequence[str], encode: Encode) -> Array:
    """Return what the classifier reads of texts: embeddings beside hashed n-grams, (texts, dimension + BUCKETS)."""
    texts = [" ".join(text.split()) for text in each(texts)]
    grams = np.stack([hashed(text) for text in texts]) if texts else np.zeros((0, BUCKETS), np.float32)
    return np.concatenate([EMBEDDED * encode([text.casefold() for text in texts]), grams], axis=1)


def hashed(text: str) -> Array:
    """Return the words, pairs of words and pieces of words of a text as a unit vector (BUCKETS,); digits are alike."""
    words = _WORD.findall(re.sub(r"\d", "0", text.casefold().replace("’", "'")))
    found = [*words, *(f"{a} {b}" for a, b in zip(["^", *words], [*words, "$"], strict=True))]
    for word in words:
        padded = f"<{word}>"
        found += [padded[at : at + size] for size in (3, 4, 5) for at in range(len(padded) - size + 1)]
    row = np.zeros(BUCKETS, dtype=np.float32)
    for piece in found:
        row[zlib.crc32(piece.encode("utf-8", "replace")) % BUCKETS] += 1
    row = np.sqrt(row)
    return row / max(float(np.linalg.norm(row)), 1e-6)


@dataclass(frozen=True, eq=False)
class IntentClassifier:
    """A perceptron with one hidden layer and two answers: the kind of a message and its language.

    `layers` holds (weights (inputs, outputs), bias (outputs,)). A message is talk where its kind is likelier than
    `threshold` and a question otherwise; both thresholds were fixed on held-out examples.
    """

    kinds: tuple[str, ...]
    layers: tuple[tuple[Array, Array], ...]
    threshold: float = 0.5
    alarm: float = 0.5

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits that change with the weights, the kinds or the thresholds."""
        about = f"{FEATURES} {self.kinds} {self.threshold} {self.alarm}".encode()
        numbers = [part.tobytes() for layer in self.layers for part in layer]
        return hashlib.sha256(b"".join([about, *numbers])).hexdigest()[:12]

    def __call__(self, x: Array) -> tuple[Array, Array]:
        """Return the probabilities of the kinds (n, kinds) and of LANGUAGES (n, languages) of feature rows."""
        for weights, bias in self.layers[:-1]:
            x = np.maximum(x @ weights + bias, 0)
        weights, bias = self.layers[-1]
        logits = x @ weights + bias
        return _softmax(logits[:, : len(self.kinds)]), _softmax(logits[:, len(self.kinds) :])

    def decided(self, likely: Array) -> str:
        """Return the kind that probabilities (kinds,) stand for: a question unless talk is likelier than the threshold.

        A cry for help needs no more than `alarm`, the user's own and that for another taken together.
        """
        chance = dict(zip(self.kinds, likely.tolist(), strict=True))
        if sum(chance[kind] for kind in DISTRESS) >= self.alarm:
            return max(DISTRESS, key=lambda kind: chance[kind])
        kind = max((kind for kind in self.kinds if kind not in DISTRESS), key=lambda kind: chance[kind])
        return kind if 1 - chance[ASKING] >= self.threshold and chance[kind] >= LIKELY else ASKING

    def save(self, path: Path) -> None:
        """Write it as safetensors, weights in float16, the rest in the metadata."""
        tensors = {}
        for place, (weights, bias) in enumerate(self.layers):
            tensors[f"layers.{place}.weight"] = np.ascontiguousarray(weights, np.float16)  # written as it lies
            tensors[f"layers.{place}.bias"] = bias.astype(np.float32)
        about = {"kinds": self.kinds, "features": FEATURES, "threshold": self.threshold, "alarm": self.alarm}
        save_file(tensors, path, metadata={"intent": json.dumps(about)})

    @classmethod
    def read(cls, tensors: Tensors, metadata: Mapping[str, str]) -> "IntentClassifier":
        """Make a classifier of what `save` wrote. Raises ValueError, which says what is missing or does not fit."""
        try:
            about = json.loads(metadata["intent"])
            count = sum(key.endswith(".weight") for key in tensors)
            layers = tuple((tensors[f"layers.{i}.weight"], tensors[f"layers.{i}.bias"]) for i in range(count))
            kinds, made_for = tuple(about["kinds"]), about["features"]
            found = cls(kinds, layers, float(about["threshold"]), float(about["alarm"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"it lacks {error}") from error
        widths = [*(len(weights) for weights, _ in layers), len(kinds) + len(LANGUAGES)]
        fits = all(
            weights.shape == (here, after) and bias.shape == (after,)
            for (weights, bias), here, after in zip(layers, widths, widths[1:], strict=False)
        )
        if not layers or not fits or made_for != FEATURES or ASKING not in kinds:
            raise ValueError("its layers, kinds or features do not fit")
        if not (0 < found.threshold < 1 and 0 < found.alarm < 1):
            raise ValueError("its thresholds are out of range")
        return found


@dataclass(frozen=True, eq=False)
class EmbeddedListener:
    """Understands messages by the classifier and the sentence encoder that the other judges share."""

    classifier: IntentClassifier
    encode: Encode

    @property
    def fingerprint(self) -> str:
        """That of the classifier."""
        return self.classifier.fingerprint

    def hear(self, text: str, role: Role) -> Intent:
        """Say what a message is; in doubt it is a question.

        A cry for help is looked for in every sentence of a longer message. Where a subject speaks for itself, a
        question about the speaker is one about the subject.
        """
        if not text.strip():
            return Intent()
        said = unnamed(text, role.name)
        pieces = [said[start:end] for start, end in sentences(said)]
        pieces = [said, *(pieces[-PIECES:] if len(pieces) > 1 else ())]
        kinds, languages = self.classifier(features(pieces, self.encode))
        spoken = LANGUAGES[int(languages[0].argmax())]
        kind = self.classifier.decided(kinds[0])
        cries = kinds[1:, [self.classifier.kinds.index(kind) for kind in DISTRESS]]
        if kind not in DISTRESS and cries.size and cries.max() >= CRYING:
            kind = DISTRESS[int(cries.max(axis=0).argmax())]
        elif kind in DISTRESS and self._merely_asks(kinds[1:], cries):
            kind = ASKING
        if kind == ASKING or (role.subject and kind in ("personal", "statement")):
            return Intent(ASKING, language_of(text))
        return Intent(kind, spoken)

    def _merely_asks(self, kinds: Array, cries: Array) -> bool:
        """Whether the last of several sentences asks something and none by itself tells of distress."""
        asks = kinds[-1, self.classifier.kinds.index(ASKING)] if len(kinds) else 0.0
        return bool(asks >= ASKS and cries.sum(axis=1).max() < CALM)


def load_listener(encode: Encode, path: Path = WEIGHTS, shipped: Shipped = SHIPPED) -> EmbeddedListener:
    """Load the classifier that ships, or the one at `path`. Raises RetrievalError when it is missing or damaged."""
    tensors, metadata = read_weights(path, shipped)
    try:
        return EmbeddedListener(IntentClassifier.read(tensors, metadata), encode)
    except ValueError as error:
        raise RetrievalError(
            f"{path} is no classifier of messages ({error}): train it with: candor train judges"
        ) from error


def unnamed(text: str, name: str) -> str:
    """Return a message without the name of who is spoken to at its end."""
    called = "|".join(re.escape(part) for part in (name, *name.split()[-1:]))
    shorter = re.sub(rf"(?<=\w)[ ,]+(?:{called})(?=\W*$)", "", text.strip(), flags=re.IGNORECASE)
    return shorter if re.search(r"\w", shorter) else text


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    likely: Array = powers / powers.sum(axis=1, keepdims=True)
    return likely
