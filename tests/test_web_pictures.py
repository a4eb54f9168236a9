"""Pictures in the web chat: chosen, pasted or dropped, shown before and after sending, given to the page alone."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_vision import png
from web_fixture import chromium

from app.bot import Bot
from app.errors import InputError
from app.web.pictures import MOST_HELD, Held, sent, thumbnails, waiting
from dialogue.pictures import MOST_BYTES, QUESTION, PictureError
from dialogue.types import Picture

NAME = "a red <car> & house.png"


def asked(url: str, path: str, data: bytes | None = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url + path, data=data, headers=told)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read(), {key.lower(): value for key, value in answer.headers.items()}
    except urllib.error.HTTPError as error:
        return error.code, error.read(), {}


def test_pictures_that_wait_for_their_message_are_kept_under_words_of_their_own() -> None:
    held = Held()
    words = [held.add(Picture(f"{place}.png", png())) for place in range(MOST_HELD + 1)]
    assert [one.name for one in held.get(words[-2:])] == [f"{MOST_HELD - 1}.png", f"{MOST_HELD}.png"]
    with pytest.raises(InputError, match="choose it again"):
        held.get(words[:1])
    with pytest.raises(PictureError):
        held.add(Picture("a.svg", b"<svg/>"))


@given(st.text(min_size=1, max_size=40))
def test_no_name_of_a_picture_adds_a_tag(name: str) -> None:
    shown = thumbnails([*waiting(["word"], [Picture(name, b"")]), (name, f"/picture?{name}", name)])
    assert shown.count("<") == 8
    assert shown.count("<img ") == shown.count("<a ") == 2


def test_a_picture_is_given_out_as_what_it_is_to_the_page_alone(bot: Bot, url: str) -> None:
    turn = bot.history.begin(bot.history.start(), "?", [Picture("a b.png", png())])
    [(_, address, told)] = sent(bot.history.turn(turn))
    assert told == ""
    status, data, headers = asked(url, address[1:])
    assert (status, data, headers["content-type"]) == (200, png(), "image/png")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert asked(url, address[1:], Sec_Fetch_Site="cross-site")[0] == 403
    assert asked(url, address[1:], Host="evil.test")[0] == 403
    assert asked(url, f"picture?turn={turn}&name=other")[0] == 404
    assert asked(url, "picture?word=guess")[0] == 404


def test_what_is_no_picture_is_refused_with_the_reason(url: str) -> None:
    for data, words in ((b"<svg/>", b"is none of PNG"), (b"", b"is empty"), (png() + b"0" * MOST_BYTES, b"10 MB")):
        status, said, _ = asked(url, "pictures?name=a.png", data)
        assert status == 422
        assert words in said
    assert asked(url, "pictures?name=a.png", png(), Origin="http://evil.test")[0] == 403


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with chromium(1280, 800) as context:
        yield context


@pytest.mark.slow
@pytest.mark.browser
def test_a_picture_is_attached_removed_sent_and_still_there_after_a_reload(
    browser: object, bot: Bot, url: str, tmp_path: Path
) -> None:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import expect

    faults: list[str] = []
    page = browser.new_page()  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda to: faults.append(to.url) if not to.url.startswith((url, "blob:", "data:")) else None)
    page.goto(url)
    page.wait_for_selector(".hello")
    (tmp_path / NAME).write_bytes(png())
    (tmp_path / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (tmp_path / "torn.png").write_bytes(png()[:60])

    with page.expect_file_chooser() as choosing:
        page.get_by_role("button", name="Add pictures to the message").click()
    choosing.value.set_files([tmp_path / NAME])
    previews = page.locator("#previews li:not(.pending)")
    expect(previews).to_have_count(1)
    expect(page.locator("#status")).to_have_text(f"Picture {NAME} added")
    expect(page.locator("#message")).to_be_focused()
    assert Axe().run(page).response["violations"] == []

    page.locator("#pictures").set_input_files([tmp_path / "drawing.svg"])
    expect(page.locator(".toast")).to_contain_text("is no PNG, JPEG, WebP or GIF picture")
    page.locator("#pictures").set_input_files([tmp_path / "torn.png"])
    expect(page.locator(".toast")).to_contain_text("is damaged")
    expect(previews).to_have_count(1)

    page.evaluate(
        """async () => {
            const canvas = document.createElement('canvas');
            const blob = await new Promise(done => canvas.toBlob(done));
            const carried = new DataTransfer();
            carried.items.add(new File([blob], 'pasted.png', { type: 'image/png' }));
            const options = { clipboardData: carried, bubbles: true, cancelable: true };
            document.querySelector('#message').dispatchEvent(new ClipboardEvent('paste', options));
            const dropped = { dataTransfer: carried, bubbles: true, cancelable: true };
            document.querySelector('#main').dispatchEvent(new DragEvent('drop', dropped));
        }"""
    )
    expect(previews).to_have_count(3)
    for _ in range(2):
        page.get_by_role("button", name="Remove picture pasted.png").first.click()
    expect(previews).to_have_count(1)

    page.locator("#message").press("Enter")
    thumbnail = page.locator("#log .sent img")
    expect(thumbnail).to_have_attribute("alt", f"Picture {NAME}")
    expect(page.locator("#log .you")).to_have_text(QUESTION)
    expect(page.locator("#previews li")).to_have_count(0)
    page.wait_for_selector("#log .words")
    page.reload()
    page.wait_for_selector("#log .words")
    expect(thumbnail).to_have_count(1)
    page.wait_for_function("document.querySelector('#log .sent img').naturalWidth === 40")
    page.close()
    assert faults == []
    [stored] = bot.history.conversations(limit=1)
    assert bot.history.turns(stored.id)[-1].pictures == (NAME,)
