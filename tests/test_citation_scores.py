"""Citation recall and precision by ALCE's rules, with an oracle in place of the judge."""

from collections.abc import Sequence

import pytest

from app.evaluation.citations import Asked, CitedSentence, cited_sentences, numbers_in, score

KNOWN = {"Whales are heavy.": {1}, "Bread is baked daily.": {2, 3}}  # each needs all of these pieces


def oracle(asked: Sequence[Asked]) -> list[bool]:
    return [bool(KNOWN.get(text)) and KNOWN[text] <= set(numbers) for numbers, text in asked]


def scored(text: str, pieces: int = 5) -> tuple[float, float]:
    found = score(cited_sentences(text, pieces), oracle)
    assert found is not None
    return found.recall, found.precision


@pytest.mark.parametrize(
    ("text", "recall", "precision"),
    [
        ("Whales are heavy. [1]", 1, 1),
        ("Whales are heavy [1].", 1, 1),
        ("Whales are heavy.", 0, 0),  # no citation
        ("Whales are heavy. [2]", 0, 0),  # one that does not entail
        ("Whales are heavy. [1][2]", 1, 0.5),  # the second adds nothing
        ("Whales are heavy. [1, 2]", 1, 0.5),
        ("Bread is baked daily. [2][3]", 1, 1),  # neither alone, both together
        ("Bread is baked daily. [2][3][1]", 1, 2 / 3),
        ("Bread is baked daily. [2]", 0, 0),
        ("Whales are heavy. [9]", 0, 0),  # leads nowhere
        ("Whales are heavy. [1][9]", 0, 0),  # one that leads nowhere spoils the sentence
        ("Hello! Whales are heavy. [1]", 0.5, 1),  # small talk lowers recall
        ("Whales are heavy. [1] Bread is baked daily. [1]", 0.5, 0.5),
        ("Whales are heavy. [2][3][4][1]", 0, 0),  # only the first three are looked at
    ],
)
def test_recall_and_precision_are_those_of_the_code(text: str, recall: float, precision: float) -> None:
    assert scored(text) == (pytest.approx(recall), pytest.approx(precision))


def test_marks_are_read_in_every_form() -> None:
    assert numbers_in("[1-3]") == [1, 2, 3]
    assert numbers_in("【2, 4】") == [2, 4]
    assert numbers_in("[1–2, 7]") == [1, 2, 7]
    assert len(numbers_in("[1-999999999]")) <= 51
    assert cited_sentences("A thing. [1][1]", 3) == [CitedSentence("A thing.", (1,))]
    assert cited_sentences("A thing. [7]", 3) == [CitedSentence("A thing.", (), 1)]


def test_a_mark_after_the_full_stop_belongs_to_the_sentence_before() -> None:
    found = cited_sentences("One is so. [1] Two is so. [2]", 2)
    assert [(s.text, s.numbers) for s in found] == [("One is so.", (1,)), ("Two is so.", (2,))]


def test_an_empty_reply_has_no_score() -> None:
    assert score(cited_sentences("", 3), oracle) is None
    assert score(cited_sentences("[1]", 3), oracle) is None
