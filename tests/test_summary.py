"""A summary is made of what a document says itself, covers it, and leaves out what says nothing of it."""

from dialogue.summary import MOST, WHOLE, Unit, summaries
from retrieval.encoder.embed import Encoder
from retrieval.types import Passage


def units(*sections: tuple[str, list[str]]) -> list[Unit]:
    return [
        Unit(Passage(number, " ".join(texts), "a", "A", (heading,), 0, 1), text)
        for number, (heading, texts) in enumerate(sections)
        for text in texts
    ]


KILN = units(
    ("Loading", ["The kiln is loaded from the back.", "It holds forty bowls.", "Did you close the damper?"]),
    ("Firing", ["A firing takes eleven hours.", "The kiln reaches 1,240 degrees.", "Nobody opens it before noon."]),
    ("Cooling", ["The kiln cools for two days.", "Bowls are taken out with gloves."]),
)


def test_it_opens_with_the_opening_and_speaks_of_every_section(encoder: Encoder) -> None:
    longer, shorter = summaries(KILN, encoder.encode)
    assert longer.startswith("The kiln is loaded from the back.")
    for _, texts in (("Firing", KILN[3:6]), ("Cooling", KILN[6:])):
        assert any(unit.text in longer for unit in texts)
    assert sum(unit.text in longer for unit in KILN) <= MOST
    assert len(shorter) < len(longer) <= WHOLE
    assert "Did you" not in longer


def test_headers_boilerplate_and_most_rows_are_left_out(encoder: Encoder) -> None:
    rows = [f"Bowl: {name} | Glaze: blue" for name in ("large", "small", "deep", "flat")]
    opening = "The bowls of the spring sale are listed here."
    made = units(("", ["From: Ada <a@example.org>", "Dear Bo,", opening, *rows]))
    [longer, _] = summaries([*made, *units(("", ["© 2026 The pottery. All rights reserved."]))], encoder.encode)
    lines = longer.split("\n")
    assert lines[0] == opening
    assert len(lines) == 3
    assert set(lines[1:]) <= set(rows)


def test_nothing_is_made_of_nothing(encoder: Encoder) -> None:
    assert summaries(units(("", ["Hello?", "To: Bo"])), encoder.encode) == []
