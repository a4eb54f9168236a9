"""One decoding step of one request with static shapes, captured as a CUDA graph where there is a GPU.

A step of many small kernels waits for their launches; a graph launches them all at once. Knows the forward pass
as a function, nothing of requests or sampling.
"""

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dialogue.models.decoding.attention import Branch, Branches, Fixed, Growing, Prefix

LOG = logging.getLogger(__name__)

Forward = Callable[[Tensor, Tensor, Branches, int], Tensor]


class Captured:
    """Decodes rows that all go on, `tail` having been written at least once by the usual way.

    On a CPU, and where capturing fails, the same static step runs as it is.
    """

    def __init__(self, forward: Forward, prefix: Prefix, tail: Growing, rows: int, device: torch.device) -> None:
        self.rows = rows
        self._forward, self._prefix, self._tail = forward, prefix, tail
        self._ids = torch.zeros(rows, 1, dtype=torch.long, device=device)
        self._at = torch.full((1,), tail.length, device=device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._logits: Tensor | None = None
        if device.type == "cuda":
            self._capture()

    def step(self, last: Sequence[int]) -> Tensor:
        """Feed the last token of every row at the tail's length; return logits (rows, vocabulary)."""
        self._ids.copy_(torch.tensor(last)[:, None])
        self._at.fill_(self._tail.length)
        if self._graph is None or self._logits is None:
            return self._run()[:, -1]
        self._graph.replay()
        return self._logits[:, -1]

    def _run(self) -> Tensor:
        places = (self._at + self._prefix.length)[None].expand(self.rows, 1)
        written = torch.arange(self._tail.room, device=self._at.device) <= self._at
        visible = written[None, None].expand(self.rows, 1, -1)
        # no window cuts here, see `fits`: the bounds only have to be numbers
        branch = Branch(self._prefix, Fixed(self._tail, self._at), places, 0, 0, visible)
        return self._forward(self._ids, places, Branches([branch]), 1)

    def _capture(self) -> None:
        """Run once beside the main stream, as capturing asks for, then record."""
        try:
            side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                self._run()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._logits = self._run()
            self._graph = graph
        except RuntimeError as error:  # a kernel that cannot be captured
            LOG.warning("decoding is not captured as a CUDA graph: %s", error)


def fits(window: int | None, prefix: Prefix, tail: Growing) -> bool:
    """Say whether no sliding window cuts what the rows see, so that a step has the same shapes throughout."""
    return window is None or prefix.length + tail.room <= window
