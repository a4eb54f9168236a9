"""Follow-ups made to stand alone."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dialogue.query as query_module
from dialogue.names import names
from dialogue.proposals import Said
from dialogue.query import likeliest, meant, puts_another, search_queries, standalone, stands_alone
from dialogue.types import Turn


def _turns(*texts: str) -> list[Turn]:
    return [Turn("user" if (len(texts) - place) % 2 else "assistant", text) for place, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("How high is Everest?", "8,849 metres. [1]", "And K2?"), "How high is K2?"),
        (
            ("How high is Everest?", "8,849 metres. [1]", "What about Kilimanjaro?"),
            "How high is Kilimanjaro?",
        ),
        (
            ("Who climbed Everest?", "Hillary and Tenzing.", "And when did they do it?"),
            "when did they do it (Who climbed Everest?)",
        ),
        (
            ("Who first climbed Everest?", "Hillary.", "and when was that?"),
            "when was that (Who first climbed Everest?)",
        ),
        (("How high is Everest?", "8,849 metres.", "And where does it stand?"), "where does Everest stand?"),
        (("Where is Kyoto?", "In Japan.", "when was it founded?"), "when was Kyoto founded?"),
        (
            ("Tell me about ENIAC", "ENIAC was a computer.", "What was its weight?"),
            "What was ENIAC's weight?",
        ),
        (
            ("Where does the choir sing on 8 June 2027?", "It sings in Lugano.", "what time does it start"),
            "what time does choir start",
        ),
        (
            ("Who mends lamps?", "Lamps are mended by Ines Brandt.", "When is she not there?"),
            "When is Ines Brandt not there?",
        ),
        (
            ("When did BERT appear?", "In 2018.", "Who wrote it?", "Devlin.", "How large is it?"),
            "How large is BERT?",
        ),
    ],
)
def test_a_follow_up_takes_up_the_topic_of_the_conversation(texts: tuple[str, ...], expected: str) -> None:
    assert search_queries(_turns(*texts))[0] == expected


def test_a_bare_why_is_asked_of_the_whole_previous_exchange() -> None:
    query, forms = search_queries(_turns("What happened to Scott?", "Scott died on the way back.", "why?"))
    assert "Scott" in query
    assert "died" in query
    assert "why?" in forms


@pytest.mark.parametrize(
    "question",
    [
        "How tall is Mount Everest?",
        "Who discovered Titan?",
        "what is the boiling point of helium in kelvin at one atmosphere",
        "Which plant is the tallest?",
    ],
)
def test_a_question_that_stands_alone_is_searched_as_it_is(question: str) -> None:
    assert standalone(question, _turns("Do you know the Moon?", "Yes.")) == question
    assert search_queries([Turn("user", question)]) == (question, (question,))


def test_names_are_found_inside_sentences_and_not_at_their_beginning_alone() -> None:
    assert names("When did the Apollo Guidance Computer fly?") == ["Apollo Guidance Computer"]
    assert names("what is gpt and GPT-3?") == ["GPT-3"]
    assert names("Is it large?") == []


@given(st.lists(st.text(max_size=80), min_size=1, max_size=6))
def test_any_conversation_gives_a_query(texts: list[str]) -> None:
    query, forms = search_queries(_turns(*texts))
    assert isinstance(query, str)
    assert forms[0] == query
    assert len(set(forms)) == len(forms)


@pytest.mark.parametrize(
    ("message", "asked"),
    [
        ("No, that's wrong, I meant the winter", "What about the winter?"),
        ("I meant when does it close?", "When does it close?"),
        ("I mean well", "What about well?"),
        ("That is wrong.", "That is wrong."),
        ("Did you know what I meant?", "Did you know what I meant?"),
    ],
)
def test_a_correction_asks_for_what_was_meant(message: str, asked: str) -> None:
    assert meant(message) == asked


@pytest.mark.parametrize("message", ["No, what does it cost?", "No, it is the mill", "Wait, I know it"])
def test_what_says_or_asks_something_corrects_nothing(message: str) -> None:
    turns = [Turn("user", "Who drove the bus?"), Turn("assistant", "Ada."), Turn("user", message)]
    assert not any("What about" in form for form in search_queries(turns)[1])


def test_the_sources_choose_between_what_half_a_question_may_mean() -> None:
    class Two:
        def __call__(self, question: str, said: Sequence[Said]) -> str:
            return "Who drove the tram?" if said else question

        def others(self, question: str, said: Sequence[Said]) -> Sequence[str]:
            return ("Who drove to the tram?",)

    turns = [Turn("user", "Who drove the bus?"), Turn("assistant", "Ada."), Turn("user", "And the tram?")]
    chances = {"Who drove to the tram?": 0.5}
    assert likeliest(turns, "", Two(), lambda forms: chances.get(forms[0], 0.45))[0] == "Who drove the tram?"
    assert likeliest(turns, "", Two(), lambda forms: chances.get(forms[0], 0.1))[0] == "Who drove to the tram?"


def test_a_question_that_stands_alone_is_read_so_only_where_that_is_much_likelier() -> None:
    turns = [
        Turn("user", "Who chairs Fern?"),
        Turn("assistant", "Ida Bell."),
        Turn("user", "How much is one towel there?"),
    ]
    own = [*turns[:2], Turn("user", "How much is one towel at home?")]
    chances = {"How much is one towel at home?": 0.5}

    def likely(forms: Sequence[str]) -> float:
        return chances.get(forms[0], 0.45)

    assert likeliest(turns, "", None, likely)[0] != turns[-1].text
    assert likeliest(own, "", None, likely)[0] != own[-1].text
    chances[own[-1].text] = 0.9
    assert likeliest(own, "", None, likely) == (own[-1].text, (own[-1].text,))


@pytest.mark.parametrize(
    ("question", "alone"),
    [
        ("Tell me about the octopus", True),
        ("How much is one towel at home?", True),
        ("Tell me about its arms please", False),
        ("And what about the octopus here?", False),
        ("why so?", False),
    ],
)
def test_a_question_with_a_subject_of_its_own_stands_alone(question: str, alone: bool) -> None:
    assert stands_alone(question) is alone


@pytest.mark.parametrize(
    ("typed", "puts"), [("And Quick?", True), ("What about Otto?", True), ("And shorter?", False), ("Why?", False)]
)
def test_a_name_alone_stands_in_the_place_of_the_last(typed: str, puts: bool) -> None:
    assert puts_another(typed) == puts


@pytest.mark.parametrize(
    ("question", "alone"),
    [
        ("we've got two dogs, what do they cost?", True),
        ("I have a bicycle with me. Where can I leave it?", True),
        ("I have a question, how long is it?", False),
        ("what do they cost?", False),
    ],
)
def test_what_a_message_has_brought_up_itself_is_not_looked_for_before(question: str, alone: bool) -> None:
    earlier = [Turn("user", "What does a week on Bulrush cost?"), Turn("bot", "A week on Bulrush costs £1,495.")]
    assert (standalone(question, earlier) == question) == alone


def test_a_long_conversation_is_read_as_fast_as_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    read = list[str]()
    standalone = query_module.standalone

    def counted(question: str, *given: object) -> str:
        read.append(question)
        return standalone(question, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(query_module, "standalone", counted)
    said = [text for number in range(40) for text in (f"and what do they charge for {number}?", "It is £20.")]
    query_module.search_queries(_turns(*said, "and if it is late?"), rewriter=Doubting())
    assert len(read) <= 3 * query_module.LOOK_BACK


class Doubting:
    """A rewriter that leaves everything to the rules."""

    def __call__(self, question: str, said: object) -> str | None:
        return None

    def others(self, question: str, said: object) -> list[str]:
        return []
