"""Data folders as processes leave them, and what stands in their files."""

import subprocess
import sys
from pathlib import Path

from app.config import Settings
from app.doctor import Finding, examine
from dialogue.types import Candidate, Citation, Reply, Scores, Trace
from retrieval.types import Evidence, Passage
from safety.types import Verdict

SAFE = Verdict(True, 0.01)
PLAIN = Reply("Blue.", "answered", (), Trace(asked=SAFE))
DIES = """
import os, sys
from pathlib import Path
from app.store.database import open_database
from app.store.history import History
database = open_database(Path(sys.argv[1]))
history = History(database)
"""


def full(text: str = "Blue.") -> Reply:
    """A reply with a row in every table."""
    passage = Passage(7, f"The sky: {text}", "sky.md", "Sky", ("Colour",), 0, 800, "p. 1")
    draft = Candidate(text, SAFE, Scores(0.9, 0.8, 0.7, 0.6, 0.9, safe=0.9, in_role=0.8), 3.2)
    cited = Citation(1, "sky.md", "Sky", ("Colour",), "p. 1", passage, text, 0, 16, 0.9)
    evidence = Evidence(passage, 1.5, 0.5, 0.25)
    trace = Trace(SAFE, "sky", ("sky",), (evidence,), ((evidence, "x"),), (draft,), 1, {"rank": 0.5}, "m", "j", "p")
    return Reply(f"{text}[1]", "answered", (cited,), trace)


def dies(folder: Path, work: str) -> str:
    """Run `work` on the history of a folder in a process that ends without closing anything; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", f"{DIES}{work}\nsys.stdout.flush()\nos._exit(9)", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{Path(__file__).parents[1]}:{Path(__file__).parent}"},
    )
    assert done.returncode == 9, done.stderr
    return done.stdout.strip()


def holding(folder: Path, text: str) -> list[str]:
    """The files of a folder in which a text stands."""
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and text.encode() in p.read_bytes())


def findings(folder: Path) -> dict[str, Finding]:
    """What doctor says about the folder and what is in it, by name."""
    return {each.name: each for each in examine(Settings(data_dir=folder, model="quote"), "words")}


ACKNOWLEDGES = "c = history.start('mine')\nfor n in range(5): print(history.begin(c, f'Question {n}?'), flush=True)"
