"""dialogue.judges.facts and dialogue.judges.quantities: figures, names, negation, direction, order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.judges.facts import compare, names
from dialogue.judges.quantities import agrees, comparable, read
from retrieval.tools.units import unit

ASCENT = (
    "Edmund Hillary, a beekeeper from New Zealand, and Tenzing Norgay, a Sherpa climber from Nepal, made "
    "the first confirmed ascent on 29 May 1953."
)


@pytest.mark.parametrize(
    ("claim", "source", "same"),
    [
        ("about 8,800 m", "8,849 metres", True),
        ("8,848 m", "8,849 m", False),
        ("8,849 m", "8,848.86 metres", True),
        ("8.85 km", "8,849 m", True),
        ("over 8,000 m", "8,849 m", True),
        ("less than 8,000 m", "8,849 m", False),
        ("15.7 million", "15,655,924", True),
        ("15 million", "15,655,924", False),
        ("the 1920s", "1924", True),
        ("1924", "the 1920s", False),
        ("twelve", "12", True),
        ("two hundred and five", "205", True),
        ("8,849 feet", "8,849 metres", False),
        ("1954", "1953", False),
        ("the second", "the 2nd", True),
        ("5 per cent", "5%", True),
        ("5 per cent", "5 kg", False),
        ("$5 million", "5,000,000 dollars", True),
    ],
)
def test_numbers_agree_only_by_equality_or_stated_rounding(claim: str, source: str, same: bool) -> None:
    (mine,), (theirs,) = read(claim)[0], read(source)[0]
    assert agrees(mine, theirs) is same


@pytest.mark.parametrize("text", ["29 May 1953", "May 29, 1953", "29th of May 1953", "1953-05-29", "May 29th, 1953"])
def test_a_date_is_the_same_in_any_order(text: str) -> None:
    (date,) = read(text)[1]
    assert (date.year, date.month, date.day) == (1953, 5, 29)


@pytest.mark.parametrize(
    ("claim", "sentence", "lead", "stray"),
    [
        ("The peak of Arran Top is 874 metres high.", "Its peak is 874 metres high.", "Mount Brae is a hill.", True),
        ("The peak of Mount Brae is 874 metres high.", "Its peak is 874 metres high.", "Mount Brae is a hill.", False),
        ("Ida Holm has led the choir since 2014.", "She has led the choir since 2014.", "Ute Falk runs it.", True),
        ("Ute Falk has led the choir since 2014.", "She has led the choir since 2014.", "Ute Falk runs it.", False),
        ("The Brae Tower was erected in 1889.", "In Paris, workers erected it in 1889.", "", False),
        ("The Tay Bridge is 3,264 metres long.", "The bridge is 3,264 metres long.", "", False),
        ("The summit of Arran Top stands 1,874 metres high.", "Mount Brae is 1,874 metres high.", "", True),
        ("The summit of Mount Brae stands 1,874 metres high.", "Mount Brae is 1,874 metres high.", "", False),
    ],
)
def test_what_is_said_of_something_else_is_no_support(claim: str, sentence: str, lead: str, stray: bool) -> None:
    found = compare(
        claim,
        sentence,
        f"{lead} Arran Top is near. Ida Holm sings. The Tay Bridge. The Brae Tower.",
        (),
        [(sentence, lead)],
    )
    assert bool(found.stray) is stray
    assert found.reason == found.stray


def test_digits_inside_names_are_no_numbers() -> None:
    assert read("K2, GPT-3 and an F-16")[0] == ()


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("Hillary and Norgay made the first ascent in 1953.", ASCENT),
        ("Edmund Hillary, a beekeeper, made the ascent on May 29, 1953.", ASCENT),
        ("Its summit stands about 8,800 m high.", "Its summit stands 8,849 metres high."),
        ("Everest was climbed by Hillary.", "Hillary climbed Everest."),
        ("In 1953 Hillary climbed Everest.", "Hillary climbed Everest in 1953."),
        ("The capital of France is Paris.", "Paris is the capital of France."),
        ("Nepalese climbers use the southern route.", "Climbers from Nepal use the southern route."),
        ("It is not only tall but cold.", "It is tall and cold."),
        ("The UK has a king.", "The United Kingdom has a king."),
    ],
)
def test_what_the_source_says_in_other_words_is_not_contradicted(claim: str, source: str) -> None:
    assert compare(claim, source).reason == ""


@pytest.mark.parametrize(
    ("claim", "source", "reason"),
    [
        ("They made the first confirmed ascent on 29 May 1954.", ASCENT, "the source says 1953, not 1954"),
        (
            "They made the first ascent on 28 May 1953.",
            ASCENT,
            "the source says 29 May 1953, not 28 May 1953",
        ),
        ("George Mallory made the first ascent.", ASCENT, "the name 'George' is not in the source"),
        ("They never made the first ascent.", ASCENT, "'never' is in the reply but not in the source"),
        ("It was the last confirmed ascent.", ASCENT, "the source says 'first', not 'last'"),
        (
            "Its summit stands 8,849 feet high.",
            "Its summit stands 8,849 metres high.",
            "the source says 8,849 metres, not 8,849 feet",
        ),
        (
            "Saturn is larger than Jupiter.",
            "Jupiter is larger than Saturn.",
            "the source has 'Saturn' and 'Jupiter' the other way round",
        ),
        (
            "GPT-4 has 175 billion parameters.",
            "GPT-3 has 175 billion parameters.",
            "the name 'GPT-4' is not in the source",
        ),
        ("Everest is not 8,849 m high.", "Everest is 8,849 m high.", "'not' is in the reply but not in the source"),
        ("Penguins can fly.", "Penguins cannot fly.", "'cannot' is in the source but not in the reply"),
        ("The city has three bridges.", "The city has two bridges.", "the source says two, not three"),
    ],
)
def test_one_changed_fact_is_named(claim: str, source: str, reason: str) -> None:
    assert compare(claim, source).reason == reason


def test_background_supplies_names_and_no_numbers() -> None:
    assert compare("Everest rises to 9,000 m.", "It rises to 8,849 m.", "Mount Everest 9,000 m").reason
    assert not compare("Its peak Everest rises to 8,849 m.", "It rises to 8,849 m.", "Mount Everest").names_missing


def test_a_sentence_opens_with_a_name_only_where_the_name_is_known() -> None:
    assert names("Hillary climbed.") == ()
    assert names("Hillary climbed.", {"hillary"}) == ("Hillary",)
    assert names("In May the climber Norgay rested.") == ("May", "Norgay")


@given(st.text(), st.text())
def test_any_two_texts_can_be_compared(claim: str, source: str) -> None:
    compare(claim, source, source, {"x"})


@given(st.text(alphabet="abcdefgh AB1259,.'-%$€ "))
def test_a_text_never_contradicts_itself(text: str) -> None:
    found = compare(text, text)
    assert found.reason == ""


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_agreement_without_a_hedge_is_equality_for_whole_numbers(one: int, other: int) -> None:
    (mine,), (theirs,) = read(f"{one:,} metres")[0], read(f"{other:,} metres")[0]
    assert agrees(mine, theirs) == (one == other)
    assert comparable(mine, theirs)


@pytest.mark.parametrize("spelling", ["pounds", "lb", "tonnes", "miles", "feet", "inches", "litres", "kB", "weeks"])
def test_claims_and_the_calculator_measure_by_one_table(spelling: str) -> None:
    [measure], _ = read(f"It is 3 {spelling}.")
    known = unit(spelling)
    assert known is not None
    assert (measure.dimension, measure.size) == (known.dimension, float(known.factor))
