"""Encoders other than the packaged one: any model of sentence-transformers, used as its files say.

Its modules pool, project and normalise, and its prompts tell a query from a passage.
"""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from retrieval.encoder.checkpoint import errors_as, fingerprint, fitted, loading, model_folder
from retrieval.text import each
from retrieval.types import Vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PASSAGES: Final = ("document", "passage", "corpus")  # the names under which models keep the prompt of a passage
TEXTS = 32  # encoded together


class NamedEncoder:
    """An Embedder of a sentence-transformers model; unit vectors whether or not the model normalises them itself.

    Safe to call from several threads: one call runs at a time.
    """

    def __init__(self, model: "SentenceTransformer", fingerprint: str) -> None:
        fitted(model)
        self._model = model
        self._lock = threading.Lock()
        self._query = model.prompts.get("query", "")
        self._passage = next((model.prompts[name] for name in PASSAGES if model.prompts.get(name)), "")
        self.dimension: int = model.get_embedding_dimension() or len(self._encoded(["a"], query=False)[0])
        self.fingerprint = fingerprint

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector per passage, shape (len(texts), dimension), float32."""
        return self._encoded(each(texts), query=False)

    def encode_queries(self, queries: Sequence[str]) -> Vectors:
        """Return one unit vector per query, shape (len(queries), dimension), float32."""
        return self._encoded(each(queries), query=True)

    def _encoded(self, texts: Sequence[str], query: bool) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        encode = self._model.encode_query if query else self._model.encode_document
        with self._lock:
            vectors: Vectors = encode(
                list(texts),
                prompt=self._query if query else self._passage,
                batch_size=TEXTS,
                show_progress_bar=False,
            ).astype(np.float32)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors


def load_named(name: str) -> NamedEncoder:
    """Load the encoder at folder or hub name `name`. Raises RetrievalError when it cannot be loaded."""
    mend = "name a folder or a hub model with safetensors weights, or leave the setting encoder empty"
    with errors_as(f"encoder {name!r}", mend):
        from sentence_transformers import SentenceTransformer

        folder = model_folder(name, "sentence-transformers")
        model = SentenceTransformer(str(folder), **loading())
        if "text" not in model.modalities:
            raise ValueError("it reads no text")
        return NamedEncoder(model, fingerprint(folder, name))
