"""Lines of a name and its value, and questions that a source answers itself."""

import pytest

from dialogue.judges.echoed import echoed
from dialogue.judges.hours import posted
from dialogue.judges.keyed import named
from dialogue.judges.lookup import of_other_keys


def page(title: str, *lines: str) -> list[tuple[str, str, str]]:
    return [(line, title, "\n".join(lines)) for line in lines]


COLLECTOR = page(
    "ingest.yaml",
    "collector.name = Heron",
    "collector.listen.port = 7311",
    "collector.buffer.size_mb = 256",
    "collector.buffer.flush_seconds = 12",
    "storage.keep_days = 400",
)
COURIER = page(
    "courier.env: courier tracking",
    "COURIER_PORT = 8462",
    "COURIER_DB_NAME = parcels",
    "COURIER_MAX_RETRIES = 9",
)
STOVE = page(
    "Wood stove Bothy 7",
    "Efficiency: 81 %",
    "Weight without stones: 148 kg",
    "Log length, at most: 33 cm",
    "Payment by: transfer",
    "Name of the hirer: Orla Kincaid",
)


@pytest.mark.parametrize(
    ("question", "lines", "found"),
    [
        ("On which port does the collector Heron listen?", COLLECTOR, 1),
        ("How often is the buffer of the collector flushed?", COLLECTOR, 3),
        ("How many days does the storage keep its data?", COLLECTOR, 4),
        ("On which port does the database listen?", COLLECTOR, None),
        ("Is the port of the collector open?", COLLECTOR, None),
        ("On which port does the courier tracking run?", COURIER, 0),
        ("What is the name of the courier database?", COURIER, 1),
        ("How many retries does the courier tracking make at most?", COURIER, 2),
        ("What is the colour of the courier?", COURIER, None),
        ("What is the efficiency of the Bothy 7?", STOVE, 0),
        ("What is the efficiency of the Bothy 9?", STOVE, None),
        ("How heavy is the wood stove?", STOVE, 1),
        ("How long may logs for the Bothy 7 be?", STOVE, 2),
        ("On which day do we get paid?", page("Rota", "Day: Friday 15 May", "Bar: Emlyn"), None),
        (
            "What pressure can T5 stand?",
            page("Tanks", "Never open the manhole of a tank under pressure: look at the gauge first"),
            None,
        ),
        ("How many people work?", page("Linz", "58 people make the probes here, in two shifts: 6:00 to 14:00"), None),
        ("Who has won the cup?", page("Cup", "The women have won it four times: in 1967 and 1988"), None),
        ("Who is the mayor of Rye?", page("The town of Rye", "From the Rye Echo, 6 June: a mayor speaks"), None),
        ("When was Ida Holt born?", page("Ada Holt", "Born: 3 May 1809", "Children: Ida and Otto"), None),
        ("When was Ada Holt born?", page("Captain Ada Holt", "Born: 3 May 1809", "Died: 1850"), 0),
        ("How will the hirer of the stove pay?", STOVE, 3),
    ],
)
def test_a_value_is_looked_up_by_its_name(question: str, lines: list[tuple[str, str, str]], found: int | None) -> None:
    assert named(question, lines) == found


TALK = page(
    "The Brent reed beds",
    "[00:00:21] HOST: Who buys the reed? [00:00:24] MOORE: A thatcher from Wells.",
    "great. And what do we pay for the new oven? 12/09/2024, 08:09 - Pia: 620 with delivery",
    "Q: Who runs the story hour? A: Mrs Delph, on Wednesdays at four.",
    "Is there a boat?",
)


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("Who buys the reed of the Brent reed beds?", 0),
        ("How much is the new oven?", 1),
        ("How much is the old oven?", None),
        ("Who runs the story hour?", 2),
        ("When is the story hour?", None),
        ("Who buys the oven?", None),
        ("Is there a boat?", None),
    ],
)
def test_a_source_that_asks_the_same_is_taken_at_its_word(question: str, found: int | None) -> None:
    assert echoed(question, TALK) == found


def test_rows_of_another_key_are_known() -> None:
    beds = [(f"beds: id: {number} | crop: {crop}", "melons") for number, crop in ((1, "cucumber"), (2, "okra"))]
    assert of_other_keys("What is grown in bed 2?", beds) == {0}
    assert of_other_keys("What is grown for 2 months?", beds) == set()
    assert of_other_keys("In which bed does okra grow?", beds) == {0}
    assert of_other_keys("What is grown in bed 3?", beds) == set()


VETS = page("Harbour Vets: Surgery hours", "Mon–Fri 8:15–18:30, Sat 9:00–12:00", "Tel. 01632 960604")


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("When are the Harbour Vets open on Saturday?", 0),
        ("What are the opening hours of Harbour Vets on Wednesdays?", 0),
        ("When do the Harbour Vets open on Sunday?", None),
        ("When is the harbour office open on Saturday?", None),
        ("When was Harbour Vets founded?", None),
    ],
)
def test_hours_are_read_as_they_are_posted(question: str, found: int | None) -> None:
    assert posted(question, VETS) == found
