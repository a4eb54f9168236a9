"""Frozen dataclasses to plain JSON values and back, exactly.

Knows nothing of which classes they are: the types are read from the annotations. Tuples become lists,
paths text, dates ISO 8601; numpy never occurs in them.
"""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
Json = Any  # what json.loads returns


def to_json(value: object) -> Json:  # noqa: PLR0911, one line per type
    """Return `value` as dicts, lists, text, numbers, booleans and None. A float that is not finite is None.

    Raises TypeError for a type that has no JSON form.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"no JSON form for {type(value).__name__}: {value!r}")


def from_json(kind: type[T], data: Json) -> T:
    """Return the `kind` that `to_json` wrote as `data`. Raises KeyError or TypeError when it does not fit."""
    return cast(T, _read(kind, data))


def _read(kind: Json, data: Json) -> Json:  # noqa: PLR0911, one line per type
    origin: object = get_origin(kind)
    args = get_args(kind)
    if origin in (Union, types.UnionType):
        return None if data is None else _read(next(arg for arg in args if arg is not type(None)), data)
    if origin is tuple and args[-1] is Ellipsis:
        return tuple(_read(args[0], item) for item in data)
    if origin is tuple:
        return tuple(_read(arg, item) for arg, item in zip(args, data, strict=True))
    if origin is dict:
        return {key: _read(args[1], item) for key, item in data.items()}
    if origin is Literal:
        return data
    if is_dataclass(kind) and isinstance(kind, type):
        known = {name: _read(hint, data[name]) for name, hint in _hints(kind).items() if name in data}
        return kind(**known)
    if kind is float:
        return float(data)
    if kind is datetime:
        return datetime.fromisoformat(data)
    return data


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
