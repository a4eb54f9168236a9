"""Writes of several threads in one transaction: what is committed together goes to the disk once.

Whoever finds nobody at it does the writes of all who wait by then, and passes that on to the next. Nobody goes on
before what it wrote is committed. Where one write fails, nothing of that transaction is stored, and each is done again
in one of its own, so that it fails alone.
"""

import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

from sqlalchemy import Connection

T = TypeVar("T")
Write = Callable[[Connection], T]
Transaction = Callable[[Write[None]], Callable[[], object]]


class _Part:
    """A write, and what became of it. `told` says that it has `ended`, or is the next to lead."""

    def __init__(self, write: Write[Any]) -> None:
        self.write = write
        self.told = threading.Event()
        self.ended = False
        self.given: Any = None
        self.error: Exception | None = None

    def do(self, connection: Connection) -> None:
        """Write."""
        self.given = self.write(connection)


class Grouped:
    """The writes of one database.

    `transaction` does a write and commits it; what it returns is called when others write already, before those go on
    whose writes these were.
    """

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._lock = threading.Lock()
        self._waiting: list[_Part] = []
        self._led = False

    def do(self, write: Write[T]) -> T:
        """Return what `write` gives, once it is committed. It may be called twice. Raises what it raises."""
        part = _Part(write)
        with self._lock:
            self._waiting.append(part)
            leads, self._led = not self._led, True
        if not leads:
            part.told.wait()
        if not part.ended:
            self._lead(part)
        if part.error is not None:
            raise part.error
        return cast(T, part.given)

    def _lead(self, own: _Part) -> None:
        """Do the writes of all who wait, `own` among them."""
        group: list[_Part] = []
        committed: Callable[[], object] = bool
        try:
            committed = self._together(group, own)
        finally:  # whatever stops this thread, the others go on
            self._pass_on([part for part in group if not (part.ended or part is own)])
            committed()
            for part in group:
                if part.ended:
                    part.told.set()

    def _pass_on(self, undone: list[_Part]) -> None:
        """Have the next of those who wait lead, those first whose writes are undone."""
        with self._lock:
            self._waiting = undone + self._waiting
            follower = self._waiting[0] if self._waiting else None
            self._led = follower is not None
        if follower is not None:
            follower.told.set()

    def _together(self, group: list[_Part], own: _Part) -> Callable[[], object]:
        """Fill the group and do its writes; return what is to be called after that."""

        def all_of_them(connection: Connection) -> None:
            with self._lock:  # only now that nobody else writes: more may have come
                group.extend(self._waiting)
                self._waiting.clear()
            for part in group:
                part.do(connection)

        try:
            committed = self._transaction(all_of_them)
        except Exception as error:
            if len(group) > 1:
                return self._apart(group)
            with self._lock:
                self._waiting = [part for part in self._waiting if part is not own]
            own.error, own.ended = error, True
            return bool
        for part in group:
            part.ended = True
        return committed

    def _apart(self, group: list[_Part]) -> Callable[[], object]:
        """Do each of these writes in a transaction of its own; return what is to be called after that."""
        committed: Callable[[], object] = bool
        for part in group:
            try:
                committed = self._transaction(part.do)
            except Exception as error:
                part.error = error
            part.ended = True
        return committed
