"""Logins of the page: a random word in a cookie, of which the database holds the SHA-256."""

import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from sqlalchemy import delete, select

from app.accounts.accounts import principal_of
from app.accounts.principal import Principal, Unknown
from app.store.database import Database
from app.store.tables import AccountRow, LoginRow

LASTS: Final = timedelta(days=14)


class Logins:
    """The logins of one database. Every method raises DataError when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, who: Principal) -> str:
        """Store a new login and return the word of its cookie; those that have ended are forgotten."""
        word, now = secrets.token_urlsafe(32), datetime.now(UTC)
        row = LoginRow(sha256=_hash(word), account_id=who.account, created_at=now, expires_at=now + LASTS)
        with self._database.write() as session:
            session.execute(delete(LoginRow).where(LoginRow.expires_at <= now))
            session.add(row)
        return word

    def check(self, word: str) -> Principal:
        """Return who has logged in under this word. Raises Unknown."""
        query = select(AccountRow).join(LoginRow, LoginRow.account_id == AccountRow.id)
        query = query.where(LoginRow.sha256 == _hash(word), LoginRow.expires_at > datetime.now(UTC))
        with self._database.read() as session:
            row = session.scalar(query)
        if row is None or row.disabled:
            raise Unknown("nobody is logged in")
        return principal_of(row)

    def end(self, word: str) -> None:
        """Forget a login."""
        with self._database.write() as session:
            session.execute(delete(LoginRow).where(LoginRow.sha256 == _hash(word)))


def _hash(word: str) -> str:
    return sha256(word.encode("utf-8", "surrogatepass")).hexdigest()
