"""Passages in Milvus, on Milvus Lite: what is checked, how filters are told, and how SQL stays the truth."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conformance_retriever import passages
from hypothesis import given
from hypothesis import strategies as st

from app.bot import open_bot
from app.config import load_settings
from app.doctor import examine
from app.library.ingest import ingest
from app.library.library import index_state
from app.library.milvus import SPAN, TOP, MilvusLibrary, fed_collection
from app.store.database import open_database
from retrieval.encoder.embed import Encoder
from retrieval.index.milvus import Collection, Milvus, MilvusRetriever, expression
from retrieval.passages import embedding_text
from retrieval.search import matches
from retrieval.types import IndexDamaged, Passage, RetrievalError, Vectors

pytestmark = pytest.mark.slow
NAMES = st.text(st.sampled_from("aB/._-%*?[]!\\\"' ÄßИ東\n"), max_size=8)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Milvus]:
    pytest.importorskip("milvus_lite", reason="Milvus Lite is not installed: pip install 'candor[milvus]'")
    server = Milvus(str(tmp_path_factory.mktemp("milvus") / "lite.db"))
    yield server
    server.close()


def test_passages_are_stored_once_under_their_ids_counted_and_deleted(server: Milvus, encoder: Encoder) -> None:
    items = passages()
    vectors = encoder.encode([embedding_text(item) for item in items])
    collection = server.create("stored", encoder.fingerprint, encoder.dimension)
    for _ in range(2):
        collection.upsert(items, vectors)
    assert collection.ids(0, 100) == [item.id for item in items]
    assert (collection.count(0, 100), collection.count(11, 12)) == (len(items), 2)
    collection.delete([11, 12, 99])
    assert collection.ids(0, 100) == [10, 13, 14, 15]
    [(first, score, vector), *_] = collection.hybrid(vectors[:1], ["octopus hearts"], 3)
    assert first in (10, 15)
    assert score == pytest.approx(2 / 61, abs=2e-3)
    assert float(vector @ vectors[0]) > 0.9
    again = server.open("stored", encoder.fingerprint)
    assert again is not None
    assert again.ids(0, 100) == [10, 13, 14, 15]
    assert server.names("stor") == ["stored"]
    server.drop("stored")
    assert server.open("stored", encoder.fingerprint) is None


def test_a_collection_of_another_encoder_or_maker_is_refused(server: Milvus) -> None:
    server.create("other", "another/encoder", 8)
    with pytest.raises(IndexDamaged, match=r"made by the encoder 'another/encoder', not 'mine': build it again"):
        server.open("other", "mine")
    server.client.create_collection("foreign", dimension=8)
    with pytest.raises(IndexDamaged, match="has the schema None, this version reads '1'"):
        server.open("foreign", "mine")


def test_a_server_that_cannot_be_reached_is_told_with_what_to_do(tmp_path: Path) -> None:
    pytest.importorskip("pymilvus", reason="pymilvus is not installed: pip install 'candor[milvus]'")
    with pytest.raises(RetrievalError, match=r"cannot reach Milvus at http://127.0.0.1:1: .*settings index") as told:
        Milvus("http://127.0.0.1:1", token="someone:secret")
    assert "secret" not in str(told.value)
    with pytest.raises(RetrievalError, match="cannot reach Milvus at"):
        Milvus(str(tmp_path / "not there" / "lite.db"))


@given(NAMES, st.lists(NAMES, max_size=3))
def test_a_filter_lets_pass_whatever_matches(source: str, patterns: list[str]) -> None:
    chosen = expression(patterns)
    likes = re.findall(r'source like "([^"\\%_]*(?:%[^"\\%_]*)*)"', chosen)
    assert chosen == " or ".join(f'source like "{like}"' for like in likes)
    if matches(source, patterns) and chosen:
        texts = [".*".join(re.escape(part) for part in like.split("%")) for like in likes]
        assert any(re.fullmatch(text, source.casefold(), re.DOTALL) for text in texts)


def test_plain_patterns_are_told_to_milvus_whole() -> None:
    assert expression(["Notes/*.TXT", "guide.pdf"]) == 'source like "guide.pdf" or source like "notes/%.txt"'
    assert expression(["a?b[0-9]_c"]) == 'source like "a%b%c"'
    assert expression(["*", "x"]) == expression([]) == ""


TEXTS = {
    "everest.md": "# Mount Everest\n\nMount Everest is 8,849 metres high.\n",
    "whale.md": "# Blue whale\n\nThe blue whale eats krill.\n",
    "Sub/bread.txt": "Bread is made of flour, water and salt.\n",
}


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    for name, text in TEXTS.items():
        (tmp_path / "notes" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "notes" / name).write_text(text)
    return tmp_path / "notes"


def test_milvus_follows_what_sql_holds(
    tmp_path: Path, notes: Path, server: Milvus, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_database(tmp_path)
    library = MilvusLibrary(database, tmp_path, encoder, server)
    library.open()
    retriever = MilvusRetriever(encoder, library.collection, library.passages)
    assert retriever.search(["krill"], 3) == ()
    ingest(library, [notes])
    assert [item.passage.source for item in retriever.search(["krill"], 1)] == ["whale.md"]
    assert [item.passage.source for item in retriever.search(["krill"], 3, ["sub/*"])] == ["Sub/bread.txt"]

    fed: list[int] = []
    upsert = Collection.upsert

    def counting(collection: Collection, passages: Sequence[Passage], vectors: Vectors) -> None:
        fed.extend(passage.id for passage in passages)
        upsert(collection, passages, vectors)

    monkeypatch.setattr(Collection, "upsert", counting)
    (notes / "whale.md").write_text("# Blue whale\n\nIts heart weighs 180 kg.\n")
    (notes / "everest.md").unlink()
    ingest(library, [notes])
    collection = library.collection()
    assert collection is not None
    assert collection.ids(0, SPAN) == [passage.id for passage in library.stored()[0]]
    assert len(fed) == 1
    library.open()
    assert len(fed) == 1

    vectors = encoder.encode(["lost"])
    collection.upsert([replace(passages()[0], id=number) for number in (2, 3, 5000)], np.repeat(vectors, 3, axis=0))
    collection.delete(fed[:1])  # as when an older copy of Milvus was put back
    library.open()
    assert collection.ids(0, SPAN) == [passage.id for passage in library.stored()[0]]
    assert collection.count(0, TOP) == index_state(database).passages == 2

    name = collection.name
    library.rebuild()
    [kept] = server.names("candor_")
    assert kept != name
    assert fed_collection(database) == (kept, library.stored()[0][-1].id)
    assert [item.passage.source for item in retriever.search(["heart"], 1)] == ["whale.md"]
    library.remove("whale.md")
    library.remove("Sub/bread.txt")
    assert retriever.search(["heart"], 3) == ()
    database.close()


def test_an_encoder_or_server_that_changed_is_made_good(
    tmp_path: Path, notes: Path, server: Milvus, encoder: Encoder
) -> None:
    database = open_database(tmp_path)
    library = MilvusLibrary(database, tmp_path, encoder, server)
    ingest(library, [notes])
    name, _ = fed_collection(database)
    server.drop(name)
    server.create(name, "another/encoder", 8)
    library.open()
    retriever = MilvusRetriever(encoder, library.collection, library.passages)
    assert [item.passage.source for item in retriever.search(["krill"], 1)] == ["whale.md"]
    assert fed_collection(database)[0] != name
    assert name not in server.names("candor_")
    database.close()


def test_a_bot_searches_in_milvus_and_the_doctor_names_it(
    tmp_path: Path, notes: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("milvus_lite", reason="Milvus Lite is not installed: pip install 'candor[milvus]'")
    monkeypatch.setattr("retrieval.encoder.embed.load_encoder", lambda name="": encoder)
    place = f"milvus:{tmp_path / 'lite.db'}"
    for _ in range(2):  # the second time what the first one wrote is opened
        with open_bot(tmp_path / "data", "quote", index=place) as bot:
            bot.ingest([notes])
            assert "8,849" in bot.ask("How high is Mount Everest?").text
        [found] = [finding for finding in examine(bot.settings) if finding.name == "index"]
        assert (found.state, found.detail.partition(", ")[0]) == ("ok", "3 passages")
        assert found.detail.endswith(place)
    away = load_settings({"data_dir": tmp_path / "data", "index": "milvus:http://127.0.0.1:1"}, {})
    [lost] = [finding for finding in examine(away) if finding.name == "index"]
    assert lost.state == "fail"
    assert "cannot reach Milvus at http://127.0.0.1:1" in lost.detail
