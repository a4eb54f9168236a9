"""app.training.grounding: the head learns from rows made up here; no encoder is needed."""

import random
from pathlib import Path

import numpy as np
import pytest

from app.training.grounding import FOLDS, anchored, folds, train_on
from app.training.grounding_data import (
    SHARES,
    by_sentence,
    halves,
    head_rows,
    joined,
    sampled,
    training_rows,
)
from app.training.grounding_metrics import GroundingExample, Row, numbers
from dialogue.judges.alignment import COSINE, COUNTED, FEATURES, OVERLAP, REFUTED, SUPPORTED
from dialogue.judges.heads import Head


def row(number: int, supported: bool, source: str = "one", kind: str = "") -> Row:
    return Row(source, (f"Evidence {number}.",), "", f"Claim {number}.", supported, kind)


def example(number: int, supported: bool, source: str, rng: np.random.Generator) -> GroundingExample:
    windows = rng.normal(size=(2, COUNTED + 2)).astype(np.float32)
    windows[:, SUPPORTED] += 2.0 if supported else -2.0
    overlap = float(windows[0, OVERLAP])
    return GroundingExample(row(number, supported, source), windows, (False, False), overlap, 0.0, (overlap, 0.0))


def test_rows_that_share_evidence_are_in_one_fold() -> None:
    rows = [Row("one", (f"E{i // 3}", f"F{i}"), "", "Claim.", True) for i in range(60)]
    chained = [Row("one", (f"F{i}", f"F{i + 1}"), "", "Claim.", False) for i in range(5)]
    place = folds([*rows, *chained])
    assert all(len(set(place[i : i + 3])) == 1 for i in range(0, 60, 3))
    assert len({*place[:6], *place[60:]}) == 1
    assert set(place) == set(range(FOLDS))


def test_a_sample_keeps_the_balance_or_evens_it() -> None:
    rows = [row(i, supported=i % 10 == 0) for i in range(1000)]
    assert sampled(rows, 5000, 0) == rows
    assert 5 < sum(r.supported for r in sampled(rows, 100, 0)) < 20
    assert sum(r.supported for r in sampled(rows, 100, 0, even=True)) == 50
    assert sampled(rows, 100, 0) == sampled(rows, 100, 0)


def test_a_paragraph_is_in_one_half() -> None:
    rows = [Row("altered", (f"Paragraph {i // 4}",), "", "Claim.", True) for i in range(40)]
    first, second = halves(rows)
    assert len(first) == len(second) == 20
    assert not {r.evidence for r in first} & {r.evidence for r in second}


@pytest.mark.slow
def test_each_false_kind_is_measured_against_all_true_claims() -> None:
    kinds = [("extract", True, 0.9), ("extract", True, 0.7), ("number", False, 0.1), ("name", False, 0.8)]
    examples = [
        GroundingExample(row(i, supported, kind=kind), np.zeros((1, 1), np.float32), (False,), 0.5, 0.5, (0.5, 0.5))
        for i, (kind, supported, _) in enumerate(kinds)
    ]
    found = numbers(examples, np.array([score for *_, score in kinds], np.float32), 0.5)
    assert (found["auroc"], found["auroc.number"], found["auroc.name"]) == (0.75, 1.0, 0.5)
    assert (found["right.extract"], found["right.name"], found["n.extract"]) == (1.0, 0.0, 2.0)
    assert "auroc.extract" not in found
    assert found["overlap_auroc"] == 0.5


def test_anchors_add_to_the_logit() -> None:
    rng = np.random.default_rng(0)
    layers = ((rng.normal(size=(COUNTED + 2, 3)), np.zeros(3)), (rng.normal(size=(3, 1)), np.zeros(1)))
    plain = Head("grounded", FEATURES, np.zeros(COUNTED + 2), np.ones(COUNTED + 2), layers)  # type: ignore[arg-type]
    x = (0.1 * rng.normal(size=(5, COUNTED + 2))).astype(np.float32)
    without, with_them = (np.log(p / (1 - p)) for p in (plain(x), anchored(plain, (0.2, 0.4, 0.5))(x)))
    added = 0.2 * x[:, COSINE] + 0.4 * x[:, OVERLAP] + 0.5 * (x[:, SUPPORTED] - x[:, REFUTED])
    assert with_them - without == pytest.approx(added, abs=1e-4)


@pytest.mark.slow
def test_the_head_learns_what_the_adapter_says_and_its_metrics_are_of_unseen_rows() -> None:
    rng = np.random.default_rng(0)
    examples = [example(i, i % 2 == 0, ("one", "two")[i % 3 == 0], rng) for i in range(120)]
    whole = [(e.row.supported, e.row.source, [e]) for e in examples[:40]]
    heads, metrics = train_on(examples, whole, seed=0)
    assert heads["grounded"].features == FEATURES
    assert all((heads[name].layers[0][0] >= 0).all() for name in ("claim", "whole"))
    assert metrics["one, 5-fold"]["auroc"] > 0.9
    assert metrics["one, 5-fold"]["n"] + metrics["two, 5-fold"]["n"] == len(examples)
    assert metrics["head"]["threshold"] == heads["claim"].threshold
    again, _ = train_on(examples, whole, seed=0)
    assert [again[name].fingerprint for name in heads] == [head.fingerprint for head in heads.values()]


@pytest.mark.slow
@pytest.mark.shared
def test_the_head_learns_from_no_row_that_the_adapter_has_seen(dev_data: Path) -> None:
    everything = head_rows(dev_data)
    names = ("fever_symmetric.train", "rte.train", "conj_nli.train")
    seen = {(row.evidence, row.response) for name in names for row in training_rows(dev_data, name, 0)}
    rows = [row for row in everything if row.source in names]
    assert len(rows) > 500
    assert not any((row.evidence, row.response) in seen for row in rows)
    assert set(SHARES[-1]) - {"ling_nli.train"} <= {row.source for row in everything}


def test_a_sentence_that_no_true_reply_has_is_the_false_one() -> None:
    true = Row("one", ("E.",), "", "A is one. B is two.", True)
    false = Row("one", ("E.",), "", "A is one. B is nine.", False)
    unclear = Row("one", ("E.",), "", "A is ten. B is nine.", False)
    assert [(r.response, r.supported) for r in by_sentence([true, false, unclear])] == [
        ("A is one.", True),
        ("B is two.", True),
        ("B is nine.", False),
    ]


def test_joined_claims_are_supported_if_all_are() -> None:
    rows = [Row("one", ("E.",), "", f"Claim {i}", i % 3 > 0) for i in range(60)]
    made = joined(rows, "evidence", random.Random(0))
    truth = {row.response: row.supported for row in rows}
    assert {row.supported for row in made} == {True, False}
    for reply in made:
        assert reply.supported == all(truth[claim] for claim in reply.response.removesuffix(".").split(". "))
