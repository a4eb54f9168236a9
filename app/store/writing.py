"""How a turn is written: begun as pending, then moved once to its final state with all the rows beside it.

With tables instead of entities, which would take most of the time of a turn, and with statements that are made once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, cast

from sqlalchemy import Connection, Dialect, Insert, Table, bindparam, func, insert, select, update

from app.library.checksums import of_beside, of_picture, of_turn
from app.store.replies import Beside
from app.store.tables import Base, ConversationRow, PictureRow, TurnRow
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
_ADD: Final[Mapping[type[Base], Insert]] = {table: insert(table) for table in (ConversationRow, TurnRow, PictureRow)}
_NOTHING: Final = of_beside({})
_AT_ONCE: Final = 500  # rows of a statement; databases bound the number of parameters
Added = tuple[str, tuple[Any, ...]]  # a statement of the driver, and its parameters


@dataclass(frozen=True, slots=True)
class Written:
    """The rows beside a turn, made into statements before anybody waits for their transaction."""

    rows: Beside
    statements: tuple[Added, ...]
    checksum: bytes  # where no pictures were sent


_NONE: Final = Written({}, (), _NOTHING)


def written(dialect: Dialect, rows: Beside) -> Written:
    """Return rows as they are written to a database."""
    statements = [
        _added(dialect, table, some[first : first + _AT_ONCE])
        for table, some in rows.items()
        for first in range(0, len(some), _AT_ONCE)
    ]
    return Written(rows, tuple(statements), of_beside(rows))


def _added(dialect: Dialect, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> Added:
    """One statement for many rows: each statement lets other threads go first, and waits until they let it go on."""
    head, columns = _columns(dialect, table)
    mark = "?" if dialect.paramstyle == "qmark" else "%s"
    places = f"({', '.join([mark] * len(columns))})"
    values = tuple(made(row[name]) if made else row[name] for row in rows for name, made in columns)
    return f"{head} VALUES {', '.join([places] * len(rows))}", values


@lru_cache(maxsize=64)
def _columns(dialect: Dialect, table: type[Base]) -> tuple[str, tuple[tuple[str, Callable[[Any], Any] | None], ...]]:
    """The head of an insertion, and of each column what makes a value one of the driver's."""
    columns = tuple((each.name, each.type.dialect_impl(dialect).bind_processor(dialect)) for each in table.__table__.c)
    quoted = ", ".join(dialect.identifier_preparer.quote(name) for name, _ in columns)
    return f"INSERT INTO {table.__tablename__} ({quoted})", columns


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
    pending["working_checksum"] = of_beside({PictureRow: sent})
    pending["checksum"] = of_turn(pending)
    added = connection.execute(_ADD[TurnRow], {name: value for name, value in pending.items() if value is not None})
    identity = cast(int, cast(Any, added.inserted_primary_key)[0])
    if sent:
        rows = [{**row, "turn_id": identity, "data": picture.data} for row, picture in zip(sent, pictures, strict=True)]
        connection.execute(_ADD[PictureRow], rows)
    return identity


def settle(
    connection: Connection,
    turn: int,
    columns: Mapping[str, Any],
    beside: Written = _NONE,
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
    sent: list[dict[str, Any]] = []
    if row["working_checksum"] != _NOTHING:
        sent = [picture._asdict() for picture in connection.execute(_SENT, {"turn": turn})]
    # a question that was damaged meanwhile stays so
    whole = of_turn(row) == row["checksum"] and of_beside({PictureRow: sent}) == row["working_checksum"]
    changed = {**columns, "turn": turn}
    if whole:
        working = of_beside({**beside.rows, PictureRow: sent}) if sent else beside.checksum
        sealed = {**row, **columns, "working_checksum": working}
        changed |= {"working_checksum": working, "checksum": of_turn(sealed)}
    connection.execute(_SETTLE, changed)
    spoken(connection, conversation, updated_at=columns["finished_at"])
    for statement, values in beside.statements:
        connection.exec_driver_sql(statement, values)
