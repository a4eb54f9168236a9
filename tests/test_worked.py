"""What is worked out over several things: ages, what is left, several prices, two of a kind, and "which of them"."""

from collections.abc import Sequence
from datetime import date

import pytest

from dialogue.both import of_them
from dialogue.query import standalone
from dialogue.shapes.compare import read_comparison
from dialogue.shapes.derive import read_derivation
from dialogue.shapes.left import asks_left, left_of
from dialogue.shapes.money import is_money, sums
from dialogue.shapes.shaper import Shaper, load_shaper
from dialogue.types import Context, Turn
from retrieval.reader import PassageReader
from retrieval.types import Evidence, Passage

TODAY = date(2026, 11, 29)
LIFE = (
    "Jonas Tallow was born in Ketterby on 3 May 1801. He learned his trade in Leeds.\n\n"
    "His pupil Amos Reddick took over the workshop in 1866.\n\n"
    "Jonas Tallow died on 1 February 1870 and was buried in Ketterby."
)
TICKETS = {
    ("Swimming",): "Adults: 6.20 pounds\nChildren under 16: 3.10 pounds\nFamily (two adults): 15 pounds",
    ("Sauna",): "Adults: 12 pounds\nPensioners: 9 pounds",
    ("Cards",): "Card for ten swims: 40 pounds\nSingle swim: 5 pounds",
}
LIFTS = {
    ("Chair lift",): "The chair lift was opened in 1974. It is 1,240 metres long. A ride costs 7 euros.",
    ("Gondola",): "The gondola was opened in 2009. It is 2,100 metres long. A ride costs 14 euros.",
    ("Safety",): "In storms the lifts stop for 40 minutes after the last gust.",
}
VANS = {
    ("Bertha",): "Bertha is for cows. She was bought in 2019. She has a fridge of 40 litres.",
    ("Otto",): "Otto is for cats. He was bought in 2022. He has a fridge of 18 litres.",
    ("Minnow",): "Minnow, bought in 2016, is for letters. She has no fridge, only a box of 8 litres.",
}


def pages(texts: dict[tuple[str, ...], str], title: str) -> list[Passage]:
    """The passages of one document, by their headings."""
    made, start = list[Passage](), 0
    for number, (headings, text) in enumerate(texts.items(), 1):
        made.append(Passage(number, text, f"{title}.md", title, headings, start, start + len(text)))
        start += len(text) + 2
    return made


@pytest.fixture(scope="module")
def shaper(passage_reader: PassageReader) -> Shaper:
    return Shaper(load_shaper(passage_reader).scorer, lambda ids: (), lambda: TODAY)


def drafts(shaper: Shaper, question: str, found: Sequence[Passage]) -> list[str]:
    evidence = tuple(Evidence(passage, 1.0) for passage in found)
    plan = shaper.plan(question)
    context = Context((Turn("user", question),), question, evidence)
    shaped = shaper.shaped(context, plan, [evidence] * len(plan.parts) if plan else ())
    return [draft.replace("\n", " ") for draft, _ in shaped.shaped]


def said(shaper: Shaper, question: str, found: Sequence[Passage]) -> str:
    """What is worked out, "" for nothing."""
    return next(iter(drafts(shaper, question, found)), "")


@pytest.mark.parametrize(
    "question",
    [
        "How old did Jo Meer get?",
        "What age did Jo Meer live to?",
        "At what age did Jo Meer pass away?",
        "How long did Jo Meer live?",
        "How old was Jo Meer at her death?",
        "What was Jo Meer's age when she died?",
    ],
)
def test_the_age_that_somebody_reached_is_asked_for_in_many_ways(question: str) -> None:
    plan = read_derivation(question, lambda: TODAY)
    assert plan is not None
    assert plan.parts == ("when was Jo Meer born?", "when did Jo Meer die?")


def test_where_somebody_lived_is_no_age() -> None:
    assert read_derivation("How long did Jo Meer live in Rye?", lambda: TODAY) is None


def test_an_age_is_told_of_who_was_born_and_died_and_of_nobody_else(shaper: Shaper) -> None:
    life = pages({(): LIFE}, "Jonas Tallow, organ builder")
    assert said(shaper, "How old did Jonas Tallow get?", life).startswith("Jonas Tallow was 68 years old")
    assert not said(shaper, "How old did Amos Reddick get?", life)


@pytest.mark.parametrize(
    ("question", "text", "result"),
    [
        (
            "How much was left over from the camp?",
            "Camp. 14 came. Income was 4,215 pounds, costs 2,960 pounds.",
            "4,215 pounds - 2,960 pounds = 1,255 pounds left.",
        ),
        (
            "What was the surplus of the concert?",
            "The concert brought in 1,840 euros. The hall cost 1,215 euros.",
            "1,840 euros - 1,215 euros = 625 euros left.",
        ),
        ("Did the fair make a loss?", "The fair took £310 and cost £560.", "£310 - £560 is a loss of £250."),
        (
            "How much of the grant for the trip remained?",
            "For the trip there was a grant of 3,000 euros. We spent 2,450 euros on the coach and 300 euros on tea.",
            "3,000 euros - 2,450 euros - 300 euros = 250 euros left.",
        ),
        ("How much is left in the organ fund?", "Organ fund\nRaised: €900\nSpent: €150", "€900 - €150 = €750 left."),
        ("How many scones were left?", "Mina baked 120 scones and 94 were eaten.", "120 - 94 = 26 left."),
        (
            "What profit did the barn dance make?",
            "Event: Quiz | Income (EUR): 380 | Costs (EUR): 425\n"
            "Event: Barn dance | Income (EUR): 1250 | Costs (EUR): 700",
            "1250 EUR - 700 EUR = 550 EUR left.",
        ),
        (
            "How much of the grant was left after the slipway was built?",
            "New slipway: there was a grant of £20,000, and the work came to £23,500.",
            "£20,000 - £23,500 leaves £3,500 too little.",
        ),
        (
            "What was left from the ball after the band?",
            "The ball brought in £90. The band cost £20, the hall £30.",
            "",
        ),
        # of something else, of a part, more to come, or told by the source itself
        ("How much was left over from the camp?", "The gala took £310 and cost £260.", ""),
        ("How much was left over from the camp?", "Camp. The gala took £310 and cost £260.", ""),
        ("How much was left from the stall?", "The stall took £96, of which £20 was Mina's. It cost £14.", ""),
        ("How much was left from the stall?", "The stall took £96 and cost £14. Another £30 was spent on jars.", ""),
        ("How much was left from the stall?", "The stall took £96 and cost £14, so £80 was left.", ""),
        ("How much was left from the raffle?", "The raffle took £412. Shops gave the prizes.", ""),
    ],
)
def test_what_is_left_is_income_less_costs_of_the_thing_that_is_asked_about(
    question: str, text: str, result: str
) -> None:
    worked = left_of(question, [Passage(1, text, "report.md", "Report", (), 0, len(text))])
    assert asks_left(question)
    assert (worked[0] if worked else "") == result


def test_two_accounts_that_may_both_be_meant_leave_nothing() -> None:
    found = pages(
        {("May",): "The fair took £310 and cost £60.", ("June",): "The fair took £200 and cost £90."}, "Fairs"
    )
    assert left_of("How much was left over from the fair?", found) is None
    assert left_of("How much was left over from the fair in June?", found) is not None


@pytest.mark.parametrize(
    "question",
    [
        "What do three group lessons cost together?",
        "How much is it for three group lessons?",
        "What would three group lessons come to?",
        "What is the price for three group lessons?",
        "How much will three group lessons be altogether?",
    ],
)
def test_a_multiple_is_asked_for_in_many_ways(question: str) -> None:
    plan = read_derivation(question, lambda: TODAY)
    assert plan is not None
    assert plan.parts == ("how much does one group lesson cost?",)


def test_what_is_asked_for_with_something_else_is_no_multiple() -> None:
    assert read_derivation("What do two jackets and a torch cost?", lambda: TODAY) is None


def test_pounds_are_money_where_nothing_is_weighed() -> None:
    assert all(map(is_money, sums("Hat hire: 2 pounds, boots 3.50 pounds")))
    assert not any(map(is_money, sums("The kiln weighs 300 pounds.")))
    assert [(q.text, is_money(q)) for q in sums("A ticket is 5 francs.")] == [("5 francs", True)]


def test_lines_under_one_heading_are_compared_and_multiplied(shaper: Shaper) -> None:
    tickets = pages(TICKETS, "Baths: tickets")
    more = "How much more does an adult pay for swimming than a child?"
    assert said(shaper, more, tickets).startswith(
        "An adult pays more: 6.20 pounds against 3.10 pounds, a difference of"
    )
    sauna = "How much more does an adult pay for the sauna than a pensioner?"
    assert "12 pounds against 9 pounds" in said(shaper, sauna, tickets)
    four = said(shaper, "What do four adults pay for swimming?", tickets)
    assert four.startswith("4 adults at 6.20 pounds come to 24.80 pounds.")
    assert not said(shaper, "How much do four adults pay?", tickets)  # for what is not said
    assert not said(shaper, "What do ten swims cost together?", tickets)  # a card says so itself


def test_of_two_things_under_headings_the_one_that_is_more_is_told(shaper: Shaper) -> None:
    lifts = pages(LIFTS, "The two lifts at Corrin")
    assert said(shaper, "Which of the two lifts is longer?", lifts).startswith("The gondola is longer: 2,100 metres")
    assert said(shaper, "Which lift is older?", lifts).startswith("The chair lift is older: 1974 against 2009")
    assert not said(shaper, "Which of the three lifts is the longest?", lifts)


def test_vans_are_as_old_as_they_were_bought_and_what_is_denied_counts_for_nothing(shaper: Shaper) -> None:
    vans = pages(VANS, "Our three vans")
    assert said(shaper, "Which van is the oldest?", vans).startswith("Of the 3 found, Minnow is the oldest: 2016")
    assert said(shaper, "Which of our vans has the biggest fridge?", vans).startswith("Of the 2 found, Bertha has the")
    assert not said(shaper, "Which van is newer?", vans)  # there are three


def test_a_comparative_without_things_asks_for_a_kind() -> None:
    plan = read_comparison("Which of the two pools is warmer?")
    assert plan is not None
    assert (plan.about, plan.every, plan.count) == (("pools",), "How warm is {}?", 2)
    assert read_comparison("Which offer is better?") is None


@pytest.mark.parametrize(
    ("question", "previous", "reply", "expected"),
    [
        ("Which of them is taller?", "Which horses jump?", "Saffron and Bracken jump.", "taller, Saffron or Bracken?"),
        (
            "Which one is older?",
            "Which horses jump?",
            "Name: Saffron | Box: 4\nName: Bracken | Box: 5",
            "Saffron or Bracken?",
        ),
        ("Which of the two is deeper?", "How long are the Upper Pool and the Lower Pool?", "", "the Lower Pool?"),
        ("And which of them is longest?", "How old are the Heron, the Tern and the Gull?", "", "the Tern or the Gull?"),
        (
            "Which of them is longer?",
            "How many lifts run?",
            "Two lifts run at Corrin.",
            "Which of the two lifts is longer?",
        ),
        ("Which of them is taller?", "Which horses jump?", "Ash, Bracken and Saffron jump.", ""),
        ("Which of them is taller?", "Which horse jumps?", "Saffron jumps.", ""),
        ("Which of them is yours?", "Which horses jump?", "Saffron and Bracken jump.", ""),
        ("Which van is older?", "Which horses jump?", "Saffron and Bracken jump.", ""),
    ],
)
def test_which_of_them_is_asked_with_the_names_of_what_was_said(
    question: str, previous: str, reply: str, expected: str
) -> None:
    meant = of_them(question, previous, reply)
    assert meant.endswith(expected)
    assert bool(meant) == bool(expected)


def test_a_follow_up_that_compares_is_completed_before_all_else() -> None:
    turns = [Turn("user", "Which horses jump?"), Turn("assistant", "Saffron and Bracken jump. [1]")]
    assert standalone("Which of them is taller?", turns) == "Which is taller, Saffron or Bracken?"
