"""Tiny random checkpoints on disk, made through the same files that real ones have."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.utils import logging

CHAT = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}<|assistant|>"
STRICT = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "<|{{ m.role }}|>{{ m.content }}{% endfor %}<|assistant|>"
)
WORDS = ["The blue whale is the largest animal. User: yes or no? Candor: It eats krill and lives at sea."] * 3


def tokenizer(template: str = "") -> PreTrainedTokenizerFast:
    """A byte-level BPE of 400 tokens, without a pad token."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(WORDS, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="</s>")
    if template:
        fast.chat_template = template
    return fast


def save(folder: Path, kind: str, template: str = "", window: int = 2048) -> Path:
    """Write a tiny random model of `kind` (llama, gpt2 or t5) with its tokenizer; return the folder."""
    logging.disable_progress_bar()
    words = tokenizer(template)
    torch.manual_seed(0)
    ends = {"bos_token_id": 0, "eos_token_id": 1}
    model: LlamaForCausalLM | GPT2LMHeadModel | T5ForConditionalGeneration
    if kind == "llama":
        shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
        model = LlamaForCausalLM(LlamaConfig(vocab_size=len(words), max_position_embeddings=window, **shape, **ends))
    elif kind == "gpt2":
        model = GPT2LMHeadModel(
            GPT2Config(vocab_size=len(words), n_positions=window, n_embd=32, n_layer=2, n_head=2, **ends)
        )
    else:
        model = T5ForConditionalGeneration(
            T5Config(vocab_size=len(words), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
        )
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
