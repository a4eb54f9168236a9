"""kill -9 in the middle of turns and ingestions loses nothing that was acknowledged."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

MAY_BE_MORE = (
    "acknowledged",
    "documents_stored_at_kill",
    "seconds_of_one",
    "half_written_found",
    "served_the_old_one_first",
)
SMALL = "--rounds 2 --documents 6 --items 12 --publications 2 --passages 200"
SCRIPT = Path(__file__).parents[1] / "benchmarks" / "crash.py"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_process_loses_no_acknowledged_turn_and_leaves_no_half_document(tmp_path: Path) -> None:
    (tmp_path / "script.txt").write_text("Note 1 is about topic 1, item 1.\n")
    model = f"scripted:{tmp_path / 'script.txt'}"
    done = subprocess.run(
        [sys.executable, SCRIPT, *SMALL.split(), "--model", model],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["turns"]["acknowledged"] >= 2
    for part, counts in result.items():
        if part == "rounds":
            continue
        for name, value in counts.items():
            if name not in MAY_BE_MORE and not name.startswith("killed_"):
                assert value == 0, f"{part}: {name} = {value}"
