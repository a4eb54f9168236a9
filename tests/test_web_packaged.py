"""The whole of Candor in a real browser: a document, a question, its answer, and the place it was taken from."""

from pathlib import Path

import pytest
from web_fixture import chromium, serving

from app.bot import open_bot

WHALE = Path(__file__).parents[1] / "examples" / "demo" / "sources" / "blue-whale.md"


@pytest.mark.browser
def test_the_packaged_bot_answers_with_a_sentence_of_its_document(tmp_path: Path) -> None:
    from playwright.sync_api import expect

    with chromium(1440, 900) as browser, open_bot(tmp_path / "data", "quote") as bot, serving(bot) as url:
        bot.ingest([WHALE])
        page = browser.new_page()
        page.goto(url)
        page.wait_for_selector(".hello")
        page.locator("#message").fill("How much does a blue whale weigh?")
        page.keyboard.press("Enter")
        page.wait_for_selector("#log .words .cite")
        page.locator("#log .cite").first.click()
        quote = page.locator(".source.on mark").inner_text()
        assert quote in " ".join(WHALE.read_text().replace("[elephants](elephant.md)", "elephants").split())
        page.locator(".source.on [data-act=document]").click()
        expect(page.locator(".document mark")).to_have_text(quote)
        page.locator("#tab-settings").click()
        page.locator("[data-setting=passages]").fill("3")
        page.locator("[data-setting=passages]").press("Enter")
        expect(page.locator("#origin-passages")).to_have_text("changed on this page")
        page.locator("[data-setting=candidates]").fill("0")
        page.locator("[data-setting=candidates]").press("Enter")
        page.locator("#message").fill("What do blue whales eat?")
        page.keyboard.press("Enter")
        page.locator("#log .turn .acts").nth(1).wait_for()
        options, given = bot.responder.options, bot.settings
        assert (options.passages, options.sampling.n, given.passages, given.candidates) == (3, 8, 3, 8)
