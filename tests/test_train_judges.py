"""`candor train judges`: better weights replace those shipped, worse ones do not. With a judge that is one number."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.commands.cli import run
from app.commands.train import JUDGES
from app.errors import InputError
from app.training import judges
from app.training.judges import PARTS, Part
from app.training.run import train_judges


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / "weights").write_text("0.8")
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data" / "safety").mkdir(parents=True)
    return tmp_path / "data"


@pytest.fixture
def trained(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets what the next training reaches."""

    def reaching(number: str) -> None:
        def train(data: Path, encoder: object, folder: Path, seed: int, share: float) -> dict[str, Any]:
            (folder / "weights").write_text(number)
            return {"curve": [{"examples": 100, "loss": 0.5}], "seed": seed, "share": share}

        def grade(data: Path, encoder: object, folder: Path) -> dict[str, float]:
            return {"validation": float((folder / "weights").read_text())}

        monkeypatch.setattr(judges, "PARTS", {"quality": Part(shipped, ("weights",), train, grade)})

    return reaching


@pytest.mark.parametrize(("number", "kept"), [("0.9", "new"), ("0.7995", "new"), ("0.7", "shipped")])
def test_only_weights_that_are_no_worse_are_written(
    shipped: Path, data: Path, trained: Callable[[str], None], number: str, kept: str
) -> None:
    trained(number)
    found = train_judges(data, ["quality"], seed=3, share=0.5)["quality"]
    assert found["kept"] == kept
    assert found["grades"] == {"new": {"validation": float(number)}, "shipped": {"validation": 0.8}}
    assert (found["seed"], found["share"]) == (3, 0.5)
    digest = hashlib.sha256(number.encode()).hexdigest()
    assert found["sha256"] == ({f"{shipped.parent.name}/shipped/weights": digest} if kept == "new" else {})
    assert (shipped / "weights").read_text() == (number if kept == "new" else "0.8")
    assert [path.name for path in shipped.iterdir()] == ["weights"]


def test_the_command_says_what_was_not_written_and_fails(
    data: Path, trained: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    trained("0.1")
    assert run(["train", "judges", "--data", str(data), "--only", "quality"]) == 1
    said = capsys.readouterr()
    assert "not written: quality" in said.err
    assert json.loads(said.out)["quality"]["curve"] == [{"examples": 100, "loss": 0.5}]


def test_the_command_says_what_the_tables_have_to_name(
    data: Path, trained: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    trained("0.9")
    assert run(["train", "judges", "--data", str(data), "--only", "quality"]) == 0
    said = capsys.readouterr().err
    assert (
        f"shipped/weights has to stand in the table SHIPPED of its package: {hashlib.sha256(b'0.9').hexdigest()}"
        in said
    )


def test_weights_that_cannot_be_graded_stop_the_training_before_it_begins(
    shipped: Path, data: Path, trained: Callable[[str], None]
) -> None:
    trained("0.9")
    (shipped / "weights").unlink()
    part = judges.PARTS["quality"]
    started: list[Path] = []
    judges.PARTS["quality"] = replace(part, train=lambda *given: started.append(given[2]) or {})
    with pytest.raises(InputError):
        train_judges(data, ["quality"])
    assert started == []


def test_a_folder_that_is_not_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not the development data"):
        train_judges(tmp_path)


def test_a_missing_file_of_the_data_is_named(data: Path) -> None:
    with pytest.raises(InputError, match="is not complete"):
        train_judges(data, ["safety"])


def test_every_judge_can_be_named_and_its_files_are_there() -> None:
    assert tuple(PARTS) == JUDGES
    for part in PARTS.values():
        assert all((part.shipped / name).is_file() for name in part.files)
