"""What a reader is given, and what it makes of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.types import Passage

LONGEST_ANSWER = 48  # tokens
FAR = 15.0  # the most that the logit of a span counts


@dataclass(frozen=True, slots=True)
class Page:
    """What is read after a question: the title and headings that a passage stands under, and its text."""

    text: str
    title: str = ""


@dataclass(frozen=True, eq=False)
class Reading:
    """What the reader made of one passage.

    `spans` (tokens, 2) are the character spans of the text's tokens, `begins` and `ends` (tokens,) the logits of an
    answer's first and last token, each less that of "no answer". `answers` and `relevant` are logits of the passage.
    """

    spans: NDArray[np.int64]
    begins: NDArray[np.float32]
    ends: NDArray[np.float32]
    answers: float
    relevant: float

    def best(self, start: int = 0, end: int | None = None) -> tuple[float, int, int]:
        """Return (logit, start, end) of the likeliest answer within characters `start` to `end` of the text.

        The logit is the sum of those of its ends, -inf where no token lies within.
        """
        inside = self.spans[:, 0] >= start
        if end is not None:
            inside &= self.spans[:, 1] <= end
        rows = np.flatnonzero(inside)
        if not len(rows):
            return -np.inf, start, start
        first, last = int(rows[0]), int(rows[-1]) + 1
        sums = self.begins[first:last, None] + self.ends[None, first:last]
        width = last - first
        allowed = np.triu(np.ones((width, width), bool)) & ~np.triu(np.ones((width, width), bool), LONGEST_ANSWER)
        begin, stop = np.unravel_index(int(np.where(allowed, sums, -np.inf).argmax()), sums.shape)
        return float(sums[begin, stop]), int(self.spans[first + begin, 0]), int(self.spans[first + stop, 1])

    def likely(self, count: int, longest: int = LONGEST_ANSWER) -> list[tuple[float, int, int]]:
        """Return the `count` likeliest answers (logit, start, end) of at most `longest` tokens, the likeliest first."""
        size = len(self.spans)
        allowed = np.triu(np.ones((size, size), bool)) & ~np.triu(np.ones((size, size), bool), longest)
        sums = np.where(allowed, self.begins[:, None] + self.ends[None, :], -np.inf)
        best = np.argsort(-sums, axis=None)[: min(count, int(allowed.sum()))]
        places = [divmod(int(at), size) for at in best]
        return [(float(sums[a, b]), int(self.spans[a, 0]), int(self.spans[b, 1])) for a, b in places]


def bounded(logit: float) -> float:
    """Return the logit of a span within FAR of 0, as the sums that are calibrated count it."""
    return min(max(logit, -FAR), FAR)


def page_of(passage: Passage) -> Page:
    """Return a passage as it is read, under the title and headings that it stands under."""
    return Page(passage.text, ": ".join(filter(None, dict.fromkeys((passage.title, *passage.headings)))))
