"""The write-ahead log beside a database, read before SQLite replays it, and the mark that outlives it.

SQLite replays any whole log of the right name, and drops without a word what it finds missing. So every write of ours
raises a number in the database's header (`user_version`), from a random one on, and then in a file of its own, the
mark. A log belongs when its numbers go on from the database's; writes are missing when the mark is ahead of it.

File formats: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
"""

import fcntl
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import pairwise
from pathlib import Path
from secrets import randbelow
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from app.errors import DataError

FIRST: Final = 2**30  # numbers begin below it; another 2**30 writes fit into the header
LIKELY: Final = 1_000_000  # a mark that is further ahead is that of another database
_HEADER: Final = 32  # bytes of a log's
_FRAME: Final = 24
_MAGIC: Final = {0x377F0682: "<u4", 0x377F0683: ">u4"}  # and the byte order of its checksums
_NUMBER: Final = slice(60, 64)  # of `user_version` in the first page
_IN_USE: Final = 128  # the byte of the shared memory that every connection keeps locked


def first_number() -> int:
    """Return the number that a new database begins with, at least 1."""
    return 1 + randbelow(FIRST)


def number_in(page: bytes) -> int:
    """Return the number of the last write that the first page of a database holds, 0 where none was kept."""
    return int.from_bytes(page[_NUMBER], "big", signed=True)


class Mark:
    """The number of the last acknowledged write, durable in a file beside the database."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}-mark")

    def read(self) -> int:
        """Return the number, 0 when there is none that can be read."""
        with suppress(OSError, ValueError):
            number, _, checksum = self._path.read_text("ascii").partition(" ")
            if int(checksum, 16) == crc32(number.encode()):
                return int(number)
        return 0

    def remove(self) -> None:
        """Forget the number, for a database that starts afresh. Raises OSError."""
        self._path.unlink(missing_ok=True)

    def write(self, number: int, lower: bool = False) -> None:
        """Keep a higher number, or with `lower` any, through to the disk. Raises OSError."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)  # a guest in another process has its own writes to mark
            if lower or not number <= self.read() < number + LIKELY:
                text = f"{number:010d}"
                os.pwrite(file, f"{text} {crc32(text.encode()):08x}\n".encode(), 0)
                os.fsync(file)
        finally:
            os.close(file)


def log_of(database: Path) -> Path:
    """Return the path of a database's log."""
    return database.with_name(f"{database.name}-wal")


def in_use(database: Path) -> bool:
    """Whether another process has the database open.

    Not for one that this process has open: it would drop its locks.
    """
    layout, kind = ("@hhlli", 0) if sys.platform == "linux" else ("@qqihh", 3)
    fields = [fcntl.F_WRLCK, os.SEEK_SET, _IN_USE, 1, 0]
    request = fields if sys.platform == "linux" else [*fields[2:], *fields[:2]]
    try:
        file = os.open(database.with_name(f"{database.name}-shm"), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        found = struct.unpack(layout, fcntl.fcntl(file, fcntl.F_GETLK, struct.pack(layout, *request)))
    finally:
        os.close(file)
    return bool(found[kind] != fcntl.F_UNLCK)


def check_log(database: Path) -> None:
    """Refuse, before SQLite can replay it, a log that does not go on from this database. Raises DataError, OSError."""
    for _ in range(2):  # another process may have opened it meanwhile, and a log that is in use has been checked
        if in_use(database) or _belongs(database):
            return
    raise DataError(
        f"the write-ahead log {str(log_of(database))!r} does not belong to the database beside it: put the two back as "
        "they were together, or move the log away to go on without it"
    )


def _belongs(database: Path) -> bool:
    with database.open("rb") as file:
        stored = number_in(file.read(100))
    numbers = list(_numbers(log_of(database))) if stored else []  # an earlier version of candor kept no numbers
    if not numbers:
        return True
    whole = all(after - before in (0, 1) for before, after in pairwise(numbers))
    return whole and numbers[0] in range(1, stored + 2) and numbers[-1] >= stored


def _numbers(log: Path) -> Iterator[int]:
    """Yield the number that the first page holds after each write that SQLite would replay; 0 where it is not there."""
    number = 0
    for size, page in _frames(log):
        if page is not None:
            number = number_in(page)
        if size:  # of the database after a commit
            yield number


def _frames(log: Path) -> Iterator[tuple[int, bytes | None]]:
    """Yield the database's size in pages at a commit, else 0, and the first page, for each frame that is whole."""
    if not log.exists():
        return
    with log.open("rb") as file:
        head = file.read(_HEADER)
        if len(head) < _HEADER or (order := _MAGIC.get(int.from_bytes(head[:4], "big"))) is None:
            return
        size, salts = int.from_bytes(head[8:12], "big"), head[16:24]
        if not 512 <= size <= 65536 or size & (size - 1):
            return
        sums = _checksum(head[:24], (0, 0), order)
        if struct.pack(">2I", *sums) != head[24:32]:
            return
        while len(frame := file.read(_FRAME + size)) == _FRAME + size and frame[8:16] == salts:
            sums = _checksum(frame[_FRAME:], _checksum(frame[:8], sums, order), order)
            if struct.pack(">2I", *sums) != frame[16:24]:
                return
            first = int.from_bytes(frame[:4], "big") == 1
            yield int.from_bytes(frame[4:8], "big"), frame[_FRAME:] if first else None


def _checksum(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    """Carry a log's checksum over `data`: for each pair x, y of 32-bit words, a += x + b, then b += y + a."""
    words = np.frombuffer(data, order).astype(np.uint32)
    (p, q), (r, s), weights = _carried(len(words) // 2)
    a = p * sums[0] + q * sums[1] + int(np.dot(weights[0], words))
    b = r * sums[0] + s * sums[1] + int(np.dot(weights[1], words))
    return a % 2**32, b % 2**32


@cache
def _carried(pairs: int) -> tuple[tuple[int, int], tuple[int, int], NDArray[np.uint32]]:
    """What so many steps make of the sums, and the weight of each word in both: the steps are linear."""
    p, q, r, s = 1, 0, 0, 1
    weights = np.empty((2, 2 * pairs), np.uint32)
    for pair in reversed(range(pairs)):
        weights[:, 2 * pair : 2 * pair + 2] = ((p + q) % 2**32, q), ((r + s) % 2**32, s)
        p, q, r, s = ((p + q) % 2**32, (p + 2 * q) % 2**32, (r + s) % 2**32, (r + 2 * s) % 2**32)
    return (p, q), (r, s), weights
