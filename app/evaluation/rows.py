"""Reading evaluation data: JSONL, gzipped or not, row by row, bad rows set aside with their line numbers.

Knows the fields of each kind of data and nothing of what is measured on them.
"""

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, Field, FiniteFloat, StrictStr, ValidationError

from app.errors import SettingsError
from dialogue.types import Turn
from safety.files import FileError, open_regular

LONGEST_LINE = 16 * 2**20  # bytes
SHOWN = 5  # bad rows that are quoted in the result


class EvaluationError(SettingsError):
    """What an evaluation was given cannot be used: wrong use, exit code 2. The message says what to mend."""


class Row(BaseModel):
    """One line of data; fields it does not know are left alone."""


class SafetyRow(Row):
    """A text somebody said, and whether it is unsafe."""

    text: StrictStr
    role: Literal["user", "assistant"]
    unsafe: bool
    context: list[StrictStr] = []
    category: StrictStr = ""


class GroundingRow(Row):
    """A response, and whether the evidence supports it."""

    evidence: list[StrictStr]
    response: StrictStr
    supported: bool
    context: list[StrictStr] = []


class QualityRow(Row):
    """A response and people's mean ratings of it, by name."""

    context: Annotated[list[StrictStr], Field(min_length=1)]
    response: StrictStr
    ratings: dict[str, FiniteFloat]


class AnswerRow(Row):
    """A sentence, and whether it answers the question."""

    question: StrictStr
    sentence: StrictStr
    answers: bool
    title: StrictStr = ""


class DialogueRow(Row):
    """A conversation that ends with the user. `answers` is None when unknown, [] when no source answers."""

    context: Annotated[list[StrictStr], Field(min_length=1)]
    answers: list[StrictStr] | None = None
    source: StrictStr = ""
    kind: StrictStr = ""


RowT = TypeVar("RowT", bound=Row)


class Rows(Generic[RowT]):
    """The valid rows of a file, streamed; what was skipped is counted as it is met.

    `strict` raises EvaluationError at the first bad row instead. Iterate once.
    """

    def __init__(self, path: Path, model: type[RowT], limit: int | None = None, strict: bool = False) -> None:
        self.path = path
        self.n_invalid = 0
        self.invalid: list[str] = []
        self.duplicates = 0
        self._model = model
        self._limit = limit
        self._strict = strict

    def __iter__(self) -> Iterator[tuple[int, RowT]]:
        """Yield (line number, row). Raises EvaluationError when it cannot be read or has no valid row."""
        seen: set[bytes] = set()
        given = 0
        for number, line in lines(self.path):
            if self._limit is not None and given >= self._limit:
                break
            if not line.strip():
                continue
            try:
                row = self._parsed(line)
            except ValueError as error:
                self._skip(f"line {number}: {error}")
                continue
            digest = hashlib.blake2b(line.strip(), digest_size=12).digest()
            self.duplicates += digest in seen
            seen.add(digest)
            given += 1
            yield number, row
        if not given:
            raise EvaluationError(f"{str(self.path)!r} has 0 rows to evaluate. {'; '.join(self.invalid)}".strip())

    def _parsed(self, line: bytes) -> RowT:
        if len(line) >= LONGEST_LINE:
            raise ValueError(f"longer than {LONGEST_LINE // 2**20} MB")
        try:
            found = json.loads(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise ValueError(f"not UTF-8 at byte {error.start}") from None
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"not JSON: {error}") from None
        if not isinstance(found, dict):
            raise ValueError(f"a row is a JSON object, this is {type(found).__name__}")
        if b"\\ud" in line.lower():
            _refuse_halves(found)
        fields = self._model.model_fields
        missing = [name for name, field in fields.items() if field.is_required() and name not in found]
        if missing:
            raise ValueError(f"missing {', '.join(missing)}; expected {', '.join(fields)}; found {', '.join(found)}")
        try:
            return self._model.model_validate(found)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise ValueError(f"{place} = {str(first['input'])[:60]!r}: {first['msg']}") from None

    def _skip(self, problem: str) -> None:
        if self._strict:
            raise EvaluationError(f"{str(self.path)!r}, {problem}")
        self.n_invalid += 1
        if len(self.invalid) < SHOWN:
            self.invalid.append(problem)


def _refuse_halves(found: dict[str, object]) -> None:
    """Raise ValueError when a text holds half of a surrogate pair, which is no character."""
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a text holds half a character (a lone surrogate)") from None


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line) of a JSONL file, gzipped or not, without a byte order mark.

    Raises EvaluationError when it cannot be read as such.
    """
    try:
        with open_regular(path) as file:
            start = file.read(4)
            file.seek(0)
            if start == b"PAR1":
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


def digest_of(path: Path) -> str:
    """Return the first 16 hex digits of the SHA-256 of a file, or of the files of a BEIR folder."""
    files = [path]
    if os.path.isdir(path):
        files = sorted(item for place in ("*", "qrels/*") for item in path.glob(place) if item.is_file())
    digest = hashlib.sha256()
    try:
        for file in files:
            with open_regular(file) as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    except (FileError, OSError) as error:
        raise EvaluationError(f"{str(path)!r} cannot be read: {_reason(error)}") from error
    return digest.hexdigest()[:16]


def _reason(error: FileError | OSError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def turns_of(context: list[str]) -> tuple[Turn, ...]:
    """Return the texts as turns: the last is the user's, the roles alternate backwards from there."""
    last = len(context) - 1
    return tuple(Turn("user" if (last - place) % 2 == 0 else "assistant", text) for place, text in enumerate(context))
