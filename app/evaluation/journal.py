"""The folder of a run: finished rows as they come, so that a stopped run goes on, and the result.

Every row carries a seal, a digest of the run and of the row, so that what is junk, cut off, changed or of another run
is never counted. Of the rows only their places in the file are held in memory, eight bytes each.
"""

import hashlib
import json
import logging
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

from app.evaluation.rows import EvaluationError

ROWS, RUN, REFUSED = "rows.jsonl", "run.json", "rows.refused"
FORMAT: Final = 3  # of the rows
_log = logging.getLogger(__name__)


class Places:
    """Where in a file the rows of certain lines begin."""

    def __init__(self) -> None:
        self._starts = array("q")

    def __contains__(self, line: int) -> bool:
        return 0 <= line < len(self._starts) and self._starts[line] >= 0

    def __getitem__(self, line: int) -> int:
        return self._starts[line]

    def __setitem__(self, line: int, start: int) -> None:
        if line >= len(self._starts):
            self._starts.extend([-1] * (line + 1 - len(self._starts)))
        self._starts[line] = start


class Journal:
    """Finished rows by line number, kept in a folder or, without one, nowhere."""

    def __init__(self, folder: Path | None, places: Places, file: IO[bytes] | None, run: str) -> None:
        self._folder = folder
        self._places = places
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
            return cls(None, Places(), None, "")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ".writable").touch()
            (folder / ".writable").unlink()
            if run is None:
                return cls(folder, Places(), None, "")
            about = run | {"format": FORMAT}
            _same_run(folder, about)
            header = json.dumps(about, sort_keys=True)
            _write(folder / RUN, json.dumps(about, indent=1))
            places = Places()
            fresh = folder / f"{ROWS}.new"
            with fresh.open("wb") as file:
                for line, text in _finished(folder, header):
                    places[line] = file.tell()
                    file.write(text)
            fresh.replace(folder / ROWS)
            return cls(folder, places, (folder / ROWS).open("a+b"), header)
        except OSError as error:
            raise EvaluationError(f"{str(folder)!r} cannot be written: {error.strerror or error}") from error

    def known(self, line: int) -> dict[str, Any] | None:
        """Return the finished record of a line, None where there is none."""
        if self._file is None or line not in self._places:
            return None
        self._file.seek(self._places[line])
        row = _read(self._file.readline(), self._run)
        return None if row is None else row[1]

    def keep(self, line: int, record: dict[str, Any]) -> dict[str, Any]:
        """Write a finished row and return it. It holds no number that is not finite, and no half character."""
        if self._file is not None:
            self._file.seek(0, 2)
            start = self._file.tell()
            self._file.write(_line(_sealed(self._run, line, record)))
            self._file.flush()
            if "error" not in record:
                self._places[line] = start
        return record

    def finish(self, name: str, text: str) -> None:
        """Write the result beside the rows."""
        if self._folder is not None:
            _write(self._folder / name, text + "\n")

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all, should the process be killed."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


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


def _finished(folder: Path, run: str) -> Iterator[tuple[int, bytes]]:
    """Yield the rows of this run that did not fail, each line once, and move the other lines out of the way."""
    seen = Places()
    refused: list[bytes] = []
    for line in _lines(folder / ROWS):
        row = _read(line, run)
        if row is None:
            refused.append(line)
        elif "error" not in row[1] and row[0] not in seen:
            seen[row[0]] = 0
            yield row[0], _line(_sealed(run, *row))
    if refused:
        with (folder / REFUSED).open("ab") as file:
            file.writelines(line.rstrip(b"\n") + b"\n" for line in refused)
        _log.warning(
            "%d lines of %s are damaged or of another run: they are now in %s, and their rows are evaluated again",
            len(refused),
            folder / ROWS,
            REFUSED,
        )


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


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def stored_rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the finished rows of a folder in the order of the data, with their ``line``; those that failed, too.

    Raises EvaluationError when it holds no run.
    """
    path = folder / ROWS
    if not path.is_file():
        raise EvaluationError(f"{str(folder)!r} holds no rows of an evaluation: evaluate with --out {folder} first")
    places = Places()
    last = 0
    with path.open("rb") as file:
        while True:
            start, text = file.tell(), file.readline()
            if not text:
                break
            try:
                line = int(json.loads(text)["line"])
            except (ValueError, RecursionError, KeyError, TypeError):
                continue
            places[line], last = start, max(last, line)
        for line in range(last + 1):
            if line in places:
                file.seek(places[line])
                row: dict[str, Any] = json.loads(file.readline())
                row.pop("seal", None)
                yield row
