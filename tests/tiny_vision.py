"""Tiny random checkpoints that read pictures, one builder per kind, through the same files that real ones have."""

from io import BytesIO
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image
from tiny_models import closing_tokenizer, tokenizer
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    BertTokenizer,
    PreTrainedTokenizerFast,
    ProcessorMixin,
)
from transformers.utils import logging

KINDS: Final = ("blip", "blip2-opt", "blip2-t5", "instructblip", "git", "idefics", "idefics3", "gemma3")
CHATTING: Final = ("idefics3", "gemma3")
CHAT: Final = (
    "{% for m in messages %}<|{{ m.role }}|>{% for part in m.content %}"
    "{% if part.type == 'image' %}IMAGE{% else %}{{ part.text }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
STRICT: Final = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{% endfor %}" + CHAT
)

_VISION: Final = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
_SIDE: Final = 28
_PATCHED: Final = _VISION | {"image_size": _SIDE, "patch_size": 14}
_LLAMA: Final = _VISION | {"max_position_embeddings": 4096, "pad_token_id": 2}
_SIZE: Final = {"height": _SIDE, "width": _SIDE}


def png(colour: str = "red", size: tuple[int, int] = (40, 30)) -> bytes:
    """A picture of one colour."""
    data = BytesIO()
    Image.new("RGB", size, colour).save(data, "PNG")
    return data.getvalue()


def save_vision(folder: Path, kind: str, template: str = CHAT) -> Path:
    """Write a tiny random model of `kind` (see KINDS) with its processor; return the folder."""
    logging.disable_progress_bar()
    torch.manual_seed(0)
    processor, config = _PARTS[kind](template)
    model = AutoModelForImageTextToText.from_config(config).eval()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _blip(template: str) -> tuple[ProcessorMixin, Any]:
    from transformers import BlipImageProcessor, BlipProcessor

    words = _bert()
    shape = _VISION | {"vocab_size": len(words), "encoder_hidden_size": 32, "projection_dim": 32}
    ends = {"bos_token_id": 5, "sep_token_id": 3, "eos_token_id": 3, "pad_token_id": 0}
    config = AutoConfig.for_model("blip", text_config=shape | ends, vision_config=_PATCHED, projection_dim=32)
    return BlipProcessor(BlipImageProcessor(size=_SIZE), words), config


def _blip2(text: dict[str, Any], words: PreTrainedTokenizerFast, kind: str = "blip-2") -> tuple[ProcessorMixin, Any]:
    from transformers import Blip2Processor, BlipImageProcessor, InstructBlipProcessor

    seen = BlipImageProcessor(size=_SIZE)
    processor: ProcessorMixin = Blip2Processor(seen, words, num_query_tokens=4)
    if kind == "instructblip":
        processor = InstructBlipProcessor(seen, words, _bert(), num_query_tokens=4)
    config = AutoConfig.for_model(
        kind,
        vision_config=_PATCHED,
        qformer_config=_VISION | {"encoder_hidden_size": 32, "vocab_size": 60},
        text_config=text | {"vocab_size": len(words)},
        num_query_tokens=4,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    return processor, config


def _blip2_opt(template: str, kind: str = "blip-2") -> tuple[ProcessorMixin, Any]:
    shape = {"hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2, "word_embed_proj_dim": 32}
    return _blip2({"model_type": "opt"} | shape | ends, _padded(), kind)


def _blip2_t5(template: str) -> tuple[ProcessorMixin, Any]:
    shape = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
    ends = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 2, "decoder_start_token_id": 2}
    return _blip2({"model_type": "t5"} | shape | ends, closing_tokenizer(opens=False))


def _git(template: str) -> tuple[ProcessorMixin, Any]:
    from transformers import CLIPImageProcessor, GitProcessor

    words = _bert()
    ends = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    pictures = CLIPImageProcessor(size={"shortest_edge": _SIDE}, crop_size=_SIZE)
    config = AutoConfig.for_model("git", vision_config=_PATCHED, vocab_size=len(words), **_VISION, **ends)
    return GitProcessor(pictures, words), config


def _idefics(template: str) -> tuple[ProcessorMixin, Any]:
    from transformers import IdeficsImageProcessor, IdeficsProcessor

    words = _padded("<fake_token_around_image>", "<image>")
    resampler = {"resampler_n_latents": 4, "resampler_depth": 1, "resampler_n_heads": 2, "resampler_head_dim": 16}
    config = AutoConfig.for_model(
        "idefics",
        vision_config={"embed_dim": 32, "image_size": _SIDE, "patch_size": 14, "intermediate_size": 64}
        | {"num_hidden_layers": 2, "num_attention_heads": 2},
        perceiver_config=resampler,
        use_resampler=True,
        vocab_size=len(words),
        additional_vocab_size=0,
        cross_layer_interval=1,
        **_LLAMA,
    )
    return IdeficsProcessor(IdeficsImageProcessor(image_size=_SIDE), words), config


def _idefics3(template: str) -> tuple[ProcessorMixin, Any]:
    from transformers import Idefics3ImageProcessor, Idefics3Processor

    places = [f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2)]
    words = _padded("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *places)
    sizes = {"size": {"longest_edge": 2 * _SIDE}, "max_image_size": {"longest_edge": _SIDE}}
    chat = template.replace("IMAGE", "<image>")
    processor = Idefics3Processor(Idefics3ImageProcessor(**sizes), words, image_seq_len=1, chat_template=chat)
    config = AutoConfig.for_model(
        "idefics3",
        vision_config=_PATCHED,
        text_config={"model_type": "llama", "vocab_size": len(words)} | _LLAMA,
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=2,
    )
    return processor, config


def _gemma3(template: str) -> tuple[ProcessorMixin, Any]:
    from transformers import Gemma3ImageProcessor, Gemma3Processor

    own = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    words = _padded(*own.values(), named=own)
    shape = _LLAMA | {"num_key_value_heads": 1, "head_dim": 16, "sliding_window": 64}
    config = AutoConfig.for_model(
        "gemma3",
        vision_config=_PATCHED,
        text_config=shape | {"vocab_size": len(words)},
        mm_tokens_per_image=4,
        boi_token_index=words.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=words.convert_tokens_to_ids("<end_of_image>"),
        image_token_index=words.convert_tokens_to_ids("<image_soft_token>"),
    )
    chat = template.replace("IMAGE", "<start_of_image>")
    processor = Gemma3Processor(Gemma3ImageProcessor(size=_SIZE), words, chat_template=chat, image_seq_length=4)
    return processor, config


def _padded(*special: str, named: dict[str, str] | None = None) -> PreTrainedTokenizerFast:
    """The byte-level BPE of the text models with a pad token and marks of its own."""
    plain = tokenizer()
    plain.add_special_tokens({"additional_special_tokens": ["<pad>", *special]})
    return PreTrainedTokenizerFast(
        tokenizer_object=plain.backend_tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        additional_special_tokens=list(special),
        extra_special_tokens=named or {},
    )


def _bert() -> BertTokenizer:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]
    letters = [chr(code) for code in range(97, 123)]
    return BertTokenizer({word: at for at, word in enumerate([*words, *letters, *(f"##{sign}" for sign in letters)])})


_PARTS: Final = {
    "blip": _blip,
    "blip2-opt": _blip2_opt,
    "blip2-t5": _blip2_t5,
    "instructblip": lambda template: _blip2_opt(template, "instructblip"),
    "git": _git,
    "idefics": _idefics,
    "idefics3": _idefics3,
    "gemma3": _gemma3,
}
