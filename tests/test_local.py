"""Language models from a folder, on tiny random checkpoints."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_models
import torch
from conformance_model import EVIDENCE, context, written

from dialogue import Gates, Options, Responder
from dialogue.attributes import QUALITY, SENSIBLE, UNSAFE
from dialogue.judges.discriminator import GeneratorJudge
from dialogue.judges.embedded import load_judge
from dialogue.models.decoding import Drafting
from dialogue.models.decoding.engine import Engine
from dialogue.models.drafts import clean
from dialogue.models.local import Local, load_local
from dialogue.types import Attribute, Context, ModelError, Sampling, Turn
from retrieval import MemoryRetriever
from retrieval.encoder.adapters import Reader
from retrieval.encoder.embed import Encoder
from retrieval.reader import PassageReader
from safety import EmbeddedGuard, load_policy

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
    assert len(set(written(model, context("What does it eat?"), FIVE))) > 1
    greedy = Sampling(n=5, temperature=0, max_new_tokens=12)
    assert written(model, context("What does it eat?"), greedy) == written(model, context("What does it eat?"), greedy)
    asked = context("What does it eat?")
    assert len(written(model, asked, greedy)) == 1
    assert "What does it eat?" in asked.working.prompt


def test_without_a_seed_drafts_are_new_each_time(model: Local) -> None:
    unseeded = replace(FIVE, seed=None)
    assert written(model, context("Hello"), unseeded) != written(model, context("Hello"), unseeded)


def test_seeds_reproduce_while_other_threads_sample(model: Local) -> None:
    asked = context("How heavy is it?")
    alone = {seed: written(model, asked, replace(FIVE, seed=seed)) for seed in (1, 2)}
    assert alone[1] != alone[2]
    seeds = [1, None, 2, None, 1, 2]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: written(model, asked, replace(FIVE, seed=seed)), seeds))
    assert all(drafts == alone[seed] for seed, drafts in zip(seeds, together, strict=True) if seed)


def test_a_seeded_call_leaves_the_process_generator_alone(model: Local) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    written(model, context("Hello"), FIVE)
    assert torch.equal(before, torch.get_rng_state())


def test_every_token_is_read_once_and_counted(model: Local) -> None:
    asked = context("How heavy is it?")
    prompt = len(model.fit(asked, 12)[0])
    drafts = written(model, asked, replace(FIVE, seed=3))
    model.weigh(asked, drafts, QUALITY)
    tokens = asked.working.tokens
    questions = sum(len(model._question(model._form.asked(attribute)).ids) for attribute in QUALITY)
    assert tokens["prompt"] == prompt
    assert tokens["encoded"] == prompt - tokens["reused"] + tokens["sampled"] - FIVE.n + tokens["asked"]
    most = questions + 8  # the end of a draft is read again, which is several tokens where it breaks off in a character
    assert len(drafts) * questions <= tokens["asked"] <= len(drafts) * most
    again = context("How heavy is it?")
    written(model, again, FIVE)
    assert again.working.tokens["reused"] == prompt


def test_the_next_turn_reads_only_what_is_new(model: Local) -> None:
    opening = (Turn("user", "Hello there, my friend"), Turn("assistant", "Hello! What would you like to know?"))
    first, second = context("How heavy is it?", *opening), context("And where does it live?", *opening)
    for asked in (first, second):
        written(model, asked, FIVE)
    tokens = second.working.tokens
    shared = model._tokens(model._form.prompt(first), model._form.special)
    following = model._tokens(model._form.prompt(second), model._form.special)
    same = next(place for place, pair in enumerate(zip(shared, following, strict=False)) if pair[0] != pair[1])
    assert tokens["reused"] >= same > 100


def test_attributes_are_weighed_as_separate_passes_would(model: Local) -> None:
    asked = context("Is the whale large?")
    drafts = [*written(model, asked, FIVE), "It eats krill, they say.", "No"]
    attributes: list[Attribute] = [SENSIBLE, UNSAFE]
    weights = model.weigh(asked, drafts, attributes)
    ids, said = model._prompts[asked]
    for draft, row in zip(drafts, weights, strict=True):
        for attribute, weight in zip(attributes, row, strict=True):
            question = model._question(model._form.asked(attribute))
            tokens = said.get(draft) or model._tokens(model._form.reply(draft))
            whole = torch.tensor([[*ids, *tokens, *question.ids]])
            model._decoder._model.set_attn_implementation("eager")
            with torch.inference_mode():
                logits = model._decoder._model(whole).logits[0, -1]
            model._decoder._model.set_attn_implementation("candor_shared_prefix")
            wanted, other = (logits[list(side)].logsumexp(0) for side in (question.wanted, question.other))
            assert weight == pytest.approx((wanted - other).sigmoid().item(), abs=1e-4)


def test_static_steps_write_what_growing_ones_write(model: Local) -> None:
    ids = model.fit(context("How heavy is it?"), 24)[0]
    rows = []
    for captured in (False, True):
        engine = Engine(model._decoder._model, captured=captured)
        drafting = Drafting(Sampling(n=6, max_new_tokens=24, seed=8, temperature=2.0), frozenset(range(1, 40)))
        rows.append([row for step in engine.sample(ids, drafting) for row in step])
    assert rows[0] == rows[1]
    assert len({len(row) for row, _ in rows[0]}) > 1


def test_a_cancelled_turn_frees_its_memory(model: Local) -> None:
    engine = model._decoder
    before = len(engine._prompts.prompts)
    asked = context("A question that nobody asked before?")
    running = iter(model.sample(asked, replace(FIVE, n=30, max_new_tokens=400, temperature=5.0, top_k=0)))
    next(running)
    assert len(engine._scheduler.running) == 1
    running.close()
    assert not engine._scheduler.running
    assert not engine._scheduler.waiting
    assert len(engine._prompts.prompts) == before
    assert asked.working.tokens["sampled"] < 30 * 400


def test_conversations_are_written_together(model: Local) -> None:
    passes = []
    forward = model._decoder.forward

    def counted(ids: torch.Tensor, *others: object) -> torch.Tensor:
        passes.append(ids.shape)
        return forward(ids, *others)

    model._decoder.forward = counted
    free = Sampling(n=4, max_new_tokens=30, temperature=3.0)
    try:
        asked = [context(f"Question {number}, whale or krill?") for number in range(4)]
        with ThreadPoolExecutor(4) as pool:
            drafts = list(pool.map(lambda one: written(model, one, free), asked))
    finally:
        del model._decoder.forward
    assert all(len(rows) >= 1 for rows in drafts)
    assert max(rows for rows, _ in passes) > 4


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
        written(small, context("why " * 3000), FIVE)


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


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        load_local(str(tmp_path))


def test_running_out_of_memory_says_what_to_do(llama: Path) -> None:
    model = load_local(str(llama))

    def exhausted(*args: object, **options: object) -> None:
        raise torch.OutOfMemoryError("out of memory")

    model._decoder.forward = exhausted
    with pytest.raises(ModelError, match="fewer candidates"):
        written(model, context("Hello"), FIVE)
    del model._decoder.forward
    assert written(model, context("Hello"), FIVE)


def test_a_conversation_is_encoded_once_drafts_and_judging_included(
    model: Local, encoder: Encoder, passage_reader: PassageReader, safety_reader: Reader
) -> None:
    judge = GeneratorJudge(load_judge(encoder, passage_reader), model)
    guard = EmbeddedGuard(safety_reader, load_policy())
    shelf = MemoryRetriever([item.passage for item in EVIDENCE], encoder)
    responder = Responder(
        model, shelf, guard, judge, Options(sampling=FIVE, gates=Gates(sensible=0, answers=0, safe=0))
    )
    turns: list[Turn] = []
    for question in ("How heavy is a blue whale?", "And what does it eat?"):
        turns.append(Turn("user", question))
        reply = responder.respond(turns)
        tokens, written = reply.trace.tokens, FIVE.n * reply.trace.rounds
        assert tokens["encoded"] == tokens["prompt"] - tokens["reused"] + tokens["sampled"] - written + tokens["asked"]
        turns.append(Turn("assistant", reply.text))
    again = model._tokens(model._form.prompt(Context(tuple(turns[:1]), "")), model._form.special)
    assert tokens["reused"] > len(again) - 50
