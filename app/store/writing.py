"""How a turn is written: begun as pending, then moved once to its final state with all the rows beside it.

With tables instead of entities, which would take most of the time of a turn, and with statements that are made once.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, cast

from sqlalchemy import Connection, Insert, Table, bindparam, func, insert, select, update

from app.library.checksums import of_beside, of_picture, of_turn, sealed
from app.store.tables import (
    Base,
    CandidateRow,
    CitationRow,
    ConversationRow,
    EvidenceRow,
    PictureRow,
    TurnRow,
)
from dialogue.types import Picture

_TURN: Final = cast(Table, TurnRow.__table__)
_CONVERSATION: Final = cast(Table, ConversationRow.__table__)
_PICTURE: Final = cast(Table, PictureRow.__table__)
_EMPTY: Final = {column.name: None for column in _TURN.c if column.name != "id"}
_LAST: Final = select(func.max(_TURN.c.number)).where(_TURN.c.conversation_id == bindparam("conversation"))
_STORED: Final = select(_TURN).where(_TURN.c.id == bindparam("turn"))
_OF: Final = select(_TURN.c.conversation_id).where(_TURN.c.id == bindparam("turn")).scalar_subquery()
_HELD: Final = select(_CONVERSATION.c.id).where(_CONVERSATION.c.id == _OF).with_for_update()
_SENT: Final = (
    select(_PICTURE.c.number, _PICTURE.c.name, _PICTURE.c.checksum)
    .where(_PICTURE.c.turn_id == bindparam("turn"))
    .order_by(_PICTURE.c.number)
)
_SETTLE: Final = update(_TURN).where(_TURN.c.id == bindparam("turn"))
_SPOKEN: Final = update(_CONVERSATION).where(_CONVERSATION.c.id == bindparam("conversation"))
_ADD: Final[Mapping[type[Base], Insert]] = {
    table: insert(table) for table in (ConversationRow, TurnRow, PictureRow, EvidenceRow, CandidateRow, CitationRow)
}
Rows = Mapping[type[Base], Sequence[Mapping[str, Any]]]


def add_conversation(connection: Connection, columns: Mapping[str, Any]) -> None:
    """Store a new conversation."""
    connection.execute(_ADD[ConversationRow], columns)


def next_number(connection: Connection, conversation: str) -> int:
    """Return the number of the next turn of a conversation, which the caller holds."""
    return (connection.scalar(_LAST, {"conversation": conversation}) or 0) + 1


def spoken(connection: Connection, conversation: str, **columns: object) -> None:
    """Change these columns of a conversation in which something is said."""
    connection.execute(_SPOKEN, {**columns, "conversation": conversation})


def begin_turn(connection: Connection, turn: Mapping[str, Any], pictures: Sequence[Picture]) -> int:
    """Store a pending turn of these columns with its pictures and return its id."""
    sent = [
        {"number": number, "name": picture.name, "checksum": of_picture(picture.name, picture.data)}
        for number, picture in enumerate(pictures)
    ]
    pending = {**_EMPTY, "state": "pending", "reason": "", "hidden": False, **turn}
    added = connection.execute(_ADD[TurnRow], sealed(pending, {PictureRow: sent}))
    identity = cast(int, cast(Any, added.inserted_primary_key)[0])
    if sent:
        rows = [{**row, "turn_id": identity, "data": picture.data} for row, picture in zip(sent, pictures, strict=True)]
        connection.execute(_ADD[PictureRow], rows)
    return identity


def settle(
    connection: Connection,
    turn: int,
    columns: Mapping[str, Any],
    beside: Rows = MappingProxyType({}),
    holder: int | None = None,
) -> None:
    """Give a pending turn these columns, its final state among them, and rows beside it; not one gone or settled.

    One that others took for interrupted is its `holder`'s still, who was cut off from the database for a while.
    """
    conversation = connection.scalar(_HELD, {"turn": turn})
    found = connection.execute(_STORED, {"turn": turn}).first()
    if found is None or conversation is None:
        return
    row = found._asdict()
    own = holder is not None and row["holder"] == holder
    if row["state"] != "pending" and not (row["state"] == "interrupted" and own):
        return
    sent = [picture._asdict() for picture in connection.execute(_SENT, {"turn": turn})]
    # a question that was damaged meanwhile stays so
    whole = of_turn(row) == row["checksum"] and of_beside({PictureRow: sent}) == row["working_checksum"]
    changed = {**columns, "turn": turn}
    if whole:
        both = sealed({**row, **columns}, {**beside, PictureRow: sent})
        changed |= {name: both[name] for name in ("working_checksum", "checksum")}
    connection.execute(_SETTLE, changed)
    spoken(connection, conversation, updated_at=columns["finished_at"])
    for table, rows in beside.items():
        if rows:
            connection.execute(_ADD[table], rows)
