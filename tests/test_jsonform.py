"""app.store.jsonform: rows of every version open, exactly as they were written."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.store.jsonform import from_json, to_json
from dialogue.types import Claim, Turn
from retrieval.types import Passage, Section
from safety.types import Verdict

PASSAGE = Passage(7, "The whale is é\ufffd.", "a.md", "Whale", ("Life", "Food"), 3, 20, "p. 4")
CLAIM = Claim("It eats.", 0, 8, float("nan"), True, PASSAGE, 1, 4, "")
# what version 0.1.0 wrote before its JSON was made by a library
WRITTEN: list[tuple[object, str]] = [
    (
        PASSAGE,
        '{"id": 7, "text": "The whale is \\u00e9\\ufffd.", "source": "a.md", "title": "Whale", '
        '"headings": ["Life", "Food"], "start": 3, "end": 20, "place": "p. 4", "kind": "document"}',
    ),
    (Section(("Life",), 0, 9, "p. 1"), '{"headings": ["Life"], "start": 0, "end": 9, "place": "p. 1"}'),
    (
        Verdict(False, 0.75, "harm", "r", "drop", (("harm", 0.75), ("pii", 1.0)), True),
        '{"safe": false, "risk": 0.75, "objective": "harm", "reason": "r", "action": "drop", '
        '"risks": [["harm", 0.75], ["pii", 1.0]], "flagged": true}',
    ),
    (
        Verdict(True, None),
        '{"safe": true, "risk": null, "objective": "", "reason": "", "action": "", "risks": [], "flagged": false}',
    ),
    (
        Claim("It eats.", 0, 8, 0.5),
        '{"text": "It eats.", "start": 0, "end": 8, "support": 0.5, "supported": false, "passage": null, '
        '"quote_start": 0, "quote_end": 0, "reason": ""}',
    ),
    (Turn("user", "hi"), '{"role": "user", "text": "hi", "pictures": []}'),
]


@pytest.mark.parametrize(("value", "row"), WRITTEN, ids=lambda item: type(item).__name__)
def test_rows_of_before_are_read_and_written_the_same(value: object, row: str) -> None:
    assert from_json(type(value), json.loads(row)) == value
    assert json.dumps(to_json(value)) == row


def test_a_field_that_a_row_lacks_has_its_default_and_an_unknown_one_is_passed_over() -> None:
    assert from_json(Verdict, {"safe": True, "risk": None, "later": [1]}) == Verdict(True, None)
    older = {"id": 1, "text": "a", "source": "s", "title": "t", "headings": [], "start": 0, "end": 1, "later": {}}
    assert from_json(Passage, older) == Passage(1, "a", "s", "t", (), 0, 1)
    assert from_json(tuple[Turn, ...], [{"role": "user", "text": "hi"}]) == (Turn("user", "hi"),)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="risk"):
        from_json(Verdict, {"safe": True})


def test_what_is_not_finite_is_none_and_a_type_without_a_form_is_refused() -> None:
    assert to_json(CLAIM)["support"] is None
    assert to_json([float("inf"), Path("a"), datetime(2026, 1, 2, tzinfo=UTC)])[:2] == [None, "a"]
    assert datetime.fromisoformat(to_json(datetime(2026, 1, 2, tzinfo=UTC))) == datetime(2026, 1, 2, tzinfo=UTC)

    @dataclass(frozen=True)
    class Odd:
        held: object

    with pytest.raises(ValueError, match="object"):
        to_json(Odd(object()))


texts = st.text(max_size=20)


@given(texts, texts, st.lists(texts, max_size=3), st.integers(), st.integers(0, 2**62))
def test_any_passage_comes_back(text: str, place: str, headings: list[str], number: int, start: int) -> None:
    passage = Passage(number, text, "s", "t", tuple(headings), start, start + len(text), place)
    assert from_json(Passage, json.loads(json.dumps(to_json(passage)))) == passage
