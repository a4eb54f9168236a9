"""The folder of a run: finished rows as they come, so that a stopped run goes on, and the result.

Every row carries a seal, a digest of the run and of the row, so that what is junk, cut off, changed or of another run
is never counted.
"""

import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

from app.evaluation.rows import EvaluationError

ROWS, RUN, REFUSED = "rows.jsonl", "run.json", "rows.refused"
FORMAT: Final = 2  # of the rows
_log = logging.getLogger(__name__)


class Journal:
    """Finished rows by line number (`known`), kept in a folder or, without one, nowhere."""

    def __init__(self, folder: Path | None, known: dict[int, dict[str, Any]], file: IO[str] | None, run: str) -> None:
        self.known = known
        self._folder = folder
        self._file = file
        self._run = run

    @classmethod
    def open(cls, folder: Path | None, run: dict[str, Any] | None = None) -> "Journal":
        """Open the folder for results and, when `run` says what is run, for rows.

        Rows of the same run are taken up, failed ones left out. Lines that are no such rows are moved to REFUSED with
        a warning, and what they stood for is evaluated again. Raises EvaluationError when the folder cannot be
        written, or RUN is damaged or says another run.
        """
        if folder is None:
            return cls(None, {}, None, "")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ".writable").touch()
            (folder / ".writable").unlink()
            if run is None:
                return cls(folder, {}, None, "")
            about = run | {"format": FORMAT}
            _same_run(folder, about)
            header = json.dumps(about, sort_keys=True)
            known = _finished(folder, header)
            (folder / RUN).write_text(json.dumps(about, indent=1), encoding="utf-8")
            fresh = folder / f"{ROWS}.new"
            with fresh.open("w", encoding="utf-8") as file:
                file.writelines(_line(_sealed(header, line, record)) for line, record in known.items())
            fresh.replace(folder / ROWS)
            return cls(folder, known, (folder / ROWS).open("a", encoding="utf-8"), header)
        except OSError as error:
            raise EvaluationError(f"{str(folder)!r} cannot be written: {error.strerror or error}") from error

    def keep(self, line: int, record: dict[str, Any]) -> dict[str, Any]:
        """Write a finished row and return it. It holds no number that is not finite, and no half character."""
        if self._file is not None:
            self._file.write(_line(_sealed(self._run, line, record)))
            self._file.flush()
        return record

    def finish(self, name: str, text: str) -> None:
        """Write the result beside the rows."""
        if self._folder is not None:
            (self._folder / name).write_text(text + "\n", encoding="utf-8")

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


def _same_run(folder: Path, run: dict[str, Any]) -> None:
    path = folder / RUN
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if (folder / ROWS).exists():
            raise EvaluationError(
                f"{str(folder / ROWS)!r} is of an unknown run: delete it, or name another folder"
            ) from None
        return
    except (ValueError, RecursionError):
        before = None
    if not isinstance(before, dict):
        raise EvaluationError(
            f"{str(path)!r} does not say what was run: delete it and {ROWS} beside it, or name another folder"
        )
    differs = [key for key in run if before.get(key) != run[key]]
    if differs:
        raise EvaluationError(
            f"{str(folder)!r} holds rows of another run ({', '.join(differs)} differ): delete {RUN} and {ROWS} in it, "
            "or name another folder"
        )


def _finished(folder: Path, run: str) -> dict[int, dict[str, Any]]:
    """Return the rows of this run by line, and move the other lines out of the way."""
    known: dict[int, dict[str, Any]] = {}
    refused: list[bytes] = []
    for line in _lines(folder / ROWS):
        row = _read(line, run)
        if row is None or known.get(row[0], row[1]) != row[1]:
            refused.append(line)
        elif "error" not in row[1]:
            known[row[0]] = row[1]
    if refused:
        with (folder / REFUSED).open("ab") as file:
            file.writelines(line.rstrip(b"\n") + b"\n" for line in refused)
        _log.warning(
            "%d lines of %s are damaged or of another run: they are now in %s, and their rows are evaluated again",
            len(refused),
            folder / ROWS,
            REFUSED,
        )
    return known


def _lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            yield from (line for line in file if line.strip())


def _read(line: bytes, run: str) -> tuple[int, dict[str, Any]] | None:
    """Return a row's line number and record; None for what no run of this kind has written."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not isinstance(row.get("line"), int):
        return None
    record = {key: value for key, value in row.items() if key not in ("line", "seal")}
    return (row["line"], record) if row == _sealed(run, row["line"], record) else None


def _sealed(run: str, line: int, record: dict[str, Any]) -> dict[str, Any]:
    row = {"line": line} | record
    seal = hashlib.blake2b(f"{run}\n{json.dumps(row, sort_keys=True)}".encode(), digest_size=8).hexdigest()
    return row | {"seal": seal}


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"
