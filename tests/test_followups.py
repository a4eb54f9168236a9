"""Follow-up questions: made from sentences that were found, offered where the sources answer them."""

from dataclasses import replace

import pytest

from dialogue.followups import OFFERED, follow_ups, questions
from dialogue.types import Citation, Reply, Role, Trace
from retrieval import MemoryRetriever
from retrieval.encoder.embed import Encoder
from retrieval.reader import PassageReader
from retrieval.rerank import load_reranker
from retrieval.types import Passage
from safety.types import Verdict

TEXT = (
    "The lighthouse of Skarv was built in 1871 by fishermen. Its lamp burns seal oil. The Skarv lighthouse is 34 "
    "metres tall. Ada Lindqvist restored the lighthouse of Skarv in 1969. Seal oil is a thick yellow fuel. It smells. "
    "The harbour was closed because the ice would not melt."
)
PASSAGE = Passage(1, TEXT, "skarv.md", "Skarv", (), 0, len(TEXT))


def test_sentences_that_stand_alone_are_turned_into_questions() -> None:
    assert [question.text for question in questions(PASSAGE)] == [
        "When was the lighthouse of Skarv built?",
        "How tall is the Skarv lighthouse?",
        "When did Ada Lindqvist restore the lighthouse of Skarv?",
        "What is seal oil?",
    ]


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("The plant sale of Ashby takes place on Saturday.", "When does the plant sale of Ashby take place?"),
        ("The plant sale of Ashby is on 20 April at the Plough.", ""),
    ],
)
def test_a_question_asks_for_what_its_sentence_says(text: str, question: str) -> None:
    found = [one.text for one in questions(Passage(1, text, "a", "A", (), 0, len(text)))]
    assert found == ([question] if question else [])


@pytest.mark.parametrize(
    "text", ["", "It was built in 1871.", "What was built in 1871?", "- 1871", "Kilns", "No. 5 is. a"]
)
def test_what_cannot_be_turned_is_left(text: str) -> None:
    assert list(questions(Passage(1, text, "a", "A", (), 0, len(text)))) == []


def test_only_what_the_sources_answer_and_nobody_asked_is_offered(
    encoder: Encoder, passage_reader: PassageReader
) -> None:
    retriever = load_reranker(MemoryRetriever([PASSAGE], encoder), passage_reader, lambda ids: [PASSAGE], 12)
    quote = "The Skarv lighthouse is 34 metres tall."
    start = TEXT.index(quote)
    cited = Citation(1, "skarv.md", "Skarv", (), "", PASSAGE, quote, start, start + len(quote), 0.9)
    reply = Reply(
        f"{quote} [1]", "answered", (cited,), Trace(Verdict(True, 0.0), evidence=retriever.search([quote], 1))
    )
    found = follow_ups(retriever, reply, ["How tall is the lighthouse of Skarv?"], Role())
    assert 1 <= len(found) <= OFFERED
    assert "How tall is the Skarv lighthouse?" not in found
    asked = follow_ups(retriever, reply, found, Role())
    assert not set(asked) & set(found)
    assert follow_ups(retriever, replace(reply, outcome="refused"), [], Role()) == ()
