"""Who owns a running reply.

A reply belongs to the server, not to the page that asked for it: closing, reloading or leaving a page changes
nothing, and any page may follow. Knows nothing of Gradio or HTML.
"""

import logging
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from app.bot import USER_ERRORS
from app.web.pictures import Shown
from dialogue.types import Drafted, Picture, Reply, Step

log = logging.getLogger(__name__)

UNEXPECTED = "Something unexpected went wrong; the log of the server has the details."
WAITING: Final = 30  # replies that wait for their turn


class Busy(Exception):
    """No reply can be begun now. The message says why, and is fit for a user."""


class Stepper(Protocol):
    """The part of a bot that a job drives."""

    def steps(
        self,
        text: str,
        conversation: str | None = None,
        role: str | None = None,
        pictures: Sequence[Picture] = (),
        instead: int | None = None,
    ) -> Generator[Step | Drafted | Reply]:
        """Yield progress and then the reply; closing the iterator cancels the turn."""
        ...


@dataclass(slots=True, eq=False)
class Job:
    """One reply being written. `ahead` is how many others are served first; `error` is fit for a user.

    `before` is how many turns the conversation had; `stored` says that the message is in the database, or never will
    be. `shown` is what the page needs to show its pictures. `drafts` are the latest of each, by number; `changes`
    counts what came.
    """

    conversation: str
    question: str
    before: int = 0
    pictures: tuple[Picture, ...] = ()
    shown: tuple[Shown, ...] = ()
    steps: list[Step] = field(default_factory=list)
    drafts: dict[int, Drafted] = field(default_factory=dict)
    changes: int = 0
    ahead: int = 0
    stopping: bool = False
    ended: bool = False
    started: bool = False
    error: str = ""
    stored: threading.Event = field(default_factory=threading.Event)
    turn: Generator[Step | Drafted | Reply] | None = None


class Jobs:
    """Runs at most `workers` replies at a time, first come first served; one per conversation.

    As many threads as workers do it all; `waiting` more replies wait for them, and what comes then is refused.
    """

    def __init__(self, bot: Stepper, workers: int = 2, waiting: int = WAITING) -> None:
        self._bot = bot
        self._workers = workers
        self._waiting = waiting
        self._threads = 0
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
        instead: int | None = None,
    ) -> Job:
        """Store a message, in the thread of the caller, and have it answered by another; see `Bot.steps`.

        Raises Busy while the conversation's last reply is not done, or when too many wait.
        """
        job = Job(conversation, question, before, pictures, shown)
        with self._changed:
            if any(other.conversation == conversation for other in self._line):
                raise Busy("A reply is being written. Wait for it, or stop it first.")
            if len(self._line) >= self._workers + self._waiting:
                raise Busy(
                    f"The server is busy: {len(self._line)} replies are on their way. Send it again in a moment."
                )
            self._line.append(job)
            self._last[conversation] = job
            self._count()
        job.turn = self._bot.steps(question, conversation, pictures=pictures, instead=instead)
        self._advance(job, to_first=True)  # after which it is stored, so it is safe before it waits
        with self._changed:
            job.stored.set()
            job.started = over = bool(job.error) or job.stopping
            begins = not over and self._threads < self._workers
            self._threads += begins
        if over:
            self._end(job)
        if begins:
            threading.Thread(target=self._work, name="reply", daemon=True).start()
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
        """Ask the running job to stop at its next step, end one that waits; False when there is none."""
        with self._changed:
            found = [job for job in self._line if job.conversation == conversation]
        self._stop(found)
        return bool(found)

    def close(self, timeout: float = 1.5) -> None:
        """Stop every job and wait up to `timeout` seconds for them to end."""
        with self._changed:
            line = list(self._line)
        self._stop(line)
        with self._changed:
            self._changed.wait_for(lambda: not self._line, timeout)

    def _stop(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            with self._changed:
                job.stopping = True
                waits = job.stored.is_set() and not job.started
                job.started |= waits
            if waits:
                self._end(job)

    def _work(self) -> None:
        """Answer what waits, one after the other, until nothing does."""
        while True:
            with self._changed:
                job = next((job for job in self._line if job.stored.is_set() and not job.started), None)
                if job is None:
                    self._threads -= 1
                    return
                job.started = True
            self._advance(job)
            self._end(job)

    def _advance(self, job: Job, to_first: bool = False) -> None:
        """Follow a turn to its end, or to its first step; an error ends it."""
        try:
            for step in job.turn or ():
                if isinstance(step, Step):
                    job.steps.append(step)
                elif isinstance(step, Drafted):
                    job.drafts[step.index] = step
                job.changes += 1
                if to_first or job.stopping:
                    return
        except USER_ERRORS as error:
            log.warning("a reply failed: %s", error)
            job.error = str(error)
        except Exception:
            log.exception("a reply failed")
            job.error = UNEXPECTED

    def _end(self, job: Job) -> None:
        try:
            if job.turn is not None:
                job.turn.close()
        except Exception:
            log.exception("a reply could not be stopped")
            job.error = job.error or UNEXPECTED
        with self._changed:
            job.ended = True
            self._line.remove(job)
            if not job.error:
                self._last.pop(job.conversation, None)
            self._count()
            self._changed.notify_all()

    def _count(self) -> None:
        for place, job in enumerate(self._line):
            job.ahead = max(0, place - self._workers + 1)
