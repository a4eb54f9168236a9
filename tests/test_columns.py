"""Columns of measures, intervals, and conditions on a result."""

import math

import numpy as np
import pytest

from app.evaluation.columns import KEYS, OTHERS, Columns, Measured, rounded
from app.evaluation.metrics import wilson
from app.evaluation.report import FEW, Report
from app.evaluation.require import checked, parsed
from app.evaluation.tables import EvaluationError


def filled(rows: int) -> Columns:
    columns = Columns()
    for row in range(rows):
        flag = None if row % 3 == 0 else row % 2 == 0
        columns.add(Measured({"right": flag}, {"score": row / rows}, {"kind": "ab"[row % 2]}))
    return columns


def test_columns_hold_what_applies_and_slices_part_the_rows() -> None:
    columns = filled(12)
    assert columns.n == 12
    assert columns.flag("right").tolist() == [row % 2 == 0 for row in range(12) if row % 3]
    assert np.isnan(columns.numbers("right")[[0, 3, 6, 9]]).all()
    assert len(columns.value("score")) == 12
    slices = dict(columns.slices("kind"))
    assert slices["a"].sum() == slices["b"].sum() == 6
    assert columns.flag("right", slices["a"]).all()
    assert not columns.flag("right", slices["b"]).any()
    assert columns.flag("unknown").size == columns.value("unknown").size == 0


def test_a_measure_that_comes_up_late_or_stops_is_missing_elsewhere() -> None:
    columns = Columns()
    columns.add(Measured({"a": True}, {}, {}))
    columns.add(Measured({}, {"b": 2.0}, {"kind": "x"}))
    assert columns.flag("a").tolist() == [True]
    assert columns.value("b").tolist() == [2.0]
    assert [name for name, _ in columns.slices("kind")] == ["x"]
    assert [math.isnan(value) for value in columns.numbers("a")] == [False, True]


def test_a_key_with_very_many_values_keeps_the_first_and_the_frequent_are_shown() -> None:
    columns = Columns()
    for row in range(2 * KEYS):
        columns.add(Measured({}, {}, {"source": f"{row}.md"}))
    for _ in range(3):
        columns.add(Measured({}, {}, {"source": "7.md"}))
    names = [name for name, _ in columns.slices("source")]
    assert OTHERS in names
    assert len(names) == KEYS
    assert {name for name, _ in columns.slices("source", 2)} == {OTHERS, "7.md"}


def test_records_are_rounded_all_through() -> None:
    assert rounded({"a": [1 / 3, {"b": 2 / 3}], "c": True, "d": None}) == {
        "a": [0.333333, {"b": 0.666667}],
        "c": True,
        "d": None,
    }


def test_a_share_has_the_interval_of_the_bootstrap_and_of_wilson_where_that_would_be_sure() -> None:
    report = Report(seed=1)
    report.counted("many", 300, 1000)
    report.counted("few", 3, FEW - 1)
    report.counted("all", 1000, 1000)
    report.counted("none", 0, 0)
    low, high = report.ci95["many"]
    assert (low, high) == (pytest.approx(0.272, abs=0.006), pytest.approx(0.328, abs=0.006))
    assert report.ci95["few"] == [round(limit, 6) for limit in wilson(3, FEW - 1)]
    assert report.ci95["all"][0] < 1
    assert report.metrics["none"] is None
    assert report.undefined == {"none": "there are no rows"}
    assert report.n_of == {"many": 1000, "few": FEW - 1, "all": 1000, "none": 0}
    again = Report(seed=1)
    again.counted("many", 300, 1000)
    assert again.ci95["many"] == report.ci95["many"]


def test_conditions_are_read_and_a_missing_value_meets_none() -> None:
    result = {"a": 0.5, "by": {"k": {"a": 1.0}}, "gone": None, "undefined": {"gone": "no rows"}, "n": 3}
    wanted = [parsed(text) for text in ("a<=0.5", "a < 0.5", "by.k.a>=1", "gone>=0", "n>2", "b>=0")]
    found = checked(result, wanted)
    assert [condition["met"] for condition in found] == [True, False, True, False, True, False]
    assert found[3]["reason"] == "no rows"
    assert "has no metric 'b'" in found[5]["reason"]
    for wrong in ("a", "a<=", "<=1", "a=1", "a<=x", "a<=nan"):
        with pytest.raises(EvaluationError, match="no condition"):
            parsed(wrong)
