"""Documents with questions that the reader learns from: what is written in them, and what is made of it."""

from pathlib import Path

import pytest

from app.training.document_questions import FOLDER, AskedDocument, answered, beside, documents, unanswered

TWO = """# The boat shed
The shed opens at seven. A rowing boat costs 9 euros an hour.

## Rules
Dogs stay on the pier. The keys are with Ines Okoro.
? When can I get a boat in the morning?; opening time shed | seven
? May my terrier come along? | Dogs stay on the pier
! When does the shed close?; Who owns the boats?
---
# The bakery
Bread is baked at four. Rye bread costs 3 euros.
? what's a rye loaf | 3 euros
! Who bakes the bread?
---
"""


@pytest.fixture(scope="module")
def shipped() -> tuple[AskedDocument, ...]:
    return documents()


@pytest.fixture
def two(tmp_path: Path) -> tuple[AskedDocument, ...]:
    (tmp_path / "trade.md").write_text(TWO, encoding="utf-8")
    return documents(tmp_path)


def test_an_answered_question_stands_on_the_passage_with_its_answer(two: tuple[AskedDocument, ...]) -> None:
    asked = list(answered(two))
    assert [one.question for one in asked] == [
        "When can I get a boat in the morning?",
        "opening time shed",
        "May my terrier come along?",
        "what's a rye loaf",
    ]
    assert [one.page.text[slice(*one.spans[0])] for one in asked] == [
        "seven",
        "seven",
        "Dogs stay on the pier",
        "3 euros",
    ]
    assert asked[2].page.title == "The boat shed: Rules"


def test_what_is_not_answered_stands_on_a_passage_of_its_document(two: tuple[AskedDocument, ...]) -> None:
    asked = list(unanswered(two))
    assert [one.question for one in asked] == [
        "When does the shed close?",
        "Who owns the boats?",
        "Who bakes the bread?",
    ]
    assert all(one.answers == 0.0 and not one.spans for one in asked)
    assert "opens at seven" in asked[0].page.text
    assert asked[2].page.title == "The bakery"


def test_beside_an_answer_stands_what_does_not_answer(two: tuple[AskedDocument, ...]) -> None:
    right = {one.question: one.page.text for one in answered(two)}
    asked = list(beside(two))
    assert {one.question for one in asked} == right.keys()
    assert all(one.page.text != right[one.question] and one.answers == 0.0 for one in asked)
    assert {one.relevant for one in asked} == {0.5, 0.1}


def test_a_question_without_the_words_that_answer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "trade.md").write_text("# A\nIt is open.\n? Is it open?\n---\n", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks a bar"):
        documents(tmp_path)


def test_the_documents_that_ship_hold_their_answers(shipped: tuple[AskedDocument, ...]) -> None:
    """All but the few whose markup parts the words of an answer."""
    asked = [(document, answer) for document in shipped for _, answer in document.answered]
    lost = [answer for document, answer in asked if not document.places(answer)]
    assert len(asked) > 1_000
    assert len(lost) < 0.02 * len(asked)
    assert 0.08 < sum(document.held() for document in shipped) / len(shipped) < 0.18


def test_no_title_stands_on_two_documents(shipped: tuple[AskedDocument, ...]) -> None:
    """Whether a document is kept apart hangs on its title."""
    titles = [document.passages[0].title for document in shipped]
    assert len(set(titles)) == len(titles)
    assert all(title for title in titles)


def test_each_field_has_documents(shipped: tuple[AskedDocument, ...]) -> None:
    fields = {document.passages[0].source.split("/")[0] for document in shipped}
    assert fields == {path.stem for path in FOLDER.glob("*.md")}
