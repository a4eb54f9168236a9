"""The audit log: who did what when, without what was said."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import select

from app.store.database import Database
from app.store.tables import AccountRow, AuditRow

LONGEST: Final = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; `account` is a name, or the id of an account that is gone, "" for the command line."""

    at: datetime
    account: str
    action: str
    detail: str
    address: str


class Audit:
    """The audit log of one database. Every method raises DataError when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, action: str, account: str | None = None, detail: str = "", address: str = "") -> None:
        """Store an entry of what the account with this id did; None for the command line, or for nobody known."""
        with self._database.write() as session:
            session.add(
                AuditRow(
                    at=datetime.now(UTC),
                    account_id=account,
                    action=action,
                    detail=detail[:LONGEST],
                    address=address[:100],
                )
            )

    def entries(self, limit: int = 100) -> list[Entry]:
        """Return the latest entries, the latest first."""
        query = select(AuditRow, AccountRow.name).outerjoin(AccountRow, AccountRow.id == AuditRow.account_id)
        with self._database.read() as session:
            rows = session.execute(query.order_by(AuditRow.id.desc()).limit(limit)).all()
        return [Entry(row.at, name or row.account_id or "", row.action, row.detail, row.address) for row, name in rows]
