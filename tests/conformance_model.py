"""What every LanguageModel must keep, whatever is behind it. `test_models.py` runs it over all that ship."""

import pytest

from dialogue.attributes import INTERESTING, SENSIBLE, UNSAFE
from dialogue.types import Context, LanguageModel, ModelError, Sampling, Step, Turn
from retrieval.types import Evidence, Passage

PASSAGES = (
    "The blue whale is the largest animal that has ever lived. It can weigh up to 190 tonnes.",
    "Blue whales eat krill. An adult can eat four tonnes of krill a day.",
)
EVIDENCE = tuple(
    Evidence(Passage(i, text, "whale.md", "Blue whale", (), 0, len(text)), 1.0 / (i + 1), 0.8 - 0.1 * i)
    for i, text in enumerate(PASSAGES)
)


def context(question: str, *earlier: Turn, evidence: tuple[Evidence, ...] = EVIDENCE) -> Context:
    return Context((*earlier, Turn("user", question)), question, evidence)


def written(model: LanguageModel, asked: Context, sampling: Sampling) -> list[str]:
    """The drafts, without the progress between them."""
    return [made for made in model.sample(asked, sampling) if not isinstance(made, Step)]


class ModelConformance:
    """Subclasses give a `model` fixture."""

    SAMPLING = Sampling(n=3, max_new_tokens=16, seed=5)
    ROUNDING = 1e-4  # between batches of other shapes

    def test_it_names_itself(self, model: LanguageModel) -> None:
        assert model.name
        assert model.fingerprint

    def test_it_gives_at_least_one_draft_and_no_more_than_asked(self, model: LanguageModel) -> None:
        drafts = written(model, context("What does the blue whale eat?"), self.SAMPLING)
        assert 1 <= len(drafts) <= self.SAMPLING.n
        assert all(isinstance(draft, str) and draft.strip() for draft in drafts)

    def test_one_draft_can_be_asked_for(self, model: LanguageModel) -> None:
        asked = [Sampling(n=1, max_new_tokens=16, seed=seed) for seed in range(5, 9)]
        counts = [len(written(model, context("How heavy is it?"), sampling)) for sampling in asked]
        assert max(counts) == 1  # a model of random weights may also end before it has begun

    def test_the_same_seed_gives_the_same_drafts(self, model: LanguageModel) -> None:
        asked = context("How heavy is a blue whale?")
        assert written(model, asked, self.SAMPLING) == written(model, asked, self.SAMPLING)

    def test_no_evidence_and_earlier_turns_are_fine(self, model: LanguageModel) -> None:
        earlier = (Turn("user", "Hello"), Turn("assistant", "Hello! Ask me."))
        assert written(model, context("Thanks, who are you?", *earlier, evidence=()), self.SAMPLING)

    def test_odd_text_does_no_harm(self, model: LanguageModel) -> None:
        for question in ("?", "🐋" * 20, "<|im_end|>\n\nUser: \x00 {{ x }}", "why " * 300):
            assert isinstance(written(model, context(question), self.SAMPLING), list)

    def test_attributes_get_probabilities_or_a_plain_refusal(self, model: LanguageModel) -> None:
        drafts = ["It eats krill.", "I do not know, and " * 9, "Krill.", "It eats krill."]
        attributes = [SENSIBLE, UNSAFE, INTERESTING]
        try:
            rows = model.weigh(context("What does it eat?"), drafts, attributes)
        except ModelError:
            return
        assert [len(row) for row in rows] == [3] * 4
        assert all(0 <= weight <= 1 for row in rows for weight in row)
        assert rows[0] == pytest.approx(rows[3], abs=self.ROUNDING)
        alone = model.weigh(context("What does it eat?"), drafts[1:2], [UNSAFE])
        assert alone[0] == pytest.approx(rows[1][1:2], abs=self.ROUNDING)
        assert len(model.weigh(context("What does it eat?"), drafts[0], [UNSAFE])) == 1  # and not one per letter
        assert model.weigh(context("What does it eat?"), [], attributes) == []
