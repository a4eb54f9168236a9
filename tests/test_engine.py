"""The decoder of many requests: fairness, memory, failure; and the choice of tokens."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_models
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, PreTrainedModel

from app.config import load_settings
from app.doctor import examine
from dialogue.models import load_model
from dialogue.models.checkpoints import load_checkpoint
from dialogue.models.decoding import Drafting, Question, attention, shared_prompt
from dialogue.models.decoding import engine as engines
from dialogue.models.decoding.choice import choose, generator
from dialogue.models.decoding.engine import Engine
from dialogue.models.decoding.plain import Plain
from dialogue.models.decoding.shared_prompt import takes_shared_prompt
from dialogue.models.local import Local
from dialogue.types import ModelError, Sampling
from retrieval.reader import PassageReader

SHORT, LONG = list(range(5, 25)), [5 + n % 300 for n in range(200)]
QUESTIONS = [Question((7, 8), (9,), (10,)), Question((3, 4, 5), (19,), (10, 12))]

Rows = list[tuple[list[int], bool]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedModel:
    made = AutoModelForCausalLM.from_pretrained(tiny_models.save(tmp_path_factory.mktemp("llama"), "llama")).eval()
    assert takes_shared_prompt(made)
    return made


@pytest.mark.parametrize(("kind", "reason"), [("bloom", "takes no attention from outside"), ("t5", "no attention")])
def test_a_model_that_cannot_share_prompts_is_named_with_the_reason(
    tmp_path: Path, passage_reader: PassageReader, caplog: pytest.LogCaptureFixture, kind: str, reason: str
) -> None:
    folder = tiny_models.save(tmp_path / kind, kind)
    load_model(f"hf:{folder}", passage_reader)
    [said] = [record for record in caplog.records if record.name == shared_prompt.__name__]
    assert said.levelname == "WARNING"
    assert str(folder) in said.getMessage()
    assert reason in said.getMessage()


@pytest.mark.parametrize("failure", [ValueError("no such mask"), TypeError("no position_ids"), RuntimeError("sizes")])
def test_a_model_that_fails_the_trial_is_put_back_and_named(
    model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failure: Exception
) -> None:
    def failing(*given: object) -> None:
        raise failure

    model.set_attn_implementation("eager")
    monkeypatch.setattr(shared_prompt, "_tried", failing)
    try:
        assert not takes_shared_prompt(model)
        assert model.config._attn_implementation == "eager"
        assert f"{type(failure).__name__}: {failure}" in caplog.text
    finally:
        monkeypatch.undo()
        assert takes_shared_prompt(model)


def test_memory_planned_for_a_shared_prompt_is_planned_again_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*given: object) -> None:
        raise ValueError("no such mask")

    found = load_checkpoint(str(tiny_models.save(tmp_path, "llama")))
    plan = replace(found.plan, free=found.plan.need)
    assert plan.fits
    monkeypatch.setattr(shared_prompt, "_tried", failing)
    with pytest.raises(ModelError, match="a copy for each draft"):
        Local(found.model, found.tokenizer, found.name, found.fingerprint, plan=plan)
    Local(found.model, found.tokenizer, found.name, found.fingerprint, plan=found.plan)


@pytest.mark.parametrize(("kind", "copies"), [("llama", False), ("bloom", True)])
def test_doctor_says_whether_drafts_share_their_prompt(tmp_path: Path, kind: str, copies: bool) -> None:
    folder = tiny_models.save(tmp_path / kind, kind)
    settings = load_settings({"model": f"hf:{folder}", "data_dir": str(tmp_path / "data")}, {})
    [said] = [finding.detail for finding in examine(settings, "encoder") if finding.name == "model"]
    assert ("a copy for each draft" in said) is copies


def test_a_model_whose_logits_differ_is_named_with_how_much(
    model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = shared_prompt._tried
    monkeypatch.setattr(shared_prompt, "_tried", lambda model, ids: tried(model, ids) + 1)
    try:
        assert not takes_shared_prompt(model)
        assert "its logits are off by" in caplog.text
    finally:
        monkeypatch.undo()
        assert takes_shared_prompt(model)


def test_a_mistake_of_ours_does_not_choose_the_decoder(model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object) -> None:
        raise AssertionError("a mistake")

    monkeypatch.setattr(shared_prompt, "_tried", broken)
    try:
        with pytest.raises(AssertionError, match="a mistake"):
            takes_shared_prompt(model)
    finally:
        monkeypatch.undo()
        assert takes_shared_prompt(model)


@pytest.fixture
def engine(model: PreTrainedModel) -> Engine:
    return Engine(model)


def drafting(n: int = 3, new: int = 8, **more: float) -> Drafting:
    return Drafting(Sampling(n=n, max_new_tokens=new, **more), frozenset())  # type: ignore[arg-type]


def rows(steps: Iterator[Rows]) -> Rows:
    return [row for step in steps for row in step]


def test_a_long_prompt_does_not_hold_up_a_reply_that_is_being_written(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "CHUNK", 20)
    first = engine.sample(SHORT, drafting(new=9))
    next(first)
    second = engine.sample(LONG, drafting())
    for _ in range(8):  # whoever waits for the second takes the steps of the first, too
        next(second)
    assert next(first)
    [reading] = engine._scheduler.running
    assert not reading.started
    assert len(rows(second)) == 3


def test_a_request_waits_for_memory_and_gets_it(model: PreTrainedModel) -> None:
    engine = Engine(model)
    rows(engine.sample(SHORT, drafting()))
    small = Engine(model, memory=60 * engine._token_bytes)
    rows(small.sample(SHORT, drafting()))
    first, second = small.sample(SHORT, drafting(new=5)), small.sample(LONG[:40], drafting(new=5))
    next(first)
    next(second)
    assert len(small._scheduler.waiting) == 1
    assert len(rows(second)) == 3
    assert not small._scheduler.waiting


def test_the_failure_of_one_request_is_not_that_of_another(engine: Engine) -> None:
    good, bad = engine.sample(SHORT, drafting()), engine.sample([10**6, 5], drafting())
    with pytest.raises(IndexError):
        rows(bad)
    assert len(rows(good)) == 3
    assert not engine._scheduler.running


def test_remembered_prompts_are_bounded(model: PreTrainedModel) -> None:
    once = Engine(model)
    rows(once.sample(LONG, drafting()))
    [prefix] = once._prompts.prompts
    engine = Engine(model, kept=3 * prefix.bytes)
    for start in range(10):
        rows(engine.sample([start + 5, *LONG], drafting()))
        assert sum(kept.bytes for kept in engine._prompts.prompts) <= 3 * prefix.bytes
    assert len(engine._prompts.prompts) == 2


def test_the_drafts_kept_with_a_prompt_are_bounded(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "TAILS", 10)
    for _ in range(5):
        last = rows(engine.sample(SHORT, drafting(n=4, temperature=5.0, top_k=0)))
    [prefix] = engine._prompts.prompts
    assert len(prefix.rows) == 10
    assert all(tuple(row) in prefix.rows for row, _ in last)


@given(st.lists(st.lists(st.integers(5, 300), max_size=9), min_size=1, max_size=5), st.integers(1, 40))
def test_weighing_kept_and_new_drafts_equals_the_plain_way(
    model: PreTrainedModel, drafts: list[list[int]], length: int
) -> None:
    engine, plain = Engine(model), None
    written = [row for row, _ in rows(engine.sample(LONG[:length], drafting(seed=length)))]
    asked = [*drafts, *written, written[0][:4], [*written[1][:2], 77]]
    ours = engine.weigh(LONG[:length], asked, QUESTIONS, Counter())
    model.set_attn_implementation("eager")
    try:
        plain = Plain(model).weigh(LONG[:length], asked, QUESTIONS, Counter())
    finally:
        takes_shared_prompt(model)
    for one, other in zip(ours, plain, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


logits = st.lists(st.floats(-20, 20, width=32), min_size=2, max_size=30)


@given(logits, st.integers(0, 40), st.floats(0.05, 1), st.floats(0, 0.9), st.floats(0.1, 5), st.integers(0, 2**40))
def test_what_is_chosen_is_within_every_limit(
    row: list[float], top_k: int, top_p: float, min_p: float, temperature: float, seed: int
) -> None:
    sampling = Sampling(top_k=top_k, top_p=top_p, min_p=min_p, temperature=temperature)
    given_row = torch.tensor([row])
    tokens = choose(given_row, sampling, generator(seed, torch.device("cpu")), times=20)
    assert tokens == choose(given_row, sampling, generator(seed, torch.device("cpu")), times=20)
    weights = (given_row[0] / temperature).softmax(0)
    for token in set(tokens):
        likelier = sorted((float(w) for n, w in enumerate(weights) if row[n] > row[token]), reverse=True)
        assert top_k == 0 or len(likelier) < top_k
        kept = sum(sorted(map(float, weights), reverse=True)[: top_k or None])
        assert sum(likelier) / kept < top_p + 1e-5
        assert float(weights[token]) >= min_p * float(weights.max()) - 1e-6


@given(logits)
def test_temperature_zero_takes_the_likeliest(row: list[float]) -> None:
    [token] = choose(torch.tensor([row]), Sampling(temperature=0), generator(None, torch.device("cpu")))
    assert math.isclose(row[token], max(row), rel_tol=1e-6, abs_tol=1e-6)


def test_no_draft_begins_as_is_not_wanted(model: PreTrainedModel, engine: Engine) -> None:
    def begun(decoder: Engine | Plain, *unwanted: tuple[int, ...]) -> list[int]:
        asked = Drafting(Sampling(1, temperature=0.0, max_new_tokens=4), frozenset(), unwanted=unwanted)
        [(row, _)] = [draft for step in decoder.sample(SHORT, asked) for draft in step]
        return row

    def holds(decoder: Engine | Plain) -> None:
        free = begun(decoder)
        second = begun(decoder, (free[0], free[1]))
        assert second[0] == free[0]
        assert second[1] != free[1]
        assert begun(decoder, (free[0],))[0] != free[0]
        assert begun(decoder, (free[0] + 1, free[1])) == free

    holds(engine)
    model.set_attn_implementation("eager")
    try:
        holds(Plain(model))
    finally:
        takes_shared_prompt(model)
