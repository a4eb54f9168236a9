"""What a column comes to over several rows."""

import pytest

from dialogue.shapes.sums import asks_sum, sum_of
from retrieval.types import Passage

TAKINGS = (
    "Month: April | Boats out: 212 | Takings: 3180\nMonth: May | Boats out: 344 | Takings: 5260\n"
    "Month: June | Boats out: 401 | Takings: 2050\nMonth: July | Boats out: 655 | Takings: 11020"
)
BOATS = (
    "Boat: Rowing boat Wren | Seats: 3 | Per hour: £12.50\nBoat: Rowing boat Heron | Seats: 5 | Per hour: £15\n"
    "Boat: Canoe | Seats: 2 | Per hour: £14"
)


def passage(number: int, text: str, title: str) -> Passage:
    return Passage(number, text, f"{title}.csv", title, (), 0, len(text))


LIBRARY = (passage(1, TAKINGS, "takings"), passage(2, BOATS, "boats"))


@pytest.mark.parametrize(
    ("question", "said", "rows"),
    [
        ("What were the takings in April and May together?", "Takings for April and May: 3180 + 5260 = 8,440.", 2),
        ("How many boats went out from April to June?", "Boats out for April, May and June: 212 + 344 + 401 = 957.", 3),
        ("How much did we take in total?",
         "Takings for April, May, June and July: 3180 + 5260 + 2050 + 11020 = 21,510.", 4),
        ("How many seats do the Wren and the Heron have together?",
         "Seats for Rowing boat Wren and Rowing boat Heron: 3 + 5 = 8.", 2),
        ("What is the average number of boats out in May and June?",
         "Boats out for May and June: (344 + 401) / 2 = 372.5.", 2),
        ("What is the average price per hour of a boat?",
         "Per hour for Rowing boat Wren, Rowing boat Heron and Canoe: (£12.50 + £15 + £14) / 3 = £13.83.", 3),
        ("What do the Wren and the canoe cost per hour in total?", "", 0),  # each hour is another question
        ("What is the difference in takings between May and June?", "", 0),
        ("How many seats are there in all?", "", 0),  # of things beside each other nothing is said by their sum
        ("What were the takings in May and August together?", "", 0),
        ("What were the losses in May and June together?", "", 0),
        ("What were the takings in May?", "", 0),
        ("How many seats are free from the Wren to the canoe?", "", 0),
    ],
)  # fmt: skip
def test_a_column_is_added_up_over_the_rows_that_are_named(question: str, said: str, rows: int) -> None:
    made = sum_of(question, LIBRARY) if asks_sum(question) else None
    assert (made[0] if made else "") == said
    assert len(made[1] if made else ()) == rows


def test_a_table_that_has_a_total_is_not_added_up() -> None:
    table = passage(1, f"{TAKINGS}\nMonth: Total | Boats out: 1612 | Takings: 21510", "takings")
    assert sum_of("What were the takings in total?", [table]) is None
    both = sum_of("What were the takings in May and June together?", [table])
    assert both is not None
    assert both[0].endswith("= 7,310.")
