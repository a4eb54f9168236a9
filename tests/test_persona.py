"""A subject that speaks for itself: asked as "you", heard as "I", compared with sources as neither."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.judges.claims import split
from dialogue.persona import about_subject, in_first_person, in_third_person
from dialogue.query import search_queries
from dialogue.types import Turn

EVEREST = "Mount Everest"


def _turns(*texts: str) -> list[Turn]:
    return [Turn("user" if (len(texts) - place) % 2 else "assistant", text) for place, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("how high are you?", "how high is Mount Everest?"),
        ("Are you the highest mountain?", "Is Mount Everest the highest mountain?"),
        ("Can you tell me how high you are?", "Can you tell me how high Mount Everest is?"),
        ("What is your height?", "What is Mount Everest's height?"),
        ("When were you first climbed?", "When was Mount Everest first climbed?"),
        ("Do you have glaciers?", "Does Mount Everest have glaciers?"),
        ("Haven't you grown?", "Hasn't Mount Everest grown?"),
        ("You're cold, and you’ve got ice.", "Mount Everest is cold, and Mount Everest has got ice."),
        ("Tell me about yourself", "Tell me about Mount Everest"),
    ],
)
def test_you_means_the_subject(typed: str, meant: str) -> None:
    assert about_subject(typed, EVEREST) == meant


@pytest.mark.parametrize(
    "typed", ["Thank you!", "What do you think of K2?", "Could you please explain that?", "Who am I?"]
)
def test_you_stays_whoever_is_asked_for_an_answer(typed: str) -> None:
    assert about_subject(typed, EVEREST) == typed


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("Mount Everest is the highest mountain on Earth.", "I am the highest mountain on Earth."),
        ("Everest has a snow cap.", "I have a snow cap."),
        ("Mount Everest's summit was measured in 1856.", "My summit was measured in 1856."),
        ("Mount Everest stands in Nepal.", "I stand in Nepal."),
        ("George Everest objected to the choice.", ""),
        ("Mount Everest keeps its snow.", ""),
        ("Climbers of Mount Everest need oxygen.", ""),
        ("It is cold.", ""),
    ],
)
def test_a_source_s_sentence_is_said_in_the_first_person_where_only_its_beginning_changes(told: str, said: str) -> None:
    assert in_first_person(told, EVEREST) == said
    if said and told.startswith(EVEREST):
        assert in_third_person(said, EVEREST) == told


def test_a_pronoun_is_the_subject_only_right_after_the_subject() -> None:
    assert in_first_person("Its summit is windy.", EVEREST, "Mount Everest is high.") == "My summit is windy."
    assert in_first_person("Its summit is windy.", EVEREST, "K2 is high.") == ""


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (("how high are you?",), "how high is Mount Everest?"),
        (("how high is it?",), "how high is Mount Everest?"),
        (("how high are you?", "8,849 metres.", "And who climbed you?"), "who climbed Mount Everest?"),
        (("how high are you?", "8,849 metres.", "And K2?"), "how high is K2?"),
        (("What is the height of Denali?",), "What is the height of Denali?"),
    ],
)
def test_questions_to_the_subject_are_searched_for_by_its_name(asked: tuple[str, ...], meant: str) -> None:
    query, forms = search_queries(_turns(*asked), EVEREST)
    assert query == meant
    assert forms[0] == meant
    assert asked[-1] in forms


@pytest.mark.parametrize("question", ["how high are you?", "what do you know about your sources?", "who made you"])
def test_without_a_subject_you_is_left_alone(question: str) -> None:
    assert search_queries([Turn("user", question)]) == (question, (question,))


@pytest.mark.parametrize(
    "sentence",
    [
        "I stand in Nepal.",
        "My summit is windy.",
        "I'm the highest mountain on Earth.",
        "I am a volcano.",
        "I was climbed first in 1953.",
    ],
)
def test_what_a_subject_says_of_itself_is_a_claim(sentence: str) -> None:
    assert [s.claims for s in split(sentence, EVEREST)] == [True]


@pytest.mark.parametrize(
    "sentence",
    [
        "I am Mount Everest.",
        "I love visitors.",
        "I am happy to tell you more.",
        "My pleasure!",
        "I do not know.",
        "I can tell you about my height.",
        "I look your question up in my sources.",
        "Which of my ridges interests you?",
    ],
)
def test_its_name_its_feelings_and_its_manners_claim_nothing(sentence: str) -> None:
    assert [s.claims for s in split(sentence, EVEREST)] == [False]


@given(st.text(max_size=120), st.text(min_size=1, max_size=20).filter(str.strip), st.text(max_size=60))
def test_any_words_are_put_into_another_person(text: str, subject: str, before: str) -> None:
    for told in (about_subject(text, subject), in_third_person(text, subject), in_first_person(text, subject, before)):
        assert isinstance(told, str)
    assert len(split(text, subject)) == len(split(text))
