"""What a sentence leans on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.antecedents import antecedent, is_dependent, put_in
from retrieval.text import sentences

MILLS = (
    "The mill at Orrin grinds oats. It has two wheels. It was rebuilt in 1840.\n\n"
    "The mill at Tarff grinds rye. It has one wheel. In 1902 it burned down.\n\n"
    "Its owner sold the ground. Her cousin Agnes Bell kept the weir. She died in 1931."
)


def leans(text: str, sentence: str) -> str:
    """The sentence that one of the text leans on, "" for none."""
    span = antecedent(text, text.index(sentence))
    return text[slice(*span)] if span else ""


@pytest.mark.parametrize(
    ("sentence", "names"),
    [
        ("It has two wheels", "The mill at Orrin grinds oats."),
        ("It was rebuilt", "The mill at Orrin grinds oats."),
        ("It has one wheel", "The mill at Tarff grinds rye."),
        ("In 1902 it burned", "The mill at Tarff grinds rye."),
        ("The mill at Tarff", ""),
        ("Its owner", ""),  # nothing of its own paragraph stands before it
        ("Her cousin", ""),
        ("She died", "Her cousin Agnes Bell kept the weir."),
    ],
)
def test_the_nearest_sentence_of_the_paragraph_that_names_something(sentence: str, names: str) -> None:
    assert leans(MILLS, sentence) == names


ROOMS = "The Annexe seats 12. There is a kettle. £11 an hour on any day.\n£5 is the deposit.\n\nNot for cooking."


@pytest.mark.parametrize(
    ("sentence", "names"),
    [
        ("There is a kettle", "The Annexe seats 12."),
        ("£11 an hour", "The Annexe seats 12."),
        ("£5 is the deposit", ""),  # a line of its own
        ("Not for cooking", ""),
    ],
)
def test_a_fragment_leans_on_what_it_says_something_of(sentence: str, names: str) -> None:
    assert leans(ROOMS, sentence) == names


@pytest.mark.parametrize(
    "sentence",
    ["It is late.", "Its head is Ada Quist.", "Their boats lie here.", "Since 1990 they meet.", "This is so."],
)
def test_a_sentence_that_begins_with_a_pronoun_depends(sentence: str) -> None:
    assert is_dependent(sentence)


@pytest.mark.parametrize(
    "sentence", ["Italy won.", "IT staff help.", "The hut has its own well.", "In 1990 the club met.", "items: 4", ""]
)
def test_one_that_names_its_subject_does_not(sentence: str) -> None:
    assert not is_dependent(sentence)


def test_nothing_is_leant_on_across_list_lines() -> None:
    assert not leans("- The saw is blue.\n- It is sharp.", "It is sharp")


@given(st.lists(st.sampled_from(["It is old. ", "The hut stands. ", "She left.\n\n", "A jug broke. "]), max_size=12))
def test_an_antecedent_stands_before_the_sentence_and_leans_on_nothing(parts: list[str]) -> None:
    text = "".join(parts)
    for start, _ in sentences(text):
        if span := antecedent(text, start):
            assert span in sentences(text)
            assert span[1] <= start
            assert not is_dependent(text[slice(*span)])
            assert "\n\n" not in text[span[0] : start]


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("The mill at Orrin was dug by Ove Strand. It is 4 metres deep.", "The mill at Orrin is 4 metres deep."),
        ("Jo Meer was born in Tonder in 1802. In 1833 he moved to Rome.", "In 1833 Jo Meer moved to Rome."),
        ("The Lyre society was founded in 1921. Its head is Mona Quist.", "The Lyre society's head is Mona Quist."),
        ("Meer studied in Rome. In 1911 he married Eva Lund.", "In 1911 Meer married Eva Lund."),
        ("Meer studied with Ada Lund. In 1911 she moved.", ""),
        ("The mill at Orrin is next to a weir. It was built in 1902.", ""),  # the weir, perhaps
        ("Jo Meer was taught by Eva Lund. She died in 1890.", ""),
        ("The fee of the Heath hall is 98 euros. It is run by Tom.", ""),
        ("The Heath hall has 20 beds. It is run by Tom.", ""),
        ("The boats at Rye are old. It is time.", ""),
        ("Comet 27 is named after her cat. She lives in Rye.", ""),
    ],
)
def test_a_subject_is_put_in_only_where_one_thing_can_be_meant(text: str, resolved: str) -> None:
    start = sentences(text)[1][0]
    found = put_in(text, start)
    assert (found[1] if found else "") == resolved
    assert found is None or found[0] == (0, len(text))
