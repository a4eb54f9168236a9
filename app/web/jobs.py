"""Who owns a running reply.

A reply belongs to the server, not to the page that asked for it: closing, reloading or leaving a page changes
nothing, and any page may follow. Knows nothing of Gradio or HTML.
"""

import logging
import threading
from collections.abc import Callable, Generator, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from math import ceil
from time import perf_counter
from typing import Final, Literal, Protocol

from app.bot import USER_ERRORS
from app.web.pictures import Shown
from dialogue.types import Drafted, Picture, Reply, Step

log = logging.getLogger(__name__)

UNEXPECTED = "Something unexpected went wrong; the log of the server has the details."
WORKERS: Final = 2
WAITING: Final = 30  # replies that wait for their turn
REFUSED: Final = 200  # jobs that ended in an error and are remembered
IDLE: Final = 2.0  # seconds that a thread waits for more to do
Turn = Generator[Step | Drafted | Reply]


class Busy(Exception):
    """No reply can be begun now. The message says why, and is fit for a user.

    `why`: the conversation has a reply that is not done, too many wait, or the server is stopping. `seconds` is when to
    try again.
    """

    def __init__(self, words: str, why: Literal["conversation", "full", "stopping"], seconds: int = 1) -> None:
        super().__init__(words)
        self.why = why
        self.seconds = seconds


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
    counts what came, and `heard` is called with the job, in the thread that works, whenever there is more to look at.
    `failure` is what `error` says in words.
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
    failure: Exception | None = None
    reply: Reply | None = None
    stored: threading.Event = field(default_factory=threading.Event)
    turn: Turn | None = None
    heard: Callable[["Job"], object] = bool
    context: Context = field(default_factory=copy_context)
    since: float = field(default_factory=perf_counter)


class Jobs:
    """Runs at most `workers` replies at a time, first come first served; one per conversation.

    As many threads as workers do it all, and end where there is nothing to do; `waiting` more replies wait for them,
    and what comes then is refused. `told` is called with every job that has ended.
    """

    def __init__(
        self,
        bot: Stepper,
        workers: int = WORKERS,
        waiting: int = WAITING,
        told: Callable[[Job], object] = bool,
    ) -> None:
        self._bot = bot
        self._workers = workers
        self._waiting = waiting
        self._told = told
        self._threads = 0
        self._idle = 0  # of these
        self._stopping = False
        self._seconds = 1.0  # that a reply took of late
        self._line: list[Job] = []
        self._last: dict[str, Job] = {}
        lock = threading.RLock()
        self._changed, self._ready = threading.Condition(lock), threading.Condition(lock)

    def start(
        self,
        conversation: str,
        question: str,
        before: int = 0,
        pictures: tuple[Picture, ...] = (),
        shown: tuple[Shown, ...] = (),
        instead: int | None = None,
        turn: Turn | None = None,
        heard: Callable[[Job], object] = bool,
    ) -> Job:
        """Store a message, in the thread of the caller, and have it answered by another; see `Bot.steps`.

        `turn` is what is done instead of that. Raises Busy while the conversation's last reply is not done, when too
        many wait, or when the server is stopping.
        """
        job = Job(conversation, question, before, pictures, shown, heard=heard)
        with self._changed:
            self._admit(conversation)
            self._line.append(job)
            self._last[conversation] = job
            if len(self._last) > REFUSED + len(self._line):
                self._last.pop(next(name for name, other in self._last.items() if other.ended))
            self._count()
        job.turn = turn or self._bot.steps(question, conversation, pictures=pictures, instead=instead)
        self._advance(job, to_first=True)  # after which it is stored, so it is safe before it waits
        with self._changed:
            job.stored.set()
            job.started = over = bool(job.error) or job.stopping
            begins = self._threads < self._workers and self._idle < len(self._unstarted())
            self._threads += begins
            self._ready.notify()
        if over:
            self._end(job)
        if begins:
            threading.Thread(target=self._work, name="reply", daemon=True).start()
        return job

    def _admit(self, conversation: str) -> None:
        """Raise Busy where no reply can be begun."""
        if self._stopping:
            raise Busy("The server is stopping. Send it again when it is back.", "stopping", 5)
        if any(other.conversation == conversation for other in self._line):
            raise Busy("A reply is being written. Wait for it, or stop it first.", "conversation")
        if (count := len(self._line)) >= self._workers + self._waiting:
            words = f"The server is busy: {count} replies are on their way. Send it again in a moment."
            raise Busy(words, "full", max(1, ceil(self._seconds * (count + 1 - self._workers) / self._workers)))

    def load(self) -> tuple[int, int]:
        """Return how many replies are being written, and how many wait for that."""
        with self._changed:
            running = min(len(self._line), self._workers)
            return running, len(self._line) - running

    @property
    def stopping(self) -> bool:
        """Whether no more replies are begun."""
        return self._stopping

    def refuse(self) -> None:
        """Begin no more replies; those on their way go on."""
        with self._changed:
            self._stopping = True

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

    def _unstarted(self) -> list[Job]:
        """What waits for a thread, the first that came first."""
        return [job for job in self._line if job.stored.is_set() and not job.started]

    def _work(self) -> None:
        """Answer what waits, one after the other, until nothing has come for a while."""
        while True:
            with self._changed:
                self._idle += 1
                self._ready.wait_for(self._unstarted, IDLE)
                self._idle -= 1
                job = next(iter(self._unstarted()), None)
                if job is None:
                    self._threads -= 1
                    return
                job.started = True
            job.context.run(self._advance, job)
            job.context.run(self._end, job)

    def _advance(self, job: Job, to_first: bool = False) -> None:
        """Follow a turn to its end, or to its first step; an error ends it."""
        try:
            for step in job.turn or ():
                if isinstance(step, Step):
                    job.steps.append(step)
                elif isinstance(step, Drafted):
                    job.drafts[step.index] = step
                else:
                    job.reply = step
                job.changes += 1
                job.heard(job)
                if to_first or job.stopping:
                    return
        except USER_ERRORS as error:
            log.warning("a reply failed: %s", error)
            job.error, job.failure = str(error), error
        except Exception as error:
            log.exception("a reply failed")
            job.error, job.failure = UNEXPECTED, error

    def _end(self, job: Job) -> None:
        try:
            if job.turn is not None:
                job.turn.close()
        except Exception as error:
            log.exception("a reply could not be stopped")
            job.error, job.failure = job.error or UNEXPECTED, job.failure or error
        with self._changed:
            job.ended = True
            self._line.remove(job)
            if not job.error:
                self._last.pop(job.conversation, None)
            if job.reply is not None:
                self._seconds += 0.1 * (sum(job.reply.trace.timings.values()) - self._seconds)
            self._count()
            self._changed.notify_all()
        self._told(job)
        job.heard(job)

    def _count(self) -> None:
        for place, job in enumerate(self._line):
            job.ahead = max(0, place - self._workers + 1)
