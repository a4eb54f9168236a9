"""dialogue.grounding: the judge with the packaged head and the real encoder, on sentences written for it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogue.alignment import FEATURES
from dialogue.grounding import COPIED, WEIGHTS, Grounder, best_support, copied
from dialogue.types import Claim, Context, Turn
from retrieval.embed import Encoder
from retrieval.text import sentences
from retrieval.types import Evidence, Passage
from safety.heads import Head

TEXTS = [
    "The lighthouse at Skerra Point stands 42 metres high. Agnes Moir designed it, and masons from "
    "Orkney built it between 1861 and 1864. It was lit for the first time on 3 October 1864. The lamp "
    "burned whale oil until 1890, when paraffin replaced it. No keeper has lived there since 1987.",
    "Barley ripens earlier than wheat in the northern parishes. About 3,100 people live on the island, "
    "and the largest village is Hammerwick. The ferry from Stromness takes two hours. Moir also "
    "designed the harbour at Hammerwick.",
    "Grey seals breed on the western beaches in November. A seal pup weighs about 14 kilograms at "
    "birth. Farmers sold the island to Lord Tarrant in 1843.",
]
PASSAGES = [
    Passage(i, text, "skerra.md", "Skerra", ("Lighthouse",) if i == 0 else (), 0, len(text))
    for i, text in enumerate(TEXTS)
]
CONTEXT = Context(
    (Turn("user", "Tell me about the lighthouse."),),
    "Tell me about the lighthouse.",
    tuple(Evidence(passage, 1.0) for passage in PASSAGES),
)
SENTENCES = [(p, a, b) for p in PASSAGES for a, b in sentences(p.text)]

ALTERED = {
    "number": "The lighthouse at Skerra Point stands 24 metres high.",
    "unit": "The lighthouse at Skerra Point stands 42 feet high.",
    "year": "The lamp burned whale oil until 1899, when paraffin replaced it.",
    "day": "It was lit for the first time on 13 October 1864.",
    "month": "It was lit for the first time on 3 November 1864.",
    "name": "Agnes Moir designed it, and masons from Shetland built it between 1861 and 1864.",
    "first name": "Robert Moir designed it, and masons from Orkney built it between 1861 and 1864.",
    "negation added": "The ferry from Stromness does not take two hours.",
    "negation lost": "A keeper has lived there since 1987.",
    "direction": "Barley ripens later than wheat in the northern parishes.",
    "superlative": "About 3,100 people live on the island, and the smallest village is Hammerwick.",
    "exchange": "Lord Tarrant sold the island to Farmers in 1843.",
    "count": "The ferry from Stromness takes three hours.",
    "compass": "Grey seals breed on the eastern beaches in November.",
}
TOLD = [
    "The lighthouse stands 42 metres high.",
    "The lighthouse at Skerra Point is 42 m tall.",
    "Agnes Moir designed the lighthouse.",
    "The ferry from Stromness takes two hours.",
    "Grey seals breed on the western beaches.",
]


@pytest.fixture(scope="module")
def grounder(encoder: Encoder) -> Grounder:
    return Grounder.load(encoder)


def judge(grounder: Grounder, *drafts: str) -> list[Claim]:
    return [claim for claims in grounder.claims(CONTEXT, drafts) for claim in claims]


def test_a_copied_sentence_is_supported_at_its_very_place(grounder: Grounder) -> None:
    drafts = [" ".join(p.text[a:b].upper().split()) for p, a, b in SENTENCES]
    for claim, (passage, start, end) in zip(judge(grounder, *drafts), SENTENCES, strict=True):
        assert claim.supported
        assert claim.support == COPIED
        assert (claim.passage, claim.quote_start, claim.quote_end) == (passage, start, end)


@pytest.mark.parametrize("kind", ALTERED)
def test_a_copied_sentence_with_one_change_is_not_supported_and_says_why(grounder: Grounder, kind: str) -> None:
    (claim,) = judge(grounder, ALTERED[kind])
    assert not claim.supported
    assert claim.support is not None
    assert claim.support < grounder.threshold
    assert claim.passage is None
    assert claim.reason


@pytest.mark.parametrize("draft", TOLD)
def test_plain_rewordings_are_supported_and_cite_a_verbatim_sentence(grounder: Grounder, draft: str) -> None:
    (claim,) = judge(grounder, draft)
    assert claim.supported, claim
    assert claim.passage is not None
    assert "lighthouse" not in draft or claim.passage.id == 0


def test_what_no_source_mentions_is_unsupported(grounder: Grounder) -> None:
    claims = judge(grounder, "Penguins live in Antarctica.", "The Moon has no atmosphere.")
    assert not any(claim.supported for claim in claims)
    assert all(claim.reason for claim in claims)


def test_small_talk_is_not_judged(grounder: Grounder) -> None:
    claims = judge(grounder, "Hello! The sources do not say who kept the light. Would you like to know more?")
    assert [claim.support for claim in claims] == [None, None, None]


def test_without_evidence_claims_have_no_support(grounder: Grounder) -> None:
    empty = Context(CONTEXT.turns, CONTEXT.query)
    (claim,) = grounder.claims(empty, ["The lighthouse stands 42 metres high."])[0]
    assert (claim.support, claim.reason) == (0.0, "no source was found")


def test_neither_order_nor_company_of_drafts_changes_a_score(grounder: Grounder) -> None:
    drafts = [*TOLD, *ALTERED.values(), "Hello there! " + TOLD[0]]
    together = grounder.claims(CONTEXT, drafts)
    backwards = grounder.claims(CONTEXT, drafts[::-1])[::-1]
    alone = [grounder.claims(CONTEXT, [draft])[0] for draft in drafts[:4]]
    for one, other in [*zip(together, backwards, strict=True), *zip(together, alone, strict=False)]:
        for mine, theirs in zip(one, other, strict=True):
            assert (mine.text, mine.start, mine.supported) == (theirs.text, theirs.start, theirs.supported)
            assert abs((mine.support or 0) - (theirs.support or 0)) < 1e-3


@settings(max_examples=20)
@given(st.lists(st.text(max_size=80), max_size=3), st.lists(st.text(max_size=80), max_size=2))
def test_any_text_is_judged_and_every_quote_is_a_slice(
    grounder: Grounder, drafts: list[str], sources: list[str]
) -> None:
    found = [Passage(i, text, "s", text[:9], (), 0, len(text)) for i, text in enumerate(sources)]
    context = Context((Turn("user", "?"),), "", tuple(Evidence(p, 1.0) for p in found))
    for draft, claims in zip(drafts, grounder.claims(context, drafts), strict=True):
        for claim in claims:
            assert draft[claim.start : claim.end] == claim.text
            assert claim.support is None or 0 <= claim.support <= 1
            if claim.passage:
                assert 0 <= claim.quote_start < claim.quote_end <= len(claim.passage.text)
                assert claim.passage in found


@given(st.sampled_from(SENTENCES), st.sampled_from([" ", "\n", "  \t"]), st.booleans())
def test_a_copy_is_found_whatever_the_white_space(place: tuple[Passage, int, int], gap: str, lower: bool) -> None:
    passage, start, end = place
    text = gap.join(passage.text[start:end].split())
    assert copied(text.lower() if lower else text, PASSAGES) == (passage, start, end)


def test_a_piece_of_a_sentence_is_no_copy() -> None:
    assert copied("masons from Orkney built it", PASSAGES) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=4), st.floats(0.3, 0.8))
def test_a_contradiction_only_lowers_support(pairs: list[tuple[float, bool]], threshold: float) -> None:
    scores, told = [p for p, _ in pairs], [t for _, t in pairs]
    best, _ = best_support(scores, told, threshold)
    assert best <= best_support(scores, [False] * len(scores), threshold)[0]
    assert not all(told) or best < threshold


def test_a_head_for_other_features_is_refused(encoder: Encoder) -> None:
    one = np.ones(3, np.float32)
    head = Head("grounded", "other", one, one, ((np.ones((3, 1), np.float32), np.zeros(1, np.float32)),))
    with pytest.raises(ValueError, match="features"):
        Grounder(encoder, head)


def test_the_packaged_head_is_small_and_fits_these_features() -> None:
    assert WEIGHTS.stat().st_size < 200_000
    assert Head.load(WEIGHTS).features == FEATURES
