"""Ingest on Ray stores what the single process stores."""

from pathlib import Path

import numpy as np
import pytest

from app.database import open_database
from app.ingest import ingest
from app.library import Library
from app.ray_ingest import ingest_on_ray
from retrieval.embed import Encoder


@pytest.mark.timeout(600)  # the workers of Ray load torch anew
@pytest.mark.filterwarnings("ignore")  # of ray
def test_a_local_ray_stores_the_same_ids_passages_and_vectors(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'candor[ray]'")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else a busy machine starves the worker
    notes = tmp_path / "notes"
    notes.mkdir()
    for number in range(20):
        text = (
            f"# Note {number}\n\n" + f"Island {number} lies {number} miles off the coast, and gulls nest there. " * 20
        )
        (notes / f"{number:02d}.md").write_text(text)
    (notes / "broken.pdf").write_bytes(b"%PDF-1.4 nothing follows")
    libraries = []
    try:
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error")
    except Exception as error:
        pytest.skip(f"Ray does not start on this machine, which may be too busy: {error}")
    try:
        for name, run in (("one", ingest), ("ray", ingest_on_ray)):
            (tmp_path / name).mkdir()
            library = Library(open_database(tmp_path / name), tmp_path / name, encoder)
            libraries.append(library)
            report = run(library, [notes])
            assert (report.count("added"), report.count("failed"), report.interrupted) == (20, 1, False)
        (notes / "07.md").write_text("# Note 7\n\nA changed island.\n")
        (notes / "08.md").unlink()
        report = ingest_on_ray(libraries[1], [notes])
        assert [report.count(kind) for kind in ("replaced", "removed", "unchanged", "failed")] == [1, 1, 18, 1]
        ingest(libraries[0], [notes])
    finally:
        ray.shutdown()
    (passages, vectors), (others, their_vectors) = (library.stored() for library in libraries)
    assert passages == others
    assert len(passages) > 19
    np.testing.assert_allclose(vectors, their_vectors, atol=1e-3)
    assert [s.name for s in libraries[0].sources()] == [s.name for s in libraries[1].sources()]
    for library in libraries:
        library.database.close()
