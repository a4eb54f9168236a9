"""BERT as modules named as its published weights are, so that the packaged encoder needs no model library to load.

The layers are run by `retrieval.encoder.layers` and by the adapters; here are only their parts, and the embeddings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """The numbers of a BERT; raises ValueError for an activation or for positions that are not run here."""

    vocab_size: int
    max_position_embeddings: int
    type_vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    num_hidden_layers: int
    layer_norm_eps: float

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "Shape":
        """Return the shape in a ``config.json``. Raises KeyError when a number is missing."""
        stated = (config["model_type"], config["hidden_act"], config.get("position_embedding_type", "absolute"))
        if stated != ("bert", "gelu", "absolute"):
            raise ValueError(f"{stated} is not ('bert', 'gelu', 'absolute')")
        return cls(**{name: config[name] for name in cls.__dataclass_fields__})


class Bert(nn.Module):
    """The embeddings and the encoder's layers, at `encoder.layer`; without the pooler, which no sentence needs."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embeddings = Embeddings(shape)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(_layer(shape) for _ in range(shape.num_hidden_layers))})

    @property
    def layers(self) -> Sequence[nn.Module]:
        """The encoder's layers, the lowest first."""
        stack: Any = self.encoder
        return tuple(stack.layer)


class Embeddings(nn.Module):
    """What the first layer is given for the ids of tokens: word, position and the first kind of text."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.hidden_size
        self.word_embeddings = _table(shape.vocab_size, width)
        self.position_embeddings = _table(shape.max_position_embeddings, width)
        self.token_type_embeddings = _table(shape.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=shape.layer_norm_eps)

    def forward(self, input_ids: Tensor, places: Tensor | None = None) -> Tensor:
        """Return states (..., tokens, dimension) for ids (..., tokens); `places` (tokens) says where each stands."""
        weight = self.position_embeddings.weight
        there = weight[: input_ids.shape[-1]] if places is None else weight[places]
        embedded = self.word_embeddings(input_ids) + self.token_type_embeddings.weight[0] + there
        states: Tensor = self.LayerNorm(embedded)
        return states


class SelfAttention(nn.Module):
    """The linear maps by which states attend to each other."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.num_attention_heads = shape.num_attention_heads
        self.query, self.key, self.value = (nn.Linear(shape.hidden_size, shape.hidden_size) for _ in range(3))


def load_bert(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Bert:
    """Return the BERT of a ``config.json`` with these weights, which it takes over as they are.

    Raises KeyError or ValueError when the config is not one of BERT, RuntimeError when the weights do not fit it.
    """
    model = Bert(Shape.read(config))
    needed = model.state_dict()
    model.load_state_dict({key: weight for key, weight in weights.items() if key in needed}, assign=True)
    return model.requires_grad_(False).eval()


def _layer(shape: Shape) -> nn.Module:
    width = shape.hidden_size
    attention = nn.ModuleDict({"self": SelfAttention(shape), "output": _output(width, shape)})
    wide = nn.ModuleDict({"dense": nn.Linear(width, shape.intermediate_size)})
    parts = {"attention": attention, "intermediate": wide, "output": _output(shape.intermediate_size, shape)}
    return nn.ModuleDict(parts)


def _table(rows: int, width: int) -> nn.Embedding:
    return nn.Embedding(rows, width, _weight=torch.empty(rows, width))  # no numbers are drawn that weights replace


def _output(inputs: int, shape: Shape) -> nn.Module:
    norm = nn.LayerNorm(shape.hidden_size, eps=shape.layer_norm_eps)
    return nn.ModuleDict({"dense": nn.Linear(inputs, shape.hidden_size), "LayerNorm": norm})
