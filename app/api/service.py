"""What the routes of the API share: the bot, its running replies, its uploads; and turns taken through them."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import uuid4

from app.api.callers import Caller
from app.api.errors import ApiError, as_api_error
from app.api.parts import Parts
from app.bot import USER_ERRORS, checked_message
from app.web.jobs import Busy, Job, Jobs
from dialogue.types import Reply, Step, Turn

if TYPE_CHECKING:
    from starlette.requests import Request


T = TypeVar("T")
CALLS: Final = 2  # checks and searches at a time
CALLS_WAITING: Final = 60
STARTS: Final = 32  # messages that are stored at a time, which share their commits


@dataclass(frozen=True, slots=True)
class Asked:
    """A message to be answered: the last of `turns`.

    It continues `conversation` where that is named, of which the turns before the last are then no part. Otherwise it
    begins one with these turns before it, in `role`, under `identity` where that is given, `instead` of a turn that it
    has. Without `store` nothing is kept of it.
    """

    turns: tuple[Turn, ...]
    conversation: str | None = None
    role: str | None = None
    store: bool = True
    identity: str = ""
    instead: int | None = None


@dataclass(eq=False)
class Service(Parts):
    """The parts of a server, with the work that routes have done by them."""

    _calls: int = 0
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(CALLS, "api"))
    _starts: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(STARTS, "start"))

    async def call(self, work: Callable[[], T]) -> T:
        """Return what some work gives that takes the processor, done in a thread; a few at a time.

        Raises ApiError, 429 when too much waits.
        """
        if self._calls >= CALLS + CALLS_WAITING:
            raise ApiError(429, "too many checks and searches at once: try again", headers={"Retry-After": "2"})
        self._calls += 1
        try:
            context = asyncio.get_running_loop()
            return await context.run_in_executor(self._threads, work)
        except USER_ERRORS as error:
            raise as_api_error(error) from None
        finally:
            self._calls -= 1

    async def begin(self, asking: Caller, asked: Asked, stages: bool) -> "Running":
        """Begin to answer; when this returns the message is stored. Raises ApiError.

        With `stages` the caller follows those, else it waits for the end alone.
        """
        loop, more = asyncio.get_running_loop(), asyncio.Event()

        def heard(job: Job) -> None:
            if stages or job.ended:
                with contextlib.suppress(RuntimeError):  # the server has stopped
                    loop.call_soon_threadsafe(more.set)

        def start() -> Job:
            return self._started(asking, asked, heard)

        try:
            job = await loop.run_in_executor(self._starts, copy_context().run, start)
        except (Busy, *USER_ERRORS) as error:
            raise as_api_error(error) from None
        running = Running(self.jobs, job, more)
        if job.failure is not None:
            raise as_api_error(job.failure)
        return running

    def _started(self, asking: Caller, asked: Asked, heard: Callable[[Job], None]) -> Job:
        bot, last = asking.bot, asked.turns[-1]
        message = checked_message(last.text, pictured=bool(last.pictures))
        asking.take_turn()
        if asked.conversation is not None:
            held = asking.conversation(asked.conversation)
            bot.role_of(held.id, asked.role)
            turn = bot.steps(message, held.id, pictures=last.pictures)
            return self.jobs.start(held.id, message, held.turns, last.pictures, turn=turn, heard=heard)
        identity, shown = asked.identity or str(uuid4()), last.pictures
        if asked.store:
            again = asked.instead
            turn = bot.steps(message, identity, asked.role, shown, again, asked.turns[:-1], new=again is None)
        else:
            turn = bot.unstored(asked.turns, asked.role, asking.account)
        return self.jobs.start(identity, message, 0, shown, turn=turn, heard=heard)


class Running:
    """A reply on its way, for whoever asked for it. Who goes away stops it."""

    def __init__(self, jobs: Jobs, job: Job, more: asyncio.Event) -> None:
        self.job = job
        self._jobs = jobs
        self._more = more

    async def steps(self, idle: float) -> AsyncGenerator[Step | None]:
        """Yield the stages as they begin, None after every `idle` seconds without news, until the reply is there.

        Closing the iterator stops the reply.
        """
        told = 0
        try:
            while True:
                self._more.clear()
                while told < len(self.job.steps):
                    told += 1
                    yield self.job.steps[told - 1]
                if self.job.ended:
                    return
                try:
                    async with asyncio.timeout(idle):
                        await self._more.wait()
                except TimeoutError:
                    yield None
        finally:
            self._leave()

    async def reply(self, request: "Request") -> Reply:
        """Return the reply; stop it when the client goes away. Raises ApiError, and ClientDisconnect."""
        ended, gone = asyncio.ensure_future(self._ended()), asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait((ended, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
            gone.cancel()
            self._leave()
        return self.result()

    def result(self) -> Reply:
        """Return the reply that is there. Raises ApiError where the turn ended without one."""
        if self.job.failure is not None:
            raise as_api_error(self.job.failure)
        if self.job.reply is None:
            raise ApiError(503, "the reply was stopped before it was ready", "stopped", headers={"Retry-After": "1"})
        return self.job.reply

    async def _ended(self) -> None:
        while not self.job.ended:
            self._more.clear()
            if not self.job.ended:
                await self._more.wait()

    def _leave(self) -> None:
        if not self.job.ended:  # what it takes to stop is waited for by nobody
            asyncio.get_running_loop().run_in_executor(None, self._jobs.stop, self.job.conversation)


async def _gone(request: "Request") -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
