"""GGUF files: two tiny architectures written here, what is no such file, and the model in the box."""

from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
import tiny_gguf
import torch
from conformance_model import context, written
from safetensors.torch import save_file
from store_files import examine

from app.bot import open_bot
from app.config import Settings
from dialogue.models import AUTO, chosen, load_model, takes_steps
from dialogue.models.checkpoints import load_checkpoint, plan_checkpoint
from dialogue.models.local import Local
from dialogue.models.scripted import Scripted
from dialogue.models.smollm2 import FILE, INSTALL, load_smollm2, merge, packaged
from dialogue.types import ModelError, Sampling, Turn
from retrieval.reader import PassageReader
from retrieval.types import RetrievalError

IDS = torch.arange(3, 40)[None]
FEW = Sampling(n=4, max_new_tokens=8, seed=1)
boxed = pytest.mark.skipif(packaged() is None, reason=f"smollm2 is not installed: {INSTALL}")


@pytest.mark.parametrize("kind", tiny_gguf.KINDS)
def test_a_file_computes_what_the_checkpoint_in_it_does(
    kind: str, tmp_path: Path, passage_reader: PassageReader
) -> None:
    path = tmp_path / f"{kind}.gguf"
    folder = tiny_gguf.write(path, kind)
    one, other = load_checkpoint(str(folder)), load_checkpoint(str(path))
    with torch.inference_mode():
        assert torch.allclose(one.model(IDS).logits, other.model(IDS).logits, atol=1e-4)
    assert other.name == f"gguf:{kind}.gguf"
    said = "The blue whale eats krill."
    assert other.tokenizer(said)["input_ids"] == one.tokenizer(said)["input_ids"]
    assert plan_checkpoint(str(path)).weights == plan_checkpoint(str(folder)).weights
    model = load_model(f"gguf:{path}", passage_reader)
    assert written(model, context("What does it eat?"), FEW)
    assert not takes_steps(model)


def test_weights_in_few_bits_are_widened_and_a_folder_of_one_file_is_that_file(tmp_path: Path) -> None:
    path = tmp_path / "box" / "tiny.Q8_0.gguf"
    path.parent.mkdir()
    folder = tiny_gguf.write(path, "qwen2", quantised=True)
    one, other = load_checkpoint(str(folder)), load_checkpoint(str(path.parent))
    assert {parameter.dtype for parameter in other.model.parameters()} == {torch.float32}
    with torch.inference_mode():
        difference = (one.model(IDS).logits - other.model(IDS).logits).abs().max()
    assert 0 < difference < 0.05
    assert other.fingerprint != load_checkpoint(str(path)).fingerprint.replace("tiny", "other")


def test_what_cannot_be_loaded_is_one_plain_line(tmp_path: Path) -> None:
    whole = tmp_path / "whole.gguf"
    tiny_gguf.write(whole, "qwen2")
    data = whole.read_bytes()
    broken = {
        "short.gguf": data[: len(data) // 2],
        "header.gguf": data[:200],
        "garbled.gguf": data[:24] + bytes(255 - byte for byte in data[24:600]) + data[600:],
        "empty.gguf": b"",
        "foreign.gguf": b"PK\x03\x04" + data,
        "page.gguf": b"<!doctype html><p>Not found",
    }
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError) as caught:
            load_checkpoint(str(tmp_path / name))
        assert len(str(caught.value).splitlines()) == 1, name
        assert name in str(caught.value)
    writer = gguf.GGUFWriter(tmp_path / "alien.gguf", "clip")
    writer.add_tensor("a", np.zeros((4, 4), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ModelError, match=r"alien.gguf' is a GGUF file of a kind that transformers does not read"):
        load_checkpoint(str(tmp_path / "alien.gguf"))
    with pytest.raises(ModelError, match=r"there is no file .*missing.gguf"):
        load_checkpoint(str(tmp_path / "missing.gguf"))


def test_an_adapter_is_added_to_the_weights_or_named_as_the_one_that_does_not_fit(tmp_path: Path) -> None:
    tiny_gguf.write(tmp_path / "tiny.gguf", "qwen2")
    model = load_checkpoint(str(tmp_path / "tiny.gguf")).model
    layer = model.model.layers[0].mlp.up_proj
    before = layer.weight.detach().clone()
    down, up = torch.randn(2, 32), torch.randn(layer.weight.shape[0], 2)
    stem = "base_model.model.model.layers.0.mlp.up_proj.lora_"
    path = tmp_path / "lora.safetensors"
    save_file({f"{stem}A.weight": down, f"{stem}B.weight": up}, path, {"alpha": "4"})
    merge(model, path, {})
    assert torch.allclose(layer.weight, before + 2 * up @ down, atol=1e-5)
    save_file({f"{stem}A.weight": torch.randn(2, 7), f"{stem}B.weight": up}, path)
    with pytest.raises(RetrievalError, match="does not fit the model"):
        merge(model, path, {})


def test_without_the_package_auto_is_quote_and_smollm2_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialogue.models.smollm2.PACKAGE", "no_such_package")
    assert chosen(AUTO) == "quote"
    with pytest.raises(ModelError, match=INSTALL):
        load_smollm2()
    [found] = [each for each in examine(Settings(tmp_path, AUTO), "given") if each.name == "model"]
    assert (found.state, INSTALL in found.detail) == ("ok", True)
    (tmp_path / FILE).write_bytes(b"GGUF, but not the one")
    monkeypatch.setattr("dialogue.models.smollm2.packaged", lambda: tmp_path / FILE)
    with pytest.raises(ModelError, match="damaged or another version"):
        load_smollm2()


@boxed
def test_the_model_in_the_box_answers_from_a_document_beside_the_quotes(tmp_path: Path) -> None:
    (tmp_path / "mill.md").write_text(
        "# The mill\n\nThe mill at Orford was built in 1782. It ground barley for the town.\n"
    )
    with open_bot(tmp_path / "data", AUTO, early_stop="off", candidates=4) as bot:
        assert bot.notice == "smollm2 writes drafts beside the quotes"
        assert isinstance(bot.responder.model, Local)  # type: ignore[attr-defined]
        bot.ingest([tmp_path / "mill.md"])
        reply = bot.ask("When was the mill at Orford built?")
        stored = bot.history.turns(reply.conversation)[0].reply
        swapped = ["The mill at Orford was built in 1872.", "The mill at Oxford was built in 1782."]
        forger = replace(bot.responder, model=Scripted(swapped))  # type: ignore[type-var]
        ranked = forger.respond([Turn("user", "When was the mill at Orford built?")]).trace.candidates
    assert (reply.outcome, "1782" in reply.text) == ("answered", True)
    assert "quote" in {candidate.writer for candidate in reply.trace.candidates}
    assert reply.trace.tokens  # the model has written, if only what the quotes say
    assert stored == reply
    assert ranked[0].writer == "quote"
    assert all(candidate.dropped for candidate in ranked if candidate.text in swapped)
    assert packaged() is not None
