"""What several threads want to have read at the same time, read in one batch.

Whoever finds a place to read at reads for all who have come by then; those who come while all places are taken are the
next batch. So nobody waits for company, and who is alone is read alone.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar, cast

Item = TypeVar("Item")
Rows = TypeVar("Rows")  # a result for each item: a list of them, or an array
MOST = 128  # items that are read at once, unless one caller brings more: what all of them take in memory is bounded


class _Part(Generic[Item]):
    """What one thread wants to have read, and what became of it. `told` says that it has `ended`, or reads next."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.told = threading.Event()
        self.ended = False
        self.given: Any = None
        self.error: Exception | None = None


class Together(Generic[Item, Rows]):
    """Calls of `read`, which gives a result for each item; those of several threads are put together.

    Where `read` fails for several, each is read alone, so that it fails alone. At most `places` threads read at a time.
    """

    def __init__(self, read: Callable[[Sequence[Item]], Rows], places: int = 1) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._waiting: list[_Part[Item]] = []
        self._free = places

    def __call__(self, items: Sequence[Item]) -> Rows:
        """Return a result for each item. Raises what `read` raises."""
        part = _Part[Item](items)
        with self._lock:
            leads = self._free > 0
            if leads:
                self._free -= 1
            else:
                self._waiting.append(part)
        if not leads:
            part.told.wait()
        if not part.ended:
            self._lead(part)
        if part.error is not None:
            raise part.error
        return cast(Rows, part.given)

    def _lead(self, own: _Part[Item]) -> None:
        """Read for this thread and for those who wait."""
        group = self._group(own)
        try:
            self._fill(group)
        finally:  # whatever stops this thread, the others go on
            self._pass_on([part for part in group if not (part.ended or part is own)])
            for part in group:
                if part.ended:
                    part.told.set()

    def _group(self, own: _Part[Item]) -> list[_Part[Item]]:
        group, size = [own], len(own.items)
        with self._lock:
            while self._waiting and (size := size + len(self._waiting[0].items)) <= MOST:
                group.append(self._waiting.pop(0))
        return group

    def _pass_on(self, undone: list[_Part[Item]]) -> None:
        """Give this place to the next of those who wait, those first of whom nothing came."""
        with self._lock:
            self._waiting = undone + self._waiting
            follower = self._waiting.pop(0) if self._waiting else None
            self._free += follower is None
        if follower is not None:
            follower.told.set()

    def _fill(self, group: list[_Part[Item]]) -> None:
        if len(group) > 1:
            results: Any = None
            with suppress(Exception):  # of one of them, who is told below
                results = self._read([item for part in group for item in part.items])
            if results is not None:
                ends = 0
                for part in group:
                    begins, ends = ends, ends + len(part.items)
                    part.given, part.ended = results[begins:ends], True
                return
        for part in group:
            try:
                part.given = self._read(part.items)
            except Exception as error:
                part.error = error
            part.ended = True
