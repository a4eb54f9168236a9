"""What the web chat costs: the server with a long history, a browser until it can be used, and twenty of them at once.

    python benchmarks/web.py [--conversations 500] [--turns 100] [--browsers 20] [--out benchmarks/results/web.json]

Makes a data folder of so many conversations of so many turns, those that are opened with the whole working of a real
reply, and paints them as the page's events do: for each event the median seconds of processor and of wall time of five
runs. Then `candor serve` is started on that folder and its page opened and reloaded in Chromium, in seconds from its
line that it is ready. Last, so many browsers at once each ask three questions, which are quoted to: whether every page
shows its own turns and replies, how many waited and were told so, and what the interface adds to a turn, from the key
press until its message is stored and from the stored reply until that is on the page. Needs the extra dev and Chromium.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import insert, select

from app import Bot, open_bot
from app.library.checksums import seal
from app.store.tables import CandidateRow, CitationRow, ConversationRow, EvidenceRow, TurnRow
from app.web.handlers import Handlers
from app.web.jobs import Jobs
from app.web.undo import Undo
from app.web.uploads import Uploads
from app.web.view import Session

SOURCES = Path(__file__).parents[1] / "examples" / "demo" / "sources"
ASKED = SOURCES.parent / "questions.jsonl"
QUESTION = "Why is octopus blood blue?"
RUNS = 5
ROUNDS = 3  # questions of each browser
WAIT: Final = 600_000  # milliseconds
CHROMIUM: Final = "/usr/bin/chromium"
READY = "#nav[role=navigation] ~ #main .hello"  # the page is painted, and its script runs
# When a message is sent, stored words of it shown, and its reply; whether the page said that others are served first.
WATCH = """
window.marks = []; window.told = 0;
document.addEventListener('keydown', event => {
  if (event.target.id === 'message' && event.key === 'Enter') marks.push({ sent: Date.now() });
}, true);
new MutationObserver(() => {
  const last = marks[marks.length - 1];
  const replies = document.querySelectorAll('#log .turn .acts').length;
  if (last && !last.shown && replies >= marks.length) last.shown = Date.now();
  const line = document.querySelector('#live .stages');
  if (line && /before you/.test(line.textContent)) window.told = marks.length;
}).observe(document, { childList: true, subtree: true });
"""


def fill(bot: Bot, conversations: int, turns: int) -> None:
    """Store conversations whose turns are all like one real turn."""
    talk = bot.ask(QUESTION).conversation
    with bot.library.database.write() as session:
        first = session.scalars(select(TurnRow).where(TurnRow.conversation_id == talk)).one()
        columns = [column.name for column in TurnRow.__table__.columns if column.name != "id"]
        row = {name: getattr(first, name) for name in columns}
        beside = {
            table: [
                {column.name: getattr(found, column.name) for column in table.__table__.columns}
                for found in session.scalars(select(table).where(table.turn_id == first.id))
            ]
            for table in (EvidenceRow, CandidateRow, CitationRow)
        }
        now, number = datetime.now(UTC), first.id
        for place in range(conversations):
            moment, identity = now - timedelta(hours=place), f"made-{place}"
            about = {"title": f"Question {place} on octopuses", "pinned": False, "role": "candor"}
            times = {"created_at": moment, "updated_at": moment}
            session.execute(insert(ConversationRow), [{"id": identity, **about, **times}])
            made = range(number + 1, number + 1 + turns)
            number += turns
            own = [
                {**row, "id": turn, "conversation_id": identity, "number": n} for n, turn in enumerate(made, start=1)
            ]
            session.execute(insert(TurnRow), own)
            if place >= RUNS:  # nobody opens it
                continue
            for table, rows in beside.items():
                session.execute(insert(table), [{**one, "turn_id": turn} for turn in made for one in rows])
            for turn in made:
                seal(session, turn)


def measured(work: Callable[[int], object]) -> dict[str, float]:
    """Medians of the processor and the wall time of some runs."""
    spent = []
    for run in range(RUNS):
        begun = time.thread_time(), time.perf_counter()
        work(run)
        spent.append((time.thread_time() - begun[0], time.perf_counter() - begun[1]))
    processor, wall = zip(*spent, strict=True)
    return {"processor": round(statistics.median(processor), 3), "wall": round(statistics.median(wall), 3)}


def in_server(bot: Bot, folder: Path) -> dict[str, dict[str, float]]:
    """Paint lists, conversations and searches of a long history."""
    uploads = Uploads(lambda path, progress: "", lambda path: True, folder, lambda target, progress: "")
    page = Handlers(bot, Jobs(bot), lambda: uploads, (), Undo())
    return {
        "list": measured(lambda run: page.rows(Session())),
        "open": measured(lambda run: page.view(Session(), f"made-{run}")),
        "earlier": measured(lambda run: page.view(Session(f"made-{run}", turns=10_000), f"made-{run}")),
        "search": measured(lambda run: page.rows(Session(search="haemocyanin"))),
    }


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """`candor serve` on a folder; gives its address once it says that it is ready."""
    command = [sys.executable, "-m", "app", "--data-dir", str(folder), "--model", "quote", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()


def opening(browser: Browser, folder: Path) -> dict[str, float]:
    """Seconds until the page can be used: the first time, with nothing kept, and the median of some reloads."""
    page, again = browser.new_page(), []
    with served(folder) as url:
        begun = time.perf_counter()
        page.goto(url)
        page.wait_for_selector(READY)
        first = time.perf_counter() - begun
        for _ in range(RUNS):
            begun = time.perf_counter()
            page.reload()
            page.wait_for_selector(READY)
            again.append(time.perf_counter() - begun)
        page.close()
    return {"first": round(first, 2), "reload": round(statistics.median(again), 2)}


def at_once(browser: Browser, folder: Path, number: int) -> dict[str, Any]:
    """So many browsers ask at once; what each shows is compared with what is stored."""
    rows = [json.loads(line) for line in ASKED.read_text("utf-8").splitlines()]
    questions = [row["context"][0] for row in rows if row["kind"] == "direct"]
    asked = [[questions[(place + step * number) % len(questions)] for step in range(ROUNDS)] for place in range(number)]
    with served(folder) as url:
        pages = [browser.new_context().new_page() for _ in asked]
        for page in pages:
            page.add_init_script(WATCH)
            page.set_default_timeout(WAIT)
            page.goto(url)
            page.wait_for_selector(READY)
        begun = time.perf_counter()
        for step in range(ROUNDS):
            for page, mine in zip(pages, asked, strict=True):
                page.locator("#message").fill(mine[step])
                page.keyboard.press("Enter")
            for page in pages:
                page.locator("#log .turn .acts").nth(step).wait_for()
        seconds = time.perf_counter() - begun
        shown = [(page.url.rpartition("c=")[2], words(page), page.evaluate("[marks, told]")) for page in pages]
        for page in pages:
            page.context.close()
    with open_bot(data_dir=folder, model="quote") as bot:
        return compared(bot, asked, shown) | {"seconds": round(seconds, 1)}


def words(page: Page) -> list[str]:
    """The replies that a page shows, without the numbers of their sources."""
    script = (
        "all => all.map(one => { one = one.cloneNode(true); one.querySelectorAll('.cite').forEach(c => c.remove());"
    )
    found: list[str] = page.eval_on_selector_all("#log .reply .words", f"{script} return one.textContent; }})")
    return [plain(text) for text in found]


def plain(text: str) -> str:
    """Letters and figures alone: Markdown, marks and spaces are the page's affair."""
    return re.sub(r"\W", "", re.sub(r"\[\d+\]", "", text))


def compared(bot: Bot, asked: Sequence[Sequence[str]], shown: Sequence[tuple[str, list[str], Any]]) -> dict[str, Any]:
    """Count turns that are lost, or stand on another page than their own, and what the interface added to each."""
    lost = crossed = 0
    before, after = list[float](), list[float]()
    for mine, (conversation, replies, (marks, _)) in zip(asked, shown, strict=True):
        turns = [turn for turn in bot.history.turns(conversation) if turn.reply is not None]
        lost += len(mine) - len(turns)
        crossed += [turn.question for turn in turns] != list(mine)
        crossed += [plain(turn.reply.text) for turn in turns if turn.reply] != replies
        crossed += bool(turns) and turns[0].reply is not None and turns[0].reply.text != bot.ask(mine[0]).text
        for turn, mark in zip(turns, marks, strict=True):
            before.append(turn.created_at.timestamp() - mark["sent"] / 1000)
            after.append(mark["shown"] / 1000 - (turn.finished_at or turn.created_at).timestamp())
    added = [one + other for one, other in zip(before, after, strict=True)]
    spread = {"until stored": before, "after the reply": after, "both": added}
    return {
        "browsers": len(asked),
        "turns": len(added),
        "lost": lost,
        "crossed": crossed,
        "pages that said how many wait before": sum(told > 0 for _, _, (_, told) in shown),
        "distinct conversations": len({conversation for conversation, _, _ in shown}),
        "added": {name: quantiles(values) for name, values in spread.items()},
    }


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """Median and the 95th of a hundred."""
    cut = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50": round(cut[49], 3), "p95": round(cut[94], 3)}


def main() -> None:
    """Make the folder, paint, open, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=500)
    parser.add_argument("--turns", type=int, default=100)
    parser.add_argument("--browsers", type=int, default=20)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found: dict[str, Any] = {"conversations": given.conversations, "turns": given.turns, "load": os.getloadavg()[0]}
    with TemporaryDirectory() as name, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        folder = Path(name)
        with open_bot(data_dir=folder, model="quote") as bot:
            bot.ingest([SOURCES])
            fill(bot, given.conversations, given.turns)
            found["server"] = in_server(bot, folder)
        found["page"] = opening(browser, folder)
        if given.browsers:
            found["at once"] = at_once(browser, folder, given.browsers)
        browser.close()
    print(json.dumps(found, indent=2))
    if given.out:
        given.out.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
