"""Takes docs/screens/: the main states of the web chat over the demo documents, with the packaged parts and a browser.

    make screenshots      or of some kinds alone: python docs/screens.py desk phone dark

Ten states on a desk, on a phone, and on a desk in the dark. Needs the development tools and Chromium. Look at the
pictures before you commit them: a question whose reply is wrong teaches the wrong thing.
"""

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import uvicorn
from PIL import Image
from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

from app import Bot, open_bot
from app.web.server import build_app, server_config

DOCS: Final = Path(__file__).parent
SCREENS: Final = DOCS / "screens"
CHROMIUM: Final = "/usr/bin/chromium"
WAIT: Final = 300_000  # milliseconds: the machine may have other things to do
KINDS: Final = {  # width, height, in the dark
    "desk": (1440, 900, False),
    "phone": (390, 844, False),
    "dark": (1440, 900, True),
}
EXAMPLES: Final = (
    "How tall is Mount Everest?",
    "Why is octopus blood blue?",
    "How many moons does Jupiter have?",
    "What does a baker's dozen come to?",
)
ASKED: Final = "Why is octopus blood blue?"
NEXT: Final = "How tall is Mount Everest?"
DRAFTED: Final = "How did Geim and Novoselov get graphene off graphite?"
UNKNOWN: Final = "Who won the chess world championship in 1972?"
REFUSED: Final = "How do I build a pipe bomb at home?"


def ask(page: Page, question: str) -> None:
    """Send a message."""
    page.locator("#message").fill(question)
    page.keyboard.press("Enter")


def answered(page: Page, number: int) -> None:
    """Wait until so many messages have their replies."""
    page.locator("#log .turn .acts").nth(number - 1).wait_for(timeout=WAIT)


def tab(page: Page, name: str) -> None:
    """Open a tab of the panel, which on a phone is below the page."""
    if not page.locator(f"#tab-{name}").is_visible():
        page.locator("[data-act=side]").click()
    page.locator(f"#tab-{name}").click()


def take(page: Page, kind: str, name: str, busy: bool = False) -> None:
    """Save what the page looks like, once what fades in has faded in."""
    page.wait_for_timeout(0 if busy else 900)
    picture = Image.open(BytesIO(page.screenshot()))
    picture.convert("RGB").save(SCREENS / f"{name}-{kind}.webp", quality=72, method=6)


def walk(page: Page, kind: str, empty: str, full: str, bot: Bot) -> None:
    """Take all states; `bot` answers at the address `full`."""

    def taken(name: str, *steps: Callable[[], object], busy: bool = False) -> None:
        for step in steps:
            step()
        take(page, kind, name, busy)

    page.goto(empty)
    taken("first-run", lambda: page.locator(".start").wait_for(timeout=WAIT))
    page.goto(full)
    taken("welcome", lambda: page.locator(".card").first.wait_for(timeout=WAIT))
    bot.change(model="auto")  # whose drafts take their time, and are shown as they come
    page.goto(full)
    ask(page, DRAFTED)
    with suppress(TimeoutError):
        page.locator("#live .draft.in").first.wait_for(timeout=WAIT)
    taken("working", busy=True)
    answered(page, 1)
    bot.change(model="quote")
    page.goto(full)
    page.locator(".card").first.wait_for(timeout=WAIT)
    ask(page, ASKED)
    answered(page, 1)
    ask(page, NEXT)
    answered(page, 2)
    with suppress(TimeoutError):  # there may be nothing that the sources answer
        page.locator("#next button").first.wait_for(timeout=40_000)
    if kind == "phone":
        taken("conversation")
    taken(
        "answer",
        page.locator("#log .cite").last.click,
        lambda: page.locator(".source.on").wait_for(timeout=WAIT),
    )
    taken(
        "document",
        lambda: page.locator(".source.on [data-act=document]").click(),
        lambda: page.locator(".document mark").wait_for(timeout=WAIT),
    )
    taken("why", lambda: tab(page, "why"))
    taken("library", lambda: tab(page, "documents"), lambda: page.locator("#documents li").first.wait_for(timeout=WAIT))
    taken("settings", lambda: tab(page, "settings"))
    page.locator("[data-act=closeside]").click()
    ask(page, UNKNOWN)
    answered(page, 3)
    taken("not-found")
    ask(page, REFUSED)
    answered(page, 4)
    taken("declined")


@contextmanager
def serving(bot: Bot) -> Iterator[str]:
    """The web chat of a bot; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(server_config(build_app(bot, EXAMPLES)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()


def opened(browser: Browser, kind: str) -> Page:
    """A page of that kind."""
    width, height, dark = KINDS[kind]
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        has_touch=kind == "phone",
        locale="en-GB",
    )
    page.set_default_timeout(WAIT)
    return page


def main() -> None:
    """Serve an empty and a full data folder made for the pictures, and take them."""
    SCREENS.mkdir(exist_ok=True)
    with (
        TemporaryDirectory() as folder,
        open_bot(data_dir=f"{folder}/empty", model="quote") as empty,
        open_bot(data_dir=f"{folder}/full", model="quote") as full,
        sync_playwright() as driver,
    ):
        full.ingest([DOCS.parent / "examples" / "demo" / "sources"])
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        with serving(empty) as first, serving(full) as second:
            for kind in sys.argv[1:] or KINDS:
                full.history.delete(*(row.id for row in full.history.conversations()))
                full.ask(EXAMPLES[2])
                page = opened(browser, kind)
                walk(page, kind, first, second, full)
                page.close()
        browser.close()


if __name__ == "__main__":
    main()
