"""Who owns a running reply, and a running upload.

A reply belongs to the server, not to the page that asked for it: closing, reloading or leaving a page changes
nothing, and any page may follow. Knows nothing of Gradio or HTML.
"""

import contextlib
import logging
import shutil
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from app.errors import AppError
from app.web.pictures import Shown
from dialogue.types import DialogueError, Picture, Reply, Step
from retrieval.types import RetrievalError
from safety.types import SafetyError

log = logging.getLogger(__name__)

UNEXPECTED = "Something unexpected went wrong; the log of the server has the details."


class Busy(Exception):
    """This conversation already has a reply being written."""


class Stepper(Protocol):
    """The part of a bot that a job drives."""

    def steps(
        self,
        text: str,
        conversation: str | None = None,
        role: str | None = None,
        pictures: Sequence[Picture] = (),
    ) -> Generator[Step | Reply]:
        """Yield progress and then the reply; closing the iterator cancels the turn."""
        ...


@dataclass(slots=True, eq=False)
class Job:
    """One reply being written. `ahead` is how many others are served first; `error` is fit for a user.

    `before` is how many turns the conversation had; `stored` is set once the message is in the database,
    or never will be. `shown` is what the page needs to show its pictures.
    """

    conversation: str
    question: str
    before: int = 0
    pictures: tuple[Picture, ...] = ()
    shown: tuple[Shown, ...] = ()
    steps: list[Step] = field(default_factory=list)
    ahead: int = 0
    stopping: bool = False
    ended: bool = False
    started: bool = False
    error: str = ""
    stored: threading.Event = field(default_factory=threading.Event)


class Jobs:
    """Runs at most `workers` replies at a time, first come first served; one per conversation."""

    def __init__(self, bot: Stepper, workers: int = 2) -> None:
        self._bot = bot
        self._workers = workers
        self._line: list[Job] = []
        self._last: dict[str, Job] = {}
        self._changed = threading.Condition()

    def start(
        self,
        conversation: str,
        question: str,
        before: int = 0,
        pictures: tuple[Picture, ...] = (),
        shown: tuple[Shown, ...] = (),
    ) -> Job:
        """Begin a reply and return at once. Raises Busy while the conversation's last one is not done."""
        job = Job(conversation, question, before, pictures, shown)
        with self._changed:
            if any(other.conversation == conversation for other in self._line):
                raise Busy(conversation)
            self._line.append(job)
            self._last[conversation] = job
            self._count()
        threading.Thread(target=self._run, args=(job,), name="reply", daemon=True).start()
        return job

    def live(self, conversation: str) -> Job | None:
        """The job that is writing this conversation's reply, if any."""
        with self._changed:
            return next((job for job in self._line if job.conversation == conversation), None)

    def refused(self, conversation: str) -> Job | None:
        """The conversation's last job when it ended in an error, else None."""
        with self._changed:
            job = self._last.get(conversation)
            return job if job is not None and job.ended and job.error else None

    def stop(self, conversation: str) -> bool:
        """Ask the running job to stop at its next step; False when there is none."""
        with self._changed:
            for job in self._line:
                if job.conversation == conversation:
                    job.stopping = True
                    self._changed.notify_all()
                    return True
        return False

    def close(self, timeout: float = 1.5) -> None:
        """Stop every job and wait up to `timeout` seconds for them to end."""
        with self._changed:
            for job in self._line:
                job.stopping = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._line, timeout)

    def _run(self, job: Job) -> None:
        try:
            steps = self._bot.steps(job.question, job.conversation, pictures=job.pictures)
            with contextlib.closing(steps):
                self._follow(job, steps)
        except (AppError, DialogueError, RetrievalError, SafetyError) as error:
            log.warning("a reply failed: %s", error)
            job.error = str(error)
        except Exception:
            log.exception("a reply failed")
            job.error = UNEXPECTED
        finally:
            with self._changed:
                job.ended = True
                job.stored.set()
                self._line.remove(job)
                if not job.error:
                    self._last.pop(job.conversation, None)
                self._count()
                self._changed.notify_all()

    def _follow(self, job: Job, steps: Generator[Step | Reply]) -> None:
        # The first step comes after the message is stored, so a message is safe before it waits in the line.
        for step in steps:
            if isinstance(step, Step):
                job.steps.append(step)
                job.stored.set()
                self._await_turn(job)
            if job.stopping:
                return

    def _await_turn(self, job: Job) -> None:
        if job.started:
            return
        with self._changed:
            self._changed.wait_for(lambda: job.stopping or self._line.index(job) < self._workers)
            job.started = True

    def _count(self) -> None:
        for place, job in enumerate(self._line):
            job.ahead = max(0, place - self._workers + 1)


UploadState = Literal["waiting", "reading", "failed"]


@dataclass(slots=True, eq=False)
class Upload:
    """One file on its way into the library. `share` is the part done, between 0 and 1."""

    name: str
    path: Path
    state: UploadState = "waiting"
    note: str = "Waiting"
    share: float = 0.0


Ingest = Callable[[Path, Callable[[str, float], None]], str]


class Uploads:
    """Reads files into the library one after the other.

    `ingest(path, progress)` adds one file, calls `progress(note, share)` as it goes and returns the reason
    of a failure, empty when the file was added. `folder` keeps the uploaded files, under their own names.
    """

    def __init__(self, ingest: Ingest, folder: Path) -> None:
        self._ingest = ingest
        self._folder = folder
        self._rows: list[Upload] = []
        self._queue: deque[Upload] = deque()
        self._lock = threading.Lock()
        self._working = False
        self.revision = 0

    def add(self, files: list[Path]) -> None:
        """Move the files into the folder, at once, and have them read; failures shown before are cleared."""
        self._folder.mkdir(parents=True, exist_ok=True)
        added = [Upload(file.name, self._move(file)) for file in files]
        with self._lock:
            self._rows = [row for row in self._rows if row.state != "failed"] + added
            self._queue.extend(added)
            self.revision += 1
            start, self._working = not self._working, True
        if start:
            threading.Thread(target=self._work, name="upload", daemon=True).start()

    def rows(self) -> tuple[Upload, ...]:
        """The files not in the library yet, failures included."""
        with self._lock:
            return tuple(self._rows)

    @property
    def working(self) -> bool:
        """Whether files are still being read."""
        with self._lock:
            return self._working

    def _move(self, file: Path) -> Path:
        kept = self._folder / file.name
        shutil.move(file, kept)
        with contextlib.suppress(OSError):
            file.parent.rmdir()
        return kept

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._working = False
                    self.revision += 1
                    return
                row = self._queue.popleft()
            self._read(row)

    def _read(self, row: Upload) -> None:
        def progress(note: str, share: float) -> None:
            with self._lock:
                row.note, row.share = note, share
                self.revision += 1

        row.state = "reading"
        progress("Reading", 0.1)
        try:
            failure = self._ingest(row.path, progress)
        except (AppError, RetrievalError) as error:
            failure = str(error)
        except Exception:
            log.exception("an upload failed")
            failure = UNEXPECTED
        with self._lock:
            if failure:
                row.state, row.note = "failed", failure
            else:
                self._rows.remove(row)
            self.revision += 1
