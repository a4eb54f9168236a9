"""Follow-ups as the rewriter that ships reads them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogue.proposals import Said, proposals
from dialogue.query import search_queries
from dialogue.rewriter import load_rewriter
from dialogue.types import Turn
from retrieval.encoder.embed import load_encoder

REWRITER = load_rewriter(load_encoder())


def _read(*texts: str) -> str:
    turns = [Turn("user" if (len(texts) - place) % 2 else "assistant", text) for place, text in enumerate(texts)]
    return search_queries(turns, rewriter=REWRITER)[0]


LAKE = ("Who dammed the lake at Sorsele?", "The lake at Sorsele was dammed by Gustav Lind. [1]")
WASH = ("How much is a wash for a poodle?", "A wash for a poodle costs 39 dollars. [1]")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((*LAKE, "And how deep is it?"), "how deep is the lake at Sorsele?"),
        ((*LAKE, "And the one at Kalix Bend?"), "Who dammed the lake at Kalix Bend?"),
        ((*WASH, "And a haircut?"), "How much is a haircut for a poodle?"),
        ((*WASH, "And for a spaniel?"), "How much is a wash for a spaniel?"),
        (("What does the Wren S cost?", "It costs £52.", "and the XL?"), "What does the Wren XL cost?"),
        (("When did release 4.2 come out?", "In May.", "And 4.1?"), "When did release 4.1 come out?"),
        ((*WASH, "and spaniels"), "How much is a wash for spaniels?"),
        ((*WASH, "No, for a spaniel!"), "How much is a wash for a spaniel?"),
        ((*WASH, "sorry, a spaniel"), "How much is a wash for a spaniel?"),
        (("Who coaches the first team?", "Nadia Frost.", "And the second team?"), "Who coaches the second team?"),
        (
            ("What does the main room cost for an evening?", "It costs £52.", "And the small room?"),
            "What does the small room cost for an evening?",
        ),
        (
            (
                "What is the hire of the two halls, Lyceum and Gaiety?",
                "The hire of the Lyceum is £9.",
                "The other one?",
            ),
            "What is the hire of the Gaiety?",
        ),
    ],
)
def test_a_follow_up_is_read_as_it_is_meant(texts: tuple[str, ...], expected: str) -> None:
    assert _read(*texts).casefold() == expected.casefold()


@pytest.mark.parametrize("question", ["how are green tea leaves dried", "Who built the Skarvan lighthouse?"])
def test_a_question_on_something_else_stays_as_it_is(question: str) -> None:
    assert _read(*LAKE, question) == question


def test_half_a_question_may_be_read_in_other_ways_by_what_it_is_put_in_for() -> None:
    said = [Said("Who drove the bus to the fair?", True), Said("Ada drove it.", False)]
    read, others = REWRITER("And the tram?", said), REWRITER.others("And the tram?", said)
    assert read == "Who drove the tram to the fair?"
    assert set(others) <= {"Who drove the bus to the tram?"}
    assert not REWRITER.others("And the price of it?", said)


def test_the_first_question_is_never_read_otherwise() -> None:
    assert _read("And what about it?") == "And what about it?"
    assert proposals("How deep is it?", ())[0].text == "How deep is it?"


@settings(deadline=None)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=5))
def test_any_turns_give_a_question(texts: list[str]) -> None:
    said = [Said(text, user=place % 2 == 0) for place, text in enumerate(texts[:-1])]
    read = REWRITER(texts[-1], said)
    assert read is None or isinstance(read, str)


@pytest.mark.parametrize(
    ("question", "before", "read"),
    [
        ("And on Sundays?", "When are you open on Fridays?", "When are you open on Sundays?"),
        ("and on the Thursday?", "Who serves on Tuesday 12 May?", "Who serves on the Thursday?"),
        ("And the 3rd of June?", "Who serves on 12 May?", "Who serves on the 3rd of June?"),
    ],
)
def test_another_day_takes_the_place_of_the_day(question: str, before: str, read: str) -> None:
    found = [each.text for each in proposals(question, (Said(before, True),)) if each.kind == "substitute"]
    assert found == [read]
