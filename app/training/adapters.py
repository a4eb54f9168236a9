"""Training of an adapter on pairs of texts with yes-or-no labels, whatever they mean."""

import logging
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from retrieval.encoder.adapters import Adapter, Reader
from retrieval.encoder.embed import Encoder
from retrieval.encoder.folded import LOWER

SORTED = 24  # batches drawn together and sorted by length, so that like lengths meet
KEPT = 4_000_000  # tokens whose lower states are kept, 768 bytes each
REPORTED = 100  # steps between two points of the curve

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pair:
    """A text read after another. `labels` are wanted probabilities by output; outputs not named are not trained."""

    before: str
    text: str
    labels: tuple[tuple[str, float], ...]
    weight: float = 1.0


Group = tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class AdapterTraining:
    """How long and how fast. `examples` are drawn in all; tokens are the most that is read of either text."""

    examples: int
    rate: float = 1e-3
    batch: int = 32
    before_tokens: int = 96
    text_tokens: int = 64
    drop: float = 0.1
    decay: float = 0.01
    warm: int = 60


def fit(
    encoder: Encoder,
    adapter: Adapter,
    sources: Mapping[str, tuple[float, Sequence[Group]]],
    plan: AdapterTraining,
    seed: int = 0,
) -> list[dict[str, float]]:
    """Train the adapter's tensors in place by AdamW; return the curve of the loss, a point per REPORTED steps.

    `sources` maps a name to its share of what is drawn and its groups, each gone through before any comes again. A
    group stays in one batch: examples after one text, which is then read once.
    """
    torch.manual_seed(seed)
    reader = Reader(encoder, adapter)
    states = _States(encoder, 0 if reader.whole else LOWER)
    learning = list(adapter.tensors.values())
    for tensor in learning:
        tensor.requires_grad_(True)
    optimiser = torch.optim.AdamW(learning, lr=plan.rate, weight_decay=plan.decay)
    steps = math.ceil(plan.examples / plan.batch)
    curve: list[dict[str, float]] = []
    recent = 0.0
    for step, batch in zip(range(1, steps + 1), _batches(sources, plan, random.Random(seed)), strict=False):
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * min(1.0, step / plan.warm) * (1 - (step - 1) / steps)
        loss = _loss(reader, states, batch, plan)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        recent += loss.item() / REPORTED
        if step % REPORTED == 0:
            curve.append({"examples": step * plan.batch, "loss": round(recent, 4)})
            _log.info("%s: %d of %d examples, loss %.4f", adapter.name, step * plan.batch, plan.examples, recent)
            recent = 0.0
    for tensor in learning:
        tensor.requires_grad_(False)
    return curve


def fit_phases(
    encoder: Encoder,
    adapter: Adapter,
    sources: Mapping[str, Sequence[Group]],
    plans: Sequence[AdapterTraining],
    shares: Sequence[Mapping[str, float]],
    seed: int = 0,
) -> list[dict[str, float]]:
    """Train by one plan after another, each with its own share of every source; return their curves in a row."""
    curve = []
    for place, (plan, wanted) in enumerate(zip(plans, shares, strict=True)):
        drawn = {name: (wanted.get(name, 0.0), groups) for name, groups in sources.items()}
        curve += fit(encoder, adapter, drawn, plan, seed + place)
    return curve


def _loss(reader: Reader, states: "_States", batch: Sequence[Pair], plan: AdapterTraining) -> Tensor:
    befores = list(dict.fromkeys(example.before for example in batch))
    past = states(befores, plan.before_tokens)
    here = states([example.text for example in batch], plan.text_tokens)
    if reader.whole:
        maps = reader.merged(low=True)
        past, here = reader.lower(past, maps), reader.lower(here, maps)
    logits = reader.read(
        past,
        here,
        [befores.index(example.before) for example in batch],
        reader.merged(),
        plan.drop,
    )
    wanted, weight = torch.zeros_like(logits), torch.zeros_like(logits)
    for row, example in enumerate(batch):
        for name, label in example.labels:
            column = reader.outputs.index(name)
            wanted[row, column], weight[row, column] = label, example.weight
    losses = binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return (losses * weight).sum() / len(batch)


class _States:
    """The states of texts after so many layers, kept in float16 as long as there is room."""

    def __init__(self, encoder: Encoder, layers: int) -> None:
        self._encoder, self._layers = encoder, layers
        self._known: dict[tuple[str, int], Tensor] = {}
        self._tokens = 0

    def __call__(self, texts: Sequence[str], most: int) -> list[Tensor]:
        missing = [text for text in dict.fromkeys(texts) if (text, most) not in self._known]
        made = {
            (text, most): state.half()
            for text, state in zip(missing, self._encoder.hidden(missing, self._layers, most), strict=True)
        }
        found = [made[text, most] if (text, most) in made else self._known[text, most] for text in texts]
        if self._tokens < KEPT:
            self._known |= made
            self._tokens += sum(map(len, made.values()))
        return found


def _batches(
    sources: Mapping[str, tuple[float, Sequence[Group]]], plan: AdapterTraining, rng: random.Random
) -> Iterator[list[Pair]]:
    names = [name for name, (share, found) in sources.items() if share and found]
    sizes = [sum(map(len, sources[name][1])) / len(sources[name][1]) for name in names]
    shares = list(accumulate(sources[name][0] / size for name, size in zip(names, sizes, strict=True)))
    left: dict[str, list[Group]] = {name: [] for name in names}
    while True:
        drawn: list[Group] = []
        while sum(map(len, drawn)) < plan.batch * SORTED:
            [name] = rng.choices(names, cum_weights=shares)
            if not left[name]:
                left[name] = list(sources[name][1])
                rng.shuffle(left[name])
            drawn.append(left[name].pop())
        drawn.sort(key=lambda group: (len(group[0].before) // 60, max(len(example.text) for example in group)))
        batches: list[list[Pair]] = [[]]
        for group in drawn:
            if len(batches[-1]) >= plan.batch:
                batches.append([])
            batches[-1] += group
        rng.shuffle(batches)
        yield from batches
