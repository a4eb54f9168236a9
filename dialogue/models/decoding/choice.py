"""The choice of the next token from logits: temperature, top-k, top-p, min-p, each request by its own generator."""

import os

import torch
from torch import Tensor

from dialogue.types import Sampling


def generator(seed: int | None, device: torch.device) -> torch.Generator:
    """Return a source of chance for one request: repeatable with a seed, new each time without."""
    made = torch.Generator(device)
    made.manual_seed(int.from_bytes(os.urandom(8)) >> 1 if seed is None else seed % 2**63)
    return made


def choose(logits: Tensor, sampling: Sampling, chance: torch.Generator, times: int = 1) -> list[int]:
    """Return `times` tokens for each row of `logits` (rows, vocabulary), row after row.

    Temperature 0 takes the likeliest. Else, in this order: the `top_k` likeliest (Fan et al. 2018; 0: all), of
    these the fewest that hold `top_p` of the probability (Holtzman et al. 2020), of these what has at least
    `min_p` of the likeliest one's probability (Nguyen et al. 2024).
    """
    if sampling.temperature <= 0:
        return [int(token) for token in logits.argmax(-1).repeat_interleave(times)]
    k = min(sampling.top_k or logits.shape[-1], logits.shape[-1])
    best, tokens = logits.float().topk(k, -1)
    weights = (best / sampling.temperature).softmax(-1)
    if sampling.top_p < 1:
        before = weights.cumsum(-1) - weights
        weights = weights.masked_fill(before >= sampling.top_p, 0.0)
    if sampling.min_p > 0:
        weights = weights.masked_fill(weights < sampling.min_p * weights[:, :1], 0.0)
    places = torch.multinomial(weights, times, replacement=True, generator=chance)
    chosen: list[int] = tokens.gather(-1, places).flatten().tolist()
    return chosen
