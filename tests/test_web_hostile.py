"""Sixty hostile strings wherever somebody else's words stand: none of them is more than words."""

import json
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from page_server import page_server
from test_render import NOW, SAFE, citation, reply, turn
from web_fixture import canned_bot, chromium, serving

from app.config import Settings
from app.library.catalogue import StoredSource
from app.store.conversations import Match, StoredConversation
from app.store.opinions import Rating
from app.web.jobs import Job
from app.web.parts import drafts, following, frame, library, paper, settings, sources, transcript, viewer, welcome, why
from app.web.parts.conversations import conversations
from app.web.uploads import Upload
from app.web.words import Language
from dialogue.types import Candidate, Citation, Drafted, Role, Scores, Step, Turn
from retrieval.encoder.embed import Encoder
from retrieval.types import Document, Evidence, Section

CALLS = ("window.hit=1", "alert(1)")
SHAPES = (
    *("<script>{0}</script>", "<img src=x onerror={0}>", "<svg onload={0}>", "<svg/onload={0}//", "<body onload={0}>"),
    *("'><img src=x onerror={0}>", '"><img src=x onerror={0}>', "' onmouseover='{0}", '" autofocus onfocus="{0}'),
    *("<iframe srcdoc='<script>parent.{0}</script>'>", "<a href='javascript:{0}'>x</a>", "[x](javascript:{0})"),
    *(
        "![x](x onerror={0})",
        "<details open ontoggle={0}>",
        "<style>@import 'x';</style><b>{0}",
        "${{{0}}}",
        "{{{{{0}}}}}",
    ),
    *("`;{0};`", "\\u003cscript\\u003e{0}", "&lt;img src=x onerror={0}&gt;", "&#60;img src=x onerror={0}&#62;"),
    *(
        "</textarea><img src=x onerror={0}>",
        "</title><script>{0}</script>",
        "--><script>{0}</script>",
        "]]><x onclick={0}>",
    ),
    *(
        "<math><mtext><img src=x onerror={0}>",
        "<form action='javascript:{0}'><input type=submit>",
        "\x00<img src=x onerror={0}>",
    ),
    *("<base href='//evil.test/'>{0}", "<meta http-equiv=refresh content='0;url=//evil.test/?{0}'>"),
)
HOSTILE = [shape.format(call) for shape in SHAPES for call in CALLS]


class Skeleton(HTMLParser):
    """The tags of some HTML with the names of their attributes, and the values of those that can do something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        for name, value in attrs:
            assert not name.startswith("on"), name
            if name in ("href", "src", "action"):
                assert (value or "").startswith(("/", "#", "?c=")), value

    def handle_data(self, data: str) -> None:
        self.words += data


def painted(x: str) -> Iterator[str]:
    """All that is painted, with the same words wherever somebody else's may stand."""
    cited: Citation = citation(title=x)
    draft = Candidate(x, SAFE, Scores(0.9, 0.9, 0.9, 0.9), 0.5, x)
    answer = reply("As it is [1]", citations=(cited,), candidates=(draft,))
    told = replace(answer.trace, prompt=x, query=x, notes=(x,), research=(Turn("assistant", x), Turn("system", x)))
    answer = replace(answer, trace=replace(told, evidence=(Evidence(cited.passage, 0.5, 0.5, 0.5),)))
    asked = turn(question=x, answer=answer)
    role = Role(x, (Turn("user", x), Turn("assistant", x)), about=x)
    stored = StoredConversation("c", x, NOW, NOW, 1, False, "r")
    source = StoredSource(1, f"/a/{x}", x, x, x, 5, 1, "", NOW)
    document = Document(x, x, f"{x}\n{x}", (Section((x,), 0, len(x), x),))
    yield transcript.transcript([asked], shape=transcript.Shape({1: Rating(False, "other", x)}))
    yield transcript.transcript([turn(question=x, state="failed", reason=x)])
    yield transcript.working(Job("c", x, steps=[Step("search", x)], drafts={0: Drafted(x, x, 0, 1, draft)}))
    yield drafts.drafts([Drafted(x, x, 0, 1), Drafted(x, x, 1, 2, safe=True)])
    yield welcome.welcome([x], {"candor": Role(), "r": role}, "candor")
    yield welcome.opening(role)
    yield frame.header(x, False, x)
    yield frame.composer(x, 9)
    yield conversations([], "c", x)
    yield conversations([stored], "c", "whale", found={"c": Match(1, x)}, roles={"r": x}, now=NOW)
    yield sources.sources(x, "1", answer)
    yield sources.sources(x, "1", reply("No.", "abstained", ()))
    yield why.why(x, "1", answer)
    yield viewer.document(document, viewer.Opened("1", "1", (1,), "", True))
    yield library.documents([source], [Upload(x, note=x), Upload(x, state="failed", note=x)])
    yield following.following([x])
    given, roles = Settings(model=x, preset=x), {"r": role, "s": role}
    yield settings.settings(given, {"en": Language(x)}, "en", roles, "r", (x, "quote"))
    yield paper.paper(stored, [asked])


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_change_no_tag_of_the_page(words: str) -> None:
    for harmless, hostile in zip(painted("y"), painted(words), strict=True):
        assert Skeleton(hostile).tags == Skeleton(harmless).tags


def test_there_are_sixty_of_them() -> None:
    assert len(set(HOSTILE)) == 60


@pytest.mark.browser
@pytest.mark.slow
def test_hostile_words_do_nothing_in_a_browser(encoder: Encoder, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    folder, files = tmp_path / "data", tmp_path / "files"
    (folder / "roles").mkdir(parents=True)
    files.mkdir()
    for number, words in enumerate(HOSTILE):
        name = "".join(letter for letter in words if letter.isprintable() and letter != "/")[:60]
        (files / f"{number} {name}.md").write_text(f"# {words}\n\nThe whale number {number} says {words} to all.\n")
        said = json.dumps(words)
        (folder / "roles" / f"bad{number}.toml").write_text(f'name = {said}\nabout = {said}\nsubject = "whale"\n')
    with (
        page_server() as linked,
        canned_bot(folder, encoder, sorted(files.iterdir()), fetch_allow="127.0.0.0/8") as bot,
        serving(bot, HOSTILE[:4]) as url,
    ):
        for number, words in enumerate(HOSTILE):
            title = escape(words.replace("\0", ""))
            linked.page(f"/{number}", f"<title>{title}</title><h1>{title}</h1><p>The dolphin {number} is grey.</p>")
        bot.ingest([linked.url(f"/{number}") for number in range(len(HOSTILE))])
        assert len(bot.library.sources()) == 2 * len(HOSTILE)
        loaded = sum(name.startswith("bad") for name in bot.roles())  # some words make no role file
        assert loaded >= 45
        talk = bot.start()
        for words in HOSTILE:
            bot.ask(f"whale number {words}", talk)
            bot.history.rename(bot.history.start(), words)
        with chromium(1280, 800) as context:
            page, faults = context.new_page(), []
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("dialog", lambda dialog: faults.append(dialog.message))
            page.on("request", lambda to: None if to.url.startswith((url, "blob:", "data:")) else faults.append(to.url))
            page.goto(url)
            page.wait_for_selector(".hello")
            expect(page.locator(".roles [data-act=role]")).to_have_count(2 + loaded)
            page.locator(".roles [data-act=role]").last.click()
            expect(page.locator(".hello h2")).not_to_have_text("Ask about your documents")
            expect(page.locator("#rows .conversation")).to_have_count(50)
            page.goto(f"{url}?c={talk}")
            page.wait_for_selector("#log .cite")
            page.locator("#log [data-act=earlier]").click()
            expect(page.locator("#log .turn")).to_have_count(len(HOSTILE))
            for tab in ("sources", "why", "documents", "settings"):
                page.locator(f"#tab-{tab}").click()
            page.locator("#tab-documents").click()
            expect(page.locator("#documents li")).to_have_count(2 * len(HOSTILE))
            page.locator("#documents .open").first.click()
            page.wait_for_selector("#opened .text")
            page.goto(f"{url}paper?c={talk}")
            page.wait_for_selector(".behind")
            assert page.evaluate("window.hit") is None
            assert faults == []
