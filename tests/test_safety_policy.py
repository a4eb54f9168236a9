"""The policy file: what it holds, how it is overlaid, and what is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety import SafetyError, load_policy

OBJECTIVES = {
    "violence", "crime_howto", "weapons_mass", "self_harm", "sexual", "child_safety", "hate", "harassment",
    "privacy", "specialised_advice", "misinformation", "prompt_attack", "profanity", "dangerous_advice",
    "solicitation",
}  # fmt: skip


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_packaged_policy_holds_every_objective_in_three_groups() -> None:
    policy = load_policy()
    assert {objective.id for objective in policy.objectives} == OBJECTIVES
    assert {objective.group for objective in policy.objectives} == {"harm", "unjust impact", "misinformation"}
    assert policy.fail == "closed"


def test_what_small_classifiers_cannot_judge_is_only_noted_and_says_so() -> None:
    watched = load_policy().at("candidate")
    for name in ("misinformation", "specialised_advice"):
        assert watched[name].action_at("candidate") == "annotate"
        assert "never enforced" in watched[name].note


def test_presets_shift_every_threshold_but_the_locked_ones() -> None:
    strict, balanced, permissive = (load_policy(preset=p) for p in ("strict", "balanced", "permissive"))
    for low, middle, high in zip(strict.objectives, balanced.objectives, permissive.objectives, strict=True):
        if low.locked:
            assert low.threshold == middle.threshold == high.threshold
        else:
            assert low.threshold < middle.threshold < high.threshold


def test_a_file_of_ones_own_changes_only_what_it_names(tmp_path: Path) -> None:
    own = load_policy(write(tmp_path, '[objectives.profanity]\nmode = "enforce"\naction = "refuse"\n'))
    base = load_policy()
    changed = [a.id for a, b in zip(own.objectives, base.objectives, strict=True) if a != b]
    assert changed == ["profanity"]
    assert own.fingerprint != base.fingerprint
    assert load_policy().fingerprint == base.fingerprint


def test_an_objective_switched_off_is_not_looked_at(tmp_path: Path) -> None:
    own = load_policy(write(tmp_path, '[objectives.hate]\nmode = "off"\n'))
    assert "hate" not in own.at("request")
    assert "hate" in load_policy().at("request")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prest = 'strict'", "did you mean 'preset'"),
        ("preset = 'balancd'", "did you mean 'balanced'"),
        ("[objectives.violense]\nmode = 'off'", "did you mean 'violence'"),
        ("[objectives.hate]\nthresold = 0.4", "did you mean 'threshold'"),
        ("[objectives.hate]\nmode = 'annotated'", "did you mean 'annotate'"),
        ("[objectives.hate]\nstages = ['requests']", "did you mean 'request'"),
        ("[objectives.hate]\nstages = []", "must list some of"),
        ("[objectives.hate]\nthreshold = 1.0", "between 0 and 1"),
        ("[objectives.hate]\nthreshold = 0", "between 0 and 1"),
        ("[objectives.hate]\nthreshold = true", "must be a number"),
        ("[objectives.hate]\nthreshold = nan", "between 0 and 1"),
        ("[objectives.child_safety]\nmode = 'off'", "locked"),
        ("[objectives.child_safety]\nlocked = false", "locked"),
        ("[objectives.child_safety]\nthreshold = 0.9", "locked"),
        ("[objectives.child_safety]\nstages = ['request']", "locked"),
        ("[messages]\nrefuse = ''", "sentence"),
        ("[presets]\nlenient = 0.2", "did you mean"),
        ("objectives = 3", "must be a table"),
        ("preset = 'nope'", "did you mean"),
        ("preset = ['strict']", "is not one of strict"),
        ("preset = true", "is not one of strict"),
        ("[objectives.hate]\nthreshold = 99", "between 0 and 1"),
        ("[objectives.hate]\nthreshold = inf", "between 0 and 1"),
        ("[objectives.hate]\nthreshold = '0.5'", "must be a number"),
        ("[objectives.child_safety]\nthreshold = nan", "between 0 and 1"),
        ("[objectives.child_safety]\nstages = 3", "must list some of"),
        ("[objectives.child_safety]\nstages = [['request']]", "is not one of request"),
        ("[presets]\nbalanced = 99", "between -1 and 1"),
        ("[presets]\nstrict = 99", "between -1 and 1"),
        ("[presets]\npermissive = nan", "between -1 and 1"),
        ("[presets]\npermissive = -inf", "between -1 and 1"),
        ("[presets]\nbalanced = true", "must be a number"),
        ("[objectives.hate]\ngroup = 'harms'", "did you mean 'harm'"),
        ("[objectives.hate]\ntitle = 3", "the words that a user shall read"),
        ("[objectives.hate]\nnote = 3", "the words that a user shall read"),
        ("version = true", "version True"),
        ("fail = 'open'", "only 'closed'"),
        ("version = 9", "version 9"),
        ("not toml", "cannot be read"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_what_was_meant(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SafetyError) as caught:
        load_policy(write(tmp_path, text))
    assert said in str(caught.value)
    assert "own.toml" in str(caught.value)


def test_the_files_own_mistake_is_told_also_where_a_setting_wins_over_it(tmp_path: Path) -> None:
    with pytest.raises(SafetyError, match=r"own\.toml: preset: 'nope' is not one of strict"):
        load_policy(write(tmp_path, "preset = 'nope'"), "strict")


@pytest.mark.parametrize("preset", ["nope", 3, True, ["strict"]])
def test_a_preset_that_is_none_is_refused(preset: str) -> None:
    with pytest.raises(SafetyError, match="is not one of strict, balanced, permissive"):
        load_policy(preset=preset)


@given(st.floats() | st.integers(), st.sampled_from(["strict", "balanced", "permissive"]))
def test_whatever_number_a_preset_adds_it_is_refused_or_gives_probabilities(
    tmp_path_factory: pytest.TempPathFactory, shift: float, preset: str
) -> None:
    path = write(tmp_path_factory.mktemp("policy"), f"[presets]\n{preset} = {shift!r}\n")
    try:
        policy = load_policy(path, preset)
    except SafetyError:
        assert not -1 < shift < 1
    else:
        assert all(0 < objective.threshold < 1 for objective in policy.objectives)


def test_a_missing_file_is_an_error_not_the_default(tmp_path: Path) -> None:
    with pytest.raises(SafetyError, match="cannot be read"):
        load_policy(tmp_path / "none.toml")


def test_a_locked_objective_may_be_made_stricter(tmp_path: Path) -> None:
    own = load_policy(write(tmp_path, "[objectives.child_safety]\nthreshold = 0.2\n"))
    assert own.at("request")["child_safety"].threshold == 0.2


@given(st.floats(min_value=0.001, max_value=0.999), st.sampled_from(["strict", "balanced", "permissive"]))
def test_thresholds_stay_inside_the_unit_interval_under_every_preset(
    tmp_path_factory: pytest.TempPathFactory, threshold: float, preset: str
) -> None:
    path = write(tmp_path_factory.mktemp("policy"), f"[objectives.hate]\nthreshold = {threshold!r}\n")
    assert 0 < load_policy(path, preset).at("request")["hate"].threshold < 1


def test_drafts_are_dropped_where_requests_are_refused() -> None:
    watched = load_policy().at("request")
    assert watched["violence"].action_at("request") == "refuse"
    assert watched["violence"].action_at("candidate") == "drop"
    assert watched["self_harm"].action_at("request") == "support"
    assert watched["prompt_attack"].action_at("request") == "annotate"
    assert watched["prompt_attack"].action_at("evidence") == "drop"
