"""The words of the page in the language of whoever reads it.

English sentences stand in the code and are the keys; a TOML file per language holds what stands for them. What a file
lacks is said in English. `speaking` sets the language of what is painted within it.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Final

from safety.files import FileError, read_toml

ENGLISH: Final = "en"
_HERE: Final = Path(__file__).parent
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Language:
    """A language: its name in itself, and what stands for the English sentences."""

    name: str = "English"
    words: Mapping[str, str] = field(default_factory=dict)


_PLAIN: Final = Language()
_now: ContextVar[Language] = ContextVar("language", default=_PLAIN)


def read_languages(own: Path | None = None) -> dict[str, Language]:
    """Return the languages by ISO 639-1 code: English, those that ship, and those of the files in the folder `own`.

    A file that cannot be read is logged and left out.
    """
    found = {ENGLISH: Language()}
    for folder in filter(None, (_HERE, own)):
        for path in sorted(folder.glob("*.toml")):
            try:
                found[path.stem] = _language(path)
            except FileError as error:
                _log.warning("the language %s is left out: %s", path.stem, error)
    return found


def _language(path: Path) -> Language:
    read = read_toml(path)
    words = read.get("words", {})
    if not isinstance(words, dict) or not all(isinstance(word, str) for word in words.values()):
        raise FileError("'words' has to be a table of texts")
    return Language(str(read.get("name", path.stem)), words)


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Say everything within in this language."""
    token = _now.set(language)
    try:
        yield
    finally:
        _now.reset(token)


def said(english: str, **values: object) -> str:
    """Return an English sentence in the language spoken now, with its `{names}` filled in; as plain text."""
    text = _now.get().words.get(english, english)
    try:
        return text.format(**values) if values else text
    except (KeyError, IndexError, ValueError):  # of a file that names other things
        return english.format(**values)


def html(english: str, **values: object) -> str:
    """Return `said` as HTML, everything filled in escaped."""
    return escape(said(english, **values))


def count(number: int, noun: str) -> str:
    """``3 sources``, ``1 source``: the nouns stand in the files as ``1 source`` and ``{n} sources``."""
    return said(f"1 {noun}") if number == 1 else said(f"{{n}} {noun}s", n=f"{number:,}")
