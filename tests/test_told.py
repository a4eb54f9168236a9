"""What is told of a thing, and which of all is the most: found in sections, paragraphs and tables."""

import pytest

from dialogue.shapes.about import told_of
from dialogue.shapes.compare import read_comparison
from dialogue.shapes.most import things
from dialogue.shapes.parts import split
from dialogue.shapes.rows import cell_of, name_in
from dialogue.shapes.topic import completed
from retrieval.passages import cut
from retrieval.types import Document, Passage, Section

HILLS = (
    "Corder Beacon rises north of the village. It is 412 metres high.\n\n"
    "Wolf Tor lies to the west. At 476 metres it looks down on the moor.\n\n"
    "The small hill by the ford, called Maggoty Hump, reaches just 154 metres."
)
CODES = {
    "E2131": "The pressure is too low. Fill the circuit to 1.5 bar. If it comes back, there is a leak.",
    "E2140": "The pressure is too high. Let out water.",
}


def passage(number: int, text: str, title: str, *headings: str) -> Passage:
    return Passage(number, text, f"{title}.md", title, headings, number * 1000, number * 1000 + len(text))


def codes() -> list[Passage]:
    return [passage(number, text, "Error codes", code) for number, (code, text) in enumerate(CODES.items())]


@pytest.mark.parametrize(
    "question", ["E2131", "error E2131", "What does E2131 mean?", "what is E2131", "my display says E2131"]
)
def test_a_code_that_heads_a_section_is_answered_by_the_section(question: str) -> None:
    told = told_of(question, codes()[::-1])
    assert " ".join(offer.line for offer in told) == CODES["E2131"]


@pytest.mark.parametrize(
    "question", ["What is new in release 4.2?", "what changed in 4.2", "Tell me about version 4.2"]
)
def test_a_version_that_heads_a_section_is_told_of_by_the_section(question: str) -> None:
    notes = [
        passage(0, "Adds a holiday mode. The clock is set by the network.", "Notes", "4.2 (March 2026)"),
        passage(1, "The display dims.", "Notes", "4.1 (October 2025)"),
    ]
    assert [offer.line for offer in told_of(question, notes)] == [
        "Adds a holiday mode.",
        "The clock is set by the network.",
    ]
    assert not told_of("When did 4.2 come out?", notes)


def test_a_heading_need_not_say_again_what_its_document_is_of() -> None:
    offices = [
        passage(0, "It has 19 desks on two floors.", "Our offices", "Graz (sales)"),
        passage(1, "It has 7 desks in the harbour.", "Our offices", "Porto"),
    ]
    assert [offer.line for offer in told_of("tell me about the Graz office", offices)] == [
        "It has 19 desks on two floors."
    ]


@pytest.mark.parametrize(
    "question", ["How do I fix E2131?", "What is the price of E2131?", "E9999", "What is a bar?", "pressure E2131 tank"]
)
def test_a_question_on_something_of_a_thing_is_not_about_it_as_a_whole(question: str) -> None:
    assert not told_of(question, codes())


def test_a_paragraph_tells_of_what_it_begins_with() -> None:
    told = told_of("Tell me about Wolf Tor", [passage(0, HILLS, "Hills")])
    assert [offer.line for offer in told] == [
        "Wolf Tor lies to the west.",
        "At 476 metres it looks down on the moor.",
    ]
    assert not told_of("What does Wolf Tor cost?", [passage(0, HILLS, "Wolf Tor")])
    assert not told_of("How high is Wolf Tor?", [passage(0, HILLS, "Hills")])


def test_the_things_of_a_kind_begin_paragraphs_or_head_sections() -> None:
    found = things("hills", [passage(0, HILLS, "The hills")])
    assert [thing.name for thing in found] == ["Corder Beacon", "Wolf Tor", "Maggoty Hump"]
    assert [thing.name for thing in things("code", codes())] == ["E2131", "E2140"]
    assert not things("lakes", [passage(0, HILLS, "The hills")])


@pytest.mark.parametrize(
    ("question", "noun", "each"),
    [
        ("What is the highest mountain in the valley?", "mountain", "How high is {}?"),
        ("Which is the most expensive stick?", "stick", "How much does {} cost?"),
        ("Which heat pump has the largest tank?", "heat pump", "How large is the tank of {}?"),
    ],
)
def test_a_superlative_asks_the_same_of_every_thing_of_its_kind(question: str, noun: str, each: str) -> None:
    plan = read_comparison(question)
    assert plan is not None
    assert (plan.about, plan.every) == ((noun,), each)


def test_whether_one_is_more_is_a_comparison() -> None:
    plan = read_comparison("Is Wolf Tor higher than Corder Beacon?")
    assert plan is not None
    assert plan.about == ("Wolf Tor", "Corder Beacon")


def test_a_row_is_named_by_its_kind_and_compared_by_the_plainest_column() -> None:
    row = {"No": "3", "Name": "Old Mercy", "Cast": "1510"}
    assert name_in(row, "bell") == "Old Mercy"
    assert name_in({"Hotel": "Krone", "Town": "Rye"}, "town") == "Rye"
    bell = "No: 3 | Name: Old Mercy | Cast: 1510 | Weight (kg): 330"
    found = cell_of(bell, "When was it established?", money=False, dates=True)
    assert found is not None
    assert found[0] == "1510"
    rooms = cell_of("Hotel: Krone | Rooms: 42 | Double room (EUR): 310", "How many rooms does it have?", money=False)
    assert rooms is not None
    assert rooms[0] == "42"


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        (
            "What does a filter cost for the N6 and for the N9?",
            ("What does a filter cost for the N6?", "What does a filter cost for the N9?"),
        ),
        (
            "How many beds do the Keller Hut and the Heath Hut have?",
            ("How many beds does the Keller Hut have?", "How many beds does the Heath Hut have?"),
        ),
        ("What is the difference between the Vireo and the Wren?", ()),
        ("Where can I buy bread and butter?", ()),
    ],
)
def test_a_question_on_two_things_has_a_part_for_each(question: str, parts: tuple[str, ...]) -> None:
    assert split(question) == parts


def test_the_topic_ends_before_the_verb() -> None:
    first = "What does the hall cost for a whole day?"
    assert completed("what is the deposit", first) == "what is the deposit of the hall"


def test_a_question_stays_in_one_passage_with_its_answer() -> None:
    pairs = [f"Does part {number} come with a spare? {'Yes, it does, as all of them do. ' * 3}" for number in range(9)]
    text = "\n\n".join(pair.strip() for pair in pairs)
    passages = cut(Document("faq.txt", "FAQ", text, (Section((), 0, len(text)),)))
    assert len(passages) > 2
    assert not any(p.text.endswith("?") for p in passages)
    assert all(p.text.startswith("Does part") for p in passages)  # cut where a paragraph ends
