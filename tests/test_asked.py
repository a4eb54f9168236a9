"""Which cells of a row a reply shows, and that they are judged and cited like the whole row."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.judges.answers import load_answers
from dialogue.judges.embedded import EmbeddedJudge, load_judge
from dialogue.judges.grounding import COPIED, copied
from dialogue.quote import Quote
from dialogue.screen import quotes
from dialogue.shapes.asked import FEW, shown
from dialogue.types import Context, Sampling, Turn
from retrieval.encoder.embed import Encoder
from retrieval.reader import PassageReader
from retrieval.rows import is_cut
from retrieval.text import BAR
from retrieval.types import Evidence, Passage

ROTA = [
    f"Day: {day} June | Ferry: {ferry} | Kiosk: {kiosk} | Lock: {lock} | Office: {office}"
    for day, ferry, kiosk, lock, office in (
        ("Monday 1", "closed", "Ines", "Odd", "Maud"),
        ("Tuesday 2", "Pavel", "Ines and Odd", "closed", "Maud"),
    )
]
BOATS = [
    "Length | B1: 4.2 m | B2: 5.1 m | B3: 6.0 m",
    "Builder | B1: Holm Yard | B2: Kaye | B3: Holm Yard",
    "Seats | B1: 2 | B2: 4 | B3: 4",
]
TEAS = [
    f"Code: T-{code} | Kind: Tea | Name: {name} | Pot: {pot} | Here (EUR): {price} | Note: {note}"
    for code, name, pot, price, note in (
        ("01", "Smoke", "small", "3.10", "black"),
        ("02", "Smoke", "large", "5.40", "black"),
        ("03", "Meadow", "small", "2.90", "without caffeine"),
    )
]
FAIRS = [
    f"Date: {day} 2026 | Fair: {fair} | Field: {field} | Gate: {gate} | In charge: {who}"
    for day, fair, field, gate, who in (
        ("3 May", "Plant fair", "North", "9:00", "Maud Orr"),
        ("4 July", "Book fair", "South", "10:00", "Pavel Lind"),
        ("5 September", "Plant fair", "North", "9:00", "Maud Orr"),
    )
]


def cut(question: str, row: str, likely: dict[int, float] | None = None, others: Sequence[str] = ()) -> str:
    places = range(len(row.split(BAR)))
    return shown(question, row, "Table", [(likely or {}).get(place, -9.0) for place in places], others)


@pytest.mark.parametrize(
    ("question", "row", "others", "said"),
    [
        ("Who is at the kiosk on Tuesday?", ROTA[1], ROTA, "Day: Tuesday 2 June | Kiosk: Ines and Odd"),
        ("Is the ferry open on 1 June?", ROTA[0], ROTA, "Day: Monday 1 June | Ferry: closed"),
        ("Is Maud in the office on Tuesday?", ROTA[1], ROTA, "Day: Tuesday 2 June | Office: Maud"),
        ("What is the length of B2?", BOATS[0], BOATS, "Length | B2: 5.1 m"),
        ("How long is B3?", BOATS[0], BOATS, "Length | B3: 6.0 m"),
        ("Tell me the length of B1 and B3", BOATS[0], BOATS, "Length | B1: 4.2 m | B3: 6.0 m"),
        ("Who built B2?", BOATS[1], BOATS, "Builder | B2: Kaye"),
        ("Which boat is 5.1 m long?", BOATS[0], BOATS, "Length | B2: 5.1 m"),
        ("How much is a large Smoke?", TEAS[1], TEAS, "Name: Smoke | Pot: large | Here (EUR): 5.40"),
        ("What does the Meadow tea cost?", TEAS[2], TEAS, "Kind: Tea | Name: Meadow | Here (EUR): 2.90"),
        ("How much is a Smoke?", TEAS[0], TEAS, "Name: Smoke | Pot: small | Here (EUR): 3.10"),
        ("What is the code of the large Smoke?", TEAS[1], TEAS, "Code: T-02 | Name: Smoke | Pot: large"),
        ("Who is in charge of the book fair?", FAIRS[1], FAIRS, "Fair: Book fair | In charge: Pavel Lind"),
        ("On which field is the plant fair?", FAIRS[0], FAIRS, "Date: 3 May 2026 | Fair: Plant fair | Field: North"),
    ],
)
def test_what_is_asked_for_is_shown_and_which_row_it_is(question: str, row: str, others: list[str], said: str) -> None:
    assert cut(question, row, {len(row.split(BAR)) - 1: -8.0}, others) == said


@pytest.mark.parametrize(
    ("question", "row", "others"),
    [
        ("Tell me about B2", BOATS[0], BOATS),
        ("What is B2?", BOATS[2], BOATS),
        ("Everything on the length of B2, please", BOATS[0], BOATS),
        ("What about the book fair?", FAIRS[1], FAIRS),
        ("What happens on 4 July?", FAIRS[1], FAIRS),
        ("Do you have Meadow?", TEAS[2], TEAS),
        ("Who works on Tuesday?", ROTA[1], ROTA),
        ("Who is at the kiosk on Monday?", ROTA[1], ROTA),  # of another row
        ("Who is at the kiosk on 3 June?", ROTA[1], ROTA),  # of none
        ("What does a large Meadow cost?", TEAS[2], TEAS),
        ("How much is a Smoke for Pavel?", TEAS[0], TEAS),
        ("When is the kiosk open on Tuesday?", ROTA[1], ROTA),  # no time is told
        ("What does the kiosk cost on Tuesday?", ROTA[1], ROTA),  # nor a price
    ],
)
def test_a_row_stays_whole_where_it_is_not_clear_what_is_asked_for(question: str, row: str, others: list[str]) -> None:
    assert cut(question, row, {1: 2.0, 2: 1.0, 3: 1.0}, others) == row


def test_the_likeliest_cell_is_what_is_asked_for_where_no_column_is_named() -> None:
    assert cut("Where is the book fair?", FAIRS[1], {2: 3.0}) == "Fair: Book fair | Field: South"
    assert cut("When is the book fair?", FAIRS[1], {0: 5.0, 3: 4.0}) == (
        "Date: 4 July 2026 | Fair: Book fair | Gate: 10:00"
    )
    assert cut("Where is the book fair?", FAIRS[1], {0: 3.0, 2: 3.0, 3: 2.0}) == FAIRS[1]
    assert cut("Where is the book fair?", FAIRS[1], {2: -1.0}) == FAIRS[1]
    assert cut("Who runs the book fair?", FAIRS[1], {4: 3.0}) == "Fair: Book fair | In charge: Pavel Lind"


def test_what_is_likelier_by_far_is_shown_beside_the_column_that_is_named() -> None:
    asked = "When is the south field free for the book fair?"
    assert cut("When does the gate open at the book fair?", FAIRS[1], {0: 6.0, 3: 1.0}) == (
        "Date: 4 July 2026 | Fair: Book fair | Gate: 10:00"
    )
    assert cut(asked, FAIRS[1], {0: 6.0}) == "Date: 4 July 2026 | Fair: Book fair | Field: South"


TRIPS = [
    f"Trip: {trip} | Day: {day} | Adult: {price} | Leaves: {leaves} | Back: {back}"
    for trip, day, price, leaves, back in (
        ("Mills", "Sunday", 42, "9:05", "17:50"),
        ("Seals", "Saturday", 44, "7:40", "19:20"),
    )
]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("At what time does the Saturday trip set off?", "Day: Saturday | Leaves: 7:40"),
        ("When do we get back from the Seals?", "Trip: Seals | Back: 19:20"),
        ("When is the trip to the Seals?", "Trip: Seals | Leaves: 7:40 | Back: 19:20"),
    ],
)
def test_a_departure_is_told_from_an_arrival_and_shown_beside_it_where_neither_is_meant(
    question: str, said: str
) -> None:
    assert set(said.split(BAR)) <= set(cut(question, TRIPS[1], {4: 6.0, 3: 1.0}, TRIPS).split(BAR))
    assert ("Back" in cut(question, TRIPS[1], {4: 6.0, 3: 1.0}, TRIPS)) == ("Back" in said)


@pytest.mark.parametrize(
    ("question", "row", "first"),
    [
        (
            "Which incident was caused by a full disk?",
            "Number: INC-4 | Severity: SEV2 | Service: Printing | Cause: Disk full | Minutes down: 47",
            "Number: INC-4",
        ),
        (
            "How much is a half-day ticket for my 14 year old?",
            "Ticket: Adult | Half day: 14 | Day: 23 | Season: 190",
            "Ticket: Adult",
        ),
    ],
)
def test_a_row_says_what_it_is_of_though_the_question_has_a_word_or_figure_of_another_cell(
    question: str, row: str, first: str
) -> None:
    assert cut(question, row, {2: 3.0}).startswith(first)


WORD = st.text(alphabet="abcdefgh", min_size=1, max_size=5)
CELL = st.one_of(WORD, st.integers(0, 99).map(str), st.tuples(WORD, WORD).map(" ".join))
ROW = st.lists(st.tuples(WORD, CELL).map(": ".join), min_size=1, max_size=7, unique=True)
SHEET = st.tuples(WORD, ROW).map(lambda row: [row[0], *row[1]])


@st.composite
def asking(draw: st.DrawFn) -> tuple[str, list[str], list[float], list[str]]:
    """A question with words of a row, the row's cells, how likely each is, and rows beside it."""
    row = draw(st.one_of(ROW, SHEET))
    parts = [part for cell in row for part in cell.split(": ")]
    said = draw(st.lists(st.sampled_from([*parts, "other"]), max_size=3))
    words = draw(st.sampled_from(["Who is", "When is", "What is the", "Which", "How much is", "Where is", "Is"]))
    likely = draw(st.lists(st.floats(-15, 15), min_size=len(row), max_size=len(row)))
    others = draw(st.lists(ROW.map(BAR.join), max_size=3))
    return f"{words} {' '.join(said)}?", row, likely, others


@given(asking())
def test_what_is_shown_are_cells_of_the_row_in_order(made: tuple[str, list[str], list[float], list[str]]) -> None:
    question, row, likely, others = made
    said = shown(question, BAR.join(row), "", likely, others)
    kept = said.split(BAR)
    left = iter(row)
    assert all(cell in left for cell in kept)
    assert len(row) > FEW or kept == row
    assert is_cut(said, BAR.join(row)) or len(row) == 1 or len(kept) == 1
    whole = f" {question.casefold().rstrip('?')} "
    assert {cell for cell in row if f" {cell.rpartition(': ')[2]} " in whole and ": " in cell} <= {*kept}


@given(ROW, st.data())
def test_cells_of_a_row_in_order_are_a_copy_of_it(row: list[str], data: st.DataObject) -> None:
    text = "\n".join(["Before it all.", BAR.join(row), "z: 1 | y: 2"])
    places = data.draw(st.sets(st.integers(0, len(row) - 1)))
    some = BAR.join(row[place] for place in sorted(places))
    passage = Passage(1, text, "s", "t", (), 0, len(text))
    if len(places) > 1:
        start = text.index(BAR.join(row))
        assert copied(some, [passage]) == (passage, start, start + len(BAR.join(row)))
        assert copied(BAR.join(reversed(some.split(BAR))), [passage]) is None
        assert copied(f"{some}9", [passage]) is None
        assert quotes(some, [Evidence(passage, 1.0)])
        assert not quotes(f"{some}9", [Evidence(passage, 1.0)])
    assert copied(f"{BAR.join(row)} | y: 2", [passage]) is None  # of two rows


@pytest.fixture(scope="module")
def judge(encoder: Encoder, passage_reader: PassageReader) -> EmbeddedJudge:
    return load_judge(encoder, passage_reader)


def test_some_cells_are_judged_and_cited_like_the_whole_row(
    passage_reader: PassageReader, judge: EmbeddedJudge
) -> None:
    text = "\n".join(FAIRS)
    passage = Passage(1, text, "fairs.csv", "Fairs", (), 0, len(text))
    question = "Who is in charge of the book fair?"
    context = Context((Turn("user", question),), question, (Evidence(passage, 1.0),))
    short = "Fair: Book fair | In charge: Pavel Lind"
    drafts = Quote(load_answers(passage_reader)).sample(context, Sampling())
    assert short in drafts
    assert FAIRS[1] not in drafts
    some, whole = judge.score(context, [short, FAIRS[1]])
    [claim] = some.claims
    assert (claim.supported, claim.support) == (True, COPIED)
    assert passage.text[claim.quote_start : claim.quote_end] == FAIRS[1]
    assert some.answers == whole.answers
    assert some.grounded == pytest.approx(whole.grounded, abs=0.02)
