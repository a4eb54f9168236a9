"""Checkpoints whose weights are stored in few bits: what each kind needs, and which become full weights when loaded.

Knows configurations only.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from dialogue.types import ModelError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

# method: (module it needs, what to install)
PACKAGES: Final = {
    "aqlm": ("aqlm", "aqlm"),
    "auto-round": ("auto_round", "auto-round"),
    "awq": ("gptqmodel", "gptqmodel"),
    "bitsandbytes": ("bitsandbytes", "bitsandbytes accelerate"),
    "compressed-tensors": ("compressed_tensors", "'candor[quantised]'"),
    "eetq": ("kernels", "kernels"),
    "fp8": ("accelerate", "'candor[quantised]'"),
    "gptq": ("gptqmodel", "gptqmodel"),
    "hqq": ("hqq", "hqq"),
    "mxfp4": ("accelerate", "'candor[quantised]'"),
    "quanto": ("optimum.quanto", "optimum-quanto"),
    "torchao": ("torchao", "torchao"),
    "vptq": ("vptq", "vptq"),
}


@dataclass(frozen=True, slots=True)
class Quantised:
    """How a checkpoint is stored: its method; `opened` when its weights become full ones while it is loaded."""

    method: str = ""
    opened: bool = False


def quantisation(name: str, config: "PretrainedConfig", on_gpu: bool) -> Quantised:
    """Return how the checkpoint `name` is stored.

    compressed-tensors (int8, int4, fp8 and more) is always opened; fp8 and mxfp4 wherever no GPU computes with
    them, and `config` then says so. All others stay packed. Raises ModelError naming the package that is missing or
    that no method is known.
    """
    stated = getattr(config, "quantization_config", None)
    if stated is None:
        return Quantised()
    settings: dict[str, Any] = stated if isinstance(stated, dict) else stated.to_dict()
    packed = settings.get("load_in_4bit") or settings.get("load_in_8bit")
    method = str(settings.get("quant_method") or ("bitsandbytes" if packed else ""))
    if method not in PACKAGES:
        raise ModelError(
            f"{name!r} is stored in the form {method!r}, which is not read here: take one of {', '.join(PACKAGES)}, "
            "or a checkpoint in bfloat16"
        )
    module, install = PACKAGES[method]
    if not _installed(module):
        raise ModelError(f"{name!r} is quantised ({method}): install what reads it with: pip install {install}")
    computed = on_gpu and _installed("kernels")
    opened = method == "compressed-tensors" or (method in ("fp8", "mxfp4") and not computed)
    if opened:
        config.quantization_config = {**settings, "dequantize": True}
    return Quantised(method, opened)


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it is missing
        return False
