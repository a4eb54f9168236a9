"""What an account may ask of who runs the server: all that is stored of it, or that nothing is."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from app.accounts.accounts import found
from app.accounts.keys import Keys
from app.store.database import Database, owe_erasure
from app.store.history import History
from app.store.opinions import Opinions
from app.store.tables import AccountRow, AuditRow, ConversationRow, SourceRow

MOST: Final = 1_000_000  # conversations


def export_account(database: Database, name: str) -> dict[str, Any]:
    """Return all that is stored of an account as one JSON value. Raises AccountError, DataError."""
    import json

    from app.store.jsonform import to_json

    with database.read() as session:
        row = found(session, name)
        about = {"id": row.id, "name": row.name, "role": row.role, "created_at": row.created_at.isoformat()}
        sources = session.execute(
            select(SourceRow.name, SourceRow.title, SourceRow.added_at, SourceRow.text)
            .where(SourceRow.account_id == row.id)
            .order_by(SourceRow.id)
        ).all()
        entries = session.scalars(select(AuditRow).where(AuditRow.account_id == row.id).order_by(AuditRow.id)).all()
    history, opinions = History(database, row.id), Opinions(database)
    conversations = []
    for conversation in history.conversations(limit=MOST):
        whole = json.loads(history.export(conversation.id))
        ratings = opinions.ratings([turn["id"] for turn in whole["turns"]])
        conversations.append({**whole, "ratings": {str(turn): to_json(rating) for turn, rating in ratings.items()}})
    return {
        "account": about,
        "keys": to_json(Keys(database).all(row.id)),
        "conversations": conversations,
        "sources": [to_json(dict(each._mapping)) for each in sources],
        "audit": [to_json({"at": e.at, "action": e.action, "detail": e.detail, "address": e.address}) for e in entries],
    }


def delete_account(database: Database, folder: Path, name: str) -> list[str]:
    """Remove an account with its conversations, private sources, keys, logins and uploads; return the sources' uris.

    Nothing of it stands in the database's files afterwards. The index has to be published where there were sources. In
    the audit log stays that somebody did something, and no longer who. Raises AccountError, DataError.
    """
    with database.write("library") as session:
        row = found(session, name)
        account = row.id
        uris = _forget(session, account, row.name)
        owe_erasure(session)
    with suppress(FileNotFoundError):
        shutil.rmtree(folder / "uploads" / account)
    database.erase(at_once=True)
    return uris


def _forget(session: Session, account: str, name: str) -> list[str]:
    from app.library.library import note_change

    uris = list(session.scalars(select(SourceRow.uri).where(SourceRow.account_id == account)))
    session.execute(delete(ConversationRow).where(ConversationRow.account_id == account))
    session.execute(delete(SourceRow).where(SourceRow.account_id == account))
    anonymous = {"account_id": None, "detail": "", "address": ""}
    detail = AuditRow.detail
    about = or_(detail == name, detail.startswith(f"{name},"), detail.startswith(f"{name}:"))  # what others did to it
    session.execute(update(AuditRow).where(or_(AuditRow.account_id == account, about)).values(anonymous))
    session.execute(delete(AccountRow).where(AccountRow.id == account))
    if uris:
        note_change(session)
    return uris
