"""dialogue.judges.settling and its fit: neither overlap nor cosine nor the head's word can count against a claim."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.training.perceptron import fit_monotone
from dialogue.judges.settling import CLAIM, REPLY, Weighed, claim_rows, reply_row, settled

SHARES = st.floats(0, 1)
CLAIMS = st.lists(st.builds(Weighed, SHARES, st.integers(0, 40), SHARES, SHARES, SHARES), min_size=1, max_size=6)
RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(200, 5)).astype(np.float32)
HEAD = fit_monotone("reply", REPLY, ROWS, ROWS[:, 0] - 6 * ROWS[:, 1] + RNG.normal(size=200) > 0, ["one"] * 200, 0.05)


def test_a_weight_that_would_be_negative_is_none() -> None:
    [(weights, _)] = HEAD.layers
    assert (weights >= 0).all()
    assert weights[0] > 0.1
    assert weights[1] == 0


@given(CLAIMS, st.integers(0, 5), SHARES)
def test_more_support_overlap_or_cosine_of_a_claim_never_lowers_a_reply(
    claims: list[Weighed], place: int, more: float
) -> None:
    at = place % len(claims)
    old = claims[at]
    better = Weighed(max(old.support, more), old.words, max(old.overlap, more), max(old.cosine, more), old.aligned)
    assert (reply_row([*claims[:at], better, *claims[at + 1 :]]) >= reply_row(claims) - 1e-5).all()


def test_a_reply_that_claims_nothing_has_no_support() -> None:
    assert settled(HEAD, []) is None


def test_what_is_missing_counts_against_a_window() -> None:
    logits, missing = np.zeros(2, np.float32), np.asarray([0.0, 1.0], np.float32)
    rows = claim_rows(logits, 0.5, 0.7, logits, missing, missing)
    assert rows.shape == (2, 6)
    head = fit_monotone("claim", CLAIM, rows.repeat(20, 0), np.repeat([True, False], 20), ["one"] * 40, 0.05)
    first, second = head(rows)
    assert first > second
