"""The quality judges: what they accept, what never changes a score, and what must score high or low."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogue.quality import LONGEST, NAMES, QualityJudge, clean, load_quality, read
from dialogue.training.quality import feature_rows
from dialogue.training.quality_data import negate
from dialogue.training.quality_report import auroc, partial, ranks, spearman, xquad_pairs
from dialogue.training.smalltalk import PAIRS
from dialogue.types import Context, DialogueError, Turn
from retrieval.embed import Encoder
from safety.heads import Head

ANSWERS = (
    ("How tall is the Eiffel Tower?", "The Eiffel Tower is 330 metres tall."),
    (
        "Who wrote Moby-Dick?",
        "Moby-Dick is a novel by the American writer Herman Melville, published in 1851.",
    ),
    (
        "how do bees make honey",
        "Bees turn nectar into honey by adding enzymes and letting the water evaporate.",
    ),
    ("When did the Berlin Wall fall?", "The Berlin Wall fell on 9 November 1989."),
    ("What is the capital of Kenya?", "Nairobi is the capital and the largest city of Kenya."),
)


@pytest.fixture(scope="module")
def judge(encoder: Encoder) -> QualityJudge:
    return load_quality(encoder.encode)


def talk(*turns: str, query: str = "") -> Context:
    """A context whose last turn is the user's."""
    roles = ["user" if (len(turns) - place) % 2 else "assistant" for place in range(len(turns))]
    spoken = tuple(Turn(role, text) for role, text in zip(roles, turns, strict=True))  # type: ignore[arg-type]
    return Context(spoken, query or turns[-1])


def limit(judge: QualityJudge) -> float:
    return judge.heads["sensible"].threshold


def test_a_correct_answer_of_one_sentence_is_sensible(judge: QualityJudge) -> None:
    for question, answer in ANSWERS:
        assert judge.score(talk(question), [answer])[0][0] >= limit(judge), question


def test_the_same_answer_may_be_given_again_when_asked_again(judge: QualityJudge) -> None:
    for question, answer in ANSWERS:
        assert judge.score(talk(question, answer, question), [answer])[0][0] >= limit(judge), question


def test_small_talk_is_sensible(judge: QualityJudge) -> None:
    passed = [judge.score(talk(said), [reply])[0][0] >= limit(judge) for said, reply in PAIRS]
    assert np.mean(passed) >= 0.95


def test_an_answer_is_more_sensible_and_more_specific_than_the_answer_to_another_question(
    judge: QualityJudge,
) -> None:
    for place, (question, answer) in enumerate(ANSWERS):
        stranger = ANSWERS[place - 1][1]
        own, other = judge.score(talk(question), [answer, stranger])
        assert own[0] > other[0]
        assert own[1] > other[1]


@pytest.mark.parametrize("reply", ["I don't know", "OK", "That's interesting."])
def test_the_generic_bot_is_never_specific_nor_interesting(judge: QualityJudge, reply: str) -> None:
    for question, answer in ANSWERS:
        dull, good = judge.score(talk(question), [reply, answer])
        assert dull[1] < 0.3
        assert dull[1] < good[1]
        assert dull[2] < good[2]


def test_an_answer_about_something_else_is_found_through_the_resolved_query(judge: QualityJudge) -> None:
    context = talk("Who wrote Moby-Dick?", "Herman Melville wrote it.", "and when was it printed?")
    resolved = Context(context.turns, "when was Moby-Dick printed?")
    answer = "Moby-Dick was first printed in London in October 1851."
    assert judge.score(resolved, [answer])[0][0] >= limit(judge)


@pytest.mark.parametrize("text", ["", "   ", "\u200b\u200d", "...", "?!", "🙂"])
def test_a_draft_without_a_word_scores_zero(judge: QualityJudge, text: str) -> None:
    assert judge.score(talk("Hello!"), [text]) == [(0.0, 0.0, 0.0)]


def test_no_drafts_give_no_scores(judge: QualityJudge) -> None:
    assert judge.score(talk("Hello!"), []) == []


def test_a_context_without_turns_is_refused(judge: QualityJudge) -> None:
    with pytest.raises(ValueError, match="at least one turn"):
        judge.score(Context((Turn("system", "Be brief."),), "?"), ["Hello"])


def test_the_system_turn_does_not_change_a_score(judge: QualityJudge) -> None:
    question, answer = ANSWERS[0]
    plain = talk(question)
    told = Context((Turn("system", "You are a pirate."), *plain.turns), plain.query)
    assert judge.score(told, [answer]) == judge.score(plain, [answer])


def test_a_text_of_a_hundred_thousand_characters_is_read_only_at_its_start(judge: QualityJudge) -> None:
    long = "whale song " * 10_000
    assert len(clean(long)) <= LONGEST
    assert judge.score(talk("What do whales do?"), [long]) == judge.score(
        talk("What do whales do?"), [long[: 2 * LONGEST]]
    )
    assert judge.score(talk(long), ["They sing."])


@settings(max_examples=25)
@given(
    turns=st.lists(st.text(max_size=80), min_size=1, max_size=10),
    drafts=st.lists(st.text(max_size=120), min_size=1, max_size=5),
)
def test_scores_of_any_text_are_probabilities(judge: QualityJudge, turns: list[str], drafts: list[str]) -> None:
    scores = np.asarray(judge.score(talk(*turns), drafts))
    assert scores.shape == (len(drafts), len(NAMES))
    assert np.isfinite(scores).all()
    assert ((scores >= 0) & (scores <= 1)).all()


@settings(max_examples=12)
@given(order=st.permutations(range(6)), kept=st.integers(min_value=1, max_value=6))
def test_neither_order_nor_company_of_the_drafts_changes_a_score(
    judge: QualityJudge, order: list[int], kept: int
) -> None:
    drafts = [*(answer for _, answer in ANSWERS), "OK"]
    context = talk("Hi there", "Hello!", ANSWERS[0][0])
    whole = np.asarray(judge.score(context, drafts))
    chosen = order[:kept]
    part = np.asarray(judge.score(context, [drafts[place] for place in chosen]))
    assert np.abs(part - whole[chosen]).max() < 1e-3


@given(text=st.text(max_size=300))
def test_cleaning_twice_changes_nothing_and_word_counts_are_finite(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert np.isfinite(read(once).surface).all()


def test_the_fingerprint_follows_the_weights(judge: QualityJudge, encoder: Encoder) -> None:
    assert load_quality(encoder.encode).fingerprint == judge.fingerprint
    head = judge.heads["specific"]
    other = Head(head.name, head.features, head.mean + 1, head.scale, head.layers)
    assert QualityJudge(encoder.encode, judge.heads | {"specific": other}).fingerprint != judge.fingerprint


def test_a_head_of_other_features_is_refused(judge: QualityJudge, encoder: Encoder) -> None:
    head = judge.heads["sensible"]
    other = Head(head.name, "quality-0", head.mean, head.scale, head.layers)
    with pytest.raises(DialogueError, match="candor train judges"):
        QualityJudge(encoder.encode, judge.heads | {"sensible": other})


def test_one_encode_call_serves_context_query_and_all_drafts(judge: QualityJudge, encoder: Encoder) -> None:
    calls: list[int] = []

    def counted(texts: object) -> object:
        calls.append(len(texts))  # type: ignore[arg-type]
        return encoder.encode(texts)  # type: ignore[arg-type]

    QualityJudge(counted, judge.heads).score(talk("Hi", "Hello!", "Who are you?"), ["A program.", "OK"])  # type: ignore[arg-type]
    assert calls == [3 + 1 + 2]


@pytest.mark.shared
def test_held_out_answers_pass_and_strangers_sentences_mostly_do_not(judge: QualityJudge, dev_data: Path) -> None:
    made = xquad_pairs(dev_data)
    kept = [pair for pair in made if pair.kind == "one"][::6] + [p for p in made if p.kind == "stranger"][::6]
    passed = judge.judge(feature_rows(kept, judge.encode))[:, 0] >= limit(judge)
    own = np.asarray([pair.kind == "one" for pair in kept])
    assert passed[own].mean() >= 0.95
    assert passed[~own].mean() <= 0.4


def test_negation_turns_a_statement_round_and_leaves_none_alone() -> None:
    assert negate("Whales are mammals.") == "Whales are not mammals."
    assert negate("They don't sing.") == "They do sing."
    assert negate("They do not sing.") == "They do sing."
    assert negate("Lovely weather!") == ""


def test_ranks_share_ties_and_areas_follow_them() -> None:
    values = np.asarray([3.0, 1.0, 1.0, 2.0], dtype=np.float32)
    assert ranks(values).tolist() == [4.0, 1.5, 1.5, 3.0]
    assert auroc(np.asarray([True, False, False, True]), values) == 1.0


def test_the_partial_correlation_vanishes_when_length_explains_it_all() -> None:
    rng = np.random.default_rng(0)
    length = rng.normal(size=4000)
    rating, score = length + rng.normal(size=4000), length + rng.normal(size=4000)
    assert spearman(rating, score) > 0.4
    assert abs(partial(rating, score, length)) < 0.05
