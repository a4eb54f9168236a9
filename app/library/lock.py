"""One writer per data folder: an flock on a file that names its holder.

The operating system frees the lock when the process ends, however it ends, so there is no stale lock.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from app.errors import DataError, InUse
from app.store.sqlite import broken_link

NAME: Final = "lock"
GUEST: Final = "guest"  # held by who stores documents beside the process that holds the folder
_HOSTS: Final = "takes guests"


class FolderLock:
    """Holds a data folder from construction to `release`. Raises InUse naming the other process, DataError.

    `command` is how this process is named to others, for instance ``candor serve``. `hosts` tells them that it follows
    what a guest stores.
    """

    def __init__(self, folder: Path, command: str, name: str = NAME, hosts: bool = False) -> None:
        try:
            self._file = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataError(
                f"the data folder {str(folder)!r} cannot be written ({error.strerror}): "
                "change its permissions or use another --data-dir"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise InUse(
                f"the data folder {str(folder)!r} is in use by {holder(folder, name)}; "
                "stop it or use another --data-dir"
            ) from error
        with suppress(OSError):  # on a full disk the lock holds without a name
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()} {command}\n{_HOSTS if hosts else ''}\n".encode(), 0)

    def release(self) -> None:
        """Let others have the folder."""
        os.ftruncate(self._file, 0)
        os.close(self._file)

    def __enter__(self) -> "FolderLock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def holder(folder: Path, name: str = NAME) -> str:
    """Name the process that wrote itself into the lock file last."""
    pid, _, command = _written(folder, name)[0].partition(" ")
    return f"process {pid} ({command})" if command else "another process"


def hosts_guests(folder: Path) -> bool:
    """Whether a process holds the folder that follows what a guest stores."""
    return is_locked(folder) and _HOSTS in _written(folder, NAME)[1:]


def _written(folder: Path, name: str) -> list[str]:
    try:
        return (folder / name).read_text(errors="replace").strip().split("\n")
    except OSError:
        return [""]


def is_locked(folder: Path) -> bool:
    """Whether a process holds the folder now."""
    try:
        file = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def made_folder(path: Path) -> Path:
    """Return the data folder, made if it was not there. Raises DataError."""
    if reason := broken_link(path):
        raise DataError(reason)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise DataError(f"the data folder {str(path)!r} is a file: name another with --data-dir") from None
    except OSError as error:
        raise DataError(
            f"the data folder {str(path)!r} cannot be made ({error.strerror}): name another with --data-dir"
        ) from error
    return path
