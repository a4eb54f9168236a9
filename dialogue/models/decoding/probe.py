"""Whether a model's attention can be handed in: tried on a few tokens when the model is loaded.

Knows nothing of requests or text.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dialogue.models.decoding import attention
from dialogue.models.decoding.attention import Branch, Branches, Growing, Prefill, Prefix
from dialogue.models.decoding.engine import Engine

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def suits(model: "PreTrainedModel") -> bool:
    """Set the model's attention to ours, and say whether it then computes what it computed before.

    Architectures differ in what they hand to an attention function (windows, soft caps, sinks, biases), so a few
    tokens are tried both ways; a model that does not agree is put back as it was.
    """
    if not getattr(model, "_supports_attention_backend", False):
        return False
    before = model.config._attn_implementation
    tried = torch.arange(2, 26, device=model.device)[None] % int(model.config.get_text_config().vocab_size)
    attention.register()
    try:
        with torch.inference_mode():
            model.set_attn_implementation("eager")
            expected = model(input_ids=tried, use_cache=False).logits[0, -3:].float()
            model.set_attn_implementation(attention.NAME)
            found = _tried(model, tried[0].tolist())
    except Exception:  # whatever an architecture does not bear, it is then not for this engine
        model.set_attn_implementation(before)
        return False
    loose = 1e-3 if model.dtype == torch.float32 else 0.1
    if (found - expected).abs().max() <= loose * max(1.0, float(expected.abs().max())):
        return True
    model.set_attn_implementation(before)
    return False


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
