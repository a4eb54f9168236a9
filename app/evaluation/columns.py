"""What is measured of each row, kept as columns of a few bytes a row, so that a million rows fit in memory."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

MISSING: Final = -1  # in a column of flags; NaN in one of values
KEYS: Final = 1000  # values of a key that are told apart; the rest is OTHERS
OTHERS: Final = "(others)"


@dataclass(frozen=True, slots=True)
class Measured:
    """The measures of one row: flags and values, None where a measure does not apply, and the keys rows are sliced by.

    The names of a kind of evaluation are the same for every row, or come up later for the first time.
    """

    flags: dict[str, bool | None] = field(default_factory=dict)
    values: dict[str, float | None] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)


class Columns:
    """Columns by name, rows in order."""

    def __init__(self) -> None:
        self.n = 0
        self._flags: dict[str, array[int]] = {}
        self._values: dict[str, array[float]] = {}
        self._keys: dict[str, array[int]] = {}
        self._names: dict[str, dict[str, int]] = {}

    def add(self, row: Measured) -> None:
        """Add a row."""
        for name, flag in row.flags.items():
            column = self._flags.get(name)
            if column is None:
                column = self._flags[name] = array("b", [MISSING]) * self.n
            column.append(MISSING if flag is None else int(flag))
        for name, value in row.values.items():
            numbers = self._values.get(name)
            if numbers is None:
                numbers = self._values[name] = array("f", [float("nan")]) * self.n
            numbers.append(float("nan") if value is None else value)
        for name, text in row.keys.items():
            codes = self._keys.get(name)
            if codes is None:
                codes = self._keys[name] = array("H", [0]) * self.n
                self._names[name] = {"": 0}
            names = self._names[name]
            codes.append(names.setdefault(text if text in names or len(names) < KEYS else OTHERS, len(names)))
        self.n += 1
        self._level()

    def _level(self) -> None:
        """Pad what the row had no value of."""
        for column in self._flags.values():
            if len(column) < self.n:
                column.append(MISSING)
        for numbers in self._values.values():
            if len(numbers) < self.n:
                numbers.append(float("nan"))
        for codes in self._keys.values():
            if len(codes) < self.n:
                codes.append(0)

    @property
    def flags(self) -> list[str]:
        """The names of the flags."""
        return list(self._flags)

    @property
    def values(self) -> list[str]:
        """The names of the values."""
        return list(self._values)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column of flags (0 and 1) or of values (n,), NaN where it is missing; all NaN for an unknown name."""
        if name in self._flags:
            column = np.frombuffer(self._flags[name], dtype=np.int8)
            return np.where(column == MISSING, np.nan, column).astype(np.float64)
        if name in self._values:
            return np.frombuffer(self._values[name], dtype=np.float32).astype(np.float64)
        return np.full(self.n, np.nan)

    def flag(self, name: str, rows: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """The flags of a column that are there, of all rows or of some."""
        column = np.frombuffer(self._flags[name], dtype=np.int8) if name in self._flags and self.n else np.zeros(0)
        if rows is not None and len(column):
            column = column[rows]
        found: NDArray[np.bool_] = column[column != MISSING] == 1
        return found

    def value(self, name: str, rows: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """The values of a column that are there, of all rows or of some."""
        column = self.numbers(name)
        column = column if rows is None else column[rows]
        found: NDArray[np.float64] = column[~np.isnan(column)]
        return found

    def slices(self, key: str, most: int = KEYS) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Yield the values of a key with the rows that have it, in order of first appearance, "" left out.

        With more than `most` the most frequent are given.
        """
        if key not in self._keys or not self.n:
            return
        codes = np.frombuffer(self._keys[key], dtype=np.uint16)
        counts = np.bincount(codes, minlength=len(self._names[key]))
        names = [name for name, code in self._names[key].items() if name and counts[code]]
        if len(names) > most:
            best = set(sorted(names, key=lambda name: -counts[self._names[key][name]])[:most])
            names = [name for name in names if name in best]
        for name in names:
            yield name, codes == self._names[key][name]


def rounded(value: object, digits: int = 6) -> object:
    """Round the floats in a record, so that it reads the same wherever it was computed."""
    if isinstance(value, float):
        return round(value, digits)
    if isinstance(value, dict):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [rounded(item, digits) for item in value]
    return value
