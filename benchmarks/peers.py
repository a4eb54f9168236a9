"""LangChain, LlamaIndex and Haystack as their documentation uses them with FAISS; run by ingest.py in their own
environments.

    ENVIRONMENT/bin/python benchmarks/peers.py langchain ingest '{"documents": FOLDER, "store": FOLDER, "model":
    FOLDER}'

Each reads a folder of text files, splits with its splitter's defaults (a file of some 100 words is one piece for every
one of them), embeds with its class for sentence-transformers models at the default batch size, and saves its FAISS
index, exact and flat in all three, with the texts. A query goes from text to documents: by the retriever alone, and by
what each documents as hybrid search with BM25. Prints one JSON object. Knows nothing of Candor.
"""

import hashlib
import importlib.metadata
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np

DIMENSION = 384
KS = (8, 16)  # passages asked for: by a turn, and by one that reads them again in order to rerank
WARM = 20  # queries before any is timed
PACKAGES = {
    "langchain": (
        "langchain-community==0.4.2",
        "langchain-classic==1.0.8",
        "langchain-huggingface==1.2.3",
        "rank-bm25==0.2.2",
    ),
    "llamaindex": (
        "llama-index-core==0.14.25",
        "llama-index-readers-file==0.7.0",
        "llama-index-embeddings-huggingface==0.8.0",
        "llama-index-vector-stores-faiss==0.7.0",
        "llama-index-retrievers-bm25==0.8.0",
    ),
    "haystack": ("haystack-ai==3.4.0", "faiss-haystack==3.0.0", "sentence-transformers-haystack==2.0.0"),
}

Search = Callable[[str], Sequence[object]]


@cache
def drawn(text: str) -> list[float]:
    """Return a unit vector drawn with the text's hash as the seed; once drawn it costs nothing."""
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
    vector = np.random.default_rng(seed).standard_normal(DIMENSION, dtype=np.float32)
    found: list[float] = (vector / np.linalg.norm(vector)).tolist()
    return found


class Peer(Protocol):
    """A pipeline over one embedder: the model in a folder, or `drawn`."""

    def ingest(self, documents: Path, store: Path) -> int:
        """Read, split, embed, index and save; return the number of pieces."""
        ...

    def searches(self, k: int) -> dict[str, Search]:
        """Return what answers a query with `k` documents, by name."""
        ...


class LangChain:
    def __init__(self, model: str) -> None:
        from langchain_classic.retrievers import EnsembleRetriever
        from langchain_community.document_loaders import DirectoryLoader, TextLoader
        from langchain_community.retrievers import BM25Retriever
        from langchain_community.vectorstores import FAISS
        from langchain_core.embeddings import Embeddings
        from langchain_huggingface import HuggingFaceEmbeddings
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        class Drawn(Embeddings):
            def embed_documents(self, texts: list[str]) -> list[list[float]]:
                return [drawn(text) for text in texts]

            def embed_query(self, text: str) -> list[float]:
                return drawn(text)

        self.embeddings = HuggingFaceEmbeddings(model_name=model) if model else Drawn()
        self.load = lambda folder: DirectoryLoader(str(folder), glob="**/*.txt", loader_cls=TextLoader).load()
        self.splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
        self.faiss, self.bm25, self.ensemble = FAISS, BM25Retriever, EnsembleRetriever

    def warm(self) -> None:
        self.embeddings.embed_query("warm")

    def ingest(self, documents: Path, store: Path) -> int:
        self.pieces = self.splitter.split_documents(self.load(documents))
        self.index = self.faiss.from_documents(self.pieces, self.embeddings)
        self.index.save_local(str(store))
        return len(self.pieces)

    def searches(self, k: int) -> dict[str, Search]:
        dense = self.index.as_retriever(search_kwargs={"k": k})
        words = self.bm25.from_documents(self.pieces, k=k)
        both = self.ensemble(retrievers=[words, dense], weights=[0.5, 0.5])
        return {"dense": dense.invoke, "hybrid": both.invoke}


class LlamaIndex:
    def __init__(self, model: str) -> None:
        import faiss
        from llama_index.core import SimpleDirectoryReader, StorageContext, VectorStoreIndex
        from llama_index.core.embeddings import BaseEmbedding
        from llama_index.core.llms import MockLLM
        from llama_index.core.retrievers import QueryFusionRetriever
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding
        from llama_index.retrievers.bm25 import BM25Retriever
        from llama_index.vector_stores.faiss import FaissVectorStore

        class Drawn(BaseEmbedding):
            def _get_text_embedding(self, text: str) -> list[float]:
                return drawn(text)

            def _get_query_embedding(self, query: str) -> list[float]:
                return drawn(query)

            async def _aget_query_embedding(self, query: str) -> list[float]:
                return drawn(query)

        self.embedder = HuggingFaceEmbedding(model_name=model) if model else Drawn()
        self.load = lambda folder: SimpleDirectoryReader(str(folder), recursive=True).load_data()
        self.vectors = lambda: FaissVectorStore(faiss_index=faiss.IndexFlatL2(DIMENSION))
        self.context, self.build, self.bm25 = StorageContext, VectorStoreIndex, BM25Retriever
        self.fusion = lambda parts, k: QueryFusionRetriever(
            parts, llm=MockLLM(), similarity_top_k=k, num_queries=1, mode="reciprocal_rerank", use_async=False
        )

    def warm(self) -> None:
        self.embedder.get_query_embedding("warm")

    def ingest(self, documents: Path, store: Path) -> int:
        context = self.context.from_defaults(vector_store=self.vectors())
        self.index = self.build.from_documents(self.load(documents), storage_context=context, embed_model=self.embedder)
        self.index.storage_context.persist(str(store))
        return len(self.index.docstore.docs)

    def searches(self, k: int) -> dict[str, Search]:
        dense = self.index.as_retriever(similarity_top_k=k)
        words = self.bm25.from_defaults(docstore=self.index.docstore, similarity_top_k=k)
        return {"dense": dense.retrieve, "hybrid": self.fusion([dense, words], k).retrieve}


class Haystack:
    """Its FAISS store knows no BM25: in hybrid search its store in memory holds the documents a second time."""

    def __init__(self, model: str) -> None:
        from haystack import Document, Pipeline, component
        from haystack.components.converters import TextFileToDocument
        from haystack.components.joiners import DocumentJoiner
        from haystack.components.preprocessors import DocumentSplitter
        from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
        from haystack.components.writers import DocumentWriter
        from haystack.document_stores.in_memory import InMemoryDocumentStore
        from haystack_integrations.components.embedders.sentence_transformers import (
            SentenceTransformersDocumentEmbedder,
        )
        from haystack_integrations.components.retrievers.faiss import FAISSEmbeddingRetriever
        from haystack_integrations.document_stores.faiss import FAISSDocumentStore

        @component
        class DrawnDocuments:
            @component.output_types(documents=list[Document])
            def run(self, documents: list[Document]) -> dict[str, Any]:
                for document in documents:
                    document.embedding = drawn(document.content or "")
                return {"documents": documents}

        @component
        class DrawnText:
            @component.output_types(embedding=list[float])
            def run(self, text: str) -> dict[str, Any]:
                return {"embedding": drawn(text)}

        self.embedder = (
            SentenceTransformersDocumentEmbedder(model=model, progress_bar=False) if model else DrawnDocuments()
        )
        self.text_embedder, self.pipeline, self.document = DrawnText, Pipeline, Document
        self.converter, self.splitter, self.writer = TextFileToDocument, DocumentSplitter, DocumentWriter
        self.dense, self.words, self.joiner = FAISSEmbeddingRetriever, InMemoryBM25Retriever, DocumentJoiner
        self.store, self.memory = FAISSDocumentStore(embedding_dim=DIMENSION), InMemoryDocumentStore()

    def warm(self) -> None:
        if hasattr(self.embedder, "warm_up"):
            self.embedder.warm_up()
        self.embedder.run(documents=[self.document(content="warm")])

    def ingest(self, documents: Path, store: Path) -> int:
        pipeline = self.pipeline()
        parts = (
            ("converter", self.converter()),
            ("splitter", self.splitter()),
            ("embedder", self.embedder),
            ("writer", self.writer(self.store)),
        )
        for name, part in parts:
            pipeline.add_component(name, part)
        for (before, _), (after, _) in pairwise(parts):
            pipeline.connect(before, after)
        pipeline.run({"converter": {"sources": sorted(documents.rglob("*.txt"))}})
        store.mkdir(parents=True, exist_ok=True)
        self.store.save(str(store / "index"))
        return int(self.store.count_documents())

    def searches(self, k: int) -> dict[str, Search]:
        if not self.memory.count_documents():
            self.memory.write_documents(self.store.filter_documents())
        dense, both = self.pipeline(), self.pipeline()
        for pipeline in (dense, both):
            pipeline.add_component("embedder", self.text_embedder())
            pipeline.add_component("retriever", self.dense(document_store=self.store, top_k=k))
            pipeline.connect("embedder.embedding", "retriever.query_embedding")
        both.add_component("words", self.words(document_store=self.memory, top_k=k))
        both.add_component("joiner", self.joiner(join_mode="reciprocal_rank_fusion", top_k=k))
        both.connect("retriever", "joiner")
        both.connect("words", "joiner")
        return {
            "dense": lambda query: dense.run({"embedder": {"text": query}})["retriever"]["documents"],
            "hybrid": lambda query: both.run({"embedder": {"text": query}, "words": {"query": query}})["joiner"][
                "documents"
            ],
        }


PEERS: Mapping[str, Callable[[str], Any]] = {"langchain": LangChain, "llamaindex": LlamaIndex, "haystack": Haystack}


class Watch:
    """Seconds since it was made: those on the wall, and those of the processor that this process used."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Return both."""
        return time.perf_counter() - self._wall, time.process_time() - self._cpu


def timed(searches: Mapping[str, Search], k: int, queries: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the median milliseconds of a query by each search. Raises AssertionError for one that finds too little."""
    found: dict[str, dict[str, float]] = {}
    for name, search in searches.items():
        for query in queries[:WARM]:
            assert len(search(query)) >= k, f"{name} found too little for {query!r}"
        seconds = []
        for query in queries:
            watch = Watch()
            search(query)
            seconds.append(watch.read())
        wall, cpu = 1000 * np.median(seconds, axis=0)
        found[name] = {"ms": round(float(wall), 3), "cpu_ms": round(float(cpu), 3)}
    return found


def peak_memory() -> int:
    """Return the most memory this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main(name: str, step: str, given: dict[str, Any]) -> dict[str, Any]:
    start = Watch()
    peer = PEERS[name](given["model"] if step == "ingest" else "")
    peer.warm()
    started, watch = start.read()[0], Watch()
    pieces = peer.ingest(Path(given["documents"]), Path(given["store"]))
    seconds, cpu = watch.read()
    if step == "query":
        for query in given["queries"]:
            drawn(query)
        return {str(k): timed(peer.searches(k), k, given["queries"]) for k in KS}
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu, 3),
        "passages": pieces,
        "start_seconds": round(started, 2),
        "peak_memory_mb": peak_memory(),
        "versions": {
            each: importlib.metadata.version(each) for each in (item.partition("==")[0] for item in PACKAGES[name])
        },
    }


if __name__ == "__main__":
    output = os.dup(1)  # libraries print; what is left of stdout is the result's
    os.dup2(2, 1)
    result = main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
    os.write(output, json.dumps(result).encode())
