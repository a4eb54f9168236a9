"""Models that read pictures, as tiny random checkpoints loaded from disk through the same doors as real ones."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conformance_model import ModelConformance, written
from tiny_models import save
from tiny_vision import CHATTING, KINDS, STRICT, png, save_vision
from transformers.utils import logging

from app import open_bot
from app.config import Settings
from app.doctor import examine
from dialogue.attributes import SENSIBLE, UNSAFE
from dialogue.models import load_model, load_viewer, vision
from dialogue.models.local import Local
from dialogue.models.vision import ONE_PICTURE, Vision, load_vision, sees
from dialogue.types import Attribute, Context, LanguageModel, ModelError, Picture, Sampling, Step, Turn
from retrieval.reader import PassageReader
from retrieval.types import Evidence, Passage

RED, BLUE = Picture("red.png", png()), Picture("blue.png", png("blue"))
FEW = Sampling(3, max_new_tokens=8, seed=1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    logging.set_verbosity_error()
    root = tmp_path_factory.mktemp("vision")
    return {kind: save_vision(root / kind, kind) for kind in KINDS}


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, Vision]:
    return {kind: load_vision(str(folder)) for kind, folder in folders.items()}


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights never come to an end by themselves."""
    monkeypatch.setattr(vision, "TOKENS", 16)


def asked(text: str = "What is this?", *pictures: Picture, evidence: tuple[Evidence, ...] = ()) -> Context:
    return Context((Turn("user", text, pictures),), text, evidence)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_describes_pictures_greedily_and_bounded(models: dict[str, Vision], kind: str) -> None:
    model = models[kind]
    told = model.describe([RED, BLUE, RED])
    assert len(told) == 3
    assert told[0] == told[2]
    assert model.describe([BLUE]) == told[1:2]
    for text in told:
        assert len(model._tokenizer(text)["input_ids"]) <= 4 * vision.TOKENS  # what is no text decodes to longer text
    assert model.describe([]) == []


def test_another_picture_is_another_description(models: dict[str, Vision]) -> None:
    first, second = models["blip2-opt"].describe([RED, BLUE])
    assert first != second


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_writes_drafts_that_a_seed_repeats(models: dict[str, Vision], kind: str) -> None:
    context = asked("What is this?", RED)
    drafts = written(models[kind], context, FEW)
    assert drafts
    assert drafts == written(models[kind], asked("What is this?", RED), FEW)
    assert 0 < context.working.tokens["sampled"] <= 24
    assert context.working.tokens["prompt"] > 0
    assert len(written(models[kind], context, Sampling(3, temperature=0, max_new_tokens=8))) <= 1


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "blip"])
def test_every_kind_weighs_yes_against_no(models: dict[str, Vision], kind: str) -> None:
    drafts = ["It is red.", "It is a house."]
    weights = models[kind].weigh(asked("What is this?", RED), drafts, [SENSIBLE, UNSAFE])
    assert len(weights) == 2
    for row in weights:
        assert all(0 < value < 1 for value in row)
        assert not math.isclose(row[0], row[1], rel_tol=1e-6)


@pytest.mark.parametrize("kind", CHATTING)
def test_pictures_stand_with_the_turns_they_came_with(models: dict[str, Vision], kind: str) -> None:
    model = models[kind]
    mark = model._processor.image_token if kind == "idefics3" else "<start_of_image>"
    turns = (Turn("user", "One", (RED,)), Turn("assistant", "Yes"), Turn("user", "Two", (BLUE, RED)))
    ids = model._fitting(Context(turns, "Two"), {id(turn): _pixels(turn) for turn in turns}, 8)[1]["input_ids"][0]
    text = model._tokenizer.decode(ids)
    one, two = text.index("One"), text.index("Two")
    assert mark in text[:one]
    assert mark in text[one:two]
    assert mark not in text[two:]


@pytest.mark.parametrize("kind", CHATTING)
def test_a_mark_that_somebody_types_stands_for_no_picture(models: dict[str, Vision], kind: str) -> None:
    hostile = " ".join(models[kind]._special)
    passage = Passage(1, f"A {hostile} whale.", hostile, hostile, (), 0, 9)
    context = asked(f"What {hostile} is this?", RED, evidence=(Evidence(passage, 1.0),))
    assert list(models[kind].sample(context, FEW))
    blank = " " * (2 * len(models[kind]._special) - 1)
    assert written(models[kind], asked(f"What {hostile} is this?"), FEW) == written(
        models[kind], asked(f"What {blank} is this?"), FEW
    )


@pytest.mark.parametrize("kind", CHATTING)
def test_without_pictures_the_faster_door_answers_over_the_same_weights(models: dict[str, Vision], kind: str) -> None:
    model = models[kind]
    assert isinstance(model._words, Local)
    before = model.weigh(asked("What is this?", RED), ["It is red."], [SENSIBLE])
    assert list(model.sample(asked(), FEW))
    [[alone]] = model.weigh(asked(), ["It is red."], [SENSIBLE])
    assert 0 < alone < 1
    assert model.weigh(asked("What is this?", RED), ["It is red."], [SENSIBLE]) == before


def test_both_doors_of_a_model_hold_one_set_of_weights(folders: dict[str, Path]) -> None:
    model = load_vision(str(folders["gemma3"]))
    assert model.weigh(asked(), ["It is red."], [SENSIBLE]) != [[0.5]]
    with torch.no_grad():
        model._model.get_output_embeddings().weight.zero_()
    assert model.weigh(asked(), ["It is red."], [SENSIBLE]) == [[0.5]]
    assert model.weigh(asked("What is this?", RED), ["It is red."], [SENSIBLE]) == [[0.5]]


def test_a_captioner_without_a_picture_says_what_it_needs(models: dict[str, Vision]) -> None:
    for kind in ("blip", "blip2-opt", "git"):
        assert models[kind]._kind in ONE_PICTURE
        with pytest.raises(ModelError, match="send one"):
            list(models[kind].sample(asked(), FEW))


def test_a_template_that_insists_on_alternation_gets_it(tmp_path: Path) -> None:
    model = load_vision(str(save_vision(tmp_path / "strict", "gemma3", STRICT)))
    turns = (Turn("system", "Be kind."), Turn("user", "One", (RED,)), Turn("user", "Two"))
    assert list(model.sample(Context(turns, "Two"), FEW))
    assert list(model.sample(Context(turns[2:], "Two"), FEW))


def test_what_does_not_fit_is_left_out_oldest_first_or_told(models: dict[str, Vision]) -> None:
    model = models["idefics3"]
    old = tuple(turn for _ in range(20) for turn in (Turn("user", "Long ago. " * 60), Turn("assistant", "I see.")))
    context = Context((*old, Turn("user", "And this?", (RED,))), "And this?")
    assert list(model.sample(context, FEW))
    assert "left out" in context.working.notes[0]
    assert context.working.tokens["prompt"] < model.window
    with pytest.raises(ModelError, match="shorter question"):
        list(model.sample(asked("word " * 9000, RED), FEW))


def test_half_precision_reads_pictures_too(folders: dict[str, Path]) -> None:
    for kind in KINDS:
        model = load_vision(str(folders[kind]))
        model._model.to(torch.bfloat16)
        assert len(model.describe([RED])) == 1


def test_the_door_knows_what_reads_pictures(
    folders: dict[str, Path], tmp_path: Path, passage_reader: PassageReader
) -> None:
    assert all(sees(str(folder)) for folder in folders.values())
    words = save(tmp_path / "llama", "llama")
    assert not sees(str(words))
    assert not sees(str(tmp_path / "none"))
    assert isinstance(load_model(f"hf:{folders['gemma3']}", passage_reader), Vision)
    assert isinstance(load_model(f"hf:{words}", passage_reader), Local)


def test_a_viewer_that_cannot_be_had_says_what_to_do(tmp_path: Path, models: dict[str, Vision]) -> None:
    words = save(tmp_path / "llama", "llama")
    for spec, reason in (
        (f"hf:{words}", "reads no pictures: choose a model such as BLIP"),
        (f"hf:{tmp_path / 'none'}", "no model folder"),
        ("blip", "use hf:"),
        ("hf:", "use hf:"),
    ):
        with pytest.raises(ModelError, match=reason):
            load_viewer(spec, models["blip"])
    assert load_viewer("", models["gemma3"]) is not None
    pickled = save_vision(tmp_path / "git", "git")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(ModelError, match="never loaded"):
        load_viewer(f"hf:{pickled}", models["blip"])


def test_a_folder_without_a_processor_is_told(tmp_path: Path) -> None:
    folder = save_vision(tmp_path / "bare", "idefics3")
    for name in ("processor_config.json", "preprocessor_config.json"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(ModelError, match="bare"):
        load_vision(str(folder))


def test_the_bot_describes_with_a_viewer_and_cites_the_picture(folders: dict[str, Path], tmp_path: Path) -> None:
    with open_bot(tmp_path / "data", "quote", viewer=f"hf:{folders['blip']}") as bot:
        reply = bot.ask("", images=[png()])
        assert reply.trace.evidence[0].passage.source == "picture"
        assert reply.outcome == "answered"
        assert {cited.source for cited in reply.citations} == {"picture"}


def test_a_model_that_sees_is_its_own_viewer(folders: dict[str, Path], tmp_path: Path) -> None:
    with open_bot(tmp_path / "data", model=f"hf:{folders['idefics3']}", candidates=1, research_rounds=0) as bot:
        reply = bot.ask("What is this?", images=[png()])
        assert reply.trace.candidates
        assert "look" in reply.trace.timings
        assert reply.trace.tokens["prompt"] > 0
        held = [*(item for item in reply.trace.evidence), *(item for item, _ in reply.trace.withheld)]
        assert [item.passage.source for item in held] == ["picture"]


def _pixels(turn: Turn) -> list[object]:
    from dialogue.pictures import pixels

    return [pixels(picture) for picture in turn.pictures]


class Pictured:
    """A model that is shown a picture with every question."""

    def __init__(self, model: Vision) -> None:
        self._model = model
        self.name, self.fingerprint = model.name, model.fingerprint

    def sample(self, context: Context, sampling: Sampling) -> Iterable[Step | str]:
        return self._model.sample(shown(context), sampling)

    def weigh(self, context: Context, drafts: Sequence[str], attributes: Sequence[Attribute]) -> list[list[float]]:
        return self._model.weigh(shown(context), drafts, attributes)


def shown(context: Context) -> Context:
    *earlier, last = context.turns
    return replace(context, turns=(*earlier, replace(last, pictures=(RED,))))


class TestPictured(ModelConformance):
    """What every language model keeps, kept with pictures too."""

    @pytest.fixture(params=["blip2-opt", "blip2-t5", "idefics", "idefics3", "gemma3"])
    def model(self, request: pytest.FixtureRequest, models: dict[str, Vision]) -> LanguageModel:
        return Pictured(models[request.param])


class TestWithoutPictures(ModelConformance):
    """And kept by models that can do without."""

    @pytest.fixture(params=["idefics", "gemma3"])
    def model(self, request: pytest.FixtureRequest, models: dict[str, Vision]) -> LanguageModel:
        return models[request.param]


def test_the_doctor_tells_a_viewer_from_what_is_none(folders: dict[str, Path], tmp_path: Path) -> None:
    words = save(tmp_path / "llama", "llama")
    states = []
    for viewer in (f"hf:{folders['git']}", f"hf:{words}", "blip", ""):
        found = examine(Settings(data_dir=tmp_path / "data", model="quote", viewer=viewer), "none")
        states.append([finding.state for finding in found if finding.name == "viewer"])
    assert states == [["ok"], ["fail"], ["fail"], []]
