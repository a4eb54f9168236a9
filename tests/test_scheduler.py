"""Who decodes next, in plain numbers: queues, room, batches, and the prompts that are remembered."""

import subprocess
import sys
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from dialogue.models.decoding.scheduler import PrefixMemory, Scheduler


@dataclass(eq=False)
class Planned:
    """A request of so many pieces of a prompt and so many tokens of a draft."""

    cost: int
    pieces: int = 1
    tokens: int = 1
    alone: bool = False

    @property
    def started(self) -> bool:
        return self.pieces == 0

    @property
    def done(self) -> bool:
        return self.started and self.tokens == 0


@dataclass(frozen=True)
class Remembered:
    """A prompt of so many bytes."""

    ids: list[int]
    bytes: int = field(default=1, kw_only=True)


def step(scheduler: Scheduler[Planned]) -> list[list[Planned]]:
    """Take one step as the engine does and return its batches."""
    reading = scheduler.reading()
    if reading is not None:
        reading.pieces -= 1
    batches = scheduler.batches()
    for batch in batches:
        for request in batch:
            request.tokens -= 1
    scheduler.retire()
    return batches


planned = st.builds(Planned, st.integers(0, 9), st.integers(1, 4), st.integers(1, 4), st.booleans())


@given(st.lists(planned, max_size=8), st.integers(0, 20))
def test_every_request_is_served_in_turn_and_within_its_memory(requests: list[Planned], memory: int) -> None:
    scheduler: Scheduler[Planned] = Scheduler(memory)
    for request in requests:
        scheduler.add(request)
    let_in: list[Planned] = []
    steps = sum(request.pieces + request.tokens for request in requests)
    for _ in range(steps):
        waited = list(scheduler.waiting)
        batches = step(scheduler)
        let_in += waited[: len(waited) - len(scheduler.waiting)]
        assert len(scheduler.running) <= 1 or sum(request.cost for request in scheduler.running) <= memory
        assert all(len(batch) == 1 for batch in batches if any(request.alone for request in batch))
        assert sum(not batch[0].alone for batch in batches) <= 1
        written = [id(request) for batch in batches for request in batch]
        assert len(written) == len(set(written))
    assert let_in == requests
    assert all(request.done for request in requests)
    assert not scheduler.running
    assert not scheduler.waiting


def test_prompts_are_read_in_turns_while_drafts_are_written() -> None:
    scheduler: Scheduler[Planned] = Scheduler(100)
    writing, first, second = Planned(1, pieces=0, tokens=9), Planned(1, pieces=2), Planned(1, pieces=2)
    for request in (writing, first, second):
        scheduler.add(request)
    read = []
    for _ in range(3):
        scheduler.reading()
        reading = scheduler.running[-1]
        reading.pieces -= 1
        read.append(reading)
        assert writing in scheduler.batches()[0]
    assert read == [first, second, first]


def test_what_waits_is_let_in_once_there_is_room() -> None:
    scheduler: Scheduler[Planned] = Scheduler(10)
    large, small = Planned(8), Planned(3)
    scheduler.add(large)
    scheduler.add(small)
    assert scheduler.reading() is large
    assert scheduler.waiting == [small]
    scheduler.remove(large)
    scheduler.remove(large)  # a second time is no error
    assert scheduler.reading() is small


def test_a_request_larger_than_the_memory_runs_alone() -> None:
    scheduler: Scheduler[Planned] = Scheduler(1)
    huge = Planned(100)
    scheduler.add(huge)
    assert scheduler.reading() is huge


prompts = st.lists(st.lists(st.integers(0, 2), max_size=6), max_size=6)


@given(prompts, st.lists(st.integers(0, 2), max_size=6))
def test_the_prompt_that_begins_most_alike_is_found(known: list[list[int]], ids: list[int]) -> None:
    memory: PrefixMemory[Remembered] = PrefixMemory(100)
    for row in known:
        memory.keep(Remembered(row))
    best, shared = memory.find(ids)
    if ids in known:
        assert best is not None
        assert (best.ids, shared) == (ids, len(ids))
    elif best is None:
        assert shared == 0
        assert all(row[:1] != ids[:1] or not ids for row in known)
    else:
        assert best.ids[:shared] == ids[:shared]
        assert all(row[: shared + 1] != ids[: shared + 1] or len(ids) == shared for row in known)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.integers(0, 20))
def test_the_oldest_prompts_give_way(sizes: list[int], most: int) -> None:
    memory: PrefixMemory[Remembered] = PrefixMemory(most)
    made = [Remembered([number], bytes=size) for number, size in enumerate(sizes)]
    for prompt in made:
        memory.keep(prompt)
        assert memory.prompts[-1] is prompt
        assert len(memory.prompts) == 1 or sum(kept.bytes for kept in memory.prompts) <= most
    assert memory.prompts == made[-len(memory.prompts) :]
    memory.keep(memory.prompts[0])  # used again: the latest
    assert len({id(kept) for kept in memory.prompts}) == len(memory.prompts)


def test_the_scheduler_needs_no_torch() -> None:
    code = "import sys, dialogue.models.decoding.scheduler; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
