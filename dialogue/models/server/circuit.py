"""A circuit breaker: after some failures in a row it lets nothing through for a while, then one try.

Knows nothing of what fails (Nygard, Release It!, 2nd edition 2018, chapter 5).
"""

import threading
from collections.abc import Callable
from time import monotonic


class Circuit:
    """Opens after `failures` failures in a row, for `cooldown` seconds; then one attempt decides. Thread-safe."""

    def __init__(self, failures: int, cooldown: float, clock: Callable[[], float] = monotonic) -> None:
        self._failures = failures
        self._cooldown = cooldown
        self._clock = clock
        self._lock = threading.Lock()
        self._row = 0
        self._until = 0.0
        self._trying = False

    def enter(self) -> float:
        """Return 0 when an attempt may be made, whose outcome goes to `settle`; else the seconds to wait."""
        with self._lock:
            if self._row < self._failures:
                return 0.0
            left = self._until - self._clock()
            if left > 0 or self._trying:
                return max(left, 1.0)
            self._trying = True
            return 0.0

    @property
    def resting(self) -> bool:
        """Whether nothing is let through now."""
        with self._lock:
            return self._row >= self._failures and self._until > self._clock()

    def settle(self, worked: bool | None) -> None:
        """Say whether the attempt worked; None when it was given up before that was known."""
        with self._lock:
            self._trying = False
            if worked:
                self._row = 0
            elif worked is False:
                self._row += 1
                self._until = self._clock() + self._cooldown
