"""Training of the quality judges' heads from the development data.

Holds what each head learns from and how its threshold is fixed. Knows nothing of where the heads are shipped.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dialogue.quality import (
    FEATURES,
    INTEREST,
    WINDOW,
    Array,
    Encode,
    Seen,
    Text,
    clean,
    interest_rows,
    read,
    row,
)
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
EPOCHS, BATCH = 12, 256

# kinds of examples and the total weight of each
SENSIBLE = {"true": 1.0, "answer": 0.5, "smalltalk": 0.1, "abstention": 0.05}
SENSELESS = {"random": 0.9, "earlier": 0.3, "shuffled": 0.25, "negated": 0.1, "echo": 0.1}
NAMED = {"true": "own", "answer": "own", "random": "stranger", "generic": "generic"}
SPECIFIC = {"own": 1.0, "stranger": 0.8, "generic": 0.5}
INTERESTING = {"conture": 1.0, "predictive_engagement": 1.0, "topical_chat": 0.7, "generic": 0.3}


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
        own = np.asarray([(len(at) - turn) % 2 == 0 for turn in range(len(at))])  # the last turn is the user's
        seen = Seen(tuple(known[i] for i in at), own, vectors[at], vectors[at[-1]], known[at[-1]])
        reply = place[example.reply]
        made.append(row(seen, known[reply], vectors[reply]))
    return np.stack(made)


def fit(name: str, features: str, x: Array, y: Array, weight: Array, hidden: int, seed: int) -> Head:
    """Return a head fitted by Adam on soft targets `y` in [0, 1], each row counted `weight` times.

    A perceptron with `hidden` units, or a logistic regression when there are none.
    """
    import torch

    torch.manual_seed(seed)
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-3
    inputs = torch.from_numpy((x - mean) / scale)
    targets, weights = torch.from_numpy(y), torch.from_numpy(weight / weight.mean())
    deep = (
        torch.nn.Dropout(0.2),
        torch.nn.Linear(x.shape[1], max(hidden, 1)),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.3),
        torch.nn.Linear(max(hidden, 1), 1),
    )
    net = torch.nn.Sequential(*deep) if hidden else torch.nn.Linear(x.shape[1], 1)
    rate = 2e-3 if hidden else 2e-2  # a regression on few rows gets few steps
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS * -(-len(x) // BATCH))
    for _ in range(EPOCHS):
        order = torch.randperm(len(x))
        for start in range(0, len(x), BATCH):
            batch = order[start : start + BATCH]
            logit = net(inputs[batch])[:, 0]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, targets[batch], weights[batch])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    found = [tensor.detach().numpy().astype(np.float32) for tensor in net.parameters()]
    layers = tuple((weights.T.copy(), bias) for weights, bias in zip(found[::2], found[1::2], strict=True))
    return Head(name, features, mean.astype(np.float32), scale.astype(np.float32), layers)


def balanced(kinds: Sequence[str], totals: Mapping[str, float]) -> Array:
    """Return a weight per row such that the rows of each kind sum to its total."""
    counted = Counter(kinds)
    return np.asarray([totals[kind] / counted[kind] for kind in kinds], dtype=np.float32)


def dull_examples(learn: Sequence[Example], generic: Sequence[str], seed: int) -> list[Example]:
    """Return generic replies under some of the contexts of `learn`."""
    rng = random.Random(seed)
    under = [e for e in learn if e.kind in ("true", "answer") and rng.random() < 0.4]
    return [Example(e.context, rng.choice(generic), "generic", e.corpus, e.group, 0.0) for e in under]


def sensible_head(learn: Sequence[Example], x: Array, seed: int) -> Head:
    """Return the sensible head: true replies, answers and small talk against spoilt ones."""
    kept = np.asarray([example.kind != "generic" for example in learn])
    kinds = [example.kind for example in learn if example.kind != "generic"]
    target = np.asarray([kind in SENSIBLE for kind in kinds], dtype=np.float32)
    return fit("sensible", FEATURES, x[kept], target, balanced(kinds, SENSIBLE | SENSELESS), 32, seed)


def specific_head(learn: Sequence[Example], x: Array, generic: Sequence[str], seed: int) -> Head:
    """Return the specific head: a reply under its own context against a stranger's and generic ones."""
    dull = {plain(reply) for reply in generic}
    kinds = [
        "generic" if plain(e.reply) in dull or e.kind in ("smalltalk", "abstention") else NAMED.get(e.kind, "")
        for e in learn
    ]
    kept = np.asarray([bool(kind) for kind in kinds])
    kinds = [kind for kind in kinds if kind]
    target = np.asarray([kind == "own" for kind in kinds], dtype=np.float32)
    return fit("specific", FEATURES, x[kept], target, balanced(kinds, SPECIFIC), 32, seed)


def interesting_head(rated: Sequence[Example], x: Array, seed: int = 0) -> Head:
    """Return the interesting head, fitted to ratings as ranks within their set; generic replies are dull.

    `x` holds the rows of `interest_rows`.
    """
    sets = ["generic" if e.kind == "generic" else e.corpus for e in rated]
    rating = np.asarray([e.rating for e in rated], dtype=np.float32)
    for name in set(sets) - {"generic"}:
        own = np.asarray([other == name for other in sets])
        rating[own] = percentiles(rating[own])
    return fit("interesting", INTEREST, x, rating, balanced(sets, INTERESTING), 0, seed)


def percentiles(values: Array) -> Array:
    """Return the share of values below each one, ties at their middle."""
    order = np.sort(values)
    below, upto = np.searchsorted(order, values, "left"), np.searchsorted(order, values, "right")
    return ((below + upto) / (2 * len(values))).astype(np.float32)


def rated_of(learn: Sequence[Example]) -> NDArray[np.intp]:
    """Return which examples the interesting head may use beside the rated sets, one in three."""
    kept = [at for at, e in enumerate(learn) if e.rating is not None and e.kind in ("true", "generic")]
    return np.asarray(kept[::3], dtype=np.intp)


def train(data: Path, encode: Encode, seed: int = 0) -> tuple[dict[str, Head], dict[str, Any]]:
    """Return the three heads and the numbers by which the sensible threshold was chosen."""
    generic = generic_replies(data)
    learn = examples(data, False, seed)
    learn += dull_examples(learn, generic, seed)
    x = feature_rows(learn, encode)
    sensible, specific = sensible_head(learn, x, seed), specific_head(learn, x, generic, seed)
    ratings, more = from_ratings(data), rated_of(learn)
    rows = np.concatenate([feature_rows(ratings, encode), x[more]])
    rated = [*ratings, *(learn[at] for at in more)]
    interesting = interesting_head(rated, interest_rows(rows, sensible(rows), specific(rows)), seed)
    limit, metrics = sensible_threshold(sensible, examples(data, True, seed), encode)
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
    passed = {str(kind): float((score[kinds == kind] >= limit).mean()) for kind in sorted(set(kinds))}
    return limit, {"sensible.threshold": limit, "sensible.passed": passed, "held_out": len(held)}
