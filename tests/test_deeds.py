"""What was only tried was not done, and what was done was not done first."""

import pytest

from dialogue.judges.deeds import only_meant, out_of_order

TRIED = "British parties tried to climb Everest from the Tibetan side in the 1920s."
FIRST = "Edmund Hillary and Tenzing Norgay made the first confirmed ascent on 29 May 1953."
LATER = "In 1978 two men climbed Everest without bottled oxygen."


@pytest.mark.parametrize(
    ("question", "said", "meant"),
    [
        ("Who climbed Everest?", TRIED, True),
        ("Who climbed Everest?", LATER, False),
        ("Who tried to climb Everest?", TRIED, False),
        ("When did the council close the baths?", "The council failed twice to close the baths.", True),
        ("When did the council close the baths?", "It had tried to close the baths, and closed them in 1960.", False),
        ("Which side did they come from?", TRIED, False),
        ("Why did they climb it?", TRIED, False),
    ],
)
def test_what_was_tried_alone_is_told_from_what_was_done(question: str, said: str, meant: bool) -> None:
    assert only_meant(question, said) is meant


@pytest.mark.parametrize(
    ("question", "found", "others"),
    [
        ("Who climbed Everest first?", [0.7, 0.6, 0.5], [0, 2]),
        ("Who climbed Everest first?", [0.7, 0.1, 0.5], []),  # nothing likely says who was the first
        ("Who climbed Everest?", [0.7, 0.6, 0.5], []),
        ("Which floor is the first aid box on?", [0.7, 0.6, 0.5], []),
    ],
)
def test_who_was_the_first_is_told_by_what_says_so(question: str, found: list[float], others: list[int]) -> None:
    assert out_of_order(question, [TRIED, FIRST, LATER], found) == others
