"""Matrices of a model on a CPU, laid out once for few rows.

The library behind torch's float32 product lays out the whole matrix again for every product with few rows, which costs
as much as the product. A second layout takes as much memory as the matrix.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FEW = range(2, 49)  # rows for which the layout pays
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
        if hidden.numel() // hidden.shape[-1] not in FEW:
            return functional.linear(hidden, self.weight, self.bias)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(hidden, self._packed, self.bias, "none", [], "")
        return product


def pack(model: "PreTrainedModel", spare: int) -> None:
    """Lay out the output matrix of a float32 model on a CPU, then the others while `spare` bytes last.

    The output matrix, the largest, is part of the memory plan. Other models stay as they are.
    """
    known = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    operators = ("_reorder_linear_weight", "_linear_pointwise")  # torch's own, without a promise to last
    if (
        not known
        or not all(hasattr(torch.ops.mkldnn, name) for name in operators)
        or model.device.type != "cpu"
        or model.dtype != torch.float32
    ):
        return
    head = model.get_output_embeddings()
    if type(head) is nn.Linear:
        model.set_output_embeddings(Packed(head))
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            size = child.weight.numel() * child.weight.element_size() if type(child) is nn.Linear else 0
            if 0 < size <= spare:
                setattr(module, name, Packed(child))
                spare -= size
