"""The quality judges: what they accept, what never changes a score, and what must score high or low.

Tests named ``weights`` state what the shipped adapter and heads must do; the others hold for any weights.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.training.perceptron import fit, tempered
from app.training.quality import feature_rows
from app.training.quality_data import RatedReply, negate
from app.training.quality_report import (
    against_other_corpus,
    auroc,
    from_other_corpus,
    partial,
    ranks,
    spearman,
    telling_apart,
    xquad_pairs,
)
from app.training.smalltalk import PAIRS
from dialogue.judges.heads import Head
from dialogue.judges.quality import (
    LOGITS,
    LONGEST,
    NAMES,
    WEIGHTS,
    Array,
    QualityJudge,
    clean,
    load_quality,
    read,
    reading,
)
from dialogue.judges.shipped import SHIPPED
from dialogue.types import Context, DialogueError, Turn
from retrieval.encoder.adapters import Reader, load_reader
from retrieval.encoder.embed import Encoder
from retrieval.types import RetrievalError

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
def reader(encoder: Encoder) -> Reader:
    return load_reader(encoder, WEIGHTS, SHIPPED)


@pytest.fixture(scope="module")
def judge(encoder: Encoder, reader: Reader) -> QualityJudge:
    return load_quality(encoder.encode, reader)


class Constant:
    """A reader that returns the same logits for every pair, and keeps what it was given."""

    about: ClassVar[dict[str, object]] = {}
    fingerprint = "constant"

    def __init__(self, logits: Sequence[float] = (1.0, 2.0), outputs: tuple[str, ...] = LOGITS) -> None:
        self.logits, self.outputs = logits, outputs
        self.seen: list[list[tuple[str, str]]] = []

    def __call__(self, pairs: Sequence[tuple[str, str]], /) -> Array:
        self.seen.append(list(pairs))
        return np.tile(np.asarray(self.logits, dtype=np.float32), (len(pairs), 1))


def letters(texts: Sequence[str]) -> Array:
    """Unit vectors (n, 26) of the counts of letters."""
    counts = np.asarray([[1 + text.lower().count(chr(97 + at)) for at in range(26)] for text in texts], np.float32)
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def talk(*turns: str, query: str = "") -> Context:
    """A context whose last turn is the user's."""
    roles = ["user" if (len(turns) - place) % 2 else "assistant" for place in range(len(turns))]
    spoken = tuple(Turn(role, text) for role, text in zip(roles, turns, strict=True))  # type: ignore[arg-type]
    return Context(spoken, query or turns[-1])


COMPANY_CONTEXT = talk("Hi there", "Hello!", ANSWERS[0][0])


@pytest.fixture(scope="module")
def whole_company(judge: QualityJudge) -> Array:
    return np.asarray(judge.score(COMPANY_CONTEXT, COMPANY), dtype=np.float32)


def limit(judge: QualityJudge) -> float:
    return judge.heads["sensible"].threshold


def test_weights_a_correct_answer_of_one_sentence_is_sensible(judge: QualityJudge) -> None:
    for question, answer in ANSWERS:
        assert judge.score(talk(question), [answer])[0][0] >= limit(judge), question


def test_weights_the_same_answer_may_be_given_again_when_asked_again(judge: QualityJudge) -> None:
    for question, answer in ANSWERS:
        assert judge.score(talk(question, answer, question), [answer])[0][0] >= limit(judge), question


def test_weights_small_talk_is_sensible(judge: QualityJudge) -> None:
    passed = [judge.score(talk(said), [reply])[0][0] >= limit(judge) for said, reply in PAIRS]
    assert np.mean(passed) >= 0.95


def test_weights_an_answer_is_more_sensible_and_more_specific_than_the_answer_to_another_question(
    judge: QualityJudge,
) -> None:
    for place, (question, answer) in enumerate(ANSWERS):
        stranger = ANSWERS[place - 1][1]
        own, other = judge.score(talk(question), [answer, stranger])
        assert own[0] > other[0]
        assert own[1] > other[1]


@pytest.mark.parametrize("reply", ["I don't know", "OK", "That's interesting."])
def test_weights_the_generic_bot_is_never_specific_nor_interesting(judge: QualityJudge, reply: str) -> None:
    for question, answer in ANSWERS:
        dull, good = judge.score(talk(question), [reply, answer])
        assert dull[1] < 0.3
        assert dull[1] < good[1]
        assert dull[2] < good[2]


def test_weights_an_answer_about_something_else_is_found_through_the_resolved_query(judge: QualityJudge) -> None:
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


COMPANY = (*(answer for _, answer in ANSWERS), "OK", "No.", " ".join(answer for _, answer in ANSWERS))


@settings(max_examples=8)
@given(order=st.permutations(range(len(COMPANY))), kept=st.integers(min_value=1, max_value=len(COMPANY)))
def test_neither_order_nor_company_of_the_drafts_changes_a_score(
    judge: QualityJudge, whole_company: Array, order: list[int], kept: int
) -> None:
    chosen = order[:kept]
    part = np.asarray(judge.score(COMPANY_CONTEXT, [COMPANY[place] for place in chosen]))
    assert np.abs(part - whole_company[chosen]).max() <= 1e-3


@given(text=st.text(max_size=300))
def test_cleaning_twice_changes_nothing_and_word_counts_are_finite(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert np.isfinite(read(once).surface).all()


def test_the_fingerprint_follows_the_heads_and_the_adapter(
    judge: QualityJudge, encoder: Encoder, reader: Reader
) -> None:
    assert load_quality(encoder.encode, reader).fingerprint == judge.fingerprint
    head = judge.heads["specific"]
    other = Head(head.name, head.features, head.mean + 1, head.scale, head.layers)
    assert QualityJudge(encoder.encode, reader, judge.heads | {"specific": other}).fingerprint != judge.fingerprint
    assert QualityJudge(encoder.encode, Constant(), judge.heads).fingerprint != judge.fingerprint


def test_a_head_of_other_features_is_refused(judge: QualityJudge) -> None:
    head = judge.heads["sensible"]
    other = Head(head.name, "quality-1", head.mean, head.scale, head.layers)
    with pytest.raises(DialogueError, match="candor train judges"):
        QualityJudge(letters, Constant(), judge.heads | {"sensible": other})


def test_a_missing_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RetrievalError, match=r"is missing.*candor train judges"):
        load_quality(letters, Constant(), tmp_path)


def test_an_adapter_without_the_outputs_is_refused(judge: QualityJudge) -> None:
    with pytest.raises(DialogueError, match="no output 'specific'"):
        QualityJudge(letters, Constant((0.0,), ("sensible",)), judge.heads)


@pytest.mark.parametrize("logits", [(float("nan"), 0.0), (0.0, float("inf")), (0.0, 0.0, 0.0)])
def test_logits_that_are_not_finite_numbers_are_refused(judge: QualityJudge, logits: tuple[float, ...]) -> None:
    with pytest.raises(DialogueError, match="no finite number"):
        QualityJudge(letters, Constant(logits), judge.heads).score(talk("Hi"), ["Hello!"])


def test_one_encode_call_and_one_of_the_reader_serve_all_drafts(judge: QualityJudge) -> None:
    calls: list[int] = []

    def counted(texts: Sequence[str]) -> Array:
        calls.append(len(texts))
        return letters(texts)

    once = Constant()
    QualityJudge(counted, once, judge.heads).score(talk("Hi", "Hello!", "Who are you?"), ["A  program.", "OK"])
    assert calls == [3 + 1 + 2]
    before = "Who are you? [SEP] Hello! [SEP] Hi"
    assert once.seen == [[(before, "A program."), (before, "OK")]]


def test_rows_in_training_are_those_of_a_turn(judge: QualityJudge) -> None:
    turns = ("Who wrote it?", "Herman Melville.", "Who wrote Moby-Dick?")
    drafts = ("Herman Melville did in 1851.", "OK", "I don't know!")
    made = [RatedReply(turns, draft, "true", "topical_chat", "d") for draft in drafts]
    found = feature_rows(made, letters, Constant())
    served, _ = QualityJudge(letters, Constant(), judge.heads).rows(talk(*turns), drafts)
    assert np.array_equal(found, served)
    assert found.shape == (3, len(LOGITS) + 26)
    assert reading(turns).startswith(turns[-1])


@pytest.mark.slow
@pytest.mark.shared
def test_weights_held_out_answers_pass_and_strangers_sentences_mostly_do_not(
    judge: QualityJudge, dev_data: Path
) -> None:
    made = xquad_pairs(dev_data)
    kept = [pair for pair in made if pair.kind == "one"][::6] + [p for p in made if p.kind == "stranger"][::6]
    passed = judge.judge(feature_rows(kept, judge.encode, judge.read))[:, 0] >= limit(judge)
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


def test_a_fitted_head_learns_and_its_temperature_is_that_of_least_loss() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 4)).astype(np.float32)
    y = ((x[:, 0] * x[:, 1] > 0) ^ (rng.random(3000) < 0.2)).astype(np.float32)  # one label in five is wrong
    even = np.ones(len(x), dtype=np.float32)
    head = fit("sign", "test", x[:2000], y[:2000], even[:2000], 16, 0)
    assert auroc(y[2000:] > 0, head(x[2000:])) > 0.7
    sharp = Head(
        "sign", "test", head.mean, head.scale, (head.layers[0], (head.layers[1][0] * 9, head.layers[1][1] * 9))
    )
    mild = tempered(sharp, x[2000:], y[2000:], even[2000:])
    assert mild.temperature > 1.5
    assert mild.layers is sharp.layers


def test_a_regression_is_fitted_to_soft_targets() -> None:
    x = np.random.default_rng(1).normal(size=(2000, 3)).astype(np.float32)
    target = (1 / (1 + np.exp(-x[:, 2]))).astype(np.float32)
    head = fit("soft", "test", x, target, np.ones(2000, dtype=np.float32), 0, 0)
    assert len(head.layers) == 1
    assert spearman(head(x), target) > 0.95


def test_replies_of_the_other_corpus_and_pooled_figures_are_reported() -> None:
    held = [
        RatedReply((f"Hi {place}",), f"{kind} {corpus} {place}", kind, corpus, f"{corpus} {place}")
        for corpus in ("topical_chat", "cmu_dog")
        for place in range(10)
        for kind in ("true", "random", "earlier", "shuffled", "negated", "echo")
    ]
    strangers = from_other_corpus(held)
    assert len(strangers) == 20
    assert all(("cmu_dog" in e.reply) == (e.corpus == "topical_chat") for e in strangers)
    score = np.asarray([float(e.kind == "true") for e in held], dtype=np.float32)
    found = telling_apart(held, score, np.zeros((len(held), 3), dtype=np.float32))
    found |= against_other_corpus(held, score, strangers, np.zeros(len(strangers), dtype=np.float32))
    assert found["both.random"] == {"value": 1.0, "n": 40, "low": 1.0, "high": 1.0}
    assert found["both.earlier"]["n"] == 40
    assert found["topical_chat.random"]["n"] == found["cmu_dog.random_of_other_corpus"]["n"] == 20
    assert found["both.random_of_other_corpus"]["n"] == 40
    assert found["both.random.cosine_alone"] == 0.5
