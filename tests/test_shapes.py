"""The grammars of questions of certain shapes: parts, comparisons, what is worked out, yes and no, long messages."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.judges.answers import Offer
from dialogue.judges.quantities import read
from dialogue.shapes.compare import read_comparison
from dialogue.shapes.derive import read_derivation
from dialogue.shapes.facts import Fact, is_about, value_of
from dialogue.shapes.lists import asks_for_list, names_kind, noun_of
from dialogue.shapes.measures import measured, winner
from dialogue.shapes.message import LONG, asked_in
from dialogue.shapes.parts import as_typed, like, split
from dialogue.shapes.plan import Plan, Value
from dialogue.shapes.rows import cell_of, cells, rows_of, rows_of_kind
from dialogue.shapes.tables import Row
from dialogue.shapes.topic import topic
from dialogue.shapes.verdict import settled, statement, verdict
from dialogue.shapes.words import degree
from retrieval.reading import Page
from retrieval.types import Passage


def today() -> date:
    return date(2026, 11, 29)


def value(text: str, label: str = "") -> Value:
    """The one quantity or date of a text."""
    quantities, dates = read(text)
    return Value(label, text, None, dates[0]) if dates else Value(label, text, quantities[0])


def worked(plan: Plan | None, *values: Value) -> str:
    assert plan is not None
    assert plan.work is not None
    return plan.work(values)


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        (
            "Who chairs the council and when was it founded?",
            ("Who chairs the council?", "when was the council founded?"),
        ),
        (
            "How much does the Vireo cost, what is its range and how long is the guarantee?",
            ("How much does the Vireo cost?", "what is the Vireo's range?", "how long is the guarantee of the Vireo?"),
        ),
        (
            "What does a cut for men cost and what does one for children cost?",
            ("What does a cut for men cost?", "what does a cut for children cost?"),
        ),
        ("Who founded the mill, and when?", ("Who founded the mill?", "when founded the mill?")),
        ("When and where was Jo Meer born?", ("When was Jo Meer born?", "where was Jo Meer born?")),
        (
            "What are the height and weight of the Vireo?",
            ("What is the height of the Vireo?", "What is the weight of the Vireo?"),
        ),
        ("Who wrote the book? When was it printed?", ("Who wrote the book?", "When was the book printed?")),
        ("Tell me who runs the mill and what it grinds.", ("who runs the mill?", "what the mill grinds?")),
    ],
)
def test_a_question_is_split_into_parts_that_stand_alone(question: str, parts: tuple[str, ...]) -> None:
    assert split(question) == parts


def test_parts_are_kept_as_they_were_typed_where_they_may_stand_alone() -> None:
    question = "Who is the secretary, who is the treasurer and what does she do?"
    parts = split(question)
    assert as_typed(question, parts) == ("", "who is the treasurer?", "")
    plan = Plan(parts, typed=as_typed(question, parts))
    assert [len(forms) for forms in plan.forms] == [1, 2, 1]
    assert Plan(("Who?",)).forms == (("Who?",),)


@pytest.mark.parametrize(
    "question",
    [
        "What is bread and butter pudding?",
        "Who is the woman who founded the school?",
        "Which is longer, A or B?",
        "Hello",
        "",
    ],
)
def test_one_question_has_no_parts(question: str) -> None:
    assert split(question) == ()


@given(st.text(max_size=80))
def test_any_text_is_read_without_error(text: str) -> None:
    for plan in (read_comparison(text), read_derivation(text, today)):
        assert plan is None or all(plan.parts)
    assert len(split(text)) != 1
    assert isinstance(statement(text), str)
    assert isinstance(asked_in(text), str)
    assert asks_for_list(text) in (True, False)


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("When was the lock at Orrin Ferry opened?", "the lock at Orrin Ferry"),
        ("How many rooms does the Kestrel hostel have?", "the Kestrel hostel"),
        ("Who is the head of the Lyre society?", "the Lyre society"),
        ("Who wrote the book?", "the book"),
        ("How long does it take?", "it"),
        ("Where do I pay?", ""),
        ("How many berths are in the west harbour?", "the berths in the west harbour"),
        ("Who was at the meeting?", "the meeting"),
    ],
)
def test_the_topic_is_a_whole_noun_phrase(question: str, about: str) -> None:
    assert topic(question) == about


@pytest.mark.parametrize(
    ("question", "noun"),
    [
        ("Which boats does the club own?", "boats"),
        ("Which of the beers are there all year?", "beers"),
        ("In which rooms must you be silent?", "rooms"),
        ("Which towns is Pellbridge twinned with?", "towns"),
        ("What happens if I pay late?", ""),
    ],
)
def test_the_plural_that_is_asked_for_is_no_verb(question: str, noun: str) -> None:
    assert noun_of(question) == noun
    assert asks_for_list(question) == bool(noun)


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        (
            "Which hostel has more rooms, Kestrel or Heath?",
            ("How many rooms does Kestrel hostel have?", "How many rooms does Heath hostel have?"),
        ),
        (
            "Which of the two uses more power, Eco or Glass?",
            ("How much power does Eco have?", "How much power does Glass have?"),
        ),
        (
            "Which is cheaper, a cut for men or for children?",
            ("How much does a cut for men cost?", "How much does a cut for children cost?"),
        ),
        (
            "How much longer is the canal at Rye than the one at Lunna?",
            ("How long is the canal at Rye?", "How long is the canal at Lunna?"),
        ),
        (
            "How much more does the Vireo cost than the Wren?",
            ("How much does the Vireo cost?", "How much does the Wren cost?"),
        ),
        (
            "What is the difference in price between the Vireo and the Wren?",
            ("What is the price of the Vireo?", "What is the price of the Wren?"),
        ),
        ("Is the Arno or the Tiber longer?", ("How long is the Arno?", "How long is the Tiber?")),
        ("Which choir is the oldest?", ("When was the choir established?",)),
        ("Which office has the most desks?", ("How many desks does the office have?",)),
    ],
)
def test_a_comparison_asks_the_same_of_each_thing(question: str, parts: tuple[str, ...]) -> None:
    plan = read_comparison(question)
    assert plan is not None
    assert plan.parts == parts
    assert bool(plan.every) == (len(parts) == 1)


@pytest.mark.parametrize(
    "question",
    ["What is the best way to cook rice?", "Who is the most famous painter?", "Tea or coffee?", "How long is it?"],
)
def test_what_compares_nothing_that_is_measured_is_no_comparison(question: str) -> None:
    assert read_comparison(question) is None


def test_the_verdict_names_the_winner_and_the_difference() -> None:
    rooms = read_comparison("Which hostel has more rooms, Kestrel or Heath?")
    assert worked(rooms, value("42 rooms", "Kestrel"), value("25 rooms", "Heath")) == (
        "Kestrel has more rooms: 42 rooms against 25 rooms, a difference of 17."
    )
    older = read_comparison("Which mill is older, Orrin or Tarff?")
    assert worked(older, value("1852", "Orrin"), value("1847", "Tarff")).startswith("Tarff is older: 1847 against 1852")
    weight = read_comparison("What is the difference in weight between the Vireo and the Wren?")
    assert "0.4 kilograms" in worked(weight, value("1.6 kilograms", "the Vireo"), value("1.2 kilograms", "the Wren"))
    assert "alike" in worked(rooms, value("25 rooms", "Kestrel"), value("25 rooms", "Heath"))
    assert worked(weight, value("1.6 kilograms", "the Vireo"), value("3 hours", "the Wren")) == ""


def test_units_of_one_dimension_are_compared_by_size() -> None:
    longer = read_comparison("Which is longer, the Arno or the Esk?")
    assert worked(longer, value("900 metres", "the Arno"), value("1.2 km", "the Esk")).startswith("The Esk is longer")


def test_a_superlative_is_worked_out_only_where_one_wins() -> None:
    oldest = read_comparison("Which choir is the oldest?")
    found = [value("1921", "Lyre"), value("1908", "Reed"), value("1977", "Drum")]
    assert worked(oldest, *found).startswith("Of the 3 found, Reed is the oldest: 1908")
    assert worked(oldest, found[1], value("1908", "Lute")) == ""


@pytest.mark.parametrize(
    ("question", "part", "stated", "result"),
    [
        ("How tall is the tower in feet?", "How tall is the tower?", "81 metres", "about 266 feet"),
        (
            "What is the height of the peak in feet?",
            "What is the height of the peak?",
            "8,849 metres",
            "about 29,032 feet",
        ),
        ("How much does the harp weigh in pounds?", "How much does the harp weigh?", "19 kg", "about 42 pounds"),
        ("How much is 15% of the rent of the hall?", "what is the rent of the hall?", "£80", "£12"),
    ],
)
def test_a_fact_is_worked_on(question: str, part: str, stated: str, result: str) -> None:
    plan = read_derivation(question, today)
    assert plan is not None
    assert plan.parts == (part,)
    assert result in worked(plan, value(stated))


def test_a_sum_for_a_month_is_told_for_a_year() -> None:
    plan = read_derivation("How much is the rent of the hall for a whole year?", today)
    [rent] = [quantity for quantity in read("8,400 euros a month")[0]]
    assert worked(plan, Value("The rent of the hall is 8,400 euros a month.", "8,400 euros", rent)) == (
        "12 months at 8,400 euros a month come to 100,800 euros."
    )
    assert worked(plan, Value("The hall costs 8,400 euros to build.", "8,400 euros", rent)) == ""


def test_ages_and_days_are_counted() -> None:
    age = read_derivation("How old was Jo Meer when he died?", today)
    assert age is not None
    assert age.parts == ("when was Jo Meer born?", "when did Jo Meer die?")
    assert "58 or 59 years" in worked(age, value("1802"), value("3 March 1861"))
    assert "was 58 years" in worked(age, value("4 March 1802"), value("3 March 1861"))
    assert worked(age, value("1861"), value("1802")) == ""
    until = read_derivation("How many days are there until the fair?", today)
    assert "497 days" in worked(until, value("9 April 2028"))
    ago = read_derivation("How long ago was the mill built?", today)
    assert "11 years" in worked(ago, value("2015"))


@pytest.mark.parametrize(
    ("question", "claim", "said", "expected"),
    [
        ("Is the pool heated?", "the pool heated", "The pool is heated in spring.", "Yes"),
        ("Is the pool heated?", "the pool heated", "The pool is not heated.", "No"),
        ("Was the mill built in 1850?", "the mill built in 1850", "The mill was built in 1787.", "No"),
        ("Jo moved to Rome in 1910, didn't she?", "Jo moved to Rome in 1910", "In 1904 Jo moved to Rome.", "No"),
        ("Was the mill built before 1800?", "the mill built before 1800", "The mill was built in 1787.", ""),
        ("Is there a sauna at the hall?", "a sauna at the hall", "The hall has a kitchen.", ""),
        ("May I swim?", "I swim", "Guests swim only with a ticket.", ""),
    ],
)
def test_yes_or_no_is_said_only_where_it_is_clear(question: str, claim: str, said: str, expected: str) -> None:
    assert statement(question) == claim
    assert verdict(claim, said, "") == expected


def test_what_the_sentence_before_tells_confirms_nothing_of_another_thing() -> None:
    before = "Floods\nTwo men drowned at Cray. They had gone out for the pigs of the mill."
    assert verdict("the pigs drown", "They had gone out for the pigs of the mill.", before) == ""
    assert verdict("two men drown", "Two men drowned at Cray.", "Floods") == "Yes"


def test_a_source_that_asks_the_same_answers_for_itself() -> None:
    said = "Q: Does the shop accept mattresses? A: No."
    assert verdict("the shop accept mattresses", said, "") == ""
    assert settled("the shop accept mattresses", said)
    assert not settled("the shop accept sofas", said)
    assert not settled("the shop accept mattresses", "Does the shop accept mattresses? Ask Mr Pell.")


def test_the_question_of_a_long_message_is_found() -> None:
    story = "I am preparing a talk on painters and have little time, because it is due on Monday. "
    chosen = "My teacher said to take somebody who is not well known, so I picked Jo Meer. "
    assert asked_in(f"{story}{chosen}In what year did he move to Rome? Thanks a lot!") == (
        "In what year did Jo Meer move to Rome?"
    )
    assert (
        asked_in(f"{story}{chosen}So I was wondering: how many pictures are there?") == "How many pictures are there?"
    )
    assert len(f"{story}{chosen}".split()) >= LONG - 4
    assert asked_in("How long is it?") == "How long is it?"
    assert asked_in("TAT - what's that?") == "What is TAT?"
    assert asked_in("the Mill House, where is that") == "Where is the Mill House?"
    assert asked_in("Thanks, what is it about?") == "Thanks, what is it about?"


def test_words_of_degree_are_read() -> None:
    assert degree("heavier") is not None
    assert degree("cheapest") is not None
    assert degree("river") is None
    assert degree("forest") is None
    assert like("for Rye", "a mill for Tarff") == "a mill for Rye"


def test_questions_for_lists_and_kinds_are_told() -> None:
    assert asks_for_list("What are the ingredients of the soup?")
    assert asks_for_list("List the steps for the repair.")
    assert asks_for_list("Who is on the committee?")
    assert asks_for_list("Which plants like shade?")
    assert not asks_for_list("When was the mill built?")
    assert not asks_for_list("What does the hosta cost?")
    assert not asks_for_list("What was built in 1734?")
    assert names_kind("Which hostels are there?")
    assert names_kind("Which sticks do you sell?")
    assert not names_kind("Which hostel is there?")


ROWS = (
    "Shed: North | Tool: Spade | Price EUR: 11,40 | Stock: 16\n\n"
    "Shed: South | Tool: Rake | Price EUR: 8,70 | Stock: 3\n\n"
    "Shed: South shed | Tool: Fork | Price EUR: 9,10 | Stock: 5\n\n"
    "Shed: South | Tool: Hoe | Price EUR: 7,20 | Stock: 8"
)


def test_the_cell_of_the_column_that_is_asked_for_is_read() -> None:
    row = ROWS.split("\n", 1)[0]
    assert cells(row)["Tool"] == "Spade"
    assert cells("A sentence: with a colon.") == {}
    said, price = cell_of(row, "How much does the tool cost?", money=True) or ("", None)
    assert said == "11,40"
    assert price is not None
    assert price.value == pytest.approx(11.4)
    assert (cell_of(row, "How much stock is there?", money=False) or ("",))[0] == "16"
    assert cell_of(row, "How heavy is it?", money=False) is None


def test_all_rows_with_the_cell_that_is_named_are_asked_for() -> None:
    passage = Passage(1, ROWS, "tools.csv", "Tools", (), 0, len(ROWS))
    found = [cells(offer.text)["Tool"] for _, offer in rows_of("Which tools are in the south?", [passage])]
    assert found == ["Rake", "Hoe"]
    assert rows_of("Which tools are blue?", [passage]) == []


def test_rows_of_a_kind_are_those_of_the_column_or_of_what_is_called_so() -> None:
    fees = "class: Junior | fee: £60\n\nclass: Senior | fee: £180\n\nclass: Senior | fee: £170"
    fee = Passage(1, fees, "fees.csv", "Membership", (), 0, len(fees))
    sticks = "Item: Stick Silver | Price: £89\n\nItem: Ball | Price: £4\n\nItem: Stick Bronze | Price: £59"
    kit = Passage(2, sticks, "kit.csv", "Kit", (), 0, len(sticks))
    assert [cells(offer.text)["class"] for _, offer in rows_of_kind("membership classes", [kit, fee])] == [
        "Junior",
        "Senior",
    ]
    named = [cells(offer.text)["Item"] for _, offer in rows_of_kind("sticks", [fee, kit])]
    assert named == ["Stick Silver", "Stick Bronze"]
    assert rows_of_kind("dance classes", [fee]) == []


def test_money_of_a_country_that_is_not_known_is_money() -> None:
    row = "Hotel: Krone | Rooms: 42 | Double room (lor): 310"
    assert (cell_of(row, "How much does it cost?", money=True) or ("",))[0] == "310 lor"
    assert cell_of("Hotel: Krone | Rooms: 42 | Height (m): 31", "How much does it cost?", money=True) is None


@pytest.mark.parametrize(
    ("row", "question", "said"),
    [
        ("River: Ister | Length km: 142 | Mouth: Vale", "How long is the Ister?", "142 km"),
        ("Programme: Wool | Minutes: 48 | Temperature: 30 °C", "How long is Wool?", "48 Minutes"),
        ("Model: K2 | Weight (kg): 7.5 | Height: 40 cm", "How much does the K2 weigh?", "7.5 kg"),
        ("Model: K2 | Weight (kg): 7.5 | Height: 40 cm", "How high is the K2?", "40 cm"),
        ("Model: K2 | Width cm: 7 | Depth cm: 40", "How long is the K2?", None),
    ],
)
def test_a_column_is_named_by_what_it_measures_and_gives_its_unit(row: str, question: str, said: str | None) -> None:
    found = cell_of(row, question, money=False, fits=lambda quantity: quantity.dimension in ("length", "time"))
    assert (found[0] if found else None) == said


def test_of_two_values_of_a_sentence_the_one_of_the_clause_that_is_asked_for_counts() -> None:
    text = "A season pass costs £95, a day ticket £45."
    fact = Fact(Offer(Page(text)), 0.5, (text.index("£45"), text.index("£45") + 3))
    plan = Plan(("What is the season pass?",), work=lambda values: "")
    found = value_of(fact, plan, "", "What is the season pass?")
    assert found is not None
    assert found.said == "£95"


def test_a_thing_may_be_meant_by_a_part_of_a_name_that_its_page_has_whole() -> None:
    page = Page("Ada Holm was a painter. Ada died in 1948. Her sister left.")
    start = page.text.index("Ada died")
    died = Fact(Offer(page, start, start + 17), 0.5, (0, 1))
    assert is_about("Ada Holm", died)
    assert not is_about("Ada Byron", died)
    assert not is_about("Ada Holm", Fact(Offer(Page("Ada died in 1948.")), 0.5, (0, 1)))


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("when was Ada Holm born?", "3 May 1871"),
        ("when did Ada Holm die?", "9 June 1948"),
        ("when did Ada Holm marry?", None),
    ],
)
def test_the_days_of_a_life_stand_behind_the_name(question: str, said: str | None) -> None:
    text = "Ada Holm (3 May 1871 – 9 June 1948) was a painter."
    plan = Plan((question,), work=lambda values: "", dates=True)
    found = value_of(Fact(Offer(Page(text)), 0.5, (0, len(text))), plan, "", question)
    assert (found.said if found else None) == said


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("The next trip takes place from 8 to 12 May 2028.", "8 May 2028"),
        ("The camp is from 29 May to 3 June 2028.", "29 May 2028"),
        ("The fair of 2028 is on 12 May 2028.", "12 May 2028"),
    ],
)
def test_what_lasts_from_one_day_to_another_begins_on_the_first(text: str, first: str) -> None:
    plan = read_derivation("How many days are there until the trip?", today)
    assert plan is not None
    span = (text.index("12 May"), len(text) - 1) if "12 May" in text else (0, len(text))
    found = value_of(Fact(Offer(Page(text)), 0.5, span), plan, "", "when is the trip")
    assert found is not None
    assert found.said == first


def test_an_adjective_is_measured_by_the_column_that_is_called_after_it() -> None:
    plan = read_comparison("Which beer is the most bitter?")
    assert plan is not None
    assert plan.most is not None
    beers = [("Ferry", "bitter", "31"), ("Mischief", "barley wine", "53"), ("Hat", "wheat beer", "13")]
    rows = [Row(name, {"Beer": name, "Style": style, "Bitterness (IBU)": size}) for name, style, size in beers]
    [found] = measured(rows, plan.most, today())
    assert found.columns == ("Bitterness (IBU)",)
    assert winner(found) == 1


@pytest.mark.parametrize(
    ("question", "wanted"),
    [("Which trip gets back the latest?", 0), ("Which trip sets off the latest?", 1)],
)
def test_what_is_latest_is_told_by_the_times_of_coming_back_or_of_leaving(question: str, wanted: int) -> None:
    plan = read_comparison(question)
    assert plan is not None
    assert plan.most is not None
    rows = [
        Row("Seals", {"Trip": "Seals", "Leaves": "7:40", "Back": "20:45"}),
        Row("Mills", {"Trip": "Mills", "Leaves": "9:05", "Back": "17:50"}),
    ]
    [found] = measured(rows, plan.most, today())
    assert winner(found) == wanted


def test_several_things_cost_as_many_times_the_price_of_one() -> None:
    plan = read_derivation("How much do three day tickets for the fair cost?", today)
    assert plan is not None
    assert plan.parts == ("how much does one day ticket for the fair cost?",)
    assert worked(plan, value("£8.50")) == "3 day tickets at £8.50 come to £25.50."
    assert worked(plan, value("8 hours")) == ""
    assert read_derivation("What are three reasons?", today) is None


@pytest.mark.parametrize(
    ("claim", "expected"),
    [("lunch is paid on a five hour day", "Yes"), ("lunch is paid on a three hour day", "No")],
)
def test_a_figure_that_a_bound_allows_speaks_not_against(claim: str, expected: str) -> None:
    assert verdict(claim, "Lunch is paid on any day of more than four hours.", "") == expected


def test_no_more_than_is_no_bound_from_which_on() -> None:
    claim, said = "lunch is paid on a five hour day", "Lunch is paid on a day of no more than four hours."
    assert verdict(claim, said, "") == "No"


def test_no_is_said_where_the_same_is_said_of_another_place() -> None:
    assert verdict("Ada Holm was born in Oslo", "Ada Holm was born on 4 May 1871 in Bergen.", "") == "No"
    assert verdict("Ada Holm was born in Oslo", "Ada Holm studied in Bergen.", "") == ""
    assert statement("Which programmes are there?") == ""


def test_how_much_more_one_thing_is_than_another_is_no_size_of_it() -> None:
    plan = Plan(("How high is the Horn?",), work=lambda values: "")
    higher = Fact(Offer(Page("The Horn is only about 300 metres higher and has more ice.")), 0.5, (24, 34))
    high = Fact(Offer(Page("The Horn rises to 4,310 metres above the sea and has more ice.")), 0.5, (18, 30))
    assert value_of(higher, plan, "", "How high is the Horn?") is None
    found = value_of(high, plan, "", "How high is the Horn?")
    assert found is not None
    assert found.said == "4,310 metres"


def test_a_heading_does_not_hide_that_a_sentence_says_the_opposite() -> None:
    said, under = "On Sundays we are closed.", "Alder Street Bakery: Opening hours"
    assert verdict("the bakery open on Sundays", said, under) == ""
    assert verdict("the bakery closed on Sundays", said, under) == "Yes"
    assert verdict("the bakery open on Saturdays", "We open at 7:15 on Saturdays.", under) == "Yes"
