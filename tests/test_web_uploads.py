"""Documents on the page: they come as bytes, ask when their name is taken, and are gone when they are removed."""

import time
from pathlib import Path

import pytest
from web_client import Answer, call, healthy, request
from web_fixture import chromium

from app.bot import Bot
from app.web.documents import UPLOAD_LIMIT


def upload(url: str, name: str, words: bytes, taken: str = "ask") -> Answer:
    return request(url, "POST", f"/documents?name={name}&taken={taken}", words)


def kept(bot: Bot) -> dict[str, bytes]:
    """The files in the folder of uploads, at any depth."""
    folder = bot.settings.data_dir / "uploads"
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def texts(bot: Bot) -> dict[str, str]:
    return {row.name: bot.library.document(row.id).text.strip() for row in bot.library.sources()}


def settled(bot: Bot, name: str, words: str) -> None:
    for _ in range(600):
        if texts(bot).get(name) == words and not any(file.startswith("unread/") for file in kept(bot)):
            return
        time.sleep(0.05)
    raise AssertionError(f"{name} is not in the library")


def test_a_document_is_added_replaced_kept_beside_and_removed_with_its_file(bot: Bot, url: str) -> None:
    assert upload(url, "kiln.txt", b"The kiln was built in 1764.") == Answer(200, b'{"name":"kiln.txt"}')
    settled(bot, "kiln.txt", "The kiln was built in 1764.")
    again = upload(url, "kiln.txt", b"The kiln was built in 1800.")
    assert (again.status, again.json()["taken"]) == (409, "kiln.txt")
    assert kept(bot) == {"kiln.txt": b"The kiln was built in 1764."}
    assert upload(url, "kiln.txt", b"The kiln was built in 1900.", "keep").json() == {"name": "kiln (2).txt"}
    settled(bot, "kiln (2).txt", "The kiln was built in 1900.")
    assert upload(url, "kiln.txt", b"The kiln was built in 1800.", "replace").json() == {"name": "kiln.txt"}
    settled(bot, "kiln.txt", "The kiln was built in 1800.")
    assert len(texts(bot)) == 2
    for row in bot.library.sources():
        assert call(url, "do_source", [""], {"act": "remove", "source": str(row.id)}).status == 200
    assert len(texts(bot)) == 2  # it can be taken back
    assert upload(url, "kiln.txt", b"The kiln was built in 1700.").status == 200
    settled(bot, "kiln.txt", "The kiln was built in 1700.")
    assert list(texts(bot)) == ["kiln.txt"]


def test_removing_a_document_that_was_not_uploaded_leaves_its_file(bot: Bot, url: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("The mill grinds corn.")
    bot.ingest([file])
    assert upload(url, "mine.txt", b"The mill grinds barley.").status == 200
    for _ in range(600):
        if len(bot.library.sources()) == 2 and set(kept(bot)) == {"mine.txt"}:
            break
        time.sleep(0.05)
    bot.remove(*(row.id for row in bot.library.sources()))
    assert bot.library.sources() == []
    assert file.read_text() == "The mill grinds corn."
    assert kept(bot) == {}


@pytest.mark.parametrize(
    "name", ["..%2Fx.md", "%2Fetc%2Fx.md", "", "..", "x.exe", "x%00.md", "a%0A.md", "unread", "incoming"]
)
def test_a_name_that_cannot_be_used_is_refused_and_nothing_is_kept(bot: Bot, url: str, name: str) -> None:
    answer = upload(url, name, b"words" * 10_000)
    assert answer.status == 422
    assert "\n" not in answer.json()["error"]
    assert kept(bot) == {}


def test_what_is_too_large_or_breaks_off_leaves_nothing(bot: Bot, url: str) -> None:
    answer = upload(url, "large.txt", bytes(UPLOAD_LIMIT + 1))
    assert (answer.status, answer.json()) == (413, {"error": "it is larger than 20 MB"})
    assert upload(url, "x.txt", b"", "overwrite").status == 422
    assert kept(bot) == {}
    assert healthy(url)


@pytest.mark.browser
def test_a_page_that_looks_after_all_was_read_asks_for_no_first_document(bot: Bot, url: str, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    (tmp_path / "zeppelin.txt").write_text("The zeppelin was 245 metres long.")
    with chromium(1280, 800) as context:
        page = context.new_page()
        page.goto(url)
        expect(page.locator(".hello h2")).to_have_text("Add your first documents")
        bot.ingest([tmp_path / "zeppelin.txt"])
        page.locator("#tab-documents").click()
        expect(page.locator(".hello h2")).to_have_text("Ask about your documents")
        page.close()
    bot.remove(*(row.id for row in bot.library.sources()))


@pytest.mark.browser
def test_the_page_asks_what_to_do_with_a_name_that_is_taken(bot: Bot, url: str, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    file, other = tmp_path / "zeppelin.txt", tmp_path / "x.exe"
    file.write_text("The zeppelin was 245 metres long.")
    other.write_text("words")
    with chromium(1280, 800) as context:
        page = context.new_page()
        page.goto(url)
        page.wait_for_selector(".hello")
        page.locator("#tab-documents").click()
        chosen = page.locator("#drop input[type=file]")
        chosen.set_input_files([file])
        settled(bot, "zeppelin.txt", "The zeppelin was 245 metres long.")
        rows = page.locator("#documents li")
        expect(rows).to_have_count(1)
        expect(page.locator(".hello h2")).to_have_text("Ask about your documents")  # no longer for the first one
        asking = page.get_by_role("dialog", name="There is a document of this name")
        for button, words in (("Cancel", "245"), ("Keep both", "245"), ("Replace", "300")):
            file.write_text("The zeppelin was 300 metres long.")
            chosen.set_input_files([file])
            expect(asking).to_contain_text("“zeppelin.txt” was added before. Replace it, or keep both?")
            asking.get_by_role("button", name=button).click()
            expect(asking).to_have_count(0)
            expect(rows).to_have_count(1 if button == "Cancel" else 2)
            settled(bot, "zeppelin.txt", f"The zeppelin was {words} metres long.")
        chosen.set_input_files([other])
        expect(page.locator("#refusals li")).to_contain_text("files of the kind '.exe' are not read")
        assert texts(bot) == dict.fromkeys(["zeppelin.txt", "zeppelin (2).txt"], "The zeppelin was 300 metres long.")
        page.close()
