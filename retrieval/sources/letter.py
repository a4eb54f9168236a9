"""A message with what is attached to it, and the one document that both make."""

import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from retrieval.outline import one_line
from retrieval.sources.filetypes import COLLECTIONS, SUFFIXES, suffix_of
from retrieval.types import Document, Note, Section, SourceError

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


def opened(letter: Letter, read: Read) -> Document:
    """Return the message followed by what `read` makes of its attachments, each under its name and title.

    What cannot be read is counted in the notes.
    """
    document, notes = letter.document, Counter(dict(letter.document.notes))
    notes[Note.ATTACHMENT] += len(letter.attached[MOST:])
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
                    document = _joined(document, part, one_line(attachment.name))
                    notes.update(dict(part.notes))
            except SourceError:
                notes[Note.ATTACHMENT] += 1
            finally:
                os.unlink(path)
    return replace(document, notes=tuple((+notes).items()))


def _joined(document: Document, part: Document, name: str) -> Document:
    gap = "\n\n" if document.text else ""
    before = len(document.text) + len(gap)
    above = (name,) if part.title in ("", Path(name).stem) else (name, part.title)
    sections = tuple(
        Section((*above, *one.headings), one.start + before, one.end + before, one.place) for one in part.sections
    )
    return replace(document, text=f"{document.text}{gap}{part.text}", sections=(*document.sections, *sections))
