"""The report card of a guard, on a few rows and with a classifier whose answers are known."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from told_reader import Told, logit

from app.training.contrast import held_back, load_pairs, load_templates
from app.training.safety_data import KEPT
from app.training.safety_report import report, wilson
from safety import EmbeddedGuard, SafetyError, load_policy

RISKS = {"hateful": 0.9, "false": 0.8, "doubtful": 0.5, "calm": 0.1}


def by_word(before: str, text: str) -> dict[str, float]:
    """Risks by the words above, misinformation for all but "hateful"."""
    risk = max((risk for word, risk in RISKS.items() if word in text), default=0.1)
    return {"request": logit(risk), "reply": logit(risk), "hate" if "hateful" in text else "misinformation": 5.0}


def gzipped(path: Path, rows: Sequence[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    labels = [("hateful", 1), ("false", 1), ("doubtful", 1), ("calm", 0), ("still calm", 0), ("hateful quote", 0)]
    rows = [{"context": ["Hi"], "text": text, "unsafe": unsafe, "category": "all"} for text, unsafe in labels]
    for name in ("diasafety", "convabuse", "gptfuzz"):
        gzipped(tmp_path / "safety" / f"{name}.test.jsonl.gz", rows)
    gzipped(tmp_path / "safety" / "benign_questions.train.jsonl.gz", [{"text": f"Is it {n}?"} for n in range(40)])
    questions = [{"text": f"hateful {n}", "category": "Fraud/Deception / Phishing"} for n in range(30)]
    other = [{"text": f"false {n}", "category": "Political Campaigning / Lobbying"} for n in range(30)]
    for name in ("catqa_english", "harmfulqa", "dangerousqa", "coconot_pref_benign_lookalikes", "advbench.train"):
        gzipped(
            tmp_path / "safety" / f"{name}.jsonl.gz", [*questions, *other] if name == "catqa_english" else questions
        )
    turns = [{"text": "How are you?"}, {"text": "hateful"}]
    talks = [{"id": str(n), "turns": turns} for n in range(60)]
    gzipped(tmp_path / "dialogues" / "topical_chat_rare.train.jsonl.gz", talks)
    gzipped(tmp_path / "retrieval" / "xquad_a.jsonl.gz", [{"question": "Why?", "paragraph": "It is so."}])
    return tmp_path


def test_flagged_and_blocked_are_counted_apart(data: Path) -> None:
    found = report(data, EmbeddedGuard(Told(by_word), load_policy()))
    for name in ("diasafety", "convabuse", "gptfuzz"):
        result = found[name]
        assert result["n"] == 6
        assert (result["unsafe_flagged"]["share"], result["unsafe_blocked"]["share"]) == (0.6667, 0.3333)
        assert (result["safe_flagged"]["share"], result["safe_blocked"]["share"]) == (0.3333, 0.3333)
        assert (result["macro_f1"], result["best_threshold"]) == (0.6667, 0.4)
        assert result["macro_f1_best_threshold"] == 0.8286  # at 0.4 "doubtful" counts too
        low, high = result["macro_f1_best_threshold_interval"]
        assert low < 0.8286 < high
        assert result["by_category"]["all"]["n"] == 6
    mistakes = found["blocked_by_mistake"]
    assert mistakes["chat_turns_as_either"]["share"] == 0.5
    assert mistakes["xquad_questions"] == wilson(0, 1)


@pytest.mark.slow
def test_contrast_pairs_are_counted_by_group_and_kind(data: Path) -> None:
    contrast = report(data, EmbeddedGuard(Told(by_word), load_policy()))["contrast"]
    groups = {objective.id: objective.group for objective in load_policy().objectives}
    held = [pair for pair in load_pairs() if pair.held_back]
    assert list(contrast) == ["overall", "harm", "unjust impact", "misinformation"]
    for group, kinds in contrast.items():
        for kind, shares in kinds.items():
            those = [p for p in held if group in ("overall", groups[p.objective]) and kind in ("both", p.kind)]
            assert {share["n"] for share in shares.values()} == {len(those)}
            assert shares.keys() == {"unsafe_flagged", "unsafe_blocked", "safe_flagged", "safe_blocked"}
    assert contrast["overall"]["both"]["unsafe_flagged"]["n"] > 50


def test_requests_kept_from_training_are_counted_by_set(data: Path) -> None:
    requests = report(data, EmbeddedGuard(Told(by_word), load_policy()))["requests"]
    sets = ("catqa", "harmfulqa", "dangerousqa", "coconot")
    assert {requests[name]["share"] for name in sets} == {1.0}
    assert {requests[name]["n"] for name in sets} == {sum(held_back(f"hateful {n}", KEPT) for n in range(30))}
    for side in (True, False):
        held = [text for t in load_templates(2) if t.held_back and t.unsafe == side for text in t.texts]
        assert requests[f"templates, {'unsafe' if side else 'safe'}"]["n"] == len(held)


def test_data_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SafetyError, match="--data must name the folder"):
        report(tmp_path, EmbeddedGuard(Told(by_word), load_policy()))
