"""Training of the quality judges from the development data: the adapter, then the heads on its logits.

Holds what each learns from and how the temperatures and the threshold are fixed.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.training.adapters import AdapterTraining, Group, Pair, fit_phases
from app.training.perceptron import fit, tempered
from app.training.quality_data import (
    CORPORA,
    DIALOGUES,
    FEWER,
    STRANGERS,
    Dialogue,
    Part,
    RatedReply,
    dialogues,
    from_dialogues,
    from_questions,
    from_ratings,
    from_smalltalk,
    generic_replies,
    part_of,
    plain,
    questions,
)
from dialogue.judges.heads import Head
from dialogue.judges.quality import (
    FEATURES,
    INTEREST,
    WINDOW,
    Array,
    Encode,
    ReadText,
    Seen,
    clean,
    interest_rows,
    logits_of,
    read,
    reading,
    row,
)
from retrieval.encoder.adapters import Adapter, new_adapter
from retrieval.encoder.embed import Encoder
from safety.types import PairReader

ANSWERS_PASS = 0.985  # of held-out answers and, below, of true turns that must reach the sensible threshold
TURNS_PASS = 0.91
HIDDEN = 32
READ = 512  # pairs given to the reader at once
SHARES = (  # of the examples the adapter is trained on, by source
    {"topical_chat": 0.38, "cmu_dog": 0.36, "questions": 0.12, "smalltalk": 0.03, "answers": 0.11},
    {"topical_chat": 0.35, "cmu_dog": 0.46, "questions": 0.10, "smalltalk": 0.03, "answers": 0.06},
)
PLANS = (
    AdapterTraining(examples=30_000, rate=1.5e-3, before_tokens=112, text_tokens=64),
    AdapterTraining(examples=40_000, rate=1.2e-3, before_tokens=224, text_tokens=64),
)

# kinds of examples and the total weight of each
SENSIBLE = {"true": 1.0, "answer": 0.5, "smalltalk": 0.1, "abstention": 0.05}
SENSELESS = {"random": 0.9, "earlier": 0.3, "shuffled": 0.25, "negated": 0.1, "echo": 0.1}
NAMED = {"true": "own", "answer": "own", "random": "stranger", "generic": "generic"}
SPECIFIC = {"own": 1.0, "stranger": 0.8, "generic": 0.5}
INTERESTING = {"conture": 1.0, "predictive_engagement": 1.0, "topical_chat": 0.7, "generic": 0.3}


def examples(data: Path, part: Part, seed: int = 0) -> list[RatedReply]:
    """Return the examples made of one part of the dialogues and questions under `data`.

    The parts are split by a hash of their name: what the adapter learns from, what the heads do, what is held out.
    """
    rng = random.Random(f"{seed} {part}")
    limit = DIALOGUES if part == "adapter" else FEWER
    chats = {corpus: [d for d in dialogues(data, corpus, limit) if part_of(d.id) == part] for corpus in CORPORA}
    everyone: list[Dialogue] = [dialogue for kept in chats.values() for dialogue in kept]
    answers_by_question = {
        question: sentences for question, sentences in questions(data).items() if part_of(question) == part
    }
    strangers = STRANGERS if part == "adapter" else 1
    made = [each for corpus, kept in chats.items() for each in from_dialogues(kept, corpus, rng, strangers)]
    made += from_questions(answers_by_question, rng, everyone)
    if part != "held":
        made += from_smalltalk(answers_by_question, rng, everyone)
    return made


def groups(data: Path, seed: int) -> dict[str, list[Group]]:
    """Return what the adapter learns from, by source: the replies of one context together."""
    generic = generic_replies(data)
    learn = examples(data, "adapter", seed)
    learn += dull_examples(learn, generic, seed)
    dull = {plain(reply) for reply in generic}
    found: dict[str, dict[str, list[Pair]]] = {name: {} for name in SHARES[0]}
    for e in learn:
        kind = _specific_kind(e, dull)
        labels = [("sensible", float(e.kind in SENSIBLE))] if e.kind != "generic" else []
        labels += [("specific", float(kind == "own"))] if kind else []
        before = reading(e.context)
        weight = 1 / 2 if e.kind == "random" else 1.0  # there are STRANGERS of them
        found[e.corpus].setdefault(before, []).append(Pair(before, e.reply, tuple(labels), weight))
    for question, sentences in questions(data).items():
        if part_of(question) == "adapter":
            pairs = [
                Pair(reading((question,)), sentence, (("answers", float(right)),)) for sentence, right in sentences
            ]
            found["answers"].setdefault(question, []).extend(pairs)
    return {
        name: [tuple(each[at : at + 6]) for each in made.values() for at in range(0, len(each), 6)]
        for name, made in found.items()
    }


def train_adapter(
    data: Path, encoder: Encoder, seed: int = 0, plans: Sequence[AdapterTraining] = PLANS
) -> tuple[Adapter, list[dict[str, float]]]:
    """Return the adapter that reads a reply after its context, and the curve of its loss."""
    adapter = new_adapter("reply", ("sensible", "specific", "answers"), encoder, seed, rank=32, matching=True)
    return adapter, fit_phases(encoder, adapter, groups(data, seed), plans, SHARES, seed)


def feature_rows(examples: Sequence[RatedReply], encode: Encode, reader: PairReader) -> Array:
    """Return the judges' features of every example, shape (examples, width); every text is encoded once."""
    texts = list(dict.fromkeys(text for e in examples for text in (*e.context[-WINDOW:], e.reply)))
    place = {text: index for index, text in enumerate(texts)}
    vectors = encode(texts)
    known: list[ReadText] = [read(clean(text)) for text in texts]
    pairs = [(reading(e.context), clean(e.reply)) for e in examples]
    logits = [logits_of(reader, pairs[start : start + READ]) for start in range(0, len(pairs), READ)]
    made: list[Array] = []
    for example, pair_logits in zip(examples, np.concatenate(logits), strict=True):
        at = [place[text] for text in example.context[-WINDOW:]]
        own = np.asarray([(len(at) - turn) % 2 == 0 for turn in range(len(at))])  # the last turn is the user's
        seen = Seen(tuple(known[i] for i in at), own, vectors[at], vectors[at[-1]], known[at[-1]])
        reply = place[example.reply]
        made.append(row(seen, known[reply], vectors[reply], pair_logits))
    return np.stack(made)


def balanced(kinds: Sequence[str], totals: Mapping[str, float]) -> Array:
    """Return a weight per row such that the rows of each kind sum to its total."""
    counted = Counter(kinds)
    return np.asarray([totals[kind] / counted[kind] for kind in kinds], dtype=np.float32)


def dull_examples(learn: Sequence[RatedReply], generic: Sequence[str], seed: int) -> list[RatedReply]:
    """Return generic replies under some of the contexts of `learn`."""
    rng = random.Random(seed)
    under = [e for e in learn if e.kind in ("true", "answer") and rng.random() < 0.4]
    return [RatedReply(e.context, rng.choice(generic), "generic", e.corpus, e.group, 0.0) for e in under]


def sensible_rows(learn: Sequence[RatedReply]) -> tuple[NDArray[np.bool_], Array, Array]:
    """Return which examples the sensible head reads (n,), and of those the targets and the weights."""
    kept = np.asarray([example.kind != "generic" for example in learn])
    kinds = [example.kind for example in learn if example.kind != "generic"]
    target = np.asarray([kind in SENSIBLE for kind in kinds], dtype=np.float32)
    return kept, target, balanced(kinds, SENSIBLE | SENSELESS)


def specific_rows(learn: Sequence[RatedReply], generic: Sequence[str]) -> tuple[NDArray[np.bool_], Array, Array]:
    """Return the same for the specific head: a reply under its own context against a stranger's and generic ones."""
    dull = {plain(reply) for reply in generic}
    kinds = [_specific_kind(example, dull) for example in learn]
    kept = np.asarray([bool(kind) for kind in kinds])
    kinds = [kind for kind in kinds if kind]
    target = np.asarray([kind == "own" for kind in kinds], dtype=np.float32)
    return kept, target, balanced(kinds, SPECIFIC)


def _specific_kind(example: RatedReply, dull: Set[str]) -> str:
    if plain(example.reply) in dull or example.kind in ("smalltalk", "abstention"):
        return "generic"
    return NAMED.get(example.kind, "")


def interesting_head(rated: Sequence[RatedReply], x: Array, seed: int = 0) -> Head:
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


def rated_of(learn: Sequence[RatedReply]) -> NDArray[np.intp]:
    """Return which examples the interesting head may use beside the rated sets, one in three."""
    kept = [at for at, e in enumerate(learn) if e.rating is not None and e.kind in ("true", "generic")]
    return np.asarray(kept[::3], dtype=np.intp)


def train(data: Path, encoder: Encoder, reader: PairReader, seed: int = 0) -> tuple[dict[str, Head], dict[str, Any]]:
    """Return the three heads and the numbers by which temperatures and the sensible threshold were chosen.

    `reader` is the adapter of `train_adapter` on `encoder`. The heads learn from the part it has not seen and from
    the ratings; temperatures and the threshold come from held-out dialogues and questions.
    """
    generic = generic_replies(data)
    learn, held = examples(data, "head", seed), examples(data, "held", seed)
    learn += dull_examples(learn, generic, seed)
    judged = len(held)
    held += dull_examples(held, generic, seed)
    x, beside = feature_rows(learn, encoder.encode, reader), feature_rows(held, encoder.encode, reader)
    found: dict[str, Head] = {}
    for name in ("sensible", "specific"):
        (kept, y, weight), (other, wanted, share) = (
            sensible_rows(each) if name == "sensible" else specific_rows(each, generic) for each in (learn, held)
        )
        head = fit(name, FEATURES, x[kept], y, weight, HIDDEN, seed)
        found[name] = tempered(head, beside[other], wanted, share)
    sensible, specific = found["sensible"], found["specific"]
    ratings, more = from_ratings(data), rated_of(learn)
    rows = np.concatenate([feature_rows(ratings, encoder.encode, reader), x[more]])
    rated = [*ratings, *(learn[at] for at in more)]
    interesting = interesting_head(rated, interest_rows(rows, sensible(rows), specific(rows)), seed)
    limit, metrics = sensible_threshold(sensible, held[:judged], beside[:judged])
    metrics |= {f"{name}.temperature": head.temperature for name, head in found.items()} | {"learnt": len(learn)}
    return {"sensible": replace(sensible, threshold=limit), "specific": specific, "interesting": interesting}, metrics


def sensible_threshold(head: Head, held: Sequence[RatedReply], x: Array) -> tuple[float, dict[str, Any]]:
    """Return the greatest limit which enough held-out answers and true turns reach, and what it drops.

    `x` holds the features of `held`.
    """
    score = head(x)
    kinds = np.asarray([example.kind for example in held])
    corpora = np.asarray([example.corpus for example in held])
    limits = [np.quantile(score[kinds == "answer"], 1 - ANSWERS_PASS)]
    limits += [np.quantile(score[(kinds == "true") & (corpora == name)], 1 - TURNS_PASS) for name in CORPORA]
    limit = round(float(min(limits)), 3)
    passed = {str(kind): float((score[kinds == kind] >= limit).mean()) for kind in sorted(set(kinds))}
    return limit, {"sensible.threshold": limit, "sensible.passed": passed, "held_out": len(held)}
