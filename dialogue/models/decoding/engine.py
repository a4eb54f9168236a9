"""Decoding of many candidates from one prefill, for several conversations at once, and weighing over kept caches.

Runs the batches of the `scheduler` and chooses the tokens; knows nothing of text, prompts or templates. There is no
thread of its own: whoever waits for a request takes the next step for all of them, so requests are batched together
and nobody waits for a whole turn.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dialogue.models.decoding import Drafting, Question, attention, rated
from dialogue.models.decoding.attention import Branch, Branches, Growing, Kept, Prefill, Prefix, Recalled
from dialogue.models.decoding.captured import Captured, fits
from dialogue.models.decoding.choice import choose, generator
from dialogue.models.decoding.scheduler import PrefixMemory, Scheduler

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CHUNK = 512  # prompt tokens read in one step, so that a long prompt does not hold up the others
PACKED = 4096  # tokens asked in one pass where no plan says how many there is memory for
KEPT = 2**30  # bytes of prompts remembered from earlier turns


@dataclass(slots=True, eq=False)
class _Request:
    """A prompt being read, then its drafts being written."""

    prefix: Prefix
    drafting: Drafting
    chance: torch.Generator
    cost: int
    tail: Growing
    live: list[list[int]] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)  # of the live rows in the tail
    rows: int = 0  # of the tail
    captured: Captured | None = None
    finished: list[tuple[list[int], bool]] = field(default_factory=list)
    started: bool = False
    error: Exception | None = None

    @property
    def alone(self) -> bool:
        return self.drafting.sampling.seed is not None

    @property
    def done(self) -> bool:
        return self.started and not self.live

    def compact(self) -> None:
        """Give up the rows of the tail whose drafts are finished."""
        if len(self.slots) < self.rows:
            self.tail.select(self.slots)
            self.slots, self.rows = list(range(len(self.slots))), len(self.slots)
            self.captured = None


class Engine:
    """The decoder of models whose attention can be handed in; see `takes_shared_prompt`. Thread-safe.

    `memory` bounds the bytes of caches of running requests, `kept` those of prompts remembered between turns.
    `at_once` bounds the tokens asked in one pass when drafts are weighed. `captured` decodes a request that runs alone
    by static steps, on a GPU as a CUDA graph; there it is the default.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        memory: int = 2**63,
        kept: int = KEPT,
        captured: bool | None = None,
        at_once: int = PACKED,
    ) -> None:
        self._model: Any = model
        self._device = model.device
        self._captures = model.device.type == "cuda" if captured is None else captured
        self._window: int | None = getattr(model.config.get_text_config(), "sliding_window", None)
        self._at_once = at_once
        self._lock = threading.Lock()
        self._scheduler: Scheduler[_Request] = Scheduler(memory)
        self._prompts: PrefixMemory[Prefix] = PrefixMemory(kept)
        self._token_bytes = 0

    def sample(self, ids: Sequence[int], drafting: Drafting) -> Iterator[list[tuple[list[int], bool]]]:
        """Yield the drafts finished at each step, as tokens and whether they ended by themselves.

        Closing the iterator frees the request's memory.
        """
        request = self._join(list(ids), drafting)
        try:
            ended = False
            while not ended:
                if not request.done:  # others may have taken the last steps
                    self._step()
                with self._lock:
                    ended, finished, request.finished = request.done, request.finished, []
                    if ended:
                        self._prompts.keep(request.prefix)
                if request.error is not None:
                    raise request.error
                yield finished
        finally:
            self._leave(request)

    def weigh(
        self, ids: Sequence[int], drafts: Sequence[Sequence[int]], questions: Sequence[Question], tokens: Counter[str]
    ) -> list[list[float]]:
        """Return the probability of each question's wanted answer after each draft, all over the one prompt.

        The questions of a draft are packed into one row, none seeing another; what sampling kept is not read again.
        """
        prefix = self._read(list(ids), tokens)
        rows: list[list[float]] = []
        asked = sum(len(question.ids) for question in questions)
        with self._lock, torch.inference_mode():
            recalled = [prefix.recall(draft) for draft in drafts]
            rest = [list(draft[held.length if held else 0 :]) for draft, held in zip(drafts, recalled, strict=True)]
            size = max(1, self._at_once // (max(map(len, rest), default=0) + asked))
            for first in range(0, len(drafts), size):
                part = slice(first, first + size)
                rows += self._ask(prefix, recalled[part], rest[part], questions)
            self._prompts.keep(prefix)
        new = sum(map(len, rest)) + asked * len(drafts)
        tokens.update(asked=new, encoded=new)
        return rows

    # --- requests

    def _join(self, ids: list[int], drafting: Drafting) -> _Request:
        with self._lock:
            prefix = self._begin(ids, drafting.tokens)
            sampling = drafting.sampling
            request = _Request(
                prefix,
                drafting,
                generator(sampling.seed, self._device),
                (len(ids) + drafting.n * sampling.max_new_tokens) * self._token_bytes,
                Growing(sampling.max_new_tokens),
            )
            self._scheduler.add(request)
        return request

    def _leave(self, request: _Request) -> None:
        with self._lock:
            self._scheduler.remove(request)

    def _step(self) -> None:
        """Read one piece of one prompt and write one token of every running draft."""
        with self._lock, torch.inference_mode():
            reading = self._scheduler.reading()
            if reading is not None:
                self._guarded([reading], self._prefill)
            for batch in self._scheduler.batches():
                self._guarded(batch, self._decode)
            self._scheduler.retire()

    def _guarded(self, batch: list[_Request], work: Callable[[list[_Request]], None]) -> None:
        """Do one piece of work; when it fails, so do its requests, and each raises the error where it is awaited."""
        try:
            work(batch)
        except Exception as error:
            for request in batch:
                request.error = error
                self._scheduler.remove(request)

    # --- prompts

    def _begin(self, ids: list[int], tokens: Counter[str]) -> Prefix:
        """Return the remembered prompt, or a new one that begins with what it shares with a remembered one."""
        tokens["prompt"] += len(ids)
        best, shared = self._prompts.find(ids)
        if best is not None and best.ids == ids:
            tokens["reused"] += len(ids)
            return best
        new = Prefix(ids)
        shared = min(shared, len(ids) - 1)  # the last token is read for its logits
        if best is not None and shared:
            new.take(best, shared)
        tokens["reused"] += shared
        tokens["encoded"] += len(ids) - shared
        return new

    def _prefill(self, batch: list[_Request]) -> None:
        [request] = batch
        self._continue(request.prefix)
        if request.prefix.logits is not None:
            request.started = True
            drafting = request.drafting
            logits = drafting.allowed(request.prefix.logits[None], [[]])
            first = choose(logits, drafting.sampling, request.chance, times=drafting.n)
            request.live = [[token] for token in first]
            request.slots, request.rows = list(range(len(first))), len(first)
            self._settle(request)

    def _continue(self, prefix: Prefix) -> None:
        """Read the next piece of a prompt."""
        if prefix.logits is not None:
            return
        ids = prefix.ids[prefix.length : prefix.length + CHUNK]
        places = torch.arange(prefix.length, prefix.length + len(ids), device=self._device)[None]
        logits = self.forward(torch.tensor([ids], device=self._device), places, Prefill(prefix), 1)
        prefix.length += len(ids)
        self._token_bytes = self._token_bytes or prefix.bytes // max(len(prefix.ids), 1)
        if prefix.length == len(prefix.ids):
            prefix.logits = logits[0, -1].clone()

    def _read(self, ids: list[int], tokens: Counter[str]) -> Prefix:
        with self._lock:
            counted: Counter[str] = Counter()
            prefix = self._begin(ids, counted)
        tokens["encoded"] += counted["encoded"]
        while prefix.logits is None:
            with self._lock, torch.inference_mode():
                self._continue(prefix)
        return prefix

    # --- drafts

    def _decode(self, batch: list[_Request]) -> None:
        """Feed the last token of every live row and choose the next."""
        alone = batch[0] if self._captures and len(batch) == 1 and batch[0].tail.length else None
        if alone is not None and fits(self._window, alone.prefix, alone.tail):
            logits = self._replay(alone)
        else:
            logits = self._together(batch)
        for request, own in zip(batch, logits.split_with_sizes([len(r.live) for r in batch]), strict=True):
            request.tail.length += 1
            request.drafting.tokens["encoded"] += len(request.live)
            logits = request.drafting.allowed(own, request.live)
            for row, token in zip(request.live, choose(logits, request.drafting.sampling, request.chance), strict=True):
                row.append(token)
            self._settle(request)

    def _together(self, batch: list[_Request]) -> Tensor:
        """Return the logits of all live rows of several requests, (rows, vocabulary)."""
        branches = []
        for request in batch:
            request.compact()
            place = request.prefix.length + request.tail.length
            places = torch.full((len(request.live), 1), place, device=self._device)
            branches.append(Branch(request.prefix, request.tail, places, place, place))
        last = torch.tensor([[row[-1]] for request in batch for row in request.live], device=self._device)
        places = torch.cat([branch.places for branch in branches])
        return self.forward(last, places, Branches(branches), 1)[:, -1]

    def _replay(self, request: _Request) -> Tensor:
        """Return the logits of one request's live rows; finished ones run along until they are half of all."""
        if 2 * len(request.slots) <= request.rows:
            request.compact()
        if request.captured is None:
            request.captured = Captured(self.forward, request.prefix, request.tail, request.rows, self._device)
        last = [0] * request.rows
        for slot, row in zip(request.slots, request.live, strict=True):
            last[slot] = row[-1]
        return request.captured.step(last)[request.slots]

    def _settle(self, request: _Request) -> None:
        """Take out the rows that have ended, keeping their caches with the prompt."""
        drafting, live, slots = request.drafting, request.live, request.slots
        request.live, request.slots = [], []
        for row, slot in zip(live, slots, strict=True):
            finished = drafting.ended(row)
            if finished is None:
                request.live.append(row)
                request.slots.append(slot)
                continue
            drafting.tokens["sampled"] += len(row)
            said = drafting.said(row)
            if request.tail.length:
                request.prefix.keep(said, request.tail.keep(slot))
            request.finished.append((said, finished))

    # --- questions

    def _ask(
        self,
        prefix: Prefix,
        recalled: Sequence[Kept | None],
        rest: Sequence[Sequence[int]],
        questions: Sequence[Question],
    ) -> list[list[float]]:
        """One pass: each row holds what is left of a draft, then every question."""
        ahead = max(map(len, rest))
        held = torch.tensor([item.length if item else 0 for item in recalled], device=self._device)
        left = torch.tensor([len(row) for row in rest], device=self._device)
        block = torch.tensor([-1] * ahead + [n for n, q in enumerate(questions) for _ in q.ids], device=self._device)
        inside = torch.tensor([*range(ahead), *(o for q in questions for o in range(len(q.ids)))], device=self._device)
        suffix = [token for question in questions for token in question.ids]
        ids = [[*row, *[0] * (ahead - len(row)), *suffix] for row in rest]
        places = prefix.length + held[:, None] + inside + torch.where(block >= 0, left[:, None], 0)
        # a new token sees what is left of the draft before it, and the tokens before it in its own question
        of_draft = (block < 0)[None, :] & (inside[None, :] < left[:, None])  # rows, S
        before = inside[None, :] <= inside[:, None]
        own = (block[:, None] == block[None, :]) & before
        new = own[None] | ((block >= 0)[None, :, None] & of_draft[:, None, :])
        tail = Recalled(recalled, places)
        kept = torch.arange(tail.width, device=self._device)[None, :] < held[:, None]
        visible = torch.cat([kept[:, None, :].expand(-1, len(block), -1), new], 2)
        ends = torch.tensor([len(q.ids) for q in questions], device=self._device).cumsum(0) + ahead - 1
        bounds = (int(places.min()), int(places.max()))
        branch = Branch(prefix, tail, places, *bounds, visible)
        logits = self.forward(torch.tensor(ids, device=self._device), places, Branches([branch]), ends)
        return rated(logits, questions)

    def forward(
        self, ids: Tensor, places: Tensor, reading: Prefill | Branches, logits_to_keep: "int | Tensor"
    ) -> Tensor:
        """Return logits (rows, kept, vocabulary)."""
        attention.READING.set(reading)
        logits: Tensor = self._model(
            input_ids=ids, position_ids=places, use_cache=False, logits_to_keep=logits_to_keep
        ).logits
        return logits
