"""Whether what is offered is of the kind that a question asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.judges.fitting import MISFIT, UNLIKE, fit
from dialogue.judges.subject import of_another, subject_of

ALIKE_WORDS = ({"people", "inhabitants"},)


def near(one: str, other: str) -> float:
    return 0.9 if {one, other} in ALIKE_WORDS else 0.1


@pytest.mark.parametrize(
    ("question", "said", "span", "expected"),
    [
        ("Where was Ida Holm born?", "Ida Holm was born in 1858.", "in 1858", MISFIT),
        ("Where was Ida Holm born?", "Ida Holm was born in Rye in 1858.", "in Rye in 1858", 1.0),
        ("Where does she live?", "She lives at 8 Mill Street.", "8 Mill Street", 1.0),
        ("Who won in 1930?", "The cup was won on 3 May 1930.", "3 May 1930", MISFIT),
        ("When was the dam built?", "The dam was built by Ida Holm.", "Ida Holm", MISFIT),
        ("When was the dam built?", "It was built after the flood.", "after the flood", 1.0),
        ("When is the shop open?", "The shop is open on Mondays.", "on Mondays", 1.0),
        ("How many mills are there?", "In the flood 130 sheep were lost.", "130", UNLIKE),
        ("How many mills are there?", "There are three mills on the river.", "three", 1.0),
        ("How many mills are there?", "The mill ground oats.", "oats", MISFIT),
        ("How many people live there?", "The island has 212 inhabitants.", "212", 1.0),
        ("How many bells are there?", "Bell: 2 | Name: Gabriel | Weight: 248", "2", UNLIKE),
        ("How many points does Otley have?", "Place: 4 | Club: Otley | Points: 13", "13", 1.0),
        ("How many members does Otley have?", "Place: 4 | Club: Otley | Points: 13", "13", UNLIKE),
        ("How many people does the hall take?", "Room: hall | Capacity: 120", "120", 1.0),
        ("How many inhabitants has Rye?", "Town: Rye | People: 4000", "4000", 1.0),
        ("What is the phone number of the inn?", "The inn is in Rye.", "Rye", MISFIT),
        ("What is the phone number of the inn?", "Call the inn on 555 0117.", "555 0117", 1.0),
        ("Give me the e-mail address of the club", "Write to club@example.org.", "club@example.org", 1.0),
        ("What is the e-mail address of the club?", "The club meets in Rye.", "Rye", MISFIT),
        ("Who invented the telephone?", "Bell did.", "Bell", 1.0),
        ("What does a boat cost?", "The lake covers 11 square kilometres.", "11 square kilometres", MISFIT),
        ("What does a boat cost?", "A boat is 40 crowns an hour.", "40 crowns", 1.0),
        ("What is the fee for the course?", "Courses are free.", "free", 1.0),
        ("What did the dredging cost?", "The pond was dredged at a cost of 86,000 pounds.", "86,000 pounds", 1.0),
        ("What is the price of the N4?", "The N4 is made for small flats.", "small flats", MISFIT),
        ("How heavy is the boat?", "The boat is 3 metres long.", "3 metres", MISFIT),
        ("How high is Wolf Tor?", "Wolf Tor is 476 metres high.", "476 metres", 1.0),
        ("When did the branch line open?", "The inn opened in the same year as the line.", "the same year", MISFIT),
        ("When did the update come out?", "Night mode began at 22:00.", "22:00", MISFIT),
        ("When was the gate last closed?", "When do you close it? At 3.80 metres.", "3.80 metres", MISFIT),
        ("When was the gate last closed?", "The last time was 3/11.", "3/11", 1.0),
        ("When did she join?", "Member since: 2014", "2014", 1.0),
        ("When did the branch line open?", "It opened ten years later.", "ten years later", 1.0),
        ("Which month is the warmest?", "The best months are June and September.", "June and September", MISFIT),
        ("Which lake is the deepest?", "Lake Ilse is the deepest of the three.", "Lake Ilse", 1.0),
        ("Why is it called the Keller Hut?", "Keller Hut is the start for Mount Ossa.", "", MISFIT),
        ("Why is it called the Keller Hut?", "The hut is named after Anton Keller.", "", 1.0),
        ("How much resin is in the boat?", "The boat uses 3 litres of fuel an hour.", "3 litres", UNLIKE),
        ("How much resin is in the boat?", "It holds 3 litres of resin.", "3 litres", 1.0),
        ("How much did the fair in 2024 cost?", "In 2025 the fair cost 900 euros.", "900 euros", MISFIT),
        ("How much did the fair in 2024 cost?", "The fair of 2024 cost 900 euros.", "900 euros", 1.0),
        ("Who is in the shop on 17 May?", "Day: 15 May | Shop: Lotte", "Lotte", MISFIT),
        ("Who is in the shop on 15 May?", "Day: 15 May | Shop: Lotte", "Lotte", 1.0),
        ("Who is in the shop on Sunday?", "Day: Friday | Shop: Lotte", "Lotte", MISFIT),
        ("When is the shop open on Wednesday?", "Tuesday to Thursday | 9-5", "9-5", 1.0),
        ("Who led the club in 1950?", "Ida Holm led it since 1948.", "Ida Holm", 1.0),
        ("Who led the club in 1950?", "Ida Holm (1948-1953) led it.", "Ida Holm", 1.0),
        ("What is a weir?", "A weir is a low wall.", "a low wall", 1.0),
    ],
)
def test_an_answer_has_to_be_of_the_kind_asked_for(question: str, said: str, span: str, expected: float) -> None:
    assert fit(question, said, span, "", near) == expected


def test_what_is_counted_may_be_named_by_the_title() -> None:
    assert fit("How many mills are there?", "The valley had 7 of them.", "7", "Mills on the Thorn", near) == 1.0


@given(st.text(max_size=60), st.text(max_size=120))
def test_it_never_speaks_for_an_answer(question: str, said: str) -> None:
    for start in ("", "When ", "How many ", "Where "):
        assert fit(start + question, said, said[:20], "", near) in (1.0, MISFIT, UNLIKE)


@pytest.mark.parametrize(
    ("question", "row", "expected"),
    [
        ("How much does the N4 cost?", "Part: 52-006 | Name: Filter | Fits: N4 | Price: 18.90", True),
        ("What is the price of the N4?", "Part: 52-006 | Name: Filter | Fits: N4 | Price: 18.90", True),
        ("How much is a filter for the N4?", "Part: 52-006 | Name: Filter | Fits: N4 | Price: 18.90", False),
        ("How much is part 52-006?", "Part: 52-006 | Name: Filter | Fits: N4 | Price: 18.90", False),
        ("Who is the dealer in Lund?", "Dealer: Brandt | Town: Lund | Telephone: 0110", False),
        ("What is the telephone number of the dealer in Lund?", "Dealer: Brandt | Town: Lund | Telephone: 0110", False),
        ("How many points does Otley have?", "Place: 4 | Club: Otley | Points: 13", False),
    ],
)
def test_a_row_is_about_what_it_names_first(question: str, row: str, expected: bool) -> None:
    assert of_another(question, subject_of(question), row) is expected
