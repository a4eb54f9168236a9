"""A document with its passages and their vectors, as rows that can be stored."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.library.catalogue import StoredSource
from app.library.checksums import of_bytes, of_document, of_passage
from retrieval.passages import vectors_of
from retrieval.types import Document, Embedder, Passage, RetrievalError


@dataclass(frozen=True, slots=True)
class Embedded:
    """A document ready to be stored, with its passages and their vectors as `packed` returns them."""

    about: StoredSource
    document: Document
    passages: Sequence[Passage]
    vectors: Sequence[bytes]

    def source(self, account: str | None = None) -> dict[str, Any]:
        """The columns of its source, which is an account's own, or shared."""
        about, document = self.about, self.document
        sections = [
            {"headings": list(s.headings), "start": s.start, "end": s.end, "place": s.place} for s in document.sections
        ]
        return {
            "uri": about.uri,
            "name": about.name,
            "title": about.title,
            "kind": about.kind,
            "bytes": about.bytes,
            "sha256": about.sha256,
            "added_at": about.added_at,
            "origin": about.origin,
            "notes": [[note.name, count] for note, count in document.notes],
            "dated": about.dated,
            "account_id": account,
            "text": document.text,
            "sections": sections,
            "checksum": of_document(document.text, sections),
        }

    def rows(self, source: int) -> list[dict[str, Any]]:
        """The columns of its passages, as those of the source with this id."""
        return [
            {
                "source_id": source,
                "start": passage.start,
                "end": passage.end,
                "text": passage.text,
                "headings": list(passage.headings),
                "place": passage.place,
                "vector": vector,
                "checksum": of_passage(replace(passage, source=self.about.name, title=self.about.title)),
                "vector_checksum": of_bytes(vector),
            }
            for passage, vector in zip(self.passages, self.vectors, strict=True)
        ]


def packed(embedder: Embedder, passages: Sequence[Passage]) -> list[bytes]:
    """Return the vectors of the passages as float16 bytes. Raises RetrievalError when one is not a vector."""
    vectors = vectors_of(passages, embedder)
    good = np.isfinite(vectors).all(axis=1) & (np.abs(np.linalg.norm(vectors, axis=1) - 1) < 0.01)
    if not good.all():
        raise RetrievalError(f"the encoder gave no unit vector for {passages[int(np.argmin(good))].text[:60]!r}")
    return [row.tobytes() for row in vectors.astype(np.float16)]
