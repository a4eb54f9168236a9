"""Checkpoints of causal models: from a folder or the hub into memory, or the reason why not.

Weights are read from safetensors only and no code of a checkpoint is ever run. Knows nothing of prompts.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dialogue.types import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def open_checkpoint(name: str, device: str) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase, str, str]":
    """Return the model, ready to be asked, its tokenizer, its label and its fingerprint.

    The fingerprint holds the SHA-256 of a folder's weights, or the commit of a hub model. Raises ModelError.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = Path(name).expanduser()
    _check_folder(name, folder)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    place = str(folder) if folder.is_dir() else name
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        with memory_errors(name, "a smaller model, or a machine with more memory"):
            model = AutoModelForCausalLM.from_pretrained(
                place, dtype=dtype, use_safetensors=True, trust_remote_code=False
            ).to(device)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise ModelError(_why_not_loaded(name, str(error))) from error
    commit = str(getattr(model.config, "_commit_hash", "") or "unknown")
    digest = _digest(folder) if folder.is_dir() else commit
    label = f"hf:{folder.name if folder.is_dir() else name}"
    return model.eval(), tokenizer, label, f"{label}/{digest[:12]}/{str(dtype).removeprefix('torch.')}"


@contextmanager
def memory_errors(name: str, remedy: str) -> Iterator[None]:
    """Turn running out of memory into a ModelError that names the remedy."""
    import torch

    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise ModelError(f"{name!r} ran out of memory: use {remedy}") from error
    except RuntimeError as error:
        if "allocate memory" not in str(error):
            raise
        raise ModelError(f"{name!r} ran out of memory: use {remedy}") from error


def _check_folder(name: str, folder: Path) -> None:
    """Say what is wrong with a folder before transformers asks the hub for it."""
    if not folder.is_dir():
        if name.startswith((".", "/", "~")) or name.count("/") > 1:
            raise ModelError(f"there is no model folder {name!r}: check the path, or name a hub model (owner/name)")
        return
    if not (folder / "config.json").is_file():
        raise ModelError(f"{name!r} is not a model folder: it has no config.json")
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{name!r} holds no *.safetensors weights; pickled weights (.bin) are never loaded: "
            "convert the checkpoint to safetensors with save_pretrained first"
        )


def _why_not_loaded(name: str, said: str) -> str:
    first = said.strip().splitlines()[0] if said.strip() else "no reason given"
    if "trust_remote_code" in said:
        return f"{name!r} needs code of its own, which is never run here: choose a model that transformers knows"
    if "Unrecognized configuration class" in said:
        return f"{name!r} is not a causal language model: choose a decoder such as Llama, Gemma or GPT-2"
    if "safetensors" in said and ("does not appear" in said or "not found" in said):
        return f"{name!r} holds no safetensors weights; pickled weights are never loaded: choose another"
    if any(mark in said for mark in ("connect", "offline", "not a valid model identifier", "not a local folder")):
        return (
            f"{name!r} is neither a folder here nor a hub model within reach: check the spelling and the "
            f"network, or download it first and pass the folder ({first})"
        )
    return f"{name!r} cannot be loaded: {first}"


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), folder / "config.json"]):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
