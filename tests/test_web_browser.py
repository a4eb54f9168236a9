"""The web chat in a real browser, on a real server, database, library and encoder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from web_fixture import canned_bot, chromium, serving

from app.bot import Bot
from retrieval.encoder.embed import Encoder

SOURCES = Path(__file__).parents[1] / "examples" / "demo" / "sources"
NAMES = ("blue-whale.md", "bread.md", "coffee.md")
EXAMPLES = (
    "How much does a blue whale weigh?",
    "What do blue whales eat?",
    "Who are you?",
    "Where is bread from?",
)
HOSTILE = "whale <img src=x onerror=window.hit=1> ${window.hit=2} {{window.hit}} ![a](http://evil.test/a.png)"
CUT = ("AbortError", "Unexpected error Connection errored out")  # what Gradio says of a page that reloads
WHALE = "How large is the whale?"

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
Page, expect = playwright.Page, playwright.expect


@pytest.fixture(scope="module")
def bot(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    with canned_bot(tmp_path_factory.mktemp("web"), encoder, [SOURCES / name for name in NAMES], pace=0.02) as bot:
        yield bot


@pytest.fixture(scope="module")
def url(bot: Bot) -> Iterator[str]:
    with serving(bot, EXAMPLES) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with chromium(1440, 900) as context:
        yield context


@pytest.fixture
def page(browser: playwright.BrowserContext, url: str) -> Iterator[Page]:
    """An open page; at the end: nothing went wrong in it, and it asked nobody else for anything."""
    page, faults = browser.new_page(), []
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("response", lambda got: faults.append(f"{got.status} {got.url}") if got.status >= 400 else None)
    page.on(
        "request",
        lambda to: faults.append(to.url) if not to.url.startswith((url, "blob:", "data:")) else None,
    )
    page.goto(url)
    page.wait_for_selector(".hello")
    yield page
    page.close()
    assert not [fault for fault in faults if not fault.startswith(CUT)]


def ask(page: Page, text: str) -> None:
    page.locator("#message").fill(text)
    page.keyboard.press("Enter")


def answered(page: Page, text: str = WHALE) -> None:
    ask(page, text)
    page.wait_for_selector("#log .words .cite")


def violations(page: Page) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{item['id']}: {node['html'][:160]}" for item in found for node in item["nodes"]]


expect.set_options(timeout=60_000)
pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_question_is_answered_with_sources_that_can_be_followed_to_the_document(page: Page) -> None:
    page.locator(".card").first.click()
    expect(page.locator(".you")).to_have_text(EXAMPLES[0])
    page.wait_for_selector("#log .words .cite")
    expect(page.locator("#log .chip").first).to_have_text("Grounded")
    expect(page.locator("#status")).to_contain_text("Reply ready. 3 sources.")
    assert page.title() == f"{EXAMPLES[0]} · Candor"

    page.locator("#log .cite").nth(1).click()
    card = page.locator(".source.on")
    expect(card.locator(".number")).to_have_text("2")
    expect(card).to_be_focused()
    quote = page.locator("#log .cite").nth(1).get_attribute("data-quote") or ""
    expect(card.locator("mark")).to_have_text(quote)
    card.locator("[data-act=document]").click()
    expect(page.locator(".document mark")).to_have_text(quote)
    expect(page.locator(".document mark")).to_be_in_viewport()
    page.locator(".document .steps button").last.click()
    expect(page.locator(".document mark")).not_to_have_text(quote)

    page.locator("#log [data-act=why]").last.click()
    expect(page.locator("#pane-why .served .badge")).to_have_text("Served")
    expect(page.locator("#pane-why .sum")).to_contain_text("Chosen from 6 drafts because")
    veiled = page.locator(".veiled span")
    expect(veiled).to_be_hidden()
    page.locator(".veiled summary").click()
    expect(veiled).to_be_visible()


def test_the_page_has_no_barriers_on_a_phone(page: Page) -> None:
    answered(page)
    page.locator("[data-act=theme]").click()
    assert "dark" in (page.locator("body").get_attribute("class") or "")
    page.locator("[data-act=theme]").click()
    page.set_viewport_size({"width": 390, "height": 844})
    assert violations(page) == []
    page.locator("#log .cite").first.click()
    expect(page.locator(".source.on")).to_be_in_viewport()
    page.keyboard.press("Escape")
    page.locator("[data-act=nav]").click()
    expect(page.locator("#new")).to_be_in_viewport()
    assert violations(page) == []


def test_stop_keeps_the_question_and_lets_another_be_asked(page: Page) -> None:
    ask(page, "a slow whale")
    page.locator("#stop").click()
    expect(page.locator("#log .ended")).to_have_text("Stopped before a reply was chosen.")
    expect(page.locator(".you")).to_have_text("a slow whale")
    expect(page.locator("#send")).to_be_visible()
    answered(page)


def test_a_failure_hides_its_details_and_can_be_tried_again(page: Page) -> None:
    ask(page, "please crash")
    retry = page.locator("#log [data-act=retry]")
    expect(retry).to_have_text("Failed – try again")
    assert "secret" not in page.content()
    with page.expect_response(lambda response: "run/predict" in response.url):
        retry.click()
    expect(retry).to_be_visible()
    expect(page.locator(".you")).to_have_count(1)


def test_what_cannot_be_answered_or_is_refused_says_so(page: Page) -> None:
    ask(page, "zzz qqq")
    expect(page.locator("#log .chip").first).to_have_text("No source found")
    ask(page, "a bomb")
    expect(page.locator("#log .chip.declined")).to_have_text("Declined")


def test_reloading_and_leaving_a_conversation_lose_nothing(page: Page) -> None:
    ask(page, "a slow whale one")
    page.wait_for_selector("#live .stages")
    page.reload()
    expect(page.locator("#live .you")).to_have_text("a slow whale one")
    page.locator("#new").click()
    expect(page.locator(".hello")).to_be_visible()
    answered(page, "another whale")
    expect(page.locator(".you")).to_have_text("another whale")
    page.locator("#rows a", has_text="a slow whale one").first.click()
    page.wait_for_selector("#log .words .cite")
    expect(page.locator(".you")).to_have_text("a slow whale one")
    assert "?c=" in page.url


def test_hostile_words_are_shown_as_words_everywhere(page: Page) -> None:
    answered(page, HOSTILE)
    expect(page.locator(".you")).to_have_text(HOSTILE)
    page.locator("#log [data-act=why]").first.click()
    row = page.locator("#rows .conversation").first
    row.hover()
    row.locator(".dots").click()
    page.get_by_role("menuitem", name="Rename").click()
    page.locator("input.rename").fill(HOSTILE + " renamed")
    page.keyboard.press("Enter")
    expect(page.locator("#header h1")).to_have_text(HOSTILE + " renamed")
    assert page.evaluate("window.hit") is None


def test_conversations_can_be_searched_and_deleted(page: Page) -> None:
    answered(page, "whale with a zebra")
    page.locator("#find").fill("zebra")
    expect(page.locator("#rows .conversation")).to_have_count(1)
    page.locator("#find").fill("zebra crossing")
    expect(page.locator("#rows")).to_contain_text("No conversation holds")
    page.locator("#find").fill("zebra")
    expect(page.locator("#rows .found mark").first).to_have_text("zebra")
    for taken_back in (True, False):
        page.locator("#rows .conversation").hover()
        page.locator("#rows .dots").click()
        page.get_by_role("menuitem", name="Delete").click()
        expect(page.locator(".toast")).to_contain_text("Conversation deleted")
        expect(page.locator(".hello")).to_be_visible()
        assert "?c=" not in page.url
        if taken_back:
            page.locator(".toast .undo").click()
            expect(page.locator("#log .turn")).to_have_count(1)


def test_documents_are_added_and_removed(page: Page, tmp_path: Path) -> None:
    good, empty = tmp_path / "zeppelin.md", tmp_path / "empty.txt"
    good.write_text("# Zeppelin\n\nThe zeppelin Hindenburg was 245 metres long.\n")
    empty.write_text("")
    page.locator("#tab-documents").click()
    page.locator("#drop input[type=file]").set_input_files([good, empty])
    rows = page.locator("#documents li")
    found = rows.filter(has_text="Zeppelin")
    expect(found.locator("[data-act=remove]")).to_be_visible()
    expect(rows.filter(has_text="empty.txt")).to_contain_text("Not added")
    rows.filter(has_text="empty.txt").locator("[data-act=dismiss]").click()
    expect(rows.filter(has_text="empty.txt")).to_have_count(0)
    page.locator("#seek").fill("zeppelin")
    expect(rows).to_have_count(1)
    found.locator(".open").click()
    expect(page.locator("#opened .text")).to_contain_text("245 metres")
    with page.expect_download() as begun:
        page.get_by_role("link", name="Original").click()
    assert begun.value.path().read_bytes() == good.read_bytes()
    page.get_by_role("button", name="Library", exact=True).click()
    for taken_back in (True, False):
        found.locator("[data-act=remove]").click()
        expect(found).to_have_count(0)
        if taken_back:
            page.locator(".toast .undo").click()
            expect(found).to_have_count(1)


def test_documents_added_elsewhere_are_listed_when_one_looks(page: Page, bot: Bot, tmp_path: Path) -> None:
    rows = page.locator("#documents li").filter(has_text="Airship")
    expect(rows).to_have_count(0)
    (tmp_path / "airship.md").write_text("# Airship\n\nThe airship Norge was 106 metres long.\n")
    bot.ingest([tmp_path / "airship.md"])
    page.locator("#tab-documents").click()
    expect(rows).to_be_visible()
    bot.library.remove(next(row.id for row in bot.library.sources() if row.name == "airship.md"))


def test_the_keyboard_is_enough(page: Page) -> None:
    page.locator("#header h1").click()
    page.keyboard.press("/")
    expect(page.locator("#message")).to_be_focused()
    page.keyboard.type("first whale")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("second line")
    page.keyboard.press("Enter")
    page.wait_for_selector("#log .words .cite")
    assert page.locator(".you").inner_text() == "first whale\nsecond line"
    expect(page.locator("#message")).to_have_value("")
    page.keyboard.press("Alt+2")
    expect(page.locator(".source.on .number")).to_have_text("2")
    page.keyboard.press("Escape")
    expect(page.locator("#side")).to_be_hidden()
    page.keyboard.press("Control+k")
    expect(page.locator("#find")).to_be_focused()


def test_a_role_is_chosen_opens_the_conversation_and_stays_with_it(page: Page) -> None:
    roles = page.locator(".roles [data-act=role]")
    expect(roles).to_have_text(["Candor", "Mount Everest"])  # the others need a language model
    expect(page.locator(".roles [aria-pressed=true]")).to_have_text("Candor")
    roles.nth(1).click()
    expect(page.locator(".hello h2")).to_have_text("Mount Everest")
    expect(page.locator(".opening .words")).to_contain_text("Good day from the top of the world!")
    expect(page.locator(".roles [aria-pressed=true]")).to_be_focused()
    expect(page.locator(".card")).to_have_count(0)
    assert violations(page) == []
    answered(page)
    expect(page.locator("#log .opening + .turn .you")).to_have_text(WHALE)
    expect(page.locator("#header .as")).to_have_text("Mount Everest")
    expect(page.locator("#rows .conversation").first.locator(".as")).to_have_text("Mount Everest")
    page.reload()
    expect(page.locator("#log .opening .words")).to_contain_text("I am Mount Everest.")
    assert violations(page) == []
    page.locator("#new").click()
    page.locator(".roles [data-role=candor]").click()
    expect(page.locator(".card")).to_have_count(len(EXAMPLES))
    answered(page)
    expect(page.locator("#log .opening")).to_have_count(0)
    expect(page.locator("#header .as")).to_have_count(0)


def test_a_message_too_long_or_too_early_stays_in_the_box(page: Page) -> None:
    ask(page, "x" * 32_001)
    expect(page.locator(".toast")).to_contain_text("32,001 characters")
    assert len(page.locator("#message").input_value()) == 32_001
    ask(page, "a slow whale")
    page.wait_for_selector("#live .stages")
    ask(page, "too early")
    expect(page.locator(".toast")).to_contain_text("A reply is being written")
    expect(page.locator("#message")).to_have_value("too early")
    page.locator("#stop").click()
    expect(page.locator("#log .ended")).to_be_visible()
