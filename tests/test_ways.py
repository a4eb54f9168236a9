"""A row of a timetable is of one way and of a time of the day."""

import pytest

from dialogue.judges.ways import of_another_way

ROW = "Route: Harrow Quay - Skerry | Departs: 16:40 | Arrives: 17:25"
BACK = "Route: Skerry - Harrow Quay | Departs: 08:20 | Arrives: 09:05"


@pytest.mark.parametrize(
    ("question", "row", "other"),
    [
        ("When does the afternoon ferry from Harrow Quay to Skerry leave?", ROW, False),
        ("When does the afternoon ferry from Harrow Quay to Skerry leave?", BACK, True),
        ("When is the boat to Harrow Quay from Skerry tomorrow?", BACK, False),
        ("When is the boat to Harrow Quay from Skerry tomorrow?", ROW, True),
        ("When does the morning ferry from Harrow Quay to Skerry leave?", ROW, True),
        ("Is there an evening ferry?", ROW, False),  # it arrives towards evening
        ("Is there an evening ferry?", BACK, True),
        ("Which bus goes from Orby to Tarn?", "To: Tarn | From: Orby | Bus: 14", False),
        ("Which bus goes from Orby to Tarn?", "From: Tarn | To: Orby | Bus: 15", True),
        ("How long does it take from Orby to Tarn?", "Start: Orby | End: Tarn | Minutes: 20", False),
        ("Who plays in the morning?", "Time: 9.30 am | Band: The Rooks", False),
        ("Who plays in the morning?", "Time: 9.30 pm | Band: The Rooks", True),
        ("Who plays in the morning?", "Slot: morning | Changeover: 13:30", False),
        ("How far is it from Skerry to Harrow Quay?", "Skerry lies 9 miles off Harrow Quay.", False),  # no row
        ("How many rise from 3 to 5 in the morning?", "Birds: 40", False),
    ],
)
def test_a_row_of_the_way_back_or_of_another_time_is_told(question: str, row: str, other: bool) -> None:
    assert of_another_way(question, row) is other
