"""The page in other languages: nothing of it is left out, nothing is left over, and a file adds a language."""

import ast
import re
from calendar import month_name
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.web import view
from app.web.jobs import UNEXPECTED
from app.web.parts import frame, settings, transcript, why
from app.web.words import Language, count, html, read_languages, said, speaking

WEB = Path(__file__).parents[1] / "app" / "web"
SAYING = {"said", "html", "blank"}
GONE = ("has changed", "was removed")
NOUNS = ("source", "document", "passage", "page", "draft", "earlier message")
TABLES = (
    *(words for _, words in (*frame.TABS, *settings.THEMES, *settings.SIZES, *settings.SHOWN, *why.BARS)),
    *(*settings._ORIGINS.values(), *transcript._ENDS.values(), *transcript._SAID.values(), *why._STAGES.values()),
    *(label for label, _, _ in (*transcript._STAGES, transcript._LOOKING)),
    *("unsafe", "unsupported", "not answering", "not sensible", view.GONE, UNEXPECTED),
    *("its statement is supported", "both of its statements are supported", "all {n} of its statements are supported"),
    *("You chose it from {drafts}", "Chosen from {drafts}", "Served", "Dropped", "Not chosen", "May be served"),
    *("Being checked", "Steps", "Passages found, the likeliest first", "Time", "Fingerprints", "Good reply"),
    *("Bad reply", "Earlier version", "Later version", "Previous citation", "Next citation", "Language", "Colours"),
    *("Waiting", "Reading", "Reading again", "Fetching", "Adding to the index", "Size of the text"),
    *(f"This document {gone} since the reply. This is the passage as it was then." for gone in GONE),
    *("This message was not answered.", *month_name[1:]),
)


def in_python() -> Iterator[str]:
    """The English sentences that the code says."""
    for path in WEB.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SAYING:
                for given in node.args:
                    sides = (given.body, given.orelse) if isinstance(given, ast.IfExp) else (given,)
                    yield from (n.value for n in sides if isinstance(n, ast.Constant) and isinstance(n.value, str))


def in_scripts() -> Iterator[str]:
    for path in (WEB / "script").glob("*.js"):
        text = path.read_text(encoding="utf-8")
        yield from re.findall(r"\bt\('([^']+)'", text)
        for table in re.findall(r"const (?:KEYS|REASONS) = \[(.*?)\];", text, re.DOTALL):
            yield from re.findall(r"', '([^']+)'\]", table)
        for items in re.findall(r"const items = \[(.*?)\];", text, re.DOTALL):
            yield from re.findall(r"\['([^']+)', \(\)", items)


def needed() -> set[str]:
    nouns = (form for noun in NOUNS for form in (f"1 {noun}", f"{{n}} {noun}s"))
    return {key for key in (*in_python(), *in_scripts(), *TABLES, *nouns) if re.search("[a-z]{2}", key)}


@pytest.mark.parametrize("code", ["de", "nl"])
def test_every_sentence_of_the_page_is_translated_with_the_same_names_in_it(code: str) -> None:
    words, wanted = read_languages()[code].words, needed()
    assert sorted(wanted - words.keys()) == []
    assert sorted(words.keys() - wanted) == []
    for english, other in words.items():
        assert set(re.findall(r"\{\w+\}", other)) <= set(re.findall(r"\{\w+\}", english)), english


def test_a_file_adds_a_language_and_a_broken_one_takes_none_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "fr.toml").write_text(
        'name = "Français"\n[words]\n"Stop" = "Arrêter <b>"\n"{n} sources" = "{x} sources"\n'
    )
    (tmp_path / "xx.toml").write_text("words = 3")
    found = read_languages(tmp_path)
    assert (set(found), found["fr"].name) == ({"en", "de", "nl", "fr"}, "Français")
    assert "xx is left out" in caplog.text
    with speaking(found["fr"]):
        assert (said("Stop"), html("Stop"), said("Send")) == ("Arrêter <b>", "Arrêter &lt;b&gt;", "Send")
        assert count(3, "source") == "3 sources"
    with speaking(Language()):
        assert count(1, "source") == "1 source"
    assert said("{title} {x}", title="{x} <b>", x=1) == "{x} <b> 1"
