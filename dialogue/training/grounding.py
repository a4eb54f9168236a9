"""Training and measuring the groundedness head on the development data.

Only files whose weights may be shipped are trained on; Climate-FEVER and HealthVer are only measured.
"""

import gzip
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dialogue.alignment import COSINE, FEATURES, OVERLAP, Array
from dialogue.facts import words
from dialogue.grounding import Grounder, Plan, best_support, encode
from dialogue.training.alterations import alter
from retrieval.types import Passage, TokenEmbedder
from safety.heads import Head

SHIPPED = {  # file: most rows taken from it
    "fool_me_twice.train": 1169,
    "rte.train": 800,
    "fever_symmetric.train": 800,
    "faithdial_audit.train": 200,
    "halueval_qa.train": 300,
    "ling_nli.train": 1500,
    "conj_nli.train": 900,
    "breaking_nli.train": 400,
    "med.train": 400,
    "monli.train": 200,
}
MEASURED = {"begin_dev.validation": 430, "climate_fever.train": 700, "healthver.train": 500}
HELD = 8  # every eighth row is held out for temperature, threshold and the report
Metrics = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Row:
    """A response with the evidence it is to be judged by. `kind` is the alteration, where one was made."""

    source: str
    evidence: tuple[str, ...]
    question: str
    response: str
    supported: bool
    kind: str = ""

    def plan(self) -> Plan:
        """Cut the row into texts, the response as one claim."""
        passages = [Passage(i, text, "", "", (), 0, len(text)) for i, text in enumerate(self.evidence)]
        return Plan.make(self.question, [self.response], passages)


@dataclass(frozen=True, slots=True)
class Example:
    """A row with the features of its nearest windows (windows, features), which of them contradict it, and
    the two baselines: the share of its words found in the evidence, and the cosine of the two."""

    row: Row
    windows: Array
    contradicts: tuple[bool, ...]
    overlap: float
    cosine: float


def read_rows(data: Path, name: str, limit: int | None = None, seed: int = 0) -> list[Row]:
    """Return the rows of one grounding file, a seeded sample of at most `limit`, the classes balanced."""
    rows = []
    with gzip.open(data / "grounding" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            raw = json.loads(line)
            evidence = tuple(text for text in raw["evidence"] if text.strip())
            question = raw["context"][-1] if raw["context"] else ""
            if evidence and raw["response"].strip():
                rows.append(Row(name, evidence, question, raw["response"], bool(raw["supported"])))
    if limit is None or len(rows) <= limit:
        return rows
    rng = random.Random(seed)
    rng.shuffle(rows)
    true = [row for row in rows if row.supported][: limit // 2]
    false = [row for row in rows if not row.supported][: limit - len(true)]
    return true + false


def altered_rows(data: Path, held: bool, seed: int = 0) -> list[Row]:
    """Return claims made from encyclopaedic paragraphs; every fifth paragraph is held out."""
    paragraphs = [text for i, text in enumerate(_paragraphs(data)) if (i % 5 == 0) == held]
    return [
        Row("altered", (a.paragraph,), "", a.claim, a.supported, a.kind)
        for a in alter(paragraphs, seed, per_paragraph=4)
    ]


def _paragraphs(data: Path) -> list[str]:
    with gzip.open(data / "retrieval" / "xquad_a.jsonl.gz", "rt", encoding="utf-8") as file:
        found = dict.fromkeys(json.loads(line)["paragraph"] for line in file)
    with gzip.open(data / "dialogues" / "topical_chat_rare.train.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            found.update(dict.fromkeys(t for t in json.loads(line)["knowledge"].values() if 300 < len(t) < 1500))
    return list(found)[:320]


def prepare(rows: Sequence[Row], encoder: TokenEmbedder, batch: int = 256) -> list[Example]:
    """Encode and lay out the rows; rows whose evidence holds no sentence are left out."""
    found = []
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        plans = [row.plan() for row in part]
        encoded = encode(encoder, [text for plan in plans for text in plan.texts])
        for row, plan in zip(part, plans, strict=True):
            looks = plan.looks(encoded)[0]
            if not looks:
                continue
            source = np.sum([text.mean for read in {look.read for look in looks} for text in read.texts], axis=0)
            cosine = float(encoded[plan.whole[0]].mean @ source) / max(1e-9, float(np.linalg.norm(source)))
            found.append(
                Example(
                    row,
                    np.stack([look.row for look in looks]),
                    tuple(bool(look.told.reason) for look in looks),
                    overlap(row),
                    cosine,
                )
            )
    return found


def overlap(row: Row) -> float:
    """Return the baseline: the share of the response's words (stems) that the evidence holds."""
    present = {word.stem for text in row.evidence for word in words(text)}
    mine = [word.stem in present for word in words(row.response)]
    return sum(mine) / len(mine) if mine else 0.0


def supports(head: Head, examples: Sequence[Example]) -> Array:
    """Return the judge's support of every example (n,), as it would be served."""
    scores = iter(head(np.concatenate([example.windows for example in examples])).tolist())
    return np.asarray(
        [best_support([next(scores) for _ in e.contradicts], e.contradicts, head.threshold)[0] for e in examples],
        dtype=np.float32,
    )


def train(data: Path, encoder: TokenEmbedder, seed: int = 0) -> tuple[Head, Metrics]:
    """Return the head and its metrics: 5-fold on Fool-Me-Twice, the rest as in `report`."""
    rows = [row for name, limit in SHIPPED.items() for row in read_rows(data, name, limit, seed)]
    examples = prepare([*rows, *altered_rows(data, held=False, seed=seed)], encoder)
    return train_on(examples, prepare(altered_rows(data, held=True, seed=seed), encoder), seed)


def train_on(examples: Sequence[Example], altered: Sequence[Example], seed: int) -> tuple[Head, Metrics]:
    """Train on prepared examples; `altered` are held-out altered claims."""
    held = [e for i, e in enumerate(examples) if i % HELD == 0 and e.row.source != "altered"]
    chosen = [*held, *altered]
    kept = [e for i, e in enumerate(examples) if i % HELD or e.row.source == "altered"]
    head = _settled(_head(kept, seed), chosen)
    metrics = {
        name: measure([e for e in chosen if e.row.source == name], head)
        for name in dict.fromkeys(e.row.source for e in chosen)
    }
    folds = [e for e in examples if e.row.source == "fool_me_twice.train"]
    others = [e for e in kept if e.row.source != "fool_me_twice.train"]
    scores = np.zeros(len(folds), dtype=np.float32)
    for fold in range(5):
        part = [i for i in range(len(folds)) if i % 5 == fold]
        trained = _head([*others, *(e for i, e in enumerate(folds) if i % 5 != fold)], seed)
        trained = replace(trained, threshold=head.threshold, temperature=head.temperature)
        scores[part] = supports(trained, [folds[i] for i in part])
    metrics["fool_me_twice.train, 5-fold"] = _numbers(folds, scores, head.threshold)
    return head, metrics


def _head(examples: Sequence[Example], seed: int) -> Head:
    x = np.stack([example.windows[0] for example in examples])
    y = np.asarray([example.row.supported for example in examples])
    sources = np.asarray([example.row.source for example in examples])
    weight = np.ones(len(y), dtype=np.float32)
    for source in set(sources.tolist()):  # the classes of every set weigh alike
        for label in (True, False):
            here = (sources == source) & (y == label)
            weight[here] = 0.5 * (sources == source).sum() / max(1, here.sum())
    (mean, scale), layers = fit(x, y, weight, seed)
    return Head("grounded", FEATURES, mean, scale, _anchored(layers))


def _anchored(layers: tuple[tuple[Array, Array], ...]) -> tuple[tuple[Array, Array], ...]:
    """Add the two baselines to the logit, as a pair of hidden units: ``relu(z) - relu(-z) = z``.

    Trained on inference pairs alone the head forgets them and loses on texts unlike its own. The weights, per
    standard deviation of the feature, were chosen on BEGIN dev and the held-out rows.
    """
    (weights, bias), (out, out_bias) = layers
    line = np.zeros((len(weights), 1), dtype=np.float32)
    line[COSINE], line[OVERLAP] = 0.2, 0.4
    return (
        (np.concatenate([weights, line, -line], axis=1), np.concatenate([bias, np.zeros(2, np.float32)])),
        (np.concatenate([out, np.array([[1.0], [-1.0]], np.float32)]), out_bias),
    )


def _settled(head: Head, held: Sequence[Example]) -> Head:
    """Set temperature (least log loss) and threshold (best mean balanced accuracy) on held-out rows."""
    y = np.asarray([e.row.supported for e in held])

    def loss(temperature: float) -> float:
        p = supports(replace(head, temperature=temperature), held).clip(1e-4, 1 - 1e-4)
        return float(-np.where(y, np.log(p), np.log(1 - p)).mean())

    def accuracy(threshold: float) -> float:
        scores = supports(replace(head, threshold=threshold), held)
        sources = np.asarray([e.row.source for e in held])
        parts = [sources == source for source in set(sources.tolist())]
        return float(np.mean([balanced(y[part], scores[part] >= threshold) for part in parts]))

    head = replace(head, temperature=min(np.linspace(0.8, 2.4, 9).tolist(), key=loss))
    return replace(head, threshold=max(np.linspace(0.4, 0.7, 31).tolist(), key=accuracy))


def balanced(y: NDArray[np.bool_], said: NDArray[np.bool_]) -> float:
    """Return balanced accuracy, with the one class there is when the other is missing."""
    return float(np.mean([(said[y == label] == label).mean() for label in (True, False) if (y == label).any()]))


def measure(examples: Sequence[Example], head: Head) -> dict[str, float]:
    """Return the metrics of one set at the shipped threshold."""
    return _numbers(examples, supports(head, examples), head.threshold)


def _numbers(examples: Sequence[Example], scores: Array, threshold: float) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    y = np.asarray([e.row.supported for e in examples])
    columns = {
        "auroc": scores,
        "overlap_auroc": np.asarray([e.overlap for e in examples]),
        "cosine_auroc": np.asarray([e.cosine for e in examples]),
    }
    found = {"n": float(len(y)), "balanced_accuracy": balanced(y, scores >= threshold)}
    if y.all() or not y.any():
        return found
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, len(y), len(y)) for _ in range(300)]
    for name, column in columns.items():
        found[name] = float(roc_auc_score(y, column))
        spread = [roc_auc_score(y[d], column[d]) for d in draws if 0 < y[d].sum() < len(d)]
        found[f"{name}_low"], found[f"{name}_high"] = np.quantile(spread, [0.025, 0.975]).tolist()
    kinds = {e.row.kind for e in examples if e.row.kind}
    for kind in sorted(kinds):
        here = np.asarray([e.row.kind == kind for e in examples])
        found[f"right.{kind}"] = float(((scores >= threshold) == y)[here].mean())
        found[f"n.{kind}"] = float(here.sum())
    return found


def report(data: Path, grounder: Grounder) -> Mapping[str, Mapping[str, float]]:
    """Return the metrics of the sets that were not trained on, and of the held-out altered claims."""
    sets = {name: read_rows(data, name, limit, 0) for name, limit in MEASURED.items()}
    sets["altered"] = altered_rows(data, held=True)
    return {name: measure(prepare(rows, grounder.encoder), grounder.head) for name, rows in sets.items()}


def fit(
    x: Array, y: NDArray[np.bool_], weight: Array, seed: int = 0, width: int = 48, epochs: int = 30
) -> tuple[tuple[Array, Array], tuple[tuple[Array, Array], ...]]:
    """Return (mean, scale) and the layers of a perceptron on rows (n, features): AdamW and dropout."""
    import torch

    torch.manual_seed(seed)
    mean, scale = x.mean(0), x.std(0) + 1e-3
    inputs = torch.from_numpy((x - mean) / scale).float()
    target, weights = torch.from_numpy(y.astype(np.float32)), torch.from_numpy(weight.astype(np.float32))
    first, last = torch.nn.Linear(x.shape[1], width), torch.nn.Linear(width, 1)
    net = torch.nn.Sequential(first, torch.nn.ReLU(), torch.nn.Dropout(0.2), last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for start in range(0, len(x), 256):
            batch = order[start : start + 256]
            logits = net(inputs[batch])[:, 0]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target[batch], weights[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        schedule.step()
    layers = [(p.weight.detach().numpy().T.copy(), p.bias.detach().numpy().copy()) for p in (first, last)]
    return (mean, scale), tuple(layers)
