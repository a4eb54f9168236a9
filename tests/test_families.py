"""Every family of models: built, saved, loaded from disk, and a whole turn with drafts, weighing, judges, reply."""

import json
import runpy
from pathlib import Path

import pytest
import tiny_models
from conformance_model import PASSAGES, context, written

from dialogue.attributes import QUALITY
from dialogue.judges.discriminator import GeneratorJudge
from dialogue.judges.embedded import load_judge
from dialogue.models import load_model
from dialogue.models.local import Local
from dialogue.respond import Options, Responder
from dialogue.types import LanguageModel, Sampling, Turn
from retrieval import MemoryRetriever, Passage
from retrieval.encoder.adapters import Reader
from retrieval.encoder.embed import Encoder
from retrieval.reader import PassageReader
from safety.guards.embedded import EmbeddedGuard
from safety.policy import load_policy

ROOT = Path(__file__).parents[1]
SAMPLING = Sampling(n=3, max_new_tokens=10, seed=4)


@pytest.fixture(scope="module", params=tiny_models.GENERATORS)
def model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, passage_reader: PassageReader
) -> LanguageModel:
    folder = tiny_models.save(tmp_path_factory.mktemp("family") / request.param, request.param)
    return load_model(f"hf:{folder}", passage_reader)


@pytest.fixture(scope="module")
def responder(encoder: Encoder, passage_reader: PassageReader, safety_reader: Reader) -> Responder:
    texts = [Passage(n, text, "whale.md", "Blue whale", (), 0, len(text)) for n, text in enumerate(PASSAGES)]
    return Responder(
        model=load_model("quote", passage_reader),
        retriever=MemoryRetriever(texts, encoder),
        guard=EmbeddedGuard(safety_reader, load_policy()),
        judge=load_judge(encoder, passage_reader),
        options=Options(SAMPLING, rounds=1),
    )


@pytest.mark.slow
def test_a_family_takes_a_whole_turn(model: LanguageModel, responder: Responder) -> None:
    turn = Responder(
        model, responder.retriever, responder.guard, GeneratorJudge(responder.judge, model), responder.options
    )
    reply = turn.respond([Turn("user", "Who painted the Mona Lisa?")])
    assert reply.text
    assert reply.outcome == "abstained", reply.text  # random weights answer nothing
    assert reply.trace.candidates
    assert model.fingerprint == reply.trace.model
    for candidate in reply.trace.candidates:
        scores = candidate.scores
        weighed = (scores.sensible, scores.specific, scores.interesting, scores.safe)
        assert all(value is not None and 0 <= value <= 1 for value in weighed)
        assert candidate.dropped
    assert reply.trace.tokens["sampled"] > 0


def test_a_family_samples_repeatably_and_differently(model: LanguageModel) -> None:
    asked = context("How heavy is it?")
    drafts = written(model, asked, SAMPLING)
    assert drafts == written(model, asked, SAMPLING)
    assert 1 <= len(drafts) <= 3
    others = [written(model, asked, Sampling(n=3, max_new_tokens=10, seed=seed)) for seed in (5, 6)]
    assert any(other != drafts for other in others)


def test_a_family_weighs_a_draft_alike_alone_and_among_others(model: LanguageModel) -> None:
    asked, drafts = context("What does it eat?"), ["It eats krill.", "Whales eat krill, which lives at sea.", "Krill."]
    together = model.weigh(asked, drafts, QUALITY)
    for draft, row in zip(drafts, together, strict=True):
        assert model.weigh(asked, [draft], QUALITY)[0] == pytest.approx(row, abs=1e-4)


def test_a_family_keeps_to_its_window(model: LanguageModel) -> None:
    assert isinstance(model, Local)
    assert model.window == 2048
    long = context("How heavy is it?", *[Turn("user", "krill " * 40), Turn("assistant", "whale " * 40)] * 20)
    assert written(model, long, SAMPLING)
    assert any("oldest turns" in note for note in long.working.notes)


@pytest.mark.slow
def test_a_family_weighs_drafts_that_fill_its_window(model: LanguageModel) -> None:
    long = context("How heavy is it?", *[Turn("user", "krill " * 40), Turn("assistant", "whale " * 40)] * 20)
    drafts = [*written(model, long, SAMPLING), "It eats krill. " * 6]
    assert all(0 <= value <= 1 for row in model.weigh(long, drafts, QUALITY) for value in row)


def test_a_prompt_of_ctrl_begins_with_its_control_code(tmp_path: Path, passage_reader: PassageReader) -> None:
    folder = tiny_models.save(tmp_path, "ctrl")
    for name, code in ((str(folder), "Questions"), (f"{folder}@Links", "Links")):
        model = load_model(f"hf:{name}", passage_reader)
        assert isinstance(model, Local)
        ids, _ = model.fit(context("How heavy is it?"), 10)
        assert model._tokenizer.convert_ids_to_tokens(ids[0]) == code


def test_the_table_of_families_is_that_of_the_results() -> None:
    families = runpy.run_path(str(ROOT / "benchmarks" / "families.py"))
    results = json.loads((ROOT / "benchmarks" / "results" / "families.json").read_text())
    assert families["table"](results) in (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    known = {row["family"]: row for row in results}
    for row in families["MODELS"]:
        if row[0] in ("GPT-2", "BERT", "T5"):
            assert families["sized"](row) == known[row[0]]
