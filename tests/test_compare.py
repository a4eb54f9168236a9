"""Comparing runs: a planted regression is found, two runs of one system are called the same."""

import json
from pathlib import Path

import numpy as np
import pytest
from evaluation_runs import dialogue_records, keep

from app.commands.cli import run
from app.evaluation.columns import Columns
from app.evaluation.compare import compare, difference, differences, holm, markdown
from app.evaluation.compare_page import comparison_page
from app.evaluation.dialogue_metrics import measured
from app.evaluation.tables import EvaluationError

ROWS = 300


def columns(seed: int, right: float = 0.8) -> Columns:
    made = Columns()
    for record in dialogue_records(ROWS, seed, right):
        made.add(measured(record))
    return made


def test_a_planted_regression_is_found_and_comes_first(tmp_path: Path) -> None:
    before = keep(tmp_path / "before", dialogue_records(ROWS, seed=1, right=0.85))
    after = keep(tmp_path / "after", dialogue_records(ROWS, seed=2, right=0.6))
    found = compare([before, after])
    worse = {one.measure for one in found.regressions}
    assert {"right", "wrong"} <= worse
    assert [one.verdict for one in found.differences][: len(worse)] == ["worse"] * len(worse)
    right = next(one for one in found.differences if one.measure == "right")
    assert right.low < right.difference < right.high < 0
    assert right.n == ROWS
    assert found.lost
    table = markdown(found)
    assert table.splitlines()[2].startswith("| | measure | run |")
    assert "🔴 worse | Right | after" in table
    page = comparison_page(found)
    assert page.index("What changed") < page.index("What did not")
    assert "http" not in page
    assert "<script" not in page


@pytest.mark.slow
def test_two_runs_of_one_system_are_called_the_same() -> None:
    """Of 50 repeats at most one in twenty may call anything worse, better or different."""
    alarms = 0
    for repeat in range(50):
        found = holm(differences(columns(2 * repeat), columns(2 * repeat + 1), seed=repeat))
        alarms += any(one.verdict != "same" for one in found)
    assert alarms <= 2


def test_a_run_does_not_differ_from_itself() -> None:
    found = holm(differences(columns(1), columns(1)))
    assert found
    assert {(one.difference, one.p, one.changed, one.verdict) for one in found} == {(0.0, 1.0, 0, "same")}


def test_a_measure_that_only_one_run_applies_to_a_row_is_compared_over_the_rows_of_each() -> None:
    before, after = np.array([1, 1, 0, np.nan]), np.array([np.nan, 1, 1, 0])
    found = difference(before, after)
    assert found is not None
    n, changed, old, new, *_ = found
    assert (n, changed) == (2, 3)
    assert (old, new) == (pytest.approx(2 / 3, abs=1e-6), pytest.approx(2 / 3, abs=1e-6))
    assert difference(np.full(3, np.nan), np.ones(3)) is None


def test_p_is_that_of_the_exact_test_of_signs() -> None:
    before, after = np.zeros(40), np.zeros(40)
    after[:6] = 1  # all six that changed went one way: 2 / 2**6
    found = difference(before, after)
    assert found is not None
    assert found[-1] == pytest.approx(2 / 64, abs=0.01)


def test_holm_is_at_most_bonferroni_and_never_falls() -> None:
    found = sorted(holm(differences(columns(1, 0.9), columns(2, 0.7))), key=lambda one: one.p)
    corrected = [one.holm for one in found]
    assert corrected == sorted(corrected)
    assert all(one.p <= one.holm <= min(1.0, len(found) * one.p) + 1e-6 for one in found)


def test_runs_over_other_data_are_refused(tmp_path: Path) -> None:
    one = keep(tmp_path / "one", dialogue_records(5, 1))
    other = keep(tmp_path / "other", dialogue_records(5, 1))
    text = (other / "run.json").read_text()
    (other / "run.json").write_text(text.replace("0" * 16, "1" * 16))
    with pytest.raises(EvaluationError, match="compare runs over the same data"):
        compare([one, other])
    with pytest.raises(EvaluationError, match="at least two"):
        compare([one])
    with pytest.raises(EvaluationError, match="holds no run"):
        compare([one, tmp_path])


def test_the_command_prints_a_table_and_fails_on_a_regression(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = keep(tmp_path / "good", dialogue_records(ROWS, seed=1, right=0.85))
    bad = keep(tmp_path / "bad", dialogue_records(ROWS, seed=2, right=0.6))
    command = ["evaluate", "compare", str(good), str(bad), "--out", str(tmp_path / "c")]
    assert run(command) == 1
    assert "🔴 worse" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "c").iterdir()} == {"compare.html", "compare.md", "compare.json"}
    assert run([*command, "--allow", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["differences"][0]["verdict"] == "worse"
