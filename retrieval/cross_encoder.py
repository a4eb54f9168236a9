"""Passages ordered by a cross-encoder of sentence-transformers, which reads the query and a passage together.

Its scores order the passages of one query; they are no calibrated probability, and none is given. Works over any
Retriever and knows nothing of how that one searches.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from retrieval.passages import embedding_text
from retrieval.text import clean, each
from retrieval.types import Evidence, Retriever

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

DEPTH: Final = 12  # passages read after a query
MOST_CHARACTERS: Final = 1_000  # of a query, as it is read
PAIRS: Final = 16  # read together


@dataclass(frozen=True)
class CrossEncoderReranker:
    """A Retriever that reorders the first `depth` passages that another finds.

    Safe to call from several threads: one query is read at a time.
    """

    retriever: Retriever
    model: "CrossEncoder"
    depth: int = DEPTH
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def search(self, queries: Sequence[str], k: int, sources: Sequence[str] = ()) -> tuple[Evidence, ...]:
        """Return up to `k` passages found for any of the `queries`, those that were read first, the best first.

        They are read after the first form of the question; what was found after them follows as it was found. A
        `score` says the place alone. Raises RetrievalError as the retriever does.
        """
        forms = [form for form in (clean(query).strip() for query in each(queries)) if form]
        if not forms or k < 1:
            return ()
        found = self.retriever.search(queries, max(k, self.depth), sources)
        read = found[: self.depth]
        ranked = [read[place] for place in self._order(forms[0], read)]
        places = zip([*ranked, *found[self.depth :]], found, strict=True)
        return tuple(replace(item, score=place.score) for item, place in places)[:k]

    def _order(self, query: str, found: Sequence[Evidence]) -> Sequence[int]:
        if not found:
            return ()
        from torch.nn import Identity

        pairs = [(query[:MOST_CHARACTERS], embedding_text(item.passage)) for item in found]
        with self._lock:
            scores = self.model.predict(  # as logits: a sigmoid gives 1.0 to all that are good
                pairs, batch_size=PAIRS, show_progress_bar=False, activation_fn=Identity()
            )
        order: list[int] = np.argsort(-scores, kind="stable").tolist()
        return order


def load_cross_encoder(name: str, retriever: Retriever, depth: int = DEPTH) -> CrossEncoderReranker:
    """Put the cross-encoder ``hf:NAME``, a folder or a hub model, before a retriever.

    Raises RetrievalError when it cannot be loaded or gives a pair more than one score.
    """
    from retrieval.encoder.checkpoint import errors_as, fitted, loading, model_folder

    mend = "name a folder or a hub model with safetensors weights, or leave the setting reranker empty"
    with errors_as(f"reranker {name!r}", mend):
        from sentence_transformers import CrossEncoder

        model = CrossEncoder(str(model_folder(name.removeprefix("hf:"), "cross-encoder")), **loading())
        fitted(model)
        if model.num_labels != 1:
            raise ValueError(f"it gives a pair {model.num_labels} scores, not one")
        return CrossEncoderReranker(retriever, model, depth)
