"""Every state of the page, in a real browser: no barriers in it, and room for it at every size."""

# ruff: noqa: F811 - fixtures are named like what they give

from collections.abc import Callable, Iterator

import pytest
from test_web_browser import answered, ask, bot, browser, page, playwright, url, violations  # noqa: F401, fixtures

Page, expect = playwright.Page, playwright.expect
pytestmark = [pytest.mark.browser, pytest.mark.slow]

LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2
ENDS = {"please crash": ".failed", "zzz qqq": ".chip.none", "a bomb": ".chip.declined", "in despair": ".care"}
SIZES = {  # of a window in CSS pixels
    "a laptop": (1100, 720),
    "a low window": (1440, 720),
    "twice as large": (720, 450),  # 200 % of 1440 by 900
    "a phone": (390, 844),
    "four times as large": (320, 640),
}
# What does not fit: boxes whose contents are wider, controls outside the window, neighbours in a bar that overlap.
UNFIT = """() => {
  const bad = [], all = selector => [...document.querySelectorAll(selector)];
  const style = node => getComputedStyle(node);
  const seen = node => node.getClientRects().length && style(node).visibility !== 'hidden';
  const boxes = '#scroll, #rows, #dock, .bar, .tabs, .box, .set, [id^=pane-]';
  for (const box of all(boxes).filter(seen)) {
    if (box.scrollWidth > box.clientWidth + 1) bad.push(`${box.id || box.className} is wider than its place`);
  }
  for (const node of all('#shell :is(button, a:not(.skip), input, select, textarea)').filter(seen)) {
    const { left, right, width } = node.getBoundingClientRect();
    if (style(node).opacity !== '0' && width > 1 && (left < -1 || right > innerWidth + 1)) {
      bad.push(`${node.outerHTML.slice(0, 90)} is outside`);
    }
  }
  for (const bar of all('.bar, .tabs, .box, .acts, .chips').filter(seen)) {
    const rects = [...bar.children].filter(seen).map(child => child.getBoundingClientRect());
    for (const [at, one] of rects.entries()) for (const other of rects.slice(at + 1)) {
      const beside = one.right <= other.left + 1 || other.right <= one.left + 1;
      if (!beside && one.bottom > other.top + 1 && other.bottom > one.top + 1) bad.push(`${bar.className} overlaps`);
    }
  }
  if (document.documentElement.scrollWidth > innerWidth) bad.push('the page scrolls sideways');
  const [main, side] = ['#main', '#side'].map(one => document.querySelector(one).getBoundingClientRect().width);
  if (innerWidth > 960 && side > main) bad.push('the panel is wider than the chat');
  for (const name of ['#message', '#send:not([hidden]), #stop:not([hidden])']) {
    const { bottom, top } = document.querySelector(name).getBoundingClientRect();
    if (top < 0 || bottom > innerHeight + 1) bad.push(`${name} is out of sight`);
  }
  return bad;
}"""


def tab(page: Page, name: str) -> None:
    if not page.locator(f"#tab-{name}").is_visible():
        page.locator("[data-act=side]").click()
    page.locator(f"#tab-{name}").click()


def panels(page: Page) -> Iterator[str]:
    """The panel in every way it can be seen, on an answered conversation."""
    page.locator("#log .cite").first.click()
    expect(page.locator(".source.on")).to_be_visible()
    yield "sources"
    page.locator(".source.on [data-act=document]").click()
    expect(page.locator(".document mark")).to_be_visible()
    yield "document"
    tab(page, "why")
    for details in page.locator("#pane-why details.deep, #pane-why details.prompt, #pane-why .veiled").all():
        details.evaluate("node => { node.open = true; }")
    yield "why, all open"
    tab(page, "documents")
    expect(page.locator("#documents li").first).to_be_visible()
    yield "library"
    tab(page, "settings")
    page.locator("#pane-settings details").first.evaluate("node => { node.open = true; }")
    yield "settings"


def states(page: Page) -> Iterator[str]:
    """Everything that the middle of the page and what stands above it can be."""
    yield "welcome"
    page.locator("#find").fill("nothing of that kind")
    expect(page.locator("#rows")).to_contain_text("No conversation holds")
    yield "a search in vain"
    page.locator("#find").fill("")
    others = [page.context.new_page() for _ in range(2)]
    for other in others:
        other.goto(page.url)
        ask(other, "a very slow whale")
        other.wait_for_selector("#live .stages")
    ask(page, "a slow whale")
    expect(page.locator("#live .stages")).to_contain_text("1 before you")
    yield "waiting"
    expect(page.locator("#live .draft").first).to_be_visible()
    yield "drafts"
    for other in others:
        other.close()
    expect(page.locator("#stop")).to_be_hidden()  # looked at for so long, the turn may have ended
    ask(page, "a slow whale")
    page.locator("#stop").click()
    expect(page.locator("#log .ended")).to_be_visible()
    yield "stopped"
    for number, (words, wanted) in enumerate(ENDS.items(), 3):
        ask(page, words)
        expect(page.locator("#log .turn")).to_have_count(number)
        expect(page.locator(f"#log {wanted}").last).to_be_visible()
        yield words
    page.locator("#log .turn").last.hover()
    page.locator("#log .edit").last.click()
    yield "editing"
    page.keyboard.press("Escape")
    page.locator("#rows .conversation").first.hover()
    page.locator("#rows .dots").first.click()
    yield "the menu"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    yield "the keys"
    page.keyboard.press("Escape")
    page.locator("[data-act=share]").click()
    expect(page.locator("dialog .address")).to_be_visible()
    yield "sharing"
    page.keyboard.press("Escape")


def in_both(page: Page, state: str) -> list[str]:
    """What bars somebody's way in a state, in the light and in the dark."""
    found = violations(page)
    page.evaluate("document.body.classList.toggle('dark')")
    found += violations(page)
    page.evaluate("document.body.classList.toggle('dark')")
    return [f"{state}: {one}" for one in found]


@pytest.mark.parametrize("walk", [states, panels])
def test_no_state_has_barriers(
    browser: playwright.BrowserContext, url: str, walk: Callable[[Page], Iterator[str]]
) -> None:
    page = browser.new_page()
    page.emulate_media(reduced_motion="reduce")  # colours on their way are of no contrast
    page.goto(url)
    page.wait_for_selector(".hello")
    if walk is panels:
        answered(page)
    found = [one for state in walk(page) for one in in_both(page, state)]
    page.close()
    assert not found, "\n".join(found)


def test_a_server_that_is_gone_is_told_and_the_page_goes_on(browser: playwright.BrowserContext, url: str) -> None:
    page = browser.new_page()
    page.emulate_media(reduced_motion="reduce")
    page.goto(url)
    page.wait_for_selector(".hello")
    page.locator("#message").fill("kept words")
    page.context.set_offline(True)
    page.keyboard.press("Enter")
    expect(page.locator(".gone")).to_contain_text("What you write is kept")
    found = in_both(page, "gone")
    page.context.set_offline(False)
    expect(page.locator(".gone")).to_have_count(0)
    expect(page.locator("#message")).to_have_value("kept words")
    page.close()
    assert found == []


@pytest.mark.parametrize("size", SIZES)
def test_everything_fits(page: Page, size: str) -> None:
    width, height = SIZES[size]
    page.emulate_media(reduced_motion="reduce")  # nothing is on its way anywhere
    page.set_viewport_size({"width": width, "height": height})
    unfit = {"welcome": page.evaluate(UNFIT)}
    answered(page, f"whale {LONG}")
    unfit["answer"] = page.evaluate(UNFIT)
    for panel in panels(page):
        unfit[panel] = page.evaluate(UNFIT)
    page.set_viewport_size({"width": 1440, "height": 900})
    assert {state: bad for state, bad in unfit.items() if bad} == {}
