"""The report card of a guard: what it catches and what it blocks by mistake, on texts it was not trained on.

Knows the data sets only through `safety.training`; counts what the policy as shipped would do.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from safety.contrast import held_back, load_pairs
from safety.guard import EmbeddedGuard
from safety.training import macro_f1, read
from safety.types import Stage, Verdict

TURNS = 1000  # ordinary dialogue turns that are counted
Result = dict[str, Any]


def report(data: Path, guard: EmbeddedGuard) -> Result:
    """Measure `guard` on the test splits and held-back parts of the development data at `data`.

    Shares come as {"share", "n", "low", "high"} with Wilson's 95 % interval. Raises SafetyError when a file
    is missing.
    """
    return {
        "guard": guard.fingerprint,
        "policy": guard.policy.fingerprint,
        "diasafety": _labelled(data, guard, "diasafety.test", "candidate"),
        "convabuse": _labelled(data, guard, "convabuse.test", "request"),
        "gptfuzz": _labelled(data, guard, "gptfuzz.test", "candidate"),
        "blocked_by_mistake": _harmless(data, guard),
        "contrast": _contrast(guard),
    }


def wilson(hits: int, n: int) -> Result:
    """A share with its 95 % score interval (Wilson 1927); all None when there is nothing to count."""
    if n == 0:
        return {"share": None, "n": 0, "low": None, "high": None}
    z, p = 1.959964, hits / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = ((middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return {"share": round(p, 4), "n": n, "low": round(max(low, 0), 4), "high": round(min(high, 1), 4)}


def blocked(verdicts: Sequence[Verdict]) -> Result:
    """The share of verdicts that are not safe."""
    return wilson(sum(not verdict.safe for verdict in verdicts), len(verdicts))


def _labelled(data: Path, guard: EmbeddedGuard, name: str, stage: Stage) -> Result:
    """`flagged` is the judging head at its own threshold; `blocked` is what the policy would not let pass."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    found = [row for row in read(data / "safety" / f"{name}.jsonl.gz") if row["text"].strip()]
    pairs = [(row["context"][-1] if row["context"] else "", row["text"]) for row in found]
    verdicts = guard.check_pairs(pairs, stage)
    labels = np.array([bool(row["unsafe"]) for row in found])
    risk = np.array([1.0 if verdict.risk is None else verdict.risk for verdict in verdicts])
    flagged = risk >= guard.heads["request" if stage == "request" else "reply"].threshold
    chance = np.random.default_rng(0)
    drawn = [chance.integers(0, len(labels), len(labels)) for _ in range(1000)]
    low, high = np.quantile([macro_f1(labels[d], flagged[d]) for d in drawn], [0.025, 0.975])
    categories = sorted({row["category"] for row in found if row["category"]})
    chosen = {c: np.array([row["category"] == c for row in found]) for c in categories}
    return {
        "n": len(found),
        "macro_f1": round(macro_f1(labels, flagged), 4),
        "macro_f1_interval": [round(float(low), 4), round(float(high), 4)],
        "auroc": round(float(roc_auc_score(labels, risk)), 4),
        "auprc": round(float(average_precision_score(labels, risk)), 4),
        "unsafe_blocked": blocked([v for v, unsafe in zip(verdicts, labels, strict=True) if unsafe]),
        "safe_blocked": blocked([v for v, unsafe in zip(verdicts, labels, strict=True) if not unsafe]),
        "macro_f1_by_category": {
            c: round(macro_f1(labels[part], flagged[part]), 4)
            for c, part in chosen.items()
            if 0 < labels[part].sum() < part.sum()
        },
    }


def _harmless(data: Path, guard: EmbeddedGuard) -> Result:
    turns: list[tuple[str, str]] = []
    for dialogue in read(data / "dialogues" / "topical_chat_rare.train.jsonl.gz"):
        if held_back(dialogue["id"], 4) and len(turns) < TURNS:
            texts = [turn["text"] for turn in dialogue["turns"] if turn["text"].strip()]
            turns += zip(["", *texts], texts, strict=False)
    turns = turns[:TURNS]
    as_request, as_reply = guard.check_pairs(turns, "request"), guard.check_pairs(turns, "candidate")
    either = sum(not (a.safe and b.safe) for a, b in zip(as_request, as_reply, strict=True))
    benign = [row["text"] for row in read(data / "safety" / "benign_questions.train.jsonl.gz")]
    xquad = read(data / "retrieval" / "xquad_a.jsonl.gz")
    paragraphs = list(dict.fromkeys(row["paragraph"] for row in xquad))
    quoted = list(dict.fromkeys((row["question"], row["paragraph"]) for row in xquad))
    return {
        "chat_turns_as_request": blocked(as_request),
        "chat_turns_as_candidate": blocked(as_reply),
        "chat_turns_as_either": wilson(either, len(turns)),
        "questions_held_back": blocked(guard.check([t for t in benign if held_back(t, 10)], "request")),
        "xquad_questions": blocked(guard.check([row["question"] for row in xquad], "request")),
        "xquad_paragraphs_as_evidence": blocked(guard.check(paragraphs, "evidence")),
        "xquad_paragraphs_as_candidate": blocked(guard.check_pairs(quoted, "candidate")),
    }


def _contrast(guard: EmbeddedGuard) -> Result:
    """Held-back contrast pairs, one phrasing of each."""
    found: Result = {}
    for kind, stage in (("request", "request"), ("reply", "candidate")):
        pairs = [pair for pair in load_pairs() if pair.held_back and pair.kind == kind]
        for side in (0, 1):
            texts = [(pair.before, pair.pick()[side]) for pair in pairs]
            verdicts = guard.check_pairs(texts, "request" if stage == "request" else "candidate")
            noted = sum(bool(verdict.action) for verdict in verdicts)
            found[f"{kind}_{('unsafe', 'safe')[side]}_blocked"] = blocked(verdicts)
            found[f"{kind}_{('unsafe', 'safe')[side]}_noted"] = wilson(noted, len(texts))
    return found
