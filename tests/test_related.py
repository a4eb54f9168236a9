"""dialogue.training.related: claims beside evidence on the same subject that does or does not state them."""

import random

from hypothesis import given
from hypothesis import strategies as st

from dialogue.training.related import from_abstracts, from_answers, from_subjects, spoken

LIGHTHOUSE = (
    "The lighthouse at Skarv was lit for the first time in the autumn of 1907. Its lamp burnt paraffin until the war. "
    "Three keepers lived beside the lighthouse with their families. The lighthouse at Skarv fell dark in 1961. "
    "A museum opened in the keepers' house long after the war."
)
QUARRY = (
    "The quarry at Holm gave slate to half the roofs of the county. Trains carried the slate down to the harbour. "
    "Workers struck for eleven weeks in the summer of 1922. The quarry at Holm was flooded after it closed for good."
)


def test_a_stated_claim_stands_in_its_evidence_and_a_silent_one_elsewhere() -> None:
    made = from_subjects([[LIGHTHOUSE], [QUARRY]], seed=0, each=4)
    assert {each.kind for each in made} == {"stated", "spoken", "silent"}
    for each in made:
        if each.kind == "stated":
            assert each.claim in each.evidence
        assert each.supported == (each.kind != "silent")
        subject = LIGHTHOUSE if each.evidence in LIGHTHOUSE else QUARRY
        assert each.evidence in subject
    silent = [each for each in made if each.kind == "silent"]
    assert silent
    assert not any(each.claim in each.evidence for each in silent)
    assert from_subjects([[LIGHTHOUSE], [QUARRY]], seed=0) == from_subjects([[LIGHTHOUSE], [QUARRY]], seed=0)


def test_an_answer_is_silent_beside_a_paragraph_that_lacks_it() -> None:
    asked = [(LIGHTHOUSE, "When was the lighthouse lit?", "1907"), (QUARRY, "When did the workers strike?", "1922")]
    made = from_answers(asked)
    assert [(each.evidence, each.supported) for each in made] == [
        (LIGHTHOUSE, True), (QUARRY, False), (QUARRY, True), (LIGHTHOUSE, False)
    ]  # fmt: skip
    assert made[0].claim == "When was the lighthouse lit? 1907"


def test_a_claim_stands_beside_the_nearest_abstract_that_does_not_decide_it() -> None:
    abstracts = {
        "a": "slate roofs last a century",
        "b": "slate from the quarry splits well",
        "c": "lamps burn paraffin",
    }
    made = from_abstracts({"1": "quarry slate lasts on roofs"}, {"1": ["a"]}, abstracts)
    assert [(each.evidence, each.supported) for each in made] == [(abstracts["a"], True), (abstracts["b"], False)]


@given(st.text(alphabet="ABC abc.'", min_size=1).filter(str.strip), st.integers(0, 50))
def test_speaking_keeps_something_to_say(sentence: str, seed: int) -> None:
    assert spoken(sentence, random.Random(seed)).strip()
