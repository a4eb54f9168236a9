"""Sentence spans and the cleaning of text."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.text import LONGEST_SENTENCE, clean, sentences

WORDS = 'Dr. Smith went U.S. 3.5 no. 5 ... ?! - ( ). ." 。 “Why?” e.g. J. 1. done. [1] é 🚀'
PROSE = st.lists(st.sampled_from([*WORDS.split(), "\n", "\n\n", "\t", "\u2028"]), max_size=60).map(" ".join)


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@given(st.one_of(st.text(), PROSE))
def test_sentences_are_ordered_disjoint_stripped_and_hold_every_visible_character(text: str) -> None:
    spans = sentences(text)
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(edges)
    for start, end in spans:
        assert 0 < end - start <= LONGEST_SENTENCE
        assert text[start:end] == text[start:end].strip()
    assert "".join("".join(split(text)).split()) == "".join(text.split())


@given(PROSE)
def test_a_blank_line_always_ends_a_sentence(text: str) -> None:
    assert split(text + "\n\n" + text) == split(text) * 2


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Dr. Smith went to the U.S. in 1990. He met J. R. R. Tolkien.", 2),
        ("See No. 5 and Fig. 3. It cost 3.5 million.", 2),
        ("Born Jan. 5, 1900 in St. Louis, e.g. near the river, etc. He died.", 2),
        ('She said "Stop!" and left. "Why?" he asked. (It rained.) So what?!', 4),
        ("Then... nothing happened. Well… Yes.", 3),
        ("Apple Inc. makes phones. At 5 p.m. He left.", 3),
        ("i like cats. they are nice. what about you?", 3),
        ("It ended.[1] Then more came.[2]", 2),
        ("1. Wash the rice\n2. Boil it\n- Serve", 3),
        ("milk\neggs\nflour", 3),
        ("A heading\nIts text follows here.", 2),
        ("他来了。她走了！好吗？", 3),
        ("The Ph.D. student of Prof. Jones vs. the team of Mrs. Brown.", 1),
    ],
)
def test_the_usual_traps_are_split_as_a_reader_would(text: str, count: int) -> None:
    assert len(split(text)) == count, split(text)


def test_a_line_end_at_the_right_margin_does_not_end_a_sentence() -> None:
    text = (
        "The quick brown fox jumps over the lazy dog while\n"
        "Sarah watched Mr. Brown walk the other way and then\n"
        "sit down. After that all was silent."
    )
    assert [len(sentence.splitlines()) for sentence in split(text)] == [3, 1]


def test_text_without_spaces_is_cut_hard_and_long_sentences_at_white_space() -> None:
    assert [end - start for start, end in sentences("a" * 2500)] == [1000, 1000, 500]
    assert all(piece in {"word " * 199 + "word", "word " * 99 + "word"} for piece in split("word " * 500))


@pytest.mark.parametrize("unit", ["a", ".", '."', "a. ", "?)", "x\n", "\n", "J. ", "。", "'", "a.b"])
def test_a_hundred_thousand_characters_of_anything_are_split_in_linear_time(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    assert "".join("".join(split(text)).split()) == "".join(text.split())


@given(st.text(alphabet=st.characters(codec=None), max_size=60))
def test_cleaning_is_idempotent_and_leaves_text_any_store_takes(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert "\r" not in cleaned
    assert "\0" not in cleaned
    cleaned.encode()


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_cleaning_leaves_plain_text_alone(text: str) -> None:
    assert clean(text) == text


def test_what_cannot_be_seen_is_removed_and_emoji_and_joined_scripts_stay() -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "ignore")
    assert clean(f"a\u200bb{hidden}\ufeff\u202ec\u2066\ufe01\u200d d\x00\x07\x9b") == "abc d"
    assert (
        clean("\U0001f469\u200d\U0001f680 \u2764\ufe0f 1\ufe0f\u20e3")
        == "\U0001f469\u200d\U0001f680 \u2764\ufe0f 1\ufe0f\u20e3"
    )
    assert clean("می\u200cخواهم") == "می\u200cخواهم"
    assert clean("one\r\ntwo\rthree\ud800 e\u0301") == "one\ntwo\nthree\ufffd é"
