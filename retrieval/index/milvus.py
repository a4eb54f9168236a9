"""The index past one machine: passages in Milvus, found by vector and by Milvus' own BM25.

A collection holds per passage its id, its source's name in folded case, the text that is searched by words, and its
vector. A server, a cluster and Milvus Lite (a file whose name ends in .db) take the same code. Knows nothing of SQL:
the caller says what passages there are. Only this file imports pymilvus.
"""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np

from retrieval.passages import embedding_text
from retrieval.search import DEPTH, MOST_CHARACTERS, Among, distinct, matches
from retrieval.text import clean, each
from retrieval.types import Embedder, Evidence, IndexDamaged, Passage, RetrievalError, Vectors

SCHEMA: Final = "1"
BATCH: Final = 1000  # passages per request: 384 dimensions and their texts are some 2.5 MB of a message's 64
SECONDS: Final = 30.0  # that a request may take
MOST_BYTES: Final = 65_535  # of a VARCHAR
RANK_CONSTANT: Final = 60  # of reciprocal rank fusion, Cormack, Clarke and Buettcher 2009
MOST_HITS: Final = 16_384  # that Milvus returns for a query
MOST_SHARDS: Final = 16  # of a collection
SHARD_BYTES: Final = 100_000_000_000  # that Milvus' documentation advises to write through one shard
TEXT_BYTES: Final = 600  # of a passage with its headings, about
_ANALYSER: Final = {  # as in retrieval.index.lexical; Milvus Lite takes the tokenizer alone
    "tokenizer": "standard",
    "filter": [
        {"type": "length", "max": 64},
        "lowercase",
        "asciifolding",
        {"type": "stop", "stop_words": ["_english_"]},
        {"type": "stemmer", "language": "english"},
    ],
}


class Milvus:
    """A connection to Milvus. Every method raises RetrievalError when the server cannot be asked."""

    def __init__(self, uri: str, token: str = "") -> None:
        """Connect to ``http://HOST:19530``, or open the folder of Milvus Lite at a path that ends in ``.db``.

        `token` is an API key or ``USER:PASSWORD``; it is in no error. Raises RetrievalError.
        """
        try:
            from pymilvus import MilvusClient
        except ImportError as error:
            raise RetrievalError("Milvus needs the package pymilvus: pip install 'candor[milvus]'") from error
        for name in ("pymilvus", "grpc._server"):  # what they log at ERROR is raised as well; the other is Lite's
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.uri = uri
        with self._errors_as("reach"):
            self.client = MilvusClient(uri, token=token, timeout=SECONDS)

    def names(self, prefix: str) -> list[str]:
        """Return the names of the collections that begin so."""
        with self._errors_as("list the collections of"):
            return sorted(name for name in self.client.list_collections(timeout=SECONDS) if name.startswith(prefix))

    def create(self, name: str, encoder: str, dimension: int, expected: int = 0) -> "Collection":
        """Make an empty collection for the vectors of this encoder; `expected` passages decide its shards."""
        from pymilvus import DataType, Function, FunctionType

        schema = self.client.create_schema(
            auto_id=False, enable_dynamic_field=False, description=f"Candor, schema {SCHEMA}, encoder {encoder}"
        )
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("source", DataType.VARCHAR, max_length=MOST_BYTES)
        schema.add_field(
            "text", DataType.VARCHAR, max_length=MOST_BYTES, enable_analyzer=True, analyzer_params=_ANALYSER
        )
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
        schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
        schema.add_function(Function("bm25", FunctionType.BM25, ["text"], ["words"]))
        indexes = self.client.prepare_index_params()
        indexes.add_index("vector", index_type="AUTOINDEX", metric_type="COSINE")
        indexes.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
        with self._errors_as("make a collection in"):
            self.client.create_collection(
                name,
                schema=schema,
                index_params=indexes,
                num_shards=min(MOST_SHARDS, 1 + expected * (4 * dimension + TEXT_BYTES) // SHARD_BYTES),
                consistency_level="Session",  # a process finds what it wrote, and waits for nobody else's writes
                properties={"candor.schema": SCHEMA, "candor.encoder": encoder},
                timeout=SECONDS,
            )
        return Collection(self, name, dimension)

    def open(self, name: str, encoder: str) -> "Collection | None":
        """Return the collection, loaded to be searched; None when there is none of the name.

        Raises IndexDamaged when another encoder or another version of Candor made it.
        """
        with self._errors_as("open a collection of"):
            if not self.client.has_collection(name, timeout=SECONDS):
                return None
            about = self.client.describe_collection(name, timeout=SECONDS)
        held = about["properties"]
        if held.get("candor.schema") != SCHEMA:
            raise IndexDamaged(
                f"the collection {name!r} of {self.uri} has the schema {held.get('candor.schema')!r}, this version "
                f"reads {SCHEMA!r}: build it again"
            )
        if held.get("candor.encoder") != encoder:
            raise IndexDamaged(
                f"the collection {name!r} of {self.uri} was made by the encoder {held.get('candor.encoder')!r}, not "
                f"{encoder!r}: build it again"
            )
        [dimension] = [int(field["params"]["dim"]) for field in about["fields"] if field["name"] == "vector"]
        with self._errors_as("load a collection of"):
            self.client.load_collection(name)
        return Collection(self, name, dimension)

    def drop(self, name: str) -> None:
        """Remove a collection with all it holds, if it is there."""
        with self._errors_as("remove a collection of"):
            self.client.drop_collection(name, timeout=SECONDS)

    def close(self) -> None:
        """Hang up; of Milvus Lite, let others have the folder."""
        self.client.close()
        if self.uri.endswith(".db"):  # pymilvus would hold it until the process ends
            from milvus_lite.server_manager import server_manager_instance

            server_manager_instance.release_server(self.uri)

    @contextmanager
    def _errors_as(self, doing: str) -> Iterator[None]:
        """Turn what pymilvus raises into RetrievalError."""
        from pymilvus import MilvusException

        try:
            yield
        except MilvusException as error:
            what = " ".join(str(error.message).split())
            raise RetrievalError(
                f"cannot {doing} Milvus at {self.uri}: {what[:300]}; check that it runs and that the settings index "
                "and index_key are right, or search on this machine with index = 'faiss'"
            ) from error


class Collection:
    """Passages in one collection. Safe to use from several threads; errors as in `Milvus`."""

    def __init__(self, server: Milvus, name: str, dimension: int) -> None:
        self.name = name
        self.dimension = dimension
        self._client = server.client
        self._errors_as = server._errors_as

    def upsert(self, passages: Sequence[Passage], vectors: Vectors) -> None:
        """Store the passages under their ids, in place of what had these; `vectors` are unit rows."""
        if vectors.shape != (len(passages), self.dimension):
            raise ValueError(f"{len(passages)} passages and vectors of shape {vectors.shape} disagree")
        for first in range(0, len(passages), BATCH):
            part = slice(first, first + BATCH)
            rows = [
                {
                    "id": passage.id,
                    "source": _fitted(passage.source.casefold()),
                    "text": _fitted(clean(embedding_text(passage))),
                    "vector": vector,
                }
                for passage, vector in zip(passages[part], vectors[part].astype(np.float32), strict=True)
            ]
            with self._errors_as("write to"):
                self._client.upsert(self.name, rows, timeout=SECONDS)

    def delete(self, ids: Sequence[int]) -> None:
        """Remove the passages of these ids."""
        for first in range(0, len(ids), MOST_HITS):
            with self._errors_as("delete from"):
                self._client.delete(self.name, ids=list(ids[first : first + MOST_HITS]), timeout=SECONDS)

    def delete_between(self, first: int, last: int) -> None:
        """Remove the passages with ids from `first` to `last`, both included."""
        with self._errors_as("delete from"):
            self._client.delete(self.name, filter=_between(first, last), timeout=SECONDS)

    def count(self, first: int, last: int) -> int:
        """Return how many passages have ids from `first` to `last`, both included."""
        with self._errors_as("count in"):
            found = self._client.query(
                self.name, _between(first, last), ["count(*)"], timeout=SECONDS, consistency_level="Strong"
            )
        return int(found[0]["count(*)"])

    def ids(self, first: int, last: int) -> list[int]:
        """Return the ids from `first` to `last`, both included: a span of at most MOST_HITS."""
        with self._errors_as("read"):
            found = self._client.query(
                self.name, _between(first, last), ["id"], timeout=SECONDS, consistency_level="Strong", limit=MOST_HITS
            )
        return sorted(int(row["id"]) for row in found)

    def hybrid(
        self, vectors: Vectors, forms: Sequence[str], k: int, sources: Sequence[str] = ()
    ) -> list[tuple[int, float, Vectors]]:
        """Return up to `k` (id, score, vector), best first, by reciprocal rank fusion in Milvus.

        Every form of the query is searched by its row of `vectors` and by its words, each `k` deep. With `sources`
        only passages whose source may match one of the patterns are looked at: all that do, and perhaps more.
        """
        from pymilvus import AnnSearchRequest, RRFRanker

        chosen = expression(sources)
        searches = [("vector", vector.tolist(), "COSINE") for vector in vectors]
        searches += [("words", form, "BM25") for form in forms if re.search(r"\w", form)]
        requests = [
            AnnSearchRequest([data], field, {"metric_type": metric}, k, expr=chosen or None)
            for field, data, metric in searches
        ]
        with self._errors_as("search"):
            [hits] = self._client.hybrid_search(
                self.name, requests, RRFRanker(RANK_CONSTANT), limit=k, output_fields=["vector"], timeout=SECONDS
            )
        return [
            (int(hit["id"]), float(hit["distance"]), np.asarray(hit["entity"]["vector"], dtype=np.float32))
            for hit in hits
        ]


class MilvusRetriever:
    """A Retriever over a collection, which may be another one at every search."""

    def __init__(
        self,
        embedder: Embedder,
        collection: Callable[[], Collection | None],
        passages: Callable[[Sequence[int]], Sequence[Passage]],
    ) -> None:
        """Take what says where to search now, None standing for nowhere, and what returns the passages of ids.

        Passages that Milvus still has and `passages` does not return any more are left out.
        """
        self._embedder = embedder
        self._collection = collection
        self._passages = passages

    def among(self, passages: Callable[[Sequence[int]], Sequence[Passage]]) -> Among:
        """Return the retriever of the same collection that finds only what these `passages` return."""
        return Among(self, passages)

    def search(
        self,
        queries: Sequence[str],
        k: int,
        sources: Sequence[str] = (),
        among: Callable[[Sequence[int]], Sequence[Passage]] | None = None,
    ) -> tuple[Evidence, ...]:
        """Return up to `k` passages, best first, found for any of the `queries` (forms of one question).

        `similarity` is the highest cosine over the forms. What Milvus cannot match in `sources`, and what is not
        `among` those passages, is left out here, reading deeper until there are enough. Raises RetrievalError when the
        server cannot be asked.
        """
        collection = self._collection()  # one search sees one collection
        forms = [form for form in (clean(query[:MOST_CHARACTERS]).strip() for query in each(queries)) if form]
        if collection is None or not forms or k < 1:
            return ()
        vectors = self._embedder.encode_queries(forms)
        depth = min(DEPTH * k, MOST_HITS)
        while True:
            hits = collection.hybrid(vectors, forms, depth, sources)
            found = {passage.id: passage for passage in (among or self._passages)([number for number, _, _ in hits])}
            kept = [hit for hit in hits if hit[0] in found and (not sources or matches(found[hit[0]].source, sources))]
            evidence = [
                Evidence(found[number], score, float((vectors @ vector).max())) for number, score, vector in kept
            ]
            # fewer hits than asked for: the search by vector, which finds all there are, has come to its end
            if not (sources or among) or len(evidence) >= k or len(hits) < depth or depth == MOST_HITS:
                stored = np.array([vector for *_, vector in kept]).reshape(-1, vectors.shape[1])
                return distinct(evidence, stored)[:k]
            depth = min(DEPTH * depth, MOST_HITS)


def expression(patterns: Sequence[str]) -> str:
    """Return a Milvus filter that lets every source pass that matches a glob pattern; empty when all pass.

    Only ``*``, letters, digits and a few plain characters are sent to Milvus, the rest becomes ``%``, so that
    there is nothing to escape; it may let others pass.
    """
    likes = sorted({_like(pattern.casefold()) for pattern in each(patterns)})
    return "" if "%" in likes else " or ".join(f'source like "{like}"' for like in likes)


def _like(pattern: str) -> str:
    return re.sub(r"(?:\[!?\]?[^\]]*\]|[^\w ./:-]|_)+", "%", pattern)


def _between(first: int, last: int) -> str:
    return f"id >= {first} and id <= {last}"


def _fitted(text: str) -> str:
    """The text as far as a VARCHAR holds it, without what is no Unicode."""
    return text.encode("utf-8", "replace")[:MOST_BYTES].decode("utf-8", "ignore")
