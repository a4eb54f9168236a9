"""Memory planned before loading, against what tiny and mid-size models really take."""

from dataclasses import replace
from pathlib import Path

import pytest
import tiny_models
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    T5Config,
)

from app.config import Settings
from app.doctor import examine
from dialogue.models.checkpoints import load_checkpoint, plan_checkpoint
from dialogue.models.checkpoints.memory import available, built_bytes, free_bytes, stored_bytes
from dialogue.models.checkpoints.plan import JUDGES, MemoryPlan, Needs, planned, window
from dialogue.types import ModelError

GIB = 2**30
plans = st.builds(
    MemoryPlan,
    weights=st.integers(0, 20 * GIB),
    token=st.integers(1, 2**20),
    window=st.integers(1, 131_072),
    candidates=st.integers(1, 64),
    new_tokens=st.integers(1, 1024),
    free=st.integers(0, 64 * GIB),
    parameter=st.sampled_from([2.0, 4.0]),
    shared=st.booleans(),
    layer=st.integers(0, 2**18),
    scores=st.integers(0, 512),
    logits=st.integers(0, 2**21),
)


def cached(model: PreTrainedModel, tokens: int) -> int:
    """The bytes of the cache that the model itself makes for one row of so many tokens."""
    ids = torch.arange(3, 3 + tokens)[None]
    more = {"decoder_input_ids": ids} if model.config.is_encoder_decoder else {}
    cache = model(input_ids=ids, use_cache=True, **more).past_key_values
    layers = getattr(cache, "self_attention_cache", cache).layers
    return sum(layer.keys.nbytes + layer.values.nbytes for layer in layers)


def _auto(model: PreTrainedModel) -> type:
    return AutoModelForSeq2SeqLM if model.config.is_encoder_decoder else AutoModelForCausalLM


@pytest.mark.parametrize("kind", tiny_models.GENERATORS)
def test_weights_and_cache_are_planned_to_the_byte(kind: str, tmp_path: Path) -> None:
    folder = tiny_models.save(tmp_path, kind)
    planned_before = plan_checkpoint(str(folder))
    found = load_checkpoint(str(folder))
    assert replace(found.plan, free=0) == replace(planned_before, free=0)
    assert found.plan.weights == sum(weight.nbytes for weight in found.model.parameters())
    assert found.plan.token * 40 == cached(found.model, 40)
    assert found.plan.weights == built_bytes(found.model.config, _auto(found.model), 4)


def test_work_bounds_what_a_mid_size_model_takes_to_read_a_chunk() -> None:
    config = LlamaConfig(
        vocab_size=8000, hidden_size=512, intermediate_size=1408, num_hidden_layers=4, num_attention_heads=8
    )
    config.max_position_embeddings = 2048
    model = LlamaForCausalLM(config).eval()
    weights = sum(weight.nbytes for weight in model.parameters())
    plan = planned(config, weights, Needs(candidates=1), 512, 64 * GIB, 4)
    assert built_bytes(config, AutoModelForCausalLM, 4) == weights
    with torch.inference_mode(), torch.profiler.profile(profile_memory=True) as profile:
        model(torch.arange(512)[None], logits_to_keep=1)
    held, peak = 0, 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    assert 0.5 * plan.prompt < peak <= plan.prompt + plan.work


@given(plans, st.integers(0, 64), st.integers(0, 4096), st.integers(0, 512), st.integers(0, GIB))
def test_more_of_anything_never_needs_less(plan: MemoryPlan, rows: int, tokens: int, length: int, weights: int) -> None:
    more = replace(
        plan,
        candidates=plan.candidates + rows,
        window=plan.window + tokens,
        new_tokens=plan.new_tokens + length,
        weights=plan.weights + weights,
    )
    assert more.need >= plan.need
    assert plan.need == plan.weights + plan.head + plan.prompt + plan.drafts + plan.work + JUDGES
    assert plan.fits or not more.fits


@given(plans)
def test_what_is_suggested_fits_and_one_more_would_not(plan: MemoryPlan) -> None:
    fewer, shorter = plan.most_candidates(), plan.most_tokens()
    assert fewer == 0 or replace(plan, candidates=fewer).fits
    assert shorter == 0 or replace(plan, window=shorter).fits
    assert plan.fits == (fewer == plan.candidates) == (shorter == plan.window)
    if not plan.fits:
        assert not replace(plan, candidates=fewer + 1).fits
        assert not replace(plan, window=shorter + 1).fits
        assert plan.advice()


@given(plans)
def test_a_model_of_the_size_that_is_advised_fits(plan: MemoryPlan) -> None:
    advice = plan.advice()
    if plan.fits or "in bfloat16" not in advice:
        return
    billions = float(advice.partition(" in bfloat16")[0].rpartition(" ")[2])
    smaller = replace(plan, weights=int((billions - 0.05) * 2e9), candidates=1, window=min(512, plan.window))
    assert smaller.fits


def test_a_model_that_does_not_fit_is_refused_with_each_part_and_what_would_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_models.save(tmp_path, "gpt2", window=100_000)
    needs = Needs(context=0, candidates=64, new_tokens=1000)
    plan = plan_checkpoint(str(folder), needs=needs)
    monkeypatch.setattr("dialogue.models.checkpoints.free_bytes", lambda device: plan.need - 1)
    with pytest.raises(ModelError, match=r"weights .*100000 tokens .*64 drafts .*judges 0\.29.*set candidates = 6"):
        load_checkpoint(str(folder), needs=needs)
    monkeypatch.setattr("dialogue.models.checkpoints.free_bytes", lambda device: plan.need)
    assert load_checkpoint(str(folder), needs=needs).plan.fits
    monkeypatch.setattr("dialogue.models.checkpoints.free_bytes", lambda device: 2**20)
    with pytest.raises(ModelError, match="free memory"):
        load_checkpoint(str(folder), needs=needs)


def test_the_window_is_the_smaller_of_the_models_and_the_setting(tmp_path: Path) -> None:
    folder = str(tiny_models.save(tmp_path, "llama", window=1600))
    assert plan_checkpoint(folder).window == 1600
    assert plan_checkpoint(folder, needs=Needs(context=700)).window == 700
    assert plan_checkpoint(folder, needs=Needs(context=0)).window == 1600


def test_bfloat16_halves_the_weights(tmp_path: Path) -> None:
    folder = tiny_models.save(tmp_path, "llama")
    full, half = (plan_checkpoint(str(folder), needs=Needs(dtype=name)) for name in ("float32", "bfloat16"))
    assert full.weights == 2 * half.weights
    assert full.token == 2 * half.token
    assert load_checkpoint(str(folder), needs=Needs(dtype="bfloat16")).model.dtype == torch.bfloat16
    with pytest.raises(ModelError, match="auto, float32 or bfloat16"):
        plan_checkpoint(str(folder), needs=Needs(dtype="float8"))


def test_weights_cut_off_are_told_before_loading(tmp_path: Path) -> None:
    folder = tiny_models.save(tmp_path, "llama")
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    for cut in (whole[:4], whole[:100], whole[:-10], b"\xff" * 64):
        weights.write_bytes(cut)
        with pytest.raises(ModelError, match="fetch them again"):
            load_checkpoint(str(folder))
    weights.write_bytes(whole)
    assert stored_bytes(folder, None) == stored_bytes(folder, 4)


def test_control_groups_limit_what_is_free(tmp_path: Path) -> None:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 9999999 kB\nMemAvailable: 8388608 kB\n")
    assert available(tmp_path) == 8 * GIB
    assert free_bytes(torch.device("cpu"), tmp_path) == 8 * GIB
    (tmp_path / "proc" / "self" / "cgroup").write_text("0::/outer/inner\n")
    outer = tmp_path / "sys" / "fs" / "cgroup" / "outer"
    (outer / "inner").mkdir(parents=True)
    for folder, limit in ((outer, str(4 * GIB)), (outer / "inner", "max")):
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{3 * GIB}\n")
        (folder / "memory.stat").write_text(f"anon 5\ninactive_file {GIB}\n")
    assert free_bytes(torch.device("cpu"), tmp_path) == 2 * GIB
    (tmp_path / "proc" / "self" / "cgroup").write_text("3:cpu:/\n4:memory:/box\n0::/\n")
    box = tmp_path / "sys" / "fs" / "cgroup" / "memory" / "box"
    box.mkdir(parents=True)
    (box / "memory.limit_in_bytes").write_text(f"{GIB}\n")
    (box / "memory.usage_in_bytes").write_text(f"{GIB // 2}\n")
    (box / "memory.stat").write_text("total_inactive_file 0\n")
    assert free_bytes(torch.device("cpu"), tmp_path) == GIB // 2


def test_the_doctor_tells_the_plan_without_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = f"hf:{tiny_models.save(tmp_path / 'gemma', 'gemma')}"
    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", None)
    [found] = [finding for finding in examine(Settings(tmp_path, spec), "given") if finding.name == "model"]
    assert (found.state, "GiB needed (weights" in found.detail) == ("ok", True)
    monkeypatch.setattr("dialogue.models.checkpoints.free_bytes", lambda device: 2**28)
    [found] = [finding for finding in examine(Settings(tmp_path, spec), "given") if finding.name == "model"]
    assert found.state == "fail"
    assert found.advice
    [found] = [f for f in examine(Settings(tmp_path, "hf:./nothing"), "given") if f.name == "model"]
    assert (found.state, "no model folder" in found.detail) == ("fail", True)


def test_a_tokenizers_limit_binds_only_where_positions_are_absolute() -> None:
    assert window(T5Config(), 512) == 2048
    assert window(LlamaConfig(max_position_embeddings=4096), 512) == 512
    assert window(LlamaConfig(max_position_embeddings=4096), 10**30) == 4096
