"""Progress of an ingestion or a training on stderr: bars on a terminal, a line now and then elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from app.library.ingest import IngestProgress
from retrieval.text import clean

UNITS = {
    "fetching": "pages",
    "reading": "files",
    "embedding": "passages",
    "indexing": "passages",
    "checking": "messages",
    "comparing": "messages",
    "judging": "messages",
    "learning": "steps",
    "weighing": "replies",
    "measuring": "examples",
    "sampling": "questions",
}


@dataclass(frozen=True, slots=True)
class _Learning:
    """How far a stage of a training is."""

    stage: str
    done: int
    total: int
    name: str = ""


Shown = IngestProgress | _Learning


@contextmanager
def ingest_progress(console: Console) -> Iterator[Callable[[Shown], None]]:
    """Give a function to call with each step; bars vanish at the end."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[name]}"),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield _Bars(bars)


@contextmanager
def training_progress(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Give a function to call with a training's stage, the steps done and their total."""
    with ingest_progress(console) as show:
        yield lambda stage, done, total: show(_Learning(stage, done, total))


@contextmanager
def timed(console: Console, unit: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Give a function to call with the number done so far; on a terminal a bar shows it with the time that is left."""
    if not console.is_terminal:
        yield lambda done: None
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(unit), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(unit, total=total)
        yield lambda done: bars.update(task, completed=done)


class _Bars:
    """One bar per stage."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, step: Shown) -> None:
        if step.stage not in self._tasks:
            self._tasks[step.stage] = self._bars.add_task(step.stage.capitalize(), name="")
        name = clean(step.name).replace("[", "(")  # the bar's text is markup
        self._bars.update(self._tasks[step.stage], completed=step.done, total=step.total, name=name)


class _Lines:
    """A line per stage and tenth of it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown_tenths: dict[str, int] = {}

    def __call__(self, step: Shown) -> None:
        tenth = 10 * step.done // max(step.total, 1)
        if tenth != self._shown_tenths.get(step.stage, -1):  # a stage may come twice
            self._shown_tenths[step.stage] = tenth
            line = f"{step.stage}: {step.done} of {step.total} {UNITS[step.stage]}"
            self._console.print(line, soft_wrap=True)
