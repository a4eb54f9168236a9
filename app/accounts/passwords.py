"""Passwords as Argon2id hashes, with the parameters of RFC 9106 for little memory.

A hash takes 64 MiB and some tens of milliseconds, so only `AT_ONCE` are worked out at a time, whoever asks.
"""

import threading
from functools import cache
from typing import TYPE_CHECKING, Final

from app.accounts.principal import AccountError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST: Final = 10  # characters
LONGEST: Final = 1000
AT_ONCE: Final = 2
_room = threading.BoundedSemaphore(AT_ONCE)


def hashed(password: str) -> str:
    """Return the hash to store of a new password. Raises AccountError for one that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccountError(f"a password has {SHORTEST} to {LONGEST} characters, not {len(password)}: choose another")
    with _room:
        return _hasher().hash(_bytes(password))


def matches(stored: str | None, password: str) -> bool:
    """Whether a password is the one that was stored; takes as long where there is none."""
    from argon2.exceptions import InvalidHashError, VerificationError

    with _room:
        try:
            _hasher().verify(stored or _nobodys(), _bytes(password[: LONGEST + 1]))
        except (VerificationError, InvalidHashError):
            return False
    return stored is not None


def outdated(stored: str) -> bool:
    """Whether a hash was made with other parameters than are used now."""
    return _hasher().check_needs_rehash(stored)


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher
    from argon2.profiles import RFC_9106_LOW_MEMORY

    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


@cache
def _nobodys() -> str:
    """A hash that no password is compared with in earnest."""
    return _hasher().hash(b"nobody")


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
