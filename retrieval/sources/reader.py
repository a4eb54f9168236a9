"""A file to its documents: kind checked, plain text decoded here, everything else parsed in a process of its own.

Knows nothing of folders, passages or indexes.
"""

import logging
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from retrieval.markup import Outline, from_html, from_markdown, one_line
from retrieval.sources.decode import decode
from retrieval.sources.kinds import COLLECTIONS, DEFAULT_LIMITS, HEAD, PLAIN, Limits, check_kind, kind_of, suffix_of
from retrieval.sources.noise import sound
from retrieval.sources.process import parsed
from retrieval.text import clean
from retrieval.types import Document, Section, SourceError

_BLOCK = 400  # characters of source code from which on a section ends where the code has a gap
_log = logging.getLogger(__name__)


def _logged(error: SourceError) -> None:
    _log.warning("%s", error)


def read_documents(
    path: Path, name: str = "", limits: Limits = DEFAULT_LIMITS, refused: Callable[[SourceError], None] = _logged
) -> Iterator[Document]:
    """Yield the documents of a file as plain text with their sections, in order, as they are read.

    Most files are one document, called `name` or else by the path. A mailbox, a MediaWiki export or a JSON Lines
    file holds many, called ``name#1``, ``name#2`` and so on; those that cannot be read are handed to `refused`.

    Raises SourceError, one line beginning with the path, when the file cannot be read, is not what its name
    says, holds no readable text, is protected or broken, or exceeds a limit.
    """
    if path.is_dir():
        raise SourceError(f"{path}: a folder, name a file in it")
    kind = kind_of(path)
    many = kind in COLLECTIONS
    data = _read(path, limits.max_collection if many else limits.max_bytes, HEAD if many else limits.max_bytes)
    if not data.strip():
        raise SourceError(f"{path}: no text found, the file is empty")
    check_kind(path, data, kind)
    name = name or _shown(str(path))
    items = _plain(path, kind, data, limits) if kind in PLAIN else parsed(path, kind, limits)
    number = 0
    for member, item in items:
        try:
            yield _readable(item, name + member, one_line(_shown(path.stem)) or "untitled", kind)
            number += 1
        except SourceError as error:
            if not many:
                raise SourceError(f"{path}: {error}") from None
            refused(SourceError(f"{path}{member}: {error}"))
    if not number:
        raise SourceError(f"{path}: no text found")


def _readable(item: Document | SourceError, source: str, title: str, kind: str) -> Document:
    if isinstance(item, SourceError):
        raise item
    document = sound(replace(item, source=source, title=item.title or title), kind)
    if not document.text.strip():
        raise SourceError("no text found")
    return document


def _shown(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace")


def _read(path: Path, most: int, wanted: int) -> bytes:
    """Return the first `wanted` bytes of a file that has no more than `most`."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SourceError(f"{path}: not a regular file")
        with path.open("rb") as file:
            data = file.read(wanted + 1)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error
    if (size := max(status.st_size, len(data))) > most:
        raise SourceError(f"{path}: {size} bytes, more than the {most} allowed")
    return data


def _plain(path: Path, kind: str, data: bytes, limits: Limits) -> Iterator[tuple[str, Document]]:
    try:
        text = decode(data, str(path), page=kind == "HTML")
    except SourceError as error:
        raise SourceError(f"{path}: named as {kind} ({suffix_of(path)}) but {error}") from None
    if len(text) > limits.max_text:
        raise SourceError(f"{path}: {len(text)} characters of text, more than the {limits.max_text} allowed")
    if kind == "HTML":
        if (tags := text.count("<")) > limits.max_tags:
            raise SourceError(f"{path}: {tags} tags, more than the {limits.max_tags} allowed")
        yield "", from_html(text, "", "")
    elif kind == "source code":
        yield "", from_code(text, _shown(path.name))
    elif suffix_of(path) in {".md", ".markdown"}:
        yield "", from_markdown(clean(text), "", "")
    else:
        text = clean(text)
        yield "", Document("", "", text, (Section((), 0, len(text)),))


def from_code(text: str, title: str) -> Document:
    """Return source code in sections that end at gaps between its parts, each placed by its lines."""
    outline = Outline()
    block: list[str] = []
    first, length, gap = 1, 0, False
    for number, line in enumerate([*clean(text).expandtabs(4).splitlines(), ""], start=1):
        begins = gap and not line.startswith((" ", "}", ")", "]"))
        if block and (length > 2 * _BLOCK or (length > _BLOCK and begins)):
            outline.at(f"lines {first}-{number - 1}")
            outline.add("\n".join(block).strip("\n"))
            block, first, length = [], number, 0
        block.append(line)
        length += len(line) + 1
        gap = not line.strip()
    outline.at(f"lines {first}-{first + len(block) - 2}")
    outline.add("\n".join(block).strip("\n"))
    return outline.document("", title)
