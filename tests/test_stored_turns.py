"""A turn, its working or a picture that is not as it was stored is never shown as sound."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from store_files import PLAIN, findings, full

from app.errors import DataError
from app.library.checksums import _TURN, WORKING
from app.store.database import NAME, open_database
from app.store.history import History, damaged_turns
from app.store.tables import TurnRow
from dialogue.types import Picture


@pytest.fixture
def talk(tmp_path: Path) -> tuple[History, str]:
    """Two turns, each with a row in every table."""
    history = History(open_database(tmp_path))
    conversation = history.start("Colours")
    for question in ("What colour?", "And why?"):
        history.finish(history.begin(conversation, question, [Picture("a.png", b"data")]), full())
    return history, conversation


def changes() -> list[tuple[str, str]]:
    """Every column that a checksum is over."""
    columns = [("turn", name) for name in _TURN if name not in ("conversation_id", "number")]
    return columns + [(table.__tablename__, name) for table, names in WORKING.items() for name in names]


def test_the_checksums_are_over_all_that_is_stored_of_a_turn() -> None:
    every = {("turn", column) for column in TurnRow.__table__.columns.keys()}  # noqa: SIM118
    every |= {(table.__tablename__, column) for table in WORKING for column in table.__table__.columns.keys()}  # noqa: SIM118
    own = {("turn", name) for name in ("id", "conversation_id", "number", "checksum", "version_of", "hidden", "holder")}
    keys = {(table.__tablename__, "turn_id") for table in WORKING} | {("picture", "data")}  # data: by its checksum
    assert every - own - keys == set(changes())


@pytest.mark.parametrize(("table", "column"), changes())
def test_a_turn_that_is_not_as_it_was_stored_is_never_shown_as_sound(
    talk: tuple[History, str], tmp_path: Path, table: str, column: str
) -> None:
    history, conversation = talk
    raw = sqlite3.connect(tmp_path / NAME)
    where = "id = 1" if table == "turn" else "turn_id = 1"
    first = f"rowid = (SELECT min(rowid) FROM {table} WHERE {where})"
    [value] = raw.execute(f'SELECT "{column}" FROM {table} WHERE {first}').fetchone()
    raw.execute(f'UPDATE {table} SET "{column}" = ? WHERE {first}', (other(value),))
    raw.commit()
    raw.close()
    turn, second = history.turns(conversation)
    assert (turn.state, turn.reply) == ("damaged", None)
    assert second.reply == replace(full(), conversation=conversation)
    assert "Blue" not in history.export(conversation, "md").split("And why?")[0]
    assert findings(tmp_path)["conversations"].detail.endswith(conversation)
    if table == "turn":
        assert [turn.text for turn in history.context(conversation)] == ["And why?", "Blue.[1]"]


def other(value: object) -> object:
    """Something else of the same type, text and bytes with one bit flipped."""
    if isinstance(value, str):
        return value[:-1] + chr(ord(value[-1]) ^ 1) if value else "x"
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    return value + 7 if isinstance(value, int | float) else "x"


@pytest.mark.slow
def test_every_bit_of_a_reply_in_the_file_counts(talk: tuple[History, str], tmp_path: Path) -> None:
    history, conversation = talk
    history._database.close()
    path = tmp_path / NAME
    whole = path.read_bytes()
    start = whole.index(b"Blue.[1]")
    for bit in range(8 * len(b"Blue.[1]")):
        content = bytearray(whole)
        content[start + bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        database = open_database(tmp_path, writable=False)
        turns = History(database).turns(conversation)
        assert sorted(turn.state for turn in turns) == ["damaged", "done"]
        with database.read() as session:
            assert damaged_turns(session) == [conversation]
        database.close()


def test_a_damaged_picture_is_left_out_and_named(talk: tuple[History, str], tmp_path: Path) -> None:
    history, conversation = talk
    raw = sqlite3.connect(tmp_path / NAME)
    raw.execute("UPDATE picture SET data = x'ff' WHERE turn_id = 1")
    raw.commit()
    raw.close()
    assert history.pictures(1) == ()
    with pytest.raises(DataError, match=r"the stored picture 'a.png' is damaged"):
        history.picture(1, "a.png")
    assert len(history.pictures(2)) == 1
    assert [len(turn.pictures) for turn in history.context(conversation)] == [0, 0, 1, 0]
    assert findings(tmp_path)["conversations"].state == "fail"


def test_a_question_damaged_while_it_waits_is_not_called_sound_by_its_reply(tmp_path: Path) -> None:
    history = History(open_database(tmp_path))
    for settle in (lambda turn: history.finish(turn, PLAIN), lambda turn: history.interrupt()):
        conversation = history.start()
        turn = history.begin(conversation, "What colour?")
        raw = sqlite3.connect(tmp_path / NAME)
        raw.execute("UPDATE turn SET question = 'What odour?'")
        raw.commit()
        raw.close()
        settle(turn)
        assert history.turn(turn).state == "damaged"
