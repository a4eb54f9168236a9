"""Who was at a meeting, who was missing and who led it is read from the lines of its minutes that say so."""

import pytest

from dialogue.shapes.attendance import asks_who_came, who_came
from retrieval.types import Passage


def minutes(number: int, month: str, text: str, *headings: str) -> Passage:
    return Passage(number, text, f"club-{month}.md", f"Rowing club: minutes of 4 {month} 2026", headings, 0, len(text))


MARCH = minutes(1, "March", "Present: Ada Reed (chair), Bo Lind\n\nApologies: Cy Moor\n\nThe boat is mended.")
MAY = [
    minutes(2, "May", "Ada Reed, Cy Moor", "Attendees"),
    minutes(3, "May", "Apologies for absence were received from Bo Lind.", "Matters"),
]
JUNE = minutes(4, "June", "In attendance:\n- Di Fenn\n- Bo Lind\n\nMinutes: Di Fenn\n\nThe oars were sold.")


@pytest.mark.parametrize(
    ("question", "lines"),
    [
        ("Who was at the rowing club's meeting in March?", ["Present: Ada Reed (chair), Bo Lind"]),
        ("Who attended the meeting on 4 March 2026?", ["Present: Ada Reed (chair), Bo Lind"]),
        ("Who came to the rowing club meeting in May?", ["Ada Reed, Cy Moor"]),
        ("Who took part in the June meeting of the rowing club?", ["In attendance:", "- Di Fenn", "- Bo Lind"]),
        ("Who was missing from the March meeting?", ["Apologies: Cy Moor"]),
        ("Who sent apologies for the meeting in May?", ["Apologies for absence were received from Bo Lind."]),
        ("Who couldn't make it to the May meeting?", ["Apologies for absence were received from Bo Lind."]),
        ("Who chaired the March meeting?", ["Present: Ada Reed (chair), Bo Lind"]),
        ("Who took the minutes at the June meeting?", ["Minutes: Di Fenn"]),
        ("Was Cy Moor at the meeting in March?", ["Apologies: Cy Moor"]),
        ("Who was at the rowing club's meeting in August?", []),
    ],
)
def test_the_lines_of_the_meeting_that_is_meant_are_quoted(question: str, lines: list[str]) -> None:
    found = who_came(question, [MARCH, *MAY, JUNE])
    assert found is not None
    assert [offer.line for _, offer in found] == lines


@pytest.mark.parametrize(
    "question",
    ["Who is on the committee?", "Who took part in the summer camp?", "What was decided at the meeting in March?"],
)
def test_other_questions_are_none_of_it(question: str) -> None:
    assert not asks_who_came(question)
    assert who_came(question, [MARCH]) is None
