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


def test_titles_of_paragraphs_stay_with_what_is_decided_and_people_are_left_out(encoder: Encoder) -> None:
    texts = [
        ["Present: Ada Reed, Bo Lind"],
        ["1. Boat.", "Two offers came in.", "The committee chose the one from Fenn."],
        ["2. Club fee.", "It rises to 40 pounds."],
        ["3. New oars.", "Put off until May."],
    ]
    whole = "\n\n".join(" ".join(paragraph) for paragraph in texts)
    passage = Passage(1, whole, "a", "A", (), 0, len(whole))
    made = [Unit(passage, text, whole.index(text)) for paragraph in texts for text in paragraph]
    longer = summaries(made, encoder.encode)[0]
    assert longer.count("1. Boat. ") == 1
    assert "The committee chose" in longer
    assert "2. Club fee. It rises to 40 pounds. 3. New oars. Put off until May." in longer
    assert "Ada Reed" not in longer


def test_a_short_list_comes_with_the_words_before_it(encoder: Encoder) -> None:
    text = "The fair is in May.\n\nI need from you:\n- a van for the tables\n- a scale for the ram"
    passage = Passage(1, text, "a", "A", (), 0, len(text))
    pieces = ["The fair is in May.", "I need from you:", "- a van for the tables", "- a scale for the ram"]
    longer = summaries([Unit(passage, piece, text.index(piece)) for piece in pieces], encoder.encode)[0]
    assert longer == "The fair is in May.\nI need from you:\n- a van for the tables\n- a scale for the ram"


def test_nothing_is_made_of_nothing(encoder: Encoder) -> None:
    assert summaries(units(("", ["Hello?", "To: Bo"])), encoder.encode) == []
