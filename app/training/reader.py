"""Training of the reader: spans, "no answer" and the passage's own logits, in the encoder's arithmetic.

Rates rise, stay, and fall in the last part (Hu et al. 2024), so that a training goes on from where it stayed. Masters
are float32.
"""

import logging
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

from app.training.asked import Asked
from app.training.reader_data import as_typed
from retrieval.encoder.embed import Encoder
from retrieval.encoder.layers import rounded
from retrieval.reader import OUTPUTS, Tokens, Weights, encoded, forward, padded, products_of

SORTED = 24  # batches drawn together and sorted by length
REPORTED = 50  # steps between two points of the curve
KEPT = 300.0  # seconds between two checkpoints
PASSAGE = 0.5  # weight of the passage's own logits beside the span

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReaderTraining:
    """How long and how fast: `examples` in all, of which the rate rises over `warm` and falls over the last `cool`."""

    examples: int
    rate: float = 2e-4
    batch: int = 32
    warm: int = 3_000
    cool: int = 12_000
    decay: float = 0.01

    def rate_at(self, done: int) -> float:
        """The rate after `done` examples."""
        left = (self.examples - done) / self.cool if self.cool else 1.0
        return self.rate * min(1.0, (done + self.batch) / max(1, self.warm), max(0.0, left))


PLAN = ReaderTraining(examples=160_000)


def fit(
    encoder: Encoder,
    weights: Weights,
    sources: Mapping[str, tuple[float, Sequence[Asked]]],
    plan: ReaderTraining,
    seed: int = 0,
    checkpoint: Path | None = None,
) -> list[dict[str, float]]:
    """Train `weights` in place by AdamW and return the curve of the loss.

    `sources` maps a name to its share of what is drawn and its questions, each gone through before any comes again.
    With a `checkpoint` the state is kept there every KEPT seconds and in the end; one of the same plan and seed is gone
    on from, to the same weights.
    """
    torch.manual_seed(seed)
    for weight in weights.values():
        weight.requires_grad_(True)
    optimiser = _optimiser(weights, plan)
    state = _State(checkpoint, [repr(plan), seed], weights, optimiser)
    curve, resumed = state.curve, state.done
    done, recent, tokens, started, saved = 0, [0.0, 0.0], 0, time.perf_counter(), time.perf_counter()
    for step, batch in enumerate(_batches(encoder, sources, plan, random.Random(seed)), start=1):
        if done < resumed:  # drawn again, so that what follows is what would have followed
            done += len(batch)
            if done >= plan.examples:
                break
            continue
        for group in optimiser.param_groups:
            group["lr"] = plan.rate_at(done)
        optimiser.zero_grad()
        with _plain_attention():
            span, passage = _losses(encoder, weights, batch)
            (span + PASSAGE * passage).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
        optimiser.step()
        done += len(batch)
        tokens += sum(len(each.ids) for each, _ in batch)
        recent = [recent[0] + span.item() / REPORTED, recent[1] + passage.item() / REPORTED]
        if step % REPORTED == 0:
            speed = tokens / (time.perf_counter() - started)
            curve.append({"examples": done, "span": round(recent[0], 4), "passage": round(recent[1], 4)})
            _log.info("reader: %d examples, span %.3f, passage %.3f, %.0f tokens/s", done, *recent, speed)
            recent = [0.0, 0.0]
            if time.perf_counter() - saved >= KEPT:
                state.keep(done)
                saved = time.perf_counter()
        if done >= plan.examples:
            break
    for weight in weights.values():
        weight.requires_grad_(False)
    state.keep(done)
    return curve


def mean(members: Sequence[Weights]) -> Weights:
    """Return the mean of weights that were trained from the same ones (a model soup: Wortsman et al. 2022)."""
    return {name: torch.stack([member[name] for member in members]).mean(0) for name in members[0]}


def _optimiser(weights: Weights, plan: ReaderTraining) -> torch.optim.AdamW:
    plain = [weight for weight in weights.values() if weight.ndim == 1]
    matrices = [weight for weight in weights.values() if weight.ndim > 1]
    groups = [{"params": matrices, "weight_decay": plan.decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=plan.rate, betas=(0.9, 0.98))


class _State:
    """The state of a training in a file: weights, optimiser, curve, and how many examples are done."""

    def __init__(self, path: Path | None, of: Sequence[object], weights: Weights, optimiser: torch.optim.AdamW) -> None:
        self._path, self._of, self._weights, self._optimiser = path, list(of), weights, optimiser
        self.done, self.curve = 0, list[dict[str, float]]()
        kept = torch.load(path, weights_only=True) if path is not None and path.exists() else None
        if kept and kept["of"] == self._of:
            self.done, self.curve = kept["done"], kept["curve"]
            optimiser.load_state_dict(kept["optimiser"])
            with torch.no_grad():
                for name, weight in weights.items():
                    weight.copy_(kept["weights"][name])
            _log.info("reader: going on after %d examples", self.done)

    def keep(self, done: int) -> None:
        if self._path is not None:
            beside = self._path.with_suffix(".new")
            held = {"weights": self._weights, "optimiser": self._optimiser.state_dict()}
            torch.save({**held, "of": self._of, "done": done, "curve": self.curve}, beside)
            beside.replace(self._path)


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Attention as products and a softmax: in bfloat16 on a CPU its gradient takes a third of the fused one's time."""
    narrow = torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed()  # type: ignore[no-untyped-call]
    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)  # whatever its name, it is obeyed on the CPU too
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(narrow)


Batch = Sequence[tuple[Tokens, Asked]]


def _losses(encoder: Encoder, weights: Weights, batch: Batch) -> tuple[Tensor, Tensor]:
    """The mean loss of the span, the first token standing for none, and that of the passage's own logits."""
    ids, sides, mask = padded([tokens for tokens, _ in batch])
    narrow = {name: weight.to(encoder.device, encoder.dtype) for name, weight in weights.items()}
    products = products_of(narrow, lambda weight, bias: partial(rounded, weight=weight, bias=bias))
    device = encoder.device
    ends, outputs = forward(narrow, products, encoder.embed(ids), sides.to(device), mask.to(device))
    right = torch.zeros(ends.shape, dtype=torch.bool)
    allowed = torch.zeros(ends.shape[:2], dtype=torch.bool)
    known = torch.ones(len(batch))
    for row, (tokens, asked) in enumerate(batch):
        allowed[row, 0] = True
        allowed[row, tokens.first : tokens.first + len(tokens.spans)] = True
        places = [place for place in (_tokens_of(tokens, span) for span in asked.spans) if place]
        for first, last in places:
            right[row, first, 0] = right[row, last, 1] = True
        if not places:
            right[row, 0] = True
            known[row] = float(asked.answers == 0.0)
    chances = log_softmax(ends.masked_fill(~allowed[:, :, None], -torch.inf), dim=1)
    likely = torch.logsumexp(chances.masked_fill(~right, -torch.inf), dim=1).mean(1)
    span = -(likely * known).sum() / len(batch)
    wanted = torch.tensor([[_wanted(asked, name) for name in OUTPUTS] for _, asked in batch])
    weight = (~wanted.isnan()).float()
    outputs_loss = binary_cross_entropy_with_logits(outputs, wanted.nan_to_num(), weight=weight, reduction="sum")
    return span, outputs_loss / len(batch)


def _wanted(asked: Asked, output: str) -> float:
    value = asked.answers if output == "answers" else asked.relevant
    return float("nan") if value is None else value


def _tokens_of(tokens: Tokens, span: tuple[int, int]) -> tuple[int, int] | None:
    """The first and last token of a character span, None where it was cut off."""
    start, end = span
    rows = [row for row, (a, b) in enumerate(tokens.spans.tolist()) if b > start and a < end]
    if not rows or tokens.spans[-1][1] < end:
        return None
    return tokens.first + rows[0], tokens.first + rows[-1]


def _batches(
    encoder: Encoder, sources: Mapping[str, tuple[float, Sequence[Asked]]], plan: ReaderTraining, rng: random.Random
) -> Iterator[list[tuple[Tokens, Asked]]]:
    names = [name for name, (share, found) in sources.items() if share and found]
    shares = list(accumulate(sources[name][0] for name in names))
    left: dict[str, list[Asked]] = {name: [] for name in names}
    while True:
        drawn: list[tuple[Tokens, Asked]] = []
        while len(drawn) < plan.batch * SORTED:
            [name] = rng.choices(names, cum_weights=shares)
            if not left[name]:
                left[name] = list(sources[name][1])
                rng.shuffle(left[name])
            asked = as_typed(left[name].pop(), rng)
            drawn.append((encoded(encoder, asked.question, asked.page), asked))
        drawn.sort(key=lambda each: len(each[0].ids))
        batches = [drawn[at : at + plan.batch] for at in range(0, len(drawn), plan.batch)]
        rng.shuffle(batches)
        yield from batches
