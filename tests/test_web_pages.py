"""Pages of the web: as evidence found by a wiki or a search engine, and as documents of the library."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from page_server import Answer, PageServer, page_server

from app.bot import Bot, open_bot
from app.config import Settings, load_settings
from app.doctor import examine
from app.errors import SettingsError
from app.web.parts.sources import sources
from retrieval.encoder.embed import Encoder
from retrieval.tools.addresses import read_networks
from retrieval.tools.fetch import Fetcher, Page
from retrieval.tools.sitemap import Robots, read_sitemap
from retrieval.tools.toolset import Toolset
from retrieval.tools.web import MediaWiki, SearXNG, Web, canonical_address, read_page
from retrieval.types import SourceError, Unreachable

HERE = read_networks("127.0.0.1/32")
KILN = (
    "<html><title>Kilns</title><body><h1>Kilns</h1>"
    "<p>The kiln of Orrel was built in 1764 by potters. It burnt oak.</p></body></html>"
)
MILL = "<html><title>Mills</title><body><h1>Mills</h1><p>A mill grinds corn between two stones.</p></body></html>"


@pytest.fixture
def server() -> Iterator[PageServer]:
    with page_server() as server:
        server.page("/kiln.html", KILN)
        server.page("/mill.html", MILL)
        yield server


def told(data: object) -> Answer:
    return Answer(json.dumps(data).encode(), kind="application/json")


def searching(server: PageServer, *hits: tuple[str, str, str]) -> None:
    """Let the server be a SearXNG that always finds these pages."""
    rows = [{"url": url, "title": title, "content": content} for url, title, content in hits]
    server.pages["/search"] = told({"results": rows})


def test_a_search_engine_finds_pages_and_these_are_read(server: PageServer, encoder: Encoder) -> None:
    with page_server() as other:
        other.page("/kiln.html", KILN)
        searching(server, (server.url("/mill.html"), "Mills", ""), (other.url("/kiln.html#top"), "Kilns", ""))
        found = Web(SearXNG(server.url()), Fetcher(HERE), encoder).look_up("Who built the kiln of Orrel?")
        assert found[0].passage.source == other.url("/kiln.html")
        assert (found[0].passage.title, found[0].passage.kind) == ("Kilns", "page")
        assert "1764" in found[0].passage.text
        assert {item.passage.source for item in found} == {other.url("/kiln.html"), server.url("/mill.html")}
    assert "Who+built+the+kiln+of+Orrel%3F" in server.paths()[0]


def test_what_cannot_be_read_is_quoted_as_the_engine_has_it(server: PageServer, encoder: Encoder) -> None:
    searching(
        server,
        ("http://169.254.169.254/latest", "Metadata", "The <b>kiln</b> of Orrel &amp; its potters."),
        ("http://10.0.0.1/", "Nothing", ""),
        ("javascript:alert(1)", "Odd", "The kiln of Orrel is odd."),
    )
    found = Web(SearXNG(server.url()), Fetcher(), encoder).look_up("kiln of Orrel")
    assert [(item.passage.source, item.passage.text) for item in found] == [
        ("http://169.254.169.254/latest", "The kiln of Orrel & its potters.")
    ]


def test_a_wiki_is_asked_in_its_order(server: PageServer, encoder: Encoder) -> None:
    pages = [
        {"index": 2, "title": "Mills", "fullurl": server.url("/mill.html")},
        {"index": 1, "title": "Kilns", "fullurl": server.url("/kiln.html")},
    ]
    server.pages["/w/api.php"] = told({"query": {"pages": pages}})
    wiki = MediaWiki(server.url("/w/api.php"))
    assert [hit.title for hit in wiki.find("kiln")] == ["Kilns", "Mills"]
    found = Web(wiki, Fetcher(), encoder).look_up("kiln")  # its own pages may be where it is
    assert found[0].passage.source == server.url("/kiln.html")
    server.pages["/w/api.php"] = told({"batchcomplete": True})
    assert Web(wiki, Fetcher(), encoder).look_up("nothing") == ()


@pytest.mark.parametrize(
    "answer",
    [Answer(b"no", 403), Answer(b"<html>", kind="text/html"), told([1]), told({"results": 3, "query": {"pages": 1}})],
)
def test_an_engine_that_fails_is_told_and_the_others_go_on(
    server: PageServer, encoder: Encoder, answer: Answer
) -> None:
    server.pages["/search"] = answer
    tool = Web(SearXNG(server.url()), Fetcher(HERE), encoder)
    notes: list[str] = []
    assert Toolset((tool,), notes.append).look_up("kiln") == ()
    if answer.body.startswith(b"{"):
        assert notes == []
    else:
        assert "127.0.0.1" in notes[0]
        with pytest.raises(Unreachable):
            Toolset((tool,)).look_up("kiln")


def test_a_page_becomes_a_document_under_its_address(server: PageServer) -> None:
    server.pages["/notes/plan.txt"] = Answer(b"The plan is simple.", kind="text/plain")
    server.pages["/empty"] = Answer(b"<p></p>")
    fetcher = Fetcher(HERE)
    page = read_page(fetcher.fetch(server.url("/notes/plan.txt#a")))
    assert (page.source, page.title, page.text) == (server.url("/notes/plan.txt"), "plan", "The plan is simple.")
    assert read_page(fetcher.fetch(server.url("/kiln.html"))).title == "Kilns"
    with pytest.raises(SourceError, match="no text found") as caught:
        read_page(fetcher.fetch(server.url("/empty")))
    assert str(caught.value).startswith(server.url("/empty"))


@pytest.mark.parametrize(
    ("link", "own"),
    [
        ("<link href='/kilns' rel=canonical>", "/kilns"),
        ('<LINK REL="canonical" HREF="http://other.example/kilns">', "/kilns?from=mail"),
        ('<link rel="canonical" href="/">', "/kilns?from=mail"),
        ('<link rel="stylesheet" href="/a.css">', "/kilns?from=mail"),
    ],
)
def test_a_page_is_known_by_the_address_it_calls_its_own(link: str, own: str) -> None:
    page = Page("http://127.0.0.1:8000/kilns?from=mail", "text/html", f"<head>{link}</head><p>x".encode())
    assert canonical_address(page) == f"http://127.0.0.1:8000{own}"


def sitemap(*urls: str, kind: str = "url") -> Answer:
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    entries = "".join(f"<{kind}><loc> {url} </loc></{kind}>" for url in urls)
    outer = "urlset" if kind == "url" else "sitemapindex"
    return Answer(f'<?xml version="1.0"?><{outer} xmlns="{space}">{entries}</{outer}>'.encode(), kind="application/xml")


def test_a_sitemap_tells_the_pages_of_its_own_host(server: PageServer) -> None:
    server.pages["/sitemap.xml"] = sitemap(
        server.url("/kiln.html"), "http://other.example/", "http://[", server.url("/kiln.html")
    )
    server.pages["/index.xml"] = sitemap(server.url("/sitemap.xml"), kind="sitemap")
    fetcher = Fetcher(HERE)
    assert read_sitemap(fetcher.fetch(server.url("/sitemap.xml"), ())).pages == (server.url("/kiln.html"),)
    assert read_sitemap(fetcher.fetch(server.url("/index.xml"), ())).sitemaps == (server.url("/sitemap.xml"),)
    for body in (
        b"<rss/>",
        b"<urlset",
        b"",
        b'<!DOCTYPE a [<!ENTITY x "y">]><urlset/>',
        gzip.compress(b"<urlset/>")[:-5],
    ):
        server.pages["/bad.xml"] = Answer(body, kind="text/xml")
        with pytest.raises(SourceError, match="sitemap"):
            read_sitemap(fetcher.fetch(server.url("/bad.xml"), ()))


def test_robots_txt_is_heeded(server: PageServer) -> None:
    server.pages["/robots.txt"] = Answer(b"User-agent: *\nDisallow: /private/\nCrawl-delay: 99\n", kind="text/plain")
    robots = Robots(Fetcher(HERE))
    assert [bool(robots.refusal(server.url(path))) for path in ("/kiln.html", "/private/a")] == [False, True]
    assert robots.pause(server.url()) == 10
    assert server.paths() == ["/robots.txt"]
    for status, refusal in ((404, False), (403, False), (409, True), (429, True), (503, True)):
        server.pages["/robots.txt"] = Answer(b"", status)
        assert ("cannot be asked" in Robots(Fetcher(HERE)).refusal(server.url("/kiln.html"))) is refusal


@pytest.fixture
def bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: Encoder, server: PageServer) -> Iterator[Bot]:
    monkeypatch.setattr("retrieval.encoder.embed.load_encoder", lambda name="": encoder)
    with open_bot(tmp_path / "data", "quote", fetch_allow="127.0.0.1/32", searxng=server.url()) as bot:
        yield bot


def outcomes(bot: Bot, *urls: str) -> list[tuple[str, str]]:
    return [(file.outcome, file.uri) for file in bot.ingest(urls).files]


@pytest.mark.slow
def test_pages_are_ingested_refreshed_and_cited_under_their_address(bot: Bot, server: PageServer) -> None:
    def kiln(headers: dict[str, str]) -> Answer:
        return (
            Answer(status=304)
            if headers.get("if-none-match") == '"1"'
            else Answer(KILN.encode(), headers={"ETag": '"1"'})
        )

    server.pages["/kiln.html"] = kiln
    server.pages["/sitemap.xml"] = sitemap(*map(server.url, ("/kiln.html", "/mill.html", "/private/x", "/none.html")))
    server.pages["/robots.txt"] = Answer(b"User-agent: *\nDisallow: /private/\n", kind="text/plain")
    urls = {name: server.url(f"/{name}") for name in ("kiln.html", "mill.html", "private/x", "none.html")}
    first = bot.ingest([server.url("/sitemap.xml")])
    assert {(file.outcome, file.uri) for file in first.files} == {
        *(("added", urls[name]) for name in ("kiln.html", "mill.html")),
        *(("failed", urls[name]) for name in ("private/x", "none.html")),
    }
    reasons = {file.uri: file.reason for file in first.files}
    assert "robots.txt" in reasons[urls["private/x"]]
    assert reasons[urls["none.html"]] == "the server answers HTTP 404"
    assert "/private/x" not in server.paths()
    assert {source.name for source in bot.library.sources()} == {urls["kiln.html"], urls["mill.html"]}

    assert outcomes(bot, urls["kiln.html"] + "#top", urls["mill.html"]) == [
        ("unchanged", urls["kiln.html"]),
        ("unchanged", urls["mill.html"]),
    ]
    server.page("/mill.html", MILL.replace("corn", "barley"))
    assert outcomes(bot, urls["mill.html"]) == [("replaced", urls["mill.html"])]

    reply = bot.ask("When was the kiln of Orrel built?")
    assert (reply.outcome, reply.citations[0].source) == ("answered", urls["kiln.html"])
    assert outcomes(bot, "http://10.0.0.1/", "ftp://site.example/x") == [
        ("failed", "http://10.0.0.1/"),
        ("failed", "ftp://site.example/x"),
    ]
    assert outcomes(bot, "http://me:pw@site.example/") == [("failed", "http://…@site.example/")]


def test_a_question_is_answered_from_the_web_with_the_page_cited(bot: Bot, server: PageServer) -> None:
    searching(server, (server.url("/kiln.html"), "Kilns", ""))
    reply = bot.ask("When was the kiln of Orrel built?")
    assert "1764" in reply.text
    assert reply.citations[0].source == server.url("/kiln.html")
    turn = bot.history.turns(reply.conversation)[-1]
    assert turn.reply == reply
    assert f"href='{server.url('/kiln.html')}'" in sources(turn.question, str(turn.id), turn.reply)
    asked = len(server.asked)
    assert bot.ask("Hello!").outcome == "answered"
    assert bot.ask("What is 12 * 7?").citations[0].source == "calculator"
    assert len(server.asked) == asked  # neither small talk nor a sum is sent to the engine
    server.pages["/search"] = Answer(b"", 503)
    reply = bot.ask("When was the kiln of Orrel built?")
    assert reply.outcome == "abstained"
    assert "HTTP 503" in " ".join(reply.trace.notes)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("translator", "opus", "must be hf:FOLDER-OR-HUB-NAME"),
        ("wiki", "wiki.example", "is no address|only http"),
        ("searxng", "http://me:pw@search.example/", "holds a name or a password"),
        ("searxng", "http://search.example/?q=1", "without a query"),
        ("fetch_allow", "everything", "'everything' is no network"),
    ],
)
def test_a_setting_of_the_toolset_that_cannot_be_is_refused(setting: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        load_settings({setting: value}, {})
    assert "pw" not in str(caught.value)


def test_doctor_names_the_tools_that_are_set(tmp_path: Path, server: PageServer) -> None:
    searching(server)
    settings = Settings(
        data_dir=tmp_path,
        model="quote",
        translator="hf:./no-such-folder",
        wiki=server.url("/none.php"),
        searxng=server.url(),
        fetch_allow="127.0.0.1/32",
    )
    found = {finding.name: (finding.state, finding.detail) for finding in examine(settings, "some")}
    assert found["translator"] == ("fail", "there is no folder './no-such-folder'")
    assert found["wiki"][0] == "warn"
    assert found["searxng"] == ("ok", f"{server.url()} answers; questions are sent to it")
    assert "127.0.0.1/32" in found["fetching"][1]


def test_halves_of_characters_and_odd_addresses_from_an_engine_do_no_harm(server: PageServer, encoder: Encoder) -> None:
    hits = (
        ("http://127.0.0.1:1/\ud800", "Kilns \ud800", "The kiln \ud800 of Orrel."),
        ("http://[", "Nothing", "The kiln of Orrel."),
        ("http://\udfff/", "", "The kiln of Orrel."),
    )
    searching(server, *hits)
    found = Web(SearXNG(server.url()), Fetcher(), encoder).look_up("kiln of Orrel")
    assert [item.passage.text for item in found] == ["The kiln \ufffd of Orrel."]
    assert found[0].passage.title == "Kilns \ufffd"
    assert found[0].passage.source.encode()
    pages = [{"title": "\ud800", "fullurl": url} for url, _, _ in hits]
    server.pages["/api.php"] = told({"query": {"pages": pages}})
    assert MediaWiki(server.url("/api.php")).find("kiln")[0].title == "\ufffd"
    assert not Web(MediaWiki(server.url("/api.php")), Fetcher(), encoder).look_up("kiln of Orrel")
