"""Pages as sites have them: what leads around is left out, what a margin says of its own is kept."""

import json

import pytest

from retrieval.html import from_html
from retrieval.types import Note, SourceError

MENU = "".join(f"<li><a href='/{word}'>{word.title()}</a></li>" for word in ("boats", "moorings", "tides", "news"))


def told(body: str, head: str = "") -> list[tuple[tuple[str, ...], str]]:
    document = from_html(f"<html><head>{head}</head><body>{body}</body></html>", "a", "a")
    return [(section.headings, document.text[section.start : section.end]) for section in document.sections]


def test_menus_trails_and_banners_are_left_out() -> None:
    page = (
        f"<div id='cookie-bar'><p>We use cookies. <a href=x>Policy</a></p></div><ul class=top>{MENU}</ul>"
        "<div class='breadcrumbs'><a href=/>Home</a> / <a href=/a>Boats</a> / Hire</div>"
        "<h1>Boat hire</h1><p>A punt costs 14 euros.</p><ul><li><a href=/p.pdf>Price list</a></li></ul>"
        f"<footer><ul>{MENU}</ul><p>© 2021 The boatyard. All rights reserved.</p></footer>"
    )
    assert told(page) == [((), "A punt costs 14 euros.\nPrice list")]


@pytest.mark.parametrize("main", ["<main>{}</main>", "<div>{}</div>"])
def test_margins_say_how_to_reach_somebody_and_when(main: str) -> None:
    page = (
        f"<header><a href=/>Boatyard</a><ul>{MENU}</ul><p>Ring 01632 960111</p></header>"
        + main.format("<h1>Boat hire</h1><p>A punt costs 14 euros.</p>")
        + f"<aside><p>Win a trip!</p><p>Open Tuesday to Friday, 9.30 to 16.00</p></aside>"
        f"<footer><nav>{MENU}</nav><div><div><h4>Find us</h4><p>Boatyard<br>3 Canal Walk</p></div></div>"
        "<p>© 2021 <a href=/p>Privacy</a></p></footer>"
    )
    text = "\n".join(text for _, text in told(page))
    assert all(wanted in text for wanted in ("14 euros", "01632 960111", "9.30 to 16.00", "Boatyard, 3 Canal Walk"))
    assert not any(word in text for word in ("Win a trip", "Moorings", "Privacy", "2021"))
    assert (("Find us",), "Boatyard, 3 Canal Walk") in told(page)


def test_a_definition_stands_with_its_term() -> None:
    page = "<dl><dt>Bight</dt><dd>A loop.</dd><dd>A wide bay.</dd>"
    page += "<dt>Sheet:</dt><dt>Brace</dt><dd><p>A rope.</p></dd></dl>"
    [(_, text)] = told(page + "<dl><dt>Alone</dt></dl>")
    assert text.split("\n") == ["Bight: A loop.", "Bight: A wide bay.", "Sheet: / Brace: A rope.", "Alone"]


def test_data_for_machines_says_what_the_page_does_not() -> None:
    shop = {
        "@type": "Store",
        "name": "Chandlery",
        "telephone": "01632 960222",
        "openingHours": ["Mo-Fr 09:00-12:30"],
        "address": {"streetAddress": "1 Slip", "addressLocality": "Ness"},
        "openingHoursSpecification": {"dayOfWeek": "https://schema.org/Sunday", "opens": "10:00", "closes": "11:00"},
    }
    data = json.dumps({"@graph": [shop, {"name": "x", "telephone": ["01632 960333"]}]})
    data = f'<script type="application/ld+json">{data}</script><script type="application/ld+json">{{</script>'
    page = told("<h1>Chandlery</h1><p>Call 01632-960222 before noon.</p>", data)
    assert [line for line in page[1][1].split("\n") if line] == [
        "Address of Chandlery: 1 Slip, Ness",
        "Opening hours of Chandlery: Monday to Friday 09:00-12:30",
        "Opening hours of Chandlery: Sunday 10:00–11:00",
        "Telephone of x: 01632 960333",
    ]


def test_a_page_that_scripts_write_says_so() -> None:
    empty = "<noscript>Please enable JavaScript.</noscript><div id='root'></div><script src=a.js></script>"
    with pytest.raises(SourceError, match="scripts"):
        told(empty)
    document = from_html(f"<body><p>Loading</p>{empty}", "a", "a")
    assert dict(document.notes) == {Note.SCRIPTED: 1}


def test_code_keeps_its_lines() -> None:
    assert told("<pre><code>if wind:\n    reef()\n</code></pre>") == [((), "if wind:\n    reef()")]


def test_the_lines_of_an_address_are_one_and_other_lines_stay_apart() -> None:
    vets = "Harbour Vets<br>6 Capstan Quay<br>Marlow MS3 1QD<br>Tel. 01632 960604"
    assert told(f"<p>{vets}</p><p>Room 12<br>is free.</p>") == [
        ((), "Harbour Vets, 6 Capstan Quay, Marlow MS3 1QD\nTel. 01632 960604\n\nRoom 12\nis free.")
    ]
