"""Training of the adapter that reads claims after evidence, and of the groundedness head on what it says.

What it learns from is `grounding_data`'s business.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

from app.training.adapters import AdapterTraining, fit_phases
from app.training.grounding_data import (
    MEASURED,
    SHARES,
    altered_rows,
    halves,
    head_rows,
    pairs,
    read_rows,
    sampled,
)
from app.training.grounding_metrics import GroundingExample, Row, balanced, numbers, overlap, supports
from app.training.perceptron import fit
from dialogue.judges.alignment import COSINE, FEATURES, OVERLAP, REFUTED, SUPPORTED, Array
from dialogue.judges.grounding import Grounder, complete
from dialogue.judges.heads import Head
from dialogue.judges.windows import encode
from retrieval.encoder.adapters import Adapter, new_adapter
from retrieval.encoder.embed import Encoder
from retrieval.types import TokenEmbedder
from safety.types import PairReader

PLANS = (AdapterTraining(examples=40_000, rate=1.5e-3, before_tokens=96, text_tokens=64),)
HIDDEN = 48
FOLDS = 5
GRID = ((0.0, 0.1, 0.2, 0.4), (0.0, 0.2, 0.4, 0.6), (0.0, 0.25, 0.5, 1.0))  # weights tried for each anchor
Anchors = tuple[float, ...]  # of cosine, overlap and the adapter's supported minus refuted
Metrics = dict[str, dict[str, float]]


def train_adapter(
    data: Path, encoder: Encoder, seed: int = 0, plans: Sequence[AdapterTraining] = PLANS
) -> tuple[Adapter, list[dict[str, float]]]:
    """Return the adapter that reads a claim after a window of evidence, and the curve of its loss."""
    adapter = new_adapter("grounded", ("supported", "refuted"), encoder, seed, rank=32, matching=True)
    return adapter, fit_phases(encoder, adapter, pairs(data, seed), plans, SHARES, seed)


def prepare(
    rows: Sequence[Row], encoder: TokenEmbedder, reader: PairReader, batch: int = 256
) -> list[GroundingExample]:
    """Encode, read and lay out the rows; rows whose evidence holds no sentence are left out."""
    found = []
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        layouts = [row.layout() for row in some]
        encoded = encode(encoder, [text for layout in layouts for text in layout.texts])
        windows = [layout.windows(encoded)[0] for layout in layouts]
        laid = complete(reader, [layout.whole[0] for layout in layouts], windows)
        for row, layout, each, x in zip(some, layouts, windows, laid, strict=True):
            if each:
                source = np.sum([encoded[text].total for part in layout.parts() for text in part], axis=0)
                cosine = float(encoded[layout.whole[0]].mean @ source) / max(1e-9, float(np.linalg.norm(source)))
                contradicts = tuple(bool(window.difference.reason) for window in each)
                found.append(GroundingExample(row, x, contradicts, overlap(row), cosine))
    return found


def train(data: Path, encoder: TokenEmbedder, reader: PairReader, seed: int = 0) -> tuple[Head, Metrics]:
    """Return the head and the metrics of each set it learns from, every row judged by a head that did not see it.

    `reader` is the adapter of `train_adapter` on `encoder`. The anchors are chosen by sets left out of the fit,
    temperature and threshold by five folds, in which rows that share evidence stay together.
    """
    return train_on(prepare(head_rows(data, seed), encoder, reader), seed)


def train_on(examples: Sequence[GroundingExample], seed: int) -> tuple[Head, Metrics]:
    """Train on prepared examples."""
    anchors = choose_anchors(examples, seed)
    place = folds([example.row for example in examples])
    judges = [
        _head([e for e, at in zip(examples, place, strict=True) if at != fold], anchors, seed) for fold in range(FOLDS)
    ]
    head = settled(_head(examples, anchors, seed), judges, examples, place)
    scores = _unseen(judges, examples, place, head.temperature, head.threshold)
    metrics = {}
    for name in dict.fromkeys(example.row.source for example in examples):
        here = [i for i, example in enumerate(examples) if example.row.source == name]
        metrics[f"{name}, {FOLDS}-fold"] = numbers([examples[i] for i in here], scores[here], head.threshold)
    chosen = dict(zip(("cosine", "overlap", "adapter"), anchors, strict=True))
    metrics["head"] = {"temperature": head.temperature, "threshold": head.threshold, "learnt": len(examples), **chosen}
    return head, metrics


def folds(rows: Sequence[Row]) -> list[int]:
    """Return the fold of each row: rows that share a text of evidence are in one, the sizes are about equal."""
    leader = list(range(len(rows)))

    def lead(at: int) -> int:
        while leader[at] != at:
            leader[at] = leader[leader[at]]
            at = leader[at]
        return at

    first: dict[str, int] = {}
    for at, row in enumerate(rows):
        for text in row.evidence:
            leader[lead(at)] = lead(first.setdefault(text, at))
    groups = Counter(map(lead, range(len(rows))))
    sizes, fold = [0] * FOLDS, {}
    for group, size in sorted(groups.items(), key=lambda pair: (-pair[1], pair[0])):
        fold[group] = sizes.index(min(sizes))
        sizes[fold[group]] += size
    return [fold[lead(at)] for at in range(len(rows))]


def choose_anchors(examples: Sequence[GroundingExample], seed: int) -> Anchors:
    """Return the weights of the anchors by which sets that a head was not trained on are judged best on average."""
    from sklearn.metrics import roc_auc_score

    sources = sorted({example.row.source for example in examples})
    found: dict[Anchors, list[float]] = {anchors: [] for anchors in product(*GRID)}
    for source in sources:
        out = [example for example in examples if example.row.source == source]
        y = [example.row.supported for example in out]
        kept = [example for example in examples if example.row.source != source]
        if not kept or all(y) or not any(y):
            continue
        plain = _plain_head(kept, seed)
        for anchors, areas in found.items():
            areas.append(float(roc_auc_score(y, supports(anchored(plain, anchors), out))))
    return max(found, key=lambda anchors: sum(found[anchors]))


def _head(examples: Sequence[GroundingExample], anchors: Anchors, seed: int) -> Head:
    return anchored(_plain_head(examples, seed), anchors)


def _plain_head(examples: Sequence[GroundingExample], seed: int) -> Head:
    """Fit on the nearest evidence window of each example; the classes of every set weigh alike."""
    x = np.stack([example.windows[0] for example in examples])
    y = np.asarray([example.row.supported for example in examples])
    sources = np.asarray([example.row.source for example in examples])
    weight = np.ones(len(y), dtype=np.float32)
    for source in set(sources.tolist()):
        for label in (True, False):
            here = (sources == source) & (y == label)
            weight[here] = 0.5 * (sources == source).sum() / max(1, here.sum())
    return fit("grounded", FEATURES, x, y.astype(np.float32), weight, HIDDEN, seed)


def anchored(head: Head, anchors: Anchors) -> Head:
    """Add cosine, overlap and the adapter's word to the logit, as a pair of hidden units: ``relu(z) - relu(-z) = z``.

    Trained on inference pairs alone a head forgets them and loses on texts unlike its own. `anchors` are weights per
    standard deviation of the feature.
    """
    (weights, bias), (out, out_bias) = head.layers
    cosine, shared, adapter = anchors
    line = np.zeros((len(weights), 1), dtype=np.float32)
    line[COSINE], line[OVERLAP], line[SUPPORTED], line[REFUTED] = cosine, shared, adapter, -adapter
    layers = (
        (np.concatenate([weights, line, -line], axis=1), np.concatenate([bias, np.zeros(2, np.float32)])),
        (np.concatenate([out, np.array([[1.0], [-1.0]], np.float32)]), out_bias),
    )
    return replace(head, layers=layers)


def settled(head: Head, judges: Sequence[Head], examples: Sequence[GroundingExample], place: Sequence[int]) -> Head:
    """Set temperature (least log loss) and threshold (best mean balanced accuracy of the sets) by the folds' heads."""
    y = np.asarray([example.row.supported for example in examples])
    sources = np.asarray([example.row.source for example in examples])

    def loss(temperature: float) -> float:
        p = _unseen(judges, examples, place, temperature, head.threshold).clip(1e-4, 1 - 1e-4)
        return float(-np.where(y, np.log(p), np.log(1 - p)).mean())

    temperature = min(np.linspace(0.8, 2.4, 9).tolist(), key=loss)

    def accuracy(threshold: float) -> float:
        scores = _unseen(judges, examples, place, temperature, threshold)
        parts = [sources == source for source in set(sources.tolist())]
        return float(np.mean([balanced(y[part], scores[part] >= threshold) for part in parts]))

    return replace(head, temperature=temperature, threshold=max(np.linspace(0.4, 0.7, 31).tolist(), key=accuracy))


def _unseen(
    judges: Sequence[Head],
    examples: Sequence[GroundingExample],
    place: Sequence[int],
    temperature: float,
    threshold: float,
) -> Array:
    """Return the support of each example by the head of its fold (n,)."""
    scores = np.zeros(len(examples), dtype=np.float32)
    for fold, judge in enumerate(judges):
        here = [at for at, own in enumerate(place) if own == fold]
        if here:
            tuned = replace(judge, temperature=temperature, threshold=threshold)
            scores[here] = supports(tuned, [examples[at] for at in here])
    return scores


def report(data: Path, grounder: Grounder, names: Sequence[str] = (*MEASURED, "altered")) -> Metrics:
    """Return the metrics of sets that were not trained on, and of the altered claims kept for the report."""
    found = {}
    for name in names:
        altered = name == "altered"
        rows = (
            halves(altered_rows(data, held=True))[1] if altered else sampled(read_rows(data, name), MEASURED[name], 0)
        )
        examples = prepare(rows, grounder.encoder, grounder.read)
        found[name] = numbers(examples, supports(grounder.head, examples), grounder.threshold)
    return found
