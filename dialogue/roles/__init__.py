"""Roles: who the system speaks as, read from TOML files, the packaged ones and the user's own.

A role is known by the name of its file.
"""

import difflib
import math
import os
from collections.abc import Collection, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from dialogue.types import DialogueError, Role, Turn
from safety.files import FileError, read_toml
from safety.policy import Objective, load_policy

PACKAGED: Final = Path(__file__).parent
DEFAULT: Final = "candor"
_KEYS: Final = ("name", "about", "subject", "style", "sources", "tightened", "opening")
_TURN_KEYS: Final = ("role", "text")
_LONGEST: Final = {"name": 40, "about": 120, "subject": 80, "style": 600}  # characters


def role_names(folder: Path | None = None) -> list[str]:
    """Return the names of all roles, the packaged ones and those in `folder`, the default first."""
    found = {path.stem for place in _places(folder) for path in place.glob("*.toml") if path.stem.isprintable()}
    return sorted(found, key=lambda name: (name != DEFAULT, name))


def load_role(name: str, folder: Path | None = None) -> Role:
    """Return the role of the file ``<name>.toml``; one in `folder` wins over a packaged one of the same name.

    Raises DialogueError, one line, for an unknown role, a file that cannot be read, an unknown key (naming the
    nearest) or a value that cannot be used.
    """
    names = role_names(folder)
    if name not in names:
        raise DialogueError(f"there is no role {name!r}{_nearest(name, names)}; there are: {', '.join(names)}")
    paths = [place / f"{name}.toml" for place in _places(folder)]
    path = next(filter(os.path.lexists, paths), paths[0])
    try:
        about = path.stat()
    except OSError:  # what is wrong with it is told by reading it
        return _read(path)
    return _remembered(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=64)
def _remembered(path: Path, changed: int, size: int) -> Role:
    """The role of a file as it was when it was changed last."""
    return _read(path)


def _read(path: Path) -> Role:
    try:
        table = read_toml(path)
    except FileError as error:
        raise DialogueError(f"the role {str(path)!r} cannot be read: {error}") from error
    where = f"the role {str(path)!r}"
    _known(table, _KEYS, where)
    if "name" not in table:
        raise DialogueError(f'{where} has no name: add a line such as name = "Ada"')
    return Role(
        name=_line(table, "name", where),
        about=_line(table, "about", where),
        subject=_line(table, "subject", where),
        style=_line(table, "style", where),
        sources=_patterns(table.get("sources", []), where),
        tightened=_tightened(table.get("tightened", {}), where),
        opening=_opening(table.get("opening", []), where),
    )


def _places(folder: Path | None) -> list[Path]:
    """Where roles are looked for, the user's folder first."""
    return [PACKAGED] if folder is None else [folder, PACKAGED]


def _line(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table.get(key, "")
    if key in table and (not isinstance(value, str) or not value.strip()):
        raise DialogueError(f"{where}: {key} is {value!r}, but must be text")
    text = " ".join(value.split())
    if len(text) > _LONGEST[key]:
        raise DialogueError(f"{where}: {key} has {len(text)} characters, the limit is {_LONGEST[key]}: shorten it")
    return text


def _patterns(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or any(not isinstance(item, str) or not item.strip() for item in value):
        raise DialogueError(f'{where}: sources is {value!r}, but must list patterns such as ["notes/*.md"]')
    return tuple(value)


def _tightened(value: object, where: str) -> tuple[tuple[str, float], ...]:
    if not isinstance(value, dict):
        raise DialogueError(f"{where}: tightened is {value!r}, but must be a table of objectives and shares")
    objectives = _objectives()
    _known(value, dict.fromkeys([*(o.id for o in objectives), *(o.group for o in objectives)]), f"{where}, [tightened]")
    for name, share in value.items():
        good = isinstance(share, int | float) and not isinstance(share, bool) and math.isfinite(share)
        if not good or not 0 < share <= 1:
            raise DialogueError(
                f"{where}, [tightened]: {name} is {share!r}, but must be a share of the usual threshold, above 0 and "
                "at most 1: a role can only be stricter"
            )
    return tuple((name, float(share)) for name, share in value.items())


@cache
def _objectives() -> tuple[Objective, ...]:
    """The objectives that there are, whatever a policy of one's own says of them."""
    return load_policy().objectives


def _opening(value: object, where: str) -> tuple[Turn, ...]:
    if not isinstance(value, list) or any(not isinstance(item, dict) for item in value):
        raise DialogueError(f"{where}: opening is {value!r}, but must be [[opening]] tables of role and text")
    turns: list[Turn] = []
    for number, item in enumerate(value, 1):
        place = f"{where}, [[opening]] {number}"
        _known(item, _TURN_KEYS, place)
        speaker, text = item.get("role"), item.get("text")
        if speaker not in ("user", "assistant"):
            raise DialogueError(f"{place}: role is {speaker!r}, but must be 'user' or 'assistant'")
        if not isinstance(text, str) or not text.strip():
            raise DialogueError(f"{place}: text is {text!r}, but must be what is said")
        if turns and turns[-1].role == speaker:
            raise DialogueError(f"{place}: role is {speaker!r} twice in a row: user and assistant take turns")
        turns.append(Turn("user" if speaker == "user" else "assistant", " ".join(text.split())))
    if turns and turns[-1].role != "assistant":
        raise DialogueError(f"{where}: the opening ends with the user: the assistant has the last word in it")
    return tuple(turns)


def _known(table: Mapping[str, Any], allowed: Collection[str], where: str) -> None:
    for key in table:
        if key not in allowed:
            raise DialogueError(f"{where}: unknown key {key!r}{_nearest(key, allowed)}; known: {', '.join(allowed)}")


def _nearest(name: str, allowed: Collection[str]) -> str:
    near = difflib.get_close_matches(name, list(allowed), n=1, cutoff=0.4)
    return f" (did you mean {near[0]!r}?)" if near else ""
