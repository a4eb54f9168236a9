"""Training of the safety adapter: P(unsafe) of requests and of replies, and what an unsafe text is about.

The data are those of `app.training.safety_data`, the fit that of `app.training.adapters`.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.training.adapters import AdapterTraining, Group, Pair, fit_phases
from app.training.safety_data import ASKED, LAST, LATE, SAID, SHARES, Row, calibrate, gather, split
from retrieval.encoder.adapters import Adapter, Reader, new_adapter
from retrieval.encoder.embed import Encoder
from safety.windows import shown

JUDGED = ("request", "reply")
DOUBT = 4.5  # logits by which what is only noted has to be the likelier topic than what is enforced
PLANS = (
    AdapterTraining(examples=48_000, rate=1e-3, before_tokens=64, text_tokens=112, drop=0.2),
    AdapterTraining(examples=16_000, rate=6e-4, before_tokens=64, text_tokens=112, drop=0.2),
    AdapterTraining(examples=12_800, rate=5e-4, before_tokens=64, text_tokens=112, drop=0.2),
    AdapterTraining(examples=6_400, rate=4e-4, before_tokens=64, text_tokens=112, drop=0.2),
    AdapterTraining(examples=24_000, rate=6e-4, before_tokens=64, text_tokens=112, drop=0.2),
)


def train(
    data: Path, encoder: Encoder, seed: int = 0, plans: Sequence[AdapterTraining] = PLANS
) -> tuple[Adapter, dict[str, Any]]:
    """Return the adapter, its calibration in its card, and the curve of each plan with what was seen.

    Raises SafetyError when a file of `data` is missing.
    """
    learn, check = split(gather(data, seed))
    topics = sorted({row.objective for row in learn if row.objective})
    adapter = new_adapter("safety", [*JUDGED, *topics], encoder, seed, whole=True)
    by_source: defaultdict[str, list[Group]] = defaultdict(list)
    for row in learn:
        by_source[row.source].append((_example(row, topics),))
    curve = fit_phases(encoder, adapter, by_source, plans, (SHARES, LATE, LAST, SAID, ASKED), seed)
    adapter.tensors["head.1.bias"][adapter.outputs.index("misinformation")] -= DOUBT
    logits = Reader(encoder, adapter)([shown(row.before, row.text) for row in check])
    for place, kind in enumerate(JUDGED):
        rows = np.array([row.kind == kind for row in check])
        adapter.about[kind] = calibrate(logits[rows, place], [row for row in check if row.kind == kind])
    return adapter, {"curve": curve, "learnt": {name: len(found) for name, found in by_source.items()}}


def _example(row: Row, topics: list[str]) -> Pair:
    before, text = shown(row.before, row.text)
    labels: list[tuple[str, float]] = [(row.kind, float(row.unsafe))]
    if row.unsafe and row.objective:
        labels += [(name, float(name == row.objective)) for name in topics]
    return Pair(before, text, tuple(labels), row.weight)
