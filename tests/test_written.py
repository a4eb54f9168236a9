"""The judge of what small models write: the span held, the agreement of the drafts, and its fit."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.training.written import fit_written, worth
from dialogue.judges.written import ALONE, MOST, WrittenScorer, added
from dialogue.prompts import ABSTENTION
from dialogue.types import Claim, Context, Turn, Working
from retrieval.encoder.embed import load_encoder
from retrieval.reader import load_passage_reader
from retrieval.types import Evidence, Passage

TEXT = "The bell tower was finished in 1742. The nave is 31 metres long. The organ of 1910 has 2,400 pipes."
PASSAGE = Passage(1, TEXT, "church.md", "St Olave", (), 0, len(TEXT))
QUESTION = "When was the bell tower finished?"
RIGHT, WRONG = "The bell tower was finished in 1742.", "The bell tower was finished in 1910."


@pytest.fixture(scope="module")
def scorer() -> WrittenScorer:
    return WrittenScorer.load(load_passage_reader(load_encoder()))


def asked(question: str, sampled: dict[str, int], parts: tuple[str, ...] = ()) -> Context:
    working = Working(sampled=Counter(sampled))
    found = (Evidence(PASSAGE, 1.0, 0.9),)
    return Context((Turn("user", question),), question, found, parts=parts, working=working)


def test_the_draft_that_holds_the_likely_span_is_right_and_the_other_value_is_not(scorer: WrittenScorer) -> None:
    borne = (Claim(RIGHT, 0, len(RIGHT), 0.9, True, PASSAGE, 0, 36),)
    context = asked(QUESTION, {RIGHT: 3, WRONG: 1})
    right, wrong = scorer.score(context, [RIGHT, WRONG], [0.8, 0.8], [borne, borne])
    assert right > 0.5 > wrong


@pytest.mark.parametrize(
    ("draft", "words"),
    [
        (RIGHT, 0),
        ("In 1742 the bell tower was finished.", 0),
        ("The bell tower was finished in 1742 by monks.", 1),
        ("The bell tower was finished in 1742 and has pipes.", 1),  # what another sentence has
        ("Bell tower: 1742 | Nave: 31 metres", 6),
    ],
)
def test_what_a_draft_adds_to_its_sentence_and_the_question_is_found(
    scorer: WrittenScorer, draft: str, words: int
) -> None:
    borne = (Claim(draft, 0, len(draft), 0.9, True, PASSAGE, 0, 36),)
    context = asked(QUESTION, {draft: 1})
    assert len(added(draft, borne, context)) == words
    [score] = scorer.score(context, [draft], [0.9], [borne])
    assert (score == 0) == bool(words)


def test_of_a_question_of_two_parts_both_answers_are_wanted(scorer: WrittenScorer) -> None:
    parts = (QUESTION, "How long is the nave?")
    both = "The bell tower was finished in 1742 and the nave is 31 metres long."
    context = asked("When was the bell tower finished and how long is the nave?", {both: 1, RIGHT: 1}, parts)
    whole, half = scorer.rows(context, [both, RIGHT], [0.9, 0.9])[:, 0]
    assert whole > half


def test_drafts_agree_as_far_as_they_say_the_same_and_not_with_one_that_declines(scorer: WrittenScorer) -> None:
    def agreement(sampled: dict[str, int]) -> float:
        return float(scorer.rows(asked(QUESTION, sampled), [RIGHT], [0.9])[0, 1])

    assert agreement({RIGHT: 4}) == 1.0
    assert agreement({RIGHT: 1}) == ALONE
    assert agreement({RIGHT: 2, WRONG: 2}) == pytest.approx(1 / 3)
    assert agreement({RIGHT: 2, ABSTENTION: 3}) == pytest.approx(1 / 4)


def test_a_name_of_one_sentence_does_not_stand_with_the_figure_of_another(scorer: WrittenScorer) -> None:
    joined = "The bell tower is 31 metres long."
    borne = (Claim(joined, 0, len(joined), 0.9, True, PASSAGE, 0, 64),)  # it rests on both sentences
    assert added(joined, borne, asked("How long is the nave?", {joined: 1}))
    right = "The nave is 31 metres long."
    assert not added(right, [replace(borne[0], text=right)], asked("How long is the nave?", {right: 1}))


@settings(max_examples=25)
@given(st.lists(st.text(max_size=40), max_size=4))
def test_any_text_has_bounded_features(scorer: WrittenScorer, drafts: list[str]) -> None:
    rows = scorer.rows(asked(QUESTION, dict.fromkeys(drafts, 1)), drafts, [None] * len(drafts))
    assert rows.shape == (len(drafts), 4)
    assert np.isfinite(rows).all()
    assert (np.abs(rows[:, 0]) <= MOST).all()
    assert ((rows[:, 1] >= 0) & (rows[:, 1] <= 1)).all()


def test_the_fit_takes_no_feature_against_a_draft_and_its_best_drafts_are_calibrated() -> None:
    chance = np.random.default_rng(0)
    told = chance.random(600) < 0.4
    rows = chance.normal(size=(600, 4)).astype(np.float32)
    rows[:, 0] += 2 * told
    rows[:, 3] -= told  # what speaks against the truth is not believed
    groups = [str(place // 6) for place in range(600)]
    head = fit_written(rows, told, groups)
    assert (head.layers[0][0] >= 0).all()
    p = head(rows)
    best = [max(range(at, at + 6), key=lambda place: p[place]) for at in range(0, 600, 6)]
    assert abs(float(p[best].mean()) - float(told[best].mean())) < 0.05
    assert worth([0.5] * 600, p.tolist(), told)["after"] > 0.85
    with pytest.raises(ValueError, match="drafts that are wrong"):
        fit_written(rows, np.ones(600, bool), groups)
