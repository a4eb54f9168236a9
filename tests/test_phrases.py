"""Noun phrases of questions and replies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.phrases import phrases, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How much is a wash for the Poodle 5?", ["a wash for the Poodle 5", "a wash", "the Poodle 5"]),
        ("When was the lake at Kalix Bend dammed?", ["the lake at Kalix Bend", "the lake", "Kalix Bend"]),
        ("When does the allotment society meet again?", ["the allotment society"]),
        ("The theatre costs 116 pounds a night.", ["The theatre", "116 pounds", "a night"]),
        ("who painted the quay", ["the quay"]),
        ("Who coaches the first team?", ["the first team"]),
        ("What does the main room cost for an evening?", ["the main room", "an evening"]),
        ("How long do herons live?", ["herons"]),
    ],
)
def test_whole_phrases_are_found_and_verbs_end_them(text: str, expected: list[str]) -> None:
    assert [phrase.text for phrase in phrases(text) if phrase.kind in ("base", "long")] == expected


def test_owners_and_names_within_a_phrase_are_phrases_of_their_own() -> None:
    found = {phrase.text: phrase.kind for phrase in phrases("Where is Ada Holt's studio in the Lisbon arcade?")}
    assert found["Ada Holt"] == "owner"
    assert found["Lisbon"] == "inner"
    assert found["the Lisbon arcade"] == "base"


@given(st.text(max_size=120))
def test_phrases_are_stretches_of_the_text(text: str) -> None:
    for phrase in phrases(text):
        assert text[phrase.start : phrase.end] == phrase.text
        assert words(phrase.text)
