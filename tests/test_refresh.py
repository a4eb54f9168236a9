"""Refreshing and removing: what is stored against what is there now, and what names stand for."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from older_database import take_back
from page_server import Answer, PageServer, page_server
from test_index_library import Words

from app.errors import InputError
from app.library.catalogue import StoredSource, sources_named
from app.library.ingest import IngestProgress, IngestReport, ingest, refresh
from app.library.library import Library
from app.library.pages import PATIENCE, Pages, opened_pages
from app.store.database import Database, open_database
from retrieval.search import HybridRetriever
from retrieval.tools.addresses import read_networks
from retrieval.tools.fetch import Fetcher, PageLimits

HERE = read_networks("127.0.0.1/32")


@pytest.fixture
def library(database: Database, tmp_path: Path) -> Library:
    return Library(database, tmp_path, Words())


@pytest.fixture
def server() -> Iterator[PageServer]:
    with page_server() as server:
        yield server


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    (folder / "sub").mkdir(parents=True)
    for name in ("gold.md", "slate.md", "sub/neon.txt"):
        (folder / name).write_text(f"This note of {Path(name).stem} is short.\n")
    return folder


def outcomes(report: IngestReport) -> dict[str, str]:
    return {file.name: file.outcome for file in report.files}


def reasons(report: IngestReport) -> str:
    return " ".join(file.reason for file in report.files)


def names(library: Library) -> list[str]:
    return [source.name for source in library.sources()]


def found(library: Library, query: str) -> set[str]:
    retriever = HybridRetriever(library.embedder, library.open(), library.passages)
    return {item.passage.source for item in retriever.search([query], 1)}


def fetched(library: Library, tmp_path: Path, *urls: str) -> IngestReport:
    """Ingest addresses, or without any refresh all."""
    limits = PageLimits(connect=1, whole=2)
    with opened_pages(Fetcher(HERE, limits), tmp_path, library.hashes()) as pages:
        return ingest(library, urls, web=pages) if urls else refresh(library, web=pages)


def test_what_changed_is_replaced_what_is_gone_removed_and_what_is_new_added(library: Library, notes: Path) -> None:
    ingest(library, [notes])
    ids = {source.name: source.id for source in library.sources()}
    (notes / "gold.md").write_text("Platinum is dear.\n")
    (notes / "slate.md").unlink()
    (notes / "sub" / "iron.md").write_text("Iron rusts.\n")
    report = refresh(library)
    assert outcomes(report) == {
        "gold.md": "replaced",
        "slate.md": "removed",
        "sub/neon.txt": "unchanged",
        "sub/iron.md": "added",
    }
    assert names(library) == ["gold.md", "sub/iron.md", "sub/neon.txt"]
    assert {s.name: s.id for s in library.sources() if s.name in ids} == {
        n: ids[n] for n in ("gold.md", "sub/neon.txt")
    }
    assert found(library, "Platinum") == {"gold.md"}
    assert found(library, "slate") != {"slate.md"}
    assert set(outcomes(refresh(library)).values()) == {"unchanged"}


def test_only_what_is_named_is_read_again(library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(library, [notes])
    for file in ("gold.md", "slate.md", "sub/neon.txt"):
        (notes / file).write_text("All is changed.\n")
    (notes / "iron.md").write_text("Iron rusts.\n")
    assert outcomes(refresh(library, ["slate.md"])) == {"slate.md": "replaced"}
    assert outcomes(refresh(library, ["*.TXT"])) == {"sub/neon.txt": "replaced"}
    monkeypatch.chdir(notes)
    assert outcomes(refresh(library, ["gold.md", "slate.md"])) == {"gold.md": "replaced", "slate.md": "unchanged"}
    assert outcomes(refresh(library, ["."]))["iron.md"] == "added"
    with pytest.raises(InputError, match=r"there is no source 'none\.md'"):
        refresh(library, ["gold.md", "none.md"])


def test_a_file_named_itself_keeps_its_name_and_looks_at_no_neighbour(library: Library, notes: Path) -> None:
    ingest(library, [notes / "gold.md"])
    assert outcomes(refresh(library)) == {"gold.md": "unchanged"}
    ingest(library, [notes])  # now it is a part of its folder
    (notes / "new.md").write_text("Tin is soft.\n")
    assert outcomes(refresh(library))["new.md"] == "added"
    (notes / "sub" / "neon.txt").write_text("Xenon is a gas.\n")
    assert outcomes(ingest(library, [notes / "sub" / "neon.txt"])) == {"sub/neon.txt": "replaced"}


@pytest.mark.parametrize("way", ["missing", "empty"])
def test_a_folder_out_of_reach_keeps_its_documents(library: Library, notes: Path, tmp_path: Path, way: str) -> None:
    ingest(library, [notes])
    notes.rename(tmp_path / "away")
    if way == "empty":  # as the place of a disk is that is not mounted
        notes.mkdir()
    report = refresh(library)
    assert set(outcomes(report).values()) == {"failed"}
    assert f"`candor sources remove {notes}` takes it out" in reasons(report)
    assert len(names(library)) == 3
    assert found(library, "gold") == {"gold.md"}
    assert len(library.remove(str(notes))) == 3
    assert refresh(library).files == ()


def test_the_last_file_of_a_folder_can_go(library: Library, tmp_path: Path) -> None:
    file = tmp_path / "one" / "only.md"
    file.parent.mkdir()
    file.write_text("Only this.\n")
    ingest(library, [file])
    file.unlink()
    assert outcomes(refresh(library)) == {"only.md": "removed"}
    assert library.open() is None


def test_a_name_that_is_not_utf8_is_found_again(library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    odd = os.fsencode(folder) + b"/caf\xe9.md"
    with open(odd, "w") as file:
        file.write("Coffee is made from beans.")
    (folder / "tea.md").write_text("Tea is made of leaves.")
    ingest(library, [folder])
    assert set(outcomes(refresh(library)).values()) == {"unchanged"}
    os.unlink(odd)
    assert sorted(outcomes(refresh(library)).values()) == ["removed", "unchanged"]


def many(path: Path, *texts: str) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


def test_a_file_of_many_documents_is_refreshed_and_removed_as_a_whole(library: Library, notes: Path) -> None:
    file = many(notes / "many.jsonl", "Gold is a metal.", "Helium is a gas.", "Slate is a rock.")
    ingest(library, [notes])
    many(file, "Gold is a metal.", "Neon is a gas.")
    assert outcomes(refresh(library, ["many.jsonl"])) == {"many.jsonl": "replaced"}
    assert [row.name for row in library.remove("many.jsonl")] == ["many.jsonl#1", "many.jsonl#2"]
    assert names(library) == ["gold.md", "slate.md", "sub/neon.txt"]
    assert outcomes(refresh(library))["many.jsonl"] == "added"
    assert [row.name for row in library.remove(str(file))] == ["many.jsonl#1", "many.jsonl#2"]
    refresh(library)
    file.unlink()
    assert outcomes(refresh(library))["many.jsonl"] == "removed"


def test_all_names_are_understood_or_nothing_is_removed(library: Library, notes: Path) -> None:
    (notes / "a[1].md").write_text("The first.\n")
    (notes / "a1.md").write_text("Another.\n")
    ingest(library, [notes])
    with pytest.raises(InputError, match="there is no source 'none'"):
        library.remove("gold.md", "none")
    assert len(names(library)) == 5
    assert [row.name for row in library.remove("a[1].md")] == ["a[1].md"]  # a name before it is a pattern
    assert [row.name for row in library.remove("a[1].md")] == ["a1.md"]
    assert sorted(row.name for row in library.remove("*.md", "gold.md")) == ["gold.md", "slate.md"]
    assert names(library) == ["sub/neon.txt"]


def test_what_names_stand_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def row(number: int, uri: str, name: str, origin: str = "") -> StoredSource:
        return StoredSource(number, uri, name, "", "md", 1, 1, "", None, origin)  # type: ignore[arg-type]

    site = "https://site.example/map.xml"
    rows = [
        row(1, "/a/x.md", "x.md", "/a"),
        row(2, "/b/x.md", "x.md", "/b"),
        row(3, "/b/m.mbox#1", "m.mbox#1", "/b"),
        row(4, "/b/m.mbox#2", "m.mbox#2", "/b"),
        row(5, "https://site.example/one", "https://site.example/one", site),
        row(6, "/c/m.mbox#1", "c/m.mbox#1", "/"),
        row(7, f"{tmp_path}/here.md", "deep/here.md", str(tmp_path.parent)),
    ]
    monkeypatch.chdir(tmp_path)
    for name, ids in {
        "2": [2],
        "/b/x.md": [2],
        "m.mbox#2": [4],
        "m.mbox": [3, 4],
        "c/m.mbox": [6],
        "/b": [2, 3, 4],
        "/b/": [2, 3, 4],
        "here.md": [7],
        "../": [7],
        site: [5],
        "HTTPS://site.example/one#top": [5],
        "https://site.example/*": [5],
        "*/m.mbox*": [3, 4, 6],
        "?.md": [1, 2],
    }.items():
        assert [row.id for row in sources_named(rows, name)] == ids, name
    for name, message in {
        "x.md": "2 sources are called",
        "": "no source",
        "9": "no source",
        "/bb": "no source",
    }.items():
        with pytest.raises(InputError, match=message):
            sources_named(rows, name)


def sitemap(*urls: str) -> Answer:
    entries = "".join(f"<url><loc>{url}</loc></url>" for url in urls)
    return Answer(f"<urlset>{entries}</urlset>".encode(), kind="application/xml")


def page(server: PageServer, name: str, text: str) -> None:
    """A page with an ETag that is heeded."""
    tag = f'"{hash(text)}"'

    def answer(headers: dict[str, str]) -> Answer:
        if headers.get("if-none-match") == tag:
            return Answer(status=304)
        return Answer(f"<p>{text}</p>".encode(), headers={"ETag": tag})

    server.pages[name] = answer


def test_pages_are_asked_whether_they_changed(library: Library, server: PageServer, tmp_path: Path) -> None:
    for name in ("/a", "/b", "/c"):
        page(server, name, f"This is the page {name}.")
    urls = {name: server.url(name) for name in ("/a", "/b", "/c")}
    fetched(library, tmp_path, *urls.values())
    page(server, "/b", "This page has changed.")
    server.pages["/c"] = Answer(b"", 410)
    server.asked.clear()
    report = fetched(library, tmp_path)
    assert outcomes(report) == {urls["/a"]: "unchanged", urls["/b"]: "replaced", urls["/c"]: "removed"}
    assert server.paths() == ["/a", "/b", "/c"]
    assert names(library) == [urls["/a"], urls["/b"]]
    assert outcomes(fetched(library, tmp_path, urls["/c"])) == {urls["/c"]: "failed"}


def test_a_sitemap_is_followed(library: Library, server: PageServer, tmp_path: Path) -> None:
    urls = {name: server.url(name) for name in ("/a", "/b", "/c", "/d", "/e")}
    for name in urls:
        page(server, name, f"This is the page {name}.")
    index = server.url("/map.xml")
    server.pages["/map.xml"] = sitemap(urls["/a"], urls["/b"], urls["/c"])
    fetched(library, tmp_path, index, urls["/e"])
    assert {source.origin for source in library.sources()} == {index, ""}
    server.pages["/map.xml"] = sitemap(urls["/b"], urls["/c"], urls["/d"])  # /a is there, but no longer listed
    del server.pages["/c"]
    report = fetched(library, tmp_path)
    assert outcomes(report) == {
        urls["/a"]: "removed",
        urls["/b"]: "unchanged",
        urls["/c"]: "removed",
        urls["/d"]: "added",
        urls["/e"]: "unchanged",
    }
    server.pages["/map.xml"] = sitemap(urls["/d"])
    assert outcomes(fetched(library, tmp_path, index)) == {urls["/b"]: "removed", urls["/d"]: "unchanged"}
    server.pages["/map.xml"] = Answer(b"<p>Moved</p>")  # no reason to think that its pages are gone
    report = fetched(library, tmp_path)
    assert outcomes(report) == {index: "failed", urls["/d"]: "unchanged", urls["/e"]: "unchanged"}
    assert "sitemap" in reasons(report)
    server.pages["/map.xml"] = sitemap(urls["/d"])
    server.pages["/robots.txt"] = Answer(b"User-agent: *\nDisallow: /d\n", kind="text/plain")
    report = fetched(library, tmp_path)
    assert outcomes(report) == {urls["/d"]: "failed", urls["/e"]: "unchanged"}
    assert "robots.txt" in reasons(report)
    assert [row.name for row in library.remove(index)] == [urls["/d"]]


def test_a_host_out_of_reach_keeps_its_pages_and_is_left_alone_after_a_while(library: Library, tmp_path: Path) -> None:
    numbers = range(PATIENCE + 3)
    with page_server() as server:
        for number in numbers:
            page(server, f"/{number}", f"This is the page {number}.")
        urls = [server.url(f"/{number}") for number in numbers]
        fetched(library, tmp_path, *urls)
    report = fetched(library, tmp_path)
    assert outcomes(report) == dict.fromkeys(urls, "failed")
    assert [file.uri for file in report.files if "was not asked again" in file.reason] == urls[PATIENCE:]
    assert names(library) == urls


def test_what_was_fetched_does_not_wait_for_the_rest(
    library: Library, server: PageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.library.listing.TOGETHER", 2)
    urls = [server.url(f"/{number}") for number in range(5)]
    for number in range(5):
        page(server, f"/{number}", f"This is the page {number}.")
    steps: list[tuple[str, int, int]] = []

    def stop(step: IngestProgress) -> None:
        steps.append((step.stage, step.done, step.total))
        if step.stage == "fetching" and step.done == 5:
            raise KeyboardInterrupt

    server.pages["/map.xml"] = sitemap(*urls)
    with opened_pages(Fetcher(HERE), tmp_path, library.hashes()) as pages:
        assert ingest(library, [server.url("/map.xml")], stop, web=pages).interrupted
    assert [step for step in steps if step[0] == "fetching"] == [("fetching", number, 5) for number in range(1, 6)]
    assert names(library) == urls[:4]
    assert found(library, "3.") == {urls[3]}


def test_ctrl_c_while_pages_are_fetched_loses_nothing(library: Library, server: PageServer, tmp_path: Path) -> None:
    for name in ("/a", "/b"):
        page(server, name, f"This is the page {name}.")
    urls = [server.url(name) for name in ("/a", "/b")]
    fetched(library, tmp_path, *urls)
    page(server, "/a", "This page has changed.")

    def stop(step: IngestProgress) -> None:
        if step.stage == "fetching" and step.done == 1:
            raise KeyboardInterrupt

    with opened_pages(Fetcher(HERE), tmp_path, library.hashes()) as pages:
        assert refresh(library, progress=stop, web=pages).interrupted
    assert names(library) == urls
    assert outcomes(fetched(library, tmp_path)) == {urls[0]: "replaced", urls[1]: "unchanged"}


def test_a_library_of_an_older_version_learns_its_folders(library: Library, notes: Path, tmp_path: Path) -> None:
    if library.database.dialect != "sqlite":
        pytest.skip("no version before 0010 ran on it")
    ingest(library, [notes])
    library.database.close()
    take_back(tmp_path, "0003")
    (notes / "iron.md").write_text("Iron rusts.\n")
    database = open_database(tmp_path)
    later = Library(database, tmp_path, Words())
    assert set(outcomes(refresh(later)).values()) == {"unchanged"}
    assert ingest(later, [notes]).count("added") == 1
    assert {source.origin for source in later.sources()} == {str(notes)}
    shutil.rmtree(notes / "sub")
    assert outcomes(refresh(later))["sub/neon.txt"] == "removed"
    database.close()


def test_nothing_is_fetched_again_through_a_closed_door(library: Library, tmp_path: Path, server: PageServer) -> None:
    page(server, "/a", "This is a page.")
    fetched(library, tmp_path, server.url("/a"))
    with opened_pages(Fetcher(()), tmp_path, library.hashes()) as pages:  # its network is no longer allowed
        assert isinstance(pages, Pages)
        report = refresh(library, web=pages)
    assert "which is not public" in reasons(report)
    assert names(library) == [server.url("/a")]
