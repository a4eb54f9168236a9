"""Conditions on a result, such as ``wrong_when_served<=0.04``, that decide the exit code."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.evaluation.tables import EvaluationError

SIGNS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_CONDITION = re.compile(r"\s*([^<>=]+?)\s*(<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)\s*")


@dataclass(frozen=True, slots=True)
class Condition:
    """A metric by its path, parted by dots, a sign, and a limit."""

    text: str
    path: str
    sign: str
    limit: float


def parsed(text: str) -> Condition:
    """Read a condition. Raises EvaluationError for what is none."""
    found = _CONDITION.fullmatch(text)
    if not found:
        raise EvaluationError(f"{text!r} is no condition: write it as METRIC<=NUMBER, for example groundedness>=0.9")
    return Condition(text.strip(), found[1], found[2], float(found[3]))


def checked(result: Mapping[str, Any], conditions: Sequence[Condition]) -> list[dict[str, Any]]:
    """Return each condition with the value and whether it is met; one whose value does not exist is not, with why."""
    found = []
    for condition in conditions:
        value, reason = _at(result, condition)
        met = value is not None and SIGNS[condition.sign](value, condition.limit)
        found.append({"condition": condition.text, "value": value, "met": met} | ({"reason": reason} if reason else {}))
    return found


def _at(result: Mapping[str, Any], condition: Condition) -> tuple[float | None, str]:
    if condition.path in result.get("undefined", {}):
        return None, str(result["undefined"][condition.path])
    place: Any = result
    for name in condition.path.split("."):
        place = place.get(name, {}) if isinstance(place, Mapping) else {}
    if isinstance(place, bool) or not isinstance(place, int | float):
        names = sorted(name for name, value in result.items() if isinstance(value, float))
        return None, f"the result has no metric {condition.path!r}: it has {', '.join(names)}"
    return float(place), ""
