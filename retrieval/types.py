"""The nouns and seams of retrieval: documents, passages, evidence, and what finds them.

Knows nothing of dialogue, safety, SQL or the user interface. Errors, drawn as a tree::

    RetrievalError
    ├── SourceError      a source cannot be read or holds no text
    ├── IndexDamaged     a published index fails its checks; rebuild it
    └── Unreachable      something outside, such as a web page, cannot be had now
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]  # shape (texts, dimension), rows of unit length
Kind = Literal["document", "picture", "tool", "page"]  # of a passage


class RetrievalError(Exception):
    """Something went wrong while reading, indexing or searching sources."""


class SourceError(RetrievalError):
    """A source cannot be read, or holds no text. The message is fit to be shown to a user."""


class IndexDamaged(RetrievalError):
    """A published index fails its checks. The message names the file and what differs."""


class Unreachable(RetrievalError):
    """An outside service cannot be reached. The message is fit to be shown to a user."""


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a document's text under one heading path.

    `start` and `end` are character offsets into `Document.text`; `place` says where a reader finds it
    when headings do not (for a PDF ``"p. 4"``), else it is empty.
    """

    headings: tuple[str, ...]
    start: int
    end: int
    place: str = ""


class Note(Enum):
    """What somebody who put a source in would want to know of how it was read; each is counted."""

    HIDDEN = "hidden passage", "left out"
    SHEET = "hidden sheet", "left out"
    ROW = "hidden row", "left out"
    COLUMN = "hidden column", "left out"
    FORMULA = "formula", "without a value: open the file in a spreadsheet and save it there"
    SLIDE = "hidden slide", "left out"
    ENCODED = "passage of encoded data", "left out"
    GARBLED = "garbled part", "left out"
    LEGACY = "line", "not in UTF-8, read as an older encoding"
    LOST = "character", "not in UTF-8, replaced"
    RECOGNISED = "page", "read by text recognition"
    PICTURED = "page without text", "left out"
    WORDLESS = "page without words", "in which text recognition found none"
    PICTURE = "picture", "not read"
    SCRIPTED = "page", "written by scripts, which are not run: only its first words were read"
    FOOTNOTE = "note", "kept at the place of reference"
    COMMENT = "comment", "kept after what it is about"
    CHANGE = "tracked change", "read as if accepted"
    DUPLICATE = "key", "given again in one object, all values kept"
    SECRET = "secret", "masked"
    CONTROL = "control character", "left out"
    ATTACHMENT = "attachment", "not read"
    QUOTED = "quoted part", "left out, it stands in an earlier message"
    FOREIGN = "paragraph", "in another script than English, found by its own words only"

    def counted(self, count: int) -> str:
        """Return the note in words: ``3 hidden passages left out``."""
        thing, fate = self.value
        noun, link, rest = re.split(r"( of | without |$)", thing, maxsplit=1)
        return f"{count} {noun}{'s' * (count != 1)}{link}{rest} {fate}"


@dataclass(frozen=True, slots=True)
class Document:
    """One source as plain text: markup removed, order kept. Offsets everywhere refer to `text`.

    `notes` are what was found while it was read, each with its count; `dated` is the date that it bears itself, in ISO
    8601, empty where it tells none.
    """

    source: str
    title: str
    text: str
    sections: tuple[Section, ...]
    notes: tuple[tuple[Note, int], ...] = ()
    dated: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A verbatim slice of a document, cut at sentence ends: ``document.text[start:end] == text``.

    Its `kind` says where it is from: a document of the library, a picture as it was described, the answer of a tool
    such as a calculator, or a page that was found on the web.
    """

    id: int
    text: str
    source: str
    title: str
    headings: tuple[str, ...]
    start: int
    end: int
    place: str = ""
    kind: Kind = "document"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A passage found for a query.

    `score` is the fused rank score (higher is better, only comparable within one search);
    `similarity` is the cosine of query and passage, None when only the words matched; `probability`, calibrated, is
    that of the passage answering the query, None when it was not read for that. `remark` is what a reply that cites it
    says beside: that another version of the document gave way to it.
    """

    passage: Passage
    score: float
    similarity: float | None = None
    probability: float | None = None
    remark: str = ""


class Embedder(Protocol):
    """Texts to vectors. `fingerprint` changes whenever the vectors would."""

    dimension: int
    fingerprint: str

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector per text, as something to be found, shape (len(texts), dimension)."""
        ...

    def encode_queries(self, queries: Sequence[str]) -> Vectors:
        """Return one unit vector per query, shape (len(queries), dimension); comparable with those of texts."""
        ...


class TokenEmbedder(Embedder, Protocol):
    """An embedder that also shows the vectors of the single tokens."""

    def encode_tokens(self, texts: Sequence[str]) -> list[tuple[Vectors, NDArray[np.int64]]]:
        """Return per text its token vectors (tokens, dimension), unit rows, and character spans (tokens, 2)."""
        ...


class Retriever(Protocol):
    """Finds passages for queries."""

    def search(self, queries: Sequence[str], k: int, sources: Sequence[str] = ()) -> tuple[Evidence, ...]:
        """Return up to `k` passages, best first, found for any of the `queries`: forms of one question, the best first.

        `sources` are glob patterns, case aside: where given, only passages of sources that match one are looked
        for, so that up to `k` of these are found however many others are nearer. Raises RetrievalError when the index
        cannot be searched. No query or an empty index gives ().
        """
        ...
