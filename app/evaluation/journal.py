"""The folder of a run: finished rows as they come, so that a stopped run goes on, and the result.

Knows nothing of what a record says.
"""

import json
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from app.evaluation.rows import EvaluationError

ROWS, RUN = "rows.jsonl", "run.json"


class Journal:
    """Finished rows by line number (`known`), kept in a folder or, without one, nowhere."""

    def __init__(self, folder: Path | None, known: dict[int, dict[str, Any]], file: IO[str] | None) -> None:
        self.known = known
        self._folder = folder
        self._file = file

    @classmethod
    def open(cls, folder: Path | None, run: dict[str, Any] | None = None) -> "Journal":
        """Open the folder for results and, when `run` says what is run, for rows.

        Rows of the same run are taken up, failed and half-written ones left out. Raises EvaluationError when
        the folder cannot be written or its rows are of another run.
        """
        if folder is None:
            return cls(None, {}, None)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ".writable").touch()
            (folder / ".writable").unlink()
            if run is None:
                return cls(folder, {}, None)
            _same_run(folder, run)
            known = _finished(folder / ROWS)
            (folder / RUN).write_text(json.dumps(run, indent=1), encoding="utf-8")
            fresh = folder / f"{ROWS}.new"
            with fresh.open("w", encoding="utf-8") as file:
                file.writelines(_line(record) for record in known.values())
            fresh.replace(folder / ROWS)
            return cls(folder, known, (folder / ROWS).open("a", encoding="utf-8"))
        except OSError as error:
            raise EvaluationError(f"{str(folder)!r} cannot be written: {error.strerror or error}") from error

    def keep(self, line: int, record: dict[str, Any]) -> dict[str, Any]:
        """Write a finished row and return it."""
        if self._file is not None:
            self._file.write(_line({"line": line} | record))
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
    try:
        before = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except FileNotFoundError:
        if (folder / ROWS).exists():
            raise EvaluationError(f"{str(folder / ROWS)!r} is of an unknown run: name another folder") from None
        return
    except ValueError:
        raise EvaluationError(f"{str(folder / RUN)!r} is not readable JSON: name another folder") from None
    differs = [key for key in run if before.get(key) != run[key]]
    if differs:
        raise EvaluationError(
            f"{str(folder)!r} holds rows of another run ({', '.join(differs)} differ): name another folder"
        )


def _finished(path: Path) -> dict[int, dict[str, Any]]:
    known: dict[int, dict[str, Any]] = {}
    if not path.exists():
        return known
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:  # the last line of a run that was killed
            continue
        if "error" not in record:
            known[record["line"]] = record
    return known


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
