"""Matrices of a model on a CPU, laid out once for few rows.

The library behind torch's product lays out the whole matrix again for every product with few rows, which costs as much
as the product. A second layout takes as much memory as the matrix. For the matrices of a model of 135 million
parameters and 8 rows, on one core with native bfloat16: 37 ms as they are and 21 ms laid out in bfloat16, 57 ms in
float32; 12 ms in int8, whose operators torch has given up.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from retrieval.encoder.layers import Rounded, lays_out, rounded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FEW = {torch.float32: range(2, 49), torch.bfloat16: range(1, 49)}  # rows for which the layout pays
ROWS = 16  # rows it is made for


class Packed(nn.Module):
    """A linear layer with a second copy of its weights, laid out for `FEW` rows."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), ROWS)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return hidden @ weight.T + bias, shape (..., out)."""
        if hidden.numel() // hidden.shape[-1] not in FEW[self.weight.dtype]:
            return rounded(hidden, self.weight, self.bias)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(hidden, self._packed, self.bias, "none", [], "")
        return product


def pack(model: "PreTrainedModel", spare: int) -> None:
    """Lay out the output matrix of a float32 model on a CPU, then the others while `spare` bytes last.

    That matrix, the largest, is part of the memory plan; in bfloat16 it gains little. Models in other precisions, on
    other devices, and on processors for which a precision has no such layout stay as they are.
    """
    if model.device.type != "cpu" or model.dtype not in FEW or not lays_out(model.dtype, ROWS):
        return
    head = model.get_output_embeddings()
    if type(head) is nn.Linear and model.dtype == torch.float32:
        model.set_output_embeddings(Packed(head))
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            plain = type(child) in (nn.Linear, Rounded) and child is not head
            size = child.weight.numel() * child.weight.element_size() if plain else 0
            if 0 < size <= spare:
                setattr(module, name, Packed(child))
                spare -= size
