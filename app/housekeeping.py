"""What is done from time to time while a server is up: about turns that nobody answers, and what is kept too long."""

import logging
import threading
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final

from app.errors import AppError
from app.store.database import Database
from app.store.history import History

PAUSE: Final = 5.0  # seconds between two looks for turns of processes that died
DAY: Final = 24 * 3600.0
_log = logging.getLogger(__name__)


class Housekeeping:
    """Keeps house in a thread of its own until it is closed; `retention` are days, 0 keeps all conversations."""

    def __init__(self, database: Database, retention: int) -> None:
        self._database, self._retention = database, retention
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, after what is being done."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        next_day = monotonic()
        while True:
            try:
                if self._database.number is not None and (cut_off := History(self._database).interrupt()):
                    _log.warning("%d turns were interrupted when another process stopped", cut_off)
                if monotonic() >= next_day:
                    next_day += DAY
                    expire(self._database, self._retention)
            except AppError as error:
                _log.warning("what is done from time to time has to wait: %s", error)
            if self._closed.wait(PAUSE):
                return


def expire(database: Database, retention: int) -> int:
    """Delete the conversations in which nothing was said for so many days, and erase what is owed; return how many."""
    gone = History(database).expire(datetime.now(UTC) - timedelta(days=retention)) if retention else 0
    if gone:
        _log.warning("%d conversations were deleted: nothing had been said in them for %d days", gone, retention)
    database.erase(at_once=True)
    return gone
