"""Tiny random checkpoints written as GGUF files with the package of the format's authors."""

import json
from pathlib import Path

import gguf
import numpy as np
import tiny_models
import torch
from transformers import AutoConfig, AutoModelForCausalLM

KINDS = {  # architecture: the shape of a checkpoint of it
    "qwen2": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    | {"num_key_value_heads": 2},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2},
}


def write(path: Path, kind: str, quantised: bool = False) -> Path:
    """Write a random checkpoint of `kind` to `path` and return a folder that holds the same one as safetensors."""
    folder, words = path.parent / f"{kind}-folder", tiny_models.tokenizer(tiny_models.CHAT)
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        kind, vocab_size=len(words), max_position_embeddings=1024, bos_token_id=0, eos_token_id=1, **KINDS[kind]
    )
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    writer = gguf.GGUFWriter(path, kind)
    writer.add_context_length(1024)
    writer.add_block_count(2)
    writer.add_embedding_length(32)
    writer.add_head_count(config.num_attention_heads)
    writer.add_feed_forward_length(getattr(config, "intermediate_size", 128))
    if kind == "qwen2":
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    else:
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
    _words(writer, folder)
    names = gguf.get_tensor_name_map(getattr(gguf.MODEL_ARCH, kind.upper()), 2)
    for name, tensor in model.state_dict().items():
        stem, _, suffix = name.rpartition(".")
        found = names.get_name(name, try_suffixes=(".weight", ".bias")) or f"{names.get_name(stem)}.{suffix}"
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        array = tensor.detach().float().numpy()
        if kind == "gpt2" and any(part in name for part in ("c_attn.weight", "c_proj.weight", "c_fc.weight")):
            array = np.ascontiguousarray(array.T)
        if quantised and array.ndim == 2 and array.shape[1] % 32 == 0:
            packed = gguf.quants.quantize(array, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(found, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(found, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder


def _words(writer: gguf.GGUFWriter, folder: Path) -> None:
    """The byte-level vocabulary and its merges, as llama.cpp keeps them."""
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    words = sorted(model["vocab"], key=model["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(words)
    writer.add_token_types([3 if word in ("<s>", "</s>") else 1 for word in words])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_chat_template(tiny_models.CHAT)
