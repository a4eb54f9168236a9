"""What public models of every family need in memory, by the plan that Candor makes before it loads one.

    python benchmarks/families.py > benchmarks/results/families.json
    python benchmarks/families.py --table

Shapes are those that the models' publishers state; nothing is downloaded. Sizes are for bfloat16, 8 drafts of 160
tokens and a window of up to 8192 tokens; encoders and classifiers stand with their weights in float32.
"""

import argparse
import json
import sys
from typing import Any

from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from dialogue.models.checkpoints.memory import built_bytes
from dialogue.models.checkpoints.plan import Needs, planned, window

WRITES, READS = "writes", "searches, guards, judges"
Row = tuple[str, str, str, str, dict[str, Any]]


def llama(hidden: int, inner: int, layers: int, heads: int, groups: int, vocabulary: int) -> dict[str, Any]:
    """The shape of a decoder of LLaMA's kind."""
    return {
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "vocab_size": vocabulary,
    }


def gated_t5(width: int, inner: int, layers: int, heads: int, vocabulary: int) -> dict[str, Any]:
    """The shape of a T5 of the second kind."""
    shape = {"d_model": width, "d_kv": 64, "d_ff": inner, "num_layers": layers, "num_heads": heads}
    return shape | {"vocab_size": vocabulary, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}


MODELS: tuple[Row, ...] = (
    ("LLaMA", "llama", WRITES, "meta-llama/Llama-3.1-8B-Instruct", llama(4096, 14336, 32, 32, 8, 128_256) | {"max_position_embeddings": 131_072}),  # noqa: E501
    ("Qwen3", "qwen3", WRITES, "Qwen/Qwen3-4B", llama(2560, 9728, 36, 32, 8, 151_936) | {"head_dim": 128, "tie_word_embeddings": True, "max_position_embeddings": 40_960}),  # noqa: E501
    ("Gemma", "gemma", WRITES, "google/gemma-7b-it", llama(3072, 24576, 28, 16, 16, 256_000) | {"head_dim": 256}),
    ("Gemma 2", "gemma2", WRITES, "google/gemma-2-9b-it", llama(3584, 14336, 42, 16, 8, 256_000) | {"head_dim": 256}),
    ("Gemma 3", "gemma3_text", WRITES, "google/gemma-3-1b-it", llama(1152, 6912, 26, 4, 1, 262_144) | {"head_dim": 256, "max_position_embeddings": 32_768}),  # noqa: E501
    ("Mixtral", "mixtral", WRITES, "mistralai/Mixtral-8x7B-Instruct-v0.1", {"max_position_embeddings": 32_768}),
    ("gpt-oss", "gpt_oss", WRITES, "openai/gpt-oss-20b", {"num_hidden_layers": 24, "num_local_experts": 32}),
    ("Nemotron", "nemotron", WRITES, "nvidia/Nemotron-Mini-4B-Instruct", llama(3072, 9216, 32, 24, 8, 256_000) | {"head_dim": 128}),  # noqa: E501
    ("Falcon", "falcon", WRITES, "tiiuae/falcon-7b-instruct", {}),
    ("GPT-2", "gpt2", WRITES, "openai-community/gpt2-xl", {"n_embd": 1600, "n_layer": 48, "n_head": 25}),
    ("GPT-Neo", "gpt_neo", WRITES, "EleutherAI/gpt-neo-2.7B", {"hidden_size": 2560, "num_layers": 32, "num_heads": 20, "attention_types": [[["global", "local"], 16]]}),  # noqa: E501
    ("GPT-J", "gptj", WRITES, "EleutherAI/gpt-j-6b", {}),
    ("GPT-NeoX", "gpt_neox", WRITES, "EleutherAI/gpt-neox-20b", {}),
    ("OPT", "opt", WRITES, "facebook/opt-6.7b", {"hidden_size": 4096, "ffn_dim": 16384, "num_hidden_layers": 32, "num_attention_heads": 32}),  # noqa: E501
    ("BLOOM", "bloom", WRITES, "bigscience/bloomz-7b1", {"hidden_size": 4096, "n_layer": 30, "n_head": 32}),
    ("CTRL", "ctrl", WRITES, "Salesforce/ctrl", {}),
    ("T5", "t5", WRITES, "google/flan-t5-xl", gated_t5(2048, 5120, 24, 32, 32_128)),
    ("mT5", "mt5", WRITES, "google/mt5-large", gated_t5(1024, 2816, 24, 16, 250_112)),
    ("BERT", "bert", READS, "BAAI/bge-base-en-v1.5", {}),
    ("RoBERTa", "roberta", READS, "sentence-transformers/all-roberta-large-v1", {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16, "vocab_size": 50_265, "max_position_embeddings": 514, "type_vocab_size": 1}),  # noqa: E501
    ("MegatronBert", "megatron-bert", READS, "nvidia/megatron-bert-cased-345m", {}),
)  # fmt: skip


def sized(row: Row) -> dict[str, Any]:
    """Return one model's sizes, bytes and numbers."""
    family, kind, role, name, shape = row
    config = AutoConfig.for_model(kind, **shape)
    about = {"family": family, "role": role, "name": name}
    if role == READS:
        parameters = built_bytes(config, AutoModel, 1)
        return about | {"parameters": parameters, "weights": 4 * parameters, "need": 4 * parameters}
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    parameters = built_bytes(config, auto, 1)
    tokens = min(window(config, 10**9), Needs().context)
    plan = planned(config, 2 * parameters, Needs(), tokens, 0)
    return about | {
        "parameters": parameters,
        "weights": plan.weights,
        "window": plan.window,
        "prompt": plan.prompt,
        "drafts": plan.drafts,
        "work": plan.work,
        "need": plan.need,
        "shared": plan.shared,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as the table of docs/models.md."""
    lines = ["| family | role | for example | parameters | GiB |", "|---|---|---|---|---|"]
    for row in rows:
        size = f"{row['parameters'] / 1e9:.2f}" if row["parameters"] < 1e9 else f"{row['parameters'] / 1e9:.1f}"
        cells = (row["family"], row["role"], f"`{row['name']}`", f"{size}B", f"{row['need'] / 2**30:.1f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", action="store_true", help="print the table of docs/models.md")
    chosen = parser.parse_args()
    made = [sized(row) for row in MODELS]
    json.dump(made, sys.stdout, indent=1) if not chosen.table else print(table(made))
    print()
