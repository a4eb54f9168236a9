"""Superlatives, comparisons, lists and counts over rows of tables, records and lists of like things."""

from datetime import date

import pytest

from dialogue.shapes.compare import read_comparison
from dialogue.shapes.counted import asks_count, count_of, sized
from dialogue.shapes.facts import DIED, Fact, is_about
from dialogue.shapes.most import things
from dialogue.shapes.ranked import more_of_two, most_of_rows
from dialogue.shapes.rows import cells, rows_of, value_in
from dialogue.shapes.tables import of_kind, tables
from dialogue.units import units
from retrieval.types import Passage

TODAY = date(2026, 5, 1)


def passage(text: str, title: str, source: str = "", headings: tuple[str, ...] = (), place: int = 0) -> Passage:
    return Passage(place, text, source or f"{title}.md", title, headings, place * 1000, place * 1000 + len(text))


KAYAKS = passage(
    "Code: K-10 | Kayak: Otter | Hire (EUR): 18.00 | Club hire (EUR): 12.00 | Length (m): 3.1 | Seats: 1\n\n"
    "Code: K-11 | Kayak: Heron | Hire (EUR): 31.50 | Club hire (EUR): 22.00 | Length (m): 4.4 | Seats: 2\n\n"
    "Code: K-20 | Kayak: Pike | Hire (EUR): free | Club hire (EUR): free | Length (m): 5.2 | Seats: 1",
    "Hire list",
)
TENTS = passage(
    "Weight | Alba: 900 g | Borea: 2.1 kg | Corvo: 3.4 kg\n\n"
    "Drying time | Alba: 2 hours | Borea: 3 hours | Corvo: 5 hours\n\n"
    "Sleeps | Alba: 1 | Borea: 2 | Corvo: 4",
    "Data sheet: tents",
)
CREW = passage(
    "Name: Mirela Stoica\nPost: Cook\nAboard since: 2012 (from the start)\n\n"
    "Name: Jonas Ek\nPost: Mate\nAboard since: 2019\n\nName: Ada Brun\nPost: Master\nAboard since: 2015",
    "The crew",
)
ABBOTS = passage(
    "Name: Anselm | From: 1701 | To: 1719 | Order: White\n\nName: Bruno | From: 1719 | To: 1726 | Order: Grey\n\n"
    "Name: Celsus | From: 1726 | To: 1741 | Order: Grey\n\nName: Dunstan | From: 2024 | Order: Grey",
    "abbots",
)
FERRIES = passage(
    "Route: 1 | First boat: 06:00 | Last boat: 22:10 | Every (min): 30 | Winter: yes\n\n"
    "Route: 2 | First boat: 05:30 | Last boat: 19:00 | Every (min): 60 | Winter: no\n\n"
    "Route: N | First boat: 23:15 | Last boat: 01:45 | Every (min): 60 | Winter: yes",
    "ferries",
)
STORMS = passage(
    "Year: 1911 | Height of the waves: 7.2 m | Lost: two boats\n\n"
    "Year: 1953 | Height of the waves: 9.0 m | Lost: the pier\n\n"
    "Year: 1987 | Height of the waves: 8.1 m | Lost: nothing",
    "Storms",
)
WEEKS = passage(
    "Week: 1 | Day (C): 4 | Night (C): -6\n\nWeek: 2 | Day (C): 9 | Night (C): -11\n\n"
    "Week: 3 | Day (C): 12 | Night (C): 1",
    "Weeks",
)
EVERY = (KAYAKS, TENTS, CREW, ABBOTS, FERRIES, STORMS, WEEKS)


@pytest.mark.parametrize(
    ("question", "won"),
    [
        ("What's the cheapest thing on the hire list?", "Pike is the cheapest by “Hire (EUR)”: free against 18.00 EUR"),
        ("Which kayak is the most expensive?", "Heron is the most expensive"),
        ("Which kayak is the longest?", "Pike is the longest: 5.2 m against"),
        ("Which kayak has the most seats?", "Heron has the most seats: 2 against"),
        ("Which tent is the lightest?", "Alba is the lightest: 900 g against 2.1 kg, 3.4 kg"),
        ("Which tent takes longest?", "Corvo is the longest: 5 hours"),
        ("Who has been on board the longest?", ""),
        ("Who has been aboard the longest?", "Mirela Stoica has the longest time: since 2012 against"),
        ("Which abbot was longest in office?", "Anselm has the longest time: 18 years (1701 to 1719)"),
        ("Which abbot was shortest in office?", "Bruno has the shortest time: 7 years (1719 to 1726)"),
        ("Which Grey abbot was longest in office?", "Celsus has the longest time: 15 years"),
        ("Which ferry runs latest at night?", "Route N is the latest: 01:45 against 22:10, 19:00"),
        ("Which ferry starts earliest?", "Route 2 is the earliest: 05:30"),
        ("Which ferry runs most often?", "Route 1 is the most frequent: 30 min against 60 min"),
        ("Which storm was the worst?", "Year 1953 is the worst by “Height of the waves”: 9.0 m"),
        ("Which week was the warmest?", "Week 3 is the warmest by “Day (C)”: 12 °C against 4 °C, 9 °C"),
    ],
)
def test_the_most_of_all_rows_is_worked_out(question: str, won: str) -> None:
    plan = read_comparison(question)
    assert plan is not None
    sentence, quoted = most_of_rows(plan, EVERY, TODAY) or ("", [])
    assert won in sentence
    assert bool(won) == bool(quoted)


@pytest.mark.parametrize(
    "question",
    [
        "Which week was the coldest?",  # the days say one week, the nights another
        "Which tent is the warmest?",  # nothing measures that
        "Which abbot was the oldest?",  # from and to are no ages
        "Who lived the longest?",
        "Which ferry is the slowest?",  # how often it runs is not how long it takes
        "Which ferry takes longest?",
        "Which lake is the longest?",  # no such table
        "Which kayak on the Loire is the cheapest?",  # nothing says where they are
    ],
)
def test_nothing_is_worked_out_where_kind_or_measure_is_not_clear(question: str) -> None:
    plan = read_comparison(question)
    assert plan is None or not (most_of_rows(plan, EVERY, TODAY) or ("", []))[0]


def test_two_rows_that_share_the_most_leave_it_open() -> None:
    even = passage("Hut: Fell | Beds: 8\n\nHut: Rigg | Beds: 12\n\nHut: Syke | Beds: 12", "Huts")
    plan = read_comparison("Which hut has the most beds?")
    assert plan is not None
    assert most_of_rows(plan, [even], TODAY) is None


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Who was abbot for longer, Anselm or Bruno?", "Anselm has a longer time: 18 years"),
        ("Who has been aboard longer, Jonas or Ada?", "Ada has a longer time: since 2015 against since 2019"),
        ("Was the storm of 1911 worse than the one of 1988?", ""),
        ("Was the storm in 1911 worse than the storm in 1953?", "No. The storm in 1953 is worse: 9.0 m against 7.2 m"),
        ("Is the Borea heavier than the Alba?", "Yes. The Borea is heavier: 2.1 kg against 900 g"),
    ],
)
def test_two_rows_are_compared(question: str, said: str) -> None:
    plan = read_comparison(question)
    assert plan is not None
    sentence, _ = more_of_two(plan, EVERY, TODAY) or ("", [])
    assert said in sentence


def test_what_is_in_stock_is_quicker_to_get() -> None:
    shop = passage("Boat: Gig | Delivery: from stock\n\nBoat: Punt | Delivery: 6 weeks", "Boats")
    plan = read_comparison("Is the Gig or the Punt quicker to get?")
    assert plan is not None
    sentence, _ = more_of_two(plan, [shop], TODAY) or ("", [])
    assert sentence == "The Gig is quicker: from stock against 6 weeks, a difference of 6 weeks."


def test_a_difference_of_money_has_its_hundredths() -> None:
    fees = passage("Who: Adult | Fee: £7.50\n\nWho: Pupil | Fee: £5", "Fees")
    plan = read_comparison("How much more does an adult pay than a pupil?")
    assert plan is not None
    sentence, _ = more_of_two(plan, [fees], TODAY) or ("", [])
    assert sentence == "An adult costs more: £7.50 against £5, a difference of £2.50."


def test_things_stand_in_rows_columns_records_and_lists() -> None:
    assert [[row.name for row in table.rows] for table in tables([TENTS])][-1] == ["Alba", "Borea", "Corvo"]
    [crew] = tables([CREW])
    assert [row.name for row in crew.rows] == ["Mirela Stoica", "Jonas Ek", "Ada Brun"]
    assert of_kind(crew, "")
    patrons = passage("- Anna, of Rye (since 1990)\n- Bede, of Ely (since 1975)", "Chapel", headings=("Patrons",))
    [listed] = tables([patrons])
    assert [row.cells["since"] for row in listed.rows] == ["1990", "1975"]
    assert of_kind(listed, "patron")


def test_a_figure_below_nought_is_read_in_the_unit_of_its_column() -> None:
    said, night = value_in("-6", "Night (C)") or ("", None)
    assert night is not None
    assert (said, night.value, night.dimension) == ("-6 °C", -6, "celsius")


def test_rows_are_told_by_a_column_of_yes_and_no() -> None:
    def routes(question: str) -> list[str]:
        return [cells(offer.text)["Route"] for _, offer in rows_of(question, [FERRIES])]

    assert routes("Which ferries run in winter?") == ["1", "N"]
    assert routes("Which ferries don't run in winter?") == ["2"]
    assert routes("Which ferries run in summer?") == []


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("How many ferries run in winter?", "2 of the ferries listed run in winter."),
        ("How many Grey abbots were there?", "3 Grey abbots are listed."),
        ("How many storms are there?", "3 storms are listed."),
        ("How many seats are there?", ""),  # a column counts them
        ("How many ferries run in fog?", ""),
        ("How many ferries do not run in winter?", ""),
    ],
)
def test_rows_are_counted(question: str, said: str) -> None:
    assert asks_count(question)
    assert (count_of(question, EVERY) or ("", []))[0] == said


def test_where_something_goes_is_told_by_the_column_of_that_name() -> None:
    carts = passage(
        "Cart: 1 | From: Mill | To: Quay\n\nCart: 2 | From: Quay | To: Mill\n\nCart: 3 | From: Mill | To: Quay", "Carts"
    )
    assert (count_of("How many carts go to the Quay?", [carts]) or ("",))[0] == "2 of the carts listed go to the Quay."
    assert count_of("How many carts leave from the Quay?", [carts]) is None


def test_what_is_counted_of_several_things_is_added_up_and_tells_which_is_largest() -> None:
    made = [
        passage(f"{count} members. Two boats. Founded in 19{at}5.", "Our clubs", "clubs.md", (name,), at)
        for at, (name, count) in enumerate((("Tarn", 40), ("Mere", 65), ("Pool", 12)), 1)
    ]
    assert [value.said for value, _ in sized(things("club", made))] == ["40 members", "65 members", "12 members"]
    sentence, quoted = count_of("How many members do we have in all three clubs together?", made) or ("", [])
    assert sentence == "40 + 65 + 12 = 117 members."
    assert len(quoted) == 3
    assert count_of("How many members do we have in all four clubs together?", made) is None
    assert count_of("How many sails do we have in all three clubs together?", made) is None


def test_all_of_a_page_is_about_the_one_whose_longer_name_heads_it() -> None:
    page = passage("Born: 3 May 1801, Rye\nDied: 9 June 1870, Ely", "Captain Obadiah Finch")
    born, died = [Fact(offer, 0.5, (offer.start, offer.stop)) for offer in units(page)]
    assert is_about("Captain Finch", born)
    assert not is_about("Captain Marsh", born)
    assert DIED.search(died.text)
    assert not DIED.search(born.text)
