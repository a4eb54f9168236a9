"""What the library holds: the sources as rows, and which of them a name stands for.

Needs no encoder and writes nothing.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from sqlalchemy import ColumnElement, func, or_, select

from app.errors import InputError
from app.store.database import Database
from app.store.tables import PassageRow, SourceRow
from retrieval.sources import READING

COMPARED: Final = 5_000
UPLOADS: Final = "uploads"  # the folder of uploaded documents in the data folder
_ACCOUNT: Final = re.compile(r"[0-9a-f]{32}")
_MEMBER: Final = re.compile(r"#\d+\Z")  # no file that can be read has a name that ends so


@dataclass(frozen=True, slots=True)
class StoredSource:
    """A document in the library; `uri` is its absolute path or its address, `name` is how it is shown and cited.

    `origin` is the folder or the sitemap through which it was found, empty where it was named itself; `sha256` is that
    of its file, as `as_read` has it; `dated` is the date that it bears itself, in ISO 8601; `account` is the id of
    whose own it is, None of one that all share.
    """

    id: int
    uri: str
    name: str
    title: str
    kind: str
    bytes: int
    passages: int
    sha256: str
    added_at: datetime
    origin: str = ""
    dated: str = ""
    account: str | None = None


def seen_by(account: str | None) -> tuple[ColumnElement[bool], ...]:
    """What a source has to be for an account to see it, shared or its own; without an account all are seen."""
    return () if account is None else (or_(SourceRow.account_id.is_(None), SourceRow.account_id == account),)


def owner_of(uri: str, data_dir: Path) -> str | None:
    """Return the id of the account whose own the document of this uri is, by the folder of uploads that it lies in."""
    parts = Path(uri).parts
    for way in (os.path.abspath, os.path.realpath):  # a link may lead to the folder
        above = Path(as_text(way(data_dir / UPLOADS))).parts
        below = parts[len(above) :]
        if parts[: len(above)] == above and len(below) > 1 and _ACCOUNT.fullmatch(below[0]):
            return below[0]
    return None


def stored_sources(database: Database, account: str | None = None) -> list[StoredSource]:
    """Return all sources, or those that an account sees, by name, the documents of a file by their numbers.

    Raises DataError.
    """
    counted = select(func.count()).where(PassageRow.source_id == SourceRow.id).scalar_subquery()
    with database.read() as session:
        query = select(SourceRow, counted).where(*seen_by(account))
        rows = session.execute(query.order_by(SourceRow.name, SourceRow.id)).all()
    found = [
        StoredSource(
            *(r.id, r.uri, r.name, r.title, r.kind, r.bytes, passages, r.sha256, r.added_at, r.origin, r.dated),
            r.account_id,
        )
        for r, passages in rows
    ]
    return sorted(found, key=lambda row: (file := file_of(row.name), int(row.name[len(file) + 1 :] or 0)))


def file_of(name: str) -> str:
    """Return the uri or name of the file that holds the document of this uri or name: ``a.mbox`` for ``a.mbox#12``."""
    return _MEMBER.sub("", name)


def as_read(digest: str) -> str:
    """Return the SHA-256 of a file as it is stored: with the number of the way in which the file was read."""
    return f"{digest}.{READING}"


def is_address(path: object) -> bool:
    """Whether what is to be read is an address on the web."""
    return "://" in str(path)


def as_text(path: str | os.PathLike[str]) -> str:
    """Return a path as text that can be stored, shown and told from any other."""
    try:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a character, which no file's name holds
        return os.fspath(path).encode("utf-8", "backslashreplace").decode()


def as_address(url: str) -> str:
    """Return an address in the form in which it is stored; as it is where it cannot be fetched."""
    from retrieval.tools.web import plain_address
    from retrieval.types import Unreachable

    try:
        return plain_address(url)
    except Unreachable:
        return url


def sources_named(known: Sequence[StoredSource], name: str | int) -> list[StoredSource]:
    """Return the sources that a name stands for, all documents of a file that holds many.

    It is the first of these that there is: an id or uri; a name; a file of many documents; a sitemap; a path from
    here, of a file or of a folder with all that was read below it; and last a glob pattern of names or uris, case
    aside, in which ``*`` also crosses slashes. Raises InputError when nothing is meant, or a name that several have.
    """
    text = str(name)
    path = "" if is_address(text) or not text else as_text(os.path.abspath(text))
    below = os.path.join(path or "\0", "")
    address = as_address(text) if is_address(text) else text
    readings: tuple[Callable[[StoredSource], bool], ...] = (
        lambda row: text in (str(row.id), row.uri) or row.uri == address,
        lambda row: text == row.name,
        lambda row: text == file_of(row.uri),
        lambda row: text == file_of(row.name),
        lambda row: row.origin == address != "",
        lambda row: file_of(row.uri) == path,
        lambda row: row.uri.startswith(below),
    )
    for place, reading in enumerate(readings):
        if found := [row for row in known if reading(row)]:
            files = {file_of(row.uri) for row in found}
            if place in (1, 3) and len(files) > 1:  # a mere name
                raise InputError(f"{len(files)} sources are called {text!r}: give the id or the path of one")
            return found
    if any(sign in text for sign in "*?["):
        from retrieval.search import matches

        if found := [row for row in known if any(matches(known_as, [text]) for known_as in (row.name, row.uri))]:
            return found
    raise InputError(f"there is no source {text!r}{_nearest(text, known)}: `candor sources list` shows them all")


def _nearest(text: str, known: Sequence[StoredSource]) -> str:
    """Names that may have been meant, of the first some thousands: to compare all of a large library takes too long."""
    names = dict.fromkeys(file_of(row.name) for row in known[:COMPARED])
    spelt = {form.casefold(): name for name in names for form in (name, name.rpartition("/")[2])}
    near = get_close_matches(text.rpartition("/")[2].casefold() or text, spelt, n=3, cutoff=0.6)
    found = list(dict.fromkeys(spelt[form] for form in near))
    return f" (did you mean {' or '.join(map(repr, found))}?)" if found else ""


def within(origin: str, names: Sequence[str]) -> bool:
    """Whether a folder or a sitemap is named, or a folder that it lies in."""
    return any(
        origin == as_address(name)
        if is_address(name)
        else os.path.join(origin, "").startswith(os.path.join(as_text(os.path.abspath(name)), ""))
        for name in names
    )


def source_count(database: Database) -> int:
    """Return how many sources there are. Raises DataError."""
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(SourceRow)) or 0


def last_places(database: Database) -> dict[int, str]:
    """Return the place of the last passage of each source that has places, such as ``p. 12``. Raises DataError."""
    last = select(PassageRow.source_id, func.max(PassageRow.id).label("id")).group_by(PassageRow.source_id).subquery()
    query = select(PassageRow.source_id, PassageRow.place).join(last, PassageRow.id == last.c.id)
    with database.read() as session:
        return {source: place for source, place in session.execute(query.where(PassageRow.place != ""))}
