"""What is deleted is in no file of the data folder, also while the program runs."""

import json
import random
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from store_files import SAFE, dies, holding
from test_index_library import Words

from app.errors import DataError
from app.library.catalogue import StoredSource
from app.library.embedded import Embedded, packed
from app.library.library import Library
from app.library.pages import CACHE
from app.store.database import NAME, Database, open_database
from app.store.history import History
from app.store.sqlite import SqliteDatabase
from app.store.tables import TurnRow
from app.store.wal import log_of
from dialogue.types import Picture, Reply, Trace
from retrieval.types import Document, Evidence, Passage, Section


def test_a_deleted_conversation_is_in_no_file_while_the_database_is_open(tmp_path: Path) -> None:
    """Rows of many sizes are moved between pages; copies of them are what `secure_delete` leaves behind."""
    dice = random.Random(4)  # its rows leave such copies
    database = open_database(tmp_path)
    history = History(database)
    alive: list[tuple[str, str]] = []
    for number in range(60):
        if len(alive) < 3 or dice.random() < 0.2:
            word = f"secret{number:04x}"
            alive.append((history.start(f"{word} title"), word))
        conversation, word = dice.choice(alive)
        sizes = [dice.randint(1, dice.choice([3, 30, 300])) for _ in range(dice.randint(2, 9))]
        passages = [Passage(rank, f"{word} " * size, word, word, (), 0, 1) for rank, size in enumerate(sizes)]
        evidence = tuple(Evidence(passage, 1.0) for passage in passages)
        turn = history.begin(conversation, f"{word} " * sizes[1], [Picture(word, word.encode() * sizes[0])])
        history.finish(turn, Reply(f"{word} " * sizes[0], "answered", (), Trace(SAFE, evidence=evidence)))
        if number % 5 == 4:
            gone, word = alive.pop(dice.randrange(len(alive)))
            assert holding(tmp_path, word) != []
            history.delete(gone)
            assert holding(tmp_path, word) == []
    assert all(turn.state == "done" for conversation, _ in alive for turn in history.turns(conversation))
    database.close()


def test_a_removed_source_is_in_no_file_while_the_database_is_open(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    library = Library(database, tmp_path, Words())
    for number in range(40):
        texts = [f"part {part} of note{number:03} is long " * (1 + number % 7 * 9) for part in range(5)]
        whole = "\n".join(texts)
        passages = [Passage(0, one, f"note{number:03}", "", (), whole.index(one), len(one)) for one in texts]
        now, name = datetime.now(UTC), f"note{number:03}"
        about = StoredSource(0, f"/{name}", name, name, "text", len(whole), len(texts), "0", now)
        document = Document(name, name, whole, (Section((), 0, len(whole)),))
        library.store([Embedded(about, document, passages, packed(library.embedder, passages))])
    library.publish()
    for number in range(3, 40, 8):
        assert NAME in holding(tmp_path, f"note{number:03}") or log_of(tmp_path / NAME).exists()
        library.remove(f"note{number:03}")
        assert holding(tmp_path, f"note{number:03}") == []
    database.close()


def test_who_reads_delays_the_erasure_and_the_next_write_makes_up_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.store.sqlite.READING_SECONDS", 0)
    database = open_database(tmp_path)
    history = History(database)
    conversation = history.start("a secret title")
    with database.read() as session:
        session.get(TurnRow, 1)
        history.delete(conversation)
        assert "until those who read now have ended" in caplog.text
    history.start("another")
    assert holding(tmp_path, "a secret title") == []
    database.close()


def test_an_erasure_that_a_crash_has_cut_off_is_finished_at_the_next_start(tmp_path: Path) -> None:
    dies(
        tmp_path,
        "kept = [history.start(f'secret title {n} ' * 9) for n in range(30)]\n"
        "type(database).erase = lambda self: os._exit(9)\nhistory.delete(*kept[3:20])",
    )
    assert holding(tmp_path, "secret title 4 ") != []
    database = open_database(tmp_path)
    assert holding(tmp_path, "secret title 4 ") == []
    assert len(History(database).conversations()) == 13
    database.close()


def test_a_full_disk_says_that_what_is_deleted_is_not_erased_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_database(tmp_path)
    history = History(database)
    conversation = history.start("a secret title")
    monkeypatch.setattr(SqliteDatabase, "_vacuum", _full)
    with pytest.raises(DataError, match="it is deleted, but its bytes stand in the file still"):
        history.delete(conversation)
    monkeypatch.undo()
    database.close()
    open_database(tmp_path).close()
    assert holding(tmp_path, "a secret title") == []


def _full(database: Database) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_what_the_server_of_a_removed_page_said_is_gone_too(tmp_path: Path) -> None:
    kept, gone = "https://example.org/kept", "https://example.org/gone"
    (tmp_path / CACHE).write_text(json.dumps({uri: ["etag", "", "digest", "html"] for uri in (kept, gone)}))
    database = open_database(tmp_path)
    Library(database, tmp_path, Words()).forget([gone])
    assert list(json.loads((tmp_path / CACHE).read_text())) == [kept]
    database.close()
