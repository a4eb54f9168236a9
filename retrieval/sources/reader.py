"""A file to its documents: kind checked, plain text and small pages read here, the rest in a process of its own."""

import logging
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from retrieval.outline import one_line
from retrieval.sources.child import clause, parser
from retrieval.sources.filetypes import (
    COLLECTIONS,
    DEFAULT_LIMITS,
    HEAD,
    INLINE,
    MARKUP,
    PLAIN,
    SourceLimits,
    check_kind,
    file_type,
)
from retrieval.sources.letter import DEEPEST, Letter, opened
from retrieval.sources.process import parsed
from retrieval.sources.readability import foreign_paragraphs, readable
from retrieval.types import Document, Note, SourceError

_log = logging.getLogger(__name__)


def _logged(error: SourceError) -> None:
    _log.warning("%s", error)


def read_documents(
    path: Path,
    name: str = "",
    limits: SourceLimits = DEFAULT_LIMITS,
    refused: Callable[[SourceError], None] = _logged,
    depth: int = 0,
) -> Iterator[Document]:
    """Yield the documents of a file as plain text with their sections, in order, as they are read.

    Most files are one document, called `name` or else by the path. A mailbox, a MediaWiki export or a JSON Lines
    file holds many, called ``name#1``, ``name#2`` and so on; those that cannot be read are handed to `refused`. What is
    attached to a message follows it as a document of its own, ``name#menu.pdf``, unless `depth` messages hold it.

    Raises SourceError, one line beginning with the path, when the file cannot be read, is not what its name
    says, holds no readable text, is protected or broken, or exceeds a limit.
    """
    if os.path.isdir(path):
        raise SourceError(f"{path}: a folder, name a file in it")
    kind = file_type(path)
    many = kind in COLLECTIONS
    data = read_bytes(path, limits.max_collection if many else limits.max_bytes, HEAD if many else limits.max_bytes)
    if not data.strip():
        raise SourceError(f"{path}: no text found, the file is empty")
    check_kind(path, data, kind)
    name = name or _shown(str(path))
    small = kind in PLAIN or (kind in MARKUP and len(data) <= INLINE)
    items = _here(path, kind, limits) if small else parsed(path, kind, limits)
    number = 0
    for member, item in items:
        try:
            first, attached = _opened(item, limits, depth) if isinstance(item, Letter) else (item, [])
            yield _readable(first, name + member, one_line(_shown(path.stem)) or "untitled", kind)
            yield from (replace(part, source=f"{name}{member}{called}") for called, part in attached)
            number += 1
        except SourceError as error:
            if not many:
                raise SourceError(f"{path}: {error}") from None
            refused(SourceError(f"{path}{member}: {error}"))
    if not number:
        raise SourceError(f"{path}: no text found")


def _here(path: Path, kind: str, limits: SourceLimits) -> Iterator[tuple[str, Document | Letter | SourceError]]:
    """Parse in this process; raises SourceError as `parsed` does."""
    try:
        yield from ((member, item) for member, item in parser(kind)(path, limits) if item is not None)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:
        raise SourceError(f"{path}: {clause(kind, error, limits)}") from error


def _opened(letter: Letter, limits: SourceLimits, depth: int) -> tuple[Document, list[tuple[str, Document]]]:
    """A message, and what is attached to it, each with its name."""
    if depth >= DEEPEST:
        letter = replace(letter, attached=())
    return opened(letter, lambda path: read_documents(path, limits=limits, depth=depth + 1))


def _readable(item: Document | SourceError, source: str, title: str, kind: str) -> Document:
    if isinstance(item, SourceError):
        raise item
    document = readable(replace(item, source=source, title=item.title or title), kind)
    if foreign := foreign_paragraphs(document.text):
        document = replace(document, notes=(*document.notes, (Note.FOREIGN, foreign)))
    if not document.text.strip():
        raise SourceError("; ".join(["no text found", *(note.counted(count) for note, count in document.notes)]))
    return document


def _shown(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace")


def read_bytes(path: Path, most: int, wanted: int | None = None) -> bytes:
    """Return a regular file of no more than `most` bytes, or its first `wanted` bytes. Raises SourceError."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SourceError(f"{path}: not a regular file")
        with path.open("rb") as file:
            data = file.read((most if wanted is None else wanted) + 1)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:  # a NUL or half a character in the name
        raise SourceError(f"{path}: no file can have that name ({error})") from None
    if (size := max(status.st_size, len(data))) > most:
        raise SourceError(f"{path}: {size} bytes, more than the {most} allowed")
    return data
