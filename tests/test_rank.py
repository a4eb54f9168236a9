"""Gates, cascade and ranking."""

from dataclasses import replace
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from dialogue.rank import Gates, quality, ranked, why_dropped
from dialogue.types import Candidate, Claim, Scores
from safety.types import Verdict

SAFE = Verdict(True, 0.01)
UNSAFE = Verdict(False, 0.9, "hate", "insults a group")
probability = st.floats(0, 1)
maybe = st.none() | probability
scores = st.builds(
    Scores, sensible=probability, specific=probability, interesting=probability, answers=maybe, grounded=maybe
)


@given(scores)
def test_quality_is_a_number_between_zero_and_one(given_scores: Scores) -> None:
    assert 0 <= quality(given_scores) <= 1


@given(scores, st.sampled_from(["sensible", "specific", "interesting", "answers", "grounded"]), probability)
def test_raising_one_score_never_lowers_quality(given_scores: Scores, name: str, value: float) -> None:
    before = getattr(given_scores, name)
    if before is not None and value >= before:
        assert quality(replace(given_scores, **{name: value})) >= quality(given_scores) - 1e-12


def test_labels_cascade_so_that_what_is_not_sensible_is_neither_specific_nor_interesting() -> None:
    assert quality(Scores(0.0, 1.0, 1.0)) == 0
    assert quality(Scores(1.0, 0.0, 1.0)) == quality(Scores(1.0, 0.0, 0.0))
    assert quality(Scores(1.0, 1.0, 1.0)) == 1


def test_lamda_weighs_sensibleness_three_times() -> None:
    assert quality(Scores(1.0, 0.0, 0.0)) == 3 / 5
    assert quality(Scores(1.0, 1.0, 0.0)) == 4 / 5


def test_not_applicable_beats_ungrounded_and_silence_never_wins() -> None:
    assert quality(Scores(0.9, 0.5, 0.5, grounded=None)) > quality(Scores(0.9, 0.5, 0.5, grounded=0.0))
    assert quality(Scores()) == 0


@given(scores)
def test_an_unsafe_draft_is_always_dropped_whatever_its_scores(given_scores: Scores) -> None:
    assert why_dropped(UNSAFE, given_scores, Gates(0, 0)).startswith("unsafe")


def test_each_gate_says_which_limit_failed() -> None:
    gates = Gates(sensible=0.3, answers=0.5)
    good = Scores(0.9, 0.9, 0.9, answers=0.9)
    claim = Claim("Everest is low.", 0, 15, 0.1, reason="the source says high")
    assert why_dropped(SAFE, good, gates) == ""
    assert why_dropped(SAFE, replace(good, sensible=0.2), gates) == "not sensible (0.20 < 0.30)"
    assert why_dropped(SAFE, replace(good, sensible=None), gates) == "not sensible: could not be judged"
    assert why_dropped(SAFE, replace(good, answers=0.4), gates) == "does not answer the question (0.40 < 0.50)"
    assert "the source says high" in why_dropped(SAFE, replace(good, claims=(claim,)), gates)
    assert why_dropped(SAFE, replace(good, answers=None, claims=(replace(claim, support=None),)), gates) == ""


@given(st.lists(st.tuples(scores, st.booleans(), st.booleans()), max_size=8), st.randoms())
def test_order_of_drafts_never_changes_the_winner_and_the_dropped_come_last(
    drafts: list[tuple[Scores, bool, bool]], random: Random
) -> None:
    made = []
    for place, (one, safe, dropped) in enumerate(drafts):
        verdict = SAFE if safe else UNSAFE
        made.append(Candidate(str(place), verdict, one, quality(one), "" if safe and not dropped else "dropped"))
    order = ranked(made)
    flags = [bool(candidate.dropped) for candidate in order]
    assert flags == sorted(flags)
    assert all(a.quality >= b.quality for a, b in pairwise(order) if bool(a.dropped) == bool(b.dropped))
    random.shuffle(made)
    again = ranked(made)
    assert [c.quality for c in again] == [c.quality for c in order]
    if len({candidate.quality for candidate in made}) == len(made):
        assert again == order
