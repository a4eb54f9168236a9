"""Ratings and preferences as rows to train on."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.commands.cli import run
from app.store.database import open_database
from app.store.datasets import dataset
from app.store.history import History
from app.store.opinions import REASONS, Opinions, Rating
from app.training.generator_data import read_samples
from dialogue.types import Candidate, Evidence, Reply, Scores, Trace
from retrieval.types import Passage
from safety.types import Verdict

SAFE = Verdict(True, 0.0)
PASSAGE = Passage(1, "K2 is 8,611 metres high.", "k2.md", "K2", (), 0, 24)


def held(history: History, conversation: str, question: str, *drafts: str) -> int:
    turn = history.begin(conversation, question)
    candidates = tuple(Candidate(text, SAFE, Scores(0.9), 0.9 - rank / 10) for rank, text in enumerate(drafts))
    trace = Trace(SAFE, evidence=(Evidence(PASSAGE, 1.0),), candidates=candidates)
    history.finish(turn, Reply(f"{drafts[0]} [1]", "answered", (), trace))
    return turn


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    database = open_database(tmp_path)
    history, opinions = History(database), Opinions(database)
    conversation = history.start("candor")
    first = held(history, conversation, "How high is K2?", "K2 is 8,611 metres high.", "It is high.")
    second = held(history, conversation, "And Everest?", "I cannot say.", "Everest is 8,849 metres high.")
    opinions.rate(first, Rating(True))
    opinions.rate(second, Rating(False, "wrong", "it is in the notes"))
    opinions.prefer(second, 1, 0)
    database.close()
    return tmp_path


def test_the_rows_of_ratings_are_those_that_the_generator_learns_from(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "rated.jsonl"
    assert run(["--data-dir", str(folder), "ratings", "export", "--out", str(out)]) == 0
    first, second = read_samples(out)
    assert (first.reply, first.good, second.good) == ("K2 is 8,611 metres high.", True, False)
    assert [turn.text for turn in second.context.turns] == [
        "How high is K2?",
        "K2 is 8,611 metres high.",
        "And Everest?",
    ]
    assert first.context.evidence[0].passage.text == PASSAGE.text
    assert first.group == second.group


def test_preferences_are_pairs_and_what_was_liked_or_taken_is_worth_learning(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def rows(form: str) -> list[dict[str, Any]]:
        assert run(["--data-dir", str(folder), "--json", "ratings", "export", "--form", form]) == 0
        found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["rows"]
        return found

    [pair] = rows("dpo")
    assert pair["chosen"] == [{"role": "assistant", "content": "Everest is 8,849 metres high."}]
    assert pair["rejected"] == [{"role": "assistant", "content": "I cannot say."}]
    assert pair["prompt"][-1] == {"role": "user", "content": "And Everest?"}
    assert [row["messages"][-1]["content"] for row in rows("sft")] == [
        "K2 is 8,611 metres high.",
        "Everest is 8,849 metres high.",
    ]


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_says_something_of_a_bad_reply(tmp_path: Path, reason: str) -> None:
    database = open_database(tmp_path)
    history, opinions = History(database), Opinions(database)
    turn = held(history, history.start("candor"), "How high is K2?", "It is high.")
    opinions.rate(turn, Rating(False, reason))  # type: ignore[arg-type]
    [row] = dataset(database, "lamda")
    assert row["ratings"]
    database.close()


def test_where_nothing_is_stored_the_error_says_so(tmp_path: Path) -> None:
    assert run(["--data-dir", str(tmp_path / "none"), "ratings", "export"]) == 1
    assert not (tmp_path / "none").exists()
