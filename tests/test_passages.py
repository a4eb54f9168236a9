"""Documents cut into passages."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.passages import cut, embedding_text, vectors_of
from retrieval.types import Document, Passage, Section, Vectors

SENTENCE = st.integers(1, 90).map(lambda words: ("word " * words).strip() + ".")
PART = st.one_of(st.text(max_size=80), st.lists(SENTENCE, max_size=12).map(" ".join))


@st.composite
def documents(draw: st.DrawFn) -> Document:
    text, sections = "", []
    for number, part in enumerate(draw(st.lists(PART, max_size=5))):
        text += draw(st.sampled_from(["", "\n\n", " "]))
        sections.append(Section((f"Heading {number}",), len(text), len(text) + len(part), f"p. {number}"))
        text += part
    return Document("notes.txt", "Notes", text, tuple(sections))


@given(documents(), st.integers(20, 600), st.integers(0, 600))
def test_passages_are_verbatim_ordered_and_cover_every_section(document: Document, target: int, slack: int) -> None:
    passages = cut(document, target, target + slack)
    assert [passage.id for passage in passages] == list(range(len(passages)))
    edges = [edge for passage in passages for edge in (passage.start, passage.end)]
    assert edges == sorted(edges)
    for passage in passages:
        assert passage.text == document.text[passage.start : passage.end] == passage.text.strip() != ""
        home = [s for s in document.sections if s.start <= passage.start and passage.end <= s.end]
        assert (passage.headings, passage.place) in [(s.headings, s.place) for s in home]
    visible = "".join(document.text[s.start : s.end] for s in document.sections)
    assert "".join("".join(p.text for p in passages).split()) == "".join(visible.split())


@given(documents())
def test_a_passage_is_longer_than_allowed_only_when_one_sentence_is(document: Document) -> None:
    assert all(len(passage.text) <= 1000 for passage in cut(document))


def test_a_short_rest_joins_the_passage_before_it() -> None:
    text = " ".join(["This sentence has some forty characters now."] * 11 + ["The end."])
    passages = cut(Document("a.txt", "A", text, (Section((), 0, len(text)),)))
    assert [len(passage.text) for passage in passages] == [503]


def test_a_target_above_the_longest_is_refused() -> None:
    with pytest.raises(ValueError, match="target=900"):
        cut(Document("a.txt", "A", "", ()), target=900, longest=480)


def test_the_embedded_text_begins_with_title_and_headings_once() -> None:
    document = Document("a.md", "Coffee", "Beans.", (Section(("Coffee", "Origin"), 0, 6),))
    assert embedding_text(cut(document)[0]) == "Coffee: Origin\nBeans."


def test_rows_far_down_a_table_share_the_vectors_of_their_stretch() -> None:
    asked: list[str] = []

    class Counted:
        dimension, fingerprint = 2, "counted"

        def encode(self, texts: Sequence[str]) -> Vectors:
            asked.extend(texts)
            return np.array([[len(asked), place] for place, _ in enumerate(texts)], dtype=np.float32)

        encode_queries = encode

    passages = [
        Passage(n, f"Key: {n}", "a.csv", "a", (), n, n + 1, place=f"rows {10 * n + 1}-{10 * n + 10}")
        for n in range(120)
    ]
    vectors = vectors_of(passages, Counted())
    assert vectors.shape == (120, 2)
    assert len(asked) == 100 + 2
    assert len({tuple(row) for row in vectors.tolist()}) == 102
