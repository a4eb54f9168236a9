"""The clock answers what day and time it is in many wordings, and leaves the dates of other things to the documents."""

from datetime import UTC, datetime

import pytest

from retrieval.tools.clock import SOURCE, Clock, about_now, leans

NOW = datetime(2026, 11, 30, 22, 5, tzinfo=UTC)
TODAY = "Today is Monday, 30 November 2026."


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("What's the date today?", TODAY),
        ("which weekday is it today", TODAY),
        ("Today's date, please.", TODAY),
        ("Can you tell me what today's date is?", TODAY),
        ("Good morning! What day is it?", TODAY),
        ("I have lost track. What day is it today?", TODAY),
        ("Is it Monday today?", "Yes, today is Monday, 30 November 2026."),
        ("Is today Friday?", "No, today is Monday, 30 November 2026."),
        ("Hello! What time is it?", "It is 22:05 (UTC) on Monday, 30 November 2026."),
        ("have you got the time", "It is 22:05 (UTC) on Monday, 30 November 2026."),
        ("What year do we have?", "It is the year 2026: today is Monday, 30 November 2026."),
        ("Which month is it?", "It is November 2026: today is Monday, 30 November 2026."),
        ("What calendar week is it?", "It is week 49 of 2026: today is Monday, 30 November 2026."),
    ],
)
def test_it_tells_the_date_and_the_time(message: str, told: str) -> None:
    [item] = Clock(lambda: NOW).look_up(message)
    assert item.passage.text == told
    assert item.passage.source == SOURCE


@pytest.mark.parametrize(
    "message",
    [
        "What's the date of the fair?",
        "What day is the market?",
        "What time is breakfast?",
        "What time does it start today?",
        "Which week is the camp?",
        "What is today's menu?",
        "What year was it built?",
        "We go to the market. What is the date?",
        "Is it open on Monday?",
        "the date",
    ],
)
def test_the_dates_of_other_things_are_none_of_its_business(message: str) -> None:
    assert about_now(message, NOW) == ""


def test_a_bare_date_may_lean_on_what_was_spoken_of() -> None:
    assert leans("What's the date?")
    assert not leans("What's the date today?")
    assert not leans("When is the fair?")
