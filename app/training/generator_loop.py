"""The training loop of an adapter, and its checkpoints.

Knows rows of tokens and weights; nothing of texts, of ratings or of reports.
"""

import math
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from app.training.generator_data import TrainingError
from app.training.generator_model import Adapted, Encoded, objective, precision
from dialogue.models.decoding import common

if TYPE_CHECKING:
    import torch

FAMILY = 6  # examples that begin alike and are read together, at most
CLIP = 1.0  # norm of the gradient
CHECKPOINT = "checkpoint.pt"

Progress = Callable[[str, int, int], None]  # stage, done, of how many


@dataclass(frozen=True, slots=True)
class Tuning:
    """How an adapter is trained.

    A step reads `batch` times `accumulate` examples of at most `longest` tokens, those that begin alike counting as
    one and being read as branches; its rate rises over the share
    `warm_up` of the steps and falls to zero along a cosine. `rank` is that of the adapter, its scale is 2.
    """

    epochs: int = 2
    rate: float = 2e-4
    rank: int = 16
    batch: int = 8
    accumulate: int = 1
    longest: int = 1024
    warm_up: float = 0.05
    save_every: int = 50
    seed: int = 0
    save_memory: bool = False


def families(rows: Sequence[Encoded]) -> list[list[int]]:
    """Return the places of the rows that begin alike over half of their length, at most `FAMILY` together."""
    found: list[list[int]] = []
    for place in sorted(range(len(rows)), key=lambda place: (rows[place].ids, place)):
        first = rows[found[-1][0]].ids if found else ()
        alike = first and common(first, rows[place].ids) * 2 > max(len(first), len(rows[place].ids))
        if alike and len(found[-1]) < FAMILY:
            found[-1].append(place)
        else:
            found.append([place])
    return found


def batches(rows: Sequence[Encoded], size: int, seed: int) -> list[list[int]]:
    """Return the places of the rows in batches of `size` families, in an order that only the seed decides."""
    rng = random.Random(seed)
    order = families(rows)
    rng.shuffle(order)
    return [[*chain(*order[at : at + size])] for at in range(0, len(order), size)]


def steps_of(rows: Sequence[Encoded], tuning: Tuning) -> int:
    """Return how many steps of the optimiser the examples take."""
    return tuning.epochs * math.ceil(math.ceil(len(families(rows)) / tuning.batch) / tuning.accumulate)


def fit(
    adapted: Adapted, rows: Sequence[Encoded], tuning: Tuning, stage: int, work: Path, progress: Progress
) -> list[dict[str, float]]:
    """Train the adapter on `rows`, from the checkpoint in the folder `work` on where it is of this stage.

    Return the curve so far: stage, step and mean loss at every checkpoint.

    Leaves a checkpoint every `save_every` steps and at the end; a stage that the checkpoint has passed only has
    its weights put in place. All chance hangs on seed, stage and step, so that a stopped training ends with the
    same weights as one that was not. Raises TrainingError when the loss is no longer a number.
    """
    import torch

    trained = {name: weight for name, weight in adapted.model.named_parameters() if weight.requires_grad}
    optimiser = torch.optim.AdamW(trained.values(), lr=tuning.rate, weight_decay=0.0)
    total = steps_of(rows, tuning)
    done, curve = _resume(work, stage, total, trained, optimiser)
    recent: list[float] = []
    adapted.model.train()
    for step, group in enumerate(_groups(rows, tuning, stage)):
        if step < done:
            continue
        torch.manual_seed(_number(tuning.seed, stage, step))
        for setting in optimiser.param_groups:
            setting["lr"] = tuning.rate * _share_of_rate(step, total, tuning.warm_up)
        size = sum(map(len, group))
        summed = 0.0
        for batch in group:
            with precision(adapted):
                loss = objective(adapted, [rows[place] for place in batch]).sum() / size
            loss.backward()  # type: ignore[no-untyped-call]
            summed += loss.item()
        if not math.isfinite(summed):
            raise TrainingError(f"the loss became {summed} at step {step}: train again with a lower rate")
        torch.nn.utils.clip_grad_norm_(trained.values(), CLIP)
        optimiser.step()
        optimiser.zero_grad()
        recent.append(summed)
        if (step + 1) % tuning.save_every == 0 or step + 1 == total:
            curve.append({"stage": stage, "step": step + 1, "loss": round(fmean(recent), 4)})
            recent = []
            weights = {name: weight.detach() for name, weight in trained.items()}
            state = {"stage": stage, "step": step + 1, "weights": weights, "optimiser": optimiser.state_dict()}
            _save(work / CHECKPOINT, state | {"curve": curve})
        progress("learning", step + 1, total)
    adapted.model.eval()
    return curve


def _save(path: Path, state: dict[str, Any]) -> None:
    """Write a state whole or not at all."""
    import torch

    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _groups(rows: Sequence[Encoded], tuning: Tuning, stage: int) -> Iterator[list[list[int]]]:
    """The batches of each step, over all epochs."""
    for epoch in range(tuning.epochs):
        made = batches(rows, tuning.batch, _number(tuning.seed, stage, epoch))
        for start in range(0, len(made), tuning.accumulate):
            yield made[start : start + tuning.accumulate]


def _number(*parts: int) -> int:
    """A number that hangs on the parts alone."""
    return random.Random(repr(parts)).getrandbits(48)


def _share_of_rate(step: int, total: int, warm_up: float) -> float:
    rising = max(1, round(warm_up * total))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total - rising)))


def _resume(
    work: Path,
    stage: int,
    total: int,
    trained: "dict[str, torch.nn.Parameter]",
    optimiser: "torch.optim.Optimizer",
) -> tuple[int, list[dict[str, float]]]:
    """Put weights and optimiser as the checkpoint has them; return this stage's steps that are done, and the curve."""
    import torch

    path = work / CHECKPOINT
    if not path.is_file():
        return 0, []
    state = torch.load(path, map_location="cpu", weights_only=True)
    with torch.no_grad():
        for name, weight in trained.items():
            weight.copy_(state["weights"][name])
    if state["stage"] != stage:
        return total if state["stage"] > stage else 0, state["curve"]
    optimiser.load_state_dict(state["optimiser"])
    return state["step"], state["curve"]
