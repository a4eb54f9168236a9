"""Encoders other than the packaged one: pooled as their files say, and told apart."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from sentence_transformers import SentenceTransformer

from app import open_bot
from retrieval.encoder.embed import Encoder, load_encoder
from retrieval.types import RetrievalError

TEXTS = ["The blue whale is large.", "Krill", "Does it live at sea? " * 90]


@pytest.fixture(scope="module", params=tiny_models.ENCODERS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save(tmp_path_factory.mktemp("encoder") / request.param, request.param, window=128)


def pooling(folder: Path, config: dict[str, object]) -> str:
    """Add the files that sentence-transformers writes."""
    kinds = [("", "sentence_transformers.models.Transformer"), ("1_Pooling", "sentence_transformers.models.Pooling")]
    modules = [{"idx": n, "name": str(n), "path": path, "type": kind} for n, (path, kind) in enumerate(kinds)]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 100}))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32} | config))
    return str(folder)


@pytest.mark.parametrize("mode", ["mean", "cls", "max"])
def test_vectors_are_those_of_sentence_transformers(folder: Path, mode: str) -> None:
    name = pooling(folder, {"pooling_mode": mode})
    theirs = SentenceTransformer(name, device="cpu").encode(TEXTS, normalize_embeddings=True)
    found = load_encoder(name)
    assert found.max_tokens == 100
    assert np.allclose(found.encode(TEXTS), theirs, atol=1e-2 if found.dtype.itemsize == 2 else 1e-5)


def test_the_older_form_of_the_files_is_read(folder: Path) -> None:
    old = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": False}
    assert load_encoder(pooling(folder, old)).pooling == "cls"
    with pytest.raises(RetrievalError, match="mean, cls, max"):
        load_encoder(pooling(folder, old | {"pooling_mode_max_tokens": True}))


def test_an_encoder_without_such_files_is_pooled_by_the_mean_within_its_window(folder: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(folder, tmp_path / folder.name, ignore=shutil.ignore_patterns("modules.json", "sentence_*"))
    found = load_encoder(str(bare))
    assert found.pooling == "mean"
    assert found.max_tokens in (128, 130 - 2)
    assert np.isfinite(found.encode(TEXTS)).all()
    spans = [span for _, span in found.encode_tokens(TEXTS)]
    assert spans[0][-1][1] == len(TEXTS[0])


def test_other_weights_or_pooling_are_another_encoder(folder: Path, tmp_path: Path) -> None:
    mean, cls = (load_encoder(pooling(folder, {"pooling_mode": mode})).fingerprint for mode in ("mean", "cls"))
    assert mean != cls
    assert folder.name in mean


def test_what_is_no_encoder_or_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RetrievalError, match="is no encoder"):
        load_encoder(str(tiny_models.save(tmp_path / "t5", "t5")))
    for name in (str(tmp_path / "nothing"), str(tmp_path), "nobody/no-such-encoder"):
        with pytest.raises(RetrievalError, match="leave the setting encoder empty"):
            load_encoder(name)


def test_a_library_is_embedded_again_when_the_encoder_changes(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("retrieval.encoder.embed._packaged", lambda: encoder)
    (tmp_path / "whale.md").write_text("# Whale\n\nThe blue whale eats krill. It is the largest animal.\n")
    with open_bot(tmp_path / "data") as bot:
        bot.ingest([tmp_path / "whale.md"])
        assert bot.ask("What does the blue whale eat?").outcome == "answered"
    other = str(tiny_models.save(tmp_path / "bert", "bert", window=128))
    with open_bot(tmp_path / "data", encoder=other) as bot:
        assert "the encoder has changed" in caplog.text
        assert bot.ask("What does the blue whale eat?").outcome == "answered"
        assert [finding.state for finding in bot.doctor() if finding.name in ("encoder", "index")] == ["ok", "ok"]
