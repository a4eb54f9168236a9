"""A reply belongs to the server: it ends well, fails plainly, stops when asked, and waits for its place."""

import threading
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest

from app.web.jobs import UNEXPECTED, Busy, Jobs, Uploads
from dialogue.types import DialogueError, Picture, Reply, Step, Trace
from retrieval.types import SourceError
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
        self, text: str, conversation: str | None = None, role: str | None = None, pictures: Sequence[Picture] = ()
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


def upload(folder: Path, name: str, text: str = "words") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def test_uploads_leave_the_temporary_folder_and_are_read_one_by_one(tmp_path: Path) -> None:
    seen: list[str] = []
    go = threading.Semaphore(0)

    def ingest(path: Path, progress: Callable[[str, float], None]) -> str:
        progress("Reading passage 1 of 2", 0.5)
        seen.append(path.read_text())
        assert go.acquire(timeout=WAIT)
        return ""

    uploads = Uploads(ingest, tmp_path / "kept")
    given = [upload(tmp_path / "in" / "1", "a.txt", "A"), upload(tmp_path / "in" / "2", "b.txt", "B")]
    uploads.add(given)
    assert not given[0].exists()
    assert not given[0].parent.exists()
    until(lambda: seen == ["A"])
    assert [(row.name, row.state) for row in uploads.rows()] == [("a.txt", "reading"), ("b.txt", "waiting")]
    assert uploads.rows()[0].note == "Reading passage 1 of 2"
    go.release(2)
    until(lambda: not uploads.working)
    assert seen == ["A", "B"]
    assert uploads.rows() == ()


def test_a_file_that_cannot_be_read_says_why_until_the_next_upload(tmp_path: Path) -> None:
    def ingest(path: Path, progress: Callable[[str, float], None]) -> str:
        match path.name:
            case "raises.txt":
                raise SourceError("it is a ZIP file")
            case "crashes.txt":
                raise KeyError(path)
        return "there is no text in it" if path.name == "empty.txt" else ""

    uploads = Uploads(ingest, tmp_path / "kept")
    names = ("raises.txt", "crashes.txt", "empty.txt", "good.txt")
    uploads.add([upload(tmp_path / "in", name) for name in names])
    until(lambda: not uploads.working)
    notes = {row.name: row.note for row in uploads.rows()}
    assert notes == {
        "raises.txt": "it is a ZIP file",
        "crashes.txt": UNEXPECTED,
        "empty.txt": "there is no text in it",
    }
    uploads.add([upload(tmp_path / "in", "good.txt")])
    until(lambda: not uploads.working)
    assert uploads.rows() == ()
