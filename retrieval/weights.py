"""Weights files: those that ship are byte for byte what was measured, or they are not loaded.

Each package names the SHA-256 of its own files in a table; any other file is the user's, and only its form is checked.
A file is read once, and what was verified is what is parsed.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from retrieval.types import RetrievalError

Shipped = Mapping[Path, str]  # the SHA-256 of files that ship
REINSTALL: Final = "reinstall candor"
Tensors = dict[str, NDArray[np.float32]]

WEIGHTS: Final = Path(__file__).with_name("weights")
SHIPPED: Final[Shipped] = {
    WEIGHTS / "reader.safetensors": "b556a94551f0cdf5979d316d0b8d20f85febede4d57fa48de9c1747e5499090d",
}


def read_bytes(path: Path, shipped: Shipped, mend: str = REINSTALL) -> bytes:
    """Return what the file at `path` holds, verified where `shipped` names its SHA-256.

    Raises RetrievalError when it cannot be read or is another file than the one that ships; `mend` says what to do
    then.
    """
    expected = shipped.get(path)
    if expected is None:
        mend = "name another, or train it with: candor train judges"
    try:
        data = path.read_bytes()
    except OSError as error:
        why = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise RetrievalError(f"the model file {path} {why}: {mend}") from error
    found = hashlib.sha256(data).hexdigest()
    if expected not in (None, found):
        raise RetrievalError(
            f"the model file {path} is damaged or is not the one that ships (SHA-256 {found[:12]}…, not "
            f"{expected[:12]}…): {mend}"
        )
    return data


def read_weights(path: Path, shipped: Shipped) -> tuple[Tensors, dict[str, str]]:
    """Return the tensors of a safetensors file, in float32, and its metadata.

    Raises RetrievalError as `read_bytes` does, and when the file is no safetensors or holds numbers that are not
    finite.
    """
    data = read_bytes(path, shipped)
    try:
        tensors = {name: tensor.astype(np.float32) for name, tensor in load(data).items()}
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except (SafetensorError, ValueError, KeyError, TypeError) as error:  # KeyError, TypeError: a type numpy lacks
        raise RetrievalError(f"the model file {path} is no safetensors ({error}): train it again") from error
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise RetrievalError(f"the model file {path} holds numbers that are not finite: train it again")
    return tensors, header.get("__metadata__", {})
