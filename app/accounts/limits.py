"""How often somebody may ask: a token bucket per account and process, turns per day from what is stored.

The buckets live in memory, so that each of several processes allows the whole rate; the day's turns are counted in the
database, and hold for all of them together. Far from the bound they are not counted for every turn: a process takes up
to a hundredth of what was left, within some seconds, before it counts again.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final

from sqlalchemy import bindparam, func, select

from app.accounts.principal import Limited, Principal
from app.store.database import Database
from app.store.tables import ConversationRow, TurnRow

KNOWN: Final = 10_000  # buckets remembered
DAY: Final = timedelta(days=1)
SHARE: Final = 100  # one turn in so many of those that were left is taken without another count
COUNTED: Final = 10.0  # seconds for which a count holds
_USED: Final = (  # made once: every turn asks it where there is a bound
    select(func.count())
    .select_from(TurnRow)
    .join(ConversationRow)
    .where(ConversationRow.account_id == bindparam("account"), ConversationRow.updated_at > bindparam("since"))
    .where(TurnRow.created_at > bindparam("since"))
)


class Buckets:
    """Token buckets by name, each with room for `per_minute`; one that is forgotten is full again."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = monotonic) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when they were counted
        self._lock = threading.Lock()

    def take(self, name: str, per_minute: int | None = None) -> int:
        """Take a token from a bucket and return 0, or, where there is none, the seconds after which there is one.

        `per_minute` is the room of this bucket where it is another; 0 sets no bound.
        """
        room = self.per_minute if per_minute is None else per_minute
        if room <= 0:
            return 0
        now = self._clock()
        with self._lock:
            tokens, since = self._held.pop(name, (float(room), now))
            tokens = min(float(room), tokens + (now - since) * room / 60)
            left = tokens - 1 if tokens >= 1 else tokens
            self._held[name] = left, now
            while len(self._held) > KNOWN:
                self._held.popitem(last=False)
        return 0 if tokens >= 1 else max(1, math.ceil((1 - tokens) * 60 / room))


class Limits:
    """The turns that accounts may take, `per_minute` and `per_day` unless an account has its own; 0 sets no bound."""

    def __init__(
        self, database: Database, per_minute: int, per_day: int, clock: Callable[[], float] = monotonic
    ) -> None:
        self._database = database
        self._buckets = Buckets(per_minute, clock)
        self._per_day = per_day
        self._clock = clock
        self._counts: dict[tuple[str, int], tuple[int, float]] = {}  # turns to take without a count, and until when
        self._lock = threading.Lock()

    def turn(self, who: Principal) -> None:
        """Count a turn that is about to be taken. Raises Limited, with the seconds to wait, for one too many."""
        if seconds := self._buckets.take(who.account, who.per_minute):
            raise Limited(f"too many messages at once: try again in {seconds} s", seconds)
        most = self._per_day if who.per_day is None else who.per_day
        if most > 0 and not self._spared(who.account, most) and self._used_up(who.account, most):
            raise Limited(f"the {most} messages of 24 hours are used up: try again later", 3600)

    def used(self, account: str) -> int:
        """Return how many turns of an account, of those that are stored still, began within 24 hours."""
        with self._database.connected() as connection:
            return connection.scalar(_USED, {"account": account, "since": datetime.now(UTC) - DAY}) or 0

    def _used_up(self, account: str, most: int) -> bool:
        """Count the day's turns of an account and return whether there are none left of so many."""
        left = most - self.used(account)
        with self._lock:
            if len(self._counts) >= KNOWN:
                self._counts.clear()
            self._counts[account, most] = left // SHARE, self._clock() + COUNTED
        return left <= 0

    def _spared(self, account: str, most: int) -> bool:
        """Whether a turn is so far from the bound that it needs no count; then it is taken."""
        with self._lock:
            spared, until = self._counts.get((account, most), (0, 0.0))
            if spared <= 0 or self._clock() >= until:
                return False
            self._counts[account, most] = spared - 1, until
            return True
