"""Whose uploads are whose: those of admins, and of a server without accounts, are for all; others keep their own."""

import threading
from collections.abc import Callable
from pathlib import Path

from app.web.uploads import Uploads
from app.web.who import known


class Shelves:
    """The uploads of everybody; `make` opens those of a folder, and goes on with what was left unread there."""

    def __init__(self, make: Callable[[Path], Uploads], folder: Path, accounts: bool) -> None:
        self._make, self._folder, self._accounts = make, folder, accounts
        self.shared = make(folder)
        self._own: dict[str, Uploads] = {}
        self._lock = threading.Lock()
        for unread in folder.glob("*/unread") if accounts else ():
            self._of(unread.parent.name)

    def __call__(self) -> Uploads:
        """Return the uploads of who is served now. Raises Unknown where that is nobody."""
        if not self._accounts:
            return self.shared
        who = known()
        return self.shared if who.may("admin") else self._of(who.account)

    def _of(self, account: str) -> Uploads:
        with self._lock:
            if account not in self._own:
                self._own[account] = self._make(self._folder / account)
            return self._own[account]
