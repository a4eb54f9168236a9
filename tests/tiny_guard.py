"""A tiny generative guard on disk: random weights, but for what it takes to answer with the words of its family."""

from pathlib import Path
from typing import Final

import tiny_models
import torch
from tokenizers import AddedToken
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

LLAMA: Final = (
    "{% if messages|length % 2 == 0 %}{% set who = 'Agent' %}{% else %}{% set who = 'User' %}{% endif %}"
    "Task: judge the '{{ who }}' messages.\n<BEGIN UNSAFE CONTENT CATEGORIES>\nS1: Violent Crimes.\nS2: Hate.\n"
    "S3: Intellectual Property.\nS4: Bad Taste.\n<END UNSAFE CONTENT CATEGORIES>\n<BEGIN CONVERSATION>\n"
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{{ 'User' if m.role == 'user' else 'Agent' }}: {{ m.content | trim }}\n\n{% endfor %}<END CONVERSATION>\nVerdict:"
)
PARTS: Final = LLAMA.replace(
    "{{ m.content | trim }}",
    "{% for c in m.content | selectattr('type', 'equalto', 'text') %}{{ c.text }}{% endfor %}",
)
SHIELD: Final = (
    "You are a policy expert.\nHuman Question: {{ messages[0].content }}\n"
    "{% if messages|length > 1 %}Chatbot Response: {{ messages[1].content }}\n{% endif %}"
    "Our principle: {{ guideline }}\nYour answer must start with 'Yes' or 'No'."
)
GRANITE: Final = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}Risk: {{ guardian_config['risk_name'] }}:"
)
QWEN: Final = (
    "<BEGIN UNSAFE CONTENT CATEGORIES>Violent, PII, Politically Sensitive Topics<END UNSAFE CONTENT CATEGORIES>"
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}Assess:"
)
WORDS: Final = ["safe", "unsafe", "Yes", "No", "Safe", "Unsafe", "Controversial", "S1", "S2", "S3", "S4", "S9"]
WORDS_MORE: Final = [" Violent", " PII", "Categories:"]


def save_guard(
    folder: Path, template: str = LLAMA, lean: float = 0.0, names: str = "S1", unsure: bool = False, seed: int = 0
) -> str:
    """Write a guard that leans to unsafe by `lean` (log odds), names `names` then, and else follows its weights.

    An `unsure` one answers nothing in particular.
    """
    logging.disable_progress_bar()
    torch.manual_seed(seed)
    words = tiny_models.tokenizer(template)
    words.add_tokens([AddedToken(word, normalized=False) for word in [*WORDS, *WORDS_MORE]])
    words.add_special_tokens({"additional_special_tokens": ["<|frame|>"]})
    end = words.eos_token_id
    config = AutoConfig.for_model(
        *("gpt2",), vocab_size=len(words), n_embd=32, n_layer=2, n_head=2, n_positions=700, initializer_range=0.3,
        tie_word_embeddings=False, bos_token_id=0, eos_token_id=end,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config).eval()
    tokens = {word: words.convert_tokens_to_ids(word) for word in [*WORDS, *WORDS_MORE]}
    verdict, naming, ending = 0, 1, 2  # directions: dimension 0 is always there, the others after certain tokens
    with torch.no_grad():
        norm, table, out = model.transformer.ln_f, model.transformer.wte.weight, model.lm_head.weight
        table[:, [verdict, naming, ending]] = 0
        out[:, [verdict, naming, ending]] = 0
        norm.weight[:] = 0.2
        norm.weight[[naming, ending]] = 1.0
        norm.weight[verdict] = 0.0
        norm.bias[verdict] = 4.0
        if not unsure:
            for word in ("safe", "unsafe", "Yes", "No", "Safe", "Unsafe", "Controversial"):
                out[tokens[word], verdict] = 3.0 if _belongs(word, template) else -3.0
            for word in ("unsafe", "Yes", "Unsafe"):
                out[tokens[word], verdict] += lean / 4
        if template in (LLAMA, PARTS, QWEN):  # the others name nothing
            cue = "Categories:" if template == QWEN else "\n"
            table[words(cue, add_special_tokens=False)["input_ids"][-1], naming] = 60.0
        table[tokens[names], ending] = 60.0
        out[tokens[names], naming] = 4.0
        out[end, ending] = 4.0
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return str(folder)


def _belongs(word: str, template: str) -> bool:
    if template in (LLAMA, PARTS):
        return word in ("safe", "unsafe")
    return word in (("Safe", "Unsafe", "Controversial") if template == QWEN else ("Yes", "No"))
