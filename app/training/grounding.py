"""Training of the adapter that reads claims after evidence, and of the groundedness head on what it says.

What it learns from is `grounding_data`'s business.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.training.adapters import AdapterTraining, fit_phases
from app.training.grounding_data import MEASURED, SHARES, SPLIT, head_rows, measured_rows, pairs, replies
from app.training.grounding_metrics import GroundingExample, Row, balanced, numbers, overlap, supports, weighed
from app.training.perceptron import fit, fit_monotone
from dialogue.judges.alignment import COSINE, FEATURES, OVERLAP, REFUTED, SUPPORTED, Array
from dialogue.judges.grounding import COPIED, Grounder, beside, complete, copied
from dialogue.judges.heads import Head
from dialogue.judges.settling import CLAIM, REPLY, reply_row, settled
from dialogue.judges.windows import encode
from retrieval.encoder.adapters import Adapter, new_adapter
from retrieval.encoder.embed import Encoder
from retrieval.types import TokenEmbedder
from safety.types import PairReader

PLANS = (
    AdapterTraining(examples=40_000, rate=1.5e-3, before_tokens=96, text_tokens=64),
    AdapterTraining(examples=24_000, rate=1e-3, before_tokens=96, text_tokens=64),
)
HIDDEN = 48
FOLDS = 5
GRID = ((0.0, 0.1, 0.2, 0.4), (0.0, 0.2, 0.4, 0.6), (0.0, 0.25, 0.5, 1.0))  # weights tried for each anchor
PULLS = (0.05, 0.2)  # to equal weights, of the head of claims and of that of replies
REPLIES_TOO = "replies"  # as a name in a report
Heads = dict[str, Head]
Whole = tuple[bool, str, Sequence[GroundingExample]]  # whether a reply is supported, its source, its claims
Anchors = tuple[float, ...]  # of cosine, overlap and the adapter's supported minus refuted
Metrics = dict[str, dict[str, float]]


def train_adapter(
    data: Path, encoder: Encoder, seed: int = 0, plans: Sequence[AdapterTraining] = PLANS
) -> tuple[Adapter, list[dict[str, float]]]:
    """Return the adapter that reads a claim after a window of evidence, and the curve of its loss."""
    adapter = new_adapter("grounded", ("supported", "refuted"), encoder, seed, rank=32, matching=True, whole=True)
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
                near = each[0].overlap, each[0].cosine
                found.append(GroundingExample(row, x, contradicts, overlap(row), cosine, near))
    return found


def train(data: Path, encoder: TokenEmbedder, reader: PairReader, seed: int = 0) -> tuple[Heads, Metrics]:
    """Return the heads and the metrics of each set they learn from, every row judged by a head that did not see it.

    `reader` is the adapter of `train_adapter` on `encoder`. The anchors are chosen by sets left out of the fit, what is
    beside the head and the threshold by five folds, in which rows that share evidence stay together.
    """
    made = [prepare(row.claims(), encoder, reader) for row in replies(data, "head", seed)]
    whole = [(row.supported, row.source, claims) for row, claims in zip(replies(data, "head", seed), made, strict=True)]
    return train_on(prepare(head_rows(data, seed), encoder, reader), [reply for reply in whole if reply[2]], seed)


def train_on(examples: Sequence[GroundingExample], whole: Sequence[Whole], seed: int) -> tuple[Heads, Metrics]:
    """Train on prepared claims, and on replies with their prepared claims."""
    anchors = choose_anchors(examples, seed)
    place = folds([example.row for example in examples])
    judges = [
        _head([e for e, at in zip(examples, place, strict=True) if at != fold], anchors, seed) for fold in range(FOLDS)
    ]
    y = np.asarray([example.row.supported for example in examples])
    sources = [example.row.source for example in examples]
    x = np.stack([_best_row(judges[at], example) for example, at in zip(examples, place, strict=True)])
    claim = fit_monotone("claim", CLAIM, x, y, sources, PULLS[0])
    scores, copies = claim(x), [bool(copied(e.row.response, e.row.passages)) for e in examples]
    scores[copies] = COPIED
    threshold = best_threshold(y, scores, sources)
    head, claim = _head(examples, anchors, seed), replace(claim, threshold=threshold)
    rows = np.stack([reply_row(weighed(head, claim, claims)) for _, _, claims in whole])
    labels, kinds = np.asarray([supported for supported, _, _ in whole]), [source for _, source, _ in whole]
    reply = fit_monotone("reply", REPLY, rows, labels, kinds, PULLS[1])
    metrics: Metrics = {}
    for name in dict.fromkeys(sources):
        here = [i for i, source in enumerate(sources) if source == name]
        metrics[f"{name}, {FOLDS}-fold"] = numbers([examples[i] for i in here], scores[here], threshold)
    chosen = dict(zip(("cosine", "overlap", "adapter"), anchors, strict=True))
    metrics["head"] = {"threshold": threshold, "learnt": len(examples), "replies": len(whole), **chosen}
    return {"grounded": head, "claim": claim, "whole": reply}, metrics


def _best_row(head: Head, example: GroundingExample) -> Array:
    """Return the row of `claim_rows` of the window that the head likes best."""
    rows = beside(head, example.windows, *example.near)
    best: Array = rows[int(rows[:, 0].argmax())]
    return best


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
            head = anchored(plain, anchors)
            areas.append(float(roc_auc_score(y, [_best_row(head, example)[0] for example in out])))
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


def best_threshold(y: NDArray[np.bool_], scores: Array, sources: Sequence[str]) -> float:
    """Return the threshold of the best balanced accuracy, mean over the sources."""
    parts = [np.asarray([other == source for other in sources]) for source in sorted(set(sources))]
    limits = np.linspace(0.3, 0.7, 41).tolist()
    return float(max(limits, key=lambda limit: np.mean([balanced(y[part], scores[part] >= limit) for part in parts])))


def report(
    data: Path, grounder: Grounder, names: Sequence[str] = (*MEASURED, *SPLIT, "altered", REPLIES_TOO)
) -> Metrics:
    """Return the metrics of sets that were not trained on, of the parts kept for the report, and of whole replies."""
    found = {}
    for name in names:
        examples = prepare(measured_rows(data, name), grounder.encoder, grounder.read)
        scores = supports(grounder.head, grounder.claim, examples)
        found[name] = numbers(examples, scores, grounder.threshold)
    rows = replies(data, "report") if REPLIES_TOO in names else []
    made = [(row, prepare(row.claims(), grounder.encoder, grounder.read)) for row in rows]
    for name in dict.fromkeys(row.source for row, _ in made):
        whole = [(row, claims) for row, claims in made if row.source == name and claims]
        scores = np.asarray([settled(grounder.reply, weighed(grounder.head, grounder.claim, c)) for _, c in whole])
        beside = [_as_one(row, claims) for row, claims in whole]
        found[f"{name}, whole replies"] = numbers(beside, scores.astype(np.float32), grounder.threshold)
    return found


def _as_one(row: Row, claims: Sequence[GroundingExample]) -> GroundingExample:
    """A reply with the baselines of the whole and the windows of one of its claims."""
    cosine = float(np.mean([claim.cosine for claim in claims]))
    return replace(claims[0], row=row, overlap=overlap(row), cosine=cosine)
