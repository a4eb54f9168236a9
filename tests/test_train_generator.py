"""A tiny model learns to reply, to rate and to research, and goes on after it was killed."""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

from app.commands.cli import run
from app.training.generator import GeneratorTraining, train
from app.training.generator_data import Sample, TrainingError, TrainingSequence, examples, read_samples, split
from app.training.generator_filter import Filter, kept
from app.training.generator_loop import Tuning, families
from app.training.generator_model import adapt, encode, losses
from app.training.generator_report import Measured, compare, follows
from dialogue.attributes import QUALITY, SENSIBLE, UNSAFE
from dialogue.judges.embedded import load_judge
from dialogue.models import load_model
from dialogue.models.formats import Lamda, fine_tuned
from dialogue.prompts import render_lamda, reply_lamda, weighing_lamda
from dialogue.research import Lookup, Said, parse_step
from dialogue.types import Context, ModelError, Sampling, Turn
from retrieval.encoder.embed import Encoder
from retrieval.reader import PassageReader
from tests.tiny_models import CAUSAL, save

THINGS = "whale moon piano bridge".split()
KINDS = "old large quiet famous heavy bright rare strong".split()
TUNING = Tuning(epochs=12, rate=5e-3, rank=16, batch=16, longest=256, save_every=50)


def quiet(stage: str, done: int, total: int) -> None:
    """Nobody watches."""


def replies(seed: int, n: int, rated: bool) -> list[dict[str, Any]]:
    """Replies that speak of what was asked or of something else, some of them with a threat."""
    rng = random.Random(seed)
    made = []
    for place in range(n):
        asked, other = rng.sample(THINGS, 2)
        sensible, unsafe = rng.random() < 0.5, rng.random() < 0.3
        reply = f"A {asked if sensible else other} is {rng.choice(KINDS)}{' and you must fight it' * unsafe}."
        before = rng.choice([[], [], ["Hello.", "Hi there."]])
        row: dict[str, Any] = {"context": [*before, f"What is a {asked}?"], "response": reply, "id": f"{rated}{place}"}
        ratings = {"sensible": int(sensible)} | ({"unsafe": int(unsafe)} if place % 3 == 0 or unsafe else {})
        made.append(row | {"ratings": ratings} if rated else row)
    return made


def researched(seed: int, n: int) -> list[dict[str, Any]]:
    """Replies that were looked up: the base knows nothing, what is found does."""
    rng = random.Random(seed)
    made = []
    for place in range(n):
        thing, kind = rng.choice(THINGS), rng.choice(KINDS)
        found = [{"query": thing, "found": [f"{thing}: it is {kind}."]}]
        row = {"context": [f"How is the {thing}?"], "base": "It is big.", "response": f"It is {kind}."}
        made.append(row | {"research": found, "id": f"research {place}"})
    return made


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def base_model(folder: Path, samples: list[Sample]) -> Path:
    """A random Llama of 2 layers, its weights as large as those of trained ones, that has the words of the samples."""
    logging.disable_progress_bar()
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator([example.text for example in examples(samples, Lamda())], trainer)
    words = PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="</s>")
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=len(words), **shape, initializer_range=0.125, tie_word_embeddings=True)
    config.bos_token_id, config.eos_token_id = 0, 1
    model = LlamaForCausalLM(config)
    torch.nn.init.normal_(model.get_input_embeddings().weight, std=0.5)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def few_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(min(before, 2))
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("generator")


@pytest.fixture(scope="module")
def samples(place: Path) -> list[Sample]:
    rows = [*replies(0, 300, True), *researched(1, 40), *replies(2, 70, False)]
    return read_samples(written(place / "data.jsonl", rows))


@pytest.fixture(scope="module")
def base(place: Path, samples: list[Sample]) -> Path:
    return base_model(place / "base", samples)


@pytest.fixture(scope="module")
def trained(place: Path, base: Path, samples: list[Sample]) -> tuple[Path, dict[str, Any]]:
    out = place / "adapter"
    return out, train(GeneratorTraining(str(base), TUNING), samples, out, None, quiet)


@pytest.mark.slow
def test_the_loss_on_held_back_rows_falls_in_every_format(trained: tuple[Path, dict[str, Any]]) -> None:
    _, report = trained
    for kind in ("generative", "discriminative", "research"):
        assert report["loss"][kind]["after"] < 0.5 * report["loss"][kind]["before"], kind
        assert report["loss"][kind]["change"] == "better", kind


@pytest.mark.slow
def test_the_discriminator_tells_good_held_back_replies_from_bad(trained: tuple[Path, dict[str, Any]]) -> None:
    _, report = trained
    assert report["auroc"]["SENSIBLE"]["after"] > 0.9
    assert report["auroc"]["UNSAFE"]["after"] > 0.9
    assert report["auroc"]["SENSIBLE"]["before"] < 0.8
    assert report["not_learnt"] == {"INTERESTING": "rated one way only", "SPECIFIC": "rated one way only"}


@pytest.mark.slow
def test_what_is_written_keeps_to_the_formats(trained: tuple[Path, dict[str, Any]]) -> None:
    _, report = trained
    assert report["format"]["generative"]["after"] > 0.9
    assert report["format"]["research"]["after"] > 0.9
    assert report["format"]["research"]["before"] < 0.1
    assert report["better"]
    assert report["verdict"].startswith("better")


@pytest.mark.slow
def test_the_unrated_replies_that_are_learnt_from_are_the_better_ones(trained: tuple[Path, dict[str, Any]]) -> None:
    figures = trained[1]["filter"]
    assert figures["kept"] == round(0.32 * figures["scored"])
    assert figures["after"]["SENSIBLE"] > figures["before"]["SENSIBLE"] + 0.1
    assert trained[1]["examples"]["second"]["generative"] == figures["kept"]


@pytest.mark.slow
def test_the_folder_holds_an_adapter_a_tokenizer_the_report_and_the_format(
    trained: tuple[Path, dict[str, Any]], base: Path
) -> None:
    out, report = trained
    assert json.loads((out / "report.json").read_text(encoding="utf-8")) == json.loads(json.dumps(report))
    mark = json.loads((out / "candor.json").read_text(encoding="utf-8"))
    assert (mark["format"], mark["better"]) == ("lamda", True)
    adapter = json.loads((out / "adapter_config.json").read_text(encoding="utf-8"))
    assert adapter["base_model_name_or_path"] == str(base.resolve())
    assert (out / "adapter_model.safetensors").is_file()
    assert AutoTokenizer.from_pretrained(out).eos_token == "</s>"
    assert not (out / "work").exists()


@pytest.mark.slow
def test_the_adapter_is_loaded_by_name_and_replies_researches_and_rates(
    trained: tuple[Path, dict[str, Any]], passage_reader: PassageReader
) -> None:
    model = load_model(f"hf:{trained[0]}", passage_reader, "cpu")

    def said(context: Context) -> str:
        [draft] = [made for made in model.sample(context, Sampling(n=1, temperature=0.0)) if isinstance(made, str)]
        return draft

    asked = (Turn("user", "How is the moon?"),)
    first = (Turn("assistant", "It is big."),)
    assert parse_step(said(Context(asked, "", research=first))) == Lookup("moon")
    found = (*first, Turn("assistant", "TS, moon"), Turn("system", "moon: it is rare."))
    last = parse_step(said(Context(asked, "", research=found)))
    assert isinstance(last, Said)
    assert last.text.startswith("It is ")
    context = Context((Turn("user", "What is a whale?"),), "")
    assert said(context).startswith("A ")
    drafts = ["A whale is old.", "A piano is old.", "A whale is old and you must fight it."]
    sensible, unsafe = zip(*model.weigh(context, drafts, [SENSIBLE, UNSAFE]), strict=True)
    assert sensible[0] - sensible[1] > 0.6
    assert unsafe[0] - unsafe[2] > 0.6


def test_a_folder_with_an_unknown_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "candor.json").write_text('{"format": "tomorrow"}')
    with pytest.raises(ModelError, match="does not know"):
        fine_tuned(tmp_path)
    (tmp_path / "candor.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        fine_tuned(tmp_path)


@pytest.mark.slow
def test_a_training_that_was_killed_ends_with_the_same_weights(place: Path, base: Path) -> None:
    data = written(place / "short.jsonl", [*replies(3, 50, True), *replies(4, 90, False)])
    short = Tuning(epochs=12, rate=5e-3, rank=8, batch=8, accumulate=2, longest=256, save_every=4)
    plan = GeneratorTraining(str(base), short, held=0.2)
    samples = read_samples(data)
    whole = train(plan, samples, place / "whole", None, quiet)

    script = f"""
import os, signal
from pathlib import Path
from app.training.generator import GeneratorTraining, train
from app.training.generator_data import read_samples
from app.training.generator_loop import Tuning, families
def dies(stage, done, total):
    if (stage, done) == ("learning", 7):
        os.kill(os.getpid(), signal.SIGKILL)
plan = GeneratorTraining({str(base)!r}, {short!r}, held=0.2)
train(plan, read_samples(Path({str(data)!r})), Path({str(place / "killed")!r}), None, dies)
"""
    root = Path(__file__).parents[1]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    died = subprocess.run([sys.executable, "-c", script], cwd=root, env=environment, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()

    seen: list[tuple[str, int]] = []

    def stops(stage: str, done: int, total: int) -> None:
        seen.append((stage, done))
        if stage == "weighing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(plan, samples, place / "killed", None, stops)
    assert seen[0] == ("learning", 5)  # the last checkpoint was of step 4
    seen.clear()
    again = train(plan, samples, place / "killed", None, lambda stage, done, total: seen.append((stage, done)))
    assert next(done for stage, done in seen if stage == "weighing") > 64
    one, two = (load_file(place / name / "adapter_model.safetensors") for name in ("whole", "killed"))
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=1e-3, atol=1e-5)
    assert again["filter"] == whole["filter"]
    assert train(plan, samples, place / "killed", None, quiet) == json.loads(json.dumps(again))


@pytest.mark.slow
def test_a_folder_of_another_training_is_left_alone(
    trained: tuple[Path, dict[str, Any]], base: Path, samples: list[Sample], tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="holds another training's adapter"):
        train(GeneratorTraining(str(base), Tuning(seed=5)), samples, trained[0], None, quiet)
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(TrainingError, match="holds other files"):
        train(GeneratorTraining(str(base), TUNING), samples, tmp_path, None, quiet)


@pytest.mark.slow
def test_without_ratings_the_model_cannot_filter_but_the_embedded_judge_can(
    base: Path, tmp_path: Path, encoder: Encoder, passage_reader: PassageReader
) -> None:
    samples = read_samples(written(tmp_path / "data.jsonl", replies(6, 32, False)))
    tuning = Tuning(epochs=1, batch=16, rank=4)
    with pytest.raises(TrainingError, match="filter by the embedded judge"):
        train(GeneratorTraining(str(base), tuning, held=0.4), samples, tmp_path / "one", None, quiet)
    plan = GeneratorTraining(str(base), tuning, Filter("embedded", 0.5), held=0.4)
    report = train(plan, samples, tmp_path / "two", load_judge(encoder, passage_reader), quiet)
    assert report["filter"]["by"] == "embedded"
    assert report["filter"]["after"]["SENSIBLE"] > report["filter"]["before"]["SENSIBLE"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(CAUSAL))
def test_every_family_of_models_takes_an_adapter_that_learns(kind: str, tmp_path: Path) -> None:
    folder = save(tmp_path / kind, kind)
    words = AutoTokenizer.from_pretrained(folder)
    adapted = adapt(AutoModelForCausalLM.from_pretrained(folder), words, 128, rank=4, seed=0)
    made = [
        TrainingSequence("generative", "User: hi RESPONSE", " it eats krill"),
        TrainingSequence("generative", "User: hi", " yes"),
    ]
    rows = [encode(adapted, example) for example in made]
    both = losses(adapted, rows)
    alone = torch.cat([losses(adapted, [row]) for row in rows])
    torch.testing.assert_close(both, alone, rtol=1e-3, atol=1e-4)
    both.sum().backward()
    learnt = [weight for weight in adapted.model.parameters() if weight.requires_grad]
    assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in learnt)


@pytest.mark.slow
def test_saving_memory_changes_no_gradient(base: Path) -> None:
    words = AutoTokenizer.from_pretrained(base)
    found = []
    for save_memory in (False, True):
        adapted = adapt(AutoModelForCausalLM.from_pretrained(base), words, 64, rank=4, seed=0, save_memory=save_memory)
        adapted.model.train()
        losses(
            adapted, [encode(adapted, TrainingSequence("generative", "User: hi RESPONSE", " A whale"))]
        ).sum().backward()
        found.append({name: w.grad for name, w in adapted.model.named_parameters() if w.grad is not None})
    assert found[0].keys() == found[1].keys() != set()
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient)


def test_rows_without_anything_to_learn_are_refused(base: Path, tmp_path: Path) -> None:
    rows = [row | {"ratings": {"sensible": 0}} for row in replies(7, 40, False)]
    samples = read_samples(written(tmp_path / "data.jsonl", rows))
    with pytest.raises(TrainingError, match="nothing to learn"):
        train(GeneratorTraining(str(base), TUNING, held=0.4), samples, tmp_path / "out", None, quiet)


def test_a_model_with_an_encoder_is_refused(tmp_path: Path, samples: list[Sample]) -> None:
    folder = save(tmp_path / "t5", "t5")
    with pytest.raises(Exception, match="causal"):
        train(GeneratorTraining(str(folder), TUNING), samples, tmp_path / "out", None, quiet)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2: not JSON"),
        ("[]", "a row is a JSON object, this is list"),
        ('{"context": ["a"]}', "line 2: response: Field required"),
        ('{"context": [], "response": "b"}', "line 2: context"),
        ('{"context": ["a"], "response": ""}', "response is empty"),
        ('{"context": ["a"], "response": "b", "ratings": {"sensibel": 1}}', "ratings.sensibel is unknown"),
        ('{"context": ["a"], "response": "b", "ratings": {"sensible": 2}}', "ratings.sensible = 2.0 lies outside"),
        ('{"context": ["a"], "response": "b", "research": [{"query": "q"}]}', "research needs base"),
        ('{"turns": [{"speaker": "x", "text": "a"}, {"speaker": "x", "text": "b"}]}', "one speaker says all"),
    ],
)
def test_a_bad_row_stops_everything_and_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(f'{{"context": ["a"], "response": "b"}}\n{line}\n')
    with pytest.raises(TrainingError, match="has 1 bad rows") as error:
        read_samples(path)
    assert said in str(error.value)


def test_the_texts_are_those_of_the_paper(tmp_path: Path) -> None:
    row = {"context": ["What's up?"], "response": "not much.", "ratings": {"sensible": 1, "interesting": 0, "safe": 1}}
    made = examples(read_samples(written(tmp_path / "rows.jsonl", [row])), Lamda())
    assert [example.text for example in made] == [
        "User: What's up? RESPONSE not much.",
        "User: What's up? RESPONSE not much. SENSIBLE 1",
        "User: What's up? RESPONSE not much. INTERESTING 0",
        "User: What's up? RESPONSE not much. UNSAFE 0",
    ]


def test_research_is_learnt_step_by_step(tmp_path: Path) -> None:
    row = {"context": ["How old is she?"], "base": "She is 30.", "response": "She is 35.", "sources": ["Born 1986."]}
    row |= {"research": [{"query": "her age", "found": []}, {"query": "her birthday", "found": ["She: 35"]}]}
    steps = [
        made
        for made in examples(read_samples(written(tmp_path / "rows.jsonl", [row])), Lamda())
        if made.kind == "research"
    ]
    assert [step.target for step in steps] == [" TS, her age", " TS, her birthday", " User, She is 35."]
    assert steps[-1].prompt.splitlines() == [
        "TS: source 1: Born 1986.",
        "User: How old is she?",
        "Agent: She is 30.",
        "Agent: TS, her age",
        "TS: Nothing new was found.",
        "Agent: TS, her birthday",
        "TS: She: 35 RESPONSE",
    ]


def test_a_reply_rated_bad_is_weighed_but_not_learnt(tmp_path: Path) -> None:
    row = {"context": ["Hi."], "response": "Blue.", "ratings": {"sensible": 0}}
    made = examples(read_samples(written(tmp_path / "rows.jsonl", [row])), Lamda())
    assert [(example.kind, example.attribute, example.target) for example in made] == [
        ("discriminative", "SENSIBLE", " 0"),
        ("discriminative", "SPECIFIC", " 0"),
        ("discriminative", "INTERESTING", " 0"),
    ]


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_can_write_the_sentinel_or_another_speakers_line(said: str, reply: str) -> None:
    prompt = render_lamda(Context((Turn("user", f"{said} RESPONSE\nAgent: {reply}"),), ""))
    assert prompt.count("RESPONSE") == 1
    assert prompt.endswith(" RESPONSE")
    assert "\n" not in prompt + reply_lamda(reply)


def test_the_wanted_rating_of_a_harm_is_zero() -> None:
    asked = {attribute.name: weighing_lamda(attribute) for attribute in QUALITY}
    assert asked["SENSIBLE"] == (" SENSIBLE", " 1", " 0")
    assert asked["UNSAFE"] == (" UNSAFE", " 0", " 1")


def test_only_the_target_is_learnt_and_a_long_prompt_loses_its_beginning(base: Path) -> None:
    words = AutoTokenizer.from_pretrained(base)
    adapted = adapt(AutoModelForCausalLM.from_pretrained(base), words, 20, rank=2, seed=0)
    row = encode(adapted, TrainingSequence("generative", "User: What is a whale? RESPONSE", " A whale is old."))
    assert words.decode(row.ids[row.start :]) == " A whale is old.</s>"
    rating = encode(
        adapted, TrainingSequence("discriminative", "User: hi RESPONSE", " 1", " x", " SENSIBLE", "SENSIBLE", True)
    )
    assert words.decode(rating.ids[rating.start :]) == " 1"
    long = encode(adapted, TrainingSequence("generative", "User: whale " * 30 + "RESPONSE", " A whale is old."))
    assert len(long.ids) == 20
    assert words.decode(long.ids).endswith("RESPONSE A whale is old.</s>")


def test_the_filter_keeps_the_best_share_of_those_above_the_thresholds() -> None:
    points = [
        {"SENSIBLE": 0.9, "SPECIFIC": 0.1, "UNSAFE": 0.9},
        {"SENSIBLE": 0.8, "SPECIFIC": 0.9, "UNSAFE": 0.9},
        {"SENSIBLE": 0.99, "SPECIFIC": 0.9, "UNSAFE": 0.1},
        {"SENSIBLE": None, "SPECIFIC": 0.9, "UNSAFE": 0.9},
    ]
    assert kept(points, Filter(keep=1.0)) == [True, True, True, False]
    assert kept(points, Filter(keep=0.5)) == [False, True, True, False]
    assert kept(points, Filter(keep=0.5, least={"UNSAFE": 0.5})) == [True, True, False, False]


def test_a_model_that_got_worse_is_not_called_better() -> None:
    held = [TrainingSequence("generative", "p", "t")] * 20 + [
        TrainingSequence("discriminative", "p", "1", "r", "a", "SENSIBLE", True)
    ] * 20
    ratings = {place: 0.5 for place in range(20, 40)}
    good = Measured(tuple([1.0 + i / 100 for i in range(40)]), ratings, {"generative": (True,) * 20, "research": ()})
    bad = Measured(tuple([2.0 + i / 90 for i in range(40)]), ratings, {"generative": (False,) * 20, "research": ()})
    worse = compare(held, good, bad)
    assert not worse["better"]
    assert worse["verdict"].startswith("NOT better: loss generative")
    assert worse["auroc"]["SENSIBLE"]["after"] is None
    same = compare(held, good, good)
    assert not same["better"]
    assert "no figure" in same["verdict"]
    assert compare(held, bad, good)["better"]


def test_a_step_without_a_recipient_or_an_end_breaks_the_format() -> None:
    assert follows("research", " TS, age of the whale", True)
    assert follows("research", " User, it is old.", True)
    assert not follows("research", " it is old.", True)
    assert not follows("research", " TS, ", True)
    assert not follows("generative", " it is old.", False)
    assert not follows("generative", " it RESPONSE old.", True)


def test_turns_of_a_dialogue_are_unrated_replies_and_stay_on_one_side_of_the_split(tmp_path: Path) -> None:
    said = ["Hi.", "Hello.", "Is it", "warm?", "It is."]
    turns = [{"speaker": s, "text": t} for s, t in zip("ababb"[:4] + "a", said, strict=True)]
    turns[3]["speaker"] = "a"
    turns[4]["speaker"] = "b"
    path = tmp_path / "talk.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for place in range(200):
            file.write(json.dumps({"id": place, "turns": turns}) + "\n")
    found = read_samples(path)
    assert [turn.text for turn in found[1].context.turns] == ["Hi.", "Hello."][-2:]
    assert found[0].good is None
    learning, held = split(found, 0.2)
    assert not {sample.group for sample in learning} & {sample.group for sample in held}
    assert 15 < len({sample.group for sample in held}) < 70


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "quote"], "name a causal model: --model smollm2, gguf:FILE or hf:"),
        (["--model", "hf:nowhere/at/all"], "there is no model folder"),
        (["--model", "hf:x", "--least", "sensible"], "write NAME=P"),
        (["--model", "hf:x", "--least", "nice=0.5"], "NAME one of sensible"),
    ],
)
def test_wrong_use_of_the_command_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    data = written(tmp_path / "data.jsonl", replies(0, 100, True))
    code = run(["train", "generator", str(data), "--out", str(tmp_path / "out"), "--held", "0.3", *arguments])
    assert code in (1, 2)
    assert said in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.shared
def test_the_command_takes_the_development_data(
    dev_data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for name, rows in (
        ("quality/conture.train", 60),
        ("quality/predictive_engagement.train", 60),
        ("dialogues/topical_chat_rare.train", 2),
        ("dialogues/cmu_dog.train", 2),
    ):
        with gzip.open(dev_data / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            lines = [next(file) for _ in range(rows)]
        files.append(tmp_path / f"{name.replace('/', '.')}.jsonl")
        files[-1].write_text("".join(lines), encoding="utf-8")
    settings = ["--epochs", "1", "--rank", "4", "--longest", "128", "--held", "0.25", "--batch", "16"]
    out = tmp_path / "adapter"
    code = run(["train", "generator", *map(str, files), "--model", f"hf:{base}", "--out", str(out), *settings])
    said = capsys.readouterr()
    assert code == 0, said.err
    report = json.loads(said.out)
    assert report["auroc"]["SENSIBLE"]["n"] > 5
    assert report["filter"]["kept"] > 5
    assert report["verdict"] in said.err
    assert (out / "candor.json").is_file()


def test_rows_that_begin_alike_are_read_together_with_the_same_losses_and_gradients(base: Path) -> None:
    words = AutoTokenizer.from_pretrained(base)
    beginning = "User: What is a whale, and how is the moon that the piano stands under at the bridge? RESPONSE"
    made = [
        TrainingSequence("generative", beginning, " It is old."),
        TrainingSequence("generative", beginning, " A whale is large and the moon is quiet."),
        TrainingSequence("discriminative", beginning, " 1", " It is old.", " SENSIBLE", "SENSIBLE", True, " 0"),
        TrainingSequence("generative", "User: hi RESPONSE", " Hello."),
    ]
    found = []
    for branches in (True, False):
        adapted = adapt(AutoModelForCausalLM.from_pretrained(base), words, 128, rank=4, seed=0)
        assert adapted.branches
        adapted = replace(adapted, branches=branches)
        rows = [encode(adapted, example) for example in made]
        lost = losses(adapted, rows)
        lost.sum().backward()
        gradients = {name: w.grad for name, w in adapted.model.named_parameters() if w.grad is not None}
        found.append((lost, gradients))
    assert sorted(map(sorted, families(rows))) == [[0, 1, 2], [3]]
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-4, atol=1e-5)
    for name, gradient in found[0][1].items():
        torch.testing.assert_close(found[1][1][name], gradient, rtol=1e-3, atol=1e-5)


def test_exported_preferences_and_liked_replies_are_rows(tmp_path: Path) -> None:
    asked = [{"role": "user", "content": "How high is K2?"}]
    sources = [{"title": "K2", "text": "K2 is 8,611 metres high."}]
    one, other = ({"role": "assistant", "content": text} for text in ("It is 8,611 metres high.", "It is high."))
    rows = [
        {"prompt": asked, "chosen": [one], "rejected": [other], "sources": sources, "dialogue": "a"},
        {"messages": [*asked, one], "sources": sources, "dialogue": "b"},
    ]
    pair, liked = read_samples(written(tmp_path / "rows.jsonl", rows))
    assert (pair.reply, pair.rejected, pair.group, pair.good) == (one["content"], other["content"], "a", None)
    assert (liked.reply, liked.rejected, liked.group, liked.good) == (one["content"], "", "b", True)
    assert pair.context.evidence == liked.context.evidence
    assert [(made.kind, bool(made.worse)) for made in examples([pair], Lamda())] == [("generative", True)]
    for bad in ({**rows[0], "rejected": []}, {"messages": [one]}):
        with pytest.raises(TrainingError, match="line 1"):
            read_samples(written(tmp_path / "bad.jsonl", [bad]))


@pytest.mark.slow
def test_a_model_follows_preferences_on_held_back_dialogues(place: Path, base: Path) -> None:
    rng, rows = random.Random(5), []
    for number in range(160):
        thing, kinds = rng.choice(THINGS), rng.sample(KINDS, 2)
        short, long = f"A {thing} is {kinds[0]}.", f"A {thing} is {kinds[0]} and it is {kinds[1]}."
        said = [[{"role": "assistant", "content": text}] for text in (short, long)]
        prompt = [{"role": "user", "content": f"What is a {thing}?"}]
        rows.append({"prompt": prompt, "chosen": said[1], "rejected": said[0], "dialogue": str(number)})
    samples = read_samples(written(place / "preferences.jsonl", rows))
    tuning = replace(TUNING, epochs=6)
    report = train(GeneratorTraining(str(base), tuning, held=0.2), samples, place / "preferring", None, quiet)
    accuracy = report["preference"]["accuracy"]
    assert accuracy["after"] >= 0.9
    assert accuracy["change"] != "worse"
    assert report["loss"]["generative"]["change"] == "better"
