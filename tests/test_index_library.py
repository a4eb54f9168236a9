"""The index under a library: brought up to date without building where it can be, and no damage served silently."""

import shutil
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from older_database import take_back
from sqlalchemy import text

from app.errors import DataError
from app.library.catalogue import StoredSource
from app.library.checksums import damaged_sources
from app.library.embedded import Embedded, packed
from app.library.library import INDEX, Library, index_state
from app.store.database import NAME, Database, open_database
from retrieval.index.generation import Generation
from retrieval.index.lexical import Lexical
from retrieval.search import HybridRetriever
from retrieval.types import Document, Passage, Section, Vectors

THINGS = ("granite", "harbour", "violin", "comet", "saffron")


class Words:
    """An embedder without weights: a fixed random direction for each word, summed."""

    dimension = 32
    fingerprint = "words"
    embedded = 0

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.embedded += len(texts)
        rows = [
            sum(np.random.default_rng(crc32(word.encode())).normal(size=32) for word in ["", *item.lower().split()])
            for item in texts
        ]
        return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)

    encode_queries = encode


@pytest.fixture
def library(database: Database, tmp_path: Path) -> Library:
    library = Library(database, tmp_path, Words())
    for number in range(10):
        store(library, number)
    library.publish()
    return library


def store(library: Library, number: int) -> None:
    """Store a document of four passages."""
    name = f"note{number}"
    texts = [f"part {part} of note {number} about {THINGS[number % 5]}" for part in range(4)]
    whole = "\n".join(texts)
    passages = [
        Passage(0, item, name, "", ("head",), whole.index(item), whole.index(item) + len(item)) for item in texts
    ]
    about = StoredSource(0, f"/{name}", name, name, "text", len(whole), 4, "0", datetime.now(UTC))
    document = Document(name, name, whole, (Section(("head",), 0, len(whole)),))
    library.store([Embedded(about, document, passages, packed(library.embedder, passages))])


def again(library: Library, tmp_path: Path) -> Library:
    """The library as the next process would have it."""
    return Library(library.database, tmp_path, Words())


def found(library: Library, query: str, generation: Generation | None, k: int = 8) -> list[str]:
    hits = HybridRetriever(library.embedder, generation, library.passages).search([query], k)
    return [hit.passage.text for hit in hits]


def generations(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / INDEX).iterdir() if path.is_dir())


def spoil(tmp_path: Path, statement: str) -> None:
    """Change the database behind our back, in a way that SQLite has no objection to."""
    if not (tmp_path / NAME).exists():
        pytest.skip("PostgreSQL lets no value in that it could not read, and checks its pages itself")
    raw = sqlite3.connect(tmp_path / NAME)
    assert raw.execute(statement).rowcount > 0
    raw.commit()
    raw.close()


def holding(folder: Path, word: str) -> list[str]:
    """The generations whose files hold a word."""
    lexical = {path.name: Lexical(path / "lexical") for path in (folder / INDEX).iterdir() if path.is_dir()}
    return sorted(name for name, index in lexical.items() if index.search(word, 1))


def test_removing_a_source_takes_its_words_out_of_the_files_and_leaves_as_many_results(
    library: Library, tmp_path: Path
) -> None:
    library.rebuild()
    assert len(holding(tmp_path, "comet")) == 2
    library.remove("note3")
    library.remove("note8")
    before = generations(tmp_path)
    assert len(before) == 1
    assert holding(tmp_path, "comet") == []
    later = again(library, tmp_path)
    for generation in (library.open(), later.open()):
        assert generation is not None
        assert generation.count == 32
        texts = found(later, "note 3 about comet", generation)
        assert len(texts) == 8
        assert not any("comet" in item for item in texts)
    assert generations(tmp_path) == before


def test_what_is_gone_leaves_one_index_behind(library: Library, tmp_path: Path) -> None:
    for number in range(3):
        library.remove(f"note{number}")
    assert len(generations(tmp_path)) == 1
    generation = library.open()
    assert generation is not None
    assert generation.count == 28


def test_the_index_before_a_damaged_one_serves_without_a_build(
    library: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    [first] = generations(tmp_path)
    library.rebuild()
    [second] = set(generations(tmp_path)) - {first}
    (tmp_path / INDEX / second / "vectors.ids").write_bytes(b"short")
    later = again(library, tmp_path)
    served = later.open()
    assert served is not None
    assert served.id == first
    assert f"{second}/vectors.ids has 5 bytes" in caplog.text
    assert served.count == 40
    assert isinstance(later.embedder, Words)
    caplog.clear()
    assert again(library, tmp_path).open() is not None
    assert caplog.text == ""
    assert generations(tmp_path) == [first]


def test_what_the_index_before_a_damaged_one_lacks_is_added(library: Library, tmp_path: Path) -> None:
    store(library, 11)
    library.publish()
    newest = generations(tmp_path)[-1]
    (tmp_path / INDEX / newest / "manifest.json").unlink()
    served = again(library, tmp_path).open()
    assert served is not None
    assert served.count == 44
    assert found(library, "part 2 of note 11 about harbour", served)[0] == "part 2 of note 11 about harbour"


@pytest.mark.parametrize(
    "change",
    ["text = 'part 1 of note 3 about bomets'", "place = 'p. 2'", "start = 1", "headings = '[]'", "source_id = 1"],
)
def test_a_passage_changed_in_the_database_is_named_and_not_served(
    library: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    wanted = "part 1 of note 3 about comet"
    [[number]] = library.database.engine.connect().execute(text(f"SELECT id FROM passage WHERE text = '{wanted}'"))
    spoil(tmp_path, f"UPDATE passage SET {change} WHERE id = {number}")
    later = again(library, tmp_path)
    texts = found(later, wanted, later.open())
    assert wanted not in texts
    assert not any("bomets" in item for item in texts)
    assert f"the stored passage {number} of 'note" in caplog.text
    with library.database.read() as session:
        assert len(damaged_sources(session)) == 1
    shutil.rmtree(tmp_path / INDEX)
    rebuilt = again(library, tmp_path).open()
    assert rebuilt is not None
    assert rebuilt.count == 39


def test_a_source_renamed_in_the_database_is_not_served_under_that_name(library: Library, tmp_path: Path) -> None:
    spoil(tmp_path, "UPDATE source SET name = 'mote3' WHERE name = 'note3'")
    assert not any("note 3" in item for item in found(library, "note 3 about comet", library.open()))


def test_a_changed_document_is_not_shown(library: Library, tmp_path: Path) -> None:
    number = library.source("note4").id
    spoil(tmp_path, f"UPDATE source SET text = replace(text, 'part', 'port') WHERE id = {number}")
    with pytest.raises(DataError, match="the stored text of 'note4' is damaged"):
        library.document(number)
    assert library.document(library.source("note5").id).text.startswith("part 0")


def test_a_damaged_vector_is_embedded_again(library: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spoil(tmp_path, "UPDATE passage SET vector = zeroblob(64) WHERE text LIKE '%note 6%'")
    shutil.rmtree(tmp_path / INDEX)
    later = again(library, tmp_path)
    generation = later.open()
    assert "4 stored vectors are damaged" in caplog.text
    assert found(later, "part 2 of note 6 about harbour", generation)[0] == "part 2 of note 6 about harbour"
    assert isinstance(later.embedder, Words)
    with library.database.read() as session:
        assert damaged_sources(session) == []


def test_a_row_that_the_database_has_lost_is_named(
    library: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    generation = library.open()
    spoil(tmp_path, "DELETE FROM passage WHERE text = 'part 1 of note 3 about comet'")
    found(library, "part 1 of note 3 about comet", generation)
    assert "the database cannot show the passages [14]" in caplog.text
    with pytest.raises(DataError, match=r"shows 39 passages"):
        again(library, tmp_path).open()


@pytest.mark.parametrize("change", ["added_at = 'noon'", "sections = '[{'", "text = CAST(x'ff41' AS TEXT)"])
def test_a_value_that_cannot_be_read_is_called_damage(library: Library, tmp_path: Path, change: str) -> None:
    spoil(tmp_path, f"UPDATE source SET {change}")
    with pytest.raises(DataError, match=r"'note5' is damaged|the file is damaged"):
        library.document(library.source("note5").id)


def test_an_index_without_its_database_is_not_taken_for_a_new_folder(library: Library, tmp_path: Path) -> None:
    library.database.close()
    for file in tmp_path.glob(f"{NAME}*"):
        file.unlink()
    empty = open_database(tmp_path)
    with pytest.raises(DataError, match="an index of some lies beside it: restore"):
        Library(empty, tmp_path, Words()).open()
    empty.close()


def test_an_index_that_the_database_does_not_know_is_named(
    library: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(tmp_path, "UPDATE meta SET value = '1:00000000-old:40' WHERE key = 'published'")
    later = again(library, tmp_path)
    assert later.open() is not None
    assert "is not the one the database names (1:00000000-old:40)" in caplog.text
    caplog.clear()
    assert later.open() is not None
    assert caplog.text == ""


def test_an_older_database_gets_its_checksums(library: Library, tmp_path: Path) -> None:
    if library.database.dialect != "sqlite":
        pytest.skip("no version before 0010 ran on it")
    library.database.close()
    take_back(tmp_path, "0002")
    upgraded = open_database(tmp_path)
    with upgraded.read() as session:
        assert damaged_sources(session) == []
    later = Library(upgraded, tmp_path, Words())
    assert len(found(later, "comet", later.open())) == 8
    upgraded.close()


def test_rebuilding_takes_what_is_removed_out_of_the_files(library: Library, tmp_path: Path) -> None:
    library.remove("note3")
    library.rebuild()
    library.rebuild()
    ids = [np.fromfile(file, "<i8") for file in (tmp_path / INDEX).glob("*/vectors.ids")]
    assert [len(rows) for rows in ids] == [36, 36]
    assert index_state(library.database).passages == 36
