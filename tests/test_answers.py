"""Kinds of answers, the answer scorer, the quote generator and the composed judge, on the real encoder and weights."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogue.judges.answers import IMPOSSIBLE, AnswerScorer, Offer, combined, load_answers
from dialogue.judges.embedded import EmbeddedJudge, load_judge
from dialogue.judges.kinds import KINDS, kind_of, meets
from dialogue.prompts import is_abstention
from dialogue.quote import Quote, load_quote
from dialogue.talk import asks, small_talk
from dialogue.types import Context, ModelError, Sampling, Turn
from retrieval.encoder.embed import Encoder
from retrieval.types import Evidence, Passage

WHALE = (
    "The blue whale is the largest animal known to have lived. It can be 30 metres long. It eats almost nothing but krill. "
    "Whalers killed about 350,000 of them in the twentieth century. Hunting was banned in 1966."
)
TOWER = "The Eiffel Tower was completed in 1889. Gustave Eiffel's company built it. It stands in Paris and is 330 metres tall."


def _evidence() -> tuple[Evidence, ...]:
    passages = [
        Passage(1, WHALE, "whale.md", "Blue whale", ("Life",), 0, len(WHALE)),
        Passage(2, TOWER, "tower.md", "Eiffel Tower", (), 0, len(TOWER)),
    ]
    return tuple(Evidence(passage, 1.0) for passage in passages)


def context(question: str) -> Context:
    return Context((Turn("user", question),), question, _evidence())


@pytest.fixture(scope="module")
def scorer(encoder: Encoder) -> AnswerScorer:
    return load_answers(encoder.encode_tokens)


@pytest.fixture(scope="module")
def quote(encoder: Encoder) -> Quote:
    return load_quote(encoder)


@pytest.fixture(scope="module")
def judge(encoder: Encoder) -> EmbeddedJudge:
    return load_judge(encoder)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who wrote it?", "person"),
        ("And when did it open?", "time"),
        ("What did they do when it rained?", "thing"),
        ("How many moons has Mars?", "count"),
        ("How much did it cost?", "money"),
        ("How tall is K2?", "measure"),
        ("How long did it take?", "duration"),
        ("why is mars red", "reason"),
        ("Where does it live?", "place"),
        ("Which company made it?", "body"),
        ("how fast was the Cray-1?", "speed"),
        ("Is it large?", "other"),
    ],
)
def test_a_question_asks_for_a_kind_of_answer(question: str, kind: str) -> None:
    assert kind_of(question) == kind


@pytest.mark.parametrize(
    ("question", "sentence", "expected"),
    [
        ("Who designed it?", "Gustave Eiffel's company built it.", 1),
        ("Who designed it?", "Three bridges span it; the first opened in October 1973.", 0),
        ("How much did it cost?", "It cost 595 dollars.", 1),
        ("How much did it cost?", "It had 64 kilobytes.", 0),
        ("When was it built?", "It was completed in 1889.", 1),
        ("When was it built?", "It stands in Paris.", 0),
        ("How many moons are there?", "It has two small moons.", 1),
        ("How many moons are there?", "It is far away.", 0),
        ("What is it?", "It is a tower.", 0.5),
    ],
)
def test_a_sentence_holds_the_kind_or_does_not(question: str, sentence: str, expected: float) -> None:
    assert meets(kind_of(question), question, sentence, frozenset()) == expected


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_has_a_kind_and_a_measure(question: str, sentence: str) -> None:
    assert kind_of(question) in KINDS
    assert 0 <= meets(kind_of(question), question, sentence, frozenset()) <= 1


def test_the_sentence_that_answers_scores_highest(scorer: AnswerScorer) -> None:
    around = ("It was completed in 1889.", "It is painted brown.", "It stands in Paris.")
    offers = [Offer(one, "Eiffel Tower", around) for one in around]
    assert max(zip(scorer.score("When was the Eiffel Tower completed?", offers), around, strict=True))[1] == around[0]


def test_a_passage_that_never_speaks_of_what_is_asked_cannot_answer(scorer: AnswerScorer) -> None:
    offers = [Offer("The Eiffel Tower was completed in 1889.", "Eiffel Tower", tuple(TOWER.split(". ")))]
    assert scorer.score("How much do the lifts of the Eiffel Tower cost per year?", offers)[0] <= IMPOSSIBLE


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(5)), st.integers(1, 5))
def test_with_a_background_a_score_depends_neither_on_order_nor_on_company(
    scorer: AnswerScorer, order: list[int], count: int
) -> None:
    background = [Offer(text.strip(), "Blue whale") for text in WHALE.split(". ")]
    question = "What does the blue whale eat?"
    alone = scorer.score(question, background, background)
    mixed = scorer.score(question, [background[i] for i in order[:count]], background)
    assert mixed == pytest.approx([alone[i] for i in order[:count]], abs=1e-3)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_sentence_of_a_likelier_passage_is_likelier(own: float, lower: float, higher: float) -> None:
    lower, higher = sorted((lower, higher))
    assert 0 <= combined(own, lower) <= combined(own, higher) <= own
    assert combined(lower, own) <= combined(higher, own)
    assert combined(own, None) == own


def test_that_nothing_answers_follows_from_what_the_search_says_of_the_passages(judge: EmbeddedJudge) -> None:
    question, draft = "When was the Eiffel Tower completed?", "The Eiffel Tower was completed in 1889."
    scores = []
    for likely in (0.001, 0.9):
        read = tuple(replace(item, probability=likely) for item in _evidence())
        [score] = judge.score(replace(context(question), evidence=read), [draft])
        scores.append(score.answers or 0.0)
    assert scores[0] < scores[1]


def test_quote_offers_eight_different_drafts_and_an_abstention_last(quote: Quote) -> None:
    drafts = quote.sample(context("What does the blue whale eat?"), Sampling(n=8))
    assert len(set(drafts)) == len(drafts) == 8
    assert "krill" in drafts[0]
    assert is_abstention(drafts[-1])
    assert not any(is_abstention(draft) for draft in drafts[:-1])


def test_quote_writes_only_sentences_of_the_evidence(quote: Quote) -> None:
    for draft in quote.sample(context("How tall is the Eiffel Tower?"), Sampling(n=12))[:-1]:
        rest = draft
        for text in sorted((*WHALE.split(". "), *TOWER.split(". ")), key=len, reverse=True):
            rest = rest.replace(text.rstrip("."), "")
        assert not rest.strip(" .")


def test_quote_has_nothing_new_to_say_when_its_drafts_were_dropped(quote: Quote) -> None:
    again = Context((Turn("user", "How tall?"),), "How tall?", _evidence(), ("not sensible",))
    assert quote.sample(again, Sampling()) == []
    with pytest.raises(ModelError, match="hf:NAME"):
        quote.weigh(again, ["b"], [])


@pytest.mark.parametrize(
    "text", ["Hello!", "hi there", "Thanks a lot!", "Who are you?", "ok, thank you", "What can you do?"]
)
def test_small_talk_is_answered_in_the_role_s_voice_without_sources(
    text: str, quote: Quote, judge: EmbeddedJudge
) -> None:
    said = small_talk(text)
    assert said
    drafts = quote.sample(context(text), Sampling(n=8))
    assert drafts == list(said)
    assert all(scores.answers is None and scores.grounded is None for scores in judge.score(context(text), drafts))


@pytest.mark.parametrize(
    "text", ["hello world programs: who wrote the first?", "Who are the Sherpas?", "what can you do about rust", ""]
)
def test_a_question_is_not_small_talk(text: str) -> None:
    assert small_talk(text) == ()


def test_asking_is_told_from_telling() -> None:
    assert asks("how tall is it")
    assert asks("Tell me about Mars.")
    assert not asks("I climbed a mountain last week.")


def test_the_judge_prefers_the_true_answer_and_says_why_the_others_fail(judge: EmbeddedJudge) -> None:
    drafts = [
        "It stands in Paris and is 330 metres tall.",
        "It stands in Paris and is 350 metres tall.",
        "I would not know.",
    ]
    true, false, evasive = judge.score(context("How tall is the Eiffel Tower?"), drafts)
    assert true.grounded is not None
    assert true.grounded > 0.9
    assert true.claims[0].passage is not None
    assert true.claims[0].passage.source == "tower.md"
    assert any("330" in claim.reason for claim in false.claims)
    assert evasive.grounded is None
    assert evasive.answers is not None
    assert evasive.answers < (true.answers or 0)


def test_what_says_more_than_was_asked_has_to_earn_it(judge: EmbeddedJudge) -> None:
    short, long = judge.score(
        context("How tall is the Eiffel Tower?"),
        [
            "It stands in Paris and is 330 metres tall.",
            "It stands in Paris and is 330 metres tall. It can be 30 metres long.",
        ],
    )
    assert (short.answers or 0) > (long.answers or 0)


def test_an_abstention_claims_nothing_about_the_world(judge: EmbeddedJudge, quote: Quote) -> None:
    given = context("How tall is the Eiffel Tower?")
    [scores] = judge.score(given, quote.sample(given, Sampling(n=8))[-1:])
    assert scores.answers is scores.grounded is None
    assert all(claim.support is None for claim in scores.claims)


@pytest.mark.parametrize(
    "question", ["???", "\u0643\u0645 \u0627\u0631\u062a\u0641\u0627\u0639 \u0627\u0644\u0628\u0631\u062c", "why?"]
)
def test_a_question_without_words_to_match_is_never_answered(question: str, scorer: AnswerScorer) -> None:
    assert max(scorer.score(question, [Offer(TOWER, "Eiffel Tower"), Offer(WHALE, "Blue whale")])) <= IMPOSSIBLE
