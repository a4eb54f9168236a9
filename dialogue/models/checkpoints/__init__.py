"""Checkpoints of generators: from a folder or the hub into memory, or the reason why not.

Weights are read from safetensors or GGUF files only and no code of a checkpoint is ever run. Decoders,
encoder-decoders, adapters on either, and quantised ones. Memory is planned before anything is loaded.
"""

import hashlib
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dialogue.models.checkpoints.gguf import (
    SUFFIX,
    GgufFile,
    as_floats,
    examined,
    gguf_in,
    gguf_of_hub,
    parameters,
    read_once,
)
from dialogue.models.checkpoints.memory import built_bytes, free_bytes, stored_bytes
from dialogue.models.checkpoints.plan import MemoryPlan, Needs, planned, window
from dialogue.models.checkpoints.quantised import Quantised, quantisation
from dialogue.types import ModelError

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

ADAPTER: Final = "adapter_config.json"
CONTROL_CODE: Final = "Questions"  # what CTRL begins with unless another is given (Keskar et al. 2019)
_ODD: Final = {  # what transformers says: what is the matter
    "GGUF model with architecture": "is a GGUF file of a kind that transformers does not read: choose another model",
    "ignore_mismatched_sizes": "holds weights of other shapes than it says: fetch it again, or choose another",
    "Unrecognized configuration class": "is not a causal language model: take a decoder such as Llama or GPT-2",
}
_LOADING: Final = (OSError, ValueError, KeyError, ImportError, RuntimeError, TypeError)


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A model ready to be asked, with its tokenizer.

    `name` is shown to users; `fingerprint` holds the SHA-256 of a folder's weights or the commit of a hub model;
    `plan.window` is how many tokens it may read and write; `preamble` is what every prompt begins with.
    """

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    name: str
    fingerprint: str
    plan: MemoryPlan
    preamble: str = ""


@dataclass(frozen=True, slots=True)
class _Source:
    """What was asked for and where it lies, the option behind "@", its adapter, and the GGUF file that it is."""

    name: str
    place: str
    option: str = ""
    adapter: Path | None = None
    gguf: GgufFile | None = None

    @property
    def files(self) -> dict[str, str]:
        """What transformers is told to read beside the place."""
        return {"gguf_file": self.gguf.name} if self.gguf else {}

    @property
    def folder(self) -> Path | None:
        return Path(self.place) if Path(self.place).is_dir() else None


@dataclass(frozen=True, slots=True, eq=False)
class _Ready:
    """A checkpoint of which all is known but the weights."""

    config: "PretrainedConfig"
    auto: "type[Any]"
    tokenizer: "PreTrainedTokenizerBase"
    stored: Quantised
    device: "torch.device"
    dtype: "torch.dtype"
    plan: MemoryPlan


def load_checkpoint(name: str, device: str = "auto", needs: Needs | None = None) -> Checkpoint:
    """Load the generator in folder `name`, or the hub's of that name, on a GPU where there is one.

    `name` may be a GGUF file, a folder or a repository of the hub that holds one: it becomes an ordinary model. A
    folder with an adapter loads its base and merges the adapter into it. ``NAME@CODE`` begins every prompt of a CTRL
    model with that control code. Raises ModelError with what to do: also when the memory is not there.
    """
    source = _reached(_source(name))
    with _plainly(source.name):
        ready = _prepared(source, device, needs or Needs())
        if not ready.plan.fits:
            raise ModelError(
                f"{source.name!r} does not fit into memory: {ready.plan.describe()}; {ready.plan.advice()}"
            )
        opening = preamble(ready.tokenizer, ready.config, source.option)
        with memory_errors(source.name, "a smaller model, or a machine with more memory"):
            model = _loaded(source, ready)
    shown = source.adapter or source.folder
    label = f"hf:{(shown.name if shown else source.place) + (f'@{source.option}' if source.option else '')}"
    label = f"gguf:{source.gguf.name}" if source.gguf else label
    kind = "-".join(filter(None, (str(ready.dtype).removeprefix("torch."), ready.stored.method)))
    fingerprint = f"{label}/{_identity(source, model.config)[:12]}/{kind}"
    return Checkpoint(model, ready.tokenizer, label, fingerprint, ready.plan, opening)


def plan_checkpoint(name: str, device: str = "auto", needs: Needs | None = None) -> MemoryPlan:
    """Return the plan of what `load_checkpoint` would load, without loading it. Raises ModelError."""
    source = _reached(_source(name))
    with _plainly(source.name):
        return _prepared(source, device, needs or Needs()).plan


def preamble(tokenizer: "PreTrainedTokenizerBase", config: "PretrainedConfig", code: str = "") -> str:
    """Return what every prompt of a model has to begin with: CTRL's control code, for all others nothing.

    Raises ModelError for a code that the model does not know.
    """
    codes = getattr(tokenizer, "control_codes", None) or {}
    if config.model_type != "ctrl":
        if code:
            raise ModelError(f"only CTRL models take a control code; leave {'@' + code!r} out")
        return ""
    chosen = code or CONTROL_CODE
    if chosen not in codes:
        raise ModelError(f"there is no control code {chosen!r}: use one of {', '.join(sorted(codes))}")
    return chosen


def device_of(name: str) -> "torch.device":
    """Return the device of that name, "auto" being the GPU where there is one."""
    import torch

    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def dtype_of(name: str, device: "torch.device") -> "torch.dtype":
    """Return the precision to load in: "auto" is bfloat16 where the device computes in it natively, else float32."""
    import torch

    from retrieval.encoder.layers import fast_bfloat16

    known = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if name in known:
        return known[name]
    if name != "auto":
        raise ModelError(f"there is no precision {name!r}: use auto, {' or '.join(known)}")
    return torch.bfloat16 if fast_bfloat16(device.type) else torch.float32


def reads_pictures(config: "PretrainedConfig") -> bool:
    """Say whether a checkpoint takes pictures beside text; some of these kinds are stored without, too."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as KINDS

    return hasattr(config, "vision_config") and KINDS.get(config.model_type) in (config.architectures or ())


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


@contextmanager
def _plainly(name: str) -> Iterator[None]:
    """Turn what transformers raises into a ModelError that says what to do."""
    try:
        yield
    except _LOADING as error:
        raise ModelError(_why_not_loaded(name, str(error))) from error


def _source(name: str) -> _Source:
    """Resolve a model name; an adapter is opened as its base."""
    whole, option = name, ""
    if name.endswith(SUFFIX):
        path = Path(name).expanduser()
        examined(path)
        return _Source(whole, str(path.parent), gguf=GgufFile(str(path.parent), path.name))
    if "@" in name and not Path(name).expanduser().is_dir():
        name, _, option = name.rpartition("@")
    folder = Path(name).expanduser()
    if (folder / ADAPTER).is_file() and not (folder / "config.json").is_file():
        base = _base(name, folder)
        _check_folder(base, Path(base).expanduser())
        return _Source(
            whole, str(Path(base).expanduser()) if Path(base).expanduser().is_dir() else base, option, folder
        )
    if folder.is_dir() and (file := gguf_in(folder)):
        examined(file.path)
        return _Source(whole, str(folder), option, gguf=file)
    _check_folder(name, folder)
    return _Source(whole, str(folder) if folder.is_dir() else name, option)


def _reached(source: _Source) -> _Source:
    """A repository of the hub without a configuration of its own may hold a GGUF file."""
    asked = source.gguf is None and source.folder is None and "gguf" in source.name.casefold()
    file = gguf_of_hub(source.place) if asked else None
    if file is None:
        return source
    examined(file.path)
    return replace(source, place=file.place, gguf=file)


def _base(name: str, folder: Path) -> str:
    """Return the base of an adapter, a relative path being tried from the adapter's folder too."""
    if find_spec("peft") is None:
        raise ModelError(f"{name!r} is an adapter (LoRA): install what reads it with: pip install 'candor[train]'")
    if not (folder / "adapter_model.safetensors").is_file():
        raise ModelError(f"{name!r} holds no adapter_model.safetensors; pickled weights (.bin) are never loaded")
    try:
        base = json.loads((folder / ADAPTER).read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{str(folder / ADAPTER)!r} does not name its base model: {error}") from error
    beside = folder / str(base)
    found = str(beside) if not Path(str(base)).is_dir() and beside.is_dir() else str(base)
    if (Path(found) / ADAPTER).is_file():
        raise ModelError(f"{name!r} is an adapter on the adapter {found!r}: merge that one into its base first")
    return found


def _generator(source: _Source) -> "tuple[PretrainedConfig, type[Any]]":
    """Return the configuration and the class that loads it. Raises ModelError for what writes no text."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import (
        AutoConfig,
        AutoModelForCausalLM,
        AutoModelForImageTextToText,
        AutoModelForMaskedLM,
        AutoModelForSeq2SeqLM,
    )

    try:
        config = AutoConfig.from_pretrained(source.place, trust_remote_code=False, **source.files)
    except (*_LOADING, LookupError, AttributeError, ArithmeticError, StrictDataclassError) as error:
        raise ModelError(_why_not_loaded(source.name, str(error))) from error
    if reads_pictures(config):
        return config, AutoModelForImageTextToText
    if config.is_encoder_decoder and type(config) in AutoModelForSeq2SeqLM._model_mapping:
        return config, AutoModelForSeq2SeqLM
    if type(config) in AutoModelForMaskedLM._model_mapping and not getattr(config, "is_decoder", False):
        raise ModelError(
            f"{source.name!r} is an encoder ({config.model_type}) and writes no text: use it with encoder = "
            f"{source.place!r} for search, or, trained as a classifier, with guard or judges = 'hf:{source.place}'"
        )
    if type(config) not in AutoModelForCausalLM._model_mapping:
        raise ModelError(
            f"{source.name!r} ({config.model_type}) writes no text: choose a causal language model such as Llama, "
            "Gemma or GPT-2, or an encoder-decoder such as T5"
        )
    return config, AutoModelForCausalLM


def _tokenizer(source: _Source) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer

    own = source.adapter is not None and (source.adapter / "tokenizer_config.json").is_file()
    place = str(source.adapter) if own else source.place
    return AutoTokenizer.from_pretrained(place, trust_remote_code=False, **source.files)


def _prepared(source: _Source, device: str, needs: Needs) -> _Ready:
    """Do all that can be done before the weights are read."""
    with read_once(source.gguf):
        config, auto = _generator(source)
        tokenizer = _tokenizer(source)
    place = device_of(device)
    dtype = dtype_of(needs.dtype, place)
    stored = quantisation(source.name, config, place.type == "cuda")
    size = dtype.itemsize
    if source.gguf is not None:
        weights = parameters(source.gguf.path) * size
    elif source.folder is not None and not stored.opened:
        weights = stored_bytes(source.folder, size)
    else:
        weights = built_bytes(config, auto, _packed(config) if stored.method and not stored.opened else size)
    if source.adapter is not None:
        weights += stored_bytes(source.adapter, size)
    own = window(config, tokenizer.model_max_length)
    plan = planned(config, weights, needs, min(own, needs.context or own), free_bytes(place), size)
    return _Ready(config, auto, tokenizer, stored, place, dtype, plan)


def _packed(config: "PretrainedConfig") -> float:
    """Bytes of one weight of a quantised hub model, a tenth added for what stays as it was."""
    settings = config.quantization_config
    settings = settings if isinstance(settings, dict) else settings.to_dict()
    four = settings.get("load_in_4bit") or settings.get("bits") == 4 or settings.get("quant_method") in ("awq", "mxfp4")
    return 1.1 * (0.5 if four else 1.0)


def _loaded(source: _Source, ready: _Ready) -> "PreTrainedModel":
    options: dict[str, Any] = {}
    direct = ready.device.type != "cpu" and find_spec("accelerate") is not None
    if direct:  # straight to the GPU, without a copy in the machine's own memory
        options["device_map"] = ready.device
    if source.gguf is not None:
        options |= as_floats() | source.files
    with read_once(source.gguf, words=False):
        model, info = ready.auto.from_pretrained(
            source.place,
            output_loading_info=True,
            config=ready.config,
            dtype=ready.dtype,
            use_safetensors=True,
            trust_remote_code=False,
            **options,
        )
    if odd := [*info["mismatched_keys"], *info["missing_keys"]]:  # transformers fills these at random
        raise ModelError(f"{source.name!r} lacks weights or holds others than it says ({odd[0]}): choose another file")
    if source.adapter is not None:
        from peft import PeftModel

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft 0.21 asks transformers by an older name
            model = PeftModel.from_pretrained(model, str(source.adapter)).merge_and_unload()
    if not direct and ready.device.type != "cpu":
        model = model.to(ready.device)
    return model.eval()


def _check_folder(name: str, folder: Path) -> None:
    """Say what is wrong with a folder before transformers asks the hub for it."""
    if not folder.is_dir():
        if name.startswith((".", "/", "~")) or name.count("/") > 1:
            raise ModelError(f"there is no model folder {name!r}: check the path, or name a hub model (owner/name)")
        return
    if not (folder / "config.json").is_file():
        raise ModelError(f"{name!r} is not a model folder: it has neither a config.json nor a GGUF file")
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{name!r} holds no *.safetensors weights; pickled weights (.bin) are never loaded: "
            "convert the checkpoint to safetensors with save_pretrained first"
        )


def _why_not_loaded(name: str, message: str) -> str:
    first = message.strip().splitlines()[0] if message.strip() else "no reason given"
    if "trust_remote_code" in message:
        return f"{name!r} needs code of its own, which is never run here: choose a model that transformers knows"
    for mark, why in _ODD.items():
        if mark in message:
            return f"{name!r} {why}"
    if "safetensors" in message and ("does not appear" in message or "not found" in message):
        return f"{name!r} holds no safetensors weights; pickled weights are never loaded: choose another"
    if any(mark in message for mark in ("connect", "offline", "not a valid model identifier", "not a local folder")):
        return (
            f"{name!r} is neither a folder here nor a hub model within reach: check the spelling and the "
            f"network, or download it first and pass the folder ({first})"
        )
    return f"{name!r} cannot be loaded: {first}"


def _identity(source: _Source, config: "PretrainedConfig") -> str:
    """Identify the weights: an adapter's and a folder's by their digest, a hub model by its commit."""
    if source.gguf is not None:
        with source.gguf.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    parts = [_digest(source.folder) if source.folder else str(getattr(config, "_commit_hash", "") or "unknown")]
    if source.adapter is None:
        return parts[0]
    parts.append(_digest(source.adapter))
    return hashlib.sha256("+".join(parts).encode()).hexdigest()


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    names = [*folder.glob("*.safetensors"), *(folder / name for name in ("config.json", ADAPTER))]
    for path in sorted(path for path in names if path.is_file()):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
