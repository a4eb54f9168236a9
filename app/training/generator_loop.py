"""The training loop of an adapter, and its checkpoints.

Knows rows of tokens and weights; nothing of texts, of ratings or of reports.
"""

import math
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.training.generator_data import TrainingError
from app.training.generator_model import Adapted, Encoded, losses, precision

if TYPE_CHECKING:
    import torch

BUCKET = 32  # batches that are sorted by length together
CLIP = 1.0  # norm of the gradient
CHECKPOINT = "checkpoint.pt"

Progress = Callable[[str, int, int], None]  # stage, done, of how many


@dataclass(frozen=True, slots=True)
class Tuning:
    """How an adapter is trained.

    A step reads `batch` times `accumulate` examples of at most `longest` tokens; its rate rises over the share
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


def batches(rows: Sequence[Encoded], size: int, seed: int) -> list[list[int]]:
    """Return the places of the rows in batches of like length, in an order that only the seed decides."""
    rng = random.Random(seed)
    order = list(range(len(rows)))
    rng.shuffle(order)
    made = []
    for start in range(0, len(order), size * BUCKET):
        near = sorted(order[start : start + size * BUCKET], key=lambda place: len(rows[place].ids))
        made += [near[at : at + size] for at in range(0, len(near), size)]
    rng.shuffle(made)
    return made


def steps_of(rows: int, tuning: Tuning) -> int:
    """Return how many steps of the optimiser `rows` examples take."""
    return tuning.epochs * math.ceil(math.ceil(rows / tuning.batch) / tuning.accumulate)


def fit(adapted: Adapted, rows: Sequence[Encoded], tuning: Tuning, stage: int, work: Path, progress: Progress) -> None:
    """Train the adapter on `rows`, from the checkpoint in the folder `work` on where it is of this stage.

    Leaves a checkpoint every `save_every` steps and at the end; a stage that the checkpoint has passed only has
    its weights put in place. All chance hangs on seed, stage and step, so that a stopped training ends with the
    same weights as one that was not. Raises TrainingError when the loss is no longer a number.
    """
    import torch

    trained = {name: weight for name, weight in adapted.model.named_parameters() if weight.requires_grad}
    optimiser = torch.optim.AdamW(trained.values(), lr=tuning.rate, weight_decay=0.0)
    total = steps_of(len(rows), tuning)
    done = _resume(work, stage, total, trained, optimiser)
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
                loss = losses(adapted, [rows[place] for place in batch]).sum() / size
            loss.backward()  # type: ignore[no-untyped-call]
            summed += loss.item()
        if not math.isfinite(summed):
            raise TrainingError(f"the loss became {summed} at step {step}: train again with a lower rate")
        torch.nn.utils.clip_grad_norm_(trained.values(), CLIP)
        optimiser.step()
        optimiser.zero_grad()
        if (step + 1) % tuning.save_every == 0 or step + 1 == total:
            weights = {name: weight.detach() for name, weight in trained.items()}
            _save(
                work / CHECKPOINT,
                {"stage": stage, "step": step + 1, "weights": weights, "optimiser": optimiser.state_dict()},
            )
        progress("learning", step + 1, total)
    adapted.model.eval()


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
) -> int:
    """Put weights and optimiser as the checkpoint has them; return how many steps of this stage are done."""
    import torch

    path = work / CHECKPOINT
    if not path.is_file():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    with torch.no_grad():
        for name, weight in trained.items():
            weight.copy_(state["weights"][name])
    if state["stage"] != stage:
        return total if state["stage"] > stage else 0
    optimiser.load_state_dict(state["optimiser"])
    done: int = state["step"]
    return done
