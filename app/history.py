"""Conversations in SQL: what was asked, what was answered, and all the working behind it.

A question is committed before anything is generated (`begin`), a reply in one transaction with all its
candidates, evidence and citations (`finish`). Knows nothing of how replies are made or shown.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, cast
from uuid import uuid4

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from app.database import Database
from app.errors import InputError
from app.jsonform import to_json
from app.replies import load_replies, reply_rows
from app.tables import ConversationRow, PictureRow, TurnRow
from dialogue.pictures import MOST_LOOKED_AT, media_type
from dialogue.roles import DEFAULT
from dialogue.types import Picture, Reply, Turn

TITLE_LIMIT: Final = 200
UNTITLED: Final = "New conversation"
State = Literal["pending", "done", "failed", "cancelled", "interrupted"]


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A question with its reply; `reply` is None until the state is done, `reason` says why it is not.

    `pictures` are the names of those that came with the question; `History.pictures` has the pictures.
    """

    id: int
    conversation: str
    number: int
    question: str
    state: State
    reply: Reply | None
    reason: str
    created_at: datetime
    finished_at: datetime | None
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredConversation:
    """A conversation as a list shows it; `turns` is their number, `role` the name of the role it is held in."""

    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    turns: int
    pinned: bool
    role: str = DEFAULT


class History:
    """The conversations of one database. Every method raises DataError when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, title: str = "", role: str = DEFAULT) -> str:
        """Store a new conversation, held in `role`, and return its id. Untitled, it takes the first question."""
        now = datetime.now(UTC)
        row = ConversationRow(
            id=str(uuid4()), title=_tidy(title), pinned=False, role=role, created_at=now, updated_at=now
        )
        identity = row.id
        with self._database.write() as session:
            session.add(row)
        return identity

    def begin(self, conversation: str, question: str, pictures: Sequence[Picture] = ()) -> int:
        """Store a pending turn with its pictures and return its id. Raises InputError for an unknown conversation."""
        now = datetime.now(UTC)
        with self._database.write() as session:
            row = _found(session, conversation)
            last = session.scalar(select(func.max(TurnRow.number)).where(TurnRow.conversation_id == conversation))
            turn = TurnRow(
                conversation_id=conversation,
                number=(last or 0) + 1,
                question=question,
                state="pending",
                reason="",
                created_at=now,
            )
            session.add(turn)
            row.updated_at = now
            row.title = row.title or _tidy(question)
            session.flush()
            session.add_all(
                PictureRow(turn_id=turn.id, number=number, name=picture.name, data=picture.data)
                for number, picture in enumerate(pictures)
            )
            return turn.id

    def finish(self, turn: int, reply: Reply) -> None:
        """Store the reply of a pending turn with all its working, whole or not at all."""
        columns, rows = reply_rows(turn, reply)
        now = datetime.now(UTC)
        with self._database.write() as session:
            if _settle(session, turn, "done", "", now, columns):
                session.add_all(rows)

    def fail(self, turn: int, state: State, reason: str) -> None:
        """Mark a pending turn as not answered. A turn that is already settled stays as it is."""
        with self._database.write() as session:
            _settle(session, turn, state, reason, datetime.now(UTC), {})

    def interrupt(self) -> int:
        """Mark the turns that a process left pending when it ended; return how many. For the writer alone."""
        with self._database.write() as session:
            values = {"state": "interrupted", "reason": "candor stopped before the reply was ready"}
            pending = session.scalars(select(TurnRow.id).where(TurnRow.state == "pending")).all()
            session.execute(update(TurnRow).where(TurnRow.id.in_(pending)).values(**values))
            return len(pending)

    def turns(self, conversation: str, limit: int | None = None) -> list[StoredTurn]:
        """Return the turns of a conversation, oldest first; with `limit` only the last ones.

        Raises InputError for an unknown conversation.
        """
        with self._database.read() as session:
            _found(session, conversation)
            query = select(TurnRow).where(TurnRow.conversation_id == conversation)
            rows = session.scalars(query.order_by(TurnRow.number.desc()).limit(limit)).all()[::-1]
            return _stored(session, rows)

    def turn(self, turn: int) -> StoredTurn:
        """Return one turn. Raises InputError for an unknown one."""
        with self._database.read() as session:
            row = session.get(TurnRow, turn)
            if row is None:
                raise InputError(f"there is no turn {turn!r}")
            return _stored(session, [row])[0]

    def conversations(self, limit: int = 50, offset: int = 0, search: str = "") -> list[StoredConversation]:
        """Return conversations, pinned first, then the latest; `search` looks in titles and messages."""
        counted = select(func.count()).where(TurnRow.conversation_id == ConversationRow.id).scalar_subquery()
        query = select(ConversationRow, counted)
        for word in search.split():
            said = select(TurnRow.conversation_id).where(
                or_(
                    TurnRow.question.icontains(word, autoescape=True),
                    TurnRow.reply.icontains(word, autoescape=True),
                )
            )
            query = query.where(
                or_(ConversationRow.title.icontains(word, autoescape=True), ConversationRow.id.in_(said))
            )
        order = (ConversationRow.pinned.desc(), ConversationRow.updated_at.desc(), ConversationRow.id)
        with self._database.read() as session:
            found = session.execute(query.order_by(*order).limit(limit).offset(offset)).all()
            return [_conversation(row, turns) for row, turns in found]

    def conversation(self, conversation: str) -> StoredConversation:
        """Return one conversation. Raises InputError for an unknown one."""
        with self._database.read() as session:
            row = _found(session, conversation)
            counted = select(func.count()).where(TurnRow.conversation_id == conversation)
            return _conversation(row, session.scalar(counted) or 0)

    def rename(self, conversation: str, title: str) -> None:
        """Give a conversation another title. Raises InputError for an unknown one."""
        with self._database.write() as session:
            _found(session, conversation).title = _tidy(title) or UNTITLED

    def pin(self, conversation: str, pinned: bool = True) -> None:
        """Keep a conversation at the head of the list, or no longer. Raises InputError for an unknown one."""
        with self._database.write() as session:
            _found(session, conversation).pinned = pinned

    def delete(self, conversation: str) -> None:
        """Remove a conversation with all its turns. Raises InputError for an unknown one."""
        with self._database.write() as session:
            _found(session, conversation)
            session.execute(delete(ConversationRow).where(ConversationRow.id == conversation))

    def context(self, conversation: str) -> tuple[Turn, ...]:
        """Return the finished turns as a model reads them: user and assistant in turn, oldest first.

        Only the latest pictures come with them, as many as are looked at.
        """
        done = (TurnRow.conversation_id == conversation, TurnRow.state == "done")
        query = select(TurnRow.id, TurnRow.question, TurnRow.reply).where(*done).order_by(TurnRow.number)
        sent = select(PictureRow.turn_id, PictureRow.name, PictureRow.data).join(TurnRow).where(*done)
        latest = sent.order_by(PictureRow.turn_id.desc(), PictureRow.number.desc()).limit(MOST_LOOKED_AT)
        with self._database.read() as session:
            rows = session.execute(query).all()
            pictures = [(turn, Picture(name, data)) for turn, name, data in session.execute(latest).all()[::-1]]
        return tuple(
            turn
            for number, asked, said in rows
            for turn in (
                Turn("user", asked, tuple(picture for of, picture in pictures if of == number)),
                Turn("assistant", said or ""),
            )
        )

    def picture(self, turn: int, name: str) -> Picture:
        """Return a picture of a turn, or of one before it in its conversation. Raises InputError."""
        of = select(TurnRow.conversation_id).where(TurnRow.id == turn).scalar_subquery()
        query = select(PictureRow.name, PictureRow.data).join(TurnRow)
        query = query.where(PictureRow.name == name, TurnRow.conversation_id == of, TurnRow.id <= turn)
        with self._database.read() as session:
            row = session.execute(query.order_by(TurnRow.id.desc()).limit(1)).first()
        if row is None:
            raise InputError(f"turn {turn!r} knows no picture {name!r}")
        return Picture(*row)

    def pictures(self, turn: int) -> tuple[Picture, ...]:
        """Return the pictures of a turn as they were sent, none for an unknown turn."""
        query = select(PictureRow.name, PictureRow.data).where(PictureRow.turn_id == turn)
        with self._database.read() as session:
            return tuple(Picture(name, data) for name, data in session.execute(query.order_by(PictureRow.number)))

    def export(self, conversation: str, form: Literal["json", "md"] = "json") -> str:
        """Return a whole conversation as one JSON document or as Markdown. Raises InputError.

        The JSON holds the pictures too, in Base64; the Markdown names them.
        """
        about, turns = self.conversation(conversation), self.turns(conversation)
        if form == "json":
            told = [{**to_json(turn), "pictures": _sent(self.pictures(turn.id))} for turn in turns]
            return json.dumps({**to_json(about), "turns": told}, ensure_ascii=False, indent=2)
        return "\n\n".join([f"# {about.title}", *(part for turn in turns for part in _markdown(turn))]) + "\n"


def _sent(pictures: Sequence[Picture]) -> list[dict[str, str]]:
    """Pictures as they stand in an export."""
    return [{"name": one.name, "type": media_type(one), "base64": b64encode(one.data).decode()} for one in pictures]


def _settle(session: Session, turn: int, state: State, reason: str, now: datetime, columns: dict[str, object]) -> bool:
    """Move a pending turn to its final state; False when it is gone or settled already."""
    row = session.get(TurnRow, turn)
    if row is None or row.state != "pending":
        return False
    for name, value in {**columns, "state": state, "reason": reason, "finished_at": now}.items():
        setattr(row, name, value)
    conversation = session.get(ConversationRow, row.conversation_id)
    if conversation is not None:
        conversation.updated_at = now
    return True


def _found(session: Session, conversation: str) -> ConversationRow:
    row = session.get(ConversationRow, conversation)
    if row is None:
        raise InputError(f"there is no conversation {conversation!r}: `candor history list` shows them all")
    return row


def _conversation(row: ConversationRow, turns: int) -> StoredConversation:
    title = row.title or UNTITLED
    return StoredConversation(row.id, title, row.created_at, row.updated_at, turns, row.pinned, row.role or DEFAULT)


def _stored(session: Session, rows: Sequence[TurnRow]) -> list[StoredTurn]:
    replies = load_replies(session, [row for row in rows if row.state == "done"])
    sent = select(PictureRow.turn_id, PictureRow.name).join(TurnRow)
    within = sent.where(TurnRow.conversation_id.in_({row.conversation_id for row in rows}))
    pictures = session.execute(within.order_by(PictureRow.turn_id, PictureRow.number)).all()
    return [
        StoredTurn(
            row.id,
            row.conversation_id,
            row.number,
            row.question,
            cast(State, row.state),
            replies.get(row.id),
            row.reason,
            row.created_at,
            row.finished_at,
            tuple(name for turn, name in pictures if turn == row.id),
        )
        for row in rows
    ]


def _tidy(title: str) -> str:
    line = " ".join(title.split())
    return line if len(line) <= TITLE_LIMIT else line[: TITLE_LIMIT - 1].rstrip() + "…"


def _markdown(turn: StoredTurn) -> Iterable[str]:
    yield f"**You:** {turn.question}"
    if turn.pictures:
        yield f"*Pictures: {', '.join(turn.pictures)}*"
    if turn.reply is None:
        yield f"*{turn.state}{': ' if turn.reason else ''}{turn.reason}*"
        return
    yield f"**{turn.reply.trace.role or 'Candor'}:** {turn.reply.text}"
    if turn.reply.citations:
        yield "\n".join(
            f"{cited.number}. {' › '.join((cited.source, *cited.headings, *filter(None, [cited.place])))}: "
            f"“{' '.join(cited.quote.split())}”"
            for cited in turn.reply.citations
        )
