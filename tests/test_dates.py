"""The day, week or year after that of the question before, and a day as the texts write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.dates import as_written, moved, told

DUTY = "Who is on duty in the week of 28 December 2026?"


@pytest.mark.parametrize(
    ("question", "before", "meant"),
    [
        ("And the week after that?", DUTY, "Who is on duty in the week of 4 January 2027?"),
        ("and the previous week?", DUTY, "Who is on duty in the week of 21 December 2026?"),
        ("And the next one?", DUTY, "Who is on duty in the week of 4 January 2027?"),
        ("Who drives the week after?", DUTY, "Who drives in the week of 4 January 2027?"),
        ("And the day before?", "Who opens on 2026-03-01?", "Who opens on 2026-02-28?"),
        ("What about the day after?", "Is it open on Friday, 2nd of May?", "Is it open on 3rd of May?"),
        ("and the day after that?", "Who serves on Sundays?", "Who serves on Mondays?"),
        ("And the year after?", "What was the fee in 2024?", "What was the fee in 2025?"),
        ("And a month later?", "What was sold in December 2025?", "What was sold in January 2026?"),
    ],
)
def test_another_time_is_worked_out_from_the_one_before(question: str, before: str, meant: str) -> None:
    assert moved(question, before) == meant


@pytest.mark.parametrize(
    ("question", "before"),
    [
        ("And the next one?", "When is the meeting on 3 June 2026?"),
        ("And the week after that?", "Who is on duty?"),
        ("And the week after that?", "Who was on duty from 3 May to 9 May 2026?"),
        ("And the nurse?", DUTY),
        ("And the year after?", "What was the fee in 99?"),
    ],
)
def test_without_a_time_before_or_another_asked_for_nothing_is_made_up(question: str, before: str) -> None:
    assert moved(question, before) == ""


def test_a_day_is_written_as_the_texts_write_it() -> None:
    assert (
        as_written("Who serves on 3 May 2026?", ["2026-05-03 | Ada", "2026-05-10 | Bo"]) == "Who serves on 2026-05-03?"
    )
    assert (
        as_written("Who serves on 3 May 2026?", ["On 3 May 2026 Ada serves", "2026-05-03"])
        == "Who serves on 3 May 2026?"
    )
    assert as_written("Who serves on 3 May?", ["2026-05-03"]) == "Who serves on 3 May?"


@given(st.text(max_size=60), st.sampled_from((DUTY, "What was the fee in 9999?", "On 31 January 9999?")))
def test_any_text_is_read(text: str, before: str) -> None:
    assert isinstance(moved(text, before), str)
    assert isinstance(moved(f"And the year after? {text}", before), str)
    assert told(text) is None or isinstance(as_written(text, [text]), str)
