"""Ingest on Ray stores what the single process stores."""

import re
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_server import page_server

import app.library.ray
from app.library.ingest import ingest
from app.library.library import Library
from app.library.ray import ingest_on_ray
from app.store.database import open_database
from retrieval.encoder.embed import Encoder
from retrieval.types import RetrievalError

ray: Any = pytest.importorskip("ray", reason="Ray is not installed: pip install 'candor[ray]'")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),  # a worker of Ray loads torch anew
    pytest.mark.filterwarnings("ignore"),  # of ray
]


def write(notes: Path, number: int) -> None:
    text = f"# Note {number}\n\n" + f"Island {number} lies {number} miles off the coast, and gulls nest there. " * 20
    (notes / f"{number:02d}.md").write_text(text)


@pytest.mark.usefixtures("cluster")
def test_a_local_ray_stores_the_same_ids_passages_and_vectors(tmp_path: Path, encoder: Encoder) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    for number in range(6):
        write(notes, number)
    libraries = []
    for name in ("one", "ray"):
        (tmp_path / name).mkdir()
        libraries.append(Library(open_database(tmp_path / name), tmp_path / name, encoder))
        assert ingest(libraries[-1], [notes]).count("added") == 6
    for number in range(6, 20):
        write(notes, number)
    (notes / "04.md").write_text("# Note 4\n\nA changed island.\n")
    (notes / "05.md").unlink()
    (notes / "broken.pdf").write_bytes(b"%PDF-1.4 nothing follows")
    for library, run in zip(libraries, (ingest, ingest_on_ray), strict=True):
        report = run(library, [notes])
        counts = {name: report.count(name) for name in ("added", "replaced", "removed", "unchanged", "failed")}
        assert counts == {"added": 14, "replaced": 1, "removed": 1, "unchanged": 4, "failed": 1}
        assert not report.interrupted
    (passages, vectors), (others, their_vectors) = (library.stored() for library in libraries)
    assert passages == others
    assert len(passages) > 19
    np.testing.assert_allclose(vectors, their_vectors, atol=1e-3)
    assert [s.name for s in libraries[0].sources()] == [s.name for s in libraries[1].sources()]
    for library in libraries:
        library.database.close()


@pytest.mark.parametrize("way", ["closed", "silent", "other", "client"])
def test_a_cluster_that_does_not_answer_is_told_at_once(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(app.library.ray, "PATIENCE", 0.5)
    if ray.is_initialized():
        ray.shutdown()
    (tmp_path / "a.md").write_text("Words.\n")
    library = Library(open_database(tmp_path), tmp_path, encoder)
    with page_server() as other, socket.create_server(("127.0.0.1", 0)) as silent:
        port = other.port if way == "other" else silent.getsockname()[1]
        if way in ("closed", "client"):
            silent.close()
        address = f"{'ray://' if way == 'client' else ''}127.0.0.1:{port}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(RetrievalError, match=f"cannot be reached on {re.escape(address)}: .*check RAY_ADDRESS"):
            ingest_on_ray(library, [tmp_path / "a.md"])
    library.database.close()
