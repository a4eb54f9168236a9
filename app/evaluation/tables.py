"""Files of rows, one row at a time: JSONL, gzipped or not, CSV, Parquet. Knows nothing of what the rows hold.

A row of JSONL comes as its bytes, so that whoever parses it can say what is wrong with it; one of a table as an object.
"""

import ast
import csv
import gzip
import hashlib
import io
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from app.errors import SettingsError
from safety.files import FileError, open_regular

LONGEST_LINE: Final = 16 * 2**20  # bytes
PARQUET: Final = b"PAR1"
LISTS: Final = frozenset(
    "context contexts evidence retrieved_contexts answers citations forbidden ground_truths".split()
)
Raw = bytes | dict[str, Any]


class EvaluationError(SettingsError):
    """What an evaluation was given cannot be used: wrong use, exit code 2. The message says what to mend."""


def raw_rows(path: Path) -> Iterator[tuple[int, Raw]]:
    """Yield (number from 1, row) of a file; the number is that of the line, or of the row of a table.

    Raises EvaluationError when the file cannot be read as what it is.
    """
    if _starts(path) == PARQUET:
        yield from _parquet(path)
    elif path.name.removesuffix(".gz").endswith((".csv", ".tsv")):
        yield from _delimited(path)
    else:
        yield from lines(path)


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line) of a JSONL file, gzipped or not, without a byte order mark.

    Raises EvaluationError when it cannot be read as such.
    """
    try:
        with open_regular(path) as file:
            start = file.read(4)
            file.seek(0)
            if start == PARQUET:
                raise EvaluationError(f"{str(path)!r} is Parquet: write it as JSON lines (.jsonl or .jsonl.gz)")
            with gzip.open(file) if start[:2] == b"\x1f\x8b" else file as stream:
                number = 0
                while line := stream.readline(LONGEST_LINE):
                    number += 1
                    yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise EvaluationError(f"{str(path)!r} is a damaged gzip file: {error}") from error
    except (FileError, OSError) as error:
        raise EvaluationError(f"{str(path)!r} cannot be read: {_reason(error)}") from error


def count(path: Path) -> int | None:
    """Return about how many rows a file has, for a bar of progress; None where that would take reading it all."""
    try:
        start = _starts(path)
        if start == PARQUET:
            from pyarrow import parquet

            return int(parquet.read_metadata(path).num_rows)
        if start[:2] == b"\x1f\x8b" or path.is_dir():
            return None
        with open_regular(path) as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    except Exception:  # what is wrong with the file is told where it is read
        return None


def digest_of(path: Path) -> str:
    """Return the first 16 hex digits of the SHA-256 of a file, or of the files of a folder of data."""
    files = [path]
    if os.path.isdir(path):
        places = ("*", "qrels/*", "generation_tasks/*")
        files = sorted(item for place in places for item in path.glob(place) if item.is_file())
    digest = hashlib.sha256()
    try:
        for file in files:
            with open_regular(file) as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    except (FileError, OSError) as error:
        raise EvaluationError(f"{str(path)!r} cannot be read: {_reason(error)}") from error
    return digest.hexdigest()[:16]


def _starts(path: Path) -> bytes:
    """The first four bytes of a file, b"" for what cannot be read: whoever reads it says why."""
    with suppress(FileError, OSError), open_regular(path) as file:
        return bytes(file.read(4))
    return b""


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise EvaluationError(
            f"{str(path)!r} is Parquet, which needs the package pyarrow: pip install 'candor[parquet]'"
        ) from None
    number = 0
    try:
        with open_regular(path) as file:
            for batch in parquet.ParquetFile(file).iter_batches(256):
                for row in batch.to_pylist():
                    number += 1
                    yield number, {str(name): value for name, value in row.items() if value is not None}
    except (ArrowException, FileError, OSError) as error:
        raise EvaluationError(f"{str(path)!r} is a damaged Parquet file: {' '.join(str(error).split())}") from error


def _delimited(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(LONGEST_LINE)
    try:
        with open_regular(path) as file:
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            with gzip.open(file) if zipped else file as stream:
                text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
                tabs = path.name.removesuffix(".gz").endswith(".tsv")
                for number, row in enumerate(csv.DictReader(text, delimiter="\t" if tabs else ","), 1):
                    yield number, {name: _cell(name, cell) for name, cell in row.items() if name and cell}
    except (csv.Error, UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise EvaluationError(f"{str(path)!r} is not a table in UTF-8: {error}") from error
    except (FileError, OSError) as error:
        raise EvaluationError(f"{str(path)!r} cannot be read: {_reason(error)}") from error


def _cell(name: str, cell: str) -> object:
    """A cell that holds a list or an object, as JSON or as Python writes it, as such; a text where a list belongs."""
    if cell[0] in "[{":
        with suppress(ValueError, RecursionError):
            return json.loads(cell)
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return ast.literal_eval(cell)
    return [cell] if name in LISTS else cell


def _reason(error: FileError | OSError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
