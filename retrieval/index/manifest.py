"""What a generation's files have to be: sizes and SHA-256, in a manifest that also proves itself.

Knows files and bytes; nothing of what they hold or of which generation is served.
"""

import hashlib
import json
import mmap
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from retrieval.types import IndexDamaged

NAME: Final = "manifest.json"
SCHEMA: Final = 2
MAPPED: Final = 128 << 20  # bytes from which a file is mapped; smaller ones are held in memory
_BLOCK: Final = 8 << 20  # bytes of a mapped file that are hashed at once


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation holds. `files` maps a relative path to (size in bytes, SHA-256)."""

    schema: int
    encoder: str
    count: int
    dimension: int
    created: str
    files: dict[str, tuple[int, str]]

    def render(self) -> bytes:
        """Return the only bytes that stand for this manifest: JSON with its own SHA-256 at the end."""
        fields = asdict(self)
        digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
        return json.dumps({**fields, "sha256": digest}, indent=1).encode() + b"\n"


def read_manifest(file: Path) -> Manifest:
    """Return the manifest in `file`. Raises IndexDamaged, naming it, unless every byte is as written."""
    try:
        data = file.read_bytes()
        fields = json.loads(data)
        fields.pop("sha256")
        fields["files"] = {name: (int(size), str(digest)) for name, (size, digest) in fields["files"].items()}
        manifest = Manifest(**fields)
    except OSError as error:
        raise IndexDamaged(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexDamaged(f"{file} is not a manifest: {error!r}") from error
    if manifest.render() != data:
        raise IndexDamaged(f"{file} does not match its own SHA-256")
    if manifest.schema != SCHEMA:
        raise IndexDamaged(f"{file} has schema {manifest.schema!r}, this version reads {SCHEMA}")
    return manifest


def verified(file: Path, size: int, digest: str) -> bytes | mmap.mmap:
    """Return the content of `file`: the very bytes, or the very mapping, whose size and SHA-256 were checked.

    A mapping is read once from end to end. What the disk does to it later is not seen. Raises IndexDamaged.
    """
    try:
        data = contents(file)
    except OSError as error:
        raise IndexDamaged(f"{file} cannot be read: {error.strerror}") from error
    if len(data) != size:
        raise IndexDamaged(f"{file} has {len(data)} bytes, its manifest says {size}")
    found = sha256(data)
    if found != digest:
        raise IndexDamaged(f"{file} has SHA-256 {found[:12]}…, its manifest says {digest[:12]}…")
    return data


def contents(file: Path) -> bytes | mmap.mmap:
    """Return what is in `file`, mapped when it is large. Raises OSError."""
    with file.open("rb") as opened:
        if os.fstat(opened.fileno()).st_size < MAPPED:
            return opened.read()
        return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)


def sha256(data: bytes | mmap.mmap) -> str:
    """Return the SHA-256 of the bytes as hexadecimal digits."""
    digest = hashlib.sha256()
    with memoryview(data) as view:
        for start in range(0, len(view), _BLOCK):
            digest.update(view[start : start + _BLOCK])
    return digest.hexdigest()


def listed(folder: Path) -> dict[str, tuple[int, str]]:
    """Write the files of `folder` through to the disk and return what a manifest says of them."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.suffix != ".lock")
    found = {}
    for file in files:
        sync(file)
        data = contents(file)
        found[str(file.relative_to(folder))] = (len(data), sha256(data))
    return found


def sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
