"""The benchmark of ingestion: its documents, and the retriever whose queries it times."""

import runpy
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def benchmark_of_ingestion(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return runpy.run_path(str(BENCHMARKS / "ingest.py"))


def test_documents_are_distinct_short_and_the_same_every_time(
    benchmark_of_ingestion: dict[str, Any], tmp_path: Path
) -> None:
    write = benchmark_of_ingestion["write_documents"]
    write(tmp_path / "first", 30)
    write(tmp_path / "again", 30)
    first, again = ([path.read_text() for path in sorted((tmp_path / at).rglob("*.txt"))] for at in ("first", "again"))
    assert first == again
    assert len(set(first)) == 30
    assert all(60 <= len(text.split()) <= 120 for text in first)


def test_queries_go_through_sql_and_the_published_index(
    benchmark_of_ingestion: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark_of_ingestion["write_documents"](tmp_path / "documents", 40)
    monkeypatch.setitem(benchmark_of_ingestion["asked"].__globals__, "questions", lambda: ["Who first climbed K2?"])
    found = benchmark_of_ingestion["asked"](tmp_path)
    assert set(found) == {"8", "16"}
    assert all(times["hybrid"]["ms"] > 0 for times in found.values())
