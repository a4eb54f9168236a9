"""Checkpoints from folders: encoder-decoders, adapters, quantised weights, control codes, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from dialogue.models.checkpoints import load_checkpoint, plan_checkpoint
from dialogue.types import ModelError

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft's own
IDS = torch.arange(3, 40)[None]
FP4 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6])


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save(tmp_path_factory.mktemp("llama"), "llama")


def rewritten(folder: Path, weights: dict[str, torch.Tensor], quantisation: dict[str, Any]) -> str:
    """Store other weights in a folder and say how they are quantised."""
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": quantisation}))
    return str(folder)


def logits(folder: str | Path) -> torch.Tensor:
    with torch.inference_mode():
        return load_checkpoint(str(folder)).model(IDS).logits


def test_weights_in_fp8_are_opened_when_loaded(llama: Path, tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    folder = shutil.copytree(llama, tmp_path / "fp8")
    weights = load_file(folder / "model.safetensors")
    for name in [name for name in weights if name.endswith("proj.weight")]:
        scale = weights[name].abs().max() / 448
        weights[name + "_scale_inv"] = scale.reshape(1, 1)
        weights[name] = (weights[name] / scale).to(torch.float8_e4m3fn)
    stored = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}
    found = load_checkpoint(rewritten(folder, weights, stored))
    assert found.fingerprint.endswith("float32-fp8")
    assert found.plan.weights == sum(weight.nbytes for weight in found.model.parameters())
    assert torch.allclose(logits(folder), logits(llama), atol=0.03)


def test_weights_in_int8_are_opened_when_loaded(llama: Path, tmp_path: Path) -> None:
    pytest.importorskip("compressed_tensors")
    folder = shutil.copytree(llama, tmp_path / "int8")
    weights = load_file(folder / "model.safetensors")
    for name in [name for name in weights if name.endswith("proj.weight")]:
        scale = weights[name].abs().amax(1, keepdim=True) / 127
        weights[name + "_scale"] = scale
        weights[name] = (weights[name] / scale).round().to(torch.int8)
    scheme = {"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": True, "dynamic": False}
    stored = {
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "quantization_status": "compressed",
        "ignore": ["lm_head"],
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": scheme}},
    }
    assert plan_checkpoint(rewritten(folder, weights, stored)).weights == plan_checkpoint(str(llama)).weights
    assert torch.allclose(logits(folder), logits(llama), atol=0.01)


def test_experts_in_four_bits_are_opened_when_loaded(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    folder = tiny_models.save(tmp_path, "gpt-oss")
    weights = load_file(folder / "model.safetensors")
    for name in [name for name in weights if name.endswith(("experts.gate_up_proj", "down_proj"))]:
        experts, into, out = weights.pop(name).shape
        weights[name + "_blocks"] = torch.randint(0, 256, (experts, out, into // 32, 16), dtype=torch.uint8)
        weights[name + "_scales"] = torch.randint(118, 124, (experts, out, into // 32), dtype=torch.uint8)
    stored = {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}
    found = load_checkpoint(rewritten(folder, weights, stored))
    assert found.plan.weights == sum(weight.nbytes for weight in found.model.parameters())
    name = "model.layers.1.mlp.experts.gate_up_proj"
    blocks = weights[name + "_blocks"].long()
    halves = torch.stack([FP4[blocks & 15], FP4[blocks >> 4]], -1).flatten(-2)
    scaled = halves * 2.0 ** (weights[name + "_scales"].float() - 127)[..., None]
    assert torch.equal(dict(found.model.named_parameters())[name], scaled.flatten(-2).transpose(1, 2))
    assert logits(folder).isfinite().all()


@pytest.mark.parametrize(
    ("method", "said"), [("gptq", "pip install gptqmodel"), ("quanto", "optimum-quanto"), ("own", "is not read here")]
)
def test_what_cannot_be_unpacked_names_what_to_install(llama: Path, tmp_path: Path, method: str, said: str) -> None:
    folder = shutil.copytree(llama, tmp_path / method)
    weights = load_file(folder / "model.safetensors")
    with pytest.raises(ModelError, match=said):
        load_checkpoint(rewritten(folder, weights, {"quant_method": method, "bits": 4}))


def test_an_encoder_decoder_is_loaded_as_one(tmp_path: Path) -> None:
    found = load_checkpoint(str(tiny_models.save(tmp_path, "t5")))
    assert found.model.config.is_encoder_decoder
    assert not found.model.training
    assert found.preamble == ""


@pytest.mark.parametrize("kind", tiny_models.ENCODERS)
def test_an_encoder_is_refused_with_what_it_is_good_for(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is an encoder .*encoder = .*guard or judges"):
        load_checkpoint(str(tiny_models.save(tmp_path, kind)))


def test_shards_and_tied_embeddings_are_read_and_counted(tmp_path: Path) -> None:
    folder = tiny_models.save(tmp_path / "whole", "gemma")
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.save_pretrained(tmp_path / "shards", max_shard_size="50KB")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder / name, tmp_path / "shards" / name)
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    found = load_checkpoint(str(tmp_path / "shards"))
    assert found.plan.weights == load_checkpoint(str(folder)).plan.weights == sum(w.nbytes for w in model.parameters())
    assert torch.equal(logits(tmp_path / "shards"), logits(folder))


@pytest.fixture
def adapter(llama: Path, tmp_path: Path) -> Path:
    """An adapter with weights that change what the model says."""
    peft = pytest.importorskip("peft")
    model = AutoModelForCausalLM.from_pretrained(llama)
    adapted = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", r=2, target_modules="all-linear"))
    torch.manual_seed(3)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    adapted.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def test_an_adapter_is_merged_into_its_base(adapter: Path, llama: Path) -> None:
    found = load_checkpoint(str(adapter))
    assert found.name == "hf:adapter"
    assert type(found.model).__name__ == "LlamaForCausalLM"
    assert not torch.allclose(logits(adapter), logits(llama), atol=1e-3)
    assert found.fingerprint != load_checkpoint(str(llama)).fingerprint
    assert found.plan.weights > plan_checkpoint(str(llama)).weights


def test_an_adapter_finds_a_base_that_lies_beside_it(adapter: Path, llama: Path) -> None:
    expected = logits(adapter)
    shutil.copytree(llama, adapter.parent / "base")
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "../base"}))
    assert torch.equal(logits(adapter), expected)
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "./none"}))
    with pytest.raises(ModelError, match="no model folder"):
        load_checkpoint(str(adapter))
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": str(adapter)}))
    with pytest.raises(ModelError, match="adapter on the adapter"):
        load_checkpoint(str(adapter))
    (adapter / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="does not name its base"):
        load_checkpoint(str(adapter))


def test_an_adapter_without_peft_or_in_pickles_is_refused(adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialogue.models.checkpoints.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"candor\[train\]"):
        load_checkpoint(str(adapter))
    monkeypatch.undo()
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    with pytest.raises(ModelError, match="never loaded"):
        load_checkpoint(str(adapter))


def test_ctrl_begins_with_a_control_code_of_its_own_or_the_users(tmp_path: Path) -> None:
    folder = tiny_models.save(tmp_path / "ctrl", "ctrl")
    assert load_checkpoint(str(folder)).preamble == "Questions"
    chosen = load_checkpoint(f"{folder}@Links")
    assert (chosen.preamble, chosen.name) == ("Links", "hf:ctrl@Links")
    with pytest.raises(ModelError, match=r"use one of .*Wikipedia"):
        load_checkpoint(f"{folder}@Poems")


def test_other_models_take_no_control_code(llama: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="only CTRL"):
        load_checkpoint(f"{llama}@Links")
    assert load_checkpoint(str(shutil.copytree(llama, tmp_path / "me@home"))).name == "hf:me@home"


@pytest.mark.parametrize("broken", ["{", "[]", '{"model_type": 3}', '{"model_type": "llama", "hidden_size": "x"}'])
def test_a_broken_configuration_is_a_plain_refusal(llama: Path, tmp_path: Path, broken: str) -> None:
    folder = shutil.copytree(llama, tmp_path / "broken")
    (folder / "config.json").write_text(broken)
    with pytest.raises(ModelError):
        load_checkpoint(str(folder))
