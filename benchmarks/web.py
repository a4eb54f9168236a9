"""What the web chat costs the server with a long history: lists, opening, earlier messages, search, in seconds.

    python benchmarks/web.py [--conversations 500] [--turns 100]

Makes a data folder of so many conversations of so many turns, those that are opened with the whole working of a real
reply, and paints them as the page's events do. Prints JSON: for each event the median seconds of processor and of wall
time of five runs.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

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
QUESTION = "Why is octopus blood blue?"
RUNS = 5


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


def main() -> None:
    """Make the folder, paint, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=500)
    parser.add_argument("--turns", type=int, default=100)
    given = parser.parse_args()
    with TemporaryDirectory() as folder, open_bot(data_dir=folder) as bot:
        bot.ingest([SOURCES / "octopus.md"])
        fill(bot, given.conversations, given.turns)
        uploads = Uploads(lambda path, progress: "", lambda path: True, Path(folder), lambda target, progress: "")
        page = Handlers(bot, Jobs(bot), lambda: uploads, (), Undo())
        found = {
            "list": measured(lambda run: page.rows(Session())),
            "open": measured(lambda run: page.view(Session(), f"made-{run}")),
            "earlier": measured(lambda run: page.view(Session(f"made-{run}", turns=10_000), f"made-{run}")),
            "search": measured(lambda run: page.rows(Session(search="haemocyanin"))),
        }
        print(json.dumps({"conversations": given.conversations, "turns": given.turns, **found}, indent=2))


if __name__ == "__main__":
    main()
