"""The answer scorer, the quote generator and the composed judge, on the real encoder and reader."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogue.judges.answers import FEATURES, MOST, AnswerScorer, Offer, load_answers
from dialogue.judges.embedded import EmbeddedJudge, load_judge
from dialogue.prompts import is_abstention
from dialogue.quote import DRAFTS, Quote, load_quote
from dialogue.talk import asks, said
from dialogue.types import Context, ModelError, Sampling, Turn
from dialogue.units import units
from retrieval.encoder.embed import Encoder
from retrieval.reader import PassageReader
from retrieval.reading import FAR, Page, page_of
from retrieval.types import Evidence, Passage, RetrievalError

WHALE = (
    "The blue whale is the largest animal known to have lived. It can be 30 metres long. It eats almost nothing but "
    "krill. Whalers killed about 350,000 of them in the twentieth century. Hunting was banned in 1966."
)
TOWER = (
    "The Eiffel Tower was completed in 1889. Gustave Eiffel's company built it. "
    "It stands in Paris and is 330 metres tall."
)


def _evidence() -> tuple[Evidence, ...]:
    passages = [
        Passage(1, WHALE, "whale.md", "Blue whale", ("Life",), 0, len(WHALE)),
        Passage(2, TOWER, "tower.md", "Eiffel Tower", (), 0, len(TOWER)),
    ]
    return tuple(Evidence(passage, 1.0) for passage in passages)


def context(question: str) -> Context:
    return Context((Turn("user", question),), question, _evidence())


@pytest.fixture(scope="module")
def scorer(passage_reader: PassageReader) -> AnswerScorer:
    return load_answers(passage_reader)


@pytest.fixture(scope="module")
def quote(passage_reader: PassageReader) -> Quote:
    return load_quote(passage_reader)


@pytest.fixture(scope="module")
def judge(encoder: Encoder, passage_reader: PassageReader) -> EmbeddedJudge:
    return load_judge(encoder, passage_reader)


def offered(passage: Passage) -> list[tuple[str, Offer]]:
    """The units of a passage, by their text."""
    return [(offer.text, offer) for offer in units(passage)]


@pytest.mark.parametrize(
    ("place", "question", "answer"),
    [
        (0, "What does the blue whale eat?", "It eats almost nothing but krill."),
        (0, "When was the hunting of blue whales banned?", "Hunting was banned in 1966."),
        (1, "When was the Eiffel Tower completed?", "The Eiffel Tower was completed in 1889."),
    ],
)
def test_the_unit_that_answers_scores_highest(scorer: AnswerScorer, place: int, question: str, answer: str) -> None:
    texts, offers = zip(*offered(_evidence()[place].passage), strict=True)
    scores = scorer.score(question, offers)
    assert texts[int(np.argmax(scores))] == answer
    assert max(scores) > 0.5
    assert sorted(scores)[-2] < 0.25


def test_a_page_about_something_else_does_not_answer(scorer: AnswerScorer) -> None:
    offers = [offer for item in _evidence() for _, offer in offered(item.passage)]
    assert max(scorer.score("Which programming language did Grace Hopper invent?", offers)) < 0.1


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(8)), st.integers(1, 8))
def test_a_score_depends_neither_on_order_nor_on_company(scorer: AnswerScorer, order: list[int], count: int) -> None:
    """What is offered together does not matter, where the same pages are read beside it."""
    offers = [offer for item in _evidence() for _, offer in offered(item.passage)]
    question = "What does the blue whale eat?"
    every = scorer.score(question, offers)
    chosen = [offers[place] for place in order[:count]]
    scorer.reader._kept.clear()
    pages = [page_of(item.passage) for item in _evidence()]
    assert scorer.score(question, chosen, pages) == pytest.approx([every[place] for place in order[:count]], abs=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.text(max_size=40), st.integers(0, 60), st.integers(0, 60))
def test_features_of_any_part_of_a_page_are_bounded(scorer: AnswerScorer, asked: str, start: int, end: int) -> None:
    offer = Offer(Page(WHALE, "Blue whale"), min(start, end), max(start, end))
    [[span, _, _, match, least, *_]] = scorer.features(asked, [offer])
    assert -FAR <= span <= FAR
    assert -1.01 <= least <= match + 1e-6 <= 1.01


def test_a_likelier_answer_beside_speaks_against_another_and_the_same_one_does_not(scorer: AnswerScorer) -> None:
    asked, told = "How long is the bridge of Rye?", Page("The bridge of Rye is 40 metres long.", "Rye")
    place, margin = Offer(told), FEATURES.index("margin")
    again = Page("40 metres is the length of the bridge of Rye, says the guide.", "Guide")
    other = Page("The bridge of Rye measures 57 metres in length.", "Plan")
    [alone] = scorer.features(asked, [place], [Page("Bread is baked.")])
    [repeated] = scorer.features(asked, [place], [Page("Bread is baked."), again])
    [rivalled] = scorer.features(asked, [place], [other])
    assert rivalled[margin] < alone[margin]
    assert rivalled[margin] < repeated[margin]
    assert all(abs(row[margin]) <= MOST for row in (alone, repeated, rivalled))


def test_what_stands_in_another_document_s_title_alone_is_away(scorer: AnswerScorer) -> None:
    away, fee = FEATURES.index("away"), Offer(Page("A day ticket costs £45.", "Summer fair"))
    museum = Page("The house is old.", "Clock museum")
    [strange] = scorer.features("What does a ticket for the museum cost?", [fee], [museum])
    [meant] = scorer.features("What does a ticket for the fair cost?", [fee], [museum])
    assert (strange[away], meant[away]) == (1, 0)


def test_no_offers_have_no_scores(scorer: AnswerScorer) -> None:
    assert scorer.score("Who?", []) == []


def test_a_reader_without_calibration_of_units_is_refused(passage_reader: PassageReader) -> None:
    weights, about = _weights(passage_reader)
    for unit in ({}, {"span": 1.0, "behind": -1.0, "answers": 1.0}):
        with pytest.raises(RetrievalError, match="candor train judges --only reader"):
            load_answers(PassageReader(passage_reader.encoder, weights, {**about, "unit": unit}))


def test_a_question_in_the_passage_is_one_unit_with_its_answer() -> None:
    text = "How do I reset the boiler? Press both buttons for five seconds. Call Ada if it hums."
    passage = Passage(1, text, "faq.md", "FAQ", (), 0, len(text))
    assert [said for said, _ in offered(passage)] == [
        "How do I reset the boiler? Press both buttons for five seconds.",
        "Call Ada if it hums.",
    ]
    assert {offer.page for _, offer in offered(passage)} == {Page(text, "FAQ")}


def test_quote_offers_a_draft_of_each_of_the_likeliest_units_and_an_abstention_last(quote: Quote) -> None:
    drafts = quote.sample(context("What does the blue whale eat?"), Sampling(n=8))
    assert len(set(drafts)) == len(drafts) == DRAFTS + 1
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


def test_talk_is_answered_without_sources_and_not_judged_as_an_answer(quote: Quote, judge: EmbeddedJudge) -> None:
    given = replace(context("Thanks a lot!"), intent="thanks")
    drafts = quote.sample(given, Sampling(n=8))
    assert drafts == list(said("thanks"))
    assert all(scores.answers is None and scores.grounded is None for scores in judge.score(given, drafts))


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


@pytest.mark.parametrize("question", ["???", "كم ارتفاع البرج"])
def test_a_question_without_words_to_read_is_never_answered(question: str, scorer: AnswerScorer) -> None:
    assert scorer.score(question, [Offer(Page(TOWER, "Eiffel Tower")), Offer(Page(WHALE, "Blue whale"))]) == [0.0, 0.0]


def test_a_claim_in_other_words_is_read_under_the_title_of_its_passage(judge: EmbeddedJudge) -> None:
    given = context("When was the Eiffel Tower completed?")
    quoted, reworded, other = judge.score(
        given,
        [
            "The Eiffel Tower was completed in 1889.",
            "The Eiffel Tower was finished in 1889.",
            "It stands in Paris and is 330 metres tall.",
        ],
    )
    assert min(quoted.answers or 0, reworded.answers or 0) > 2 * (other.answers or 0)


def test_the_judge_reads_no_passage_that_the_search_has_read(
    judge: EmbeddedJudge, passage_reader: PassageReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = context("How tall is the Eiffel Tower?")
    quote = load_quote(passage_reader)
    [draft, *_] = quote.sample(given, Sampling(n=2))
    read: list[int] = []
    fresh = PassageReader._fresh
    monkeypatch.setattr(PassageReader, "_fresh", lambda own, q, p: read.append(len(p)) or fresh(own, q, p))
    judge.score(given, [draft])
    assert sum(read) == 0


def _weights(reader: PassageReader) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    return dict(reader._weights), dict(reader.about)


def test_a_sentence_that_nobody_ended_is_quoted_by_its_clauses() -> None:
    said = "so we walk along the river and the pump house was built in eighteen sixty eight " * 12
    quoted = units(Passage(1, said, "talk.txt", "Talk", (), 0, len(said)))
    texts = [said[offer.start : offer.end] for offer in quoted]
    assert len(texts) > 3
    assert all(len(text) <= 260 for text in texts)
    assert " ".join(texts).split() == said.split()
