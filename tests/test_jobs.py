"""A reply belongs to the server: it ends well, fails plainly, stops when asked, and waits for its place."""

import threading
from collections.abc import Callable, Generator, Sequence

import pytest

from app.web.jobs import UNEXPECTED, Busy, Jobs
from dialogue.types import DialogueError, Picture, Reply, Step, Trace
from safety.types import Verdict

REPLY = Reply("Yes.", "answered", (), Trace(Verdict(True, 0.0)))
WAIT = 10.0


class Turns:
    """A bot whose turns wait for the test at every step, and tell what became of them."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.stored: list[str] = []
        self.ends: list[str] = []

    def steps(
        self,
        text: str,
        conversation: str | None = None,
        role: str | None = None,
        pictures: Sequence[Picture] = (),
        instead: int | None = None,
    ) -> Generator[Step | Reply]:
        self.stored.append(text)
        try:
            for stage in ("guard", "search", "rank"):
                yield Step(stage)  # type: ignore[arg-type]
                assert self.gate.acquire(timeout=WAIT)
                if text == "fail":
                    raise DialogueError("the model is down")
                if text == "crash":
                    raise KeyError("secret")
            self.ends.append("done")
            yield REPLY
        except GeneratorExit:
            self.ends.append("cancelled")
            raise


def until(true: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it never came true")


def test_a_reply_ends_though_nobody_looks() -> None:
    bot = Turns()
    jobs = Jobs(bot)
    job = jobs.start("a", "hello")
    assert job.stored.wait(WAIT)
    assert bot.stored == ["hello"]
    assert jobs.live("a") is job
    bot.gate.release(3)
    until(lambda: job.ended)
    assert bot.ends == ["done"]
    assert jobs.live("a") is None
    assert [step.stage for step in job.steps] == ["guard", "search", "rank"]


def test_a_conversation_has_one_reply_at_a_time() -> None:
    bot = Turns()
    jobs = Jobs(bot)
    jobs.start("a", "one")
    with pytest.raises(Busy):
        jobs.start("a", "two")
    bot.gate.release(3)
    jobs.close(WAIT)


def test_messages_are_stored_before_they_wait_for_a_place() -> None:
    bot = Turns()
    jobs = Jobs(bot, workers=1)
    first, second, third = (jobs.start(name, name) for name in "abc")
    for job in (first, second, third):
        assert job.stored.wait(WAIT)
    assert [first.ahead, second.ahead, third.ahead] == [0, 1, 2]
    bot.gate.release(3)
    until(lambda: first.ended)
    assert [second.ahead, third.ahead] == [0, 1]
    assert not second.ended
    bot.gate.release(6)
    until(lambda: second.ended and third.ended)


def test_stop_cancels_the_turn_and_frees_its_place() -> None:
    bot = Turns()
    jobs = Jobs(bot)
    job = jobs.start("a", "hello")
    assert job.stored.wait(WAIT)
    assert jobs.stop("a")
    bot.gate.release(1)
    until(lambda: job.ended)
    assert bot.ends == ["cancelled"]
    assert not job.error
    assert not jobs.stop("a")


def test_stop_reaches_a_job_that_still_waits() -> None:
    bot = Turns()
    jobs = Jobs(bot, workers=1)
    jobs.start("a", "one")
    waiting = jobs.start("b", "two")
    assert waiting.stored.wait(WAIT)
    jobs.stop("b")
    until(lambda: waiting.ended)
    assert bot.ends == ["cancelled"]
    bot.gate.release(9)
    jobs.close(WAIT)


@pytest.mark.parametrize(("text", "error"), [("fail", "the model is down"), ("crash", UNEXPECTED)])
def test_a_failure_is_kept_until_the_next_try(text: str, error: str) -> None:
    bot = Turns()
    jobs = Jobs(bot)
    job = jobs.start("a", text, before=4)
    bot.gate.release(9)
    until(lambda: job.ended)
    assert job.error == error
    assert jobs.refused("a") is job
    again = jobs.start("a", "hello")
    until(lambda: again.ended)
    assert jobs.refused("a") is None


def test_closing_stops_every_job() -> None:
    bot = Turns()
    jobs = Jobs(bot)
    made = [jobs.start(name, name) for name in "abc"]
    for job in made:
        assert job.stored.wait(WAIT)
    bot.gate.release(2)
    jobs.close(WAIT)
    assert bot.ends == ["cancelled"] * 3


def test_what_comes_when_too_many_wait_is_refused_and_threads_are_few() -> None:
    bot = Turns()
    jobs = Jobs(bot, workers=2, waiting=3)
    before = threading.active_count()
    made = [jobs.start(str(number), "hello") for number in range(5)]
    with pytest.raises(Busy, match="The server is busy: 5 replies"):
        jobs.start("more", "hello")
    assert bot.stored == ["hello"] * 5
    assert threading.active_count() <= before + 2
    bot.gate.release(15)
    until(lambda: all(job.ended for job in made))
    assert bot.ends == ["done"] * 5
    until(lambda: threading.active_count() <= before)
    again = jobs.start("more", "hello")
    bot.gate.release(3)
    until(lambda: again.ended)


def test_a_message_that_fails_at_once_does_not_wait_for_a_place() -> None:
    class Refusing(Turns):
        def steps(
            self,
            text: str,
            conversation: str | None = None,
            role: str | None = None,
            pictures: Sequence[Picture] = (),
            instead: int | None = None,
        ) -> Generator[Step | Reply]:
            if text == "refuse":
                raise DialogueError("it is not stored")
            yield from super().steps(text, conversation, role, pictures)

    bot = Refusing()
    jobs = Jobs(bot, workers=1)
    first = jobs.start("a", "hello")
    second = jobs.start("b", "refuse")
    assert (second.ended, second.error, jobs.refused("b")) == (True, "it is not stored", second)
    assert not first.ended
    bot.gate.release(9)
    until(lambda: first.ended)
