"""Takes docs/screenshot.png: the web chat over the demo documents, with the packaged parts and a real browser.

    python docs/screenshot.py

Needs the development tools and Chromium. Look at the picture before you commit it: a question whose reply is wrong
teaches the wrong thing. EARLIER fills the list of conversations, SHOWN is the one on the picture.
"""

import socket
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import uvicorn
from playwright.sync_api import sync_playwright

from app import open_bot
from app.web.server import build_app, server_config

DOCS: Final = Path(__file__).parent
CHROMIUM: Final = "/usr/bin/chromium"
EARLIER: Final = (
    "How many moons does Jupiter have?",
    "How long does the male emperor penguin keep the egg on his feet?",
    "When did NASA launch Europa Clipper?",
)
SHOWN: Final = ("Why is octopus blood blue?", "How many hearts does it have?")


def take(url: str) -> None:
    """Ask the questions of SHOWN on the page at `url` and save what it looks like then."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(url)
        page.wait_for_selector(".hello")
        for number, question in enumerate(SHOWN):
            page.locator("#message").fill(question)
            page.keyboard.press("Enter")
            page.locator("#log .words").nth(number).locator(".cite").first.wait_for(timeout=120_000)
        page.locator("#log .cite").last.click()
        page.locator(".source.on").wait_for()
        page.wait_for_timeout(1_000)  # what fades in has faded in
        page.screenshot(path=DOCS / "screenshot.png")
        browser.close()


def main() -> None:
    """Serve a data folder made for the picture, and take it."""
    with (
        TemporaryDirectory() as folder,
        open_bot(data_dir=folder, model="quote") as bot,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        bot.ingest([DOCS.parent / "examples" / "demo" / "sources"])
        for question in EARLIER:
            bot.ask(question)
        server = uvicorn.Server(server_config(build_app(bot, ())))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            take(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        finally:
            server.should_exit = True
            thread.join()


if __name__ == "__main__":
    main()
