"""Finding passages: sources read, cut, embedded, indexed and searched by meaning and by words.

Imports neither dialogue, safety nor app. `retrieval.encoder.embed`, the encoder, is imported by name: it loads torch.
"""

from retrieval.index.generation import Generation, build, open_current, sweep
from retrieval.index.memory import MemoryRetriever
from retrieval.passages import cut, embedding_text
from retrieval.search import HybridRetriever
from retrieval.sources import SUFFIXES, SourceLimits, find_files, read_documents
from retrieval.text import clean, sentences
from retrieval.tools.toolset import Search, Tool, Toolset
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
    "SUFFIXES",
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
    "Search",
    "Section",
    "SourceError",
    "SourceLimits",
    "Tool",
    "Toolset",
    "Vectors",
    "build",
    "clean",
    "cut",
    "embedding_text",
    "find_files",
    "open_current",
    "read_documents",
    "sentences",
    "sweep",
]
