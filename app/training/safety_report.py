"""The report card of a guard: what it catches and what it blocks by mistake, on texts it was not trained on.

Knows the data sets only through `app.training.safety_data`; counts what the policy as shipped would do. Flagged is a
text of which some objective reaches its threshold; blocked is one that the policy also acts upon.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.training.contrast import Kind, held_back, load_pairs, load_templates
from app.training.safety_data import kept, macro_f1, public_questions, read
from safety.guards.embedded import JUDGES, EmbeddedGuard
from safety.types import Stage, Verdict

TURNS = 1000  # ordinary dialogue turns that are counted
DRAWS = 1000  # of the bootstrap
AT_ONCE = 128  # texts per check, to bound the memory
STAGES: Final[dict[Kind, Stage]] = {"request": "request", "reply": "candidate"}
Result = dict[str, Any]


def report(data: Path, guard: EmbeddedGuard) -> Result:
    """Measure `guard` on the test splits and held-back parts of the development data at `data`.

    Shares come as {"share", "n", "low", "high"} with Wilson's 95 % interval. Raises SafetyError when a file
    is missing.
    """
    return {
        "guard": guard.fingerprint,
        "policy": guard.policy.fingerprint,
        "preset": guard.policy.preset,
        "diasafety": _labelled(data, guard, "diasafety.test", "candidate"),
        "convabuse": _labelled(data, guard, "convabuse.test", "request"),
        "gptfuzz": _labelled(data, guard, "gptfuzz.test", "candidate"),
        "blocked_by_mistake": _harmless(data, guard),
        "contrast": _contrast(guard),
        "requests": _requests(data, guard),
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


def flagged(verdicts: Sequence[Verdict]) -> Result:
    """The share of verdicts with an objective at its threshold."""
    return wilson(sum(verdict.flagged for verdict in verdicts), len(verdicts))


def _checked(guard: EmbeddedGuard, pairs: Sequence[tuple[str, str]], stage: Stage) -> list[Verdict]:
    parts = [pairs[first : first + AT_ONCE] for first in range(0, len(pairs), AT_ONCE)]
    return [verdict for part in parts for verdict in guard.check_pairs(part, stage)]


def _labelled(data: Path, guard: EmbeddedGuard, name: str, stage: Stage) -> Result:
    """Two decisions on labelled rows: that of the shipped policy, and the risk at the calibrated threshold."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    found = [row for row in read(data / "safety" / f"{name}.jsonl.gz") if row["text"].strip()]
    pairs = [(row["context"][-1] if row["context"] else "", row["text"]) for row in found]
    verdicts = _checked(guard, pairs, stage)
    labels = np.array([bool(row["unsafe"]) for row in found])
    risk = np.array([1.0 if verdict.risk is None else verdict.risk for verdict in verdicts])
    limit = guard.calibrations[JUDGES[stage]].threshold
    decisions = {
        "macro_f1": np.array([verdict.flagged for verdict in verdicts]),
        "macro_f1_best_threshold": risk >= limit,
    }
    sides = {
        side: [verdict for verdict, label in zip(verdicts, labels, strict=True) if label == unsafe]
        for side, unsafe in (("unsafe", True), ("safe", False))
    }
    result: Result = {"n": len(found), "best_threshold": limit}
    for key, decision in decisions.items():
        result |= {key: round(macro_f1(labels, decision), 4), f"{key}_interval": _interval(labels, decision)}
    result["auroc"] = round(float(roc_auc_score(labels, risk)), 4)
    result["auprc"] = round(float(average_precision_score(labels, risk)), 4)
    for side, those in sides.items():
        result |= {f"{side}_flagged": flagged(those), f"{side}_blocked": blocked(those)}
    result["by_category"] = {}
    for category in sorted({row["category"] for row in found if row["category"]}):
        part = np.array([row["category"] == category for row in found])
        if 0 < labels[part].sum() < part.sum():
            scores = {key: round(macro_f1(labels[part], decision[part]), 4) for key, decision in decisions.items()}
            result["by_category"][category] = {"n": int(part.sum())} | scores
    return result


def _interval(labels: NDArray[np.bool_], decision: NDArray[np.bool_]) -> list[float]:
    """The 95 % bootstrap interval of macro-F1."""
    chance = np.random.default_rng(0)
    drawn = [chance.integers(0, len(labels), len(labels)) for _ in range(DRAWS)]
    low, high = np.quantile([macro_f1(labels[d], decision[d]) for d in drawn], [0.025, 0.975])
    return [round(float(low), 4), round(float(high), 4)]


def _harmless(data: Path, guard: EmbeddedGuard) -> Result:
    turns: list[tuple[str, str]] = []
    for dialogue in read(data / "dialogues" / "topical_chat_rare.train.jsonl.gz"):
        if held_back(dialogue["id"], 4) and len(turns) < TURNS:
            texts = [turn["text"] for turn in dialogue["turns"] if turn["text"].strip()]
            turns += zip(["", *texts], texts, strict=False)
    turns = turns[:TURNS]
    as_request, as_reply = _checked(guard, turns, "request"), _checked(guard, turns, "candidate")
    either = sum(not (a.safe and b.safe) for a, b in zip(as_request, as_reply, strict=True))
    benign = [("", row["text"]) for row in read(data / "safety" / "benign_questions.train.jsonl.gz")]
    xquad = read(data / "retrieval" / "xquad_a.jsonl.gz")
    questions = [("", row["question"]) for row in xquad]
    paragraphs = list(dict.fromkeys(("", row["paragraph"]) for row in xquad))
    quoted = list(dict.fromkeys((row["question"], row["paragraph"]) for row in xquad))
    return {
        "chat_turns_as_request": blocked(as_request),
        "chat_turns_as_candidate": blocked(as_reply),
        "chat_turns_as_either": wilson(either, len(turns)),
        "questions_held_back": blocked(_checked(guard, [p for p in benign if held_back(p[1], 10)], "request")),
        "xquad_questions": blocked(_checked(guard, questions, "request")),
        "xquad_paragraphs_as_evidence": blocked(_checked(guard, paragraphs, "evidence")),
        "xquad_paragraphs_as_candidate": blocked(_checked(guard, quoted, "candidate")),
    }


def _requests(data: Path, guard: EmbeddedGuard) -> Result:
    """Requests kept from training that are declined or only sound so: public questions, and templates filled twice."""
    texts: dict[str, list[str]] = {}
    for row in public_questions(data):
        if kept(row):
            texts.setdefault(row.name, []).append(row.text)
    for template in load_templates(2):
        if template.held_back:
            texts.setdefault(f"templates, {'unsafe' if template.unsafe else 'safe'}", []).extend(template.texts)
    rows = read(data / "safety" / "advbench.train.jsonl.gz")
    texts["advbench"] = [row["text"] for row in rows if held_back("validation" + row["text"], 12)]
    return {name: blocked(_checked(guard, [("", text) for text in of], "request")) for name, of in texts.items()}


def _contrast(guard: EmbeddedGuard) -> Result:
    """Held-back contrast pairs, one phrasing of each: by group of objectives and kind, and over all."""
    groups = {objective.id: objective.group for objective in guard.policy.objectives}
    judged: list[tuple[str, Kind, Verdict, Verdict]] = []
    for kind, stage in STAGES.items():
        pairs = [pair for pair in load_pairs() if pair.held_back and pair.kind == kind]
        picked = [[(pair.before, pair.pick()[side]) for pair in pairs] for side in (0, 1)]
        unsafe, safe = (_checked(guard, texts, stage) for texts in picked)
        judged += [(groups[p.objective], kind, u, s) for p, u, s in zip(pairs, unsafe, safe, strict=True)]
    found: Result = {}
    for group in ("overall", *dict.fromkeys(groups.values())):
        for kind_or_both in ("both", *STAGES):
            those = [
                (unsafe, safe)
                for of, kind, unsafe, safe in judged
                if group in ("overall", of) and kind_or_both in ("both", kind)
            ]
            found.setdefault(group, {})[kind_or_both] = {
                "unsafe_flagged": flagged([unsafe for unsafe, _ in those]),
                "unsafe_blocked": blocked([unsafe for unsafe, _ in those]),
                "safe_flagged": flagged([safe for _, safe in those]),
                "safe_blocked": blocked([safe for _, safe in those]),
            }
    return found
