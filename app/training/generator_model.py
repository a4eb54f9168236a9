"""A causal model with an adapter (LoRA, Hu et al. 2021): texts to tokens, tokens to losses and ratings.

Knows examples as text and the model as a module; nothing of training, filtering or reports. The one file that
imports peft.
"""

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from app.training.generator_data import TrainingError, TrainingSequence
from dialogue.models.decoding import common
from dialogue.models.formats import Format, Lamda

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


APART: Final = 1.0  # weight of the odds ratio beside the loss
SHARED: Final = 12  # tokens that rows have to begin with alike to be read as branches


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """A model whose adapter can be trained, its tokenizer, and how many tokens of an example it reads.

    `form` writes its prompts; `branches` says that examples which begin alike can be read in one row.
    """

    model: "PeftModel"
    tokenizer: "PreTrainedTokenizerBase"
    longest: int
    form: Format = field(default_factory=Lamda)
    branches: bool = False


@dataclass(frozen=True, slots=True)
class Encoded:
    """An example as tokens: those from `start` on are trained on, and made likelier than those of `worse`."""

    ids: tuple[int, ...]
    start: int
    worse: "Encoded | None" = None


def adapt(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    longest: int,
    rank: int,
    seed: int,
    save_memory: bool = False,
    form: Format | None = None,
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
    made = Adapted(adapted, tokenizer, longest, form or Lamda())
    return replace(made, branches=_branches(made))


def encode(adapted: Adapted, example: TrainingSequence) -> Encoded:
    """Return the example's tokens, made part by part as the door to models makes them, and the end.

    What is longer than `adapted.longest` loses the beginning of its prompt; a target longer than three quarters of
    it its end.
    """
    tokenizer, longest = adapted.tokenizer, adapted.longest
    prompt = [*beginning(adapted, example.prompt), *following(tokenizer, example.reply)]
    target = following(tokenizer, example.suffix + example.target)
    if example.attribute:
        length = common(target, following(tokenizer, example.suffix))
        prompt, target = [*prompt, *target[:length]], target[length:]
    else:
        target = [*target, tokenizer.eos_token_id]
    target = target[: longest * 3 // 4]
    prompt = prompt[-(longest - len(target)) :]
    worse = encode(adapted, replace(example, target=example.worse, worse="")) if example.worse else None
    return Encoded((*prompt, *target), len(prompt), worse)


def rating_row(adapted: Adapted, example: TrainingSequence) -> tuple[Encoded, int]:
    """Return a discriminative example up to the token of its rating, and the token of the other one in its place."""
    tokenizer = adapted.tokenizer
    before = [*beginning(adapted, example.prompt), *following(tokenizer, example.reply)]
    one, two = (following(tokenizer, example.suffix + rating) for rating in (example.target, example.other))
    place = common(one, two)
    row = [*before, *one[: place + 1]][-adapted.longest :]
    return Encoded(tuple(row), len(row) - 1), two[place]


def beginning(adapted: Adapted, text: str) -> list[int]:
    """Return the tokens of a prompt, without the end that some tokenizers put after every text."""
    tokenizer = adapted.tokenizer
    ids: list[int] = tokenizer(text, add_special_tokens=adapted.form.special, verbose=False)["input_ids"]
    return ids[:-1] if ids and ids[-1] == tokenizer.eos_token_id else ids


def following(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """Return the tokens of what follows a prompt."""
    ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"] if text else []
    return ids


def losses(adapted: Adapted, rows: Sequence[Encoded]) -> "torch.Tensor":
    """Return the mean loss of each row over the tokens it is to learn, shape (rows,), in nats.

    Where the model allows it, rows that begin alike are read as branches of one, their beginning once.
    """
    import torch
    from torch.nn.functional import cross_entropy

    found: dict[int, torch.Tensor] = {}
    for line in _lines(adapted, rows):
        logits = _logits(adapted.model, line)
        targets = torch.tensor([token for place in line.rows for token in rows[place].ids[rows[place].start :]])
        each = cross_entropy(logits.float(), targets.to(logits.device), reduction="none")
        counts = [len(rows[place].ids) - rows[place].start for place in line.rows]
        found.update(zip(line.rows, (part.mean() for part in torch.split(each, counts)), strict=True))
    return torch.stack([found[place] for place in range(len(rows))])


def objective(adapted: Adapted, rows: Sequence[Encoded]) -> "torch.Tensor":
    """Return what training makes small, by row (rows,): its loss, and where it has a worse one, by how little it is
    likelier: the odds ratio of Hong et al. 2024 (ORPO), which needs no second model to compare with."""
    import torch
    from torch.nn.functional import logsigmoid

    places = [place for place, row in enumerate(rows) if row.worse is not None]
    found = losses(adapted, [*rows, *(row.worse for row in rows if row.worse is not None)])
    own, worse = found[: len(rows)], found[len(rows) :]
    if not places:
        return own
    apart = torch.zeros_like(own)
    apart[places] = -logsigmoid(_log_odds(own[places]) - _log_odds(worse))
    return own + APART * apart


def _log_odds(loss: "torch.Tensor") -> "torch.Tensor":
    """The log odds of a target whose tokens have this mean loss."""
    import torch

    return -loss - torch.log1p(-torch.exp(-loss.clamp(min=1e-4)))


def odds(adapted: Adapted, rows: Sequence[Encoded], others: Sequence[int]) -> "torch.Tensor":
    """Return P(last token of the row, the one it learns) against that of `others` in its place, shape (rows,)."""
    import torch

    found: dict[int, torch.Tensor] = {}
    for line in _lines(adapted, rows):
        for place, step in zip(line.rows, _logits(adapted.model, line).float(), strict=True):
            found[place] = (step[rows[place].ids[-1]] - step[others[place]]).sigmoid()
    return torch.stack([found[place] for place in range(len(rows))])


def precision(adapted: Adapted) -> AbstractContextManager[Any]:
    """On a GPU the arithmetic is bfloat16 where that is safe; the adapter itself stays in float32."""
    import torch

    if adapted.model.device.type == "cpu":
        return nullcontext()
    return torch.autocast(adapted.model.device.type, dtype=torch.bfloat16)


@dataclass(frozen=True, slots=True)
class _Line:
    """Tokens that are read together: those of `rows`, by place, of which each sees its own alone.

    `places` are the tokens' positions, `seen` the pairs of token and first and last token it sees of its beginning
    and of its branch; `kept` are the tokens whose logits are wanted, row by row.
    """

    rows: list[int]
    ids: list[int]
    places: list[int]
    seen: list[tuple[int, int, int]]
    kept: list[int]


def _lines(adapted: Adapted, rows: Sequence[Encoded]) -> list[_Line]:
    """Lay out rows for reading: all in one line where the model reads branches, else each in its own."""
    if not adapted.branches:
        return [_line(rows, [[place]]) for place in range(len(rows))]
    groups: list[list[int]] = []
    for place in sorted(range(len(rows)), key=lambda place: rows[place].ids):
        if groups and _shared([rows[other] for other in (*groups[-1], place)]) >= SHARED:
            groups[-1].append(place)
        else:
            groups.append([place])
    return [_line(rows, groups)]


def _shared(rows: Sequence[Encoded]) -> int:
    """How many tokens rows begin with alike; the last one before what is learnt stays with its row."""
    return min(common(*(row.ids for row in rows)), *(row.start - 1 for row in rows))


def _line(rows: Sequence[Encoded], groups: Sequence[Sequence[int]]) -> _Line:
    line = _Line([], [], [], [], [])
    for group in groups:
        first = len(line.ids)
        shared = _shared([rows[place] for place in group]) if len(group) > 1 else 0
        line.ids.extend(rows[group[0]].ids[:shared])
        line.places.extend(range(shared))
        line.seen.extend((first, 0, 0) for _ in range(shared))
        for place in group:
            row, branch = rows[place], len(line.ids)
            line.ids.extend(row.ids[shared:])
            line.places.extend(range(shared, len(row.ids)))
            line.seen.extend((first, first + shared, branch) for _ in row.ids[shared:])
            line.kept.extend(range(branch + row.start - 1 - shared, len(line.ids) - 1))
            line.rows.append(place)
    return line


def _logits(model: "PeftModel", line: _Line) -> "torch.Tensor":
    """Return the logits that foretell what the rows of a line are to learn, shape (tokens, vocabulary)."""
    import torch

    device = model.device
    given = {"input_ids": torch.tensor([line.ids], device=device)}
    if line.seen[-1][2]:  # more than one row
        at = torch.arange(len(line.ids), device=device)
        first, until, branch = (torch.tensor(column, device=device)[:, None] for column in zip(*line.seen, strict=True))
        shared = (at >= first) & (at < until)
        own = (at >= torch.where(until > 0, branch, first)) & (at <= at[:, None])
        mask = torch.zeros(len(line.ids), len(line.ids), dtype=model.dtype, device=device)
        mask.masked_fill_(~(shared | own), torch.finfo(model.dtype).min)
        given |= {"attention_mask": mask[None, None], "position_ids": torch.tensor([line.places], device=device)}
    kept = torch.tensor(line.kept, device=device)
    logits: torch.Tensor = model(**given, use_cache=False, logits_to_keep=kept).logits[0]
    return logits


def _branches(adapted: Adapted) -> bool:
    """Say whether the model computes the same for rows read as branches as for each read by itself: try it."""
    import torch

    size = adapted.model.config.get_text_config().vocab_size
    ids = [2 + place % (size - 2) for place in range(SHARED + 8)]
    rows = [Encoded((*ids, *ids[n : n + 4]), len(ids)) for n in (1, 3)]
    try:
        with torch.inference_mode():
            alone, together = losses(adapted, rows), losses(replace(adapted, branches=True), rows)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
        return False
    return bool(torch.allclose(alone, together, rtol=1e-3 if adapted.model.dtype == torch.float32 else 0.03))
