"""Frozen dataclasses to plain JSON values and back, exactly; the types are read from the annotations.

Rows outlive versions: a field that a row lacks has its default, and one that is not known any more is passed over.
"""

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")
Json = Any  # what json.loads returns


def to_json(value: object) -> Json:
    """Return `value` as dicts, lists, text, numbers, booleans and None. A float that is not finite is None.

    Raises ValueError for a type that has no JSON form.
    """
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, inf_nan_mode="null")


def from_json(kind: type[T], data: Json) -> T:
    """Return the `kind` that `to_json` wrote as `data`. Raises ValueError when it does not fit."""
    return cast(T, _adapter(cast(Any, kind)).validate_python(data))


@cache
def _adapter(kind: Any) -> "TypeAdapter[Any]":  # noqa: ANN401
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
