"""A message with what is attached to it, and the documents that they make."""

import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Final

from retrieval.outline import one_line
from retrieval.sources.filetypes import COLLECTIONS, SUFFIXES, suffix_of
from retrieval.types import Document, Note, SourceError

Read = Callable[[Path], Iterator[Document]]
MOST: Final = 50  # attachments that are read, those of attached messages among them
DEEPEST: Final = 2  # messages in messages


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file as it came with a message, under the name that it has there."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """A message, and what is attached to it, not read yet."""

    document: Document
    attached: tuple[Attachment, ...] = ()


def opened(letter: Letter, read: Read) -> tuple[Document, list[tuple[str, Document]]]:
    """Return the message and what `read` makes of its attachments, each with its name behind that of the message.

    An attachment is a document of its own, ``mail.eml#menu.pdf``, its title that of the message before its name. What
    cannot be read is counted in the notes of the message.
    """
    document, notes = letter.document, Counter(dict(letter.document.notes))
    notes[Note.ATTACHMENT] += len(letter.attached[MOST:])
    found: dict[str, Document] = {}
    with tempfile.TemporaryDirectory(prefix="candor-mail-") as folder:
        for place, attachment in enumerate(letter.attached[:MOST]):
            name = re.sub(r"[^\w. ()+-]", "_", attachment.name)[-100:].lstrip(".")
            if SUFFIXES.get(suffix_of(Path(name)), "") in {"", *COLLECTIONS}:
                notes[Note.ATTACHMENT] += 1
                continue
            path = Path(folder) / str(place) / name
            path.parent.mkdir()
            path.write_bytes(attachment.data)
            try:
                for part in read(path):
                    inner = part.source.removeprefix(str(path))  # of a message that is attached, what that holds
                    own = _name(name + inner, found)
                    found[own] = _titled(part, document, one_line(attachment.name), Path(name).stem)
            except SourceError:
                notes[Note.ATTACHMENT] += 1
            finally:
                os.unlink(path)
    message = replace(document, notes=tuple((+notes).items()))
    return message, [(f"#{name}", part) for name, part in found.items()]


def _name(name: str, taken: Container[str]) -> str:
    """The name, or with a number where another attachment has it."""
    stem, dot, suffix = name.rpartition(".")
    forms = (f"{stem} ({number}){dot}{suffix}" for number in count(2))
    return name if name not in taken else next(form for form in forms if form not in taken)


def _titled(part: Document, message: Document, name: str, stem: str) -> Document:
    """An attachment under the title of its message and its name, its own title above its headings."""
    title = ": ".join(filter(None, [message.title, name]))
    above = () if part.title in ("", stem) else (part.title,)
    sections = tuple(replace(one, headings=(*above, *one.headings)) for one in part.sections)
    return replace(part, title=one_line(title), sections=sections, dated=part.dated or message.dated)
