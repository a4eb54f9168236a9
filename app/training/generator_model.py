"""A causal model with an adapter (LoRA, Hu et al. 2021): texts to tokens, tokens to losses and ratings.

Knows examples as text and the model as a module; nothing of training, filtering or reports. The one file that
imports peft.
"""

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.training.generator_data import TrainingError, TrainingSequence
from dialogue.models.decoding import common

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """A model whose adapter can be trained, its tokenizer, and how many tokens of an example it reads."""

    model: "PeftModel"
    tokenizer: "PreTrainedTokenizerBase"
    longest: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """An example as tokens: those from `start` on are trained on."""

    ids: tuple[int, ...]
    start: int


def adapt(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    longest: int,
    rank: int,
    seed: int,
    save_memory: bool = False,
) -> Adapted:
    """Return the model with a fresh adapter on all its linear layers but the last; only the adapter learns.

    The adapter's scale is twice its `rank`. `save_memory` computes the inner layers a second time instead of
    keeping what they gave. Raises TrainingError when peft is not installed or finds no layer.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise TrainingError("training a model needs peft: pip install 'candor[train]'") from error
    import torch

    torch.manual_seed(seed)
    config = LoraConfig(
        task_type="CAUSAL_LM", r=rank, lora_alpha=2 * rank, target_modules="all-linear", lora_dropout=0.0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what peft chooses by itself for an architecture is no news
        try:
            adapted = get_peft_model(model, config)
        except ValueError as error:
            kind = model.config.model_type
            raise TrainingError(f"{kind!r} models cannot be given an adapter: {error}") from error
        model.config.use_cache = False
        if save_memory:
            adapted.enable_input_require_grads()
            adapted.gradient_checkpointing_enable()
    return Adapted(adapted, tokenizer, longest)


def encode(adapted: Adapted, example: TrainingSequence) -> Encoded:
    """Return the example's tokens, made part by part as the door to models makes them, and the end.

    What is longer than `adapted.longest` loses the beginning of its prompt; a target longer than three quarters of
    it its end.
    """
    tokenizer, longest = adapted.tokenizer, adapted.longest
    prompt = [*beginning(tokenizer, example.prompt), *following(tokenizer, example.reply)]
    target = following(tokenizer, example.suffix + example.target)
    if example.attribute:
        length = common(target, following(tokenizer, example.suffix))
        prompt, target = [*prompt, *target[:length]], target[length:]
    else:
        target = [*target, tokenizer.eos_token_id]
    target = target[: longest * 3 // 4]
    prompt = prompt[-(longest - len(target)) :]
    return Encoded((*prompt, *target), len(prompt))


def rating_row(adapted: Adapted, example: TrainingSequence, ratings: tuple[str, str]) -> tuple[Encoded, int]:
    """Return a discriminative example with the first rating, up to the token in which the second differs, and that."""
    tokenizer = adapted.tokenizer
    before = [*beginning(tokenizer, example.prompt), *following(tokenizer, example.reply)]
    one, two = (following(tokenizer, example.suffix + rating) for rating in ratings)
    place = common(one, two)
    row = [*before, *one[: place + 1]][-adapted.longest :]
    return Encoded(tuple(row), len(row) - 1), two[place]


def beginning(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """Return the tokens of a prompt, without the end that some tokenizers put after every text."""
    ids: list[int] = tokenizer(text, verbose=False)["input_ids"]
    return ids[:-1] if ids and ids[-1] == tokenizer.eos_token_id else ids


def following(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """Return the tokens of what follows a prompt."""
    ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"] if text else []
    return ids


def losses(adapted: Adapted, rows: Sequence[Encoded]) -> "torch.Tensor":
    """Return the mean loss of each row over the tokens it is to learn, shape (rows,), in nats."""
    import torch
    from torch.nn.functional import cross_entropy

    logits, ids, first = _logits(adapted.model, rows)
    targets = ids[:, first + 1 :].clone()
    for place, row in enumerate(rows):
        targets[place, : row.start - first - 1] = -100
        targets[place, len(row.ids) - first - 1 :] = -100
    each = cross_entropy(logits[:, :-1].float().transpose(1, 2), targets, ignore_index=-100, reduction="none")
    counts = torch.tensor([len(row.ids) - row.start for row in rows], device=each.device)
    return each.sum(1) / counts


def odds(adapted: Adapted, rows: Sequence[Encoded], others: Sequence[int]) -> "torch.Tensor":
    """Return P(last token of the row) against that of `others` in its place, shape (rows,)."""
    import torch

    logits, _, first = _logits(adapted.model, rows)
    found = []
    for place, (row, other) in enumerate(zip(rows, others, strict=True)):
        last = len(row.ids) - 1
        step = logits[place, last - 1 - first].float()
        found.append((step[row.ids[last]] - step[other]).sigmoid())
    return torch.stack(found)


def precision(adapted: Adapted) -> AbstractContextManager[Any]:
    """On a GPU the arithmetic is bfloat16 where that is safe; the adapter itself stays in float32."""
    import torch

    if adapted.model.device.type == "cpu":
        return nullcontext()
    return torch.autocast(adapted.model.device.type, dtype=torch.bfloat16)


def _logits(model: "PeftModel", rows: Sequence[Encoded]) -> "tuple[torch.Tensor, torch.Tensor, int]":
    """Return the logits from the place before the first trained token on, the tokens, and that place."""
    import torch

    width = max(len(row.ids) for row in rows)
    ids = torch.tensor([[*row.ids, *[0] * (width - len(row.ids))] for row in rows], device=model.device)
    mask = torch.tensor([[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in rows], device=model.device)
    first = min(row.start for row in rows) - 1
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=width - first).logits
    return logits, ids, first
