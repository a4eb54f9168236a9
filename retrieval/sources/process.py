"""A parser in a process of its own: started under limits, its documents taken one by one, always ended.

A crash, a bomb or an endless loop there costs no more than the file.
"""

import base64
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from retrieval.sources.filetypes import SourceLimits
from retrieval.sources.letter import Attachment, Letter
from retrieval.types import Document, Note, Section, SourceError

_ROOT: Final = Path(__file__).parents[2]
_BYTES: Final = 12  # that one character takes on the way at most


def parsed(path: Path, kind: str, limits: SourceLimits) -> Iterator[tuple[str, Document | Letter | SourceError]]:
    """Yield the documents of the file and their numbers in it (``#12``, empty where it is one), or why one cannot be
    read.

    Raises SourceError, which begins with the path, when the file as a whole cannot be read.
    """
    command = [sys.executable, "-P", "-m", "retrieval.sources.child", kind, str(path.absolute())]
    process = subprocess.Popen(
        [*command, json.dumps(asdict(limits))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
    )
    number = 0
    try:
        for line in _lines(process, path, limits):
            row: dict[str, Any] = json.loads(line)
            if row.get("end"):
                if error := row.get("error"):
                    raise SourceError(f"{path}: {error}")
                return
            if row.get("more"):
                continue
            number += 1
            yield str(row["member"]), SourceError(row["error"]) if "error" in row else _document(row)
    except ValueError:
        pass  # it died in the middle of a line
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()
    after = f", after {number} documents" if number else ""
    raise SourceError(
        f"{path}: broken {kind}, or one that needs more than {limits.cpu_seconds} seconds or "
        f"{limits.memory >> 20} MB to read{after}"
    )


def _environment() -> dict[str, str]:
    """This process's environment without secrets, with the package in reach and arithmetic on one thread."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CANDOR_")}
    return {**kept, "PYTHONPATH": str(_ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def _lines(process: "subprocess.Popen[bytes]", path: Path, limits: SourceLimits) -> Iterator[bytes]:
    """Yield what the process writes line by line; the time it may take counts from line to line."""
    assert process.stdout
    output = process.stdout.fileno()
    buffer = bytearray()
    searched = 0
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        deadline = time.monotonic() + limits.wall_seconds
        while True:
            if (end := buffer.find(b"\n", searched)) >= 0:
                yield bytes(buffer[:end])
                del buffer[: end + 1]
                searched = 0
                deadline = time.monotonic() + limits.wall_seconds
                continue
            searched = len(buffer)
            if searched > _BYTES * limits.max_text + 1_000_000:
                raise SourceError(f"{path}: {limits.too_much_text}")
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise SourceError(f"{path}: took more than {limits.wall_seconds} seconds to read")
            if not (chunk := os.read(output, 1 << 16)):
                return
            buffer += chunk


def _document(row: dict[str, Any]) -> Document | Letter:
    sections = (Section(tuple(headings), start, end, place) for headings, start, end, place in row["sections"])
    notes = tuple((Note[name], int(count)) for name, count in row["notes"].items())
    document = Document("", row["title"], row["text"], tuple(sections), notes, row["dated"])
    if "attached" not in row:
        return document
    return Letter(document, tuple(Attachment(name, base64.b64decode(data)) for name, data in row["attached"]))
