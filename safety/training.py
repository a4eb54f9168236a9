"""Training of the heads from the development data and the project's own contrast pairs.

The only file that knows the data sets. Heads are perceptrons with one small hidden layer on frozen
vectors; knows nothing of which encoder makes those.
"""

import gzip
import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safety.contrast import Kind, held_back, load_ordinary, load_pairs
from safety.features import JUDGED, TOPIC, WINDOW, Array, Encode, rows
from safety.heads import Head
from safety.types import SafetyError

HIDDEN = 24
BLOCKING = 0.6  # the threshold of the balanced preset
MISTAKES = 0.003  # the share of ordinary validation rows that may reach it
_ORDINARY = ("benign", "topical_chat", "cmu_dog", "quotations", "fragments", "titles", "passages", "patients")
_DIASAFETY = {
    "Offending User": "harassment",
    "Toxicity Agreement": "harassment",
    "Biased Opinion": "hate",
    "Risk Ignorance": "violence",
    "Unauthorized Expertise": "specialised_advice",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A labelled text; `objective` is "" when unknown, `weight` its part in the loss."""

    kind: Kind
    before: str
    text: str
    unsafe: bool
    objective: str = ""
    weight: float = 1.0
    source: str = ""


def train(data: Path, encode: Encode, seed: int = 0) -> dict[str, Head]:
    """Fit both judging heads and the topic heads; temperature and thresholds come from validation rows only.

    `data` is the folder of the development data. Raises SafetyError when a file of it is missing.
    """
    chosen = gather(data, seed)
    heads: dict[str, Head] = {}
    topics: list[tuple[Array, list[str]]] = []
    for kind in ("request", "reply"):
        learn = [row for row in chosen if row.kind == kind and not _validates(row)]
        check = [row for row in chosen if row.kind == kind and _validates(row)]
        inputs, topic = _features(encode, learn)
        validation, _ = _features(encode, check)
        head = _fit(kind, inputs, learn, validation, check, seed)
        heads[kind] = _calibrated(head, validation, check)
        named = [place for place, row in enumerate(learn) if row.unsafe and row.objective]
        topics.append((topic[named], [learn[place].objective for place in named]))
    vectors = np.concatenate([part for part, _ in topics])
    return heads | _topic_heads(vectors, [name for _, names in topics for name in names])


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a .jsonl.gz file. Raises SafetyError when it is not there."""
    if not path.is_file():
        raise SafetyError(f"{path} is missing: --data must name the folder of the development data")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def gather(data: Path, seed: int) -> list[Row]:
    """All rows to learn from and to validate on. Test splits and held-back parts are not among them."""
    chance = random.Random(seed)
    found = [
        *_contrast(),
        *_requests(data, chance),
        *_dialogues(data),
        *_quotations(data),
        *_replies(data, chance),
    ]
    openers = [row.text for row in found if row.source == "topical_chat" and row.kind == "request"]
    return [_with_turn(row, openers, chance) for row in found]


def _with_turn(row: Row, openers: Sequence[str], chance: random.Random) -> Row:
    """Give half the texts that came alone an ordinary turn before, so that its absence tells nothing."""
    if row.before or row.source == "contrast reply" or chance.random() < 0.5:
        return row
    return replace(row, before=chance.choice(openers))


def _validates(row: Row) -> bool:
    if row.source.endswith("valid"):
        return True
    splits = row.source in ("diasafety", "convabuse", "contrast", "contrast reply", "ordinary")
    return not splits and held_back("validation" + row.text, 12)


def _contrast() -> Iterator[Row]:
    for pair in load_pairs():
        if pair.held_back:
            continue
        source = "contrast reply" if pair.kind == "reply" else "contrast"
        for texts, unsafe in ((pair.unsafe, True), (pair.safe, False)):
            weight = 6 / (len(texts) + 2)
            for text in texts:
                yield Row(pair.kind, pair.before, text, unsafe, pair.objective, weight, source)
                if pair.kind == "request" and pair.objective in ("hate", "harassment", "profanity"):
                    yield Row("reply", "", text, unsafe, pair.objective, weight / 2, source)

    for texts in load_ordinary():
        for text in texts:
            yield Row("request", "", text, False, weight=6 / (len(texts) + 2), source="ordinary")


def _requests(data: Path, chance: random.Random) -> Iterator[Row]:
    safety = data / "safety"
    for row in read(safety / "advbench.train.jsonl.gz"):
        yield Row("request", "", row["text"], True, source="advbench")
    for question in sorted({row["context"][-1] for row in read(safety / "gptfuzz.train.jsonl.gz")}):
        yield Row("request", "", question, True, weight=2.0, source="gptfuzz questions")
    for row in read(safety / "benign_questions.train.jsonl.gz"):
        if not held_back(row["text"], 10):
            yield Row("request", "", row["text"], False, weight=0.5, source="benign")
    for split, source in (("train", "convabuse"), ("valid", "convabuse valid")):
        for row in read(safety / f"convabuse.{split}.jsonl.gz"):
            before = row["context"][-1] if row["context"] else ""
            yield Row("request", before, row["text"], bool(row["unsafe"]), "harassment", 1.0, source)
    for row in read(safety / "surge.train.jsonl.gz"):
        for kind in ("request", "reply"):
            yield Row(kind, "", row["text"], bool(row["unsafe"]), source="surge")
    yield from _tweets(safety / "davidson.train.jsonl.gz", chance)
    for row in read(safety / "diasafety.train.jsonl.gz"):
        if row["category"] == "Unauthorized Expertise":
            yield Row("request", "", row["context"][-1][:WINDOW], False, weight=0.5, source="patients")


def _tweets(path: Path, chance: random.Random) -> Iterator[Row]:
    """A part of Davidson only: its labels follow dialect and single words."""
    by_label: dict[str, list[str]] = {}
    for row in read(path):
        by_label.setdefault(row["category"], []).append(row["text"])
    for label, objective, count in (("hate", "hate", 1000), ("offensive", "profanity", 400), ("", "", 1400)):
        for text in chance.sample(sorted(by_label[label]), count):
            for kind in ("request", "reply"):
                yield Row(kind, "", text, bool(label), objective, 0.4, "davidson")


def _dialogues(data: Path) -> Iterator[Row]:
    """Ordinary chat is safe, as a request and as a reply. Dialogues for the report are held back whole."""
    for name, one_in in (("topical_chat_rare", 4), ("cmu_dog", 16)):
        for dialogue in read(data / "dialogues" / f"{name}.train.jsonl.gz"):
            if held_back(dialogue["id"], 4) or not held_back("learn" + dialogue["id"], one_in):
                continue
            texts = [turn["text"] for turn in dialogue["turns"]]
            source = name.removesuffix("_rare")
            for place, (before, text) in enumerate(pairwise(texts)):
                yield Row("request" if place % 2 else "reply", before, text, False, source=source)


def _quotations(data: Path) -> Iterator[Row]:
    """Sentences of encyclopaedias and newspapers, their openings, titles and abstracts are safe replies."""
    retrieval = data / "retrieval"
    asked = read(retrieval / "trecqa.train.jsonl.gz")
    for row in [*read(retrieval / "wikiqa.train.jsonl.gz"), *asked]:
        yield Row("reply", row["question"], row["sentence"], False, source="quotations")
    for place, row in enumerate(asked[::3]):
        opening = " ".join(row["sentence"].split()[: 1 + place % 6])
        yield Row("reply", "", opening, False, weight=0.3, source="fragments")
    for row in read(retrieval / "scifact" / "corpus.jsonl.gz")[:800]:
        yield Row("reply", "", row["title"], False, weight=0.5, source="titles")
    for row in read(retrieval / "scifact" / "corpus.jsonl.gz")[2400:2700]:
        yield Row("reply", "", row["text"][:WINDOW], False, source="passages")
    for film in read(data / "dialogues" / "cmu_dog_films.jsonl.gz"):
        for section in list(film["sections"].values())[1:]:
            yield Row("reply", "", str(section)[:WINDOW], False, source="passages")
    for question in sorted({row["question"] for row in asked}):
        yield Row("request", "", question, False, source="quotations")


def _replies(data: Path, chance: random.Random) -> Iterator[Row]:
    safety = data / "safety"
    for split, source in (("train", "diasafety"), ("val", "diasafety valid")):
        for row in read(safety / f"diasafety.{split}.jsonl.gz"):
            objective = _DIASAFETY[row["category"]]
            yield Row("reply", row["context"][-1], row["text"], bool(row["unsafe"]), objective, 1.5, source)
    answers = read(safety / "gptfuzz.train.jsonl.gz")
    for row in chance.sample(answers, min(600, len(answers))):
        text = row["text"][:WINDOW]
        if text.strip():
            yield Row("reply", row["context"][-1], text, bool(row["unsafe"]), weight=0.6, source="gptfuzz")


def _features(encode: Encode, found: Sequence[Row]) -> tuple[Array, Array]:
    return rows(encode, [row.text for row in found], [row.before for row in found])


def _fit(kind: str, inputs: Array, learn: Sequence[Row], validation: Array, check: Sequence[Row], seed: int) -> Head:
    """AdamW with dropout; the epoch with the least weighted validation loss is kept."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    mean, scale = inputs.mean(0), inputs.std(0).clip(min=1e-2)
    x, v = (torch.from_numpy((part - mean) / scale) for part in (inputs, validation))
    y, w = torch.tensor([[float(r.unsafe), r.weight] for r in learn]).T
    vy, vw = torch.tensor([[float(r.unsafe), r.weight] for r in check]).T
    net = nn.Sequential(
        nn.Dropout(0.3), nn.Linear(x.shape[1], HIDDEN), nn.ReLU(), nn.Dropout(0.3), nn.Linear(HIDDEN, 1)
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.1)
    loss_of = nn.BCEWithLogitsLoss(reduction="none")
    best, state = float("inf"), net.state_dict()
    for _ in range(10):
        net.train()
        for batch in torch.split(torch.randperm(len(x)), 256):
            loss = (loss_of(net(x[batch])[:, 0], y[batch]) * w[batch]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.inference_mode():
            reached = float((loss_of(net(v)[:, 0], vy) * vw).sum() / vw.sum())
        if reached < best:
            best, state = reached, {key: value.clone() for key, value in net.state_dict().items()}
    arrays = {key: value.numpy() for key, value in state.items()}
    layers = tuple((np.ascontiguousarray(arrays[f"{i}.weight"].T), arrays[f"{i}.bias"]) for i in (1, 4))
    return Head(kind, JUDGED, mean, scale, layers)


def _calibrated(head: Head, inputs: Array, check: Sequence[Row]) -> Head:
    """Set the temperature of least validation loss, a shift for ordinary text, and the threshold.

    The shift lowers the logit until at most MISTAKES of the ordinary validation rows reach BLOCKING, the
    balanced preset's threshold. `Head.threshold` is that of best macro-F1 on the published validation sets.
    """
    labels = np.array([row.unsafe for row in check])
    weights = np.array([row.weight for row in check])

    def loss(temperature: float) -> float:
        p = replace(head, temperature=temperature)(inputs).astype(np.float64).clip(1e-6, 1 - 1e-6)
        return float((-np.log(np.where(labels, p, 1 - p)) * weights).sum())

    cooled = replace(head, temperature=min((float(t) for t in np.geomspace(0.3, 4, 60)), key=loss))
    ordinary = np.array([row.source in _ORDINARY for row in check])
    cooled = _shifted(cooled, cooled(inputs[ordinary]))
    published = np.array([row.source.endswith("valid") for row in check])
    risk = cooled(inputs[published])
    limits = np.linspace(0.05, 0.95, 91)
    best = max(limits, key=lambda limit: macro_f1(labels[published], risk >= limit))
    return replace(cooled, threshold=round(float(best), 3))


def _shifted(head: Head, ordinary: Array) -> Head:
    reached = float(np.quantile(ordinary, 1 - MISTAKES))
    surplus = math.log(reached / (1 - reached)) - math.log(BLOCKING / (1 - BLOCKING))
    weights, bias = head.layers[-1]
    moved = bias - np.float32(max(surplus, 0.0) * head.temperature)
    return replace(head, layers=(*head.layers[:-1], (weights, moved)))


def _topic_heads(vectors: Array, names: Sequence[str]) -> dict[str, Head]:
    """One logistic regression per objective against the others, classes balanced."""
    from sklearn.linear_model import LogisticRegression

    none, one = np.zeros(vectors.shape[1], np.float32), np.ones(vectors.shape[1], np.float32)
    heads = {}
    for name in sorted(set(names)):
        model = LogisticRegression(C=3.0, class_weight="balanced", max_iter=300)
        model.fit(vectors, [other == name for other in names])
        layer = (model.coef_.T.astype(np.float32), model.intercept_.astype(np.float32))
        heads[name] = Head(name, TOPIC, none, one, (layer,))
    return heads


def macro_f1(labels: NDArray[np.bool_], flagged: NDArray[np.bool_]) -> float:
    """Mean of the F1 of both classes."""
    scores = []
    for truth, guess in ((labels, flagged), (~labels, ~flagged)):
        hits = int((truth & guess).sum())
        scores.append(2 * hits / max(int(truth.sum()) + int(guess.sum()), 1))
    return sum(scores) / 2
