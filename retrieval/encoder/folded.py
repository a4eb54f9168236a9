"""An encoder with an adapter in its weights, for reading: pairs of texts to logits.

All tokens lie end to end: first those of the texts in the lower layers, then those of the texts that are read and, once
each, of the texts before them.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import gelu, normalize
from torch.nn.utils.rnn import pad_sequence

from retrieval.encoder.flat import FlatLayer, Span, grouped, ordered
from retrieval.encoder.layers import leveled

if TYPE_CHECKING:
    from retrieval.encoder.embed import Encoder

LOWER = 3  # layers in which texts do not meet
TOKENS = 2048  # that are read at once


class Folded:
    """What an adapter of these `weights` reads with: its upper layers, and lower ones where it adapts those as well."""

    def __init__(
        self, encoder: "Encoder", weights: Mapping[str, Tensor], lower: Sequence[FlatLayer], upper: Sequence[FlatLayer]
    ) -> None:
        self._encoder, self._weights = encoder, weights
        self._lower, self._layers = lower, upper

    @torch.inference_mode()
    def __call__(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Return logits (pairs, outputs) of (text before, text), in order."""
        read = list(dict.fromkeys(pairs))
        place = {pair: row for row, pair in enumerate(read)}
        texts = list(dict.fromkeys(text for pair in read for text in pair))
        states, spans = self._lowered(texts)
        span = dict(zip(texts, spans, strict=True))
        whole = [(span[before], span[text]) for before, text in read]
        found = np.zeros((len(read), len(self._weights["head.1.bias"])), dtype=np.float32)
        for rows in _batches(whole):
            found[rows] = self._upper(states, [whole[row] for row in rows]).cpu().numpy()
        return found[[place[pair] for pair in pairs]]

    def _lowered(self, texts: Sequence[str]) -> tuple[Tensor, list[Span]]:
        """Return the states of texts after the lower layers, end to end, and from where to where each is."""
        if not self._lower:
            hidden = self._encoder.hidden(texts, LOWER)
            ends = list(accumulate(map(len, hidden)))
            return torch.cat(hidden), [(end - len(each), end) for end, each in zip(ends, hidden, strict=True)]
        states, spans = self._encoder.laid(texts)
        made = []
        for some in _runs(sorted(spans)):
            first, last = some[0][0], some[-1][1]
            moved = [(begin - first, end - first) for begin, end in some]
            flat, groups = leveled(states[first:last]), grouped(moved, [(0, 0)] * len(moved), states)
            for layer in self._lower:
                flat = layer(flat, groups, last - first)
            made.append(flat[: last - first])
        return torch.cat(made), spans

    def _upper(self, states: Tensor, rows: Sequence[tuple[Span, Span]]) -> Tensor:
        """Return logits (rows, outputs) of (text before, text), which say where their states are."""
        weights, device = self._weights, states.device
        past = sorted({before for before, _ in rows}, key=lambda span: (span[1] - span[0], span))
        here, earlier = (
            states.index_select(0, torch.from_numpy(np.concatenate([np.arange(*span) for span in spans])).to(device))
            for spans in ([text for _, text in rows], past)
        )
        if "match" in weights:
            here = here + self._matching(states, rows)
        whole = torch.cat([here + weights["sides"][1], earlier + weights["sides"][0]]).to(self._encoder.dtype)
        own, after = _laid([text for _, text in rows]), dict(zip(past, _laid(past, len(here)), strict=True))
        groups = grouped(own, [after[before] for before, _ in rows], whole)
        last = self._layers[-1]
        flat, all_groups = leveled(whole), [*groups, *grouped(list(after.values()), [(0, 0)] * len(past), whole)]
        for layer in self._layers:
            flat = layer(flat, groups if layer is last else all_groups, len(here) if layer is last else len(whole))
        return headed(torch.cat([group.pooled(flat) for group in groups]), weights)

    def _matching(self, states: Tensor, rows: Sequence[tuple[Span, Span]]) -> Tensor:
        """Return what the tokens of all texts receive, end to end, by how well the texts before match them."""
        past, past_mask = padded([states[slice(*before)] for before, _ in rows])
        here, mask = padded([states[slice(*text)] for _, text in rows])
        return matched(here, past, past_mask, self._weights)[mask > 0]


def headed(pooled: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    """Return logits (texts, outputs) of pooled texts: the perceptron of an adapter."""
    wide = gelu(pooled @ weights["head.0.weight"] + weights["head.0.bias"])
    return wide @ weights["head.1.weight"] + weights["head.1.bias"]


def matched(here: Tensor, past: Tensor, mask: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    """Return what to add to states of a text: how near each is to the nearest one before it, and how it differs."""
    cosines = normalize(here, dim=2) @ normalize(past, dim=2).transpose(1, 2)
    near, place = cosines.masked_fill(mask[:, None] == 0, -1).max(2)
    nearest = past.gather(1, place.unsqueeze(2).expand(-1, -1, past.shape[2]))
    powers = torch.stack([near, near**3, near**9], 2)
    return powers @ weights["match"] + (here - nearest) @ weights["differ.a"] @ weights["differ.b"]


def padded(states: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return (rows, tokens, dimension) and a mask (rows, tokens), both float32."""
    rows = pad_sequence(list(states), batch_first=True).float()
    lengths = torch.tensor([len(state) for state in states], device=rows.device)
    return rows, (torch.arange(rows.shape[1], device=rows.device) < lengths[:, None]).float()


def _batches(rows: Sequence[tuple[Span, Span]]) -> list[list[int]]:
    """Group rows of (text before, text), in spans of tokens, so that none but a single one has more than TOKENS tokens.

    They come in the order in which `grouped` wants them. What follows one text before comes together where it can.
    """
    order = ordered([end - begin for _, (begin, end) in rows], [end - begin for (begin, end), _ in rows])
    batches: list[list[int]] = [[]]
    held: set[Span] = set()
    size = 0
    for row in order:
        before, (begin, end) = rows[row]
        more = end - begin + (before[1] - before[0] if before not in held else 0)
        if batches[-1] and size + more > TOKENS:
            batches.append([])
            held, size = set(), 0
            more = end - begin + before[1] - before[0]
        batches[-1].append(row)
        held.add(before)
        size += more
    return batches


def _runs(spans: Sequence[Span]) -> list[list[Span]]:
    """Group spans that lie end to end so that none but a single one has more than TOKENS tokens."""
    runs: list[list[Span]] = [[]]
    for span in spans:
        if runs[-1] and span[1] - runs[-1][0][0] > TOKENS:
            runs.append([])
        runs[-1].append(span)
    return runs


def _laid(spans: Sequence[Span], first: int = 0) -> list[Span]:
    """Return where texts of the lengths of `spans` are when they lie end to end from `first` on."""
    ends = list(accumulate((end - begin for begin, end in spans), initial=first))
    return list(pairwise(ends))
