"""The judges that ship: what trains each into a folder of weights, and what grades such a folder.

Grades are taken on validation rows, by the same code for new weights and for those shipped. Knows nothing of which of
the two is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import dialogue.answers
import safety.guard
from dialogue.metrics import auroc
from dialogue.training import answers, grounding, quality
from dialogue.training import safety as guard
from retrieval.adapters import Reader, load_adapter
from retrieval.embed import Encoder
from safety.training import gather, split
from safety.windows import shown

Figures = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """A judge with its `files` in `shipped`.

    `train` writes the files to a folder and returns its figures with the curve of the loss; `grade` returns what the
    files in a folder reach, larger being better. Both raise SafetyError or OSError for data that is not there.
    """

    shipped: Path
    files: tuple[str, ...]
    train: Callable[[Path, Encoder, Path, int], Figures]
    grade: Callable[[Path, Encoder, Path], dict[str, float]]


def _train_safety(data: Path, encoder: Encoder, folder: Path, seed: int) -> Figures:
    adapter, figures = guard.train(data, encoder, seed)
    adapter.save(folder / "safety.safetensors")
    return figures


def _grade_safety(data: Path, encoder: Encoder, folder: Path) -> dict[str, float]:
    """AUROC on the published validation sets."""
    reader = Reader(encoder, load_adapter(folder / "safety.safetensors"))
    _, check = split(gather(data, 0))
    grades = {}
    for name, kind in (("diasafety valid", "reply"), ("convabuse valid", "request")):
        rows = [row for row in check if row.source == name]
        logits = reader([shown(row.before, row.text) for row in rows])[:, reader.outputs.index(kind)]
        grades[name] = auroc([row.unsafe for row in rows], logits.tolist())
    return grades


def _train_grounded(data: Path, encoder: Encoder, folder: Path, seed: int) -> Figures:
    adapter, curve = grounding.train_adapter(data, encoder, seed)
    adapter.save(folder / "evidence.safetensors")
    head, figures = grounding.train(data, encoder, _reader(encoder, folder / "evidence.safetensors"), seed)
    head.save(folder / "grounded.safetensors")
    return figures | {"curve": curve}


def _grade_grounded(data: Path, encoder: Encoder, folder: Path) -> dict[str, float]:
    """AUROC on the sets that are never trained on and whose weights may be shipped, and on altered claims held out."""
    found = grounding.report(data, grounding.load(encoder, folder))
    return {name: found[name]["auroc"] for name in ("begin_dev.validation", "altered")}


def _train_quality(data: Path, encoder: Encoder, folder: Path, seed: int) -> Figures:
    adapter, curve = quality.train_adapter(data, encoder, seed)
    adapter.save(folder / "reply.safetensors")
    heads, figures = quality.train(data, encoder, _reader(encoder, folder / "reply.safetensors"), seed)
    for name, head in heads.items():
        head.save(folder / f"{name}.safetensors")
    return figures | {"curve": curve}


def _train_answers(data: Path, encoder: Encoder, folder: Path, seed: int) -> Figures:
    head, figures = answers.train(data, encoder, seed)
    head.save(folder / "answers.safetensors")
    return dict(figures)


def _reader(encoder: Encoder, path: Path) -> Reader:
    return Reader(encoder, load_adapter(path))
