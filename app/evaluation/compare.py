"""Two or more runs over the same data, row by row: what got worse, what got better, and what is chance.

For every measure the difference of the means over the rows that each run counts, with a paired bootstrap interval, and
the p of a permutation test in which the two runs of a row change places. Holm's correction (1979) runs over all
measures and runs, so that of comparisons without a difference at most one in twenty calls anything significant.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.evaluation.catalogue import about
from app.evaluation.columns import Columns, Measured
from app.evaluation.journal import RUN, stored_rows
from app.evaluation.tables import EvaluationError

LEVEL: Final = 0.05
DRAWS: Final = 4000  # permutations
RESAMPLES: Final = 1000
BLOCK: Final = 2**22  # numbers drawn at once
LEFT_OUT: Final = ("undetermined", "label", "claimed", "claims", "claims_cited", "overlap", "words")
TIMED: Final = ("seconds", "stage ")  # how busy a machine was is no property of a system
INNER: Final = "p_"  # probabilities behind the labels that are compared
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Difference:
    """How a measure differs between a run and the first, `before`: `after - before`, with its interval.

    `n` are the rows that both runs measure; `changed` those of them that differ. `holm` is p corrected for all measures
    that were looked at.
    """

    measure: str
    run: str
    n: int
    changed: int
    before: float
    after: float
    difference: float
    low: float
    high: float
    p: float
    holm: float = 1.0

    @property
    def verdict(self) -> str:
        """Worse, better, different (where neither way is better), or the same as far as these rows can tell."""
        if self.holm > LEVEL:
            return "same"
        better = about(self.measure).better * self.difference
        return "better" if better > 0 else "worse" if better < 0 else "different"


@dataclass(frozen=True)
class Comparison:
    """All differences, regressions first, and rows that turned from right to wrong.

    `seconds` are the means per turn of the runs that took them, which are told and not tested.
    """

    kind: str
    data: str
    names: tuple[str, ...]
    differences: tuple[Difference, ...]
    lost: tuple[dict[str, Any], ...] = field(default=())
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def regressions(self) -> list[Difference]:
        """What got worse."""
        return [one for one in self.differences if one.verdict == "worse"]

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        found = [asdict(one) | {"verdict": one.verdict} for one in self.differences]
        about_runs = {"kind": self.kind, "data": self.data, "runs": list(self.names), "seconds": self.seconds}
        return about_runs | {"differences": found, "lost": list(self.lost)}


def compare(folders: Sequence[Path], seed: int = 0) -> Comparison:
    """Compare the runs in these folders, the first being what the others are compared with.

    Raises EvaluationError for fewer than two, for runs of different kinds or data, and where one has no rows.
    """
    from app.evaluation import measured_of

    if len(folders) < 2:
        raise EvaluationError("name the folders of at least two runs to compare")
    runs = [_run(folder) for folder in folders]
    kind, digest = runs[0]["kind"], runs[0]["data_sha256"]
    for folder, run in zip(folders, runs, strict=True):
        if (run["kind"], run["data_sha256"]) != (kind, digest):
            raise EvaluationError(
                f"{str(folder)!r} is a run of {run['kind']} over {run['data']!r}, not of {kind} over "
                f"{runs[0]['data']!r} as {str(folders[0])!r}: compare runs over the same data"
            )
    measured = measured_of(kind)
    lines = sorted(set.intersection(*({row["line"] for row in _sound(folder)} for folder in folders)))
    if not lines:
        raise EvaluationError("the runs have no row in common")
    kept = np.asarray(lines)
    columns = [_columns(folder, measured, kept) for folder in folders]
    names = tuple(_names(folders))
    found = [
        one
        for name, other in zip(names[1:], columns[1:], strict=True)
        for one in differences(columns[0], other, name, seed)
    ]
    lost = tuple(_lost(folders[0], folders[1], measured)) if len(folders) == 2 else ()
    took = {name: each.value("seconds") for name, each in zip(names, columns, strict=True)}
    seconds = {name: round(float(values.mean()), 4) for name, values in took.items() if len(values)}
    return Comparison(kind, str(runs[0]["data"]), names, tuple(ordered(holm(found))), lost, seconds)


def differences(first: Columns, other: Columns, run: str = "other", seed: int = 0) -> list[Difference]:
    """Return the difference of every measure that both have, p not yet corrected."""
    found = []
    for measure in [*first.flags, *first.values]:
        known = measure in {*other.flags, *other.values}
        if measure in LEFT_OUT or measure.startswith((*TIMED, INNER)) or not known:
            continue
        one = difference(first.numbers(measure), other.numbers(measure), seed)
        if one is not None:
            found.append(Difference(measure, run, *one))
    return found


def difference(
    before: Array, after: Array, seed: int = 0
) -> tuple[int, int, float, float, float, float, float, float] | None:
    """Return (n, changed, before, after, difference, low, high, p) of a measure (rows,), NaN where it does not apply.

    None where a run has no row of it.
    """
    one, two = ~np.isnan(before), ~np.isnan(after)
    if not one.any() or not two.any():
        return None
    # per row: its value and whether it counts, before and after
    table = np.stack([np.where(one, before, 0), one, np.where(two, after, 0), two], axis=1).astype(np.float64)
    table = table[one | two]
    old, new = table[:, 0].sum() / table[:, 1].sum(), table[:, 2].sum() / table[:, 3].sum()
    moved = (table[:, 0] != table[:, 2]) | (table[:, 1] != table[:, 3])
    random = np.random.default_rng(seed)
    low, high = _interval(table, random)
    p = _permuted(table[moved], table[~moved].sum(0), new - old, random) if moved.any() else 1.0
    both = int((one & two).sum())
    numbers = (float(old), float(new), float(new - old), low, high)
    return (both, int(moved.sum()), *(round(number, 6) for number in numbers), round(p, 6))  # type: ignore[return-value]


def holm(found: Sequence[Difference]) -> list[Difference]:
    """Return them with p corrected for how many there are, the sure ones first in turn (Holm 1979)."""
    order = sorted(range(len(found)), key=lambda place: found[place].p)
    corrected, most = {}, 0.0
    for rank, place in enumerate(order):
        most = max(most, min(1.0, (len(found) - rank) * found[place].p))
        corrected[place] = round(most, 6)
    return [_with(one, corrected[place]) for place, one in enumerate(found)]


def ordered(found: Sequence[Difference]) -> list[Difference]:
    """Regressions first, then what is better, then what differs, then the rest; the surest and largest first."""
    ranks = {"worse": 0, "better": 1, "different": 2, "same": 3}
    return sorted(found, key=lambda one: (ranks[one.verdict], one.p, -abs(one.difference), one.measure, one.run))


def markdown(found: Comparison) -> str:
    """Return a table for a pull request: what changed, and in one line what did not."""
    changed = [one for one in found.differences if one.verdict != "same"]
    said = f"{len(found.regressions)} worse" if found.regressions else "nothing is worse"
    better = sum(one.verdict == "better" for one in changed)
    lines = [f"**{found.kind} of {found.data}**, {' against '.join((*found.names[1:], found.names[0]))}: {said}, "]
    lines[0] += f"{better} better, of {len(found.differences)} measures."
    if changed:
        lines += [
            "",
            "| | measure | run | before | after | difference (95 %) | p, Holm | n |",
            "|---|---|---|---|---|---|---|---|",
        ]
    for one in changed:
        sign = {"worse": "🔴 worse", "better": "🟢 better"}.get(one.verdict, one.verdict)
        lines.append(
            f"| {sign} | {about(one.measure).title} | {one.run} | {one.before:.3f} | {one.after:.3f} | "
            f"{one.difference:+.3f} ({one.low:+.3f} to {one.high:+.3f}) | {one.holm:.2g} | {one.n} |"
        )
    return "\n".join(lines) + "\n"


def _with(one: Difference, corrected: float) -> Difference:
    return Difference(**{**asdict(one), "holm": corrected})


def _permuted(moved: Array, still: Array, seen: float, random: np.random.Generator) -> float:
    """The share of permutations whose difference is as large as the one seen, this one among them."""
    swing = moved[:, 2:] - moved[:, :2]  # what a row adds to the first run when the two change places
    base, total = still[:2] + moved[:, :2].sum(0), still + moved.sum(0)
    both = total[:2] + total[2:]
    kinds, counts = np.unique(swing, axis=0, return_counts=True)
    few = 4 * len(kinds) < len(swing)
    hits = done = 0
    step = max(1, BLOCK // len(kinds if few else swing))
    while done < DRAWS:
        some = min(step, DRAWS - done)
        if few:  # how many rows of each kind change places
            first = base + random.binomial(counts, 0.5, (some, len(kinds))) @ kinds
        else:
            first = base + random.integers(0, 2, (some, len(swing)), dtype=np.int8).astype(np.float32) @ swing
        second = both - first
        with np.errstate(divide="ignore", invalid="ignore"):
            drawn = np.nan_to_num(second[:, 0] / second[:, 1]) - np.nan_to_num(first[:, 0] / first[:, 1])
        hits += int((np.abs(drawn) >= abs(seen) - 1e-9).sum())
        done += some
    return (hits + 1) / (done + 1)


def _interval(table: Array, random: np.random.Generator) -> tuple[float, float]:
    """The 2.5 and 97.5 percentiles of the difference over rows drawn with replacement."""
    n = len(table)
    kinds, counts = np.unique(table, axis=0, return_counts=True)
    step = max(1, min(RESAMPLES, BLOCK // len(kinds)))
    draws = max(200, min(RESAMPLES, 64 * step))  # many rows need fewer
    parts = [random.multinomial(n, counts / n, size=min(step, draws - done)) @ kinds for done in range(0, draws, step)]
    drawn = np.concatenate(parts)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = drawn[:, 2] / drawn[:, 3] - drawn[:, 0] / drawn[:, 1]
    low, high = np.nanpercentile(found, [2.5, 97.5]) if np.isfinite(found).any() else (0.0, 0.0)
    return float(low), float(high)


def _run(folder: Path) -> dict[str, Any]:
    try:
        run: dict[str, Any] = json.loads((folder / RUN).read_text(encoding="utf-8"))
        return {key: run[key] for key in ("kind", "data", "data_sha256")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(f"{str(folder)!r} holds no run: evaluate with --out {folder} first") from error


def _sound(folder: Path) -> Iterator[dict[str, Any]]:
    return (row for row in stored_rows(folder) if "error" not in row)


def _columns(folder: Path, measured: Callable[[dict[str, Any]], Measured], lines: NDArray[np.int64]) -> Columns:
    columns, place = Columns(), 0
    for row in _sound(folder):
        if place < len(lines) and row["line"] == lines[place]:
            columns.add(measured(row))
            place += 1
    return columns


def _names(folders: Sequence[Path]) -> Iterator[str]:
    """Short names that tell the runs apart."""
    short = [folder.resolve().name for folder in folders]
    for folder, name in zip(folders, short, strict=True):
        yield name if short.count(name) == 1 else str(folder)


def _lost(
    before: Path, after: Path, measured: Callable[[dict[str, Any]], Measured], most: int = 12
) -> Iterator[dict[str, Any]]:
    """Rows that were right, or supported, and are no more."""
    given = 0
    for old, new in _pairs(_sound(before), _sound(after)):
        flags = measured(old).flags, measured(new).flags
        for name in ("right", "correct", "groundedness", "safety"):
            if flags[0].get(name) and flags[1].get(name) is False:
                yield {
                    "line": old["line"],
                    "question": old["question"],
                    "before": old["reply"],
                    "after": new["reply"],
                    "lost": name,
                }
                given += 1
                break
        if given == most:
            return


def _pairs(
    first: Iterator[dict[str, Any]], second: Iterator[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Rows of the same line, both in the order of the data."""
    one, two = next(first, None), next(second, None)
    while one is not None and two is not None:
        if one["line"] == two["line"]:
            yield one, two
        ahead = one["line"] > two["line"]
        one = one if ahead else next(first, None)
        two = next(second, None) if ahead or one is None or one["line"] > two["line"] else two
