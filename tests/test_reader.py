"""retrieval.reader and retrieval.reading: what is read, how it is kept and stored; on the real encoder and weights."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from retrieval import reader as module
from retrieval.encoder.embed import Encoder
from retrieval.reader import (
    KEPT,
    QUESTION_TOKENS,
    TOKENS,
    PassageReader,
    Weights,
    encoded,
    initial,
    load,
    load_passage_reader,
    padded,
    save,
)
from retrieval.reading import LONGEST_ANSWER, Page, Reading, page_of
from retrieval.types import Passage, RetrievalError
from retrieval.weights import SHIPPED

WHALE = "The blue whale can be 30 metres long. It eats almost nothing but krill. Hunting was banned in 1966."
DESKS = "Office: Oslo | Desks: 24 | Rent: 9,200 euros\nOffice: Bergen | Desks: 61 | Rent: 7,100 euros"
PAGES = [
    Page(WHALE, "Blue whale: Life"),
    Page(WHALE),
    Page(DESKS, "Offices"),
    Page("", "Empty"),
    Page(""),
    Page("Ünïcode 東京 🗼 – “krill”", "東京"),
    Page("krill " * 700, "Long"),
]
QUESTION = "What does the blue whale eat?"
CLEAR = {
    QUESTION: (PAGES[0], "krill"),
    "When was hunting banned?": (PAGES[0], "1966"),
    "How many desks are there in Bergen?": (PAGES[2], "61"),
    "How many desks are there in Oslo?": (PAGES[2], "24"),
    "What is the rent of the office in Oslo?": (PAGES[2], "9,200"),
}


def near(one: Reading, other: Reading, by: float = 5e-3) -> bool:
    return (
        np.array_equal(one.spans, other.spans)
        and np.allclose(one.begins, other.begins, atol=by)
        and np.allclose(one.ends, other.ends, atol=by)
        and abs(one.answers - other.answers) < by
        and abs(one.relevant - other.relevant) < by
    )


def emptied(reader: PassageReader) -> PassageReader:
    """The same reader, which has forgotten what it kept."""
    reader._kept.clear()
    return reader


# --- what is made of a reading

LOGITS = st.lists(st.tuples(st.integers(0, 6), st.integers(-90, 90), st.integers(-90, 90)), max_size=70)


@given(LOGITS, st.integers(0, 250), st.one_of(st.none(), st.integers(0, 400)))
def test_the_best_span_is_that_of_brute_force_and_lies_within(
    tokens: list[tuple[int, int, int]], start: int, end: int | None
) -> None:
    spans, at = [], 0
    for gap, _, _ in tokens:
        spans.append((at + gap, at + gap + 3))
        at += gap + 3
    table = np.array(spans, dtype=np.int64).reshape(-1, 2)
    begins, ends = (np.array([token[side] / 9 for token in tokens], dtype=np.float32) for side in (1, 2))
    logit, first, last = Reading(table, begins, ends, 0.0, 0.0).best(start, end)
    allowed = [
        (begins[a] + ends[b], spans[a][0], spans[b][1])
        for a in range(len(spans))
        for b in range(a, min(a + LONGEST_ANSWER, len(spans)))
        if spans[a][0] >= start and (end is None or spans[b][1] <= end)
    ]
    if not allowed:
        assert (logit, first, last) == (-np.inf, start, start)
    else:
        assert logit == pytest.approx(max(sum for sum, *_ in allowed), abs=1e-5)
        assert any((first, last) == (a, b) and abs(sum - logit) < 1e-5 for sum, a, b in allowed)
        assert start <= first < last
        assert end is None or last <= end


@given(LOGITS.filter(bool), st.integers(0, 100), st.integers(0, 100), st.integers(0, 300))
def test_a_wider_stretch_holds_no_worse_an_answer(
    tokens: list[tuple[int, int, int]], start: int, more: int, end: int
) -> None:
    spans = np.array([(3 * place, 3 * place + 2) for place in range(len(tokens))])
    begins, ends = (np.array([token[side] for token in tokens], dtype=np.float32) for side in (1, 2))
    reading = Reading(spans, begins, ends, 0.0, 0.0)
    assert reading.best(start, end)[0] <= reading.best(max(0, start - more), end + more)[0] <= reading.best()[0]


def test_a_passage_is_read_under_its_title_and_headings_each_once() -> None:
    passage = Passage(1, "Text.", "a.md", "Cape", ("Cape", "", "The lighthouse"), 0, 5)
    assert page_of(passage) == Page("Text.", "Cape: The lighthouse")
    assert page_of(Passage(1, "Text.", "a.md", "", (), 0, 5)) == Page("Text.")


# --- what is read


@pytest.mark.parametrize(
    ("question", "page", "answer"), [(question, page, answer) for question, (page, answer) in CLEAR.items()]
)
def test_the_answer_is_found_in_clear_cases(
    passage_reader: PassageReader, question: str, page: Page, answer: str
) -> None:
    [reading] = passage_reader.read(question, [page])
    logit, start, end = reading.best()
    assert answer in page.text[start:end]
    assert end - start < 40
    assert logit > 0


def test_a_page_that_answers_is_told_from_one_that_does_not(passage_reader: PassageReader) -> None:
    right, strange = passage_reader.read(QUESTION, [PAGES[0], PAGES[2]])
    assert right.answers > strange.answers + 2
    assert right.relevant > strange.relevant + 2
    assert right.best()[0] > strange.best()[0] + 4


@pytest.fixture(scope="module")
def alone(passage_reader: PassageReader) -> dict[Page, Reading]:
    """Every page read by itself."""
    return {page: passage_reader.read(QUESTION, [page])[0] for page in PAGES}


@settings(max_examples=8)
@given(pages=st.lists(st.sampled_from(PAGES), min_size=2, max_size=6))
def test_neither_order_nor_company_nor_repetition_changes_a_reading(
    passage_reader: PassageReader, alone: dict[Page, Reading], pages: list[Page]
) -> None:
    read = emptied(passage_reader).read(QUESTION, pages)
    assert len(read) == len(pages)
    assert all(near(reading, alone[page]) for page, reading in zip(pages, read, strict=True))


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("question", ["", "?", QUESTION, "very " * 300])
def test_any_page_is_read_with_one_pair_of_finite_logits_for_each_token(
    passage_reader: PassageReader, question: str, page: Page
) -> None:
    [reading] = passage_reader.read(question, [page])
    assert len(reading.spans) == len(reading.begins) == len(reading.ends)
    assert np.isfinite([*reading.begins, *reading.ends, reading.answers, reading.relevant]).all()
    assert (reading.spans[:, 0] < reading.spans[:, 1]).all()
    assert (reading.spans >= 0).all()
    assert (reading.spans <= len(page.text)).all()
    logit, start, end = reading.best()
    assert 0 <= start <= end <= len(page.text)
    assert np.isfinite(logit) == bool(len(reading.spans))


def test_nothing_to_read_gives_nothing(passage_reader: PassageReader) -> None:
    assert passage_reader.read(QUESTION, []) == []


def test_what_is_too_long_loses_its_end_and_nothing_else(encoder: Encoder) -> None:
    long = Page("word " * 400, "title " * 100)
    tokens = encoded(encoder, "why " * 100, long)
    assert len(tokens.ids) == len(tokens.sides) == TOKENS
    assert tokens.sides.count(0) == QUESTION_TOKENS + 2
    assert len(tokens.spans) == TOKENS - 2 * QUESTION_TOKENS - 4
    assert tokens.spans[0].tolist() == [0, 4]
    short = encoded(encoder, "Why?", Page("A word."))
    assert [long.text[a:b] for a, b in tokens.spans[:2]] == ["word", "word"]
    assert ["A word."[a:b] for a, b in short.spans] == ["A", "word", "."]
    assert len(short.ids) == short.first + len(short.spans) + 1


def test_a_page_without_a_title_has_no_empty_part_for_it(encoder: Encoder) -> None:
    [_, end] = encoder.brackets
    assert encoded(encoder, "Why?", Page("Because.")).ids.count(end) == 2
    assert encoded(encoder, "Why?", Page("Because.", "Title")).ids.count(end) == 3


def test_padding_is_masked_and_counts_as_the_second_side(encoder: Encoder) -> None:
    ids, sides, mask = padded([encoded(encoder, "Why?", Page("Because.")), encoded(encoder, "Why?", Page("So. " * 9))])
    assert ids.shape == sides.shape == mask.shape
    assert mask[1].all()
    assert not mask[0].all()
    assert (ids[~mask] == 0).all()
    assert (sides[~mask] == 1).all()


# --- what is kept


@pytest.fixture
def counted(passage_reader: PassageReader, monkeypatch: pytest.MonkeyPatch) -> tuple[PassageReader, list[int]]:
    """A reader with nothing kept, and how many pages each of its batches had."""
    counts: list[int] = []
    whole = PassageReader._read

    def read(own: PassageReader, rows: list[int], tokens: object) -> object:
        counts.append(len(rows))
        return whole(own, rows, tokens)  # type: ignore[arg-type]

    monkeypatch.setattr(PassageReader, "_read", read)
    return emptied(passage_reader), counts


def test_a_page_is_read_once_after_a_question(counted: tuple[PassageReader, list[int]]) -> None:
    reader, counts = counted
    first = reader.read(QUESTION, [PAGES[0], PAGES[2], PAGES[0]])
    assert sum(counts) == 2
    assert first[0] is first[2] is reader.read(QUESTION, [PAGES[0]])[0]
    assert sum(counts) == 2
    reader.read("Another?", [PAGES[0]])
    assert sum(counts) == 3


def test_what_is_kept_is_bounded_and_the_oldest_use_goes_first(
    counted: tuple[PassageReader, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert KEPT >= 64
    monkeypatch.setattr(module, "KEPT", 3)
    reader, counts = counted
    pages = [Page(f"Number {number}.") for number in range(6)]
    assert len(reader.read("Which?", pages)) == 6
    assert len(reader._kept) == 3
    reader.read("Which?", [pages[3]])
    reader.read("Which?", [pages[0]])  # in place of the fourth, the third being the last that was used
    assert sum(counts) == 7
    reader.read("Which?", [pages[3]])
    assert sum(counts) == 7
    reader.read("Which?", [pages[4]])
    assert sum(counts) == 8


def test_a_batch_holds_a_bounded_number_of_tokens(
    counted: tuple[PassageReader, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 40)
    reader, counts = counted
    reader.read("Which?", [Page(f"Number {number} of ten.") for number in range(10)] + [Page("one " * 60)])
    assert sum(counts) == 11
    assert max(counts) <= 4
    assert counts[-1] == 1


def test_threads_that_read_at_once_get_the_same(passage_reader: PassageReader) -> None:
    reader, found = emptied(passage_reader), []
    threads = [
        threading.Thread(target=lambda: found.append(reader.read(QUESTION, [PAGES[0], PAGES[2]]))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(near(one, other) for read in found for one, other in zip(read, found[0], strict=True))


# --- what is stored


def trained(encoder: Encoder) -> Weights:
    """Weights whose every number counts."""
    chance = torch.Generator().manual_seed(1)
    return {
        name: weight + 0.02 * torch.randn(weight.shape, generator=chance) for name, weight in initial(encoder).items()
    }


def test_what_is_saved_is_read_again_within_int8(encoder: Encoder, tmp_path: Path) -> None:
    weights, card = trained(encoder), {"unit": {"bias": 1.5}, "sources": ["invented"]}
    save(weights, path := tmp_path / "own.safetensors", card)
    read, about = load(path)
    assert about == card
    assert read.keys() == weights.keys()
    for name, weight in weights.items():
        step = weight.abs().amax(-1, keepdim=True) / 127 if weight.ndim == 2 and name[0].isdigit() else 0.01
        assert ((read[name] - weight).abs() <= 0.51 * step + 1e-3).all(), name
    assert path.stat().st_size < 12_000_000
    one, other = PassageReader(encoder, weights), load_passage_reader(encoder, path)
    for page in PAGES[:3]:
        [whole], [stored] = one.read(QUESTION, [page]), other.read(QUESTION, [page])
        assert near(whole, stored, by=0.25)


def test_the_fingerprint_follows_the_weights_and_the_calibration(encoder: Encoder) -> None:
    weights = initial(encoder)
    plain = PassageReader(encoder, weights).fingerprint
    assert PassageReader(encoder, initial(encoder)).fingerprint == plain
    assert PassageReader(encoder, weights, {"unit": {"bias": 1.0}}).fingerprint != plain
    weights["span.bias"] = weights["span.bias"] + 0.5
    assert PassageReader(encoder, weights).fingerprint != plain


def without_a_matrix(tensors: Weights) -> None:
    del tensors["3.wide.weight"]


def without_a_scale(tensors: Weights) -> None:
    del tensors["3.wide.weight.scale"]


def of_another_width(tensors: Weights) -> None:
    tensors["span.weight"] = tensors["span.weight"][:, :-1].contiguous()


def with_a_layer_more(tensors: Weights) -> None:
    tensors["6.norm.bias"] = tensors["5.norm.bias"].clone()


@pytest.mark.parametrize("harm", [without_a_matrix, without_a_scale, of_another_width, with_a_layer_more])
def test_weights_that_do_not_fit_are_refused(encoder: Encoder, tmp_path: Path, harm: Callable[[Weights], None]) -> None:
    save(initial(encoder), path := tmp_path / "own.safetensors", {})
    tensors = load_file(path)
    harm(tensors)
    save_file(tensors, path, metadata={"format": module.FORMAT, "about": "{}"})
    with pytest.raises(RetrievalError, match="candor train judges"):
        load_passage_reader(encoder, path)


@pytest.mark.parametrize("card", [{}, {"format": "candor-adapter-1"}, {"format": module.FORMAT}])
@pytest.mark.parametrize("about", [None, "", "[]", "{"])
def test_a_file_that_is_no_reader_is_refused(
    encoder: Encoder, tmp_path: Path, card: dict[str, str], about: str | None
) -> None:
    told = {**card, **({} if about is None else {"about": about})}
    save_file({"span.bias": torch.zeros(2)}, path := tmp_path / "own.safetensors", metadata=told)
    with pytest.raises(RetrievalError, match=r"own\.safetensors .*candor train judges"):
        load_passage_reader(encoder, path)


def test_a_file_that_is_missing_or_damaged_is_told(encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(RetrievalError, match="is missing"):
        load_passage_reader(encoder, tmp_path / "none.safetensors")
    data = bytearray(module.WEIGHTS.read_bytes())
    copy = tmp_path / module.WEIGHTS.name
    copy.write_bytes(data[:-1])
    with pytest.raises(RetrievalError, match="is no safetensors"):
        load_passage_reader(encoder, copy)
    data[-1] ^= 1
    copy.write_bytes(data)
    with pytest.raises(RetrievalError, match="is damaged"):
        load(copy, {copy: SHIPPED[module.WEIGHTS]})


def test_the_card_of_the_shipped_reader_says_what_it_is_made_from() -> None:
    _, about = load(module.WEIGHTS)
    assert json.loads(json.dumps(about)) == about
    assert {"order", "likely", "unit"} <= about.keys()


def test_an_untrained_reader_has_the_layers_of_the_encoder(encoder: Encoder) -> None:
    weights = initial(encoder)
    for place, layer in enumerate(encoder.upper(0)):
        assert torch.equal(weights[f"{place}.query.weight"], layer.attention.self.query.weight.float())
        assert torch.equal(weights[f"{place}.narrow.bias"], layer.output.dense.bias.float())
    assert all(torch.equal(one, other) for one, other in zip(weights.values(), initial(encoder).values(), strict=True))
    assert not torch.equal(weights["span.weight"], initial(encoder, seed=1)["span.weight"])
