"""Language models from a folder, on tiny random checkpoints."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_models
import torch
from conformance_model import EVIDENCE, context

from dialogue.models.drafts import clean
from dialogue.models.local import Local, load_local
from dialogue.types import ModelError, Sampling, Turn

FIVE = Sampling(n=5, max_new_tokens=12, seed=1)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save(tmp_path_factory.mktemp("llama"), "llama", tiny_models.CHAT)


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save(tmp_path_factory.mktemp("gpt2"), "gpt2")


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def model(request: pytest.FixtureRequest) -> Local:
    return load_local(str(request.getfixturevalue(request.param)))


def test_drafts_differ_and_temperature_zero_gives_the_greedy_one(model: Local) -> None:
    assert len(set(model.sample(context("What does it eat?"), FIVE))) > 1
    greedy = Sampling(n=5, temperature=0, max_new_tokens=12)
    assert model.sample(context("What does it eat?"), greedy) == model.sample(context("What does it eat?"), greedy)
    assert len(model.sample(context("What does it eat?"), greedy)) == 1


def test_without_a_seed_drafts_are_new_each_time(model: Local) -> None:
    unseeded = replace(FIVE, seed=None)
    assert model.sample(context("Hello"), unseeded) != model.sample(context("Hello"), unseeded)


def test_seeds_reproduce_while_other_threads_sample(model: Local) -> None:
    asked = context("How heavy is it?")
    alone = {seed: model.sample(asked, replace(FIVE, seed=seed)) for seed in (1, 2)}
    assert alone[1] != alone[2]
    seeds = [1, None, 2, None, 1, 2]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: model.sample(asked, replace(FIVE, seed=seed)), seeds))
    assert all(drafts == alone[seed] for seed, drafts in zip(seeds, together, strict=True) if seed)


def test_a_seeded_call_leaves_the_process_generator_alone(model: Local) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    model.sample(context("Hello"), FIVE)
    assert torch.equal(before, torch.get_rng_state())


def test_reading_the_prompt_once_writes_what_reading_it_n_times_writes(
    model: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, _ = model.fit(context("How heavy is it?"), 12)
    shared = model._generate(ids, FIVE)
    monkeypatch.setattr(model, "_prefilled", lambda prompt, n: {})
    assert model._generate(ids, FIVE) == shared


def test_options_are_weighed_as_separate_passes_would(model: Local) -> None:
    prompt, options = (
        "Is the whale large? Candor:",
        [" yes", " no, it is not", " krill", " It eats krill and"],
    )
    weights = model.weigh(prompt, options)
    totals = []
    for option in options:
        start = len(model._tokenizer(prompt)["input_ids"]) + 1
        ids = torch.tensor([[0, *model._tokenizer(prompt + option)["input_ids"]]])
        logs = model._model(ids).logits.float().log_softmax(-1)
        totals.append(sum(logs[0, place - 1, ids[0, place]].item() for place in range(start, ids.shape[1])))
    expected = torch.tensor(totals).double().softmax(0).tolist()
    assert weights == pytest.approx(expected, abs=1e-4)
    assert sum(weights) == pytest.approx(1)
    assert model.weigh(prompt, options[::-1]) == pytest.approx(weights[::-1], abs=1e-4)


def test_options_need_a_prompt_and_must_differ(model: Local) -> None:
    for prompt, options in (("", [" a", " b"]), ("x", []), ("x", [" a", " a"]), ("x", [" a", ""])):
        with pytest.raises(ModelError, match="weigh takes"):
            model.weigh(prompt, options)


def test_a_long_prompt_is_weighed_by_its_end(model: Local) -> None:
    assert sum(model.weigh("the whale " * 3000 + "Is it?", [" yes", " no"])) == pytest.approx(1)


def test_a_short_window_loses_old_turns_then_passages_and_says_so(tmp_path: Path) -> None:
    small = load_local(str(tiny_models.save(tmp_path, "llama", tiny_models.CHAT, window=1600)))
    turns = [Turn("user" if i % 2 == 0 else "assistant", f"turn {i} " + "krill " * 60) for i in range(20)]
    ids, note = small.fit(context("How heavy?", *turns), 100)
    prompt = small._tokenizer.decode(ids)
    assert len(ids) <= 1500
    assert "oldest turns, 0 last passages" in note
    assert "turn 0 " not in prompt
    assert "turn 19 " in prompt
    assert "190 tonnes" in prompt
    many = EVIDENCE * 12
    ids, note = small.fit(context("How heavy?", *turns, evidence=many), 100)
    assert len(ids) <= 1500
    assert note.startswith("left out to fit 1500 tokens: 20 oldest turns")
    assert "How heavy?" in small._tokenizer.decode(ids)
    assert small.fit(context("How heavy?"), 100)[1] == ""
    with pytest.raises(ModelError, match="shorter question"):
        small.sample(context("why " * 3000), FIVE)


def test_a_template_without_a_system_role_still_gets_the_instructions(tmp_path: Path) -> None:
    strict = load_local(str(tiny_models.save(tmp_path, "llama", tiny_models.STRICT)))
    prompt = strict._tokenizer.decode(strict.fit(context("How heavy?"), 20)[0])
    assert "190 tonnes" in prompt
    assert prompt.count("<|user|>") == 1


def test_a_finetuned_copy_has_another_fingerprint(llama: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    copy = shutil.copytree(llama, tmp_path / llama.name)
    assert load_local(str(copy)).fingerprint == load_local(str(llama)).fingerprint
    weights = load_file(copy / "model.safetensors")
    weights["model.norm.weight"] += 0.01
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert load_local(str(copy)).fingerprint != load_local(str(llama)).fingerprint


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("It eats krill. \nUser: and then?", "It eats krill."),
        ("Candor: It eats krill.", "It eats krill."),
        ("<think>Hm, krill?</think> It eats krill.", "It eats krill."),
        ("It eats krill. It also", "It eats krill."),
        ("It eats", "It eats"),
        ("User: what?", "what?"),
        ("Its mass is 3.5", "Its mass is 3.5"),
    ],
)
def test_drafts_are_cut_to_what_the_speaker_said(written: str, kept: str) -> None:
    assert clean(written, finished=False) == kept


def test_a_finished_draft_keeps_its_last_words() -> None:
    assert clean("It eats krill. Yes indeed", finished=True) == "It eats krill. Yes indeed"


@pytest.mark.parametrize("name", ["./no-such-folder", "/no/such/folder", "~/nothing"])
def test_a_missing_folder_is_named(name: str) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        load_local(name)


def test_a_hub_name_that_cannot_be_reached_says_what_to_check() -> None:
    with pytest.raises(ModelError, match="check the spelling and the network"):
        load_local("nobody/no-such-model")


def test_pickled_weights_are_never_loaded(llama: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(llama, tmp_path / "pickled")
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ModelError, match="convert the checkpoint to safetensors"):
        load_local(str(copy))


def test_code_of_a_checkpoint_is_never_run(llama: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(llama, tmp_path / "own-code")
    config = json.loads((copy / "config.json").read_text())
    config |= {
        "model_type": "surprise",
        "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"},
    }
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "own.py").write_text("raise SystemExit('this code ran')")
    with pytest.raises(ModelError, match="code of its own"):
        load_local(str(copy))


def test_a_model_that_is_no_decoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a causal language model"):
        load_local(str(tiny_models.save(tmp_path, "t5")))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        load_local(str(tmp_path))


def test_running_out_of_memory_says_what_to_do(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_local(str(llama))

    def exhausted(*args: object, **options: object) -> None:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(model._model, "generate", exhausted)
    with pytest.raises(ModelError, match="fewer candidates"):
        model.sample(context("Hello"), FIVE)
