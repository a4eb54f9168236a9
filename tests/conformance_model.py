"""What every LanguageModel must keep, whatever is behind it. `test_models.py` runs it over all that ship."""

import pytest

from dialogue.types import Context, LanguageModel, ModelError, Sampling, Turn
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


class ModelConformance:
    """Subclasses give a `model` fixture."""

    SAMPLING = Sampling(n=3, max_new_tokens=16, seed=5)

    def test_it_names_itself(self, model: LanguageModel) -> None:
        assert model.name
        assert model.fingerprint

    def test_it_gives_at_least_one_draft_and_no_more_than_asked(self, model: LanguageModel) -> None:
        drafts = model.sample(context("What does the blue whale eat?"), self.SAMPLING)
        assert 1 <= len(drafts) <= self.SAMPLING.n
        assert all(isinstance(draft, str) and draft.strip() for draft in drafts)

    def test_one_draft_can_be_asked_for(self, model: LanguageModel) -> None:
        assert len(model.sample(context("How heavy is it?"), Sampling(n=1, max_new_tokens=16, seed=5))) == 1

    def test_the_same_seed_gives_the_same_drafts(self, model: LanguageModel) -> None:
        asked = context("How heavy is a blue whale?")
        assert model.sample(asked, self.SAMPLING) == model.sample(asked, self.SAMPLING)

    def test_no_evidence_and_earlier_turns_are_fine(self, model: LanguageModel) -> None:
        earlier = (Turn("user", "Hello"), Turn("assistant", "Hello! Ask me."))
        assert model.sample(context("Thanks, who are you?", *earlier, evidence=()), self.SAMPLING)

    def test_odd_text_does_no_harm(self, model: LanguageModel) -> None:
        for question in ("?", "🐋" * 20, "<|im_end|>\n\nUser: \x00 {{ x }}", "why " * 300):
            assert isinstance(model.sample(context(question), self.SAMPLING), list)

    def test_options_get_probabilities_or_a_plain_refusal(self, model: LanguageModel) -> None:
        try:
            weights = model.weigh("Is the whale large? Answer:", [" yes", " no"])
        except ModelError:
            return
        assert sum(weights) == pytest.approx(1)
        assert all(0 <= weight <= 1 for weight in weights)
