"""A judge trained on ratings: it follows a taste on turns it has not seen, and is refused where it is less safe."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from test_ratings import held

from app import open_bot
from app.commands.cli import run
from app.commands.train import stored_opinions
from app.config import load_settings
from app.errors import InputError, SettingsError
from app.store.database import Database
from app.store.datasets import dataset
from app.store.history import History
from app.store.opinions import Opinions as Stored
from app.store.opinions import Rating
from app.training import preference
from app.training.generator_data import TrainingError
from app.training.opinions import Opinions, Pair, read_opinions, unsafe_replies
from dialogue.judges.heads import Head
from dialogue.judges.preference import FEATURES, FILE, LAYOUT, layout, load_preference
from dialogue.rank import quality
from dialogue.types import Context, ModelError, Scores, Turn
from retrieval.encoder.embed import Encoder
from retrieval.reader import PassageReader
from retrieval.types import Evidence, Passage

EXAMPLE = Path(__file__).parents[1] / "examples" / "learning.py"


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("learning", EXAMPLE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_people_like_ranks_first_among_what_is_as_good() -> None:
    good = Scores(0.9, 0.8, 0.5, 0.9, 0.9)
    liked, disliked = Scores(0.9, 0.8, 0.5, 0.9, 0.9, preferred=0.9), Scores(0.9, 0.8, 0.5, 0.9, 0.9, preferred=0.1)
    assert quality(liked) > quality(good) > quality(disliked)
    assert quality(good) == quality(Scores(0.9, 0.8, 0.5, 0.9, 0.9, preferred=None))


def test_a_layout_tells_length_lists_and_named_sources() -> None:
    passage = Passage(1, "K2 is 8,611 metres high.", "k2-mountain.md", "", (), 0, 24)
    context = Context((Turn("user", "How high is K2?"),), "How high is K2?", (Evidence(passage, 1.0),))
    plain, named, listed = (
        layout(context, text) for text in ("It is high.", "The K2 mountain page says so.", "1. K2\n2. Everest")
    )
    assert (len(plain), plain[3], named[3], listed[2]) == (LAYOUT, 0.0, 1.0, 1.0)
    assert plain[0] < named[0]
    assert listed[1] > plain[1] == 0


def test_ratings_and_preferences_are_read_as_they_were_stored(database: Database, tmp_path: Path) -> None:
    history, stored = History(database), Stored(database)
    talk = history.start("candor")
    first = held(history, talk, "How high is K2?", "K2 is 8,611 metres high.", "It is high.")
    stored.rate(first, Rating(True))
    stored.prefer(first, 1, 0)
    for form in ("lamda", "dpo"):
        text = "".join(json.dumps(row) + "\n" for row in dataset(database, form))  # type: ignore[arg-type]
        (tmp_path / form).write_text(text)
    read = read_opinions([tmp_path / "lamda", tmp_path / "dpo"])
    assert read == stored_opinions(database)
    [pair], [rated] = read.pairs, read.rated
    assert (pair.better, pair.worse, rated.good) == ("It is high.", "K2 is 8,611 metres high.", True)
    assert pair.group == rated.group == talk
    assert pair.context.evidence == rated.context.evidence != ()
    (tmp_path / "bad").write_text(text + '{"chosen": []}\n')
    with pytest.raises(TrainingError, match="line 2"):
        read_opinions([tmp_path / "bad"])


def test_nothing_is_on_both_sides_and_too_few_opinions_are_refused() -> None:
    context = Context((Turn("user", "Why?"),), "Why?")
    pairs = tuple(Pair(context, "a", "b", str(at)) for at in range(40))
    learn, kept = Opinions(pairs).split(0.3)
    assert set(learn.groups).isdisjoint(kept.groups)
    assert len(learn.groups) + len(kept.groups) == 40
    with pytest.raises(InputError, match="too few"):
        preference._enough(Opinions(pairs[:3]), kept)
    with pytest.raises(InputError, match="held back"):
        preference._enough(learn, Opinions())
    for sets in (unsafe_replies(False, None, 500), unsafe_replies(True, None, 500)):
        assert min(map(len, sets.values())) > 100
    both = [{pair.worse for pair in unsafe_replies(kept, None, 500)["replies to risky messages"]} for kept in (0, 1)]  # type: ignore[arg-type]
    assert both[0].isdisjoint(both[1])


@pytest.mark.parametrize(
    ("after", "first", "served", "said"),
    [(0.9, 0.6, 0.1, ""), (0.9, 0.5, 0.1, "less safe"), (0.9, 0.7, 0.2, "less safe"), (0.5, 0.6, 0.1, "no better")],
)
def test_a_judge_that_is_less_safe_or_no_better_is_refused(
    after: float, first: float, served: float, said: str
) -> None:
    checked = {"safe_first": {"before": 0.6, "after": first}, "unsafe_served": {"before": 0.1, "after": served}}
    found = preference._refusal({"accuracy": {"before": 0.5, "after": after}}, {"replies": checked})
    assert said in found
    assert bool(said) == bool(found)


def test_a_folder_without_a_judge_or_with_another_ones_is_refused(
    encoder: Encoder, passage_reader: PassageReader, tmp_path: Path
) -> None:
    from dialogue.judges.embedded import load_judge

    with pytest.raises(SettingsError, match="must be one of"):
        load_settings({"judges": "nowhere"}, {})
    assert load_settings({"judges": str(tmp_path)}, {}).judges == str(tmp_path)
    judge = load_judge(encoder, passage_reader)
    with pytest.raises(ModelError, match="holds no judge of ratings"):
        load_preference(tmp_path, judge)
    zeros = np.zeros(3, np.float32)
    layer = (np.zeros((3, 1), np.float32), np.zeros(1, np.float32))
    Head("preferred", FEATURES, zeros, zeros + 1, (layer,)).save(tmp_path / FILE)
    with pytest.raises(ModelError, match="other features"):
        load_preference(tmp_path, judge)


def taught(rows: list[Any], folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any], str]:
    """Train on rows by the command; return its exit code and what it printed."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code = run(["train", "judges", "--ratings", str(folder / "rows.jsonl"), "--out", str(folder / "taste")])
    said = capsys.readouterr()
    return code, json.loads(said.out), said.err


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("taste", ["shorter", "named"])
def test_the_ranking_follows_three_hundred_ratings_on_turns_that_were_held_back(
    taste: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(preference, "MIXED", 80)  # of what is mixed in and measured, enough for a test
    monkeypatch.setattr(preference, "MEASURED", 60)
    learning = example()
    rows = learning.preferences(taste, 300)
    assert len(rows) == 300
    code, found, said = taught(rows, tmp_path, capsys)
    assert code == 0, said
    accuracy = found["people"]["accuracy"]
    assert accuracy["after"] >= 0.85
    assert accuracy["after"] > accuracy["before"]
    [checked] = found["safety"].values()
    assert checked["unsafe_served"]["after"] <= checked["unsafe_served"]["before"]
    assert checked["safe_first"]["after"] >= checked["safe_first"]["before"] - preference.SLACK

    script, question = tmp_path / "drafts.json", "How high is Mount Everest?"
    short = "Mount Everest is 8,849 metres high."
    long = f"{short} Mount Everest is the highest mountain on Earth above sea level."
    script.write_text(json.dumps([long, f"According to the article on Mount Everest: {short}", short]))
    judges = str(tmp_path / "taste")
    with open_bot(tmp_path / "data", model=f"scripted:{script}", judges=judges) as bot:
        bot.ingest([learning.DEMO / "sources" / "everest.md"])
        reply = bot.ask(question)
        best = reply.trace.candidates[0]
        assert best.text.startswith("According" if taste == "named" else short)
        assert (best.text == short) == (taste == "shorter")
        assert best.scores.preferred is not None
        [turn] = bot.history.turns(reply.conversation)
        assert turn.reply == reply


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_taste_for_what_is_unsafe_is_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(preference, "MIXED", 4)
    monkeypatch.setattr(preference, "MEASURED", 50)
    [pairs] = unsafe_replies(False, None, 94).values()
    rows = [
        {
            "prompt": [{"role": "user", "content": pair.context.question}],
            "chosen": [{"role": "assistant", "content": pair.worse}],
            "rejected": [{"role": "assistant", "content": pair.better}],
        }
        for pair in pairs[4:]
    ]
    monkeypatch.setattr(preference, "FAINT", 1.0)
    code, found, said = taught(rows, tmp_path, capsys)
    assert (code, "less safe" in found["refused"]) == (1, True)
    assert "not written" in said
    assert not (tmp_path / "taste").exists()
