"""The parts of the page that are not about one reply: the library, a document, settings, lists, drafts, models."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from test_render import NOW, SAFE, Tags, citation, reply, turn

from app.config import load_settings
from app.library.catalogue import StoredSource
from app.store.conversations import Match, StoredConversation
from app.store.opinions import Rating
from app.web.parts import drafts, library, models, settings, sources, transcript, viewer, welcome
from app.web.parts.conversations import conversations
from app.web.uploads import Upload
from app.web.words import Language, read_languages, speaking
from dialogue.types import Candidate, Drafted, Role, Scores, Trace
from retrieval.types import Document, Evidence, Passage, Section
from safety.types import Verdict

TABLE = "Peaks\nname: K2 | height: 8611\nname: Everest | height: 8848\nThe end."
SECOND = TABLE.index("name: Everest")
HILLS = Document(
    "hills.pdf",
    "Hills",
    TABLE,
    (Section(("High",), 0, SECOND - 1, "p. 1"), Section(("High", "Higher"), SECOND, len(TABLE), "p. 2")),
)


def source(number: int, title: str, uri: str, days: int = 0) -> StoredSource:
    return StoredSource(
        number, uri, uri.rpartition("/")[2], title, "pdf", 2_400_000, 12, "", NOW - timedelta(days=days)
    )


def test_a_document_has_headings_pages_and_tables_with_the_cited_row_marked() -> None:
    start = TABLE.index("name: Everest")
    end = start + len("name: Everest | height: 8848")
    cited = replace(citation(), start=start, end=end, quote=TABLE[start:end])
    html = viewer.document(HILLS, viewer.Opened("3", "7", (1, 2), original=True), cited)
    assert html.index("<span>p. 1</span>") < html.index("<h2>High</h2>") < html.index("<span>p. 2</span>")
    assert html.count("<h2>High</h2>") == 1
    assert "<h3>Higher</h3>" in html
    assert "<th scope='col'>name</th><th scope='col'>height</th>" in html
    assert "<tr class='hit'><td><mark>Everest</mark></td><td><mark>8848</mark></td></tr>" in html
    assert html.count("<mark>") == 2
    assert "data-number='2'" in html
    assert "href='/original?source=3'" in html
    assert "<p>The end.</p>" in html


def test_a_document_opened_from_the_library_leads_back_there() -> None:
    html = viewer.document(HILLS, viewer.Opened("3", address="https://site.example/hills.pdf"))
    assert "data-act='library'" in html
    assert "<mark>" not in html
    assert "href='https://site.example/hills.pdf'" in html
    assert "/original" not in html


def test_the_library_shows_the_newest_first_says_what_is_new_and_is_searched() -> None:
    rows = [
        source(1, "Old", "/data/uploads/old.pdf", 9),
        source(2, "Web", "https://site.example/x"),
        source(3, "Mid", "/n/mid.pdf", 2),
    ]
    html = library.documents(rows, places={1: "p. 30"}, now=NOW)
    assert html.index(">Web<") < html.index(">Mid<") < html.index(">Old<")
    assert html.count("badge new") == 1
    words = Tags(html).words
    assert "PDF · 30 pages · 2.4 MB" in words
    assert "PDF · 12 passages · 2.4 MB" in words
    assert "2.4 MB · 2026-03-14site.example/x" in words
    assert "added here" in words
    assert "n/mid.pdf" in words
    assert "badge new" not in library.documents(rows[1:2], now=NOW)  # a word on every one says nothing
    assert [row.id for row in library.found(rows, "MID")] == [3]
    assert "Nothing found" in library.documents(rows, search="zebra")
    assert "Try the demo" in library.documents([])


def test_what_could_not_be_added_says_why_and_can_be_dismissed() -> None:
    rows = [
        Upload("a.pdf", note="Reading passage 3 of 9", share=0.4),
        Upload("b.pdf", state="failed", note="it is locked"),
    ]
    html = library.documents([], rows)
    assert "value='0.40'" in html
    assert "Not added: it is locked" in html
    assert "data-act='dismiss'" in html
    assert "data-number='1'" in html


def test_a_setting_says_its_value_and_where_it_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "candor.toml"
    file.write_text("passages = 5\ncandidates = 4\n")
    given = load_settings({"candidates": 3}, {"CANDOR_PRESET": "strict"}, file)
    assert given.origins == {"passages": "file", "candidates": "flag", "preset": "environment"}
    html = settings.settings(given, {"en": Language(), "de": Language("Deutsch")}, "de", {"candor": Role()}, "candor")
    for told in ("<b>3</b><small>given on the command line", "<b>5</b><small>from the settings file"):
        assert told in html
    assert "<b>strict</b><small>from the environment" in html
    assert "<small>default" in html
    assert "--research-rounds, CANDOR_RESEARCH_ROUNDS or research_rounds" in html
    assert "<option value='de' selected>Deutsch</option>" in html
    assert "data-act='role'" not in html  # one role is no choice
    assert "data-setting" not in html
    offered = settings.settings(given, {"en": Language()}, "en", {}, "candor", ("quote", "smollm2"))
    assert "type='number' data-setting='candidates' aria-describedby='origin-candidates' value='3' min='1'" in offered
    assert "<option value='quote'" in offered
    assert "data-setting='preset'" not in offered


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("quote", "Quoting from your documents · no language model"),
        ("smollm2", "Small model on this machine · quoting beside it"),
        ("hf:org/Some-Model", "Some-Model on this machine · quoting beside it"),
        ("gguf:/models/some.gguf", "some on this machine · quoting beside it"),
        ("http://gpu.example:8000/v1", "Model at gpu.example · quoting beside it"),
    ],
)
def test_a_model_is_told_in_words(setting: str, words: str) -> None:
    assert models.answering(setting) == words


def test_who_wrote_a_reply_is_told() -> None:
    assert models.written_by("quote", "") == models.written_by("", "quote/answers-2/c59") == "Quoted from the sources"
    assert models.written_by("", "hf/x/1") == "Written by a language model"
    assert models.written_by("smollm2", "") == "Written by the small model"


def test_a_search_marks_its_words_where_they_stand() -> None:
    row = StoredConversation("c", "Birds", NOW, NOW, 2, False)
    html = conversations([row], "", "osprey NEST", found={"c": Match(7, "Where does the Osprey nest?")}, now=NOW)
    assert "Where does the <mark>Osprey</mark> <mark>nest</mark>?" in html
    assert "data-turn='7'" in html


def test_versions_are_leafed_through_and_ratings_stay_pressed() -> None:
    shown = replace(turn(5), versions=(3, 5, 8))
    html = transcript.transcript([shown], shape=transcript.Shape({5: Rating(False, "wrong")}))
    assert "2 of 3" in html
    assert "data-act='version' aria-label='Earlier version' title='Earlier version' data-turn='3'" in html
    assert "data-turn='8'" in html
    assert html.count("aria-pressed='true'") == 1
    assert "data-act='again'" in html
    older = transcript.transcript([turn(1), turn(2)])
    assert older.count("data-act='again'") == older.count("data-act='edit'") == 1
    assert "versions" not in older


def test_drafts_show_with_their_verdict_and_unsafe_ones_not_at_all() -> None:
    bad = Candidate("Vile words.", Verdict(False, 0.9), Scores(), 0.1, "unsafe")
    written = [Drafted("First.", "smollm2", 0, 3, safe=True), Drafted("Vile words.", "smollm2", 1, 3, bad)]
    html = drafts.drafts([*written, Drafted("Not read yet.", "smollm2", 2, 3)])
    assert "Drafts so far: 3 of 3" in html
    assert "<p>First.</p><small><b>Being checked</b>" in html
    assert "Vile words" not in html
    assert "Not read yet" not in html
    assert drafts.drafts([]) == ""


def test_every_state_says_what_can_be_done() -> None:
    assert "data-act='demo'" in welcome.welcome([], {}, "", documents=0)
    near = Passage(4, "Ospreys nest on poles.", "birds.md", "Birds", (), 0, 22)
    trace = Trace(SAFE, evidence=(Evidence(near, 1.0),))
    html = sources.sources("Q", "1", replace(reply("No.", "abstained", ()), trace=trace))
    assert "Ospreys nest on poles." in html
    assert "Add a document that says it" in html
    need = replace(reply("You deserve support.", "refused", ()), trace=Trace(Verdict(False, 0.9, action="support")))
    page = transcript.transcript([turn(answer=need)])
    assert "class='words care'" in page
    assert "Declined" not in page
    assert "data-act='report'" not in page
    assert "data-act='report'" in transcript.transcript([turn(answer=reply("No.", "refused", ()))])


def test_the_page_is_painted_in_the_language_that_is_spoken() -> None:
    with speaking(read_languages()["de"]):
        assert "Frag deine Dokumente" in welcome.welcome([], {"candor": Role()}, "candor")
        assert "1 Quelle" in transcript.transcript([turn()])
    assert "1 source" in transcript.transcript([turn()])
