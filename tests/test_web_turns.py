"""What can be done with a turn and a conversation, in a real browser."""

import pytest
from test_web_browser import answered, ask, bot, browser, page, playwright, url, violations  # noqa: F401, fixtures

from app.bot import Bot
from app.store.opinions import Opinions, Rating

Page, expect = playwright.Page, playwright.expect
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def opinions(bot: Bot) -> Opinions:  # noqa: F811
    return Opinions(bot.library.database)


def test_a_turn_is_asked_again_edited_leafed_through_and_another_draft_taken(page: Page, opinions: Opinions) -> None:  # noqa: F811
    answered(page)
    page.locator("[data-act=again]").click()
    versions, you = page.locator(".versions"), page.locator(".you")
    expect(versions).to_contain_text("2 of 2")
    page.locator("#message").press("ArrowUp")
    page.locator(".editing textarea").fill("What do whales eat?")
    page.keyboard.press("Enter")
    expect(versions).to_contain_text("3 of 3")
    expect(you).to_have_text(["What do whales eat?"])
    page.locator("[data-act=version]").first.click()
    expect(versions).to_contain_text("2 of 3")
    expect(you).to_have_text(["How large is the whale?"])
    page.locator("#log [data-act=why]").last.click()
    wanted = page.locator("#pane-why .kept").first
    words = wanted.locator(".draft-text").inner_text()
    wanted.locator("[data-act=use]").click()
    expect(versions).to_contain_text("4 of 4")
    expect(page.locator("#log .words")).to_contain_text(words)
    expect(page.locator("#pane-why .sum")).to_contain_text("You chose it from 6 drafts")
    assert opinions.preferences()[-1].chosen == words
    assert opinions.preferences()[-1].question == "How large is the whale?"


def test_replies_are_rated_with_a_reason_and_refusals_reported(page: Page, opinions: Opinions) -> None:  # noqa: F811
    answered(page)
    turn = int(page.locator("#log .turn").get_attribute("data-turn") or 0)
    bad = page.get_by_role("button", name="Bad reply")
    bad.click()
    page.get_by_label("The sources do not say that").check()
    page.locator("dialog textarea").fill("It is 30 metres.")
    assert violations(page) == []
    page.locator("dialog .main").click()
    expect(bad).to_have_attribute("aria-pressed", "true")
    assert opinions.ratings([turn]) == {turn: Rating(False, "unsupported", "It is 30 metres.")}
    bad.click()
    expect(bad).to_have_attribute("aria-pressed", "false")
    assert opinions.ratings([turn]) == {}
    ask(page, "a bomb")
    page.locator("[data-act=report]").click()
    page.locator("dialog .main").click()
    expect(page.locator("[data-act=report]")).to_have_text("Reported")
    turn = int(page.locator("#log .turn").last.get_attribute("data-turn") or 0)
    assert opinions.ratings([turn]) == {turn: Rating(False, "refused", "")}


def test_what_may_be_asked_next_is_offered_and_asked(page: Page) -> None:  # noqa: F811
    answered(page)
    offered = page.locator("#next button")
    expect(offered.first).to_be_visible()
    question = offered.first.inner_text()
    offered.first.click()
    expect(page.locator(".you").last).to_have_text(question)


def test_a_conversation_is_shared_as_a_page_without_scripts_until_that_is_revoked(page: Page) -> None:  # noqa: F811
    answered(page)
    page.locator("[data-act=share]").click()
    address = page.locator("dialog .address").input_value()
    other = page.context.new_page()
    asked: list[str] = []
    other.on("request", lambda request: asked.append(request.url))
    answer = other.goto(address)
    assert answer is not None
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    expect(other.locator(".you")).to_have_text(["How large is the whale?"])
    expect(other.locator(".behind li")).to_have_count(3)
    assert violations(other) == []
    assert asked == [address]
    page.get_by_role("button", name="Stop sharing").click()
    expect(page.locator(".toast")).to_contain_text("opens nothing any more")
    assert (gone := other.goto(address)) is not None
    assert gone.status == 404
    other.close()


def test_other_pages_follow(page: Page) -> None:  # noqa: F811
    answered(page)
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator("#log .turn")).to_have_count(1)
    answered_twice = page.locator("#log .words .cite")
    ask(page, "What do whales eat?")
    expect(page.locator("#log .turn")).to_have_count(2)
    expect(answered_twice.last).to_be_visible()
    expect(other.locator("#log .turn")).to_have_count(2)
    other.close()


def test_the_page_speaks_german_and_dutch(page: Page) -> None:  # noqa: F811
    page.locator("#tab-settings").click()
    for language, title in (
        ("de", "Frag deine Dokumente"),
        ("nl", "Vraag het je documenten"),
        ("en", "Ask about your documents"),
    ):
        page.locator("[data-choice=language]").select_option(language)
        expect(page.locator(".hello h2")).to_have_text(title)
        assert page.evaluate("document.documentElement.lang") == language
        page.locator("[data-act=settings]").click()
