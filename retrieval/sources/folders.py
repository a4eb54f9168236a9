"""Which files of a folder are read: known kinds, nothing hidden or linked, nothing that the folder says to ignore."""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retrieval.sources.filetypes import PICTURE, SUFFIXES, file_type, suffix_of
from retrieval.sources.reader import read_bytes
from retrieval.types import SourceError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORES: Final = (".gitignore", ".candorignore")  # the rules of the later one win
LONGEST_RULES: Final = 1_000_000  # bytes of a file of rules
_SHOWN: Final = 200  # characters of a path in the log
_Rules = tuple[tuple[Path, "GitIgnoreSpec"], ...]  # outermost folder first
_log = logging.getLogger(__name__)


def find_files(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """Return the files to read, folders searched to any depth and sorted, each file once; a single path is one.

    Inside folders, hidden names, links, special files, pictures, unknown kinds and what a .gitignore or .candorignore
    in them names are skipped and logged with the reason. A file that is named itself is never ignored.
    Raises SourceError for a named path that is missing or of an unknown kind.
    """
    found: list[Path] = []
    for path in map(Path, [paths] if isinstance(paths, str | Path) else paths):
        if os.path.isdir(path):
            found += sorted(_walk(path))
            continue
        try:
            path.stat()
        except FileNotFoundError:
            raise SourceError(f"{path}: no such file or folder") from None
        except (OSError, ValueError) as error:  # the second for a NUL or half a character in the name
            reason = error.strerror if isinstance(error, OSError) else None
            raise SourceError(f"{path}: {reason or 'no file can have that name'}") from None
        if file_type(path):
            found.append(path)
    return list({path.absolute(): path for path in found}.values())


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files to read, without recursion: folders may lie deeper than calls may nest."""
    waiting: list[tuple[Path, _Rules]] = [(folder, ())]
    while waiting:
        parent, above = waiting.pop()
        try:
            with os.scandir(parent) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            _log.warning("skipped %s: %s", _shown(parent), error.strerror)
            continue
        rules = (*above, *_rules_in(parent, {entry.name for entry in entries}))
        for entry in entries:
            path = parent / entry.name
            folder_too = entry.is_dir(follow_symlinks=False)
            if reason := _why_not(entry, path, rules) or ("" if folder_too else _why_not_read(entry, path)):
                _log.info("skipped %s: %s", _shown(path), reason)
            elif folder_too:
                waiting.append((path, rules))
            else:
                yield path


def _shown(path: Path) -> str:
    text = str(path)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]}…{text[-_SHOWN // 2 :]}"


def _rules_in(folder: Path, names: Set[str]) -> _Rules:
    from pathspec import GitIgnoreSpec

    lines: list[str] = []
    for name in (name for name in IGNORES if name in names):
        try:
            data = read_bytes(folder / name, LONGEST_RULES)
        except SourceError as error:
            _log.warning("its rules are not heeded: %s", error)
            continue
        lines += data.decode("utf-8", "replace").splitlines()
    try:
        return ((folder, GitIgnoreSpec.from_lines(lines)),) if lines else ()
    except ValueError as error:
        raise SourceError(f"{folder}: its {' or '.join(IGNORES)} has a broken rule ({error}): mend it") from None


def _why_not(entry: "os.DirEntry[str]", path: Path, rules: Sequence[tuple[Path, "GitIgnoreSpec"]]) -> str:
    if entry.name.startswith("."):
        return "hidden"
    if entry.is_symlink():
        return "a link"
    for folder, spec in reversed(rules):  # the innermost folder decides, as in Git
        verdict = spec.check_file(path.relative_to(folder).as_posix() + "/" * entry.is_dir()).include
        if verdict is not None:
            return "ignored" * verdict
    return ""


def _why_not_read(entry: "os.DirEntry[str]", path: Path) -> str:
    if not entry.is_file():
        return "not a regular file"
    kind = SUFFIXES.get(suffix_of(path))
    return (
        "a picture, read where it is named" if kind == PICTURE else "" if kind else f"cannot read {path.suffix!r} files"
    )
