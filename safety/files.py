"""Files that a user names, read without harm: regular files only, and no more of them than a limit.

A folder, a pipe or a device where a file is expected is reported at once; nothing here waits for a writer or reads for
ever.
"""

import errno
import os
import stat
import tomllib
from io import BufferedReader
from pathlib import Path
from typing import Any, Final

MOST: Final = 1 << 20  # bytes of a text that people write by hand


class FileError(Exception):
    """A file cannot be read as what it should be. The message is the reason alone, without the name."""


class NoFile(FileError):
    """There is nothing of that name."""


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file to read its bytes. Raises FileError for anything else, and NoFile."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # so that a pipe does not wait
    except FileNotFoundError:
        raise NoFile("it is a link to nothing" if os.path.islink(path) else os.strerror(errno.ENOENT)) from None
    except OSError as error:
        raise FileError(error.strerror or str(error)) from error
    except ValueError as error:  # a NUL, or half a character
        raise FileError(f"no file can have that name ({error})") from error
    mode = os.fstat(number).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(number, "rb")
    os.close(number)
    raise FileError(os.strerror(errno.EISDIR) if stat.S_ISDIR(mode) else "it is a pipe or a device, not a file")


def read_text(path: Path, most: int = MOST) -> str:
    """Return a small text file in UTF-8, with or without a byte order mark. Raises FileError."""
    try:
        return _read(path, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"not UTF-8 at byte {error.start}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """Return the table of a TOML file. Raises FileError."""
    try:
        return tomllib.loads(_read(path, MOST).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # the first also for what is not UTF-8
        raise FileError(f"not valid TOML: {error}") from None


def _read(path: Path, most: int) -> bytes:
    try:
        with open_regular(path) as file:
            data = file.read(most + 1)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise FileError(error.strerror or str(error)) from error
    if len(data) > most:
        raise FileError(f"it has {max(size, len(data)):,} bytes, the limit is {most:,}")
    return data
