"""The accounts of a database: made, listed, disabled, and told by their passwords."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast
from uuid import uuid4

from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import Session

from app.accounts.passwords import hashed, matches, outdated
from app.accounts.principal import ROLES, AccountError, Principal, Role, Unknown, scopes_of
from app.store.database import Database
from app.store.tables import AccountRow, ConversationRow, LoginRow

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
WRONG: Final = "the name or the password is wrong"


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it is listed; `password` says whether it has one."""

    id: str
    name: str
    role: Role
    disabled: bool
    password: bool
    created_at: datetime
    per_minute: int | None = None
    per_day: int | None = None


class Accounts:
    """The accounts of one database. Every method raises DataError when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, role: Role = "user", password: str | None = None, subject: str | None = None) -> Account:
        """Store a new account. Raises AccountError for a name that is taken or unfit, and for an unfit password."""
        name = plain_name(name)
        if role not in ROLES:
            raise AccountError(f"{role!r} is no role: give one of {', '.join(ROLES)}")
        row = AccountRow(
            id=uuid4().hex,
            name=name,
            role=role,
            password=None if password is None else hashed(password),
            subject=subject,
            disabled=False,
            created_at=datetime.now(UTC),
        )
        with self._database.write("accounts") as session:
            if session.scalar(select(AccountRow.id).where(AccountRow.name == name)):
                raise AccountError(f"there is an account {name!r} already: `candor accounts list` shows them all")
            session.add(row)
            session.flush()
            return _account(row)

    def adopt(self, name: str) -> int:
        """Give an account all conversations that are nobody's; return how many. Raises AccountError."""
        with self._database.write("accounts") as session:
            owner = found(session, name).id
            nobodys = select(ConversationRow.id).where(ConversationRow.account_id.is_(None))
            ids = session.scalars(nobodys).all()
            session.execute(
                update(ConversationRow).where(ConversationRow.account_id.is_(None)).values(account_id=owner)
            )
            return len(ids)

    def all(self) -> list[Account]:
        """Return all accounts by name."""
        with self._database.read() as session:
            return [_account(row) for row in session.scalars(select(AccountRow).order_by(AccountRow.name))]

    def any(self) -> bool:
        """Whether there is an account that is not disabled."""
        with self._database.read() as session:
            query = select(func.count()).select_from(AccountRow).where(~AccountRow.disabled)
            return bool(session.scalar(query))

    def named(self, name: str) -> Account:
        """Return the account of a name or an id. Raises AccountError."""
        with self._database.read() as session:
            return _account(found(session, name))

    def set_password(self, name: str, password: str) -> None:
        """Give an account another password, and end its logins. Raises AccountError."""
        stored = hashed(password)
        with self._database.write("accounts") as session:
            row = found(session, name)
            row.password = stored
            session.execute(LoginRow.__table__.delete().where(LoginRow.account_id == row.id))  # type: ignore[attr-defined]

    def change(
        self,
        name: str,
        *,
        role: Role | None = None,
        disabled: bool | None = None,
        per_minute: int | None = None,
        per_day: int | None = None,
    ) -> Account:
        """Change what is given, and return the account. A disabled one is logged out. Raises AccountError."""
        if role is not None and role not in ROLES:
            raise AccountError(f"{role!r} is no role: give one of {', '.join(ROLES)}")
        with self._database.write("accounts") as session:
            row = found(session, name)
            row.role = role or row.role
            row.disabled = row.disabled if disabled is None else disabled
            row.per_minute = row.per_minute if per_minute is None else per_minute
            row.per_day = row.per_day if per_day is None else per_day
            if row.disabled:
                session.execute(LoginRow.__table__.delete().where(LoginRow.account_id == row.id))  # type: ignore[attr-defined]
            return _account(row)

    def check(self, name: str, password: str) -> Principal:
        """Return who has this name and password. Raises Unknown; it takes as long whether there is the name or not."""
        query = select(AccountRow).where(AccountRow.name == name.strip().casefold())
        with self._database.read() as session:
            row = session.scalar(query) if NAME.fullmatch(name.strip().casefold()) else None
        if not matches(row.password if row else None, password) or row is None or row.disabled:
            raise Unknown(WRONG)
        if row.password and outdated(row.password):
            stored = hashed(password)
            with self._database.write() as session:
                session.execute(update(AccountRow).where(AccountRow.id == row.id).values(password=stored))
        return principal_of(row)

    def by_subject(self, subject: str) -> Principal | None:
        """Return who this is to the identity provider; None where no account is bound to it. Raises Unknown."""
        with self._database.read() as session:
            row = session.scalar(select(AccountRow).where(AccountRow.subject == subject))
        if row is None:
            return None
        if row.disabled:
            raise Unknown("this account is disabled")
        return principal_of(row)


def plain_name(name: str) -> str:
    """Return a name in the form in which it is stored. Raises AccountError."""
    plain = unicodedata.normalize("NFKC", name).strip().casefold()
    if not NAME.fullmatch(plain):
        raise AccountError(
            f"{name!r} is no name for an account: 1 to 64 of the letters a to z, digits and . _ @ + -, "
            "the first a letter or a digit"
        )
    return plain


def found(session: Session, name: str) -> AccountRow:
    """Return the account of a name or an id. Raises AccountError."""
    query = select(AccountRow).where((AccountRow.name == name.strip().casefold()) | (AccountRow.id == name))
    row = session.scalar(query)
    if row is None:
        raise AccountError(f"there is no account {name!r}: `candor accounts list` shows them all")
    return row


def principal_of(row: AccountRow | Row[Any], scopes: list[str] | None = None, key: str = "") -> Principal:
    """Return the principal of an account's row, or of its columns, with the scopes of a key where it came with one."""
    role = cast(Role, row.role)
    return Principal(row.id, row.name, role, scopes_of(role, scopes), key, row.per_minute, row.per_day)


def _account(row: AccountRow) -> Account:
    role = cast(Role, row.role)
    about = (row.disabled, row.password is not None, row.created_at, row.per_minute, row.per_day)
    return Account(row.id, row.name, role, *about)
