"""The examples of messages: how lines become sentences, what is held apart, and a small classifier fitted on some."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.training.document_questions import documents
from app.training.intent import (
    HELD,
    MISTAKEN,
    MOST,
    OF_DOCUMENTS,
    Message,
    calibrated,
    fitted,
    joined,
    made,
    of_documents,
    varied,
    written,
)
from dialogue.intent import LANGUAGES, features
from dialogue.talk import ASKING, DISTRESS
from retrieval.encoder.embed import Encoder

WORDS = st.text("abc ", min_size=0, max_size=6)
WRITTEN = written()


@given(st.lists(st.lists(WORDS, min_size=1, max_size=4), min_size=1, max_size=4))
def test_a_line_makes_sentences_of_its_choices_alone(choices: list[list[str]]) -> None:
    line = "say " + " ".join("{" + "|".join(choice) + "}" for choice in choices)
    found = made(line)
    assert found == made(line)
    assert 1 <= len(found) <= max(MOST, 1)
    allowed = set(" ".join(word for choice in choices for word in choice).split()) | {"say"}
    assert all(set(text.split()) <= allowed for text in found)
    assert all("{" not in text and "|" not in text for text in found)


def test_every_kind_is_written_for_and_no_sentence_is_of_two_kinds() -> None:
    messages = WRITTEN
    kinds: dict[str, set[str]] = {}
    for message in messages:
        kinds.setdefault(f"{message.language} {message.text.casefold().rstrip('?.! ')}", set()).add(message.kind)
    assert {text: of for text, of in kinds.items() if len(of) > 1} == {}
    assert {message.language for message in messages} == set(LANGUAGES)
    for kind in DISTRESS:
        assert {message.language for message in messages if message.kind == kind} >= set(LANGUAGES) - {"pt"}
    assert min(sum(message.kind == kind for message in messages) for kind in {m.kind for m in messages}) > 50


def test_whole_wordings_are_held_apart() -> None:
    messages = WRITTEN
    held = {message.wording for message in messages if message.held}
    assert HELD / 3 < sum(message.held for message in messages) / len(messages) < 2 * HELD
    long = [message for message in messages if len(message.text.split()) > 2]
    assert not held & {message.wording for message in long if not message.held}


def test_talk_before_a_question_is_a_question_and_a_cry_for_help_stays_one() -> None:
    messages = [message for message in WRITTEN if not message.held]
    both = list(joined(messages, scale=0.02))
    assert {message.kind for message in both} >= {ASKING, *DISTRESS}
    assert all(len(message.text.split()) > 1 for message in both)
    assert {message.language for message in joined(messages, scale=0.2) if message.kind in DISTRESS} == set(LANGUAGES)


@pytest.mark.slow
def test_questions_of_documents_that_are_kept_apart_are_held() -> None:
    found = of_documents(random.Random(0))
    held = {question for document in documents() if document.held() for question in document.unanswered}
    assert held <= {message.text for message in found if message.held}
    learnt = {message.text for message in found if not message.held}
    assert len(learnt) == OF_DOCUMENTS
    assert not held & learnt


@given(st.integers(0, 50))
def test_what_is_typed_otherwise_is_of_the_same_kind(seed: int) -> None:
    message = random.Random(seed).choice(WRITTEN)
    other = varied(message, seed)
    assert (other.kind, other.language, other.wording) == (message.kind, message.language, message.wording)
    assert abs(len(other.text) - len(message.text)) <= 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_a_classifier_learns_to_tell_thanks_from_questions(encoder: Encoder, seed: int) -> None:
    chosen = [m for m in WRITTEN if m.language == "en" and m.kind in (ASKING, "thanks", *DISTRESS)]
    drawn = random.Random(seed).sample(chosen, 400) + [m for m in chosen if m.kind == "thanks"][:80]
    made_of = [Message(m.text, m.kind, m.language, m.wording) for m in drawn]
    classifier = fitted(made_of, encoder, seed, epochs=6)
    texts = ["thank you kindly", "how high is the tower of the mill?"]
    kinds, _ = classifier(features(texts, encoder.encode))
    assert [classifier.kinds[int(row.argmax())] for row in kinds] == ["thanks", ASKING]
    asked = [m for m in made_of if m.kind == ASKING]
    strict = calibrated(classifier, asked, encoder)
    assert 0.5 <= strict.threshold <= 0.95
    likely, _ = strict(features([message.text for message in asked], encoder.encode))
    taken = sum(strict.decided(row) != ASKING for row in likely)
    assert taken <= MISTAKEN * len(asked) or strict.threshold == 0.95
    assert np.allclose(strict.layers[0][0], classifier.layers[0][0])
