"""Grounding on Ray gives what one process gives."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.config import load_settings
from app.evaluation import EvaluationError, Options, run
from app.evaluation.judging import Judges, packaged_judges

ray: Any = pytest.importorskip("ray", reason="Ray is not installed: pip install 'candor[ray]'")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),  # a worker of Ray loads torch anew
    pytest.mark.filterwarnings("ignore"),  # of ray
]


@pytest.fixture(scope="module")
def judges() -> Judges:
    return packaged_judges(load_settings({}, {}))


@pytest.mark.usefixtures("cluster")
def test_the_rows_and_the_result_are_those_of_one_process(judges: Judges, tmp_path: Path) -> None:
    rows = [
        {
            "evidence": [f"Island {number} lies {number} miles off the coast. Gulls nest there."],
            "response": f"The island {number} is {number + number % 2} miles out.",
            "supported": not number % 2,
        }
        for number in range(2, 200)
    ]
    data = tmp_path / "a.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    one = run("grounding", data, judges, options=Options(out=tmp_path / "one"))
    other = run("grounding", data, judges, options=Options(out=tmp_path / "ray", ray=""))
    assert one == other
    for name in ("rows.jsonl", "rows.csv", "report.html", "grounding.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "ray" / name).read_bytes(), name


def test_other_kinds_are_not_scored_on_ray(judges: Judges, tmp_path: Path) -> None:
    data = tmp_path / "a.jsonl"
    data.write_text('{"context": ["Hi?"], "response": "Hello."}\n')
    with pytest.raises(EvaluationError, match="only grounding"):
        run("dialogue", data, judges, options=Options(ray=""))
