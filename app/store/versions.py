"""Versions of one turn, of which one is shown, and where the words of a search stand.

All versions of a turn name the first of them; a turn that names none and is named by none is the only one.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, Connection, func, or_, select, update
from sqlalchemy.orm import Session

from app.errors import InputError
from app.store.conversations import Match
from app.store.database import Database
from app.store.tables import ConversationRow, TurnRow, storable

BEFORE: Final = 40  # characters shown before the word that was found
SHOWN: Final = 140


def take_place(connection: Connection, conversation: str, turn: int) -> int:
    """Hide all versions of a conversation's last turn and return the first of them. Raises InputError."""
    row = connection.execute(select(TurnRow.conversation_id, TurnRow.version_of).where(TurnRow.id == turn)).first()
    shown = select(func.max(TurnRow.id)).where(TurnRow.conversation_id == conversation, ~TurnRow.hidden)
    if row is None or row.conversation_id != conversation or connection.scalar(shown) != turn:
        raise InputError("only the last message of a conversation can be asked again")
    first = row.version_of or turn
    connection.execute(update(TurnRow).where(_of(first)).values(hidden=True))
    return first


def show_version(database: Database, turn: int) -> None:
    """Show this version of a turn and hide the others. Raises InputError for an unknown turn, and DataError."""
    with database.write() as session:
        row = session.get(TurnRow, turn)
        if row is None:
            raise InputError(f"there is no turn {turn!r}")
        session.get(ConversationRow, row.conversation_id, with_for_update=True)
        session.execute(update(TurnRow).where(_of(row.version_of or row.id)).values(hidden=TurnRow.id != turn))


def versions_of(session: Session, rows: Sequence[TurnRow]) -> dict[int, tuple[int, ...]]:
    """Return the ids of all versions of those of these turns that have several, by turn, the oldest first."""
    firsts = {row.id: row.version_of or row.id for row in rows}
    found: dict[int, list[int]] = {first: [first] for first in firsts.values()}
    ids = list(found)
    for start in range(0, len(ids), 500):
        query = select(TurnRow.version_of, TurnRow.id).where(TurnRow.version_of.in_(ids[start : start + 500]))
        for first, turn in session.execute(query.order_by(TurnRow.id)):
            found[first or turn].append(turn)
    return {turn: tuple(found[first]) for turn, first in firsts.items() if len(found[first]) > 1}


def _of(first: int) -> ColumnElement[bool]:
    return or_(TurnRow.id == first, TurnRow.version_of == first)


def holding(word: str) -> ColumnElement[bool]:
    """The turns of which the question or the reply holds a word."""
    word = storable(word)
    return or_(TurnRow.question.icontains(word, autoescape=True), TurnRow.reply.icontains(word, autoescape=True))


def matches(database: Database, conversations: Sequence[str], search: str) -> dict[str, Match]:
    """Return the last place in each of these conversations where a word of the search stands. Raises DataError."""
    words = search.split()
    if not words or not conversations:
        return {}
    columns = select(TurnRow.conversation_id, TurnRow.id, TurnRow.question, TurnRow.reply)
    where = (TurnRow.conversation_id.in_(conversations), ~TurnRow.hidden, or_(*map(holding, words)))
    found: dict[str, Match] = {}
    with database.read() as session:
        for conversation, turn, question, reply in session.execute(columns.where(*where).order_by(TurnRow.id)):
            if stretch := _around(question, words) or _around(reply or "", words):
                found[conversation] = Match(turn, stretch)
    return found


def _around(text: str, words: Sequence[str]) -> str:
    """The stretch of a text around the first of the words that it holds, "" where it holds none."""
    plain = " ".join(text.split())
    places = [place for word in words if (place := plain.casefold().find(word.casefold())) >= 0]
    if not places:
        return ""
    start = max(0, min(places) - BEFORE)
    end = min(len(plain), start + SHOWN)
    return ("…" if start else "") + plain[start:end].strip() + ("…" if end < len(plain) else "")
