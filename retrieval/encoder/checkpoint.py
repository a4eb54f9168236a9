"""Models of sentence-transformers on disk: found or fetched, loaded without running code of theirs, told apart."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from torch import nn

from retrieval.encoder.layers import fast_bfloat16, round_products
from retrieval.types import RetrievalError

READ: Final = ("*.safetensors", "*.json", "*.txt", "*.model", "*.codes", "*.jinja", "*/pytorch_model.bin")
# of a model; no pickles but those of its small modules, which are read as tensors alone
OTHERS: Final = ("onnx/*", "openvino/*")  # the same weights for other engines
DAMAGED: Final = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    ImportError,
    SafetensorError,
)
# what the library raises for files that are missing, damaged or of another kind


def model_folder(name: str, organisation: str) -> Path:
    """Return the folder of a model: `name` itself, or that of the hub's copy, fetched where it is not on this machine.

    A hub name without an owner is one of `organisation`. Raises OSError or ValueError when there is none.
    """
    from huggingface_hub import snapshot_download

    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    owned = name if "/" in name else f"{organisation}/{name}"
    return Path(snapshot_download(owned, allow_patterns=list(READ), ignore_patterns=list(OTHERS)))


def fingerprint(folder: Path, name: str) -> str:
    """Return the name of a model with twelve hex digits that change with any file that it is loaded from."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and _is_read(inside):
            with path.open("rb") as file:
                digest.update(f"{inside.as_posix()}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    shown = folder.resolve().name if Path(name).expanduser().is_dir() else name
    return f"{shown}/{digest.hexdigest()[:12]}"


def loading() -> dict[str, Any]:
    """Return how a model is loaded from its folder: safetensors, no code, no network.

    bfloat16 where the processor multiplies it natively, else float32; a GPU is used when there is one.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if fast_bfloat16(device) else torch.float32
    weights = {"dtype": dtype, "use_safetensors": True}
    return {"device": device, "trust_remote_code": False, "local_files_only": True, "model_kwargs": weights}


def fitted(model: Any) -> None:  # noqa: ANN401
    """Have a loaded model read no more tokens than it has positions for, and multiply in bfloat16 as `rounded` does.

    Where a checkpoint states no limit the library takes the number of positions, some of which RoBERTa never uses.
    """
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            positions = module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
            model.max_seq_length = min(model.max_seq_length or positions, positions)
    round_products(model)


@contextmanager
def errors_as(what: str, mend: str) -> Iterator[None]:
    """No progress is shown, and what loading raises becomes a RetrievalError of one line: `what`, why, `mend`."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # loading takes seconds
    try:
        yield
    except DAMAGED as error:
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        raise RetrievalError(f"the {what} cannot be loaded: {why}; {mend}") from error
    finally:
        if shown:
            logging.enable_progress_bar()


def _is_read(inside: Path) -> bool:
    if any(part.startswith(".") for part in inside.parts) or any(inside.match(other) for other in OTHERS):
        return False
    return any(inside.match(pattern) for pattern in READ)
