"""What a question names, and whether a unit of a page is about it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.judges.subject import (
    FEATURES,
    Subject,
    heading_of,
    names_another,
    names_of,
    namesakes,
    of_namesake,
    placed,
    scope,
    subject_of,
)
from retrieval.reading import Page

SITES = Page(
    "The Trondheim depot has 12 bays. It is led by Ola Vik.\nThe Aarhus depot has 40 bays. It is led by Mette Friis.",
    "Depots",
)
CODES = Page("Error F107: the belt is slack. Tighten it.\nError F117: the lamp is broken. Change it.", "Messages")


def place(page: Page, words: str) -> tuple[int, int]:
    """The span of the sentence that begins with these words."""
    start = page.text.index(words)
    return start, page.text.index(".", start) + 1


def told(asked: Subject, start: int, end: int) -> dict[str, float]:
    """The features of a unit of SITES that are not 0, by name."""
    return {name: count for name, count in zip(FEATURES, placed(asked, SITES, start, end), strict=True) if count}


@pytest.mark.parametrize(
    ("question", "identifiers"),
    [
        ("What does F107 mean?", ("f107",)),
        ("What is the price of 8.120.441?", ("8120441",)),
        ("how many QX4-0931-B are left", ("qx40931b",)),
        ("What does F-12 mean?", ("f12",)),
        ("When did it open in 1953?", ()),
        ("Does the shop open at 9:30?", ()),
        ("Is 1,250.50 euros the rent?", ()),
    ],
)
def test_identifiers_are_told_from_figures(question: str, identifiers: tuple[str, ...]) -> None:
    assert subject_of(question).identifiers == identifiers


@pytest.mark.parametrize(
    ("code", "unit", "another"),
    [
        ("F107", "Error F107", False),
        ("F107", "Tighten it", False),
        ("F107", "Error F117", True),
        ("F107", "Change it", True),
        ("F171", "Error F117", True),
        ("f-117", "Change it", False),
    ],
)
def test_identifiers_match_exactly_or_not_at_all(code: str, unit: str, another: bool) -> None:
    assert names_another(subject_of(f"What does {code} mean?"), CODES, *place(CODES, unit)) == another


def test_an_identifier_may_stand_in_the_title() -> None:
    page = Page("Tighten the belt. Then press 1.", "Messages: F107")
    assert not names_another(subject_of("What do I do about F107?"), page, *place(page, "Tighten"))
    assert names_another(subject_of("What do I do about F170?"), page, *place(page, "Tighten"))


def test_a_name_is_looked_for_in_the_sentence_that_a_pronoun_stands_for_and_not_in_another_paragraph() -> None:
    asked = subject_of("Who leads the Aarhus depot?")
    its = SITES.text.index("It is led by Mette")
    strangers = SITES.text.index("It is led by Ola")
    assert told(asked, its, len(SITES.text)) == {"near": 1}
    assert told(asked, strangers, strangers + 22) == {"astray": 1}
    assert told(asked, *place(SITES, "The Trondheim")) == {"elsewhere": 1}


def test_what_stands_nowhere_is_strange() -> None:
    asked = subject_of("How many bays does the Malmö depot have in 1999?")
    assert told(asked, *place(SITES, "The Aarhus")) == {"strange": 1, "figures": 1}


def test_names_typed_in_lower_case_are_known_from_the_pages() -> None:
    known = names_of([SITES])
    assert subject_of("who leads the aarhus depot", known).names == ("aarhus",)
    assert subject_of("who leads the aarhus depot").names == ()


def test_the_scope_begins_with_what_a_pronoun_stands_for() -> None:
    page = Page("The Aarhus depot has 40 bays. It is large. It is led by Mette Friis.\n\nIt rains.")
    its = page.text.index("It is led")
    start, end = scope(page.text, its, page.text.index(".", its) + 1)
    assert page.text[start:end] == "The Aarhus depot has 40 bays. It is large. It is led by Mette Friis."
    rain = page.text.index("It rains")
    assert scope(page.text, rain, rain + 9) == (rain, rain + 9)


@given(st.text(max_size=80), st.text(max_size=200), st.text(max_size=40), st.data())
def test_nothing_raises_and_what_is_missing_is_counted(
    question: str, text: str, title: str, data: st.DataObject
) -> None:
    page = Page(text, title)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    asked = subject_of(question, names_of([page]))
    assert all(0 <= count <= 3 for count in placed(asked, page, start, end))
    begin, stop = scope(text, start, end)
    assert (begin <= start, stop) == (True, end)
    if not asked.identifiers:
        assert not names_another(asked, page, start, end)


POOLS = Page(
    "The Upper Pool has five lanes. It is 25 metres long. The Lower Pool is warm. It opens at noon.", "Bathing"
)


@pytest.mark.parametrize(
    ("question", "others"),
    [
        ("How many lanes does the Lower Pool have?", ["The Upper", "It is 25"]),
        ("how many lanes does the lower pool have", ["The Upper", "It is 25"]),
        ("How warm is the Upper Pool?", ["The Lower", "It opens"]),
        ("How do the Upper Pool and the Lower Pool differ?", []),
        ("Whose idea was the Lower Pool?", []),
        ("When was the Lower Pool's lifeguard born?", []),
        ("How many lanes has the pool?", []),
    ],
)
def test_what_is_told_of_a_namesake_is_told_of_another(question: str, others: list[str]) -> None:
    found = [unit for unit in ("The Upper", "It is 25", "The Lower", "It opens")
             if of_namesake(namesakes(question, [POOLS]), POOLS, *place(POOLS, unit))]  # fmt: skip
    assert found == others


def test_a_page_on_a_namesake_is_on_another_but_where_it_names_what_is_asked_for() -> None:
    page = Page("The bell weighs a ton.\nIt is older than that of Mill Street.", "The tower in Bell Street")
    asked = namesakes("How heavy is the bell in Mill Street?", [page])
    assert of_namesake(asked, page, *place(page, "The bell"))
    assert not of_namesake(asked, page, *place(page, "It is older"))


@pytest.mark.parametrize(
    ("question", "another"),
    [("What's the rent for Hangar A?", True), ("What is the rent for Hangar B?", False), ("What is the rent?", False)],
)
def test_what_differs_by_a_letter_alone_is_another(question: str, another: bool) -> None:
    page = Page("The rent is 1,150 euros a month. It is due on 5 March.", "Lease of Hangar B")
    assert of_namesake(namesakes(question, [page]), page, *place(page, "The rent")) == another


@pytest.mark.parametrize(
    ("question", "others"),
    [
        ("How long is the Little Heron?", ["Heron"]),
        ("how long is little heron", ["Heron"]),
        ("How long is the Heron?", []),
        ("Is the Heron longer than the Little Heron?", []),
        ("Who built the Little Heron?", []),
    ],
)
def test_what_stands_under_a_part_of_the_name_is_of_another(question: str, others: list[str]) -> None:
    pages = [
        Page("It is a red trail of 2.7 kilometres.", "Trails: Heron"),
        Page("It is a green trail of 1.1 kilometres.", "Trails: Little Heron"),
    ]
    asked = namesakes(question, pages)
    assert [heading_of(page) for page in pages if of_namesake(asked, page, 0, len(page.text))] == others
