"""What can be taken back for some seconds: it is done when they are over, or when the server stops, unless undone."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from app.bot import USER_ERRORS

SECONDS: Final = 8.0
Key = tuple[str, str | int]  # of which kind, and which
_log = logging.getLogger(__name__)


class Undo:
    """Work that waits for a while. Whoever shows what it would change leaves that out meanwhile; see `waits`."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._waiting: dict[Key, tuple[threading.Timer, Callable[[], object]]] = {}
        self._lock = threading.Lock()

    def later(self, key: Key, work: Callable[[], object]) -> None:
        """Do this work after the time, unless it is undone; `key` names it."""
        timer = threading.Timer(self._seconds, self._do, [key])
        timer.daemon = True
        with self._lock:
            if key in self._waiting:
                return
            self._waiting[key] = timer, work
        timer.start()

    def undo(self, key: Key) -> bool:
        """Leave the work undone; say whether that was still possible."""
        with self._lock:
            timer, _ = self._waiting.pop(key, (None, None))
        if timer is not None:
            timer.cancel()
        return timer is not None

    def waits(self, key: Key) -> bool:
        """Whether this work waits to be done."""
        with self._lock:
            return key in self._waiting

    def close(self, kind: str = "") -> None:
        """Do at once whatever waits, or what of it is of this kind."""
        with self._lock:
            keys = [key for key in self._waiting if not kind or key[0] == kind]
        for key in keys:
            self._do(key)

    def _do(self, key: Key) -> None:
        with self._lock:
            timer, work = self._waiting.pop(key, (None, None))
        if timer is None or work is None:
            return
        timer.cancel()
        try:
            work()
        except USER_ERRORS as error:
            _log.warning("what was to be removed stays: %s", error)
        except Exception:
            _log.exception("what was to be removed stays")
