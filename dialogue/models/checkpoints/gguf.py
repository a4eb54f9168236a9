"""GGUF files, as LM Studio, Ollama and llama.cpp keep them: told apart, examined, read once for all who ask.

transformers makes the configuration, the tokenizer and the weights of one; each time it would parse the whole file.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from dialogue.types import ModelError

if TYPE_CHECKING:
    import gguf

SUFFIX: Final = ".gguf"
MAGIC: Final = b"GGUF"
_PATCHING: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A file in the folder `place`."""

    place: str
    name: str

    @property
    def path(self) -> Path:
        """Where it is."""
        return Path(self.place) / self.name


def gguf_in(folder: Path) -> GgufFile | None:
    """Return the GGUF file of a folder that holds no other weights; of several the largest.

    Pieces of one model and what only goes with pictures are no models.
    """
    if any(folder.glob("*.safetensors")):
        return None
    found = [path for path in folder.glob(f"*{SUFFIX}") if path.is_file() and not path.name.startswith("mmproj")]
    return GgufFile(str(folder), max(found, key=lambda path: (path.stat().st_size, path.name)).name) if found else None


def gguf_of_hub(name: str) -> GgufFile | None:
    """Fetch the GGUF file of a hub repository: the one in four bits if there is one.

    None where there is none, or an ordinary checkpoint. A repository that cannot be listed has none; whoever loads it
    says why.
    """
    from huggingface_hub import hf_hub_download, list_repo_files
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        listed = list_repo_files(name)
        files = sorted(file for file in listed if file.endswith(SUFFIX) and "mmproj" not in file)
        if not files or "config.json" in listed:
            return None
        chosen = next((file for file in files if "Q4_K_M" in file.upper()), files[0])
        path = Path(hf_hub_download(name, chosen))
    except (OSError, HfHubHTTPError, HFValidationError, RuntimeError):
        return None
    return GgufFile(str(path.parent), path.name)


def examined(path: Path) -> None:
    """Read what a file says of itself. Raises ModelError, one line, when it is no GGUF file or not whole."""
    shown = repr(str(path))
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        why = "there is no file" if isinstance(error, FileNotFoundError) else f"{error.strerror}:"
        raise ModelError(f"{why} {shown}: name a GGUF file, gguf:PATH{SUFFIX}") from error
    if magic != MAGIC:
        raise ModelError(f"{shown} is no GGUF file (it does not begin with {MAGIC.decode()}): name another")
    try:
        reader = _reader(path.resolve(), path.stat().st_mtime_ns)
    except Exception as error:  # whatever a damaged header makes the parser do
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"{shown} is damaged or cut off ({why}): fetch it again") from error
    if not reader.tensors or "general.architecture" not in reader.fields:
        raise ModelError(f"{shown} holds no model: it has no weights or names no architecture")


@contextmanager
def read_once(file: GgufFile | None, words: bool = True) -> Iterator[None]:
    """While this lasts transformers is given the file as it was parsed before; without `words` not all of
    the vocabulary.

    It asks for the table of tensor names anew for every module of a model, so that is remembered, too.
    """
    if file is None:
        yield
        return
    parser: Any = import_module("gguf")
    loader: Any = import_module("transformers.modeling_gguf_pytorch_utils")
    with _PATCHING:
        whole, table, bar = parser.GGUFReader, parser.get_tensor_name_map, loader.tqdm
        parser.GGUFReader = lambda path, mode="r": _shown(Path(path), words)
        parser.get_tensor_name_map = cache(table)
        loader.tqdm = lambda tensors, **_: tensors
        try:
            yield
        finally:
            parser.GGUFReader, parser.get_tensor_name_map, loader.tqdm = whole, table, bar


def as_floats() -> dict[str, Any]:
    """Return what makes transformers widen packed weights when it loads them; older versions always do."""
    import transformers

    kind = getattr(transformers, "GgufConfig", None)
    return {"quantization_config": kind(dequantize=True)} if kind else {}


def parameters(path: Path) -> int:
    """Return how many weights a file holds, those counted once that are used twice."""
    return sum(int(tensor.n_elements) for tensor in _reader(path.resolve(), path.stat().st_mtime_ns).tensors)


def _shown(path: Path, words: bool) -> Any:  # noqa: ANN401
    """The parsed file, or the part of it that is needed to make the weights."""
    reader = _reader(path.resolve(), path.stat().st_mtime_ns)
    if words:
        return reader
    rest = ("tokenizer.ggml.merges", "tokenizer.ggml.scores", "tokenizer.ggml.token_type")
    fields = {name: field for name, field in reader.fields.items() if name not in rest}
    return SimpleNamespace(fields=fields, tensors=reader.tensors, get_field=fields.get)


@lru_cache(maxsize=1)
def _reader(path: Path, changed: int) -> "gguf.GGUFReader":
    import numpy as np
    from gguf.gguf_reader import GGUFReader

    class Reader(GGUFReader):
        """The parser of the format's authors, without an array of a mapped file for every number."""

        def _get(self, offset: int, dtype: Any, count: int = 1, override_order: Any = None) -> Any:  # noqa: ANN401
            if (override_order or self.byte_order) == "S":
                return super()._get(offset, dtype, count, override_order)
            return np.frombuffer(self.data, np.dtype(dtype).newbyteorder("<"), int(count), int(offset))

    return Reader(path)
