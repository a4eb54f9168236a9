"""Which files of a folder are read: known kinds, nothing hidden or linked, nothing that the folder says to ignore."""

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retrieval.sources.kinds import SUFFIXES, kind_of, suffix_of
from retrieval.types import SourceError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORES: Final = (".gitignore", ".candorignore")  # the rules of the later one win
_Rules = tuple[tuple[Path, "GitIgnoreSpec"], ...]  # outermost folder first
_log = logging.getLogger(__name__)


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files to read, folders searched recursively and sorted, each file once.

    Inside folders, hidden names, links, special files, unknown kinds and what a .gitignore or .candorignore
    in them names are skipped and logged with the reason. A file that is named itself is never ignored.
    Raises SourceError for a named path that is missing or of an unknown kind.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(_walk(path))
        elif not path.exists():
            raise SourceError(f"{path}: no such file or folder")
        elif kind_of(path):
            found.append(path)
    return list({path.absolute(): path for path in found}.values())


def _walk(folder: Path) -> Iterator[Path]:
    def unreadable(error: OSError) -> None:
        _log.warning("skipped %s: %s", error.filename, error.strerror)

    rules: dict[Path, _Rules] = {folder.parent: ()}
    for name, folders, files in os.walk(folder, onerror=unreadable):
        parent = Path(name)
        here = rules[parent] = (*rules.get(parent.parent, ()), *_rules_in(parent))
        kept = []
        for child in folders:
            if reason := _why_not(parent / child, here):
                _log.info("skipped %s: %s", parent / child, reason)
            else:
                kept.append(child)
        folders[:] = kept
        for file in (parent / file for file in files):
            if reason := _why_not(file, here) or _why_not_read(file):
                _log.info("skipped %s: %s", file, reason)
            else:
                yield file


def _rules_in(folder: Path) -> _Rules:
    from pathspec import GitIgnoreSpec

    lines: list[str] = []
    for name in IGNORES:
        try:
            lines += (folder / name).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:  # there is none
            continue
    try:
        return ((folder, GitIgnoreSpec.from_lines(lines)),) if lines else ()
    except ValueError as error:
        raise SourceError(f"{folder}: its {' or '.join(IGNORES)} has a broken rule ({error}): mend it") from None


def _why_not(path: Path, rules: _Rules) -> str:
    if path.name.startswith("."):
        return "hidden"
    if path.is_symlink():
        return "a link"
    for folder, spec in reversed(rules):  # the innermost folder decides, as in Git
        verdict = spec.check_file(path.relative_to(folder).as_posix() + "/" * path.is_dir()).include
        if verdict is not None:
            return "ignored" * verdict
    return ""


def _why_not_read(file: Path) -> str:
    if not file.is_file():
        return "not a regular file"
    return "" if suffix_of(file) in SUFFIXES else f"cannot read {file.suffix!r} files"
