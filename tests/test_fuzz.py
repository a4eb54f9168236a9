"""Files with bytes changed, cut out and put in: read, or refused in one line, and never the end of the program."""

import sys
from pathlib import Path

import pytest

from retrieval.sources import reader

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from fuzz import forked, mutations, seeds, warm


def test_spoilt_files_are_read_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "parsed", reader.parsed)  # which `warm` replaces
    files = {name: data for name, data in seeds(None).items() if name.endswith((".pdf", ".docx", ".pptx", ".html"))}
    warm(tmp_path, files)
    for name, data in mutations(32, 5, files):
        (tmp_path / name).write_bytes(data)
        found, kilobytes = forked(tmp_path / name)
        assert found in ("read", "refused"), (name, found)
        assert kilobytes < 1 << 20
