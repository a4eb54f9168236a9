"""What is to be read: what a user names, or the stored sources where they came from, and what of these is gone.

A folder or a sitemap is the origin of what is found through it.
"""

import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from app.errors import InputError
from app.library.catalogue import StoredSource, as_text, file_of, is_address, sources_named, within
from retrieval.sources import COLLECTIONS, SUFFIXES, find_files, suffix_of
from retrieval.types import SourceError

if TYPE_CHECKING:
    from app.library.pages import Fetched, Pages

TOGETHER: Final = 64
Outcome = Literal["added", "replaced", "unchanged", "removed", "failed"]


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of one file, or why one document of a file that holds many failed, as `reason` says.

    `notes` tell what was left out or mended while it was read: ``3 hidden passages left out``; `counts` are the same by
    the names of their kinds.
    """

    uri: str
    name: str
    outcome: Outcome
    passages: int = 0
    reason: str = ""
    notes: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read, and how its document is known; `origin` as in `StoredSource`."""

    uri: str
    name: str
    path: Path
    origin: str = ""

    @property
    def many(self) -> bool:
        """Whether it holds many documents."""
        return SUFFIXES.get(suffix_of(self.path)) in COLLECTIONS


@dataclass
class Listing:
    """The `files` to read by uri, the `outcomes` known without reading, and the uris of files that are `gone`.

    `stored` is what the library holds; `fetching(done, total, uri)` is called for every page, and `ready` after every
    `TOGETHER` of them, so that what has been fetched need not wait for the rest.
    """

    stored: Sequence[StoredSource]
    web: "Pages | None" = None
    fetching: Callable[[int, int, str], None] = lambda done, total, uri: None
    ready: Callable[[], None] = lambda: None
    files: dict[str, SourceFile] = field(default_factory=dict)
    outcomes: list[FileOutcome] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._held = {file_of(row.uri): row for row in reversed(self.stored)}
        self._fetched: set[str] = set()
        self._reported = 0

    def take(self, paths: str | Path | Sequence[str | Path]) -> None:
        """List what is named, and what of the same folders and sitemaps is stored and gone.

        A path that cannot be listed becomes an outcome. Raises InputError for an empty name, and for an address where
        none can be fetched.
        """
        for path in named(paths):
            if is_address(path):
                if self.web is None:
                    raise InputError(f"{str(path)!r} is an address, which is not read here: ingest it without --ray")
                self._fetch(self.web, self.web.at(str(path)))
                continue
            self._find(Path(path))
            if os.path.isdir(path):
                below = as_text(os.path.join(os.path.abspath(path), ""))
                self.gone |= {uri for uri in self._held if uri.startswith(below) and _lost(path_of(uri))}

    def again(self, names: str | Path | Sequence[str | Path]) -> None:
        """List the stored sources that names stand for, or all, and what is new in their folders and sitemaps.

        These are looked through where they, or what they lie in, are named. Raises InputError for a name without
        meaning.
        """
        given = [str(name) for name in named(names)]
        rows = [row for name in given for row in sources_named(self.stored, name)] if given else self.stored
        wanted = {file_of(row.uri): row for row in rows}
        origins = [
            *dict.fromkeys(row.origin for row in rows if row.origin and (not given or within(row.origin, given)))
        ]
        if self.web is not None:
            for origin in filter(is_address, origins):
                self._fetch(self.web, self.web.at(origin, sitemap=True))
            done = self._fetched | self.gone
            left = {uri: row.origin for uri, row in wanted.items() if is_address(uri) and uri not in done}
            self._fetch(self.web, self.web.again(left))
        for uri, row in wanted.items():
            if not is_address(uri):
                self._look(uri, row)
        for origin in origins:
            if not is_address(origin) and os.path.isdir(path_of(origin)):
                self._find(path_of(origin), known=False)

    def unread(self) -> list[SourceFile]:
        """Return the files that were listed since this was asked last."""
        files = list(self.files.values())[self._reported :]
        self._reported = len(self.files)
        return files

    def _find(self, path: Path, known: bool = True) -> None:
        """List a file, or the files of a folder, those that are `known` or only the others."""
        try:
            found = find_files([path])
        except (SourceError, OSError) as error:
            uri, name = as_text(os.path.abspath(path)), as_text(path)
            self.outcomes.append(FileOutcome(uri, name, "failed", reason=reason_of(path, error)))
            return
        origin = as_text(os.path.abspath(path)) if os.path.isdir(path) else ""
        for file in found:
            uri = as_text(os.path.abspath(file))
            name = as_text(os.path.relpath(file, path) if origin else file.name)
            held = self._held.get(uri)
            if held and held.origin and not origin:  # it stays a part of its folder
                name, found_in = file_of(held.name), held.origin
            else:
                found_in = origin
            if known or held is None:
                self.files.setdefault(uri, SourceFile(uri, name, file, found_in))

    def _look(self, uri: str, row: StoredSource) -> None:
        """See what became of a stored file; it keeps its name."""
        path = path_of(uri)
        if not _lost(path):
            self.files.setdefault(uri, SourceFile(uri, file_of(row.name), path, row.origin))
            return
        folder = row.origin or os.path.dirname(uri)
        if reason := self._unsure(folder):
            self.outcomes.append(FileOutcome(uri, file_of(row.name), "failed", reason=reason))
        else:
            self.gone.add(uri)

    def _unsure(self, folder: str) -> str:
        """Why what lay in a folder may only be out of reach; nothing where it is gone."""
        try:
            state = "" if os.listdir(path_of(folder)) else "is empty"
        except OSError as error:
            state = f"cannot be read ({error.strerror})"
        below = os.path.join(folder, "")
        if not state or (state == "is empty" and sum(uri.startswith(below) for uri in self._held) == 1):
            return ""
        return (
            f"the folder {folder!r} {state}: is its disk mounted? What was read from it is kept; "
            f"`candor sources remove {shlex.quote(folder)}` takes it out"
        )

    def _fetch(self, web: "Pages", pages: "Iterable[Fetched]") -> None:
        """List pages as they are fetched."""
        for page in pages:
            self._fetched.add(page.uri)
            done = len(self._fetched)
            self.fetching(done, max(web.expected, done), page.uri)
            if page.gone and page.uri in self._held:
                self.gone.add(page.uri)
            elif page.path is not None:
                held = self._held.get(page.uri)
                origin = held.origin if held else page.origin
                self.files.setdefault(page.uri, SourceFile(page.uri, page.uri, page.path, origin))
            else:
                outcome: Outcome = "unchanged" if page.unchanged else "failed"
                self.outcomes.append(FileOutcome(page.uri, page.uri, outcome, reason=page.reason))
            if done % TOGETHER == 0:
                self.ready()
        for row in self.stored:
            if row.origin in web.listed and row.uri not in web.listed[row.origin]:
                self.gone.add(row.uri)


def named(sources: str | Path | Sequence[str | Path]) -> list[str | Path]:
    """Return what a user names as a list; a single name is one source and not its letters.

    Raises InputError for an empty name, which would mean the working folder, and for one that is not a name.
    """
    given = [sources] if isinstance(sources, str | bytes | os.PathLike) else list(sources)
    for source in given:
        if not isinstance(source, str | Path):
            raise InputError(f"{source!r} names no source: give the path or the address as text")
        if not str(source).strip():
            raise InputError("the name of a source is empty: name a file, a folder or an address")
    return given


def reason_of(path: Path, error: Exception) -> str:
    """Return why a file could not be read, without its path."""
    reason = error.strerror if isinstance(error, OSError) else None
    return (reason or str(error)).removeprefix(f"{path}: ")


def path_of(uri: str) -> Path:
    """Return the path that `as_text` made this uri of."""
    path = Path(uri)
    if "\\x" not in uri or os.path.lexists(path):
        return path
    named = re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), uri.encode())
    return Path(os.fsdecode(named))


def _lost(path: Path) -> bool:
    """Whether a file is surely not there; in a folder that cannot be looked into nothing is sure."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False
