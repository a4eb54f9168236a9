"""A bot for tests of the web chat: real database, library, encoder and ingestion; canned replies.

The canned responder quotes real sentences of real sources. Words in the message choose what happens:
"slow" takes its time, "crash" raises, "bomb" is refused, and what no source holds is not answered.
"""

import http.client
import os
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.bot import Bot
from app.config import Settings
from app.library.library import Library
from app.parts import QUOTING
from app.store.database import open_database
from app.store.history import History
from dialogue.models.scripted import Scripted
from dialogue.types import Candidate, Citation, Claim, Context, Drafted, Reply, Role, Scores, Step, Trace, Turn
from retrieval.encoder.embed import Encoder
from retrieval.text import sentences
from retrieval.types import Document, Evidence, Passage
from safety.masking import Mask
from safety.types import Verdict

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

CHROMIUM = "/usr/bin/chromium"
SAFE = Verdict(True, 0.02)
TIMINGS = {"guard": 0.01, "search": 0.06, "sample": 0.2, "judge": 0.12, "rank": 0.001}


class NoJudge:
    """Scores nothing."""

    fingerprint = "none"

    def score(self, context: Context, drafts: Sequence[str]) -> list[Scores]:
        return [Scores() for _ in drafts]


class Sure:
    """Finds the passages that share the longest words with a query, and is sure that they answer it."""

    def __init__(self, library: Library) -> None:
        self.library = library

    def search(self, queries: Sequence[str], k: int, sources: Sequence[str] = ()) -> tuple[Evidence, ...]:
        words = {word.strip("?.,!").casefold() for word in queries[0].split() if len(word) > 4}
        passages = self.library.passages(list(range(1, 200)))
        passages.sort(key=lambda passage: -_shared(passage.text, words))
        return tuple(Evidence(passage, 0.5, 0.5, 0.9) for passage in passages[:k])


class Canned:
    """Quotes the sentences that share the longest words with the message."""

    def __init__(self, library: Library, pace: float = 0.0) -> None:
        self.library = library
        self.pace = pace
        self.retriever = Sure(library)
        self.model = Scripted([])
        self.mask = Mask()

    def steps(self, turns: Sequence[Turn], role: Role | None = None) -> Iterator[Step | Drafted | Reply]:
        question = turns[-1].text
        slow = 60 if "very slow" in question else 20 if "slow" in question else 1
        for step in (
            Step("guard"),
            Step("search", question[:80]),
            Step("sample", "5 passages"),
            Step("judge", "6 drafts"),
            Step("rank", "4 of 6 drafts may be served"),
        ):
            yield step
            if step.stage == "judge":
                yield from self._drafted(question)
            if "crash" in question and step.stage == "sample":
                raise RuntimeError("<b>secret detail</b>")
            time.sleep(self.pace * slow)
        if "bomb" in question:
            asked = Verdict(False, 0.97, "weapons", "I cannot help with weapons.", "refuse")
            yield Reply(asked.reason, "refused", (), Trace(asked, timings={"guard": 0.02}))
            return
        if "despair" in question:
            yield Reply("You deserve support.", "refused", (), Trace(Verdict(False, 0.9, action="support")))
            return
        yield self.reply(question)

    def _drafted(self, question: str) -> Iterator[Drafted]:
        candidates = self.reply(question).trace.candidates
        for judged in (False, True):
            for number, draft in enumerate(candidates):
                known = draft if judged else None
                yield Drafted(draft.text, "quote", number, len(candidates), known, draft.verdict.safe)

    def reply(self, question: str) -> Reply:
        words = {word.strip("?.,!").casefold() for word in question.split() if len(word) > 4}
        found = sorted(self._sentences(), key=lambda item: -_shared(item[3], words))
        best = [item for item in found if _shared(item[3], words) >= 1][:3]
        passages = tuple({p.id: p for _, p, _, _ in found[:5]}.values())
        evidence = tuple(Evidence(passage, 0.5, 0.5) for passage in passages)
        if not best:
            text = "I found nothing about that in your documents."
            return Reply(text, "abstained", (), Trace(SAFE, question, (question,), evidence, timings=TIMINGS))
        citations = tuple(
            Citation(n, d.source, d.title, p.headings, p.place, p, text, start, start + len(text), 0.97 - n / 30)
            for n, (d, p, start, text) in enumerate(best, start=1)
        )
        text = " ".join(f"{citation.quote} [{citation.number}]" for citation in citations)
        trace = Trace(
            SAFE,
            question,
            (question,),
            evidence,
            (),
            self._candidates(citations),
            1,
            TIMINGS,
            "quote",
            "judges",
            "policy",
            research=(Turn("assistant", "TS, whales"), Turn("system", citations[0].quote)),
            prompt=f"Read the text and answer the question.\n\n{citations[0].quote}\n\nQuestion: {question}",
        )
        return Reply(text, "answered", citations, trace)

    def _candidates(self, citations: Sequence[Citation]) -> tuple[Candidate, ...]:
        quotes = [citation.quote for citation in citations]
        claims = tuple(Claim(q, 0, len(q), 0.95, True, c.passage) for q, c in zip(quotes, citations, strict=True))
        whole = Candidate(" ".join(quotes), SAFE, Scores(0.96, 0.91, 0.62, 0.93, 0.94, claims), 0.89)
        single = [Candidate(q, SAFE, Scores(0.93, 0.84, 0.41, 0.80, 0.93, claims[:1]), 0.81) for q in quotes]
        loose = Claim("It is the oldest of all.", 0, 24, 0.12, False, reason="no passage says so")
        bad = Candidate(
            "It is the oldest of all.",
            SAFE,
            Scores(0.9, 0.5, 0.4, 0.3, 0.12, (loose,)),
            0.4,
            "No source says this",
        )
        harsh = Verdict(False, 0.93, "hate", "It demeans people.", "drop")
        unsafe = Candidate(
            "<i>An unkind sentence.</i>", harsh, Scores(0.7, 0.4, 0.3, None, None), 0.4, "It demeans people."
        )
        return (whole, *single, bad, unsafe)

    def _sentences(self) -> Iterator[tuple[Document, Passage, int, str]]:
        for row in self.library.sources():
            document = self.library.document(row.id)
            for start, end in sentences(document.text):
                text = document.text[start:end]
                low, high = max(0, document.text.rfind("\n", 0, start)), document.text.find("\n", end)
                low, high = (
                    low + (document.text[low : low + 1] == "\n"),
                    high if high > 0 else len(document.text),
                )
                section = next((s for s in document.sections if s.start <= start < s.end), None)
                passage = Passage(
                    low, document.text[low:high], document.source, document.title,
                    section.headings if section else (), low, high,
                )  # fmt: skip
                yield document, passage, start, text


def _shared(text: str, words: set[str]) -> int:
    return len(words & {word.strip("?.,!").casefold() for word in text.split()})


def canned_bot(
    folder: Path, encoder: Encoder, sources: Sequence[Path] = (), pace: float = 0.0, fetch_allow: str = ""
) -> Bot:
    """A bot on a fresh data folder, with `sources` ingested."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        database = open_database(folder)
        stack.callback(database.close)
        library = Library(database, folder, encoder)
        bot = Bot(
            Settings(data_dir=folder, model="quote", fetch_allow=fetch_allow),
            History(database),
            library,
            Canned(library, pace),
            NoJudge(),
            QUOTING,
            stack.pop_all(),
        )
    if sources:
        bot.ingest(list(sources))
    return bot


def _warm(url: str) -> None:
    """Ask for the page and one of its files, so that what is imported late is imported before any test runs.

    CPython 3.11 can fail when two threads parse at once, which pytest does to what it imports: then they are asked for
    again.
    """
    page = _fetched(url).decode()
    asset = re.search(r"assets/[\w.-]+\.js", page)
    assert asset is not None or "/login" in page
    if asset is not None:
        _fetched(url + asset[0])


def _fetched(url: str, tries: int = 4) -> bytes:
    for left in reversed(range(tries)):
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return bytes(answer.read())
        except (http.client.HTTPException, OSError):
            if not left:
                raise
    raise AssertionError("no try was left")


@contextmanager
def chromium(width: int, height: int) -> Iterator["BrowserContext"]:
    """A real browser with pages of that size; skips where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not os.path.exists(CHROMIUM):
        pytest.skip(f"there is no {CHROMIUM} on this machine")
    with playwright.sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        context = browser.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(60_000)
        yield context
        browser.close()


@contextmanager
def serving(bot: Bot, examples: Sequence[str] = ()) -> Iterator[str]:
    """The web chat of `bot` on a free port of this machine; gives its address."""
    import uvicorn

    from app.web.server import build_app, server_config

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(server_config(build_app(bot, examples)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        _warm(url)
        yield url
        server.should_exit = True
        thread.join(10)
