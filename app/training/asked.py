"""A question on a page, as the reader learns from it."""

from dataclasses import dataclass

from retrieval.reading import Page


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on a page. `spans` are the character spans of right answers, none where the page holds none.

    `answers` and `relevant` are wanted probabilities, None where nothing is known: a yes or no is an answer, though it
    has no span.
    """

    question: str
    page: Page
    spans: tuple[tuple[int, int], ...] = ()
    answers: float | None = 1.0
    relevant: float | None = 1.0
