"""Layers over texts that lie end to end, so that no padding is multiplied.

What a text attends to is gathered in groups of like lengths; all else is the same for every token of every text, and
is one product for all of them. Queries, keys and values are one product as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from retrieval.encoder.layers import Linear, leveled, product, round_up

Span = tuple[int, int]  # where a text begins and ends among the tokens that lie end to end


class FlatLayer:
    """One layer of BERT with the weights of an adapter in its own: states (tokens, dimension) to such states."""

    def __init__(self, layer: Any, maps: Mapping[str, tuple[Tensor, Tensor]]) -> None:  # noqa: ANN401
        """`maps` are the weights and biases of the layer's linear maps by PLACES."""
        self.heads: int = layer.attention.self.num_attention_heads
        asked = [maps[part] for part in ("query", "key", "value")]
        self.qkv = product(torch.cat([weight for weight, _ in asked]), torch.cat([bias for _, bias in asked]))
        self._attended = product(*maps["attended"])
        self._wide = product(*maps["wide"], gelu=True)
        self._narrow = product(*maps["narrow"])
        self._attended_norm: Linear = layer.attention.output.LayerNorm
        self._norm: Linear = layer.output.LayerNorm

    def __call__(self, flat: Tensor, groups: Sequence["Group"], tokens: int) -> Tensor:
        """Return the states of the first `tokens` tokens, which attend to what `groups` say.

        `flat` may have rows behind its tokens, up to a round number; so has what is returned.
        """
        asked = self.qkv(flat).view(len(flat), 3, self.heads, -1)
        attended = leveled(flat.new_empty(tokens, flat.shape[1]))
        attended[tokens:] = 0
        for group in groups:
            group.attend(asked, attended)
        states = self._attended_norm(self._attended(attended).add_(flat[: len(attended)]))
        return self._norm(self._narrow(self._wide(states)).add_(states))


@dataclass(frozen=True, slots=True)
class Group:
    """Texts of like lengths, one behind the other from token `first` to `last`, each of which attends to its keys.

    `asking` (texts * tokens) and `keys` (texts * keys) are places of tokens. Where the first hold padding, `inside`
    says which are none, and `share` (texts, tokens, 1) is that of each in the mean of its text; where the second do,
    `unseen` (texts, 1, 1, keys) is -inf for it. All four but `keys` are None where there is no padding.
    """

    first: int
    last: int
    rows: int
    asking: Tensor | None
    inside: Tensor | None
    share: Tensor | None
    keys: Tensor
    unseen: Tensor | None

    def attend(self, asked: Tensor, attended: Tensor) -> None:
        """Write what the texts gather from their keys; `asked` (tokens, 3, heads, size) are queries, keys, values."""
        heads, size = asked.shape[2:]
        query = self._own(asked[:, 0])
        known = asked[:, 1:].index_select(0, self.keys).view(self.rows, -1, 2, heads, size).permute(2, 0, 3, 1, 4)
        query = query.view(self.rows, -1, heads, size).transpose(1, 2)
        found = scaled_dot_product_attention(query, known[0], known[1], attn_mask=self.unseen)
        found = found.transpose(1, 2).reshape(-1, heads * size)
        attended[self.first : self.last] = found if self.inside is None else found.index_select(0, self.inside)

    def pooled(self, flat: Tensor) -> Tensor:
        """Return the first state of each text, the mean of all and the largest of each number, in float32."""
        states = self._own(flat).view(self.rows, -1, flat.shape[1]).float()
        mean = states.mean(1) if self.share is None else (states * self.share).sum(1)
        return torch.cat([states[:, 0], mean, states.amax(1)], 1)  # padding repeats the first

    def _own(self, flat: Tensor) -> Tensor:
        return flat[self.first : self.last] if self.asking is None else flat.index_select(0, self.asking)


def ordered(lengths: Sequence[int], before: Sequence[int]) -> list[int]:
    """Return the texts in the order in which they lie: those of like lengths, and of like texts before, together."""
    return sorted(range(len(lengths)), key=lambda row: (*_class(lengths[row], before[row]), lengths[row], before[row]))


def grouped(own: Sequence[Span], before: Sequence[Span], like: Tensor) -> list[Group]:
    """Return the groups of texts that lie as `ordered` says; of each its own tokens and those of the text before.

    A text attends to both. That of no text before is (0, 0).
    """
    groups, first = [], 0
    kinds = [_class(end - begin, last - start) for (begin, end), (start, last) in zip(own, before, strict=True)]
    for row in range(1, len(own) + 1):
        if row == len(own) or kinds[row] != kinds[first]:
            groups.append(_group(np.array(own[first:row]), np.array(before[first:row]), like))
            first = row
    return groups


def _class(own: int, before: int) -> tuple[int, int]:
    return round_up(own), round_up(own + before)


def _group(own: NDArray[np.int64], before: NDArray[np.int64], like: Tensor) -> Group:
    rows, lengths, earlier = len(own), own[:, 1] - own[:, 0], before[:, 1] - before[:, 0]
    asking, inside = _places(own[:, :1], lengths)
    at = np.arange((lengths + earlier).max())
    keys = np.where(at < earlier[:, None], before[:, :1] + at, own[:, :1] + at - earlier[:, None])
    seen = at < (lengths + earlier)[:, None]
    keys[~seen] = own[0, 0]
    unseen = None
    if not seen.all():
        hidden = torch.from_numpy(~seen)
        unseen = torch.zeros(seen.shape, dtype=like.dtype).masked_fill_(hidden, -torch.inf)
        unseen = unseen[:, None, None].to(like.device)
    padded = not inside.all()
    return Group(
        first=int(own[0, 0]),
        last=int(own[-1, 1]),
        rows=rows,
        asking=torch.from_numpy(asking.ravel()).to(like.device) if padded else None,
        inside=torch.from_numpy(np.flatnonzero(inside)).to(like.device) if padded else None,
        share=torch.from_numpy(_share(inside)).to(like.device) if padded else None,
        keys=torch.from_numpy(keys.ravel()).to(like.device),
        unseen=unseen,
    )


def _places(begins: NDArray[np.int64], lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return places of tokens (texts, most tokens), padded with the first of each, and which are no padding."""
    at = np.arange(lengths.max())
    inside = at < lengths[:, None]
    return np.where(inside, begins + at, begins), inside


def _share(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = (inside / inside.sum(1, keepdims=True))[:, :, None].astype(np.float32)
    return found
