"""Batch evaluation: a kind and a data set in, one JSON object of metrics out.

Knows the order of work (read, score, keep, summarise); what is scored and measured lies with each kind.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from app.bot import Bot
from app.evaluation import agreement, answers, grounding, quality, retrieval, safety
from app.evaluation.dialogue import Rating
from app.evaluation.journal import Journal
from app.evaluation.judging import Judges, judges_of
from app.evaluation.report import Report
from app.evaluation.require import checked, parsed
from app.evaluation.rows import SHOWN, DialogueRow, EvaluationError, Rows, RowT, digest_of
from app.evaluation.systems import BotSystem, GivenReplies, System
from app.evaluation.tasks import Record, RowTask, scored

__all__ = ["KINDS", "EvaluationError", "Options", "failed", "has_replies", "run", "task_of"]

KINDS: Final = ("dialogue", "grounding", "safety", "quality", "retrieval", "answers", "agreement")
ROW_TASKS: Final[dict[str, RowTask[Any]]] = {
    "grounding": grounding.KIND,
    "safety": safety.KIND,
    "quality": quality.KIND,
    "answers": answers.KIND,
    "agreement": agreement.KIND,
}
KEPT: Final = ("dialogue", "grounding")  # kinds whose rows are kept as they finish, and reported on one by one
ASKED: Final = 8  # conversations that a server is asked to continue side by side
Progress = Callable[[int], None]
Scored = Callable[[Iterable[list[tuple[int, Any]]]], Iterator[list[Record]]]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """What a run is asked for beside its data: the folder it is kept in, how many rows, whether a bad row stops it.

    `seed` decides the intervals, and what a server samples. `system` replies to conversations, by default the bot, or
    nobody where the rows hold replies; with `again` also to rows that hold one. `require` are conditions such as
    "wrong_when_served<=0.04". `ray` scores grounding on a cluster: its address, "" for one of this machine alone.
    `table` is the form that the rows are exported in, "csv" or "parquet".
    """

    out: Path | None = None
    limit: int | None = None
    strict: bool = False
    seed: int = 0
    system: System | None = None
    again: bool = False
    require: Sequence[str] = ()
    ray: str | None = None
    table: str = "csv"


@dataclass
class _Counts:
    """What is counted while a run goes on."""

    done: int = 0
    kept: int = 0
    undetermined: int = 0
    n_error: int = 0
    errors: list[str] = field(default_factory=list)


def run(
    kind: str,
    data: Path,
    bot: Bot | Judges,
    out: Path | None = None,
    limit: int | None = None,
    strict: bool = False,
    progress: Progress = lambda done: None,
    options: Options | None = None,
) -> dict[str, Any]:
    """Evaluate `bot`, or judge by `bot` what the data hold, and return the result, also written to ``out/<kind>.json``.

    Bad rows are skipped and counted, or stop the run when `strict`. Rows of dialogues and of grounding are kept in
    ``out/rows.jsonl`` as they finish, and taken from there by a later run of the same on the same data; beside it then
    lie a table of them and a page, ``report.html``. Ctrl-C ends with what is done, marked ``interrupted``. `options`
    holds all of that and more, and wins. Raises EvaluationError for an unknown kind, unreadable data, no valid row,
    a condition that is none, or an `out` that cannot be written or holds another run.
    """
    given = options or Options(out, limit, strict)
    if kind not in KINDS:
        raise EvaluationError(f"there is no kind {kind!r} of evaluation: use one of {', '.join(KINDS)}")
    if not data.exists():
        raise EvaluationError(f"there is no data at {str(data)!r}")
    if given.limit is not None and given.limit < 1:
        raise EvaluationError(f"limit is {given.limit!r}: evaluate at least one row")
    wanted = [parsed(text) for text in given.require]
    judges = bot if isinstance(bot, Judges) else judges_of(bot)
    report = Report(given.seed)
    about = _about(kind, data, bot, judges, given)
    with Journal.open(given.out, about if kind in KEPT else None) as journal:
        if kind == "retrieval":
            if isinstance(bot, Judges):
                raise EvaluationError("retrieval is evaluated with a bot: it needs an encoder and an index")
            counts: dict[str, Any] = {"n": retrieval.run(report, data, bot, given.limit, progress)}
        else:
            counts = _rows(report, task_of(kind, bot, given), data, judges, journal, given, progress)
        found = about | counts | report.metrics
        found |= {"ci95": report.ci95, "n_of": report.n_of, "undefined": report.undefined}
        result = found | ({"required": checked(found, wanted)} if wanted else {})
        journal.finish(f"{kind}.json", json.dumps(result, ensure_ascii=False, allow_nan=False, indent=1))
    if given.out is not None and kind in KEPT:
        from app.evaluation.export import write_table
        from app.evaluation.page import write_page

        write_table(given.out, given.table)
        write_page(given.out, result, measured_of(kind))
    return result


def failed(result: dict[str, Any]) -> bool:
    """Whether more than one row in a hundred could not be evaluated, or a condition is not met."""
    errors: int = result.get("n_error", 0)
    unmet = any(not condition["met"] for condition in result.get("required", ()))
    return unmet or errors * 100 > errors + int(result["n"])


def has_replies(data: Path) -> bool:
    """Whether the first row of dialogue data holds a reply to judge. Raises EvaluationError as reading it does."""
    return next((row.response is not None for _, row in Rows(data, DialogueRow, limit=1)), False)


def task_of(kind: str, bot: Bot | Judges, given: Options) -> RowTask[Any]:
    """The evaluation of rows that a kind is."""
    if kind != "dialogue":
        return ROW_TASKS[kind]
    system = _system(bot, given)
    return Rating(system, given.again).task(1 if isinstance(system, BotSystem) else ASKED)


def _system(bot: Bot | Judges, given: Options) -> System:
    """What replies: the one that is named, else the bot, else nobody."""
    return given.system or (GivenReplies() if isinstance(bot, Judges) else BotSystem(bot, given.seed))


def measured_of(kind: str) -> Callable[[Record], Any]:
    """What is measured of one record of a kind that keeps its rows."""
    found = (Rating(GivenReplies()).task() if kind == "dialogue" else ROW_TASKS[kind]).measured
    if found is None:
        raise EvaluationError(f"rows of {kind!r} are not kept: compare runs of {' or '.join(KEPT)}")
    return found


def _about(kind: str, data: Path, bot: Bot | Judges, judges: Judges, given: Options) -> dict[str, Any]:
    """What identifies a run."""
    about: dict[str, Any] = {
        "kind": kind,
        "data": data.name,
        "data_sha256": digest_of(data),
        "model": judges.model,
        "judges": judges.judge.fingerprint,
        "policy": judges.guard.fingerprint,
        "seed": given.seed,
    }
    if kind == "dialogue":
        system = _system(bot, given)
        about |= {"role": judges.role.name if isinstance(bot, Judges) else bot.settings.role}
        about |= {"system": system.name, "bot": system.fingerprint, "again": given.again}
    return about


def _rows(
    report: Report,
    kind: RowTask[RowT],
    data: Path,
    judges: Judges,
    journal: Journal,
    given: Options,
    progress: Progress,
) -> dict[str, Any]:
    """Score all rows, measure, and return the counts."""
    rows = Rows(data, kind.row, given.limit, given.strict)
    collector = kind.collector()
    counts = _Counts()
    interrupted = False
    try:
        for batch in _records(kind, rows, judges, journal, given):
            for record in batch:
                counts.done += 1
                if "error" in record:
                    counts.n_error += 1
                    counts.errors += [record["error"]] if len(counts.errors) < SHOWN else []
                    continue
                counts.undetermined += bool(record.get("undetermined"))
                if kind.served or not record.get("undetermined"):
                    counts.kept += 1
                    collector.add(record)
            progress(counts.done)
    except KeyboardInterrupt:
        interrupted = True
        if not counts.done:
            raise
    collector.summarise(report)
    found: dict[str, Any] = {
        "format": ", ".join(rows.formats) or "Candor rows",
        "n": counts.kept,
        "n_invalid": rows.n_invalid,
        "n_error": counts.n_error,
        "undetermined": counts.undetermined,
        "duplicates": rows.duplicates,
        "invalid": rows.invalid,
        "errors": counts.errors,
    }
    if found["duplicates"]:
        _log.warning("%d rows of %s stand there more than once", found["duplicates"], data.name)
    return found | ({"interrupted": True} if interrupted else {})


def _records(
    kind: RowTask[RowT], rows: Rows[RowT], judges: Judges, journal: Journal, given: Options
) -> Iterator[list[Record]]:
    """Yield the records of each batch, in order, and keep those that are new.

    A batch of which some rows are known is scored whole, so that its arithmetic is the same as without the stop.
    """

    def batches() -> Iterator[tuple[list[tuple[int, RowT]], list[Record | None]]]:
        for batch in kind.batches(rows):
            yield batch, [journal.known(line) for line, _ in batch]

    def local(batch: Sequence[tuple[int, RowT]]) -> list[Record]:
        return scored(kind, judges, [row for _, row in batch])

    made: Iterator[tuple[list[tuple[int, RowT]], list[Record | None], list[Record]]]
    if given.ray is None:
        made = ((batch, known, local(batch) if None in known else []) for batch, known in batches())
    else:
        from app.evaluation.ray import scored_on_ray

        made = scored_on_ray(batches(), kind.row, judges, given.ray)
    for batch, known, found in made:
        yield [
            before if before is not None else journal.keep(line, found[place])
            for place, ((line, _), before) in enumerate(zip(batch, known, strict=True))
        ]
