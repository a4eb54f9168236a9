"""Batch evaluation: a kind and a data set in, one JSON object of metrics out.

Knows the order of work (read, score, keep, summarise); what is scored and measured lies with each kind.
"""

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from app.bot import Bot
from app.evaluation import answers, dialogue, grounding, quality, retrieval, safety
from app.evaluation.journal import Journal
from app.evaluation.report import Report
from app.evaluation.rows import SHOWN, EvaluationError, Rows, RowT, digest_of
from app.evaluation.tasks import Record, RowTask
from dialogue.types import DialogueError
from retrieval.types import RetrievalError
from safety.types import SafetyError

__all__ = ["KINDS", "EvaluationError", "failed", "run"]

KINDS: Final = ("dialogue", "grounding", "safety", "quality", "retrieval", "answers")
Progress = Callable[[int], None]
_log = logging.getLogger(__name__)


def run(
    kind: str,
    data: Path,
    bot: Bot,
    out: Path | None = None,
    limit: int | None = None,
    strict: bool = False,
    progress: Progress = lambda done: None,
) -> dict[str, Any]:
    """Evaluate `bot` on `data` and return the result, also written to ``out/<kind>.json``.

    Bad rows are skipped and counted, or stop the run when `strict`. Dialogue rows are kept in
    ``out/rows.jsonl`` as they finish, and taken from there by a later run of the same bot on the same data.
    Ctrl-C ends with what is done, marked ``interrupted``. Raises EvaluationError for an unknown kind,
    unreadable data, no valid row, or an `out` that cannot be written or holds another run.
    """
    if kind not in KINDS:
        raise EvaluationError(f"there is no kind {kind!r} of evaluation: use one of {', '.join(KINDS)}")
    if not data.exists():
        raise EvaluationError(f"there is no data at {str(data)!r}")
    if limit is not None and limit < 1:
        raise EvaluationError(f"limit is {limit!r}: evaluate at least one row")
    report = Report()
    responder = bot.responder
    about: dict[str, Any] = {
        "kind": kind,
        "data": data.name,
        "data_sha256": digest_of(data),
        "model": responder.model.fingerprint,
        "judges": responder.judge.fingerprint,
        "policy": responder.guard.fingerprint,
    }
    if kind == "dialogue":
        about["role"] = bot.settings.role
    journal = Journal.open(out, about | {"bot": _state(bot)}) if kind == "dialogue" else Journal.open(out)
    with journal:
        if kind == "retrieval":
            counts: dict[str, Any] = {"n": retrieval.run(report, data, bot, limit, progress)}
        elif kind == "dialogue":
            counts = _rows(report, dialogue.KIND, data, bot, journal, limit, strict, progress)
        elif kind == "grounding":
            counts = _rows(report, grounding.KIND, data, bot, journal, limit, strict, progress)
        elif kind == "safety":
            counts = _rows(report, safety.KIND, data, bot, journal, limit, strict, progress)
        elif kind == "quality":
            counts = _rows(report, quality.KIND, data, bot, journal, limit, strict, progress)
        else:
            counts = _rows(report, answers.KIND, data, bot, journal, limit, strict, progress)
        result = about | counts | report.metrics | {"ci95": report.ci95, "undefined": report.undefined}
        journal.finish(f"{kind}.json", json.dumps(result, ensure_ascii=False, allow_nan=False, indent=1))
    return result


def failed(result: dict[str, Any]) -> bool:
    """Whether more than one row in a hundred could not be evaluated, so that the command should fail."""
    errors: int = result.get("n_error", 0)
    return errors * 100 > errors + int(result["n"])


def _rows(
    report: Report,
    kind: RowTask[RowT],
    data: Path,
    bot: Bot,
    journal: Journal,
    limit: int | None,
    strict: bool,
    progress: Progress,
) -> dict[str, Any]:
    """Score all rows, measure, and return the counts."""
    rows = Rows(data, kind.row, limit, strict)
    records: list[Record] = []
    interrupted = False
    try:
        for batch in kind.batches(rows):
            done = [journal.known.get(line) for line, _ in batch]
            fresh = [pair for pair, record in zip(batch, done, strict=True) if record is None]
            made = iter(_scored(kind, bot, [row for _, row in fresh]))
            for (line, _), record in zip(batch, done, strict=True):
                records.append(record if record is not None else journal.keep(line, next(made)))
            progress(len(records))
    except KeyboardInterrupt:
        interrupted = True
        if not records:
            raise
    errors = [record["error"] for record in records if "error" in record]
    judged = [record for record in records if "error" not in record and not record.get("undetermined")]
    # Replies are served whether or not they could be judged, so dialogue counts them all.
    kept = judged if kind.row is not dialogue.KIND.row else [r for r in records if "error" not in r]
    kind.summarise(report, kept)
    counts: dict[str, Any] = {
        "n": len(kept),
        "n_invalid": rows.n_invalid,
        "n_error": len(errors),
        "undetermined": len(records) - len(errors) - len(judged),
        "duplicates": rows.duplicates,
        "invalid": rows.invalid,
        "errors": errors[:SHOWN],
    }
    if rows.duplicates:
        _log.warning("%d rows of %s stand there more than once", rows.duplicates, data.name)
    return counts | ({"interrupted": True} if interrupted else {})


def _scored(kind: RowTask[RowT], bot: Bot, rows: Sequence[RowT]) -> list[Record]:
    """Score a batch; when it fails, its rows one by one, so that only the bad ones are lost."""
    if not rows:
        return []
    try:
        return [_sound(record) for record in kind.score(bot, rows)]
    except (DialogueError, RetrievalError, SafetyError, ValueError, RuntimeError) as error:
        if len(rows) == 1:
            return [{"error": f"{type(error).__name__}: {error}"}]
        return [record for row in rows for record in _scored(kind, bot, [row])]


def _sound(record: Record) -> Record:
    """Return the record, or an error where it cannot be counted: a number is not finite, a text half a character."""
    try:
        json.dumps(record, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        return {"error": f"what came of the row cannot be kept: {error}"}
    return record


def _state(bot: Bot) -> str:
    """What a reply depends on beside the models: the sources and the way a turn is taken."""
    from app.library.library import index_state

    return f"{index_state(bot.library.database).version} {bot.responder.options!r} {bot.role()!r}"
