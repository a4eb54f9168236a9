"""What the quality judges are worth: figures on held-out dialogues, ratings and answers, with intervals.

Only the interesting head is trained again here, for its five folds.
"""

import random
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.training.quality import dull_examples, examples, feature_rows, interesting_head, rated_of
from app.training.quality_data import CORPORA, RatedReply, from_ratings, generic_replies, rows, share
from dialogue.judges.heads import Head
from dialogue.judges.quality import LOGITS, NAMES, Array, QualityJudge, clean, interest_rows

FOLDS = 5
GENERIC_BOT = ("I don't know", "OK", "That's interesting.")
RANDOM_DRAWS = 300  # bootstrap samples behind each interval
SPOILT = ("random", "earlier", "shuffled", "negated", "echo")
COSINE, WORDS = len(LOGITS), len(LOGITS) + 14  # columns of the nearest cosine and of the logarithm of the words


def report(data: Path, judge: QualityJudge) -> dict[str, Any]:
    """Return every figure of the quality judges: name -> value, n and 95 % interval.

    The held-out dialogues and questions chose the sensible threshold and two temperatures; XQuAD and, of sensible and
    specific, the ratings chose nothing.
    """
    held = examples(data, "held")
    strangers = from_other_corpus(held)
    x = features(held, judge)
    sensible = judge.heads["sensible"]
    found: dict[str, Any] = {"fingerprint": judge.fingerprint}
    found["sensible"] = telling_apart(held, sensible(x), x)
    found["sensible"] |= against_other_corpus(held, sensible(x), strangers, sensible(features(strangers, judge)))
    found["pass"] = passing(held, sensible, x) | xquad(data, judge)
    found["generic_bot"] = generic_bot(held, judge)
    found["ratings"] = rated(data, judge)
    return found


def features(made: Sequence[RatedReply], judge: QualityJudge) -> Array:
    """Return the judge's features of every example (examples, width)."""
    return feature_rows(made, judge.encode, judge.read)


def telling_apart(held: Sequence[RatedReply], score: Array, x: Array) -> dict[str, Any]:
    """AUROC of true replies against each kind of corrupted ones, per corpus and pooled, and of the cosine alone."""
    found: dict[str, Any] = {}
    kinds = np.asarray([e.kind for e in held])
    for name, own in _by_corpus(held).items():
        for kind in SPOILT:
            chosen = own & ((kinds == "true") | (kinds == kind))
            truth = kinds[chosen] == "true"
            found[f"{name}.{kind}"] = interval(auroc, truth, score[chosen])
            found[f"{name}.{kind}.cosine_alone"] = round(auroc(truth, x[chosen, COSINE]), 3)
    return found


def from_other_corpus(held: Sequence[RatedReply]) -> list[RatedReply]:
    """Return, under every true reply's context, a reply drawn from the other corpus."""
    rng = random.Random(0)
    true = [e for e in held if e.kind == "true" and e.corpus in CORPORA]
    replies = {corpus: [e.reply for e in true if e.corpus != corpus] for corpus in CORPORA}
    return [
        RatedReply(e.context, rng.choice(replies[e.corpus]), "other", e.corpus, e.group)
        for e in true
        if replies[e.corpus]
    ]


def against_other_corpus(
    held: Sequence[RatedReply], score: Array, strangers: Sequence[RatedReply], theirs: Array
) -> dict[str, Any]:
    """AUROC of true replies against those of `from_other_corpus`, whose scores are `theirs`, per corpus and pooled."""
    found: dict[str, Any] = {}
    kinds = np.asarray([e.kind for e in held])
    other = _by_corpus(strangers)
    for name, own in _by_corpus(held).items():
        true = score[own & (kinds == "true")]
        false = theirs[other[name]]
        truth = np.repeat([True, False], [len(true), len(false)])
        found[f"{name}.random_of_other_corpus"] = interval(auroc, truth, np.concatenate([true, false]))
    return found


def _by_corpus(made: Sequence[RatedReply]) -> dict[str, NDArray[np.bool_]]:
    """Which rows are of each corpus (n,), and of both."""
    corpora = np.asarray([e.corpus for e in made])
    return {name: corpora == name for name in CORPORA} | {"both": np.isin(corpora, list(CORPORA))}


def passing(held: Sequence[RatedReply], head: Head, x: Array) -> dict[str, Any]:
    """Shares of replies of each kind that reach the sensible threshold."""
    passed = head(x) >= head.threshold
    found: dict[str, Any] = {"threshold": head.threshold}
    for corpus, kind in sorted({(e.corpus, e.kind) for e in held}):
        chosen = np.asarray([e.corpus == corpus and e.kind == kind for e in held])
        found[f"{corpus}.{kind}"] = interval(mean, passed[chosen])
    return found


def xquad(data: Path, judge: QualityJudge) -> dict[str, Any]:
    """Pass rates of answer sentences (alone, with the next one) and of strangers' sentences, and AUROC."""
    made = xquad_pairs(data)
    head = judge.heads["sensible"]
    score = head(features(made, judge))
    kinds = np.asarray([example.kind for example in made])
    found = {
        f"xquad.{kind}": interval(mean, score[kinds == kind] >= head.threshold) for kind in ("one", "two", "stranger")
    }
    found["xquad.auroc"] = interval(auroc, kinds[kinds != "two"] == "one", score[kinds != "two"])
    return found


def xquad_pairs(data: Path) -> list[RatedReply]:
    """Return per question the sentence that holds the answer ("one"), with the next ("two"), a "stranger"."""
    rng = random.Random(0)
    made: list[RatedReply] = []
    everything = list(rows(data / "retrieval" / "xquad_a.jsonl.gz"))
    split = {line["paragraph"]: sentences(line["paragraph"]) for line in everything}
    for line in everything:
        own = split[line["paragraph"]]
        place = max(at for at, (start, _) in enumerate(own) if start <= line["start"])
        other = rng.choice([paragraph for paragraph in split if paragraph != line["paragraph"]])
        context = (clean(line["question"]),)
        longer = " ".join(text for _, text in own[place : place + 2])
        for reply, kind in (
            (own[place][1], "one"),
            (longer, "two"),
            (rng.choice(split[other])[1], "stranger"),
        ):
            made.append(RatedReply(context, clean(reply), kind, "xquad", line["question"]))
    return made


def sentences(paragraph: str) -> list[tuple[int, str]]:
    """Return (start, sentence) of a paragraph, cut after a full stop before a capital."""
    cuts = [
        0,
        *(match.end() for match in re.finditer(r"[.!?][\"”)]?\s+(?=[A-Z\"“(])", paragraph)),
        len(paragraph),
    ]
    return [(start, paragraph[start:end].strip()) for start, end in pairwise(cuts)]


def generic_bot(held: Sequence[RatedReply], judge: QualityJudge) -> dict[str, Any]:
    """Mean scores of LaMDA's GenericBot under held-out contexts, beside the true replies' own."""
    found: dict[str, Any] = {}
    true = [e for e in held if e.kind == "true"][::5]
    for reply in (*GENERIC_BOT, ""):
        bot = [RatedReply(e.context, reply or e.reply, "generic", e.corpus, e.group) for e in true]
        x = features(bot, judge)
        for name, score in zip(NAMES, judge.judge(x).T, strict=True):
            found[f"{reply or 'the true reply'}.{name}"] = interval(mean, score)
    return found


def rated(data: Path, judge: QualityJudge) -> dict[str, Any]:
    """Spearman with human ratings, and with the length held fixed, of each score, length and cosine alone.

    The interesting head is trained again for each of five folds over dialogues and scores the fifth it has
    not seen; the others never saw these ratings.
    """
    everything = from_ratings(data)
    x = features(everything, judge)
    scores = dict(zip(NAMES, judge.judge(x).T, strict=True))
    learn = examples(data, "head")
    learn += dull_examples(learn, generic_replies(data), 0)
    more = [learn[at] for at in rated_of(learn)]
    rows = np.concatenate([x, features(more, judge)])
    read = interest_rows(rows, judge.heads["sensible"](rows), judge.heads["specific"](rows))
    fold = np.asarray([int(share(e.group) * FOLDS) for e in everything] + [-1] * len(more))
    for part in range(FOLDS):
        kept = [e for e, number in zip([*everything, *more], fold, strict=True) if number != part]
        head = interesting_head(kept, read[fold != part])
        scores["interesting"][fold[: len(x)] == part] = head(read[fold == part])
    scores["quality"] = np.mean([scores[name] for name in NAMES], axis=0)
    scores["length_alone"], scores["cosine_alone"] = x[:, WORDS], x[:, COSINE]
    found: dict[str, Any] = {}
    for corpus in ("conture", "predictive_engagement"):
        own = np.asarray([e.corpus == corpus for e in everything])
        rating = np.asarray([e.rating for e in everything], dtype=np.float32)[own]
        for name, score in scores.items():
            found[f"{corpus}.spearman.{name}"] = interval(spearman, rating, score[own])
            if name != "length_alone":
                found[f"{corpus}.partial.{name}"] = interval(partial, rating, score[own], x[own, WORDS])
    return found


def mean(values: Array) -> float:
    """Return the mean."""
    return float(np.mean(values))


def ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the rank of each value from 1, ties at their mean."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    middle: NDArray[np.float64] = (last - (count - 1) / 2)[place]
    return middle


def auroc(truth: NDArray[np.bool_], score: Array) -> float:
    """Return the area under the ROC curve: how often a true one outscores a false one."""
    good, bad = int(truth.sum()), int((~truth).sum())
    return float((ranks(score)[truth].sum() - good * (good + 1) / 2) / max(good * bad, 1))


def spearman(a: Array, b: Array) -> float:
    """Return the rank correlation."""
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def partial(a: Array, b: Array, fixed: Array) -> float:
    """Return the rank correlation of `a` and `b` with `fixed` held fixed."""
    ab, af, bf = spearman(a, b), spearman(a, fixed), spearman(b, fixed)
    return float((ab - af * bf) / np.sqrt(max((1 - af**2) * (1 - bf**2), 1e-12)))


def interval(measure: Callable[..., float], *columns: NDArray[Any]) -> dict[str, float]:
    """Return the value of `measure` on the columns, n, and a 95 % bootstrap interval over rows."""
    rng = np.random.default_rng(0)
    n = len(columns[0])
    drawn = (rng.integers(0, n, n) for _ in range(RANDOM_DRAWS))
    low, high = np.percentile([measure(*(column[at] for column in columns)) for at in drawn], [2.5, 97.5])
    return {
        "value": round(measure(*columns), 4),
        "n": n,
        "low": round(float(low), 4),
        "high": round(float(high), 4),
    }
