"""Rows that a question looks up by their keys."""

import pytest

from dialogue.judges.lookup import ASIDE, LOOKED_UP, likely, looked_up

ORDERS = [
    (f"order: ORD-{number} | customer: Ames Ltd | town: Holme | pieces: {pieces} | sent on: 2024-05-03", "orders")
    for number, pieces in ((700, 41), (701, 58), (7001, 99))
]
TENTS = [
    (f"Tent: {name} | Beds: {beds} | Warden: {who}", "Camp")
    for name, beds, who in (("Otter", 6, "Petra"), ("Heron", 10, "Sunil"))
]
ANCHORS = [
    (f"Anchor: {name} | Weight: {weight} kg | Chain: {chain} mm", "Chandlery")
    for name, weight, chain in (("Dory", 4, 6), ("Maxi", 12, 8))
] + [("Total | Weight: 16 kg", "Chandlery")]
STOPS = [
    (f"Date: {date} | Town: {town} | Coach leaves at: {leaves}", "Tour")
    for date, town, leaves in (("8 June 2027", "Lugano", "06:55"), ("10 June 2027", "Bologna", "07:40"))
]
DAYS = [(f"Date: 2027-06-{day} | Guests: {guests}", "Log") for day, guests in (("08", 31), ("10", 43))]
PARTS = [
    (f"site: {site} | unit: {unit} | part no.: P-{part} | in stock: {left}", "parts")
    for site, unit, part, left in (("North", 7, "5001/A", 12), ("South", 7, "5001/A", 30), ("South", 8, "5001/A", 31))
]


@pytest.mark.parametrize(
    ("question", "rows", "found"),
    [
        ("When does the coach leave on 10 June?", STOPS, 1),
        ("When does the coach leave on June 10, 2027?", STOPS, 1),
        ("When does the coach leave on 10 June 2026?", STOPS, None),
        ("When does the coach leave on 11 June?", STOPS, None),
        ("How many guests were there on 8 June?", DAYS, 0),
        ("How many guests were there on 8 June 2027?", DAYS, 0),
        ("How many pieces are in ORD-701?", ORDERS, 1),
        ("how many pieces has order ord-7001", ORDERS, 2),
        ("When was order ORD-700 sent on?", ORDERS, 0),
        ("How many pieces are in ORD-702?", ORDERS, None),
        ("Who is the father of ORD-701?", ORDERS, None),
        ("How many beds does the tent Heron have?", TENTS, 1),
        ("How many beds does the tent Heron offer?", TENTS, 1),
        ("How many beds does the tent have?", TENTS, None),
        ("How many beds does the tent Heron have in winter?", TENTS, None),
        ("Which warden does the tent Otter have to thank?", TENTS, None),
        ("To which warden does the tent Otter belong?", TENTS, 0),
        ("What is the total weight at the chandlery in 2023?", ANCHORS, 2),
        ("What is the weight at the chandlery in 2023?", ANCHORS, None),
        ("How heavy is the anchor Dory?", ANCHORS, 0),
        ("How deep is the anchor Dory?", ANCHORS, None),
        ("Which chain does the anchor Maxi take?", ANCHORS, 1),
        ("Which chain does the anchor Maxi take in spring?", ANCHORS, None),
        ("How many of part no. P-5001/A are in stock at site South, unit 7?", PARTS, 1),
        ("How many of part no. P-5001/A are in stock at site North, unit 8?", PARTS, None),
        ("How many of part no. P-5001/A are in stock?", PARTS, None),
    ],
)
def test_a_row_is_looked_up_by_what_it_is_of_and_a_column_of_it(
    question: str, rows: list[tuple[str, str]], found: int | None
) -> None:
    assert looked_up(question, rows) == found


def test_a_row_is_less_likely_by_what_it_is_for_than_by_what_it_is() -> None:
    row = "Part: 52-006 | Name: Filter | Fits: N4 | Price: 18.90"
    assert likely("What is the price of the filter?", row) == LOOKED_UP
    assert likely("What does 52-006 cost?", row) == LOOKED_UP
    assert likely("What is the price of the N4?", row) == ASIDE
