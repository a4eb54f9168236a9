"""Published index generations: whole or not at all."""

import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.index import dense, manifest, shard
from retrieval.index.generation import Generation, build, open_current, sweep
from retrieval.types import IndexDamaged, RetrievalError, Vectors

HALF = 1e-3  # vectors are kept in float16
WORDS = ("otter", "granite", "violin", "harbour", "comet", "saffron")


def unit(rows: int, seed: int = 0, dimension: int = 16) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(rows, dimension)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def publish(folder: Path, rows: int = 12, seed: int = 0, encoder: str = "e") -> Generation:
    texts = [f"{WORDS[row % len(WORDS)]} number {row}" for row in range(rows)]
    return build(folder, range(100, 100 + rows), unit(rows, seed), texts, encoder)


def generations(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_dir()}


@settings(max_examples=8)
@given(ids=st.lists(st.integers(0, 2**62), unique=True, max_size=20), seed=st.integers(0, 99))
def test_what_was_built_is_what_is_opened(tmp_path: Path, ids: list[int], seed: int) -> None:
    vectors = unit(len(ids), seed)
    built = build(tmp_path, ids, vectors, [f"word{number}" for number in ids], "e")
    opened = open_current(tmp_path, "e")
    assert opened is not None
    assert (opened.id, opened.count, opened.encoder) == (built.id, len(ids), "e")
    found, cosines = opened.dense(vectors, 3)
    assert found.shape == cosines.shape == (len(ids), min(3, len(ids)))
    for row, number in enumerate(ids):
        assert found[row, 0] == number
        assert cosines[row, 0] == pytest.approx(1, abs=HALF)
        assert [hit for hit, _ in opened.lexical(f"word{number}", 5)] == [number]
    assert opened.ids.tolist() == sorted(ids)
    assert np.allclose(opened.vectors(ids), vectors, atol=HALF)


def test_an_empty_corpus_is_an_index_too(tmp_path: Path) -> None:
    build(tmp_path, [], np.zeros((0, 16), np.float32), [], "e")
    opened = open_current(tmp_path, "e")
    assert opened is not None
    assert opened.count == 0
    assert opened.dense(unit(2), 5)[0].shape == (2, 0)
    assert opened.lexical("otter", 5) == []


def test_nothing_published_opens_as_none(tmp_path: Path) -> None:
    assert open_current(tmp_path / "never", "e") is None


def test_the_current_generation_and_the_one_before_it_are_kept(tmp_path: Path) -> None:
    names = [publish(tmp_path, seed=seed).id for seed in range(4)]
    assert generations(tmp_path) == set(names[-2:])


def test_sweeping_removes_orphans_and_leaves_what_is_served(tmp_path: Path) -> None:
    kept = {publish(tmp_path).id, publish(tmp_path).id}
    (tmp_path / "00000009-orphan" / "lexical").mkdir(parents=True)
    (tmp_path / "CURRENT.1234").write_text("half")
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*kept, "CURRENT", "LOCK"}
    sweep(tmp_path / "missing")


@pytest.mark.parametrize(
    ("ids", "rows", "message"),
    [([1, 2], 3, "disagree"), ([1, 1], 2, "distinct"), ([-1, 2], 2, "not negative")],
)
def test_parts_that_disagree_are_refused(tmp_path: Path, ids: list[int], rows: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(tmp_path, ids, unit(rows), ["text"] * len(ids), "e")


def test_vectors_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="finite"):
        build(tmp_path, [1], np.full((1, 4), np.nan, np.float32), ["text"], "e")


def test_no_corrupted_byte_is_ever_served(tmp_path: Path) -> None:
    publish(tmp_path)
    rng = random.Random(7)
    [root] = [path for path in tmp_path.iterdir() if path.is_dir()]
    files = [file for file in root.rglob("*") if file.is_file() and file.stat().st_size]
    assert {"vectors.faiss", "manifest.json", "meta.json"} <= {file.name for file in files}
    for turn in range(60):
        file = files[turn % len(files)]
        whole = file.read_bytes()
        damaged = bytearray(whole)
        place = rng.randrange(len(whole))
        damaged[place] ^= rng.randrange(1, 256)
        cut = damaged[:place] if turn % 5 == 4 else damaged
        file.write_bytes(cut)
        with pytest.raises(IndexDamaged, match=file.name):
            open_current(tmp_path, "e")
        (tmp_path / f"{root.name}.damaged").rename(root)
        file.write_bytes(whole)
    assert open_current(tmp_path, "e") is not None


def test_a_missing_file_is_damage(tmp_path: Path) -> None:
    (tmp_path / publish(tmp_path).id / "vectors.faiss").unlink()
    with pytest.raises(IndexDamaged, match=r"vectors\.faiss cannot be read"):
        open_current(tmp_path, "e")


def test_a_damaged_generation_is_put_aside_and_the_one_before_it_served_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before, current = publish(tmp_path).id, publish(tmp_path).id
    with (tmp_path / current / "vectors.faiss").open("ab") as file:
        file.write(b"!")
    with caplog.at_level(logging.WARNING):
        opened = open_current(tmp_path, "e")
    assert opened is not None
    assert opened.id == before
    assert "vectors.faiss has" in caplog.text
    assert generations(tmp_path) == {before, f"{current}.damaged"}
    again = open_current(tmp_path, "e")
    assert again is not None
    assert again.id == before
    sweep(tmp_path)
    assert generations(tmp_path) == {before}  # it is the current one now, and what was put aside is gone
    assert publish(tmp_path).id not in {before, current}


@pytest.mark.parametrize("content", [None, b"", b"../../etc", b"\xff\xfe\x00", b"00000001-00000000\n"])
def test_a_damaged_current_file_falls_back_to_a_whole_generation(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    name = publish(tmp_path).id
    (tmp_path / "CURRENT").unlink()
    if content is not None:
        (tmp_path / "CURRENT").write_bytes(content)
    opened = open_current(tmp_path, "e")
    assert opened is not None
    assert opened.id == name
    assert "CURRENT names no index that is there" in caplog.text
    caplog.clear()
    assert open_current(tmp_path, "e") is not None
    assert caplog.text == ""


def test_an_index_of_another_encoder_is_refused_and_left_in_place(tmp_path: Path) -> None:
    name = publish(tmp_path, encoder="old").id
    with pytest.raises(IndexDamaged, match="made by the encoder 'old', not 'new'"):
        open_current(tmp_path, "new")
    assert generations(tmp_path) == {name}


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RetrievalError, match="cannot write the index") as caught:
        publish(tmp_path / "file")
    assert "\n" not in str(caught.value)


CHILD = """
import resource, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_index import publish
from retrieval.types import RetrievalError
folder = Path({folder!r})
publish(folder)
print("ready", flush=True)
{body}
"""


def child(folder: Path, body: str) -> "subprocess.Popen[str]":
    code = CHILD.format(tests=str(Path(__file__).parent), folder=str(folder), body=body)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=folder.parent)


def test_a_full_disk_leaves_the_old_generation_current(tmp_path: Path) -> None:
    body = (
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))\n"
        "try:\n    publish(folder, rows=2000)\nexcept RetrievalError as error:\n    print('refused', error)"
    )
    with child(tmp_path / "index", body) as process:
        output = process.communicate()[0]
    assert "refused cannot write" in output, output
    opened = open_current(tmp_path / "index", "e")
    assert opened is not None
    assert opened.count == 12
    assert generations(tmp_path / "index") == {opened.id}


def test_a_builder_killed_at_any_moment_leaves_an_index_that_opens(tmp_path: Path) -> None:
    rng = random.Random(3)
    folder = tmp_path / "index"
    body = "seed = 1\nwhile True:\n    seed += 1\n    publish(folder, rows=300, seed=seed)"
    for _ in range(8):
        with child(folder, body) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(rng.uniform(0, 0.3))
            os.kill(process.pid, signal.SIGKILL)
        opened = open_current(folder, "e")
        assert opened is not None
        assert opened.lexical("otter", 1)
        sweep(folder)
        assert opened.id in generations(folder)
        assert len(generations(folder)) <= 2
    assert not list(folder.glob("*.damaged"))


def test_threads_may_search_one_generation_together(tmp_path: Path) -> None:
    generation = publish(tmp_path, rows=200)
    expected = generation.dense(unit(5, 3), 4)[0].tolist(), generation.lexical("violin comet", 4)
    wrong: list[object] = []

    def search() -> None:
        for _ in range(30):
            found = generation.dense(unit(5, 3), 4)[0].tolist(), generation.lexical("violin comet", 4)
            if found != expected:
                wrong.append(found)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    "query", ["", "AND OR NOT (", 'text:"otter', "id:x", "\\", "*", "\ud800", "a\0b", "^x~", "[a TO b]", "😀"]
)
def test_nothing_in_a_query_is_syntax(tmp_path: Path, query: str) -> None:
    generation = publish(tmp_path)
    assert [hit for hit, _ in generation.lexical(f"{query} otter", 1)] == [100]
    generation.lexical(query, 3)


def test_words_match_whatever_their_case_accents_and_endings(tmp_path: Path) -> None:
    generation = build(tmp_path, [1, 2], unit(2), ["The café closes early.", "Rivers flood."], "e")
    assert [hit for hit, _ in generation.lexical("CAFE closing", 5)] == [1]
    assert [hit for hit, _ in generation.lexical("river flooded", 5)] == [2]


def test_a_query_of_ten_thousand_words_keeps_its_rarest(tmp_path: Path) -> None:
    generation = publish(tmp_path, rows=600)
    query = " ".join([*(f"{number}" for number in range(10_000)), "otter"])
    assert len(generation.lexical(query, 100)) == 64


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every index counts as large: searched by a graph, and mapped."""
    monkeypatch.setattr(shard, "EXACT", 50)
    monkeypatch.setattr(dense, "LARGEST", 250)
    monkeypatch.setattr(manifest, "MAPPED", 1)


def reads(generation: Generation, vectors: Vectors, ids: list[int]) -> None:
    """Check every way to read the index against the vectors themselves."""
    assert generation.ids.tolist() == sorted(ids)
    assert generation.count == len(ids)
    queries, place = unit(5, seed=77), {number: row for row, number in enumerate(ids)}
    for k in (1, 10, len(ids), len(ids) + 5):
        found, cosines = generation.dense(queries, k)
        assert found.shape == cosines.shape == (5, min(k, len(ids)))
        for row, query in enumerate(queries):
            best = np.sort(vectors @ query)[::-1][:k]
            true = np.asarray([vectors[place[number]] @ query for number in found[row].tolist()])
            assert len(set(found[row].tolist())) == len(best)
            assert (true >= best[-1] - HALF).mean() >= 0.95
            assert np.allclose(true, cosines[row], atol=HALF)
            assert (np.diff(cosines[row]) <= 0).all()
    some = ids[::7]
    assert np.allclose(generation.vectors(some), vectors[::7], atol=HALF)
    assert {hit for hit, _ in generation.lexical("otter", 1000)} <= set(ids)


@pytest.mark.usefixtures("large")
def test_a_large_index_is_a_mapped_graph_that_finds_what_is_nearest(tmp_path: Path) -> None:
    publish(tmp_path, rows=600)
    opened = open_current(tmp_path, "e")
    assert opened is not None
    reads(opened, unit(600), list(range(100, 700)))
    [file] = tmp_path.glob("*/vectors.faiss")
    with Path("/proc/self/maps").open() as maps:
        assert str(file) in maps.read()


@pytest.mark.usefixtures("large")
def test_no_corrupted_byte_of_a_mapped_index_is_served(tmp_path: Path) -> None:
    name = publish(tmp_path, rows=100).id
    for kind in ("vectors.faiss", "vectors.ids", "manifest.json"):
        file = tmp_path / name / kind
        whole = file.read_bytes()
        file.write_bytes(whole[:-3] + bytes([whole[-3] ^ 4]) + whole[-2:])
        with pytest.raises(IndexDamaged, match=kind):
            open_current(tmp_path, "e")
        (tmp_path / f"{name}.damaged").rename(tmp_path / name)
        file.write_bytes(whole)
    assert open_current(tmp_path, "e") is not None


@pytest.mark.parametrize("exact", [50, 10_000], ids=["graph", "exact"])
@settings(max_examples=5)
@given(gone=st.sets(st.integers(100, 399), max_size=299), seed=st.integers(0, 99))
def test_what_is_left_out_is_never_found_and_the_results_stay_as_many(
    tmp_path: Path, exact: int, gone: set[int], seed: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard, "EXACT", exact)
        whole = publish(tmp_path, rows=300, seed=seed)
    left = [number for number in range(100, 400) if number not in gone]
    reads(whole.keeping(left), unit(300, seed)[[number - 100 for number in left]], left)
    hits = [hit for hit, _ in whole.keeping(left).lexical("otter", 10)]
    assert len(hits) == min(10, sum((number - 100) % len(WORDS) == 0 for number in left))
    assert whole.count == 300


def test_a_passage_that_is_not_there_has_no_vector(tmp_path: Path) -> None:
    with pytest.raises(RetrievalError, match="no vector of passage 7"):
        publish(tmp_path).vectors([101, 7])


@pytest.mark.usefixtures("large")
def test_a_graph_grows_by_what_is_new_and_forgets_what_is_gone(tmp_path: Path) -> None:
    vectors, first = unit(400), list(range(300))
    before = build(tmp_path, first, vectors[:300], [f"first {n}" for n in first], "e")
    later = list(range(20, 400))
    spoilt = vectors[20:].copy()
    spoilt[:280] = 0  # what is in the graph already is not looked at
    built = build(tmp_path, later, spoilt, [f"second {n}" for n in later], "e", before)
    opened = open_current(tmp_path, "e")
    for generation in (built, opened):
        assert generation is not None
        reads(generation, vectors[20:], later)
        assert generation.lexical("first", 5) == []
    reads(before, vectors[:300], first)
    another = build(tmp_path, later, vectors[20:], [""] * 380, "another", built)
    reads(another, vectors[20:], later)


@pytest.mark.usefixtures("large")
def test_graphs_that_are_full_are_joined_by_another(tmp_path: Path) -> None:
    vectors = unit(700)
    built: Generation | None = None
    for count, sizes in ((200, [200]), (240, [240]), (400, [250, 150]), (700, [250, 250, 200])):
        built = build(tmp_path, range(count), vectors[:count], [""] * count, "e", built)
        assert [each.size for each in built.shards] == sizes
        reads(built, vectors[:count], list(range(count)))
    anew = build(tmp_path, range(700), vectors, [""] * 700, "e")
    assert [each.size for each in anew.shards] == [234, 233, 233]
    reads(anew, vectors, list(range(700)))


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("enough", [0.0, 1.1])
def test_a_graph_is_searched_as_broadly_as_its_own_vectors_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, enough: float
) -> None:
    monkeypatch.setattr(shard, "FOUND", enough)
    publish(tmp_path, rows=300)
    opened = open_current(tmp_path, "e")
    assert opened is not None
    assert {each.breadth for each in opened.shards} == {shard.BREADTHS[0 if enough < 1 else -1]}


def test_a_graph_that_has_grown_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard, "EXACT", 50)
    monkeypatch.setattr(shard, "_BATCH", 250)
    vectors = unit(400)
    built: Generation | None = None
    for count, found, breadth in ((200, 0.0, 0), (240, 1.1, 0), (260, 1.1, -1), (300, 0.0, -1)):
        monkeypatch.setattr(shard, "FOUND", found)
        built = build(tmp_path, range(count), vectors[:count], [""] * count, "e", built)
        assert [each.breadth for each in built.shards] == [shard.BREADTHS[breadth]], count
        reads(built, vectors[:count], list(range(count)))


@pytest.mark.usefixtures("large")
def test_a_graph_of_which_too_much_is_gone_is_built_anew(tmp_path: Path) -> None:
    before = publish(tmp_path, rows=300)
    left = list(range(100, 180))
    after = build(tmp_path, left, unit(80, seed=5), [""] * 80, "e", before)
    reads(after, unit(80, seed=5), left)
