"""A library that is brought up to date: by the process that holds its data folder, or by a guest beside it.

SQL takes several writers, the index one. So a guest stores documents and leaves the index to the process that holds the
folder, which publishes what is stored.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Final

from app.config import Settings
from app.errors import AppError, DataError, InUse
from app.library.catalogue import UPLOADS, StoredSource, file_of, is_address, owner_of
from app.library.ingest import IngestProgress, IngestReport, ingest, ingesting, refresh
from app.library.library import Library, published_key
from app.library.lock import GUEST, FolderLock, holder, hosts_guests
from app.store.database import open_database, read_meta
from retrieval.index.generation import Generation
from retrieval.tools.addresses import read_networks
from retrieval.types import RetrievalError

if TYPE_CHECKING:
    from app.library.pages import Pages

PAUSE: Final = 1.0  # seconds between two checks of what was stored
LATEST: Final = 30.0  # seconds after which what a guest stored is published although it goes on
_log = logging.getLogger(__name__)


class Updatable:
    """What has settings and a library can bring it up to date."""

    settings: Settings
    library: Library

    def ingest(
        self,
        paths: str | Path | Sequence[str | Path],
        progress: Callable[[IngestProgress], None] = lambda step: None,
        *,
        ray: bool = False,
    ) -> IngestReport:
        """Bring the library up to date with files, folders and pages of the web, one or many; see
        `app.library.ingest.ingest`.

        With `ray` files are read and embedded on a cluster; see `app.library.ray.ingest_on_ray`.
        """
        if ray:
            from app.library.ray import ingest_on_ray

            return ingest_on_ray(self.library, paths, progress, self.settings.encoder)
        with self._pages() as pages:
            return ingest(self.library, paths, progress, web=pages)

    def refresh(
        self,
        names: str | Path | Sequence[str | Path] = (),
        progress: Callable[[IngestProgress], None] = lambda step: None,
    ) -> IngestReport:
        """Read again, from where they came, the sources that names stand for, or all; see
        `app.library.ingest.refresh`."""
        with self._pages() as pages:
            return refresh(self.library, names, progress, pages)

    def remove(self, *names: str | int) -> list[StoredSource]:
        """Remove the sources that these names stand for, and the files of those that were uploaded.

        Raises InputError, and removes nothing, where a name means nothing; DataError where such a file stays.
        """
        removed = self.library.remove(*names)
        left = {file_of(row.uri) for row in self.library.sources()}
        for file in sorted({file_of(row.uri) for row in removed} - left):
            remove_upload(self.settings.data_dir, file)
        return removed

    def _pages(self) -> AbstractContextManager["Pages"]:
        from app.library.pages import opened_pages
        from retrieval.tools.fetch import Fetcher

        fetcher = Fetcher(read_networks(self.settings.fetch_allow))
        return opened_pages(fetcher, self.settings.data_dir, self.library.hashes())


def remove_upload(data_dir: Path, uri: str) -> None:
    """Delete a file that was uploaded; files that stand elsewhere are somebody else's. Raises DataError."""
    path, uploads = Path(uri), (data_dir / UPLOADS).resolve()
    if is_address(uri) or (path.parent.resolve() != uploads and owner_of(uri, data_dir) is None):
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        reason = f"its file {uri!r} cannot be deleted: {error.strerror}"
        raise DataError(f"the document is out of the library, but {reason}; delete it by hand") from None


@dataclass(frozen=True)
class Guest(Updatable):
    """The library of a folder that another process holds. Made by `open_guest`; a context manager."""

    settings: Settings
    library: Library
    _held: ExitStack = field(repr=False)

    def notice(self) -> str:
        """Say who takes up what has changed."""
        folder = self.settings.data_dir
        if hosts_guests(folder):
            return f"{holder(folder)} has the folder open and takes up what has changed within seconds"
        return "the process that had the folder open is gone; the next one takes up what has changed"

    def __enter__(self) -> "Guest":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()


def open_guest(settings: Settings, command: str) -> Guest:
    """Open the library of a folder beside the process that holds it, as `command`.

    Raises InUse where that process takes no guests or has one, DataError where the two would not understand each other.
    """
    folder = settings.data_dir
    if not hosts_guests(folder):
        raise InUse(f"the data folder {str(folder)!r} is in use by {holder(folder)}; stop it or use another --data-dir")
    with ExitStack() as stack:
        stack.enter_context(FolderLock(folder, command, GUEST))
        # only read, because what is written for an older schema is left to its process
        database = open_database(folder, False, settings.database)
        stack.callback(database.close)
        from retrieval.encoder.embed import load_encoder

        library = _UnpublishedLibrary(database, folder, load_encoder(settings.encoder))
        library.command = command if settings.index == "faiss" else ""
        with database.read() as session:
            known = read_meta(session, "encoder")
        if known not in ("", library.embedder.fingerprint):
            raise DataError(f"{holder(folder)} searches with the encoder {known!r}: give the same setting encoder here")
        return Guest(settings, library, stack.pop_all())


class _UnpublishedLibrary(Library):
    command = ""

    def publish(self) -> Generation | None:
        """Leave the index to who holds the folder, unless nobody does any more; who opens it next sees to it too."""
        if not self.command:
            return None
        try:
            with FolderLock(self._folder.parent, self.command):
                return super().publish()
        except InUse:
            return None


class Publisher:
    """Publishes what guests have stored, in a thread of its own until it is closed."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._key = published_key(library.database)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, after the publication that is under way."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        done, seen, since = "", "", 0.0
        while not self._closed.wait(PAUSE):
            try:
                version = self._behind()
                if version in ("", done) or ingesting():  # this process publishes itself
                    seen = ""
                    continue
                now = monotonic()
                since = since if seen else now
                if version != seen and now - since < LATEST:  # a guest is at work
                    seen = version
                    continue
                self._library.publish()
                done, seen = version, ""
            except (AppError, RetrievalError) as error:
                _log.warning("what was stored beside this process cannot be found yet: %s", error)
                self._closed.wait(LATEST)

    def _behind(self) -> str:
        """Return the version of what is stored, "" once it is published."""
        with self._library.database.read() as session:
            version, published = read_meta(session, "version"), read_meta(session, self._key)
        return "" if published.partition(":")[0] == version else version
