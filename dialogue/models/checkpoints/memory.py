"""What the weights of a checkpoint take, and how much memory there is. All sizes are bytes.

Reads file headers and what the system says of itself; loads no weights.
"""

import copy
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dialogue.types import ModelError

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

_FLOATS: Final = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}  # floats of a checkpoint, cast when loaded
_SIZES: Final = _FLOATS | {"I64": 8, "U64": 8, "I32": 4, "U32": 4, "I16": 2, "U16": 2}  # all others: one byte


def stored_bytes(folder: Path, parameter: float | None) -> int:
    """Return what the weights of a folder take, by the headers of its safetensors files.

    Floats count `parameter` bytes each, the size they are cast to; None leaves them as they are stored.
    Raises ModelError for a file that is not safetensors or shorter than its header says.
    """
    return sum(_file_bytes(path, parameter) for path in sorted(folder.glob("*.safetensors")))


def built_bytes(config: "PretrainedConfig", auto: "type[Any]", parameter: float) -> int:
    """Return what the weights of a configuration take: the model is built without memory and counted."""
    import torch

    plain = copy.deepcopy(config)
    if hasattr(plain, "quantization_config"):
        del plain.quantization_config
    with torch.device("meta"):
        model = auto.from_config(plain)
    return int(sum(weight.numel() for weight in model.parameters()) * parameter)


def free_bytes(device: "torch.device", root: Path = Path("/")) -> int:
    """Return the memory available: of the GPU, or of this machine within the limits of its control groups."""
    if device.type == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info(device)
        return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    found = [available(root), *_group_limits(root)]
    return max(min(found), 0)


def available(root: Path = Path("/")) -> int:
    """Return what the system says can be had without swapping."""
    try:
        for line in (root / "proc" / "meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return 2**63  # a system that does not say refuses nothing


def _file_bytes(path: Path, parameter: float | None) -> int:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(path.stat().st_size, 2**27):
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(length))
        entries = [entry for name, entry in header.items() if name != "__metadata__"]
        ends = [entry["data_offsets"][1] for entry in entries]
        if 8 + length + max(ends, default=0) > path.stat().st_size:
            raise ValueError("it is shorter than its header says: the download may have been cut off")
        return round(sum(_tensor_bytes(entry, parameter) for entry in entries))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ModelError(f"the weights {str(path)!r} cannot be read: {error}; fetch them again") from error


def _tensor_bytes(entry: dict[str, Any], parameter: float | None) -> float:
    numbers: int = math.prod(entry["shape"])
    cast = parameter is not None and entry["dtype"] in _FLOATS
    return numbers * (parameter if cast and parameter else _SIZES.get(entry["dtype"], 1))


def _group_limits(root: Path) -> list[int]:
    """Return what every control group around this process has left, in both versions of control groups."""
    try:
        lines = (root / "proc" / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, own = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top = root / "sys" / "fs" / "cgroup" / ("memory" if controllers else "")
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if controllers else ("memory.max", "memory.current")
        group = top / own.strip("/")
        for place in (group, *group.parents):
            found += _left(place, *names)
            if place == top:
                break
    return found


def _left(group: Path, limit: str, usage: str) -> list[int]:
    """Return the limit less what is used, pages of files that can be given back not counted; [] for no limit."""
    try:
        stated = (group / limit).read_text().strip()
        used = int((group / usage).read_text())
        counts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return []
    given_back = int(counts.get("total_inactive_file", counts.get("inactive_file", 0)))
    return [] if stated == "max" else [int(stated) - used + given_back]
