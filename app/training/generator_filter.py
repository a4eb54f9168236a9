"""Which unrated replies a generator learns from: those that judges find good (Thoppilan et al. 2022, section 6.1).

There the fine-tuned discriminators keep 800 thousand of 2.5 million turns. Knows scores, shares and thresholds;
nothing of training.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Final, Literal

from app.training.generator_data import Sample, TrainingError, discriminative
from app.training.generator_loop import Progress
from app.training.generator_model import Adapted, Encoded, odds, precision, rating_row
from dialogue.attributes import INTERESTING, QUALITY, SENSIBLE, SPECIFIC, UNSAFE
from dialogue.types import Attribute, Judge

Points = Mapping[str, float | None]  # an attribute's name -> P(desired rating), None when not judged
Score = Callable[[Sequence[Sample]], list[Points]]

PAPER: Final = 0.32  # 800 thousand of 2.5 million
CHUNK = 64  # replies scored between two writes


@dataclass(frozen=True, slots=True)
class Filter:
    """What is kept: replies that reach every probability in `least`, of these the best share `keep` of all.

    `by` names the judge: the model's own discriminators after the first stage, the embedded judge, or none.
    """

    by: Literal["model", "embedded", "none"] = "model"
    keep: float = PAPER
    least: Mapping[str, float] = field(default_factory=dict)


def kept(points: Sequence[Points], rule: Filter) -> list[bool]:
    """Say of each scored reply whether it is trained on. One that was not judged sensible or not, never is."""
    able = [
        place
        for place, point in enumerate(points)
        if _quality(point) is not None and all(_reaches(point.get(name), least) for name, least in rule.least.items())
    ]
    best = sorted(able, key=lambda place: -(_quality(points[place]) or 0.0))
    chosen = set(best[: round(rule.keep * len(points))])
    return [place in chosen for place in range(len(points))]


def summary(points: Sequence[Points], chosen: Sequence[bool]) -> dict[str, Any]:
    """Return how many were scored and kept, and the mean of each score before and after."""
    survivors = [point for point, stays in zip(points, chosen, strict=True) if stays]
    names = dict.fromkeys(name for point in points for name in point)
    return {
        "scored": len(points),
        "unjudged": sum(_quality(point) is None for point in points),
        "kept": len(survivors),
        "before": {name: _mean(points, name) for name in names},
        "after": {name: _mean(survivors, name) for name in names},
    }


def scored(samples: Sequence[Sample], score: Score, journal: Path, progress: Progress) -> list[Points]:
    """Return the points of every sample, going on from what the journal, a JSONL file, already holds."""
    known = _known(journal)
    with journal.open("ab") as file:
        file.truncate(sum(len(line) for line in known))
        for start in range(len(known), len(samples), CHUNK):
            made = [json.dumps(point).encode() + b"\n" for point in score(samples[start : start + CHUNK])]
            known += made
            file.write(b"".join(made))
            file.flush()
            os.fsync(file.fileno())
            progress("weighing", len(known), len(samples))
    return [json.loads(line) for line in known]


def by_model(adapted: Adapted, attributes: Sequence[Attribute]) -> Score:
    """Return the model's own discriminators as a score: the prompt, the reply, the attribute, P(desired rating)."""

    def score(samples: Sequence[Sample]) -> list[Points]:
        import torch

        rows: list[dict[str, float | None]] = [{} for _ in samples]
        for attribute in attributes:
            pairs = [_weighing(adapted, sample, attribute) for sample in samples]
            with torch.inference_mode(), precision(adapted):
                for start in range(0, len(pairs), 8):
                    part = pairs[start : start + 8]
                    values = odds(adapted, [row for row, _ in part], [other for _, other in part]).tolist()
                    for row, value in zip(rows[start : start + 8], values, strict=True):
                        row[attribute.name] = value
        return list(rows)

    return score


def by_judge(judge: Judge) -> Score:
    """Return a judge of drafts as a score of the same names."""

    def score(samples: Sequence[Sample]) -> list[Points]:
        return list(_judged(judge, samples))

    return score


def weighed(attributes: Sequence[str]) -> list[Attribute]:
    """Return the attributes of those names that filtering looks at. Raises TrainingError when sensible is not there."""
    found = [attribute for attribute in QUALITY if attribute.name in attributes]
    if SENSIBLE not in found:
        raise TrainingError(
            "the rated rows never rate sensible, so the model cannot filter the unrated ones: "
            "filter by the embedded judge, or not at all"
        )
    return found


def _judged(judge: Judge, samples: Sequence[Sample]) -> Iterator[Points]:
    for sample in samples:
        [scores] = judge.score(sample.context, [sample.reply])
        yield {
            SENSIBLE.name: scores.sensible,
            SPECIFIC.name: scores.specific,
            INTERESTING.name: scores.interesting,
            UNSAFE.name: scores.safe,
        }


def _weighing(adapted: Adapted, sample: Sample, attribute: Attribute) -> tuple[Encoded, int]:
    desired = replace(sample, ratings={attribute.name: attribute.desired == "1"})
    [example] = discriminative(desired, adapted.form)
    return rating_row(adapted, example)


def _quality(point: Points) -> float | None:
    """LaMDA's ranking: 3 * sensible + specific + interesting; what else was not judged adds nothing."""
    sensible = point.get(SENSIBLE.name)
    if sensible is None:
        return None
    return 3 * sensible + (point.get(SPECIFIC.name) or 0.0) + (point.get(INTERESTING.name) or 0.0)


def _reaches(value: float | None, least: float) -> bool:
    return value is not None and value >= least


def _mean(points: Sequence[Points], name: str) -> float | None:
    values = [value for point in points if (value := point.get(name)) is not None]
    return round(fmean(values), 4) if values else None


def _known(journal: Path) -> list[bytes]:
    """The whole lines of the journal; one that was cut off is scored again."""
    if not journal.is_file():
        return []
    return [line for line in journal.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
