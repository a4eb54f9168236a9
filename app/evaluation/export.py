"""The rows of a run as a table: CSV, or Parquet where pyarrow is installed. Lists and objects are JSON in a cell."""

import csv
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from app.evaluation.journal import stored_rows
from app.evaluation.tables import EvaluationError

FORMS: Final = ("csv", "parquet")
CHUNK: Final = 2000  # rows written at once


def write_table(folder: Path, form: str = "csv") -> Path:
    """Write ``rows.csv`` or ``rows.parquet`` from the rows of a run, in the order of the data, and return its path.

    Raises EvaluationError where it cannot be written.
    """
    try:
        return _parquet(folder) if form == "parquet" else _csv(folder)
    except OSError as error:
        raise EvaluationError(f"{str(folder)!r} cannot be written: {error.strerror or error}") from error


def _fields(folder: Path) -> list[str]:
    """The columns: what a row that did not fail holds."""
    first = next((row for row in stored_rows(folder) if "error" not in row), {})
    return list(dict.fromkeys(["line", *first, "truncated", "error"]))


def _csv(folder: Path) -> Path:
    path, fields = folder / "rows.csv", _fields(folder)
    fresh = path.with_name("rows.csv.new")
    with fresh.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(fields)
        for row in stored_rows(folder):
            writer.writerow([_cell(row.get(name)) for name in fields])
    fresh.replace(path)
    return path


def _parquet(folder: Path) -> Path:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise EvaluationError("a table in Parquet needs the package pyarrow: pip install 'candor[parquet]'") from None
    path, fields = folder / "rows.parquet", _fields(folder)
    types = {bool: pyarrow.bool_(), int: pyarrow.int64(), float: pyarrow.float64(), str: pyarrow.string()}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in _kinds(folder, fields).items()])
    fresh = path.with_name("rows.parquet.new")
    with parquet.ParquetWriter(fresh, schema) as writer:
        rows = stored_rows(folder)
        while some := list(islice(rows, CHUNK)):
            made = [
                {field.name: _typed(row.get(field.name), field.type == types[str]) for field in schema} for row in some
            ]
            writer.write_table(pyarrow.Table.from_pylist(made, schema=schema))
    fresh.replace(path)
    return path


def _kinds(folder: Path, fields: list[str]) -> dict[str, type]:
    """The type of each column over all rows; text where it holds more than one kind of thing, or nothing."""
    seen: dict[str, set[type]] = {name: set() for name in fields}
    for row in stored_rows(folder):
        for name, kinds in seen.items():
            if (value := row.get(name)) is not None:
                kinds.add(type(value) if isinstance(value, bool | int | float) else str)
    return {
        name: next(iter(kinds)) if len(kinds) == 1 else float if kinds == {int, float} else str
        for name, kinds in seen.items()
    }


def _typed(value: object, text: bool) -> object:
    return value if value is None or not text or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cell(value: object) -> object:
    if isinstance(value, dict | list | bool):
        return json.dumps(value, ensure_ascii=False)
    return value


def read_rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a run as plain data. Raises EvaluationError where the folder holds none."""
    return stored_rows(folder)
