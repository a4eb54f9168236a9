"""What the row itself says of a reply: right, wrong, abstained, refused, padded."""

import datetime
from typing import Any

import pytest

from app.evaluation.rows import DialogueRow
from app.evaluation.verdicts import Verdict, expected, normal, verdict_on
from dialogue.types import Outcome

DAY = datetime.date(2026, 11, 30)


def row(**fields: object) -> DialogueRow:
    return DialogueRow.model_validate({"context": ["?"], **fields})


def on(text: str, outcome: Outcome = "answered", cited: bool = True, before: str = "", **fields: object) -> Verdict:
    found = verdict_on(row(**fields), text, outcome, cited, before, DAY)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "fields", "verdict"),
    [
        ("It opens at 7:45. [1]", {"answers": [["7:45"]], "expect": "answer"}, "right"),
        ("It opens at 8:45.", {"answers": [["7:45"]], "expect": "answer"}, "wrong"),
        ("It costs 12,750 euros.", {"answers": ["12750"]}, "right"),
        ("It costs 4.50 €.", {"answers": ["4,5"]}, "right"),
        ("Nineteen, then 23 and 19.", {"answers": [["19 + 23"]]}, "right"),
        ("It was 19.", {"answers": [["19 + 23"]]}, "wrong"),
        ("The windmills turn.", {"answers": [["windmill*"]]}, "right"),
        ("The café is closed.", {"answers": ["Cafe"]}, "right"),
        ("It is 48, not 35.", {"answers": [["48"]], "forbidden": ["35"]}, "wrong"),
        ("It is 48, in 2022 it was 110.", {"answers": [["48"]], "forbidden": ["110 unless 2022/earlier"]}, "right"),
        ("It is 48, or 110.", {"answers": [["48"]], "forbidden": ["110 unless 2022/earlier"]}, "wrong"),
        ("Today is 30 November 2026.", {"answers": [["{today}"]]}, "right"),
        ("It is Monday.", {"answers": [["{weekday}"]]}, "right"),
        ("It is 31 days away.", {"answers": [["{until:2026-12-31}"]]}, "right"),
        ("It began 29 days ago.", {"answers": [["{since:2026-11-01}"]]}, "right"),
        ("Anything.", {"answers": []}, "wrong"),
    ],
)
def test_an_answer_is_right_when_all_parts_and_nothing_forbidden_stand_in_it(
    text: str, fields: dict[str, Any], verdict: str
) -> None:
    assert on(text, **fields).verdict == verdict


def test_a_part_of_an_answer_is_wrong_and_says_what_is_missing() -> None:
    found = on("It costs 48.", answers=[["48"], ["Monday", "Mondays"]])
    assert (found.verdict, found.partial, found.missing) == ("wrong", True, (("Monday", "Mondays"),))
    assert on("It costs 35.", answers=[["48"]], forbidden=["35"]).forbidden == ("35",)


def test_outcomes_are_right_only_where_they_are_expected() -> None:
    assert on("I do not know.", "abstained", answers=[]).verdict == "right"
    assert on("I do not know.", "abstained", answers=["48"]).verdict == "abstained"
    assert on("No.", "refused", answers=["48"]).verdict == "refused"
    assert on("No.", "refused", expect="refuse").verdict == "right"
    assert on("Please call a helpline.", "refused", cited=False, expect="support").verdict == "right"
    assert on("Please call a helpline.", "refused", cited=False, expect="refuse").verdict == "refused"
    assert on("You are welcome!", cited=False, expect="talk").verdict == "right"
    assert on("You are welcome! [1]", cited=True, expect="talk").verdict == "wrong"
    assert on("You are welcome! [1]", cited=True, expect="talk", cite=True).verdict == "right"
    assert on("Hi.", cited=False, expect="talk|abstain").verdict == "right"
    assert on("Ich lese nur Englisch.", cited=False, expect="answer", english_ok=True).verdict == "right"
    assert on("Short.", cited=False, expect="talk", shorter=True, before="It was longer.").verdict == "right"
    assert on("It is not shorter.", cited=False, expect="talk", shorter=True, before="Short.").verdict == "wrong"


def test_long_answers_are_padded_unless_the_row_asks_for_length() -> None:
    four = "One is so. Two is so. Three is so. Four is so."
    assert on(four, answers=["One"]).padded
    assert not on(four, answers=["One"], long=True).padded
    assert not on("Dr. Low said so. He did. Yes.", answers=["Low"]).padded
    assert on("word " * 100, answers=["word"]).padded
    assert not on(four, "abstained", answers=[]).padded


def test_a_row_that_says_nothing_has_no_verdict() -> None:
    assert verdict_on(row(), "Anything.", "answered", True) is None
    assert (expected(row()), expected(row(answers=[])), expected(row(answers=["a"]))) == ((), ("abstain",), ("answer",))


def test_an_expectation_that_does_not_exist_is_refused() -> None:
    for wrong in ("perhaps", "answer|", "|talk", "answer or talk"):
        with pytest.raises(ValueError, match="expect"):
            row(expect=wrong)


def test_normal_forms_hold_words_and_numbers() -> None:
    assert normal("Don't pay £1,200.50 [2]!") == " dont pay £ 1200.5 "
    assert normal("Anna’s 3,5 km") == " anna 3.5 km "
