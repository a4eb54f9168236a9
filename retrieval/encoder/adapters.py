"""LoRA adapters on the encoder's layers: a text read after another, to a few logits.

The lower layers read every text by itself, as they are or adapted too. In the upper layers the text attends to itself
and to the text before it, which attends to itself alone: a context or a passage is read once, whatever the number of
drafts or claims that are read after it. LoRA: Hu et al. 2021.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import gelu, scaled_dot_product_attention

from retrieval.encoder.cores import Cores
from retrieval.encoder.flat import FlatLayer
from retrieval.encoder.folded import LOWER, Folded, headed, matched, padded
from retrieval.encoder.layers import Linear, leveled, rounded
from retrieval.encoder.together import Together
from retrieval.types import RetrievalError
from retrieval.weights import Shipped, read_weights

if TYPE_CHECKING:
    from retrieval.encoder.embed import Encoder

LOW = "low."  # before the names of what changes the lower layers
FORMAT = "candor-adapter-1"
PLACES = ("query", "key", "value", "attended", "wide", "narrow")  # the linear maps of a layer that are adapted
Maps = dict[str, Linear]  # the linear maps of a layer, by PLACES
WIDTH = 96  # hidden units of the perceptron on the pooled text
_cores = Cores()


@dataclass(frozen=True, eq=False)
class Adapter:
    """Low-rank changes to the layers, and a perceptron on the pooled text.

    `tensors` holds ``{layer}.{place}.a`` (inputs, rank) and ``.b`` (rank, outputs) for every adapted map of the upper
    layers, ``low.{layer}...`` for those of the lower ones if they are adapted, ``sides`` (2, dimension), added to the
    text before and to the text, and ``head.{0,1}.{weight,bias}``; where texts are matched, ``match`` (3, dimension) and
    ``differ.{a,b}`` as well. `about` is the model card: what it was trained on, and how it
    measures.
    """

    name: str
    outputs: tuple[str, ...]
    tensors: dict[str, Tensor]
    about: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits that change with the weights."""
        digest = hashlib.sha256(f"{self.name} {self.outputs}".encode())
        for key in sorted(self.tensors):
            digest.update(self.tensors[key].detach().cpu().half().numpy().tobytes())
        return digest.hexdigest()[:12]

    def save(self, path: Path) -> None:
        """Write it as safetensors, weights in float16."""
        card = {"name": self.name, "outputs": self.outputs, "about": self.about}
        tensors = {key: tensor.detach().cpu().half().contiguous() for key, tensor in self.tensors.items()}
        save_file(tensors, path, metadata={"format": FORMAT, "adapter": json.dumps(card)})


def load_adapter(path: Path, shipped: Shipped) -> Adapter:
    """Read an adapter written by `save`, in float32; `shipped` holds the SHA-256 of those that ship, {} for none.

    Raises RetrievalError when it is missing, damaged or of another format.
    """
    tensors, metadata = read_weights(path, shipped)
    if metadata.get("format") != FORMAT:
        raise RetrievalError(f"{path} is no adapter of the format {FORMAT!r}: train it with: candor train judges")
    try:
        card = json.loads(metadata["adapter"])
        name, outputs, about = card["name"], tuple(card["outputs"]), dict(card["about"])
    except (ValueError, KeyError, TypeError) as error:
        raise RetrievalError(f"{path} has no card that can be read: train it with: candor train judges") from error
    return Adapter(name, outputs, {key: torch.from_numpy(tensor) for key, tensor in tensors.items()}, about)


def new_adapter(
    name: str,
    outputs: Sequence[str],
    encoder: "Encoder",
    seed: int,
    rank: int = 16,
    matching: bool = False,
    whole: bool = False,
) -> Adapter:
    """Return an untrained adapter, which changes nothing yet; `seed` gives its numbers.

    With `matching`, the states of a text receive how well the text before matches them; `whole` adapts the lower layers
    as well.
    """
    chance = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {"sides": torch.zeros(2, encoder.dimension)}
    tensors |= _low_rank(encoder.upper(LOWER), "", rank, chance)
    if whole:
        tensors |= _low_rank(encoder.upper(0)[:LOWER], LOW, rank, chance)
    if matching:
        tensors["match"] = torch.zeros(3, encoder.dimension)
        tensors["differ.a"] = torch.randn(encoder.dimension, 2 * rank, generator=chance) / encoder.dimension**0.5
        tensors["differ.b"] = torch.zeros(2 * rank, encoder.dimension)
    for place, (lines, columns) in enumerate(((3 * encoder.dimension, WIDTH), (WIDTH, len(outputs)))):
        tensors[f"head.{place}.weight"] = torch.randn(lines, columns, generator=chance) / lines**0.5
        tensors[f"head.{place}.bias"] = torch.zeros(columns)
    return Adapter(name, tuple(outputs), tensors, {})


class Reader:
    """An adapter on its encoder, in the arithmetic of the encoder: pairs of texts to logits.

    With `keep` the weights of both together stay in memory, some 11 MB of three layers; what is still being trained
    must not be kept. What is learnt from is read by `lower` and `read`, in batches that are padded.
    """

    def __init__(self, encoder: "Encoder", adapter: Adapter, keep: bool = False) -> None:
        self.encoder, self.adapter = encoder, adapter
        self._keep = keep
        self._kept: Folded | None = None
        self._together = Together(self._read, _places(encoder.device))
        adapter.tensors.update({key: tensor.to(encoder.device) for key, tensor in adapter.tensors.items()})
        self.outputs = adapter.outputs
        self.fingerprint = f"{encoder.fingerprint}/{adapter.fingerprint}"

    @property
    def about(self) -> dict[str, Any]:
        """The adapter's model card."""
        return self.adapter.about

    @property
    def whole(self) -> bool:
        """Whether the lower layers are adapted, too."""
        return f"{LOW}0.query.a" in self.adapter.tensors

    def merged(self, low: bool = False) -> list[Maps]:
        """Return the linear maps of the upper or the lower layers, through which gradients flow."""
        return [
            {part: partial(rounded, weight=weight, bias=bias) for part, (weight, bias) in maps.items()}
            for _, maps in self._merged(low)
        ]

    def _merged(self, low: bool = False) -> list[tuple[Any, dict[str, tuple[Tensor, Tensor]]]]:
        """Return layers, each with the weights and biases of its linear maps, the adapter's among them."""
        weights, dtype, prefix = self.adapter.tensors, self.encoder.dtype, LOW if low else ""
        layers = self.encoder.upper(0)[:LOWER] if low else self.encoder.upper(LOWER)

        def merged(key: str, base: torch.nn.Linear) -> tuple[Tensor, Tensor]:
            return base.weight + (weights[f"{key}.a"] @ weights[f"{key}.b"]).T.to(dtype), base.bias

        return [
            (layer, {part: merged(f"{prefix}{place}.{part}", base) for part, base in _maps(layer).items()})
            for place, layer in enumerate(layers)
        ]

    @torch.inference_mode()
    def _folded(self) -> Folded:
        """Return the encoder with this adapter in its weights."""
        lower = [FlatLayer(*each) for each in self._merged(low=True)] if self.whole else []
        made = Folded(self.encoder, self.adapter.tensors, lower, [FlatLayer(*each) for each in self._merged()])
        self._kept = made if self._keep else None
        return made

    def lower(self, embedded: Sequence[Tensor], maps: Sequence[Maps]) -> list[Tensor]:
        """Return the states after the adapted lower layers, whose `maps` are given, of embedded texts (tokens, dim)."""
        states, mask = padded(embedded)
        flat, alone = leveled(states.to(self.encoder.dtype)), _unseen(mask, self.encoder.dtype)
        for layer, linears in zip(self.encoder.upper(0), maps, strict=False):
            query, *keys = _products(linears, flat, states.shape, "query", "key", "value")
            flat = _layer(layer, linears, flat, query, keys, alone)
        return [row[: len(text)] for row, text in zip(_shaped(flat, states.shape), embedded, strict=True)]

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Return logits (pairs, outputs) of (text before, text), in order. A text before may be empty.

        What several threads ask at the same time is read together, where the weights are kept.
        """
        if not pairs:
            return np.zeros((0, len(self.outputs)), dtype=np.float32)
        return self._together(pairs) if self._keep else self._read(pairs)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors (texts, dimension) of the encoder as it is without the adapter."""
        return self.encoder.encode(texts)

    def _read(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        with _cores.share():
            return (self._kept or self._folded())(pairs)

    def read(
        self,
        before: Sequence[Tensor],
        texts: Sequence[Tensor],
        after: Sequence[int],
        maps: Sequence[Maps],
        drop: float = 0.0,
    ) -> Tensor:
        """Return logits (texts, outputs) of states (tokens, dimension); `after` says which of `before` comes first.

        `maps` are those of `merged`; `drop` is the dropout of the pooled vectors.
        """
        weights = self.adapter.tensors
        past, past_mask = padded(before)
        here, mask = padded(texts)
        chosen = torch.as_tensor(after, device=here.device)
        if "match" in weights:
            here = here + matched(here, past[chosen], past_mask[chosen], weights)
        past, here = ((x + side).to(self.encoder.dtype) for x, side in zip((past, here), weights["sides"], strict=True))
        seen = _unseen(torch.cat([past_mask[chosen], mask], 1), self.encoder.dtype)
        alone = _unseen(past_mask, self.encoder.dtype)
        flat, flat_past = leveled(here), leveled(past)
        for layer, linears in zip(self.encoder.upper(LOWER), maps, strict=True):
            keys = _products(linears, flat_past, past.shape, "key", "value")
            query, *own = _products(linears, flat, here.shape, "query", "key", "value")
            both = [torch.cat([one[chosen], other], 1) for one, other in zip(keys, own, strict=True)]
            flat = _layer(layer, linears, flat, query, both, seen)
            if linears is not maps[-1]:
                [asking] = _products(linears, flat_past, past.shape, "query")
                flat_past = _layer(layer, linears, flat_past, asking, keys, alone)
        here, share = _shaped(flat, here.shape).float(), (mask / mask.sum(1, keepdim=True)).unsqueeze(-1)
        mean = (here * share).sum(1)
        most = here.masked_fill(mask.unsqueeze(-1) == 0, -torch.inf).amax(1)
        pooled = torch.nn.functional.dropout(torch.cat([here[:, 0], mean, most], 1), drop, drop > 0)
        return headed(pooled, weights)


def _places(device: str) -> int:
    """How many threads read at a time: one for each core, for none of them keeps a core busy all the time."""
    return 1 if device == "cuda" else os.cpu_count() or 1


def load_reader(encoder: "Encoder", path: Path, shipped: Shipped) -> Reader:
    """Read an adapter as `load_adapter` does and put it on `encoder`.

    Raises RetrievalError also when it does not fit.
    """
    adapter = load_adapter(path, shipped)
    first = adapter.tensors.get("0.query.a", torch.zeros(0, 0))
    rank, matching, whole = first.shape[-1], "match" in adapter.tensors, f"{LOW}0.query.a" in adapter.tensors
    due = new_adapter(adapter.name, adapter.outputs, encoder, 0, rank, matching, whole).tensors
    if {key: tensor.shape for key, tensor in due.items()} != {k: t.shape for k, t in adapter.tensors.items()}:
        raise RetrievalError(f"the adapter {path} does not fit its encoder: train it with: candor train judges")
    return Reader(encoder, adapter, keep=True)


def _low_rank(layers: Sequence[Any], prefix: str, rank: int, chance: torch.Generator) -> dict[str, Tensor]:
    tensors = {}
    for place, layer in enumerate(layers):
        for part, weight in _maps(layer).items():
            columns, lines = weight.weight.shape
            tensors[f"{prefix}{place}.{part}.a"] = torch.randn(lines, rank, generator=chance) / lines**0.5
            tensors[f"{prefix}{place}.{part}.b"] = torch.zeros(rank, columns)
    return tensors


def _maps(layer: Any) -> dict[str, torch.nn.Linear]:  # noqa: ANN401
    attention = layer.attention
    own = attention.self
    return dict(
        zip(
            PLACES,
            (own.query, own.key, own.value, attention.output.dense, layer.intermediate.dense, layer.output.dense),
            strict=True,
        )
    )


def _products(linears: Maps, flat: Tensor, shape: torch.Size, *parts: str) -> list[Tensor]:
    """The products of leveled states with some maps, in the shape (rows, tokens, dimension) of the states."""
    return [_shaped(linears[part](flat), shape) for part in parts]


def _shaped(flat: Tensor, shape: torch.Size) -> Tensor:
    return flat[: shape[0] * shape[1]].view(shape)


def _unseen(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """What to add to what tokens find in each other: -inf where there is padding."""
    return torch.zeros_like(mask, dtype=dtype).masked_fill(mask == 0, -torch.inf)[:, None, None]


def _layer(
    layer: Any,  # noqa: ANN401
    linears: Maps,
    flat: Tensor,
    query: Tensor,
    known: Sequence[Tensor],
    unseen: Tensor,
) -> Tensor:
    """One layer of BERT over leveled states, which ask with `query` (rows, tokens, dimension) for keys and values."""
    heads = layer.attention.self.num_attention_heads
    query, key, value = (each.reshape(*each.shape[:2], heads, -1).transpose(1, 2) for each in (query, *known))
    attended = leveled(scaled_dot_product_attention(query, key, value, attn_mask=unseen).transpose(1, 2).flatten(2))
    flat = layer.attention.output.LayerNorm(linears["attended"](attended).add_(flat))
    wide = linears["wide"](flat)
    wide = gelu(wide) if wide.requires_grad else torch.ops.aten.gelu_(wide)  # in place: memory asked for anew is slow
    normed: Tensor = layer.output.LayerNorm(linears["narrow"](wide).add_(flat))
    return normed
