"""API keys: shown once, stored as their SHA-256, with scopes and an end.

A key has 256 random bits, so that a plain hash of it cannot be guessed back, and a check costs no Argon2.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final, cast
from uuid import uuid4

from sqlalchemy import bindparam, select, update

from app.accounts.accounts import found, principal_of
from app.accounts.principal import SCOPES, AccountError, Principal, Scope, Unknown
from app.store.database import Database
from app.store.tables import AccountRow, KeyRow

BEGINS: Final = "candor_"
SHOWN: Final = len(BEGINS) + 6  # characters by which a key is known in lists
NOTED: Final = timedelta(hours=1)  # how exactly it is kept when a key was used last
_KNOWN: Final = (  # columns, not entities, and made once: every request of the API asks it
    select(KeyRow.id.label("key"), KeyRow.scopes, KeyRow.expires_at, KeyRow.revoked_at, KeyRow.used_at)
    .add_columns(AccountRow.id, AccountRow.name, AccountRow.role, AccountRow.disabled)
    .add_columns(AccountRow.per_minute, AccountRow.per_day)
    .join(AccountRow, AccountRow.id == KeyRow.account_id)
    .where(KeyRow.sha256 == bindparam("sha256"))
)


@dataclass(frozen=True, slots=True)
class Key:
    """An API key as it is listed, without the key itself."""

    id: str
    account: str
    name: str
    prefix: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None


class Keys:
    """The API keys of one database. Every method raises DataError when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make(
        self, account: str, name: str = "", scopes: Sequence[str] = ("chat", "check"), days: int | None = None
    ) -> tuple[str, Key]:
        """Store a new key of an account and return it, this once, with what is listed of it.

        It ends after so many `days`, or never. Raises AccountError for an unknown account or scope.
        """
        if unknown := [scope for scope in scopes if scope not in SCOPES]:
            raise AccountError(f"{unknown[0]!r} is no scope: give some of {', '.join(SCOPES)}")
        if not scopes:
            raise AccountError(f"a key without scopes opens nothing: give some of {', '.join(SCOPES)}")
        if days is not None and not 1 <= days <= 36500:
            raise AccountError("a key lasts 1 to 36500 days, or without an end")
        word, now = BEGINS + secrets.token_urlsafe(32), datetime.now(UTC)
        row = KeyRow(
            id=uuid4().hex,
            name=" ".join(name.split())[:100],
            prefix=word[:SHOWN],
            sha256=_hash(word),
            scopes=list(dict.fromkeys(scopes)),
            created_at=now,
            expires_at=None if days is None else now + timedelta(days=days),
        )
        with self._database.write() as session:
            owner = found(session, account)
            row.account_id = owner.id
            session.add(row)
            session.flush()
            return word, _key(row, owner.name)

    def all(self, account: str = "") -> list[Key]:
        """Return the keys of an account, or all, the oldest first. Raises AccountError."""
        query = select(KeyRow, AccountRow.name).join(AccountRow, AccountRow.id == KeyRow.account_id)
        with self._database.read() as session:
            if account:
                query = query.where(KeyRow.account_id == found(session, account).id)
            rows = session.execute(query.order_by(KeyRow.created_at, KeyRow.id)).all()
        return [_key(row, name) for row, name in rows]

    def revoke(self, key: str, account: str = "") -> Key:
        """Let a key, named by its id or by how it begins, open nothing any more. Raises AccountError.

        With `account`, the id of one, only a key of that account.
        """
        with self._database.write() as session:
            query = select(KeyRow).where((KeyRow.id == key) | (KeyRow.prefix == key))
            rows = session.scalars(query.where(KeyRow.account_id == account) if account else query).all()
            if len(rows) != 1:
                told = f"{len(rows)} keys are called" if rows else "there is no key"
                raise AccountError(f"{told} {key!r}: `candor accounts keys list` shows them all")
            rows[0].revoked_at = rows[0].revoked_at or datetime.now(UTC)
            return _key(rows[0], session.get_one(AccountRow, rows[0].account_id).name)

    def check(self, word: str) -> Principal:
        """Return who has this key. Raises Unknown for one that is not known, has ended or was revoked."""
        now = datetime.now(UTC)
        with self._database.connected() as connection:
            row = connection.execute(_KNOWN, {"sha256": _hash(word)}).one_or_none()
        if row is None or row.disabled or row.revoked_at or (row.expires_at and row.expires_at <= now):
            raise Unknown("the API key is not valid")
        if row.used_at is None or now - row.used_at > NOTED:
            with self._database.write() as session:
                session.execute(update(KeyRow).where(KeyRow.id == row.key).values(used_at=now))
        return principal_of(row, row.scopes, row.key)


def _hash(word: str) -> str:
    return sha256(word.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: KeyRow, account: str) -> Key:
    scopes = cast(tuple[Scope, ...], tuple(row.scopes))
    times = (row.created_at, row.expires_at, row.revoked_at, row.used_at)
    return Key(row.id, account, row.name, row.prefix, scopes, *times)
