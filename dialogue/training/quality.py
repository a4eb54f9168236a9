"""Training of the quality judges' heads from the development data.

Holds what each head learns from and how its threshold is fixed. Knows nothing of where the heads are shipped.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dialogue.quality import FEATURES, WINDOW, Array, Encode, Seen, Text, clean, read, row
from dialogue.training.quality_data import (
    CORPORA,
    Dialogue,
    Example,
    dialogues,
    from_dialogues,
    from_questions,
    from_ratings,
    from_smalltalk,
    generic_replies,
    held_out,
    plain,
    questions,
    share,
)
from safety.heads import Head

ANSWERS_PASS = 0.985  # of held-out answers and, below, of true turns that must reach the sensible threshold
TURNS_PASS = 0.91


def examples(data: Path, held: bool, seed: int = 0) -> list[Example]:
    """Return the examples of all files under `data`: those to learn from, or those of held-out dialogues.

    Dialogues are split one in five, questions in halves, both by a hash of their name.
    """
    rng = random.Random(f"{seed} {held}")
    chats = {corpus: [d for d in dialogues(data, corpus) if held_out(d.id) == held] for corpus in CORPORA}
    everyone: list[Dialogue] = [dialogue for kept in chats.values() for dialogue in kept]
    asked = {question: said for question, said in questions(data).items() if (share(question) < 0.5) == held}
    made = [example for corpus, kept in chats.items() for example in from_dialogues(kept, corpus, rng)]
    made += from_questions(asked, rng, everyone)
    if not held:
        made += from_smalltalk(asked, rng, everyone)
    return made


def feature_rows(examples: Sequence[Example], encode: Encode) -> Array:
    """Return the judges' features of every example, shape (examples, width); every text is encoded once."""
    texts = list(dict.fromkeys(text for e in examples for text in (*e.context[-WINDOW:], e.reply)))
    place = {text: index for index, text in enumerate(texts)}
    vectors = encode(texts)
    known: list[Text] = [read(clean(text)) for text in texts]
    made: list[Array] = []
    for example in examples:
        at = [place[text] for text in example.context[-WINDOW:]]
        own = np.asarray(
            [(len(at) - turn) % 2 == 0 for turn in range(len(at))]
        )  # the last turn is the user's
        seen = Seen(tuple(known[i] for i in at), own, vectors[at], vectors[at[-1]], known[at[-1]])
        reply = place[example.reply]
        made.append(row(seen, known[reply], vectors[reply]))
    return np.stack(made)


def fit(name: str, x: Array, y: Array, weight: Array, hidden: int, seed: int, epochs: int = 12) -> Head:
    """Return a perceptron head fitted by Adam on soft targets `y` in [0, 1], each row counted `weight` times."""
    import torch

    torch.manual_seed(seed)
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-3
    inputs = torch.from_numpy((x - mean) / scale)
    targets, weights = torch.from_numpy(y), torch.from_numpy(weight / weight.mean())
    net = torch.nn.Sequential(
        torch.nn.Dropout(0.2),
        torch.nn.Linear(x.shape[1], hidden),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.3),
        torch.nn.Linear(hidden, 1),
    )
    steps = epochs * -(-len(x) // 256)
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(256):
            logit = net(inputs[batch])[:, 0]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, targets[batch], weights[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    layers = tuple((_numpy(net[at].weight).T.copy(), _numpy(net[at].bias)) for at in (1, 4))
    return Head(name, FEATURES, mean.astype(np.float32), scale.astype(np.float32), layers)


def _numpy(tensor: Any) -> Array:
    values: Array = tensor.detach().numpy().astype(np.float32)
    return values


SENSIBLE = {"true": 1.0, "answer": 0.5, "smalltalk": 0.1, "abstention": 0.05}  # kinds and their total weight
SENSELESS = {"random": 0.9, "earlier": 0.3, "shuffled": 0.25, "negated": 0.1, "echo": 0.1}


def weights_by_kind(kinds: Sequence[str], totals: Mapping[str, float]) -> Array:
    """Return a weight per row such that the rows of each kind sum to its total."""
    counted = {kind: kinds.count(kind) for kind in set(kinds)}
    return np.asarray([totals[kind] / counted[kind] for kind in kinds], dtype=np.float32)


def sensible_targets(examples: Sequence[Example]) -> tuple[Array, Array]:
    """Return targets and weights (examples,) of the sensible head."""
    kinds = [example.kind for example in examples]
    target = np.asarray([kind in SENSIBLE for kind in kinds], dtype=np.float32)
    return target, weights_by_kind(kinds, SENSIBLE | SENSELESS)


SPECIFIC = {"own": 1.0, "stranger": 0.8, "generic": 0.5}


def specific_examples(
    examples: Sequence[Example], generic: Sequence[str], seed: int
) -> list[tuple[Example, str]]:
    """Return replies under their own context, under a stranger's, and generic ones under any, each with its kind."""
    rng = random.Random(seed)
    dull = {plain(reply) for reply in generic}
    made: list[tuple[Example, str]] = []
    for e in examples:
        if e.kind in ("true", "answer"):
            made.append((e, "generic" if plain(e.reply) in dull else "own"))
            if rng.random() < 0.4:
                made.append(
                    (Example(e.context, rng.choice(generic), "generic", e.corpus, e.group), "generic")
                )
        elif e.kind == "random":
            made.append((e, "generic" if plain(e.reply) in dull else "stranger"))
        elif e.kind in ("smalltalk", "abstention"):
            made.append((e, "generic"))
    return made


INTEREST = {"conture": 1.0, "predictive_engagement": 1.0, "topical_chat": 0.7, "generic": 0.3}


def interesting_head(
    rated: Sequence[Example],
    examples: Sequence[Example],
    encode: Encode,
    generic: Sequence[str],
    seed: int = 0,
) -> Head:
    """Return the interesting head, fitted to ratings as ranks within their set, and to generic replies as dull."""
    rng = random.Random(seed)
    talked = [e for e in examples if e.kind == "true" and e.rating is not None]
    dull = [Example(e.context, rng.choice(generic), "generic", "generic", e.group, 0.0) for e in talked[::3]]
    used = [*rated, *talked, *dull]
    corpora = [e.corpus for e in used]
    rating = np.asarray([e.rating for e in used], dtype=np.float32)
    for corpus in sorted(set(corpora) - {"generic"}):
        own = np.asarray([name == corpus for name in corpora])
        rating[own] = percentiles(rating[own])
    x = feature_rows(used, encode)
    return fit("interesting", x, rating, weights_by_kind(corpora, INTEREST), 16, seed)


def percentiles(values: Array) -> Array:
    """Return the share of values below each one, ties at their middle."""
    order = np.sort(values)
    below, upto = np.searchsorted(order, values, "left"), np.searchsorted(order, values, "right")
    return ((below + upto) / (2 * len(values))).astype(np.float32)


def train(data: Path, encode: Encode, seed: int = 0) -> tuple[dict[str, Head], dict[str, Any]]:
    """Return the three heads and the numbers their thresholds were chosen by."""
    learn, held, generic = examples(data, False, seed), examples(data, True, seed), generic_replies(data)
    target, weight = sensible_targets(learn)
    sensible = fit("sensible", feature_rows(learn, encode), target, weight, 32, seed)
    pairs = specific_examples(learn, generic, seed)
    kinds = [kind for _, kind in pairs]
    own = np.asarray([kind == "own" for kind in kinds], dtype=np.float32)
    x = feature_rows([example for example, _ in pairs], encode)
    specific = fit("specific", x, own, weights_by_kind(kinds, SPECIFIC), 32, seed)
    interesting = interesting_head(from_ratings(data), learn, encode, generic, seed)
    limit, metrics = sensible_threshold(sensible, held, encode)
    heads = {"sensible": replace(sensible, threshold=limit), "specific": specific, "interesting": interesting}
    return heads, metrics


def sensible_threshold(head: Head, held: Sequence[Example], encode: Encode) -> tuple[float, dict[str, Any]]:
    """Return the greatest limit which enough held-out answers and true turns reach, and what it drops."""
    score = head(feature_rows(held, encode))
    kinds = np.asarray([example.kind for example in held])
    corpora = np.asarray([example.corpus for example in held])
    limits = [np.quantile(score[kinds == "answer"], 1 - ANSWERS_PASS)]
    limits += [np.quantile(score[(kinds == "true") & (corpora == name)], 1 - TURNS_PASS) for name in CORPORA]
    limit = round(float(min(limits)), 3)
    passed = {kind: float((score[kinds == kind] >= limit).mean()) for kind in sorted(set(kinds))}
    return limit, {"sensible.threshold": limit, "sensible.passed": passed, "examples": len(held)}
