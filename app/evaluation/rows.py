"""Evaluation data, row by row: the fields of each kind, bad rows set aside with their line numbers.

Knows nothing of what is measured on them.
"""

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, BeforeValidator, Field, FiniteFloat, StrictStr, ValidationError

from app.evaluation.formats import OURS, NoReply, recognise, rows_of, source_of
from app.evaluation.tables import LONGEST_LINE, EvaluationError, Raw, digest_of, lines
from dialogue.types import Turn

__all__ = ["EvaluationError", "Rows", "digest_of", "lines", "turns_of"]

SHOWN = 5  # bad rows that are quoted in the result


class Row(BaseModel):
    """One line of data; fields it does not know are left alone."""


class SafetyRow(Row):
    """A text somebody said, and whether it is unsafe."""

    text: StrictStr
    role: Literal["user", "assistant"]
    unsafe: bool
    context: list[StrictStr] = []
    category: StrictStr = ""


def _texts(found: object) -> object:
    return [source_of(item)["text"] for item in found] if isinstance(found, list) else found


class GroundingRow(Row):
    """A response, and whether the evidence supports it, None where nobody has said."""

    evidence: Annotated[list[StrictStr], BeforeValidator(_texts)]
    response: StrictStr
    supported: bool | None = None
    context: list[StrictStr] = []
    source: StrictStr = ""
    kind: StrictStr = ""
    category: StrictStr = ""
    id: StrictStr = ""


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


_WANTED = "(?:answer|abstain|talk|support|refuse)"
_EXPECT = rf"^(?:{_WANTED}(?:\|{_WANTED})*)?$"


def _citation(found: object) -> object:
    """A citation as a piece of evidence; one that only quotes is the quote."""
    if isinstance(found, Mapping) and isinstance(found.get("quote"), str) and not isinstance(found.get("text"), str):
        found = {**found, "text": found["quote"]}
    return source_of(found)


def _ratings(found: object) -> object:
    if not isinstance(found, Mapping):
        return found
    return {name: value if isinstance(value, list | Mapping) else [value] for name, value in found.items()}


class Piece(BaseModel):
    """A piece of evidence that a reply was written from."""

    text: StrictStr
    title: StrictStr = ""
    source: StrictStr = ""


class DialogueRow(Row):
    """A conversation that ends with the user, and what is expected of the reply, or is known of one that was given.

    `answers` is None when unknown, [] when no source answers; else texts of which one must stand in the reply, or
    lists of such alternatives, one of each. `expect` is answer, abstain, talk, support or refuse, alternatives parted
    by "|"; see `app.evaluation.verdicts`. `reference` is what a person answered. A `response` of any system may stand
    in the row, with the `evidence` it was written from, `citations` (the pieces that its marks [1], [2] lead to;
    without them the evidence), its `outcome`, `seconds` and `tokens`.
    """

    context: Annotated[list[StrictStr], Field(min_length=1)]
    answers: list[StrictStr] | list[list[StrictStr]] | None = None
    source: StrictStr = ""
    kind: StrictStr = ""
    category: StrictStr = ""
    id: StrictStr = ""
    expect: Annotated[StrictStr, Field(pattern=_EXPECT)] = ""
    forbidden: list[StrictStr] = []
    cite: bool = False
    shorter: bool = False
    long: bool = False
    english_ok: bool = False
    reference: StrictStr = ""
    response: StrictStr | None = None
    evidence: list[Annotated[Piece, BeforeValidator(source_of)]] | None = None
    citations: list[Annotated[Piece, BeforeValidator(_citation)]] | None = None
    outcome: Literal["", "answered", "abstained", "refused"] = ""
    seconds: FiniteFloat | None = None
    tokens: dict[str, int] | None = None


class AgreementRow(Row):
    """A response and what people say of it: by name one rating, or those of several raters, by place or by name."""

    context: Annotated[list[StrictStr], Field(min_length=1)]
    response: StrictStr
    ratings: Annotated[dict[str, list[float | None] | dict[str, float | None]], BeforeValidator(_ratings)]
    evidence: Annotated[list[StrictStr], BeforeValidator(_texts)] = []


RowT = TypeVar("RowT", bound=Row)
FOREIGN = (DialogueRow, GroundingRow, AgreementRow)  # kinds of which rows of other tools are read


class Rows(Generic[RowT]):
    """The valid rows of a file, streamed; what was skipped is counted as it is met.

    `strict` raises EvaluationError at the first bad row instead. Iterate once.
    """

    def __init__(self, path: Path, model: type[RowT], limit: int | None = None, strict: bool = False) -> None:
        self.path = path
        self.n_invalid = 0
        self.invalid: list[str] = []
        self.formats: Counter[str] = Counter()
        self._model = model
        self._limit = limit
        self._strict = strict
        self._seen = array("Q")

    @property
    def duplicates(self) -> int:
        """How many of the rows given stand there more than once, the first time aside."""
        return len(self._seen) - len(np.unique(np.frombuffer(self._seen, dtype=np.uint64))) if self._seen else 0

    def __iter__(self) -> Iterator[tuple[int, RowT]]:
        """Yield (line number, row). Raises EvaluationError when it cannot be read or has no valid row."""
        given = 0
        for number, raw in rows_of(self.path) if self._model in FOREIGN else lines(self.path):
            if self._limit is not None and given >= self._limit:
                break
            if isinstance(raw, bytes) and not raw.strip():
                continue
            try:
                row = self._parsed(raw)
            except ValueError as error:
                self._skip(f"line {number}: {error}")
                continue
            plain = raw.strip() if isinstance(raw, bytes) else repr(raw).encode("utf-8", "surrogatepass")
            self._seen.append(int.from_bytes(hashlib.blake2b(plain, digest_size=8).digest()))
            given += 1
            yield number, row
        if not given:
            raise EvaluationError(f"{str(self.path)!r} has 0 rows to evaluate. {'; '.join(self.invalid)}".strip())

    def _parsed(self, raw: Raw) -> RowT:
        found = _object(raw) if isinstance(raw, bytes) else raw
        if isinstance(raw, dict) or b"\\ud" in raw.lower():
            _refuse_halves(found)
        if self._model in FOREIGN:
            form = recognise(found)
            found = _converted(found) if form is not OURS else found
            self.formats[form.name] += 1
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


def _object(line: bytes) -> dict[str, Any]:
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
    return found


def _converted(found: dict[str, Any]) -> dict[str, Any]:
    """A row of another tool in our fields. Raises ValueError."""
    try:
        return recognise(found).convert(found)
    except NoReply:
        raise
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"a row of {recognise(found).name} that lacks {error}") from None


def _refuse_halves(found: dict[str, object]) -> None:
    """Raise ValueError when a text holds half of a surrogate pair, which is no character."""
    try:
        json.dumps(found, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        raise ValueError("a text holds half a character (a lone surrogate)") from None


def turns_of(context: list[str]) -> tuple[Turn, ...]:
    """Return the texts as turns: the last is the user's, the roles alternate backwards from there."""
    last = len(context) - 1
    return tuple(Turn("user" if (last - place) % 2 == 0 else "assistant", text) for place, text in enumerate(context))
