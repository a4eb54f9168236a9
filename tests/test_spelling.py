"""Slips mended by the words of the collection; what exists, names and codes stay."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogue.respond import Responder
from retrieval.encoder.embed import load_encoder
from retrieval.index.lexical import Lexical, write
from retrieval.spelling import Spelling, lexicon_of

LEXICON = lexicon_of(load_encoder().vocabulary)
HELD = {
    word: 3
    for word in "the what which dogs kennel groomer grooming costs price terrier spaniel hawthorne sundew "
    "marbury lighthouse of is in a replacement collar and harness opening hours".split()
}
SPELLING = Spelling(LEXICON, lambda: HELD)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("wat does a replacemnt collar cost", "what does a replacement collar cost"),
        ("teh groomr of Hawthorne", "the groomer of Hawthorne"),
        ("Which terier is in the kenel?", "Which terrier is in the kennel?"),
        ("opning huors of the light house", "opening hours of the lighthouse"),
        ("price of the Hawhtorne kennel", "price of the Hawthorne kennel"),
        ("the sundewcollar", "the sundew collar"),
    ],
)
def test_slips_become_the_words_of_the_collection(typed: str, meant: str) -> None:
    assert SPELLING.corrected(typed) == meant


@pytest.mark.parametrize(
    "text",
    [
        "What is the price of the Marbery-2 collar?",  # a code
        "Is there a kennel in Hanbury?",  # another name, two letters off
        "Is there a kennel in Lisboa?",  # a name that the collection lacks
        "Who sells the terrier on www.kenel.example or at teh@kenel.example?",
        "What does “kenel” mean?",
        "What does the KENEL cost?",
        "Wie viel kostet eine Übernachtung im Zwinger?",
        "Which lightest spaniels are humankind's oldest?",
        "",
    ],
)
def test_what_may_be_meant_stays(text: str) -> None:
    assert SPELLING.corrected(text) == text


def test_a_collection_without_words_mends_nothing() -> None:
    assert Spelling(LEXICON, dict).corrected("teh kenel") == "teh kenel"
    assert Responder.__dataclass_fields__["spelling"].default("teh kenel") == "teh kenel"


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=60))
def test_only_letters_are_mended(text: str) -> None:
    other = re.compile(r"[^\W\d_]|\s")
    assert other.sub("", SPELLING.corrected(text)) == other.sub("", text)


@given(st.lists(st.sampled_from(sorted(HELD)), min_size=1, max_size=8))
def test_words_of_the_collection_are_never_touched(words: list[str]) -> None:
    assert SPELLING.corrected(" ".join(words)) == " ".join(words)


def test_the_word_index_tells_its_words(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("lexical")
    write(folder, [1, 2], ["The kennels of Łódź, room 12", "Kennels"])
    assert Lexical(folder).vocabulary() == {"the": 1, "kennels": 2, "of": 1, "łódź": 1, "room": 1}


@pytest.mark.parametrize(
    "text",
    ["x" * 31_000, "." * 31_000, "“" * 31_000, "teh.kenel " * 3000, "kenelx" * 5000, "-a" * 15_000, '"a' * 15_000],
)
def test_long_odd_words_are_no_slips(text: str) -> None:
    assert SPELLING.corrected(text) == text  # in time that is linear: a quadratic one took minutes


def test_two_words_that_the_collection_holds_are_not_one_that_stands_in_an_address() -> None:
    held = {"great": 3, "sallow": 2, "greatsallow": 1, "snowfield": 2}
    spelling = Spelling(LEXICON, lambda: held)
    assert spelling.corrected("Who is captain of Great Sallow?") == "Who is captain of Great Sallow?"
    assert spelling.corrected("Where is the snow field?") == "Where is the snowfield?"
