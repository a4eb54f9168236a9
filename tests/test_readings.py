"""How the sources help to read a follow-up: the other of two, and what is kept of the question before."""

from collections.abc import Sequence

import pytest

from dialogue.others import asked_cells, of_the_other
from dialogue.query import search_queries
from dialogue.readings import reading
from dialogue.rewriter import load_rewriter
from dialogue.types import Turn
from retrieval.encoder.embed import load_encoder
from retrieval.types import Evidence, Passage

REWRITER = load_rewriter(load_encoder())
HALLS = "The Green Hall seats 80. It has a stage. The Blue Hall seats 120. The room behind it is dark."
ROOMS = "The large barn has a roof of slate. Coats hang in the small barn. Plan A is blue, plan B is red."


@pytest.mark.parametrize(
    ("question", "before", "meant"),
    [
        ("What about the other one?", "How many does the Green Hall seat?", "How many does the Blue Hall seat?"),
        ("And the other hall?", "How many does the Blue Hall seat?", "How many does the Green Hall seat?"),
        ("Does the other one have a stage?", "How many does the Green Hall seat?", "Does the Blue Hall have a stage?"),
        (
            "And the other?",
            "What is the roof of the large barn made of?",
            "What is the roof of the small barn made of?",
        ),
        ("And the other plan?", "What colour is plan A?", "What colour is plan B?"),
        ("And the other one?", "Who wrote the visitors' book?", ""),
        ("And the other one?", "How big is the dark room?", ""),
        ("And the stage?", "How many does the Green Hall seat?", ""),
    ],
)
def test_the_other_one_is_the_one_other_that_is_named(question: str, before: str, meant: str) -> None:
    assert of_the_other(question, before, [HALLS, ROOMS]) == meant


def test_of_three_none_is_the_other() -> None:
    assert of_the_other("And the other one?", "How big is the Green Hall?", [f"{HALLS} The Red Hall is shut."]) == ""
    assert of_the_other("And the other one?", "How big is the Green Hall?", ["The Green Hall.", "The Red Hall."]) == ""


def test_a_row_says_what_was_asked_for() -> None:
    row = "Week starting: 2026-05-03 | Vet: Ada Berg | Nurse: Bo Lind"
    assert asked_cells("Who is the vet on call?", row) == "Ada Berg"
    assert asked_cells("Who?", row) == row
    assert asked_cells("Who is the vet?", "Ada Berg is the vet.") == "Ada Berg is the vet."


def _turns(*texts: str) -> list[Turn]:
    return [Turn("user" if (len(texts) - place) % 2 else "assistant", text) for place, text in enumerate(texts)]


DUTY = (
    "Who is the vet on call in the week of 3 May 2026?",
    "Week starting: 2026-05-03 | Vet: Ada Berg | Nurse: Bo Lind [1]",
)


def _read(probability: float, *texts: str) -> str:
    """What is read where a question with an ISO date is answered with a probability, any other with 0.6."""
    row = Passage(1, "Week starting: 2026-05-03 | Vet: Ada Berg", "rota.csv", "rota", (), 0, 40)

    def search(forms: Sequence[str]) -> list[Evidence]:
        return [Evidence(row, 1.0, probability=probability if "2026-05-03" in forms[0] else 0.6)]

    return reading(_turns(*texts), "", REWRITER, search)[0]


def test_a_follow_up_keeps_the_week_unless_that_is_answered_less() -> None:
    assert _read(0.5, *DUTY, "Which nurse is with him?") == "Which nurse is with Ada Berg in the week of 2026-05-03?"
    assert _read(0.1, *DUTY, "Which nurse is with him?") == "Which nurse is with Ada Berg?"
    assert _read(0.9, *DUTY, "When was she born?") == "When was Ada Berg born?"


def test_the_week_after_is_that_after_the_last_week_asked_for() -> None:
    asked = (*DUTY, "Which nurse is with him?", "Bo Lind. [1]", "And the week after that?")
    assert _read(0.5, *asked) == "Who is the vet on call in the week of 10 May 2026?"


@pytest.mark.parametrize(
    ("texts", "meant"),
    [
        (("When is the museum open?", "From May.", "How much is it for adults?"), "How much is the museum for adults?"),
        (
            ("What's the rent for the pitch?", "The rent is 90 pounds.", "By when do I have to pay that?"),
            "By when do I have to pay the rent for the pitch?",
        ),
        (
            ("Which firm did they choose?", "My documents do not cover that.", "Why not Rudd? They were cheaper"),
            "Why not Rudd: Which firm did they choose?",
        ),
        (
            ("What was the fee in 2025?", "9 pounds.", "How much was it the year after?"),
            "How much was the fee in 2026?",
        ),
    ],
)
def test_a_follow_up_says_what_it_points_to(texts: tuple[str, ...], meant: str) -> None:
    assert search_queries(_turns(*texts), rewriter=REWRITER)[0] == meant
