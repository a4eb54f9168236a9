"""Conversations in SQL: what was asked, what was answered, and all the working behind it.

A question is committed before anything is generated (`begin`), a reply in one transaction with all its candidates,
evidence and citations (`finish`). What does not match its checksum is never shown as sound.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Literal, cast
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, update
from sqlalchemy.orm import Session

from app.errors import DataError, InputError
from app.library.checksums import of_picture, of_turn, seal
from app.store.conversations import State, StoredConversation, StoredTurn
from app.store.database import Database, owe_erasure
from app.store.export import as_json, as_markdown
from app.store.replies import load_working, reply_rows
from app.store.tables import ConversationRow, PictureRow, TurnRow, storable
from app.store.versions import holding, take_place, versions_of
from app.store.writing import add_conversation, begin_turn, next_number, settle, spoken, written
from dialogue.pictures import MOST_LOOKED_AT
from dialogue.roles import DEFAULT
from dialogue.types import Picture, Reply, Turn

TITLE_LIMIT: Final = 200
UNTITLED: Final = "New conversation"
DAMAGED: Final = "it is not as it was stored: restore the database from a backup"
_log = logging.getLogger(__name__)


class History:
    """The conversations of one database, or those of one account in it; all others are unknown to it.

    Every method raises DataError when the database fails.
    """

    def __init__(self, database: Database, account: str | None = None) -> None:
        self._database = database
        self._account = account

    def of(self, account: str) -> "History":
        """Return the history of the account with this id alone."""
        return History(self._database, account)

    @property
    def account(self) -> str | None:
        """The id of the account whose conversations these are, None for all."""
        return self._account

    def start(self, title: str = "", role: str = DEFAULT, identity: str = "") -> str:
        """Store a new conversation, held in `role`, and return its id, which may be given: a UUID that none has yet.

        Untitled, it takes the first question.
        """
        row = self._new(identity or str(uuid4()), title, role, datetime.now(UTC))
        self._database.together(partial(add_conversation, columns=row))
        return str(row["id"])

    def _new(self, identity: str, title: str, role: str, now: datetime) -> dict[str, Any]:
        about = {"id": identity, "title": _tidy(title), "pinned": False, "role": role, "account_id": self._account}
        return {**about, "created_at": now, "updated_at": now}

    def begin(
        self,
        conversation: str,
        question: str,
        pictures: Sequence[Picture] = (),
        instead: int | None = None,
        role: str | None = None,
    ) -> int:
        """Store a pending turn with its pictures and return its id; `instead` of which turn it stands, a version of it.

        With a `role` the conversation is begun with it, under an id that none has yet, see `start`.
        Raises InputError for an unknown conversation, or where `instead` is not its last turn.
        """
        now = datetime.now(UTC)
        about = {"conversation_id": conversation, "question": question, "created_at": now}
        turn = {**about, "holder": self._database.number, "number": 1}

        def write(connection: Connection) -> int:
            if role is not None:
                add_conversation(connection, self._new(conversation, question, role, now))
                return begin_turn(connection, turn, pictures)
            title = self._title(connection, conversation) or _tidy(question)
            first = None if instead is None else take_place(connection, conversation, instead)
            spoken(connection, conversation, updated_at=now, title=title)
            number = next_number(connection, conversation)
            return begin_turn(connection, {**turn, "number": number, "version_of": first}, pictures)

        return self._database.together(write)

    def finish(self, turn: int, reply: Reply) -> None:
        """Store the reply of a pending turn with all its working, whole or not at all."""
        columns, rows = reply_rows(turn, reply)
        now, holder = datetime.now(UTC), self._database.number
        beside = written(self._database.engine.dialect, rows)
        columns |= {"state": "done", "reason": "", "finished_at": now}
        self._database.together(lambda connection: settle(connection, turn, columns, beside, holder))

    def fail(self, turn: int, state: State, reason: str) -> None:
        """Mark a pending turn as not answered. A turn that is already settled stays as it is."""
        columns = {"state": state, "reason": reason, "finished_at": datetime.now(UTC)}
        self._database.together(lambda connection: settle(connection, turn, columns))

    def interrupt(self) -> int:
        """Mark the turns that a process left pending when it ended; return how many. For those who answer alone."""
        alive = self._database.holders()
        with self._database.write("interrupting") as session:
            values = {"state": "interrupted", "reason": "candor stopped before the reply was ready"}
            left = or_(TurnRow.holder.is_(None), TurnRow.holder.not_in(alive))
            query = select(TurnRow).where(TurnRow.state == "pending", left).order_by(TurnRow.id)
            pending = session.scalars(query.with_for_update(skip_locked=True)).all()
            whole = load_working(session, pending)
            session.execute(update(TurnRow).where(TurnRow.id.in_(list(whole))).values(**values))
            for turn, found in whole.items():
                if found.whole:
                    seal(session, turn)
            return len(pending)

    def turns(self, conversation: str, limit: int | None = None) -> list[StoredTurn]:
        """Return the turns of a conversation, oldest first; with `limit` only the last ones.

        Raises InputError for an unknown conversation.
        """
        with self._database.read() as session:
            self._found(session, conversation)
            query = select(TurnRow).where(TurnRow.conversation_id == conversation, ~TurnRow.hidden)
            rows = session.scalars(query.order_by(TurnRow.number.desc()).limit(limit)).all()[::-1]
            return _stored(session, rows)

    def turn(self, turn: int) -> StoredTurn:
        """Return one turn. Raises InputError for an unknown one."""
        with self._database.read() as session:
            row = session.get(TurnRow, turn)
            if row is None or not self._owns(session, row.conversation_id):
                raise InputError(f"there is no turn {turn!r}")
            return _stored(session, [row])[0]

    def conversations(self, limit: int = 50, offset: int = 0, search: str = "") -> list[StoredConversation]:
        """Return conversations, pinned first, then the latest; `search` looks in titles and messages."""
        shown = (TurnRow.conversation_id == ConversationRow.id, ~TurnRow.hidden)
        counted = select(func.count()).where(*shown).scalar_subquery()
        query = select(ConversationRow, counted).where(*self._own())
        for word in search.split():
            matching = select(TurnRow.conversation_id).where(~TurnRow.hidden, holding(word))
            query = query.where(
                or_(ConversationRow.title.icontains(storable(word), autoescape=True), ConversationRow.id.in_(matching))
            )
        order = (ConversationRow.pinned.desc(), ConversationRow.updated_at.desc(), ConversationRow.id)
        with self._database.read() as session:
            found = session.execute(query.order_by(*order).limit(limit).offset(offset)).all()
            return [_conversation(row, turns) for row, turns in found]

    def conversation(self, conversation: str) -> StoredConversation:
        """Return one conversation. Raises InputError for an unknown one."""
        with self._database.read() as session:
            row = self._found(session, conversation)
            counted = select(func.count()).where(TurnRow.conversation_id == conversation, ~TurnRow.hidden)
            return _conversation(row, session.scalar(counted) or 0)

    def rename(self, conversation: str, title: str) -> None:
        """Give a conversation another title. Raises InputError for an unknown one."""
        with self._database.write() as session:
            self._found(session, conversation).title = _tidy(title) or UNTITLED

    def pin(self, conversation: str, pinned: bool = True) -> None:
        """Keep a conversation at the head of the list, or no longer. Raises InputError for an unknown one."""
        with self._database.write() as session:
            self._found(session, conversation).pinned = pinned

    def delete(self, *conversations: str) -> None:
        """Remove conversations with all their turns, so that nothing of them stands in any file of the folder.

        Raises InputError, and removes none, where one is unknown.
        """
        with self._database.write() as session:
            for conversation in sorted(conversations):
                self._found(session, conversation, hold=True)
            session.execute(delete(ConversationRow).where(ConversationRow.id.in_(conversations)))
            owe_erasure(session)
        self._database.erase()

    def expire(self, before: datetime) -> int:
        """Remove the conversations in which nothing has been said since, as `delete` does; return how many."""
        with self._database.write() as session:
            old = (ConversationRow.updated_at < before, *self._own())
            found = session.scalars(select(ConversationRow.id).where(*old).with_for_update()).all()
            for first in range(0, len(found), 500):
                session.execute(delete(ConversationRow).where(ConversationRow.id.in_(found[first : first + 500])))
            if found:
                owe_erasure(session)
        self._database.erase()
        return len(found)

    def context(self, conversation: str, before: int | None = None) -> tuple[Turn, ...]:
        """Return the finished turns as a model reads them, those `before` a turn: user and assistant, oldest first.

        Only the latest pictures come with them, as many as are looked at. What is damaged is left out.
        """
        done: tuple[ColumnElement[bool], ...] = (TurnRow.conversation_id == conversation, TurnRow.state == "done")
        done = (*done, ~TurnRow.hidden, *(() if before is None else (TurnRow.id < before,)))
        query = select(TurnRow).where(*done).order_by(TurnRow.number)
        sent = select(*_PICTURE, PictureRow.turn_id).join(TurnRow).where(*done)
        latest = sent.order_by(PictureRow.turn_id.desc(), PictureRow.number.desc()).limit(MOST_LOOKED_AT)
        with self._database.read() as session:
            self._found(session, conversation)
            rows = session.scalars(query).all()
            latest_rows = session.execute(latest).all()[::-1]
        pictures = [(row.turn_id, _picture(row.name, row.data, row.checksum)) for row in latest_rows]
        for row in rows:
            if of_turn(row) != row.checksum:
                _log.error("turn %d of %s is left out of what the model reads: %s", row.number, conversation, DAMAGED)
        return tuple(
            turn
            for row in rows
            if of_turn(row) == row.checksum
            for turn in (
                Turn("user", row.question, tuple(picture for of, picture in pictures if picture and of == row.id)),
                Turn("assistant", row.reply or ""),
            )
        )

    def picture(self, turn: int, name: str) -> Picture:
        """Return a picture of a turn, or of one before it in its conversation. Raises InputError."""
        of = select(TurnRow.conversation_id).where(TurnRow.id == turn).scalar_subquery()
        query = select(*_PICTURE).join(TurnRow).join(ConversationRow).where(*self._own())
        query = query.where(PictureRow.name == name, TurnRow.conversation_id == of, TurnRow.id <= turn)
        with self._database.read() as session:
            row = session.execute(query.order_by(TurnRow.id.desc()).limit(1)).first()
        if row is None:
            raise InputError(f"turn {turn!r} knows no picture {name!r}")
        picture = _picture(*row)
        if picture is None:
            raise DataError(f"the stored picture {name!r} is damaged: restore the database from a backup")
        return picture

    def pictures(self, turn: int) -> tuple[Picture, ...]:
        """Return the pictures of a turn as they were sent, damaged ones left out, none for an unknown turn."""
        query = select(*_PICTURE).join(TurnRow).join(ConversationRow).where(*self._own())
        query = query.where(PictureRow.turn_id == turn).order_by(PictureRow.number)
        with self._database.read() as session:
            pictures = [_picture(*row) for row in session.execute(query)]
        return tuple(picture for picture in pictures if picture)

    def export(self, conversation: str, form: Literal["json", "md"] = "json") -> str:
        """Return a whole conversation as one JSON document or as Markdown, see `app.store.export`.

        Raises InputError.
        """

        about, turns = self.conversation(conversation), self.turns(conversation)
        if form == "md":
            return as_markdown(about, turns)
        return as_json(about, turns, [self.pictures(turn.id) for turn in turns])

    def _own(self) -> tuple[ColumnElement[bool], ...]:
        """What a conversation has to be for this history to know it."""
        return () if self._account is None else (ConversationRow.account_id == self._account,)

    def _owns(self, session: Session, conversation: str) -> bool:
        return (
            session.scalar(select(ConversationRow.id).where(ConversationRow.id == conversation, *self._own()))
            is not None
        )

    def _title(self, connection: Connection, conversation: str) -> str:
        """Return the title of a conversation, held until the transaction ends. Raises InputError."""
        query = select(ConversationRow.title).where(ConversationRow.id == conversation, *self._own())
        title = connection.scalar(query.with_for_update())
        if title is None:
            raise _unknown(conversation)
        return title

    def _found(self, session: Session, conversation: str, hold: bool = False) -> ConversationRow:
        """Return a conversation; with `hold` nobody else changes it until the session ends. Raises InputError."""
        query = select(ConversationRow).where(ConversationRow.id == conversation, *self._own())
        row = session.scalar(query.with_for_update() if hold else query)
        if row is None:
            raise _unknown(conversation)
        return row


def _unknown(conversation: str) -> InputError:
    return InputError(f"there is no conversation {conversation!r}: `candor history list` shows them all")


_PICTURE: Final = (PictureRow.name, PictureRow.data, PictureRow.checksum)


def _picture(name: str, data: bytes, checksum: bytes | None) -> Picture | None:
    """Return a stored picture; None, with a log entry, when it does not match its checksum."""
    if of_picture(name, data) == checksum:
        return Picture(name, data)
    _log.error("the stored picture %r is damaged and left out: restore the database from a backup", name)
    return None


def _conversation(row: ConversationRow, turns: int) -> StoredConversation:
    title = row.title or UNTITLED
    about = (row.created_at, row.updated_at, turns, row.pinned, row.role or DEFAULT, row.account_id)
    return StoredConversation(row.id, title, *about)


def _stored(session: Session, rows: Sequence[TurnRow]) -> list[StoredTurn]:
    working, versions = load_working(session, rows), versions_of(session, rows)
    return [
        StoredTurn(
            row.id,
            row.conversation_id,
            row.number,
            row.question,
            cast(State, row.state) if working[row.id].whole else "damaged",
            working[row.id].reply,
            row.reason if working[row.id].whole else DAMAGED,
            row.created_at,
            row.finished_at,
            working[row.id].pictures,
            versions.get(row.id, ()),
        )
        for row in rows
    ]


def damaged_turns(session: Session) -> list[str]:
    """Return the conversations of which a turn, its working or a picture does not match its checksum."""
    found: dict[str, None] = {}
    ids = session.scalars(select(TurnRow.id).order_by(TurnRow.id)).all()
    for first in range(0, len(ids), 100):
        rows = session.scalars(select(TurnRow).where(TurnRow.id.in_(ids[first : first + 100]))).all()
        working = load_working(session, rows)
        found.update((row.conversation_id, None) for row in rows if not working[row.id].whole)
        session.expunge_all()
    pictures = select(*_PICTURE, TurnRow.conversation_id).join_from(PictureRow, TurnRow)
    for row in session.execute(pictures.execution_options(yield_per=10)):
        if _picture(row.name, row.data, row.checksum) is None:
            found[row.conversation_id] = None
    return list(found)


def _tidy(title: str) -> str:
    line = " ".join(title.split())
    return line if len(line) <= TITLE_LIMIT else line[: TITLE_LIMIT - 1].rstrip() + "…"
