"""Small heads on frozen features: standardise, up to one hidden layer, a temperature, a probability.

Knows nothing of what the features are or how they were made; training lives with the data.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Head:
    """A logistic regression or a perceptron with one hidden ReLU layer.

    `layers` holds (weights (inputs, outputs), bias (outputs,)); the last has one output. `temperature`
    divides the logit (Guo et al. 2017); `threshold` is the shipped decision limit, fixed on validation data;
    `features` names what the inputs are, so that a head is never fed another version's features.
    """

    name: str
    features: str
    mean: Array
    scale: Array
    layers: tuple[tuple[Array, Array], ...]
    temperature: float = 1.0
    threshold: float = 0.5

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits that change with the weights, the temperature or the threshold."""
        numbers = [part.tobytes() for layer in self.layers for part in layer]
        about = f"{self.name} {self.features} {self.temperature} {self.threshold}".encode()
        return hashlib.sha256(b"".join([about, self.mean.tobytes(), self.scale.tobytes(), *numbers])).hexdigest()[:12]

    def __call__(self, x: Array) -> Array:
        """Probabilities (n,) of feature rows (n, inputs). Raises ValueError on a wrong width."""
        probability: Array = (1 / (1 + np.exp(-self.logits(x).clip(-30, 30)))).astype(np.float32)
        return probability

    def logits(self, x: Array) -> Array:
        """Logits (n,) of feature rows, as comparable among themselves. Raises ValueError on a wrong width."""
        if x.ndim != 2 or x.shape[1] != self.mean.shape[0]:
            raise ValueError(f"head {self.name!r} takes {self.mean.shape[0]} features, got shape {x.shape}")
        hidden = (x - self.mean) / self.scale
        for weights, bias in self.layers[:-1]:
            hidden = np.maximum(hidden @ weights + bias, 0)
        weights, bias = self.layers[-1]
        return np.asarray((hidden @ weights + bias)[:, 0] / self.temperature, dtype=np.float32)

    def save(self, path: Path) -> None:
        """Write the head as safetensors, weights in float16, the rest in the metadata."""
        tensors = {"mean": self.mean.astype(np.float32), "scale": self.scale.astype(np.float32)}
        for place, (weights, bias) in enumerate(self.layers):
            tensors[f"layers.{place}.weight"] = np.ascontiguousarray(weights, np.float16)  # written as it lies
            tensors[f"layers.{place}.bias"] = bias.astype(np.float32)
        about = {
            "name": self.name,
            "features": self.features,
            "temperature": self.temperature,
            "threshold": self.threshold,
        }
        save_file(tensors, path, metadata={"head": json.dumps(about)})

    @classmethod
    def read(cls, tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> "Head":
        """Make a head of what `save` wrote. Raises ValueError, which says what is missing or does not fit."""
        count = sum(key.endswith(".weight") for key in tensors)
        try:
            about = json.loads(metadata["head"])
            layers = tuple((tensors[f"layers.{i}.weight"], tensors[f"layers.{i}.bias"]) for i in range(count))
            mean, scale = tensors["mean"], tensors["scale"]
            temperature, threshold = float(about["temperature"]), float(about["threshold"])
            head = cls(about["name"], about["features"], mean, scale, layers, temperature, threshold)
        except (KeyError, TypeError) as error:
            raise ValueError(f"it lacks {error}") from error
        widths = [*mean.shape, *(width for weights, _ in layers for width in weights.shape[1:])]
        shapes = [(weights.shape, bias.shape) for weights, bias in layers]
        due = [((inputs, outputs), (outputs,)) for inputs, outputs in pairwise(widths)]
        if not layers or shapes != due or widths[-1] != 1 or mean.shape != scale.shape or not scale.all():
            raise ValueError("its layers do not fit each other")
        if not (temperature > 0 and 0 < threshold < 1):
            raise ValueError(f"temperature {temperature} or threshold {threshold} is out of range")
        return head
