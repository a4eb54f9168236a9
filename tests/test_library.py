"""Sources in SQL are the truth, whole or not at all; the index is a cache that heals."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import app.library.ingest
from app.errors import DataError, InputError
from app.library.ingest import IngestProgress, IngestReport, ingest
from app.library.library import INDEX, Library, index_state
from app.store.database import Database
from retrieval.encoder.embed import Encoder
from retrieval.search import HybridRetriever
from retrieval.types import RetrievalError, Vectors

TEXTS = {
    "everest.md": "# Mount Everest\n\nMount Everest is 8,849 metres high. It stands in Asia.\n",
    "whale.md": "# Blue whale\n\nThe blue whale is the largest animal known. It eats krill.\n",
    "sub/bread.txt": "Bread is made of flour, water and salt. Yeast makes it rise.\n",
}


class Counting:
    """The real encoder, counting what it embeds, and failing where a test asks it to."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.dimension = encoder.dimension
        self.fingerprint = encoder.fingerprint
        self.embedded: list[str] = []
        self.spoil: Callable[[str], bool] = lambda text: False

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.embedded += texts
        vectors = self.encoder.encode(texts)
        for row, text in enumerate(texts):
            if self.spoil(text):
                vectors[row] = np.nan
        return vectors

    encode_queries = encode


@pytest.fixture
def embedder(encoder: Encoder) -> Counting:
    return Counting(encoder)


@pytest.fixture
def library(database: Database, tmp_path: Path, embedder: Counting) -> Library:
    return Library(database, tmp_path, embedder)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    for name, text in TEXTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def outcomes(report: IngestReport) -> dict[str, str]:
    return {file.name: file.outcome for file in report.files}


def best(library: Library, query: str) -> str:
    found = HybridRetriever(library.embedder, library.open(), library.passages).search([query], 1)
    return found[0].passage.source if found else ""


def test_a_folder_is_read_and_found_under_names_relative_to_it(library: Library, notes: Path) -> None:
    steps: list[IngestProgress] = []
    report = ingest(library, [notes], steps.append)
    assert outcomes(report) == dict.fromkeys(TEXTS, "added")
    assert [source.name for source in library.sources()] == sorted(TEXTS)
    assert best(library, "How high is Mount Everest?") == "everest.md"
    assert {step.stage for step in steps} == {"reading", "embedding", "indexing"}
    assert all(0 <= step.done <= step.total for step in steps)


def test_passages_are_verbatim_slices_of_the_stored_document(library: Library, notes: Path) -> None:
    ingest(library, [notes])
    generation = library.open()
    assert generation is not None
    found = HybridRetriever(library.embedder, generation, library.passages).search(["whale krill"], 8)
    for item in found:
        passage = item.passage
        source = library.source_of(passage.id)
        assert source is not None
        document = library.document(source.id)
        assert document.text[passage.start : passage.end] == passage.text
        assert (document.source, document.title) == (passage.source, passage.title)
        assert document.sections


def test_what_was_read_in_another_way_is_read_again(
    library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(library, [notes])
    monkeypatch.setattr("app.library.catalogue.READING", -1)
    assert set(outcomes(ingest(library, [notes])).values()) == {"replaced"}
    assert set(outcomes(ingest(library, [notes])).values()) == {"unchanged"}


def test_unchanged_files_embed_nothing(library: Library, embedder: Counting, notes: Path) -> None:
    ingest(library, [notes])
    embedder.embedded.clear()
    published = index_state(library.database).published
    os.utime(notes / "whale.md")
    assert set(outcomes(ingest(library, [notes])).values()) == {"unchanged"}
    assert embedder.embedded == []
    assert index_state(library.database).published == published


def test_only_a_changed_file_is_embedded_again(library: Library, embedder: Counting, notes: Path) -> None:
    ingest(library, [notes])
    old = {source.name: source.id for source in library.sources()}
    embedder.embedded.clear()
    (notes / "whale.md").write_text("# Blue whale\n\nThe heart of a blue whale weighs 180 kg.\n")
    assert outcomes(ingest(library, [notes]))["whale.md"] == "replaced"
    assert len(embedder.embedded) == 1
    assert {source.name: source.id for source in library.sources()} == old
    assert best(library, "What does the heart weigh?") == "whale.md"
    assert "krill" not in library.document(old["whale.md"]).text


def test_a_file_that_vanished_from_its_folder_is_removed(library: Library, notes: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.md"
    other.write_text("Cheese is made from milk.")
    ingest(library, [notes, other])
    (notes / "whale.md").unlink()
    other.unlink()
    assert outcomes(ingest(library, [notes])) == {
        "everest.md": "unchanged",
        "sub/bread.txt": "unchanged",
        "whale.md": "removed",
    }
    assert [source.name for source in library.sources()] == ["everest.md", "other.md", "sub/bread.txt"]


def test_files_of_one_name_in_two_folders_are_two_sources(library: Library, tmp_path: Path) -> None:
    for folder, text in (("a", "Gold is a metal."), ("b", "Helium is a gas.")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.md").write_text(text)
    ingest(library, [tmp_path / "a", tmp_path / "b"])
    assert [source.name for source in library.sources()] == ["x.md", "x.md"]
    with pytest.raises(InputError, match=r"2 sources are called 'x.md'"):
        library.remove("x.md")
    library.remove(str(tmp_path / "a" / "x.md"))
    assert best(library, "metal or gas") == "x.md"


def lines(path: Path, *texts: str) -> Path:
    path.write_text("".join(json.dumps({"title": f"Note {n}", "text": text}) + "\n" for n, text in enumerate(texts)))
    return path


def test_a_file_of_many_documents_is_fresh_as_a_whole(library: Library, embedder: Counting, notes: Path) -> None:
    file = lines(notes / "many.jsonl", "Gold is a metal.", "Helium is a gas.", "Slate is a rock.")
    report = ingest(library, [notes])
    [whole] = [outcome for outcome in report.files if "many" in outcome.name]
    assert (whole.name, whole.outcome, whole.passages) == ("many.jsonl", "added", 3)
    assert [source.name for source in library.sources() if source.kind == "jsonl"] == [
        f"many.jsonl#{n}" for n in (1, 2, 3)
    ]
    assert best(library, "Which gas is light?") == "many.jsonl#2"

    embedder.embedded.clear()
    assert set(outcomes(ingest(library, [notes])).values()) == {"unchanged"}
    assert embedder.embedded == []

    lines(file, "Gold is a metal.", "Neon is a gas.")  # the one that reads the same is not embedded again
    assert outcomes(ingest(library, [notes]))["many.jsonl"] == "replaced"
    assert [text for text in embedder.embedded if "metal" in text or "rock" in text] == []
    assert [source.name for source in library.sources() if source.kind == "jsonl"] == ["many.jsonl#1", "many.jsonl#2"]
    assert "Neon" in library.document(library.source("many.jsonl#2").id).text

    file.unlink()
    assert outcomes(ingest(library, [notes]))["many.jsonl"] == "removed"
    assert [source.name for source in library.sources()] == sorted(TEXTS)


def test_a_file_of_many_documents_goes_on_where_it_was_stopped(
    library: Library, embedder: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.library.ingest, "BATCH", 1)
    file = lines(tmp_path / "many.jsonl", "Gold is a metal.", "Helium is a gas.", "Slate is a rock.")
    real, stored = Library.store, []

    def stopped(self: Library, *parts: *tuple[Any, ...]) -> None:
        if len(stored) == 2:
            raise KeyboardInterrupt
        stored.append(parts)
        real(self, *parts)

    with monkeypatch.context() as patch:
        patch.setattr(Library, "store", stopped)
        assert ingest(library, [file]).interrupted
    assert best(library, "Which gas is light?") == "many.jsonl#2"  # what is stored can be found
    embedder.embedded.clear()
    assert outcomes(ingest(library, [file])) == {"many.jsonl": "replaced"}
    assert [text for text in embedder.embedded if "gas" in text or "metal" in text] == []
    assert outcomes(ingest(library, [file])) == {"many.jsonl": "unchanged"}


def test_documents_of_a_file_fail_alone(library: Library, embedder: Counting, tmp_path: Path) -> None:
    file = lines(tmp_path / "many.jsonl", "Gold is a metal.", "Helium is a gas.")
    file.write_text(file.read_text() + "broken\n")
    embedder.spoil = lambda text: "Helium" in text
    report = ingest(library, [file])
    assert {outcome.name: outcome.reason[:14] for outcome in report.files} == {
        "many.jsonl#3": "broken JSON: E",
        "many.jsonl#2": "the encoder ga",
    }
    embedder.spoil = lambda text: False
    assert outcomes(ingest(library, [file])) == {"many.jsonl#3": "failed", "many.jsonl": "replaced"}
    assert outcomes(ingest(library, [file])) == {"many.jsonl": "unchanged"}


def test_a_bad_file_fails_alone_with_a_reason(library: Library, notes: Path) -> None:
    (notes / "empty.md").write_bytes(b"")
    (notes / "fake.pdf").write_text("not a PDF")
    report = ingest(library, [notes, "missing.md"])
    failed = {file.name: file.reason for file in report.files if file.outcome == "failed"}
    assert set(failed) == {"empty.md", "fake.pdf", "missing.md"}
    assert "no text found" in failed["empty.md"]
    assert "no such file" in failed["missing.md"]
    assert report.count("added") == 3


def test_what_was_left_out_of_a_file_is_noted(library: Library, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<p>Helium is light.</p><p style='opacity:0'>Helium is heavy, they say.</p>")
    (tmp_path / "b.jsonl").write_text(
        '{"text": "Gold.", "text": "Iron."}\n{"text": "Tin."}\n{"a": 1, "a": 2, "a": 3}\n'
    )
    (tmp_path / "c.md").write_text("Plain words.")
    report = ingest(library, [tmp_path])
    assert {file.name: file.notes for file in report.files} == {
        "a.html": ("1 hidden passage left out",),
        "b.jsonl": ("3 keys given again in one object, all values kept",),
        "c.md": (),
    }
    assert report.count("added") == 3
    assert not any("heavy" in passage.text for passage in library.passages(range(1, 9)))


def test_special_files_and_addresses_are_refused(library: Library, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    [pipe] = ingest(library, [tmp_path / "pipe.md"]).files
    assert (pipe.outcome, pipe.reason) == ("failed", "not a regular file")
    with pytest.raises(InputError, match="is an address"):
        ingest(library, ["https://example.org/"])


def test_a_name_that_is_not_utf8_is_kept_and_known_again(library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    with open(os.fsencode(folder) + b"/caf\xe9.md", "w") as file:
        file.write("Coffee is made from beans.")
    assert list(outcomes(ingest(library, [folder])).values()) == ["added"]
    assert list(outcomes(ingest(library, [folder])).values()) == ["unchanged"]


def test_a_document_that_cannot_be_embedded_fails_and_the_others_stay(
    library: Library, embedder: Counting, notes: Path
) -> None:
    embedder.spoil = lambda text: "krill" in text
    report = ingest(library, [notes])
    assert outcomes(report) == {"everest.md": "added", "whale.md": "failed", "sub/bread.txt": "added"}
    [reason] = [file.reason for file in report.files if file.reason]
    assert "no unit vector for 'The blue whale" in reason
    embedder.spoil = lambda text: False
    assert outcomes(ingest(library, [notes]))["whale.md"] == "added"


def test_stopping_keeps_the_finished_documents(library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.library.ingest, "BATCH", 1)

    def stop(step: IngestProgress) -> None:
        if step.stage == "reading" and step.done == 2:
            raise KeyboardInterrupt

    report = ingest(library, [notes], stop)
    assert report.interrupted
    assert report.count("added") == 2
    assert best(library, "How high is Mount Everest?") == "everest.md"
    assert outcomes(ingest(library, [notes])) == {
        "everest.md": "unchanged",
        "sub/bread.txt": "unchanged",
        "whale.md": "added",
    }


def test_removing_a_source_takes_it_out_of_the_search(library: Library, notes: Path) -> None:
    ingest(library, [notes])
    retriever = HybridRetriever(library.embedder, library.open(), library.passages)
    library.feed(retriever.use)
    [found] = retriever.search(["the largest animal"], 1)
    assert [row.name for row in library.remove("whale.md")] == ["whale.md"]
    assert all(item.passage.source != "whale.md" for item in retriever.search(["the largest animal"], 8))
    assert library.passages([found.passage.id]) == []
    assert library.source_of(found.passage.id) is None
    with pytest.raises(InputError, match=r"there is no source 'whale.md'"):
        library.remove("whale.md")
    for source in library.sources():
        library.remove(source.id)
    assert retriever.search(["bread"], 8) == ()
    assert library.open() is None


def test_passage_ids_are_never_used_twice(library: Library, notes: Path) -> None:
    ingest(library, [notes])
    [before] = HybridRetriever(library.embedder, library.open(), library.passages).search(["krill"], 1)
    for source in library.sources():
        library.remove(source.id)
    ingest(library, [notes])
    [after] = HybridRetriever(library.embedder, library.open(), library.passages).search(["krill"], 1)
    assert after.passage.id > before.passage.id


def test_an_index_behind_the_database_is_built_again_from_stored_vectors(
    library: Library, embedder: Counting, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(library, [notes / "everest.md"])
    with monkeypatch.context() as patch:
        patch.setattr(Library, "publish", lambda self: None)  # as if killed before the index was published
        ingest(library, [notes])
    embedder.embedded.clear()
    assert library.open() is not None
    assert embedder.embedded == []
    assert best(library, "the largest animal") == "whale.md"


@pytest.mark.parametrize("harm", ["remove", "flip", "manifest", "current"])
def test_a_damaged_index_is_built_again_with_a_warning(
    library: Library, embedder: Counting, notes: Path, tmp_path: Path, harm: str
) -> None:
    ingest(library, [notes])
    folder = tmp_path / INDEX
    [generation] = [path for path in folder.iterdir() if path.is_dir()]
    if harm == "remove":
        shutil.rmtree(folder)
    elif harm == "flip":
        file = generation / "vectors.faiss"
        data = bytearray(file.read_bytes())
        data[-5] ^= 255
        file.write_bytes(data)
    elif harm == "manifest":
        (generation / "manifest.json").write_text("{")
    else:
        (folder / "CURRENT").write_text("nothing\n")
    embedder.embedded.clear()
    assert library.open() is not None
    assert embedder.embedded == []
    assert best(library, "the largest animal") == "whale.md"


def test_a_full_disk_stops_an_ingestion_in_one_line_and_leaves_whole_documents(library: Library, notes: Path) -> None:
    if library.database.dialect != "sqlite":
        pytest.skip("its disk is the server's")
    with library.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
    (notes / "long.txt").write_text("Rain falls on the plain. " * 400)
    with pytest.raises(DataError, match="disk is full: free some space"):
        ingest(library, [notes])
    with library.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    stored = library.sources()
    assert "long.txt" not in [source.name for source in stored]
    assert ingest(library, [notes / "whale.md"]).count("failed") == 0
    assert best(library, "the largest animal") == "whale.md"


def test_another_encoder_embeds_everything_again(library: Library, embedder: Counting, notes: Path) -> None:
    ingest(library, [notes])
    embedder.fingerprint = "another/model"
    embedder.embedded.clear()
    assert best(library, "the largest animal") == "whale.md"
    assert len(embedder.embedded) >= 3
    assert index_state(library.database).encoder == "another/model"
    embedder.embedded.clear()
    library.open()
    assert embedder.embedded == []


def test_an_index_that_cannot_be_written_leaves_the_documents_stored(
    library: Library, notes: Path, tmp_path: Path
) -> None:
    (tmp_path / INDEX).write_text("in the way")
    with pytest.raises(RetrievalError, match="cannot write the index"):
        ingest(library, [notes])
    (tmp_path / INDEX).unlink()
    assert set(outcomes(ingest(library, [notes])).values()) == {"unchanged"}
    assert best(library, "the largest animal") == "whale.md"
