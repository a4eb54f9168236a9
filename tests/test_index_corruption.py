"""Damage to any file of a data folder is named, or changes no answer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "corruption.py"


@pytest.mark.slow
def test_no_corrupted_file_is_served_silently() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--rounds", "12"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["served_silently"], result["crashed"], result["silent"]) == (0, 0, [])
    assert sum(result["outcomes"].values()) == 12
    assert len(result["outcomes"]) >= 2
