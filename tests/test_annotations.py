"""Annotations: the cascade, majority and disagreement, and how they are exported."""

import json
from pathlib import Path
from typing import Any

import pytest
from test_ratings import held

from app.commands.cli import run
from app.errors import InputError
from app.evaluation.rows import AgreementRow
from app.store.annotations import QUESTIONS, Annotation, Annotations, cascaded, disagreement, majority
from app.store.database import Database
from app.store.datasets import dataset
from app.store.history import History
from app.store.opinions import Opinions, Rating
from app.training.generator_data import samples_of

YES = dict.fromkeys(QUESTIONS, True)


def said(*answers: bool | None) -> list[Annotation]:
    return [Annotation(1, str(at), {**YES, "safe": one}) for at, one in enumerate(answers)]


def test_what_is_not_asked_is_a_no() -> None:
    assert cascaded({"sensible": False, "interesting": True, "safe": True}) == {
        "sensible": False,
        "specific": False,
        "interesting": False,
        "grounded": None,
        "safe": True,
        "helpful": None,
    }
    assert cascaded({"sensible": True, "specific": False, "safe": True})["interesting"] is False


@pytest.mark.parametrize(
    ("answers", "most", "apart"),
    [((True, True, False), True, 1 / 3), ((False,), False, 0), ((True, False), None, 0.5), ((None, False), False, 0)],
)
def test_more_than_half_is_a_majority(answers: tuple[bool | None, ...], most: bool | None, apart: float) -> None:
    assert majority(said(*answers)).get("safe") is most
    assert disagreement(said(*answers))["safe"] == pytest.approx(apart)


def test_raters_go_on_where_they_stopped_and_nothing_outlives_its_conversation(database: Database) -> None:
    history, annotations = History(database), Annotations(database)
    talk = history.start("candor")
    turns = [held(history, talk, f"Question {at}?", "K2 is 8,611 metres high.") for at in range(3)]
    assert sorted(annotations.sample(9, 1)) == turns
    assert annotations.sample(9, 1) == annotations.sample(9, 1) != annotations.sample(9, 2)
    annotations.save(turns[0], " Ada  L. ", YES)
    annotations.save(turns[0], "Ada L.", {**YES, "safe": False})
    annotations.save(turns[0], "Bo", YES)
    assert list(annotations.by("Ada L.")) == turns[:1]
    assert [(one.rater, one.answers["safe"]) for one in annotations.of()[turns[0]]] == [("Ada L.", False), ("Bo", True)]
    for turn, rater, answers in (
        (99, "Bo", YES),
        (turns[0], " ", YES),
        (turns[0], "Bo", {}),
        (1, "Bo", {**YES, "x": 1}),
    ):
        with pytest.raises(InputError):
            annotations.save(turn, rater, answers)  # type: ignore[arg-type]
    history.delete(talk)
    assert annotations.of() == {}


def test_what_most_say_is_learnt_from_and_each_rater_can_be_compared(database: Database, tmp_path: Path) -> None:
    history, annotations = History(database), Annotations(database)
    talk = history.start("candor")
    first, second = (held(history, talk, question, "K2 is 8,611 metres high.") for question in ("How high?", "Why?"))
    Opinions(database).rate(first, Rating(True))
    for rater, sensible, safe in (("Ada", True, False), ("Bo", True, False), ("Cy", False, True)):
        annotations.save(first, rater, {"sensible": sensible, "specific": True, "grounded": True, "safe": safe})
    annotations.save(second, "Ada", {"sensible": True, "grounded": None, "safe": True})
    one, other = dataset(database, "lamda")
    assert one["ratings"] == {"sensible": 1, "specific": 1, "interesting": 0, "grounded": 1, "unsafe": 1}
    assert [sample.good for row in (one, other) for sample in samples_of(row, 1)] == [False, True]
    row, alone = dataset(database, "annotations")
    assert row["ratings"]["sensible"] == {"Ada": 1, "Bo": 1, "Cy": 0}
    assert (row["majority"]["safe"], row["disagreement"]["safe"], row["raters"]) == (0, 0.3333, 3)
    assert "grounded" not in alone["ratings"]
    read = AgreementRow.model_validate(json.loads(json.dumps(row)))
    assert read.ratings["safe"] == {"Ada": 0, "Bo": 0, "Cy": 1}


def test_nothing_can_be_rated_where_nothing_is_stored(tmp_path: Path, capsys: pytest.CaptureFixture[Any]) -> None:
    assert run(["--data-dir", str(tmp_path / "none"), "annotate", "--port", "0"]) == 1
    assert "there is no conversation" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
