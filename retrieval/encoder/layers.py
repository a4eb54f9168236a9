"""The layers of BERT, run directly: the sums of transformers' modules, laid out for the processor.

Queries, keys and values are one product, and what can be done in place is. bfloat16 on a CPU is multiplied in few
sizes, because oneDNN keeps what it builds for each.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad, scaled_dot_product_attention

from retrieval.encoder.bert import Bert

Linear = Callable[[Tensor], Tensor]


class Layer:
    """One layer of BERT, for inference: states (rows, tokens, dimension) to such states."""

    def __init__(self, layer: nn.Module) -> None:
        attention: Any = layer.attention
        output: Any = layer.output
        wide: Any = layer.intermediate
        own = attention.self
        parts = (own.query, own.key, own.value)
        self._heads: int = own.num_attention_heads
        self._qkv = product(torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts]))
        self._attended = product(attention.output.dense.weight, attention.output.dense.bias)
        self._attended_norm: Linear = attention.output.LayerNorm
        self._wide = product(wide.dense.weight, wide.dense.bias, gelu=True)
        self._narrow = product(output.dense.weight, output.dense.bias)
        self._norm: Linear = output.LayerNorm

    def __call__(self, states: Tensor, unseen: Tensor | None) -> Tensor:
        """Return the states after this layer. `unseen` (rows, 1, 1, tokens) is -inf where there is padding."""
        rows, tokens, _ = states.shape
        query, key, value = self._qkv(states).view(rows, tokens, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        attended = scaled_dot_product_attention(query, key, value, attn_mask=unseen).transpose(1, 2)
        states = self._attended_norm(self._attended(attended.reshape(states.shape)).add_(states))
        return self._norm(self._narrow(self._wide(states)).add_(states))


@torch.inference_mode()
def direct(model: Bert) -> Sequence[Layer]:
    """Return the layers of a BERT, to be run directly."""
    return [Layer(layer) for layer in model.layers]


def product(weight: Tensor, bias: Tensor, gelu: bool = False) -> Linear:
    """Return what multiplies states by `weight` (outputs, inputs), adds `bias` and, with `gelu`, applies that.

    A float32 matrix on a CPU is kept once more, packed, in float16, and widened as it is multiplied (FBGEMM): few rows
    are bound by the memory that is read, which is halved, and nothing is packed again. Cosines change by less than
    1e-6. One in bfloat16 is packed once for oneDNN, which else packs it in every product, and gelu is a part of it.
    """
    if weight.device.type == "cpu" and weight.dtype == torch.bfloat16 and (fused := _fused(weight, bias, gelu)):
        return fused
    if gelu:
        multiplied = product(weight, bias)
        return lambda states: torch.ops.aten.gelu_(multiplied(states))
    if weight.device.type == "cpu" and weight.dtype == torch.float32:
        try:
            packed = torch.ops.quantized.linear_prepack_fp16(weight, bias)
        except (AttributeError, RuntimeError):
            pass  # not for this processor, or not in this torch
        else:
            return lambda states: torch.ops.quantized.linear_dynamic_fp16(states, packed)
    return plain(weight, bias)


def plain(weight: Tensor, bias: Tensor) -> Linear:
    """Return what multiplies as `rounded` does."""
    return partial(rounded, weight=weight, bias=bias)


def _fused(weight: Tensor, bias: Tensor, gelu: bool) -> Linear | None:
    """Return the product over a weight packed for oneDNN; None where torch has none, or the processor."""
    kind = "gelu" if gelu else "none"
    if not lays_out(weight.dtype, None, kind):
        return None
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)
    multiply = torch.ops.mkldnn._linear_pointwise

    def fused(states: Tensor) -> Tensor:
        flat = _padded(states)
        made = multiply(flat, packed, bias, kind, [], "none")[: states.numel() // states.shape[-1]]
        shaped: Tensor = made.view(*states.shape[:-1], len(weight))
        return shaped

    return fused


def lays_out(dtype: torch.dtype, rows: int | None, after: str = "none") -> bool:
    """Say whether a matrix can be packed for oneDNN, for so many rows, None for any, and multiplied with `after`.

    Torch has never promised the operators, and not every processor has what a precision needs.
    """
    states = torch.zeros(16, 16, dtype=dtype)
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(states.clone(), rows)
        torch.ops.mkldnn._linear_pointwise(states, packed, None, after, [], "none")
    except (AttributeError, NotImplementedError, RuntimeError):
        return False
    return True


def leveled(states: Tensor) -> Tensor:
    """Return states (..., inputs) as rows, with zeros behind them up to a round number where `rounded` wants one.

    Several products of the same states then need no padding of their own.
    """
    return _padded(states) if _rounds(states) else states.reshape(-1, states.shape[-1])


def _rounds(states: Tensor) -> bool:
    return states.dtype == torch.bfloat16 and states.device.type == "cpu"


def _padded(states: Tensor) -> Tensor:
    flat = states.reshape(-1, states.shape[-1])
    more = round_up(len(flat)) - len(flat)
    return pad(flat, (0, 0, 0, more)) if more else flat


def rounded(states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return states (..., inputs) @ weight.T + bias, in bfloat16 on a CPU with the rows padded to a round number.

    oneDNN builds a kernel for every number of rows of every matrix and keeps the last 1,024, their descriptions once
    more in each thread: 0.6 MB for each. Four sizes in every doubling keep them few. Products take up to a fifth
    longer, but building a kernel takes longer than most products.
    """
    if not _rounds(states):
        return linear(states, weight, bias)
    made = linear(_padded(states), weight, bias)
    return made[: states.numel() // states.shape[-1]].view(*states.shape[:-1], len(weight))


def round_up(rows: int) -> int:
    """Return `rows`, rounded up to three leading binary digits: at most four sizes per power of two."""
    step = 1 << max(0, (rows - 1).bit_length() - 3)
    return -(-rows // step) * step


class Rounded(nn.Linear):
    """A linear layer that multiplies as `rounded` does."""

    def forward(self, states: Tensor) -> Tensor:
        """Return states @ weight.T + bias, shape (..., outputs)."""
        return rounded(states, self.weight, self.bias)


def round_products(model: nn.Module) -> None:
    """Have the linear layers in bfloat16 on a CPU multiply as `rounded` does; names and weights stay as they are."""
    for module in model.modules():
        if type(module) is nn.Linear and module.weight.dtype == torch.bfloat16 and module.weight.device.type == "cpu":
            module.__class__ = Rounded


def fast_bfloat16(device: str) -> bool:
    """Say whether "cuda" or "cpu" multiplies bfloat16 natively; torch's own cap, ATEN_CPU_CAPABILITY, is respected."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if torch.backends.cpu.get_cpu_capability() != "AVX512":  # every processor of the two kinds below has that
        return False
    flags = Path("/proc/cpuinfo")
    return flags.exists() and any(flag in flags.read_text() for flag in ("avx512_bf16", "amx_bf16"))
