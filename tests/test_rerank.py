"""Reranking: the order by the calibrated probability, and what surrounds the best passage."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from conformance_retriever import CHECKS, ORDERED, Make, passages, sources
from hypothesis import given
from hypothesis import strategies as st
from told_reader import ToldPages

from retrieval.encoder.embed import Encoder
from retrieval.index.memory import MemoryRetriever
from retrieval.reader import PassageReader
from retrieval.reading import FAR, Page, Reading
from retrieval.rerank import FEATURES, Reranker, features, load_reranker, weighed
from retrieval.types import Evidence, Passage, RetrievalError

EVEN = {**dict.fromkeys(FEATURES, 0.0), "relevant": 1.0, "bias": 0.0}
told = ToldPages


def reranker(items: Sequence[Passage], encoder: Encoder, reader: ToldPages, depth: int = 16) -> Reranker:
    held = {item.id: item for item in items}
    return Reranker(
        MemoryRetriever(items, encoder), reader, EVEN, EVEN, lambda ids: [held[n] for n in ids if n in held], depth
    )


@pytest.fixture
def shipped(encoder: Encoder, passage_reader: PassageReader) -> Make:
    return lambda items: load_reranker(MemoryRetriever(items, encoder), passage_reader, lambda ids: ())


@pytest.mark.parametrize("check", [c for c in CHECKS if c not in ORDERED], ids=lambda check: check.__name__)
def test_the_shipped_reranker_is_a_retriever(shipped: Make, check: Callable[[Make], None]) -> None:
    check(shipped)


def test_the_likeliest_to_answer_comes_first_with_its_probability(encoder: Encoder) -> None:
    found = reranker(passages(), encoder, told(lambda _, text: 2.0 if "cacao" in text else -2.0)).search(["hearts"], 3)
    assert sources(found)[0] == "2.txt"
    assert [item.probability for item in found] == pytest.approx([0.881, 0.119, 0.119], abs=1e-3)


def test_the_passages_are_read_after_the_first_form(encoder: Encoder) -> None:
    reader = told(lambda _, text: 0.0)
    reranker(passages(), encoder, reader).search(["  ", "How many hearts has an octopus?", "hearts"], 2)
    assert {question for question, _ in reader.asked} == {"How many hearts has an octopus?"}


def test_what_is_beyond_the_depth_follows_as_it_was_found(encoder: Encoder) -> None:
    reader = told(lambda _, text: -len(text))
    plain = MemoryRetriever(passages(), encoder).search(["three hearts"], 5)
    found = Reranker(MemoryRetriever(passages(), encoder), reader, EVEN, EVEN, depth=2).search(["three hearts"], 5)
    assert {item.passage for item in found[:2]} == {item.passage for item in plain[:2]}
    assert found[2:] == plain[2:]
    assert [item.probability is None for item in found] == [False, False, True, True, True]


def test_the_neighbours_of_the_best_take_the_last_places(encoder: Encoder) -> None:
    text = (
        "The lighthouse stands on the cape. It was lit in 1866. Its keeper was Ann Moore. "
        "Ships pass it. Gulls nest there."
    )
    lines = [f"{line}." for line in text.rstrip(".").split(". ")]
    book = [Passage(20 + n, line, "cape.txt", "Cape", (), n, n + 1) for n, line in enumerate(lines)]
    other = [Passage(25, "Another cape has no lighthouse.", "other.txt", "Other", (), 0, 9)]
    found = reranker([*book, *other], encoder, told(lambda _, text: 9.0 if "1866" in text else -9.0), 2)
    shown = found.search(["When was the lighthouse lit?"], 4)
    assert shown[0].passage.id == 21
    assert {22, 20} & {item.passage.id for item in shown[1:]}
    assert all(item.passage.source == "cape.txt" for item in shown if item.probability is None and not item.score)
    assert len({item.passage.id for item in shown}) == len(shown) <= 4


def test_nothing_found_is_nothing_reranked(encoder: Encoder) -> None:
    reader = told(lambda _, text: 0.0)
    for queries, k in ((["  "], 3), ([], 3), (["hearts"], 0)):
        assert reranker(passages(), encoder, reader).search(queries, k) == ()
    assert reranker([], encoder, reader).search(["hearts"], 3) == ()
    assert not reader.asked


@pytest.mark.parametrize("name", ["order", "likely"])
def test_a_reader_without_calibration_is_refused(passage_reader: PassageReader, encoder: Encoder, name: str) -> None:
    for weights in ({}, {"relevant": 1.0, "bias": 0.0}):
        reader = ToldPages(about={**passage_reader.about, name: weights})
        with pytest.raises(RetrievalError, match="candor train judges"):
            load_reranker(MemoryRetriever(passages(), encoder), reader, lambda ids: ())


def test_the_shipped_reader_tells_what_answers(encoder: Encoder, passage_reader: PassageReader) -> None:
    query = "Which animal has three hearts?"
    found = load_reranker(MemoryRetriever(passages(), encoder), passage_reader, lambda ids: ()).search([query], 5)
    likely = {item.passage.source: item.probability or 0.0 for item in found}
    assert sources(found)[0] == "0.txt" == max(likely, key=lambda source: likely[source])
    assert likely["0.txt"] > 0.3 > 3 * min(likely.values())


def test_a_passage_is_read_under_its_title_and_headings(encoder: Encoder) -> None:
    reader = told()
    passage = Passage(1, "It was lit in 1866.", "cape.md", "Cape", ("Cape", "The lighthouse"), 0, 19)
    reranker([passage], encoder, reader).search(["When was it lit?"], 1)
    assert reader.asked == [("When was it lit?", Page("It was lit in 1866.", "Cape: The lighthouse"))]


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_a_span_counts_within_bounds(begin: float, end: float) -> None:
    class Spanned(ToldPages):
        def read(self, question: str, pages: Sequence[Page]) -> list[Reading]:
            return [Reading(np.array([[0, 3]]), np.float32([begin]), np.float32([end]), 1.0, 2.0) for _ in pages]

    [row] = features(Spanned(), "who", [Evidence(passages()[0], 0.5, similarity=0.25)])
    assert row == pytest.approx([1.0, min(max(np.float32(begin) + np.float32(end), -FAR), FAR), 2.0, 0.25, 1.0])


@given(
    st.lists(st.lists(st.floats(-20, 20), min_size=len(FEATURES), max_size=len(FEATURES)), max_size=8),
    st.floats(0.1, 9),
)
def test_sums_keep_the_order_of_what_is_weighed(rows: list[list[float]], by: float) -> None:
    table = np.array(rows, dtype=np.float64).reshape(-1, len(FEATURES))
    sums = weighed(table, dict.fromkeys((*FEATURES, "bias"), by))
    assert sums == pytest.approx(by * (table.sum(axis=1) + 1))


def test_the_order_and_the_probability_have_weights_of_their_own(encoder: Encoder) -> None:
    reader = told(lambda _, text: 2.0 if "cacao" in text else -2.0)
    order = {**EVEN, "relevant": -1.0}
    found = Reranker(MemoryRetriever(passages(), encoder), reader, order, EVEN).search(["cacao"], 5)
    assert sources(found)[-1] == "2.txt"
    assert max(found, key=lambda item: item.probability or 0.0) == found[-1]
