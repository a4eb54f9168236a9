"""Tiny random checkpoints on disk, one builder per family, made through the same files that real ones have."""

import json
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    CTRLTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging

CHAT = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}<|assistant|>"
STRICT = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "<|{{ m.role }}|>{{ m.content }}{% endfor %}<|assistant|>"
)
WORDS = ["The blue whale is the largest animal. User: yes or no? Candor: It eats krill and lives at sea."] * 3

_LLAMA: Final = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
_GPT: Final = {"n_embd": 32, "n_layer": 2, "n_head": 2}
_GROUPED: Final = _LLAMA | {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
_SLIDING: Final = _GROUPED | {"sliding_window": 48, "layer_types": ["sliding_attention", "full_attention"]}
_EXPERTS: Final = {"num_local_experts": 4, "num_experts_per_tok": 2}
_T5: Final = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}

# kind: (model type, shape); each family's own peculiarities are kept
CAUSAL: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "llama": ("llama", _LLAMA),
    "gpt2": ("gpt2", _GPT),
    "gpt-neo": (
        "gpt_neo",
        {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "attention_types": [[["global", "local"], 1]]}
        | {"window_size": 48},
    ),
    "gpt-neox": ("gpt_neox", _LLAMA),
    "gpt-j": ("gptj", _GPT | {"rotary_dim": 8}),
    "opt": ("opt", {"hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 2, "num_attention_heads": 2}),
    "gemma": ("gemma", _LLAMA | {"num_key_value_heads": 1, "head_dim": 16}),
    "gemma2": ("gemma2", _SLIDING | {"query_pre_attn_scalar": 8}),
    "gemma3": ("gemma3_text", _SLIDING | {"query_pre_attn_scalar": 8}),
    "bloom": ("bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 2}),
    "falcon": ("falcon", {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}),
    "mixtral": ("mixtral", _GROUPED | _EXPERTS),
    "qwen3": ("qwen3", _GROUPED),
    "nemotron": ("nemotron", _GROUPED),
    "gpt-oss": ("gpt_oss", _SLIDING | _EXPERTS),
    "ctrl": ("ctrl", _GPT | {"dff": 64}),
    "megatron-bert-decoder": ("megatron-bert", _LLAMA | {"is_decoder": True}),
}
SEQ2SEQ: Final = {"t5": ("t5", _T5), "mt5": ("mt5", _T5 | {"feed_forward_proj": "gated-gelu"})}
ENCODERS: Final = {
    "bert": ("bert", _LLAMA),
    "roberta": ("roberta", _LLAMA),
    "megatron-bert": ("megatron-bert", _LLAMA),
}
GENERATORS: Final = (*CAUSAL, *SEQ2SEQ)
UNBOUNDED: Final = ("bloom", *SEQ2SEQ)  # positions are relative: the checkpoint states no window


def tokenizer(template: str = "") -> PreTrainedTokenizerFast:
    """A byte-level BPE of 400 tokens, without a pad token."""
    fast = PreTrainedTokenizerFast(tokenizer_object=_bpe(["<s>", "</s>"]), bos_token="<s>", eos_token="</s>")
    if template:
        fast.chat_template = template
    return fast


def closing_tokenizer(opens: bool = True) -> PreTrainedTokenizerFast:
    """The same with a pad token, closing every text as encoders and T5 do, and opening it where `opens`."""
    bpe = _bpe(["<s>", "</s>", "<pad>"])
    shape = "<s> $A </s>" if opens else "$A </s>"
    pair = "<s> $A </s> $B </s>" if opens else "$A </s> $B </s>"
    bpe.post_processor = processors.TemplateProcessing(
        single=shape, pair=pair, special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    words = {"pad_token": "<pad>", "eos_token": "</s>", "sep_token": "</s>"}
    if opens:
        words |= {"bos_token": "<s>", "cls_token": "<s>"}
    return PreTrainedTokenizerFast(tokenizer_object=bpe, **words)


def ctrl_tokenizer(folder: Path) -> CTRLTokenizer:
    """CTRL's own format: characters that end a word or go on, a few control codes, all else unknown."""
    folder.mkdir(parents=True, exist_ok=True)
    signs = [chr(code) for code in range(33, 127)]
    words = ["<unk>", "</s>", "\n", *(f"{sign}@@" for sign in signs), *signs, "Links", "Questions", "Wikipedia"]
    (folder / "vocab.json").write_text(json.dumps({word: place for place, word in enumerate(words)}))
    pairs = ["L i", "Li n", "Lin k", "Link s</w>", "Q u", "Qu e", "Que s", "Ques t", "Quest i", "Questi o"]
    pairs += ["Questio n", "Question s</w>"]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *pairs, ""]))
    return CTRLTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), eos_token="</s>")


def save(folder: Path, kind: str, template: str = "", window: int = 2048) -> Path:
    """Write a tiny random generator of `kind` (see GENERATORS) with its tokenizer; return the folder.

    21 to 117 thousand parameters, always the same ones. An encoder's kind writes the encoder alone.
    """
    logging.disable_progress_bar()
    if kind in SEQ2SEQ:
        words: PreTrainedTokenizerBase = closing_tokenizer(opens=False)
        ends = {"eos_token_id": 1, "pad_token_id": 2, "decoder_start_token_id": 2}
    elif kind in ENCODERS:
        words, ends = closing_tokenizer(), {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    elif kind == "ctrl":
        words, ends = ctrl_tokenizer(folder), {"eos_token_id": 1}
    else:
        words, ends = tokenizer(template), {"bos_token_id": 0, "eos_token_id": 1}
    if template:
        words.chat_template = template
    made = _random(kind, len(words), window, ends)
    made.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def save_classifier(folder: Path, kind: str, labels: list[str], several: bool = False) -> Path:
    """Write a tiny random sequence classifier on an encoder of `kind`; `several` labels may hold at once."""
    logging.disable_progress_bar()
    words = closing_tokenizer()
    names = dict(enumerate(labels))
    more = {"id2label": names, "label2id": {label: place for place, label in names.items()}}
    if several:
        more["problem_type"] = "multi_label_classification"
    made = _random(kind, len(words), 512, {"pad_token_id": 2} | more, AutoModelForSequenceClassification)
    made.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def _random(kind: str, vocabulary: int, window: int, more: dict[str, Any], auto: type | None = None) -> PreTrainedModel:
    torch.manual_seed(0)
    model_type, shape = (CAUSAL | SEQ2SEQ | ENCODERS)[kind]
    limits = {} if kind in UNBOUNDED else {"max_position_embeddings": window}
    if model_type == "roberta":
        limits["max_position_embeddings"] = window + 3  # its positions begin after the pad token's id
    if model_type == "gpt_oss":
        limits["rope_parameters"] = {"rope_type": "default", "rope_theta": 150000.0}
    config = AutoConfig.for_model(model_type, vocab_size=vocabulary, **shape, **limits, **more)
    if auto is None:
        auto = AutoModelForCausalLM if kind in CAUSAL else AutoModelForSeq2SeqLM if kind in SEQ2SEQ else AutoModel
    return auto.from_config(config).eval()


def _bpe(special: list[str]) -> Tokenizer:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(WORDS, trainer)
    return bpe
