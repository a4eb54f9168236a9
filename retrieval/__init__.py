"""Finding passages: sources read, cut, embedded, indexed and searched by meaning and by words.

Imports neither dialogue, safety nor app. The encoder is imported from `retrieval.embed`, since it loads torch.
"""

from retrieval.index import Generation, build, open_current, sweep
from retrieval.memory import MemoryRetriever
from retrieval.passages import cut, embedding_text
from retrieval.search import HybridRetriever
from retrieval.text import clean, sentences
from retrieval.types import (
    Document,
    Embedder,
    Evidence,
    IndexDamaged,
    Passage,
    RetrievalError,
    Retriever,
    Section,
    SourceError,
    Vectors,
)

__all__ = [
    "Document",
    "Embedder",
    "Evidence",
    "Generation",
    "HybridRetriever",
    "IndexDamaged",
    "MemoryRetriever",
    "Passage",
    "RetrievalError",
    "Retriever",
    "Section",
    "SourceError",
    "Vectors",
    "build",
    "clean",
    "cut",
    "embedding_text",
    "open_current",
    "sentences",
    "sweep",
]
