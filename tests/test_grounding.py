"""dialogue.judges.grounding: the judge with the packaged head and the real encoder, on sentences written for it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from told_reader import Told

from dialogue.judges.alignment import COUNTED, FEATURES
from dialogue.judges.grounding import COPIED, HEAD, OUTPUTS, WEIGHTS, Grounder, best_support, copied
from dialogue.judges.heads import Head
from dialogue.judges.settling import CLAIM, REPLY
from dialogue.judges.windows import NEAREST, Layout, encode
from dialogue.types import Claim, Context, Turn
from retrieval.encoder.embed import Encoder
from retrieval.text import sentences
from retrieval.types import Evidence, Passage

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


def told(encoder: Encoder, supported: float = 0.0, refuted: float = 0.0) -> Grounder:
    """A judge with a head that goes by the adapter alone, and an adapter that always says the same."""
    reader = Told(lambda before, text: {"supported": supported, "refuted": refuted}, OUTPUTS)
    weights = np.zeros((COUNTED + 2, 1), np.float32)
    weights[COUNTED:, 0] = 1.0, -1.0
    plain = np.zeros(COUNTED + 2, np.float32)
    head = Head("grounded", FEATURES, plain, plain + 1, ((weights, np.zeros(1, np.float32)),))
    return Grounder(encoder, reader, head, first(CLAIM, 6), first(REPLY, 5))


def first(features: str, width: int) -> Head:
    """A head that goes by the first of its features alone."""
    weights = np.eye(width, 1, dtype=np.float32)
    return Head(
        "first", features, np.zeros(width, np.float32), np.ones(width, np.float32), ((weights, weights[0] * 0),)
    )


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


def test_a_year_of_one_thing_is_none_of_another_that_stands_near(grounder: Grounder) -> None:
    text = "The Saltmarsh windmill was built in 1787. Its cap is heavy. The mill at Orby has sails of 23 metres."
    passage = Passage(id=1, text=text, source="mills.txt", title="", headings=(), start=0, end=len(text))
    context = Context((Turn("user", "How old are they?"),), "How old are the mills?", (Evidence(passage, 1.0),))
    [[wrong], [fine]] = grounder.claims(
        context, ["The mill at Orby was built in 1787.", "The Saltmarsh mill dates from 1787."]
    )
    assert (wrong.supported, fine.supported) == (False, True)


def test_small_talk_is_not_judged(grounder: Grounder) -> None:
    claims = judge(grounder, "Hello! The sources do not say who kept the light. Would you like to know more?")
    assert [claim.support for claim in claims] == [None, None, None]


@pytest.mark.parametrize("said", ["We can't accept cheques.", "Sorry, no texts in Latin.", "You're welcome to stay."])
def test_what_a_source_says_of_itself_is_claimed_by_who_quotes_it(grounder: Grounder, said: str) -> None:
    shop = Passage(1, f"Questions and answers. {said} Is it open?", "shop.md", "Shop", (), 0, 60)
    context = Context((Turn("user", "Do you?"),), "Do you?", (Evidence(shop, 1.0),))
    [(claims, _)] = grounder.judged(context, [f"Is it open? {said}"], False)
    assert [claim.supported for claim in claims] == [False, True]
    assert claims[0].support is None
    [(talked, _)] = grounder.judged(replace(context, intent="thanks"), [said], False)
    assert talked[0].support is None


def test_without_evidence_claims_have_no_support(grounder: Grounder) -> None:
    empty = Context(CONTEXT.turns, CONTEXT.query)
    (claim,) = grounder.claims(empty, ["The lighthouse stands 42 metres high."])[0]
    assert (claim.support, claim.reason) == (0.0, "no source was found")


@pytest.fixture(scope="module")
def alone(grounder: Grounder) -> dict[str, Claim]:
    """Some drafts, each judged by itself."""
    return {draft: judge(grounder, draft)[0] for draft in (*TOLD[1:4], *list(ALTERED.values())[:2])}


@settings(max_examples=8)
@given(st.data())
def test_neither_order_nor_company_of_drafts_changes_a_support(
    grounder: Grounder, alone: dict[str, Claim], data: st.DataObject
) -> None:
    some = data.draw(st.lists(st.sampled_from(list(alone)), min_size=1, max_size=4))
    drafts = [f"{greeting}{draft}" for draft in some for greeting in data.draw(st.sampled_from([("",), ("Hello! ",)]))]
    for draft, claims in zip(drafts, grounder.claims(CONTEXT, drafts), strict=True):
        claim, by_itself = claims[-1], alone[claims[-1].text]
        assert draft[claim.start : claim.end] == claim.text
        assert claim.supported == by_itself.supported
        assert claim.support == pytest.approx(by_itself.support, abs=1e-3)


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
        Grounder(encoder, Told(outputs=OUTPUTS), head, first(CLAIM, 6), first(REPLY, 5))


def test_a_reader_of_something_else_is_refused(grounder: Grounder, encoder: Encoder) -> None:
    with pytest.raises(ValueError, match=r"evidence\.safetensors"):
        Grounder(encoder, Told(), grounder.head, grounder.claim, grounder.reply)


def test_the_packaged_head_is_small_and_fits_these_features(grounder: Grounder) -> None:
    assert (WEIGHTS / HEAD).stat().st_size < 200_000
    assert grounder.head.features == FEATURES
    assert grounder.head.mean.shape == (COUNTED + len(OUTPUTS),)


def test_the_reader_is_asked_once_and_reads_each_claim_after_the_evidence_with_its_titles(encoder: Encoder) -> None:
    grounder = told(encoder)
    judge(grounder, "It stands 42 metres high. Barley is ripe before wheat.", "It stands 42 metres high.")
    (pairs,) = grounder.read.asked  # type: ignore[attr-defined]
    assert {claim for _, claim in pairs} == {"It stands 42 metres high.", "Barley is ripe before wheat."}
    shown = {evidence for evidence, _ in pairs}
    assert any(
        text.startswith("Skerra. Barley ripens earlier than wheat in the northern parishes. About") for text in shown
    )
    assert TEXTS[0] in shown  # names its title and its heading itself, and is short enough to be read whole
    assert not any(evidence.startswith("Skerra. Lighthouse. The lighthouse") for evidence in shown)


def test_without_a_word_the_adapter_decides_and_its_denial_is_the_reason(encoder: Encoder) -> None:
    draft = "The lighthouse at Skerra Point was built by masons of Orkney."
    (claim,) = judge(told(encoder, supported=4.0, refuted=-4.0), draft)
    assert claim.supported
    (claim,) = judge(told(encoder, supported=-4.0, refuted=4.0), draft)
    assert (claim.supported, claim.reason) == (False, "the nearest source sentence says otherwise")
    (claim,) = judge(told(encoder, supported=-4.0, refuted=0.0), draft)
    assert claim.reason != "the nearest source sentence says otherwise"


def test_a_claim_of_two_places_is_read_with_both(encoder: Encoder) -> None:
    text = "Agnes Moir designed the lighthouse and the seal pups weigh 14 kilograms at birth."
    layout = Layout.make("", [text], PASSAGES)
    *alone, both = layout.windows(encode(encoder, layout.texts))[0]
    assert len(alone) == NEAREST
    assert all(len(window.stretches) == 1 for window in alone)
    assert {stretch.read.passage.id for stretch in both.stretches} == {0, 2}
    assert both.nearest.read is alone[0].nearest.read
    assert (both.nearest.first, both.nearest.last) == (alone[0].nearest.first, alone[0].nearest.last)
    assert both.text.index("Agnes Moir") < both.text.index("A seal pup weighs")  # as they stand in the evidence


def test_what_one_place_says_is_read_alone(encoder: Encoder) -> None:
    layout = Layout.make("", ["Grey seals breed on the western beaches in November."], PASSAGES)
    windows = layout.windows(encode(encoder, layout.texts))[0]
    assert all(len(window.stretches) == 1 for window in windows)


def test_the_alignment_of_a_window_is_that_of_its_texts_laid_side_by_side(encoder: Encoder) -> None:
    claim = "Agnes Moir designed the lighthouse at Skerra Point."
    layout = Layout.make("", [claim], PASSAGES)
    encoded = encode(encoder, layout.texts)
    for window in layout.windows(encoded)[0]:
        sides = [text for stretch in window.stretches for text in stretch.texts]
        mine, theirs = encoded[claim], np.concatenate([side.vectors for side in sides])
        best = (mine.vectors @ theirs.T).max(1)
        assert window.row[15] == pytest.approx(best.mean(), abs=1e-5)
        assert window.row[3] == pytest.approx(best[mine.content].mean(), abs=1e-5)
        assert window.row[5] == pytest.approx(np.quantile(best[mine.content], 0.25), abs=1e-5)
        inside = np.concatenate([side.content for side in sides])
        assert window.row[16] == pytest.approx((theirs @ mine.vectors.T).max(1)[inside].mean(), abs=1e-5)
