"""Attention of many rows to one copy of a prompt: keys and values, where they are kept, and who sees what.

Registered with transformers as an attention function, so a model's own code runs unchanged. Shapes: H query heads, G
key heads, R = H / G, S new tokens, L prefix tokens, T tail tokens, D head size.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from dialogue.models.decoding import common

NAME = "candor_shared_prefix"
TAILS = 256  # drafts kept with a prompt that is asked again and again

# What the running forward pass reads; not every model hands keyword arguments down to its attention.
READING: ContextVar["Prefill | Branches"] = ContextVar("reading")


@dataclass(slots=True)
class Prefix:
    """The prompt of a turn: its tokens, one copy of their keys and values, and the logits after the last.

    `keys` and `values` map a layer to (G, room, D). `rows` keeps the tails of finished drafts by their tokens.
    """

    ids: list[int]
    keys: dict[int, Tensor] = field(default_factory=dict)
    values: dict[int, Tensor] = field(default_factory=dict)
    length: int = 0
    logits: Tensor | None = None
    rows: dict[tuple[int, ...], "Kept"] = field(default_factory=dict)

    def take(self, other: "Prefix", length: int) -> None:
        """Begin with a copy of the first `length` tokens of `other`."""
        self.length = length
        for mine, theirs in ((self.keys, other.keys), (self.values, other.values)):
            for layer, tensor in theirs.items():
                mine[layer] = tensor.new_zeros(tensor.shape[0], len(self.ids), tensor.shape[2])
                mine[layer][:, :length] = tensor[:, :length]

    def write(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add (G, S, D) after `length` and return all keys and values up to there, (G, L + S, D)."""
        if layer not in self.keys:
            for store, new in ((self.keys, key), (self.values, value)):
                store[layer] = new.new_zeros(new.shape[0], len(self.ids), new.shape[2])
        end = self.length + key.shape[1]
        self.keys[layer][:, self.length : end] = key
        self.values[layer][:, self.length : end] = value
        return self.keys[layer][:, :end], self.values[layer][:, :end]

    def keep(self, draft: Sequence[int], tail: "Kept") -> None:
        """Keep the tail of a finished draft, the oldest giving way."""
        self.rows[tuple(draft)] = tail
        if len(self.rows) > TAILS:
            del self.rows[next(iter(self.rows))]

    def recall(self, draft: Sequence[int]) -> "Kept | None":
        """Return the kept tail that shares most with a draft, cut to what it shares."""
        best, shared = None, 0
        for tokens, kept in self.rows.items():
            alike = min(common(tokens, draft), kept.length)
            if alike > shared:
                best, shared = kept, alike
        return best.cut(shared) if best is not None else None

    @property
    def bytes(self) -> int:
        """Memory held, with the drafts kept."""
        return _held(self.keys, self.values) + sum(kept.bytes for kept in self.rows.values())


@dataclass(slots=True)
class Kept:
    """Keys and values of one draft after the prompt, layer -> (G, t, D)."""

    keys: dict[int, Tensor]
    values: dict[int, Tensor]
    length: int

    def cut(self, length: int) -> "Kept":
        """Return the first `length` tokens."""
        keys, values = (
            {layer: tensor[:, :length] for layer, tensor in store.items()} for store in (self.keys, self.values)
        )
        return Kept(keys, values, length)

    @property
    def bytes(self) -> int:
        """Memory held."""
        return _held(self.keys, self.values)


class Tail(Protocol):
    """What rows hold beyond their prefix."""

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add (rows, G, S, D) of new tokens and return all that the rows hold, (rows, G, T, D)."""
        ...

    def places(self, start: int) -> Tensor:
        """Return the positions of what is held, (rows, T), `start` being the length of the prefix."""
        ...


class Growing:
    """The tails of rows that are decoded in step, in buffers as long as they may grow."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.length = 0
        self.keys: dict[int, Tensor] = {}
        self.values: dict[int, Tensor] = {}

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """See `Tail`; `length` is the caller's to raise, once for all layers."""
        if layer not in self.keys:
            for store, new in ((self.keys, key), (self.values, value)):
                store[layer] = new.new_zeros(*new.shape[:2], self.room, new.shape[3])
        end = self.length + key.shape[2]
        self.keys[layer][:, :, self.length : end] = key
        self.values[layer][:, :, self.length : end] = value
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]

    def places(self, start: int) -> Tensor:
        """See `Tail`."""
        device = next(iter(self.keys.values())).device
        return torch.arange(start, start + self.length + 1, device=device)[None]

    def keep(self, row: int) -> "Kept":
        """Return a copy of what one row holds."""
        keys, values = (
            {layer: tensor[row, :, : self.length].clone() for layer, tensor in store.items()}
            for store in (self.keys, self.values)
        )
        return Kept(keys, values, self.length)

    def select(self, rows: Sequence[int]) -> None:
        """Keep only these rows, in this order."""
        for store in (self.keys, self.values):
            for layer, tensor in store.items():
                store[layer] = tensor[list(rows)]


class Fixed:
    """The same buffers, written at a place that the device knows: every step has the same shapes and addresses."""

    def __init__(self, tail: Growing, at: Tensor) -> None:
        self.tail = tail
        self.at = at  # (1,), where the next token goes

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """See `Tail`; what lies beyond the new token has no meaning yet and must be hidden."""
        keys, values = self.tail.keys[layer], self.tail.values[layer]
        keys.index_copy_(2, self.at, key)
        values.index_copy_(2, self.at, value)
        return keys, values

    def places(self, start: int) -> Tensor:
        """See `Tail`."""
        return torch.arange(start, start + self.tail.room, device=self.at.device)[None]


class Recalled:
    """The tails of finished drafts, padded to one length, with room for what is asked about them."""

    def __init__(self, kept: Sequence[Kept | None], new: Tensor) -> None:
        self.kept = kept
        self.width = max((item.length for item in kept if item), default=0)
        self._new = new  # positions of the new tokens, (rows, S)

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """See `Tail`; nothing is stored."""
        if not self.width:
            return key, value
        held = [key.new_zeros(key.shape[0], key.shape[1], self.width, key.shape[3]) for _ in range(2)]
        for row, item in enumerate(self.kept):
            if item:
                held[0][row, :, : item.length] = item.keys[layer]
                held[1][row, :, : item.length] = item.values[layer]
        return torch.cat([held[0], key], 2), torch.cat([held[1], value], 2)

    def places(self, start: int) -> Tensor:
        """See `Tail`."""
        held = torch.arange(start, start + self.width, device=self._new.device)
        return torch.cat([held.expand(len(self._new), -1), self._new], 1)


@dataclass(frozen=True, slots=True)
class Form:
    """How one layer attends: the scale of its scores, its window, its soft cap and its sinks (per query head)."""

    scale: float
    window: int | None
    softcap: float | None
    sinks: Tensor | None


@dataclass(slots=True)
class Branch:
    """Rows that go on from one prefix: `places` of their new tokens (rows, S), and who sees what of the tail.

    `nearest` and `furthest` bound the places, known here so that no device has to be waited for; `visible` is
    (rows, S, T), None when every new token sees the whole tail.
    """

    prefix: Prefix
    tail: Tail
    places: Tensor
    nearest: int
    furthest: int
    visible: Tensor | None = None

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, form: Form) -> Tensor:
        """Return (rows, S, H, D): each row sees the one prefix and its own tail."""
        rows, heads, new, size = query.shape
        groups = key.shape[1]
        tail_keys, tail_values = self.tail.extend(layer, key, value)
        start = self.prefix.length
        first = 0 if form.window is None else min(start, max(0, self.nearest - form.window + 1))
        keys = self.prefix.keys[layer][:, first:start]
        values = self.prefix.values[layer][:, first:start]
        scaled = (query * form.scale).reshape(rows, groups, -1, size)
        together = scaled.transpose(0, 1).reshape(groups, -1, size)
        shared = (together @ keys.transpose(1, 2)).view(groups, rows, -1, start - first).transpose(0, 1)
        scores = torch.cat([shared, scaled @ tail_keys.transpose(2, 3)], -1)
        weights = _softmax(scores.view(rows, groups, -1, new, scores.shape[-1]), self._hidden(first, form), form)
        weights = weights.reshape(rows, groups, -1, weights.shape[-1]).to(query.dtype)
        seen = start - first
        read = weights[..., :seen].transpose(0, 1).reshape(groups, -1, seen) @ values
        out = read.view(groups, rows, -1, size).transpose(0, 1) + weights[..., seen:] @ tail_values
        return out.reshape(rows, heads, new, size).transpose(1, 2)

    def _hidden(self, first: int, form: Form) -> Tensor | None:
        """Return what no new token may see, (rows, S, L + T) from key `first` on; None for nothing."""
        start, window = self.prefix.length, form.window
        far = window is not None and self.furthest - first >= window
        if self.visible is None and not far:
            return None
        device = self.places.device
        ahead = torch.arange(first, start, device=device).expand(self.places.shape[0], -1)
        keys = torch.cat([ahead, self.tail.places(start).expand(self.places.shape[0], -1)], 1)
        hidden = torch.zeros(*self.places.shape, keys.shape[1], dtype=torch.bool, device=device)
        if self.visible is not None:
            hidden[:, :, start - first :] = ~self.visible
        if window is not None and far:
            hidden |= self.places[:, :, None] - keys[:, None, :] >= window
        return hidden


@dataclass(slots=True)
class Branches:
    """One forward pass over the rows of several branches, in their order."""

    branches: Sequence[Branch]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, form: Form) -> Tensor:
        """Return (rows, S, H, D)."""
        counts = [len(branch.places) for branch in self.branches]
        parts = zip(self.branches, *(tensor.split_with_sizes(counts) for tensor in (query, key, value)), strict=True)
        read = [branch.attend(layer, q, k, v, form) for branch, q, k, v in parts]
        return read[0] if len(read) == 1 else torch.cat(read)


@dataclass(slots=True)
class Prefill:
    """One forward pass over the next tokens of a prompt."""

    prefix: Prefix

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, form: Form) -> Tensor:
        """Return (1, S, H, D): each token sees those before it."""
        keys, values = self.prefix.write(layer, key[0], value[0])
        groups, length, size = keys.shape
        heads, new = query.shape[1:3]
        start = length - new
        hidden = None
        if start or form.window is not None or form.softcap or form.sinks is not None:
            ages = torch.arange(start, length, device=query.device)[:, None] - torch.arange(length, device=query.device)
            hidden = (ages < 0) if form.window is None else (ages < 0) | (ages >= form.window)
        if form.softcap or form.sinks is not None:
            scaled = (query[0] * form.scale).reshape(groups, -1, size)
            scores = (scaled @ keys.transpose(1, 2)).view(1, groups, -1, new, length)
            assert hidden is not None
            weights = _softmax(scores, hidden[None], form).view(groups, -1, length).to(query.dtype)
            return (weights @ values).view(1, heads, new, size).transpose(1, 2)
        mask = None if hidden is None else ~hidden
        every_key, every_value = (
            tensor[:, None].expand(-1, heads // groups, -1, -1).reshape(1, heads, length, size)
            for tensor in (keys, values)
        )
        read = functional.scaled_dot_product_attention(
            query, every_key, every_value, attn_mask=mask, is_causal=mask is None, scale=form.scale
        )
        return read.transpose(1, 2)


def _held(*stores: dict[int, Tensor]) -> int:
    """Return the bytes of all tensors."""
    return sum(tensor.numel() * tensor.element_size() for store in stores for tensor in store.values())


def _softmax(scores: Tensor, hidden: Tensor | None, form: Form) -> Tensor:
    """Return weights in float32 for scores (rows, G, R, S, keys); a sink takes its share and is dropped."""
    if form.softcap:
        scores = torch.tanh(scores / form.softcap) * form.softcap
    if hidden is not None:
        scores = scores.masked_fill(hidden[:, None, None], torch.finfo(scores.dtype).min)
    if form.sinks is None:
        return scores.softmax(-1, dtype=torch.float32)
    sinks = form.sinks.view(1, scores.shape[1], -1, 1, 1).expand(*scores.shape[:-1], 1)
    return torch.cat([scores, sinks.to(scores.dtype)], -1).softmax(-1, dtype=torch.float32)[..., :-1]


def _attention(  # noqa: PLR0913, transformers calls it
    module: "nn.Module",
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """An attention function as transformers calls it, for what `READING` holds."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    form = Form(scale, sliding_window, softcap, s_aux)
    return READING.get().attend(cast(int, module.layer_idx), query, key, value, form), None


def register() -> None:
    """Make the attention function known to transformers under `NAME`."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _attention)
