"""What a decoder is asked to write and to weigh, in tokens: the seam between `local` and the two decoders."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from dialogue.types import Sampling

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Drafting:
    """How the drafts of one request are written, and where their tokens are counted.

    `ends` are the tokens that end a draft; `stopped` says of the tokens so far whether another speaker begins; with the
    tokens of `unwanted` no draft begins.
    """

    sampling: Sampling
    ends: frozenset[int]
    stopped: Callable[[Sequence[int]], bool] | None = None
    tokens: Counter[str] = field(default_factory=Counter)
    unwanted: tuple[tuple[int, ...], ...] = ()

    @property
    def n(self) -> int:
        """Rows written; temperature 0 writes the one greedy draft."""
        return self.sampling.n if self.sampling.temperature > 0 else 1

    def ended(self, row: Sequence[int]) -> bool | None:
        """Say whether a draft ended by itself (True) or by its length (False); None when it goes on."""
        if row[-1] in self.ends or (self.stopped is not None and self.stopped(row)):
            return True
        return False if len(row) >= self.sampling.max_new_tokens else None

    def allowed(self, logits: "Tensor", rows: Sequence[Sequence[int]]) -> "Tensor":
        """Return the logits (rows, vocabulary) of the next tokens without those that complete what is not wanted."""
        for tokens in self.unwanted:
            *before, last = tokens
            here = [place for place, row in enumerate(rows) if list(row) == before]
            if here:
                logits = logits.clone()
                logits[here, last] = float("-inf")
        return logits

    def said(self, row: list[int]) -> list[int]:
        """Return the tokens of a row without the one that ended it."""
        return row[:-1] if row[-1] in self.ends else row


@dataclass(frozen=True, slots=True)
class Question:
    """Tokens that follow a draft and the tokens that would answer: the `wanted` against the `other`."""

    ids: tuple[int, ...]
    wanted: tuple[int, ...]
    other: tuple[int, ...]


class Decoder(Protocol):
    """Writes and weighs drafts after a prompt."""

    def sample(self, ids: Sequence[int], drafting: Drafting) -> Iterator[list[tuple[list[int], bool]]]:
        """Yield the drafts finished at each step, as tokens without the end and whether they ended by themselves."""
        ...

    def weigh(
        self, ids: Sequence[int], drafts: Sequence[Sequence[int]], questions: Sequence[Question], tokens: Counter[str]
    ) -> list[list[float]]:
        """Return the probability of each question's wanted answer, one row per draft."""
        ...


def common(*rows: Sequence[int]) -> int:
    """Return the number of tokens with which all rows begin alike."""
    shortest = min(map(len, rows))
    return next((place for place in range(shortest) if len({row[place] for row in rows}) > 1), shortest)


def rated(logits: "Tensor", questions: Sequence[Question]) -> list[list[float]]:
    """Return P(wanted | wanted or other) from logits (rows, questions, vocabulary)."""
    import torch

    columns = []
    for place, question in enumerate(questions):
        at = logits[:, place].float()
        wanted = at[:, list(question.wanted)].logsumexp(-1)
        other = at[:, list(question.other)].logsumexp(-1)
        columns.append((wanted - other).sigmoid())
    rows: list[list[float]] = torch.stack(columns, 1).tolist() if columns else [[] for _ in logits]
    return rows
