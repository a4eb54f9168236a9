"""The output matrix of a model on a CPU, laid out once for few rows.

The library behind torch's float32 product lays out the whole matrix anew for every product with few rows; for the
largest matrix, from hidden states to the vocabulary, that costs as much as the product. Knows nothing of decoding.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FEW = range(2, 65)  # rows for which the layout pays


class Packed(nn.Module):
    """A linear layer with a second copy of its weights, laid out for `FEW` rows."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), FEW.stop // 4)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return hidden @ weight.T + bias, shape (..., out)."""
        if hidden.numel() // hidden.shape[-1] not in FEW:
            return functional.linear(hidden, self.weight, self.bias)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(hidden, self._packed, self.bias, "none", [], "")
        return product


def pack_head(model: "PreTrainedModel") -> None:
    """Lay out the output matrix of a float32 model on a CPU; other models stay as they are."""
    head = model.get_output_embeddings()
    fit = model.device.type == "cpu" and model.dtype == torch.float32 and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if fit and type(head) is nn.Linear:
        model.set_output_embeddings(Packed(head))
