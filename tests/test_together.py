"""retrieval.encoder.together: calls of threads in one batch, and the reader of the guard that is called so."""

import threading
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from retrieval.encoder.adapters import Reader
from retrieval.encoder.folded import TOKENS, _batches
from retrieval.encoder.together import MOST, Together

PAIRS = [
    ("", "Why is octopus blood blue?"),
    ("What can I cook tonight?", "How about a vegetable soup with fresh bread?"),
    ("", "The blood is blue because it carries oxygen with haemocyanin, a protein that contains copper. " * 3),
    ("", "No."),
]


def started(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


class Slow:
    """Doubles numbers, and holds the first batch back until the callers that come meanwhile are in line."""

    def __init__(self, places: int = 1) -> None:
        self.batches: list[list[int]] = []
        self.reads = Together(self.read, places)
        self.begun, self.go = threading.Event(), threading.Event()

    def read(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        if not self.begun.is_set():
            self.begun.set()
            assert self.go.wait(30)
        if 13 in items:
            raise ValueError("thirteen")
        return [2 * item for item in items]

    def ask(self, calls: Sequence[Sequence[int]]) -> list[Sequence[int] | Exception]:
        """What each call gives, the first of which is being read when the others come, one after the other."""
        found: list[Sequence[int] | Exception] = [ValueError("nothing")] * len(calls)

        def call(at: int) -> None:
            try:
                found[at] = self.reads(calls[at])
            except ValueError as error:
                found[at] = error

        threads = []
        for at in range(len(calls)):
            threads.append(started(lambda at=at: call(at)))  # type: ignore[misc]
            if at == 0:
                assert self.begun.wait(30)
            while at and len(self.reads._waiting) < at and threads[-1].is_alive():
                threading.Event().wait(0.001)
        self.go.set()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        return found


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=90), min_size=1, max_size=7))
def test_everybody_gets_their_own_and_errors_are_theirs_alone(calls: list[list[int]]) -> None:
    for asked, given_back in zip(calls, Slow().ask(calls), strict=True):
        if 13 in asked:
            assert isinstance(given_back, ValueError)
        else:
            assert given_back == [2 * item for item in asked]


def test_who_comes_while_one_reads_is_read_together_in_their_order() -> None:
    slow = Slow()
    assert slow.ask([[1], [2, 3], [4], [5]]) == [[2], [4, 6], [8], [10]]
    assert slow.batches == [[1], [2, 3, 4, 5]]
    assert slow.reads([7]) == [14]  # and the place is free again
    assert slow.batches[-1] == [7]


def test_a_batch_is_bounded_unless_one_caller_brings_more() -> None:
    slow = Slow()
    slow.ask([[1], [2] * (MOST - 1), [3], [4], [5] * (MOST + 1)])
    assert [len(items) for items in slow.batches] == [1, MOST, 1, MOST + 1]


def test_a_thread_that_is_stopped_leaves_the_others_to_the_next() -> None:
    told: list[Sequence[int]] = []
    begun, stop = threading.Event(), threading.Event()

    def read(items: Sequence[int]) -> Sequence[int]:
        if not stop.is_set():
            begun.set()
            assert stop.wait(30)
            raise KeyboardInterrupt
        return items

    reads = Together(read)

    def first() -> None:
        with pytest.raises(KeyboardInterrupt):
            reads([1])

    threads = [started(first)]
    assert begun.wait(30)
    threads += [started(lambda at=at: told.append(reads([at]))) for at in (2, 3)]  # type: ignore[misc]
    while len(reads._waiting) < 2:
        threading.Event().wait(0.001)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert sorted(told) == [[2], [3]]


def test_a_second_place_reads_while_the_first_does() -> None:
    slow = Slow(places=2)
    thread = started(lambda: slow.reads([1]))
    assert slow.begun.wait(30)
    assert slow.reads([2]) == [4]
    slow.go.set()
    thread.join(30)
    assert sorted(slow.batches) == [[1], [2]]


def test_threads_are_told_what_each_would_be_told_alone(safety_reader: Reader) -> None:
    calls = [[pair] for pair in PAIRS] + [PAIRS[:2], PAIRS[1:], PAIRS[::-1]]
    alone = [safety_reader(call) for call in calls]
    assert all(np.array_equal(safety_reader(call), told) for call, told in zip(calls, alone, strict=True))
    begin, found = threading.Barrier(len(calls)), dict[int, list[NDArray[np.float32]]]()

    def call(at: int) -> None:
        begin.wait(30)
        found[at] = [safety_reader(calls[at]) for _ in range(3)]

    threads = [started(lambda at=at: call(at)) for at in range(len(calls))]  # type: ignore[misc]
    for thread in threads:
        thread.join(120)
    tolerance = 1e-3 if "float32" in str(safety_reader.encoder.dtype) else 0.2
    for at, told in enumerate(alone):
        assert max(np.abs(each - told).max() for each in found[at]) < tolerance


LYING = st.tuples(st.integers(0, 3), st.integers(1, 300)).map(lambda of: (1000 * of[0], 1000 * of[0] + of[1]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(LYING, LYING), min_size=1, max_size=60))
def test_batches_hold_every_row_once_and_no_more_tokens_than_fit(rows: list[tuple[tuple[int, int], ...]]) -> None:
    batches = _batches(rows)  # type: ignore[arg-type]
    assert sorted(row for batch in batches for row in batch) == list(range(len(rows)))
    for batch in batches:
        held = [*{rows[row][0] for row in batch}, *(rows[row][1] for row in batch)]
        assert len(batch) == 1 or sum(end - begin for begin, end in held) <= TOKENS
