"""Whether a model's attention can be handed in: tried on a few tokens when the model is loaded."""

import logging
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from dialogue.models.decoding import attention
from dialogue.models.decoding.attention import Branch, Branches, Growing, Prefill, Prefix
from dialogue.models.decoding.engine import Engine

if TYPE_CHECKING:
    from transformers import PreTrainedModel


# What code of an architecture raises that is given an attention, inputs or places it was not written for. A failure
# of another kind is a mistake of ours.
_UNSUITED: Final = (AttributeError, ImportError, IndexError, KeyError, RuntimeError, TypeError, ValueError)
_log = logging.getLogger(__name__)


def takes_shared_prompt(model: "PreTrainedModel") -> bool:
    """Set the model's attention to ours, and say whether it then computes what it computed before.

    Architectures differ in what they hand to an attention function (windows, soft caps, sinks, biases), so a few
    tokens are tried both ways; a model that does not agree is put back as it was, and a warning says why.
    """
    reason = _unsuited(model)
    if reason:
        _log.warning(
            "%s (%s): drafts cannot share their prompt, so each reads a copy of it, "
            "which takes more time and memory: %s",
            model.name_or_path or "a model",
            type(model).__name__,
            reason,
        )
    return not reason


def _unsuited(model: "PreTrainedModel") -> str:
    """Return why the model cannot be given our attention, and leave it as it was; "" where it now has it."""
    if not getattr(model, "_supports_attention_backend", False):
        return "its architecture takes no attention from outside"
    before = model.config._attn_implementation
    attention.register()
    try:
        with torch.inference_mode():
            tried = torch.arange(2, 26, device=model.device)[None] % int(model.config.get_text_config().vocab_size)
            model.set_attn_implementation("eager")
            expected = model(input_ids=tried, use_cache=False).logits[0, -3:].float()
            model.set_attn_implementation(attention.NAME)
            found = _tried(model, tried[0].tolist())
            off = float((found - expected).abs().max() / max(1.0, float(expected.abs().max())))
    except _UNSUITED as error:
        model.set_attn_implementation(before)
        _log.debug("the trial of %s", type(model).__name__, exc_info=True)
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    loose = 1e-3 if model.dtype == torch.float32 else 0.1
    if off <= loose:
        return ""
    model.set_attn_implementation(before)
    return f"with our attention its logits are off by {off:.1%} of the largest, {loose:.1%} being allowed"


def _tried(model: "PreTrainedModel", ids: list[int]) -> Tensor:
    """Return logits after the last three tokens: read in two pieces, then decoded twice."""
    prefix = Prefix(ids[:-2])
    engine, device = Engine(model), model.device
    for first, last in ((0, len(ids) // 2), (len(ids) // 2, len(ids) - 2)):
        places = torch.arange(first, last, device=device)[None]
        logits = engine.forward(torch.tensor([ids[first:last]], device=device), places, Prefill(prefix), 1)
        prefix.length = last
    found, tail = [logits[0, -1]], Growing(2)
    for token in ids[-2:]:
        place = prefix.length + tail.length
        places = torch.full((2, 1), place, device=device)
        branches = Branches([Branch(prefix, tail, places, place, place)])
        found.append(engine.forward(torch.tensor([[token]] * 2, device=device), places, branches, 1)[1, -1])
        tail.length += 1
    return torch.stack(found).float()
