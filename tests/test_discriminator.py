"""The generator judging its own drafts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import tiny_models
from conformance_model import context
from hypothesis import given
from hypothesis import strategies as st

from dialogue.attributes import IN_ROLE, QUALITY, UNSAFE
from dialogue.judges.discriminator import GeneratorJudge
from dialogue.judges.embedded import load_judge
from dialogue.models import load_model
from dialogue.models.scripted import Scripted
from dialogue.rank import Gates, why_dropped
from dialogue.types import Attribute, Context, Role, Scores, Unavailable
from retrieval.encoder.embed import Encoder
from retrieval.reader import PassageReader
from safety.types import Verdict

DRAFTS = ["It eats krill.", "Poison it.", "Krill, every day."]
BASE = Scores(0.9, 0.8, 0.7, answers=0.6, grounded=0.5)


@dataclass
class Fixed:
    """A judge with the same scores for every draft."""

    scores: Scores = BASE
    fingerprint: str = "fixed"

    def score(self, context: Context, drafts: Sequence[str]) -> list[Scores]:
        return [self.scores] * len(drafts)


def weights(draft: str, attribute: Attribute) -> float:
    if attribute == UNSAFE:
        return 0.2 if "Poison" in draft else 0.9
    return {"SENSIBLE": 0.6, "SPECIFIC": 0.5, "INTERESTING": 0.4, "IN_ROLE": 0.3}[attribute.name]


def test_quality_and_safety_are_the_generators_and_the_rest_the_judges() -> None:
    scores = GeneratorJudge(Fixed(), Scripted(DRAFTS, weights=weights)).score(context("What does it eat?"), DRAFTS)
    assert [score.safe for score in scores] == [0.9, 0.2, 0.9]
    assert {(s.sensible, s.specific, s.interesting, s.answers, s.grounded) for s in scores} == {
        (0.6, 0.5, 0.4, 0.6, 0.5)
    }
    assert all(score.in_role is None for score in scores)


def test_the_role_is_asked_about_only_where_there_is_one() -> None:
    asked: list[str] = []

    def noting(draft: str, attribute: Attribute) -> float:
        asked.append(attribute.name)
        return weights(draft, attribute)

    model = Scripted(DRAFTS, weights=noting)
    assert GeneratorJudge(Fixed(), model).score(context("Who?"), DRAFTS[:1])[0].in_role is None
    assert IN_ROLE.name not in asked
    played = Fixed(Scores(0.9, 0.8, 0.7, in_role=0.9))
    assert GeneratorJudge(played, model).score(context("Who?"), DRAFTS[:1])[0].in_role == 0.3


def test_a_model_that_cannot_weigh_leaves_drafts_unjudged_and_unserved() -> None:
    [score] = GeneratorJudge(Fixed(), Scripted(["x"])).score(context("What?"), ["x"])
    assert (score.sensible, score.specific, score.interesting, score.safe) == (None,) * 4
    assert (score.answers, score.grounded) == (0.6, 0.5)
    assert "no probabilities" in score.notes[0]
    assert why_dropped(Verdict(True, 0.0), score, Gates()) == "not sensible: could not be judged"


def test_while_the_model_is_unavailable_the_other_judge_stands_and_says_so() -> None:
    def down(draft: str, attribute: Attribute) -> float:
        raise Unavailable("the server is down")

    asked = context("What?")
    assert GeneratorJudge(Fixed(), Scripted(["x"], weights=down)).score(asked, ["x"]) == [BASE]
    assert asked.working.notes == ["judged without scripted: the server is down"]


@given(st.floats(0, 1))
def test_a_draft_that_the_generator_calls_unsafe_is_dropped_whatever_else(safe: float) -> None:
    why = why_dropped(Verdict(True, 0.0), Scores(1.0, 1.0, 1.0, safe=safe), Gates())
    assert why.startswith("unsafe") == (safe < Gates().safe)


def test_nothing_is_asked_about_no_drafts() -> None:
    assert GeneratorJudge(Fixed(), Scripted(["x"])).score(context("What?"), []) == []


def test_a_checkpoint_judges_its_own_drafts_in_its_role(
    tmp_path: Path, encoder: Encoder, passage_reader: PassageReader
) -> None:
    model = load_model(f"hf:{tiny_models.save(tmp_path, 'llama', tiny_models.CHAT)}", passage_reader)
    judge = GeneratorJudge(load_judge(encoder, passage_reader), model)
    plain = context("What does it eat?")
    asked = Context(plain.turns, plain.query, plain.evidence, role=Role("Pip", style="Pip is a cheerful sailor."))
    scores = judge.score(asked, DRAFTS)
    expected = model.weigh(asked, DRAFTS, [*QUALITY, IN_ROLE])
    found = [(s.sensible, s.specific, s.interesting, s.safe, s.in_role) for s in scores]
    assert [list(row) for row in found] == [pytest.approx(row, abs=1e-4) for row in expected]
    assert scores[0].claims
    assert model.fingerprint in judge.fingerprint
