"""Candidates are labelled from the known answer; questions and answers become plain sentences."""

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.training.candidate_labels import LABELS, held, labelled
from app.training.candidates import corpus, sampled, write_corpus
from app.training.plain_replies import composed, holding
from app.training.reading_questions import Reading, Split, mixed
from dialogue.types import Attribute, Context, Sampling, Step

PAGE = "The lighthouse at Sandhaven was built in 1871. It is 38 metres tall. Its keeper was Ada Holm of Bergen."
KNOWN = frozenset(
    "the lighthouse was built by in is tall metres painted red and white keeper about of text does not say answer "
    "question".split()
)


@pytest.mark.parametrize(
    ("question", "answers", "response", "label", "judged"),
    [
        ("When was the lighthouse built?", ["1871"], "The lighthouse was built in 1871.", "right", (True, True, True)),
        ("When was the lighthouse built?", ["1871"], "It was built in 1871 by Olaf Berg.", "adds", (False, True, None)),
        (
            "When was the lighthouse built?",
            ["1871"],
            "The lighthouse was built in 1817.",
            "contradicts",
            (False, False, True),
        ),
        ("When was the lighthouse built?", ["1871"], "It is 38 metres tall.", "other", (True, False, True)),
        (
            "Who painted the lighthouse?",
            [],
            "The lighthouse was painted by Ada Holm.",
            "invented",
            (False, False, True),
        ),
        ("Who painted the lighthouse?", [], "The text does not say.", "abstains", (None, False, True)),
        ("When was the lighthouse built?", ["1871"], "When was the lighthouse built?", "echo", (None, False, False)),
        ("When was the lighthouse built?", ["1871"], "Here is what is known of it:", "empty", (None, False, False)),
        ("Who was the keeper?", ["Ada Holm"], "The keeper of the lighthouse was the", "half", (None, False, False)),
        (
            "Who was the keeper?",
            ["Ada Holm"],
            "The keeper was was a lighthouse keeper.",
            "garbled",
            (False, False, False),
        ),
        (
            "How tall is it?",
            ["38 metres"],
            "The answer to the question is in the text.",
            "prompt",
            (None, False, False),
        ),
    ],
)
def test_a_candidate_is_labelled_by_what_the_texts_tell(
    question: str, answers: list[str], response: str, label: str, judged: tuple[bool | None, ...]
) -> None:
    found = labelled(response, question, [PAGE], answers, KNOWN)
    assert (found.label, (found.supported, found.answers, found.sensible)) == (label, judged)


def test_an_answer_that_is_denied_is_not_held() -> None:
    assert held("They set out at noon.", "noon")
    assert not held("They did not set out.", "set out")
    assert held("It costs 1,200 euros.", "1200 euros")


@given(st.text(max_size=60), st.text(max_size=30), st.text(max_size=20))
def test_every_text_gets_one_of_the_labels(response: str, question: str, answer: str) -> None:
    assert labelled(response, question, [PAGE], [answer] if answer else [], KNOWN).label in LABELS


@pytest.mark.parametrize(
    ("question", "answer", "before", "said"),
    [
        ("Who built the mill?", "Jonas Field", "", "Jonas Field built the mill."),
        ("What is the length of the pier?", "200 metres", "", "The length of the pier is 200 metres."),
        ("When was the school founded?", "1904", "founded in ", "The school was founded in 1904."),
        ("How many boats are there in the harbour?", "12", "", "There are 12 boats in the harbour."),
        ("What was the old ferry called?", "Gull", "", "The old ferry was called Gull."),
        ("Why did the mill close?", "it flooded", "", ""),
    ],
)
def test_a_question_and_its_answer_make_a_statement(question: str, answer: str, before: str, said: str) -> None:
    assert composed(question, answer, before) == said


def test_the_sentence_that_holds_an_answer_is_said_unless_it_points_back() -> None:
    assert holding(PAGE, "1871", PAGE.index("1871")) == "The lighthouse at Sandhaven was built in 1871."
    assert holding(PAGE, "38 metres", PAGE.index("38")) == ""


def reading(key: str, kind: str, split: Split) -> Reading:
    return Reading(key, kind, "When was the lighthouse built?", (PAGE,), ("1871",), 0, split)


class Writer:
    """Says one thing twice and another once."""

    name = fingerprint = "writer"
    window = 1000
    asked = 0

    def sample(self, context: Context, sampling: Sampling) -> Iterator[Step | str]:
        self.asked += 1
        yield Step("sample", "")
        yield from ["The lighthouse was built in 1871."] * 2
        yield f"{context.evidence[0].passage.text[:14]} was built in 1817."

    def weigh(self, context: Context, drafts: Sequence[str], attributes: Sequence[Attribute]) -> list[list[float]]:
        raise AssertionError("a sampling weighs nothing")


def test_sampling_goes_on_where_it_stopped_and_every_draft_becomes_a_row(tmp_path: Path) -> None:
    asked = [reading(f"squad {n}", "squad", "sample" if n == 0 else "held") for n in range(2)]
    writer, drafts, out = Writer(), tmp_path / "drafts", tmp_path / "rows.jsonl.gz"
    sampled(writer, asked[:1], drafts, Sampling(n=3), lambda stage, done, total: None)
    drafts.write_text(drafts.read_text() + '{"key": "cut')
    sampled(writer, asked, drafts, Sampling(n=3), lambda stage, done, total: None)
    assert writer.asked == 2
    report = write_corpus(corpus(drafts, KNOWN), out)
    with gzip.open(out, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    assert [(row["split"], row["times"], row["supported"], row["answers"]) for row in rows] == [
        ("train", 2, 1, 1),
        ("train", 1, 0, 0),
        ("held", 2, 1, 1),
        ("held", 1, 0, 0),
    ]
    assert report["drafts"] == 6
    assert report["outcomes"]["answered"] == {"holds": 4, "wrong": 2}


def test_every_beginning_of_a_mixture_is_mixed_alike() -> None:
    found = {kind: [reading(f"{kind}{n}", kind, "tune") for n in range(40)] for kind in "ab"}
    kinds = [row.kind for row in mixed(found, {"a": 0.75, "b": 0.25}, 40)]
    assert (len(kinds), kinds[:20].count("b")) == (40, 5)
