"""Conversations that can be read under a secret word, until it is revoked."""

import secrets
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import delete, select

from app.errors import InputError
from app.store.database import Database
from app.store.tables import ConversationRow, ShareRow

BYTES: Final = 24  # of a secret word: nobody can guess one


class Shares:
    """The shared conversations of one database. Every method raises DataError when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def share(self, conversation: str) -> str:
        """Return the secret word of a conversation, a new one where it has none. Raises InputError."""
        with self._database.write() as session:
            if session.get(ConversationRow, conversation, with_for_update=True) is None:
                raise InputError(f"there is no conversation {conversation!r}")
            row = session.get(ShareRow, conversation)
            if row is None:
                row = ShareRow(
                    conversation_id=conversation, word=secrets.token_urlsafe(BYTES), created_at=datetime.now(UTC)
                )
                session.add(row)
            return row.word

    def word(self, conversation: str) -> str:
        """Return the secret word of a conversation, "" where it is not shared."""
        query = select(ShareRow.word).where(ShareRow.conversation_id == conversation)
        with self._database.read() as session:
            return session.scalar(query) or ""

    def revoke(self, conversation: str) -> None:
        """Let the secret word of a conversation open nothing any more."""
        with self._database.write() as session:
            session.execute(delete(ShareRow).where(ShareRow.conversation_id == conversation))

    def conversation(self, word: str) -> str:
        """Return the conversation that a secret word opens, "" where it opens none."""
        query = select(ShareRow.conversation_id).where(ShareRow.word == word)
        with self._database.read() as session:
            return session.scalar(query) or ""
