"""The metrics, against values worked out by hand and laws that hold for any input."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from app.evaluation import metrics as m

LABELS = [1, 0, 1, 0]
SCORES = [0.9, 0.8, 0.7, 0.1]
CALLED = [True, True, False, False]

rows = st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=2, max_size=60).filter(
    lambda pairs: 0 < sum(label for label, _ in pairs) < len(pairs)
)


def test_areas_by_hand() -> None:
    assert m.auroc(LABELS, SCORES) == pytest.approx(3 / 4)
    assert m.auprc(LABELS, SCORES) == pytest.approx((1 + 2 / 3) / 2)
    assert m.auroc([1, 0], [0.5, 0.5]) == 0.5


def test_decisions_by_hand() -> None:
    labels, called = [1, 1, 1, 0, 0], [True, True, False, True, False]
    assert m.precision(labels, called) == pytest.approx(2 / 3)
    assert m.recall(labels, called) == pytest.approx(2 / 3)
    assert m.fpr(labels, called) == 0.5
    assert m.f1(labels, called) == pytest.approx(2 / 3)
    assert m.macro_f1(labels, called) == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert m.balanced_accuracy(labels, called) == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_true_positives_at_one_percent_false_ones() -> None:
    negatives = np.linspace(0, 0.5, 200)
    scores = [*negatives, 0.6, 0.4999, negatives[-2], negatives[-3], 0.1]
    labels = [0] * 200 + [1] * 5
    assert m.tpr_at_fpr(labels, scores) == pytest.approx(3 / 5)  # two of the 200 may pass: the limit is the third
    assert m.tpr_at_fpr([0, 1, 1], [0.5, 0.5, 0.6]) == 0.5


@pytest.mark.parametrize("labels", [[], [1, 1], [0, 0, 0]])
@pytest.mark.parametrize("metric", [m.auroc, m.auprc, m.tpr_at_fpr])
def test_one_class_only_has_no_area_and_the_reason_is_told(metric: object, labels: list[int]) -> None:
    assert callable(metric)
    with pytest.raises(m.Undefined, match=r"one class only|no rows"):
        metric(labels, [0.5] * len(labels))


def test_shares_of_nothing_are_undefined() -> None:
    for metric, labels, called in (
        (m.precision, [1, 0], [False, False]),
        (m.recall, [0, 0], [True, False]),
        (m.fpr, [1, 1], [True, False]),
        (m.f1, [0, 0], [False, False]),
        (m.balanced_accuracy, [1, 1], [True, True]),
    ):
        with pytest.raises(m.Undefined):
            metric(labels, called)


def test_unequal_lengths_are_an_error_and_not_a_metric() -> None:
    with pytest.raises(ValueError, match="2 labels and 3 scores"):
        m.auroc([0, 1], [1, 2, 3])


@given(rows)
def test_auroc_is_the_share_of_pairs_in_order(pairs: list[tuple[bool, int]]) -> None:
    labels, scores = zip(*pairs, strict=True)
    up = [score for label, score in pairs if label]
    down = [score for label, score in pairs if not label]
    wins = sum((a > b) + (a == b) / 2 for a in up for b in down) / (len(up) * len(down))
    assert m.auroc(labels, scores) == pytest.approx(wins)
    assert m.auroc(labels, [-score for score in scores]) == pytest.approx(1 - wins)
    assert m.auroc(labels, [math.exp(score / 3) for score in scores]) == pytest.approx(wins)
    assert m.auprc(labels, scores) == pytest.approx(average_precision_score(labels, scores))
    assert 0 <= m.tpr_at_fpr(labels, scores) <= 1


def test_calibration_by_hand() -> None:
    assert m.calibration_error([False, True, True, False], [0.5, 0.5, 0.5, 0.5], bins=1) == 0
    assert m.calibration_error([False, True, False, True], [0.1, 0.9, 0.3, 0.7], bins=2) == pytest.approx(0.2)
    assert m.calibration_error([True], [0.25]) == pytest.approx(0.75)
    with pytest.raises(m.Undefined, match="no rows"):
        m.calibration_error([], [])
    with pytest.raises(ValueError, match="2 labels and 1"):
        m.calibration_error([True, False], [0.5])


def test_rank_correlations_by_hand() -> None:
    assert m.spearman([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1)
    assert m.spearman([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(0.8)  # 1 - 6*2 / (4*15)
    x, y, z = [1, 2, 3, 4, 5], [2, 1, 4, 3, 5], [1, 3, 2, 5, 4]
    xy, xz, yz = m.spearman(x, y), m.spearman(x, z), m.spearman(y, z)
    expected = (xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2))
    assert m.partial_spearman(x, y, [z]) == pytest.approx(expected)


def test_what_the_covariate_explains_is_taken_out() -> None:
    random = np.random.default_rng(0)
    length = random.normal(size=500)
    one, other = length + random.normal(size=500), length + random.normal(size=500)
    assert m.spearman(one, other) > 0.35
    assert abs(m.partial_spearman(one, other, [length])) < 0.1


def test_a_constant_side_has_no_correlation() -> None:
    for call in (
        lambda: m.spearman([1, 1, 1], [1, 2, 3]),
        lambda: m.spearman([1, 2], [2, 1]),
        lambda: m.partial_spearman([1, 2, 3, 4], [1, 2, 4, 3], [[1, 2, 3, 4]]),
    ):
        with pytest.raises(m.Undefined):
            call()


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=3, max_size=40))
def test_spearman_is_symmetric_and_blind_to_monotone_maps(pairs: list[tuple[int, int]]) -> None:
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    if len(set(first)) < 2 or len(set(second)) < 2:
        return
    value = m.spearman(first, second)
    assert -1 <= value <= 1
    assert m.spearman(second, first) == pytest.approx(value)
    assert m.spearman([a**3 for a in first], second) == pytest.approx(value)


def test_rankings_by_hand() -> None:
    assert m.average_precision([True, False, True]) == pytest.approx((1 + 2 / 3) / 2)
    assert m.reciprocal_rank([False, False, True]) == pytest.approx(1 / 3)
    assert m.reciprocal_rank([False, False, True], 2) == 0
    gains = {"a": 2.0, "b": 1.0}
    assert m.ndcg(["b", "x", "a"], gains) == pytest.approx((1 + 2 / 2) / (2 + 1 / math.log2(3)))
    assert m.ndcg(["x", "a"], gains, 1) == 0
    assert m.recall_at(["x", "a", "b"], {"a", "b"}, 2) == 0.5
    for call in (
        lambda: m.average_precision([False]),
        lambda: m.ndcg(["a"], {"a": 0}),
        lambda: m.recall_at([], [], 3),
    ):
        with pytest.raises(m.Undefined):
            call()


@given(st.permutations(["a", "b", "c", "d", "e"]), st.integers(1, 6))
def test_no_order_beats_the_ideal_one(ranking: list[str], k: int) -> None:
    gains = {"a": 3.0, "b": 2.0, "c": 1.0}
    assert 0 <= m.ndcg(ranking, gains, k) <= m.ndcg(["a", "b", "c", "d", "e"], gains, k) == pytest.approx(1)
    assert m.recall_at(ranking, gains, k) <= m.recall_at(ranking, gains, k + 1)
    assert m.reciprocal_rank([name in gains for name in ranking]) >= 1 / 3


def test_wilson_by_hand() -> None:
    low, high = m.wilson(8, 10)
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert m.wilson(0, 10)[0] == 0
    assert m.wilson(10, 10)[1] == 1
    with pytest.raises(m.Undefined):
        m.wilson(0, 0)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share(counts: tuple[int, int]) -> None:
    hits, n = counts
    low, high = m.wilson(hits, n)
    assert 0 <= low <= hits / n <= high <= 1


def test_the_bootstrap_repeats_itself_and_narrows() -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, 400)
    scores = labels + random.normal(size=400)
    low, high = m.bootstrap(m.auroc, labels, scores, resamples=200)
    assert (low, high) == m.bootstrap(m.auroc, labels, scores, resamples=200)
    assert low < m.auroc(labels, scores) < high
    few = m.bootstrap(m.auroc, labels[:60], scores[:60], resamples=200)
    assert few[1] - few[0] > high - low
    with pytest.raises(m.Undefined, match="too few rows"):
        m.bootstrap(m.auroc, [1, 1], [0.1, 0.2])


@pytest.mark.parametrize(
    ("reply", "answer", "hit"),
    [
        ("The summit is 8,849 metres high [1].", "8849", True),
        ("The summit is 8849 metres high.", "8,849 metres", True),
        ("It rose by 52% that year.", "52 percent", True),
        ("It was the DENVER Broncos’ win.", "Denver Broncos", True),
        ("It has 175 billion parameters.", "175-billion", True),
        ("Made in 1,000,000 copies", "1000000", True),
        ("Born in 1958 [12].", "12", False),
        ("Born in 19581.", "1958", False),
        ("The Broncos of Denver", "Denver Broncos", False),
        ("It weighs 3.5 tonnes.", "5 tonnes", False),
        ("Seen in the 1990s.", "1990", False),
        ("Anything", "", False),
        ("", "x", False),
        ("Zürich, in [1] Switzerland", "zürich in switzerland", True),
    ],
)
def test_an_answer_stands_in_a_reply_or_does_not(reply: str, answer: str, hit: bool) -> None:
    assert m.answer_hit(reply, [answer]) is hit
    assert m.answer_hit(reply, ["quite another thing", answer]) is hit
    assert not m.answer_hit(reply, [])


@given(st.text(max_size=40), st.text(max_size=80), st.text(max_size=40))
def test_an_answer_is_found_wherever_it_stands(before: str, answer: str, after: str) -> None:
    if m.tokens(answer) and not any("[" in text or "," in text for text in (before, answer, after)):
        assert m.answer_hit(f"{before} {answer} {after}", [answer])


def test_overlap_counts_content_words() -> None:
    evidence = "The blue whale can weigh 190,000 kilograms."
    assert m.token_overlap("A blue whale weighs 190000 kilograms!", evidence) == pytest.approx(4 / 5)
    assert m.token_overlap("It is what it is.", evidence) == 0
    assert m.token_overlap("...", evidence) == 0


@given(st.text(max_size=60), st.text(max_size=60))
def test_overlap_is_a_share(response: str, evidence: str) -> None:
    assert 0 <= m.token_overlap(response, evidence) <= 1
    assert m.token_overlap(response, response) == float(bool(m.tokens(response)))


def test_kappa_is_agreement_beyond_chance() -> None:
    assert m.kappa([1, 1, 0, 0], [1, 1, 0, 0]) == 1
    assert m.kappa([1, 1, 0, 0], [1, 0, 1, 0]) == 0
    assert m.kappa([1, 1, 0, 0], [0, 0, 1, 1]) == -1
    with pytest.raises(m.Undefined, match="the same of every row"):
        m.kappa([1, 1], [1, 1])
    with pytest.raises(m.Undefined, match="no rows"):
        m.kappa([], [])


def test_an_interval_holds_the_value_of_a_statistic_that_resampling_makes_larger() -> None:
    chance = np.random.default_rng(1)
    probabilities = chance.random(60)
    labels = chance.random(60) < probabilities
    value = m.calibration_error(labels, probabilities)
    low, high = m.bootstrap(m.calibration_error, labels, probabilities)
    assert 0 <= low <= value <= high
