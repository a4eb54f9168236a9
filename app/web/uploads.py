"""Uploaded documents: under which name each is kept, how it gets into the library, and what is undone when it fails.

A file is received into ``incoming``, then stands in the folder of uploads under its name. Until it is in the library a
mark of its name stands in ``unread``: the file it replaces, or an empty one. So nothing is lost, however it ends: what
cannot be read leaves the library and the file before it as they were, and a server that was stopped goes on.
"""

import contextlib
import logging
import os
import shutil
import stat
import tempfile
import threading
import unicodedata
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from app.bot import USER_ERRORS
from app.errors import AppError, InputError
from app.web.jobs import UNEXPECTED
from retrieval.sources import SUFFIXES, suffix_of

log = logging.getLogger(__name__)

MOST_WAITING: Final = 200
LONGEST_NAME: Final = 200  # bytes; file systems take 255, and a number may be added
UploadState = Literal["waiting", "reading", "failed"]
Choice = Literal["ask", "replace", "keep"]
Progress = Callable[[str, float], None]
Ingest = Callable[[Path, Progress], str]
Fetch = Callable[[str, Progress], str]


class NameTaken(AppError):
    """There is an uploaded document of this name."""


@dataclass(slots=True, eq=False)
class Upload:
    """One file on its way into the library. `share` is the part done, between 0 and 1.

    Without a `path` it is a page that is fetched, or a source that is read again: `target` is its address or id.
    """

    name: str
    path: Path | None = None
    target: str = ""
    state: UploadState = "waiting"
    note: str = "Waiting"
    share: float = 0.0


def checked_name(name: str) -> str:
    """Return the name under which an uploaded file is kept. Raises InputError."""
    name = unicodedata.normalize("NFC", name)
    plain = bool(name) and name not in (".", "..") and not set(name) & set("/\\") and name.isprintable()
    if not plain or len(name.encode(errors="replace")) > LONGEST_NAME:
        raise InputError("a document needs a plain file name of at most 200 bytes: rename it")
    if (kind := suffix_of(Path(name))) not in SUFFIXES:
        told = f"files of the kind {kind!r}" if kind else "files whose name has no ending"
        raise InputError(
            f"{told} are not read: documents, tables, slides, e-books, mail, web pages and code are; save it as PDF"
        )
    return name


class Uploads:
    """Reads files into the library one after the other.

    `ingest(path, progress)` adds one file, calls `progress(note, share)` as it goes and returns the reason
    of a failure, empty when the file was added. `stored(path)` says whether documents of the file as it is now are in
    the library. `folder` keeps the uploaded files, under their own names. `fetch` does as `ingest` with an address, or
    with the id of a source that is read again.
    """

    def __init__(self, ingest: Ingest, stored: Callable[[Path], bool], folder: Path, fetch: Fetch) -> None:
        self._ingest, self._stored, self._fetch = ingest, stored, fetch
        self._folder, self._incoming, self._unread = folder, folder / "incoming", folder / "unread"
        self._rows: list[Upload] = []
        self._queue: deque[Upload] = deque()
        self._lock = threading.Lock()
        self._working = False
        self.revision = 0

    def resume(self) -> None:
        """Go on with what a server before this one did not read, and delete what it did not receive whole."""
        shutil.rmtree(self._incoming, ignore_errors=True)
        marks = sorted(self._unread.iterdir()) if self._unread.is_dir() else []
        for mark in marks:
            if _regular(self._folder / mark.name):
                self._enqueue(Upload(mark.name, self._folder / mark.name))
            else:
                mark.unlink(missing_ok=True)

    def receive(self) -> Path:
        """Return an empty file of its own for an upload; `add` takes it over. Raises InputError."""
        with self._lock:
            if sum(row.state != "failed" for row in self._rows) >= MOST_WAITING:
                raise InputError(f"{MOST_WAITING} documents are waiting to be read: try again in a moment")
        self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(dir=self._incoming)
        os.close(handle)
        return Path(path)

    def add(self, received: Path, name: str, choice: Choice = "ask") -> str:
        """Take over a received file under this name, have it read, and return the name it got.

        Where the name is taken, `choice` says whether to replace that file, to keep both under different names, or to
        raise NameTaken. A failure under this name is shown no more. Raises InputError for a name that cannot be used.
        """
        name = checked_name(name)
        with self._lock:
            self._unread.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.path.lexists(self._folder / name):
                if choice == "ask" or (choice == "replace" and not self._replaceable(name)):
                    raise NameTaken(f"there is a document {name!r} already, or one is being read")
                if choice == "keep":
                    name = self._free(name)
            path, mark = self._folder / name, self._unread / name
            if os.path.lexists(path):
                _kept(path, mark)
            else:
                mark.touch(mode=0o600)
            received.replace(path)
            self._forget(name)
        self._enqueue(Upload(name, path))
        return name

    def fetch(self, name: str, target: str) -> None:
        """Have a page fetched, or a source read again, shown under a name."""
        with self._lock:
            if any(row.target == target and row.state != "failed" for row in self._rows):
                return
            self._forget(name)
        self._enqueue(Upload(name, target=target))

    def dismiss(self, number: int) -> None:
        """Show a failure no more; `number` is its place among the rows."""
        with self._lock:
            if 0 <= number < len(self._rows) and self._rows[number].state == "failed":
                del self._rows[number]
                self.revision += 1

    def rows(self) -> tuple[Upload, ...]:
        """The files not in the library yet, failures included."""
        with self._lock:
            return tuple(self._rows)

    @property
    def working(self) -> bool:
        """Whether files are still being read."""
        with self._lock:
            return self._working

    def _forget(self, name: str) -> None:
        """Show no more that a file of this name could not be read."""
        self._rows = [row for row in self._rows if row.state != "failed" or row.name != name]

    def _replaceable(self, name: str) -> bool:
        return _regular(self._folder / name) and not (self._unread / name).exists()

    def _free(self, name: str) -> str:
        end = suffix_of(Path(name))
        stem = name[: len(name) - len(end)]
        number = 2
        while os.path.lexists(self._folder / f"{stem} ({number}){end}"):
            number += 1
        return f"{stem} ({number}){end}"

    def _enqueue(self, row: Upload) -> None:
        with self._lock:
            self._rows.append(row)
            self._queue.append(row)
            self.revision += 1
            start, self._working = not self._working, True
        if start:
            threading.Thread(target=self._work, name="upload", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._working = False
                    self.revision += 1
                    return
                row = self._queue.popleft()
            self._read(row)

    def _read(self, row: Upload) -> None:
        def progress(note: str, share: float) -> None:
            with self._lock:
                row.note, row.share = note, share
                self.revision += 1

        row.state = "reading"
        progress("Reading", 0.1)
        try:
            failure = self._fetch(row.target, progress) if row.path is None else self._ingest(row.path, progress)
            self._settle(row, failure)
        except USER_ERRORS as error:
            failure = str(error)
            self._settle(row, failure)
        except Exception:
            log.exception("an upload failed")
            failure = UNEXPECTED
        with self._lock:
            if failure:
                row.state, row.note = "failed", failure
            else:
                self._rows.remove(row)
            self.revision += 1

    def _settle(self, row: Upload, failure: str) -> None:
        """Keep what is in the library, and what was there before where the new file is not."""
        if row.path is None:
            return
        mark = self._unread / row.name
        if failure and _regular(row.path) and not self._stored(row.path):
            if _regular(mark) and mark.stat().st_size:
                mark.replace(row.path)
            else:
                row.path.unlink(missing_ok=True)
        mark.unlink(missing_ok=True)


def _regular(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISREG(path.lstat().st_mode)
    return False


def _kept(path: Path, mark: Path) -> None:
    """Keep a file under a second name, so that it is there at any moment."""
    try:
        os.link(path, mark)
    except OSError:  # a file system without hard links
        shutil.copy2(path, mark)
