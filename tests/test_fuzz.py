"""Files with bytes changed, cut out and put in: read, or refused in one line, and never the end of the program."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"


def test_spoilt_files_are_read_or_refused(tmp_path: Path) -> None:
    """In a process of its own: forks of the one that tests would begin with all that it holds."""
    given = ("--files", "40", "--seed", "5", "--out", str(tmp_path / "fuzz.json"))
    subprocess.run([sys.executable, str(SCRIPT), *given], check=True, capture_output=True, timeout=150)
    found = json.loads((tmp_path / "fuzz.json").read_text(encoding="utf-8"))
    outcomes = {outcome for counts in found["outcomes"].values() for outcome in counts}
    assert outcomes <= {"read", "refused"}
    assert sum(sum(counts.values()) for counts in found["outcomes"].values()) == 40
    assert found["peak_mb_of_a_reader"] < 1024
