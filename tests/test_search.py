"""Hybrid search, and the conformance of every Retriever."""

import random
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from conformance_retriever import CHECKS, Make, passages, sources
from hypothesis import given
from hypothesis import strategies as st

from retrieval.encoder.embed import Encoder
from retrieval.index.generation import Generation, build
from retrieval.index.memory import MemoryRetriever
from retrieval.index.milvus import Milvus, MilvusRetriever
from retrieval.passages import embedding_text
from retrieval.search import HybridRetriever, fuse, repeats
from retrieval.types import Passage, RetrievalError, Retriever, Vectors


def published(folder: Path, encoder: Encoder, items: Sequence[Passage]) -> Generation:
    texts = [embedding_text(item) for item in items]
    return build(folder, [item.id for item in items], encoder.encode(texts), texts, encoder.fingerprint)


def stored(items: Sequence[Passage]) -> Callable[[Sequence[int]], list[Passage]]:
    return lambda ids: [item for item in items if item.id in set(ids)]


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Milvus]:
    pytest.importorskip("milvus_lite", reason="Milvus Lite is not installed: pip install 'candor[milvus]'")
    server = Milvus(str(tmp_path_factory.mktemp("milvus") / "lite.db"))
    yield server
    server.close()


@pytest.fixture(params=["hybrid", "memory", pytest.param("milvus", marks=pytest.mark.slow)])
def make(request: pytest.FixtureRequest, tmp_path: Path, encoder: Encoder) -> Make:
    def hybrid(items: Sequence[Passage]) -> Retriever:
        return HybridRetriever(encoder, published(tmp_path / "index", encoder, items), stored(items))

    def memory(items: Sequence[Passage]) -> Retriever:
        return MemoryRetriever(items, encoder)

    def milvus(items: Sequence[Passage]) -> Retriever:
        collection = server.create(f"conformance_{secrets.token_hex(4)}", encoder.fingerprint, encoder.dimension)
        collection.upsert(items, encoder.encode([embedding_text(item) for item in items]))
        return MilvusRetriever(encoder, lambda: collection, stored(items))

    if request.param == "milvus":
        server: Milvus = request.getfixturevalue("milvus")
        return milvus
    return hybrid if request.param == "hybrid" else memory


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_retriever_conforms(check: Callable[[Make], None], make: Make) -> None:
    check(make)


def test_a_passage_found_by_words_alone_has_its_cosine_too(tmp_path: Path, encoder: Encoder) -> None:
    items = passages([*(f"The octopus swims in sea number {n}." for n in range(40)), "Part QX-7719 is obsolete."])
    retriever = HybridRetriever(encoder, published(tmp_path, encoder, items), stored(items))
    query = "cephalopod 7719"
    assert items[-1] not in passages_by_cosine(encoder, query, items)[:12]
    [rare] = [item for item in retriever.search([query], 3) if "7719" in item.passage.text]
    expected = encoder.encode([query, embedding_text(rare.passage)])
    assert rare.similarity == pytest.approx(float(expected[0] @ expected[1]), abs=0.02)


def passages_by_cosine(encoder: Encoder, query: str, items: Sequence[Passage]) -> list[Passage]:
    cosines = encoder.encode([embedding_text(item) for item in items]) @ encoder.encode([query])[0]
    return [items[row] for row in np.argsort(-cosines)]


def test_all_query_forms_are_encoded_in_one_call(tmp_path: Path, encoder: Encoder) -> None:
    class Counting:
        dimension, fingerprint = encoder.dimension, encoder.fingerprint
        calls = 0

        encode = encoder.encode

        def encode_queries(self, queries: Sequence[str]) -> np.ndarray:
            self.calls += 1
            return encoder.encode_queries(queries)

    counting = Counting()
    retriever = HybridRetriever(counting, published(tmp_path, encoder, passages()), stored(passages()))
    retriever.search(["one", "two", "three"], 3)
    assert counting.calls == 1


def test_passages_that_no_longer_exist_are_left_out(tmp_path: Path, encoder: Encoder) -> None:
    generation = published(tmp_path, encoder, passages())
    retriever = HybridRetriever(encoder, generation, stored(passages()[1:3]))
    assert set(sources(retriever.search(["octopus", "mountain"], 5))) <= {"1.txt", "2.txt"}


def test_a_generation_is_swapped_while_threads_search(tmp_path: Path, encoder: Encoder) -> None:
    first, second = passages(["The river is long."]), passages(["The river is long.", "The lake is deep."])
    generations = [published(tmp_path / str(n), encoder, items) for n, items in enumerate([first, second])]
    retriever = HybridRetriever(encoder, None, stored(second))
    assert retriever.search(["river"], 3) == ()
    sizes: list[int] = []
    done = threading.Event()

    def search() -> None:
        while not done.is_set():
            sizes.append(len(retriever.search(["river"], 3)))

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(10):
        retriever.use(generations[turn % 2])
        retriever.search(["lake"], 2)
    done.set()
    for thread in threads:
        thread.join()
    assert set(sizes) <= {0, 1, 2}
    assert len(retriever.search(["river"], 3)) == 2


def test_an_index_of_another_encoder_is_refused(tmp_path: Path, encoder: Encoder) -> None:
    other = build(tmp_path, [1], np.eye(1, 8, dtype=np.float32), ["a"], "another/encoder")
    with pytest.raises(RetrievalError, match="'another/encoder'"):
        HybridRetriever(encoder, other, stored([]))


FOUND = st.integers(1, 4).flatmap(
    lambda forms: st.lists(
        st.tuples(
            st.lists(st.floats(-1, 1, width=32), min_size=forms, max_size=forms),
            st.lists(st.floats(0, 1, width=32), min_size=forms, max_size=forms),
        ),
        min_size=1,
        max_size=12,
    )
)


def tables(found: list[tuple[list[float], list[float]]]) -> tuple[Vectors, Vectors]:
    cosines, words = (np.array(side, dtype=np.float32).T for side in zip(*found, strict=True))
    return cosines, words


@given(FOUND)
def test_fusion_does_not_depend_on_the_order_of_the_forms(found: list[tuple[list[float], list[float]]]) -> None:
    cosines, words = tables(found)
    assert fuse(cosines[::-1], words[::-1]) == pytest.approx(fuse(cosines, words))


@given(FOUND, st.floats(0.01, 1))
def test_what_is_nearer_in_every_form_scores_higher(found: list[tuple[list[float], list[float]]], by: float) -> None:
    cosines, words = tables(found)
    assert (fuse(cosines + np.float32(by), words) > fuse(cosines, words)).all()
    assert (fuse(cosines, words + np.float32(by)) >= fuse(cosines, words)).all()


WORDS = st.lists(st.sampled_from("the town of Ulm has not 12 30 Anna river was built by".split()), max_size=12)


@given(WORDS, st.randoms())
def test_the_same_words_in_another_order_say_nothing_new(words: list[str], chance: random.Random) -> None:
    assert repeats(" ".join(chance.sample(words, len(words))), " ".join(words))


@pytest.mark.parametrize("own", ["1931", "Berta", "not", "couldn't"])
def test_a_number_a_name_or_a_negation_of_its_own_makes_another_text(own: str) -> None:
    text = "the bridge over the river in Ulm was built of stone by the old guild of masons in the year of the flood"
    assert repeats(text.replace("old", "very"), text)
    assert not repeats(f"{text} {own}", text)
