"""Encoders other than the packaged one: any of sentence-transformers, used as its files say, and told apart."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

from app import open_bot
from retrieval.encoder.embed import Encoder, load_encoder
from retrieval.encoder.named import NamedEncoder
from retrieval.search import HybridRetriever
from retrieval.types import RetrievalError, Vectors
from retrieval.versions import Versioned
from retrieval.votes import Voted

TEXTS = ["The blue whale is large.", "Krill", "Does it live at sea? " * 90]
POOLINGS = ("mean", "cls", "max", "lasttoken")
PROMPTS = {"query": "query: ", "passage": "passage: "}


@pytest.fixture(scope="module", params=tiny_models.ENCODERS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save(tmp_path_factory.mktemp("encoder") / request.param, request.param, window=128)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save(tmp_path_factory.mktemp("bert") / "bert", "bert", window=128)


def saved(
    folder: Path,
    base: Path,
    pooling: str = "mean",
    out: int = 0,
    normalize: bool = False,
    prompts: dict[str, str] | None = None,
    default: str | None = None,
) -> str:
    """Write a sentence-transformers model on the encoder in `base`: 100 tokens, a projection to `out` numbers if
    any."""
    modules = [Transformer(str(base), max_seq_length=100), Pooling(32, pooling)]
    modules += [Dense(32, out)] if out else []
    modules += [Normalize()] if normalize else []
    model = SentenceTransformer(modules=modules, device="cpu", prompts=prompts, default_prompt_name=default)
    model.save(str(folder), create_model_card=False)
    return str(folder)


def theirs(name: str, texts: list[str]) -> Vectors:
    """What sentence-transformers makes of exactly these texts, no prompt added, as unit vectors."""
    model = SentenceTransformer(name, device="cpu")
    found: Vectors = model.encode(texts, prompt="", normalize_embeddings=True)
    return found


def same(found: Vectors, expected: Vectors) -> bool:
    return found.dtype == np.float32 and found.shape == expected.shape and np.allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_texts_are_pooled_as_the_files_say(folder: Path, tmp_path: Path, pooling: str) -> None:
    name = saved(tmp_path / "made", folder, pooling)
    found = load_encoder(name)
    assert same(found.encode(TEXTS), theirs(name, TEXTS))
    assert np.array_equal(found.encode_queries(TEXTS), found.encode(TEXTS))
    assert found.dimension == 32
    mean = theirs(saved(tmp_path / "mean", folder), TEXTS)
    assert same(found.encode(TEXTS), mean) == (pooling == "mean")


@pytest.mark.parametrize("normalize", [False, True])
def test_a_projection_is_applied_and_every_vector_is_a_unit_vector(bert: Path, tmp_path: Path, normalize: bool) -> None:
    name = saved(tmp_path / "made", bert, out=12, normalize=normalize)
    found = load_encoder(name)
    assert found.dimension == 12
    assert same(found.encode(TEXTS), theirs(name, TEXTS))
    assert np.allclose(np.linalg.norm(found.encode(TEXTS), axis=1), 1, atol=1e-5)
    assert found.encode([]).shape == found.encode_queries([]).shape == (0, 12)


@pytest.mark.parametrize(
    ("prompts", "default", "query", "passage"),
    [
        (PROMPTS, None, "query: ", "passage: "),
        ({"query": "ask: ", "document": "read: "}, None, "ask: ", "read: "),
        ({"query": "ask: "}, None, "ask: ", ""),
        ({"corpus": "read: ", "other": "no: "}, "other", "", "read: "),
    ],
)
def test_queries_and_passages_have_the_prompts_of_the_files(
    bert: Path, tmp_path: Path, prompts: dict[str, str], default: str | None, query: str, passage: str
) -> None:
    name = saved(tmp_path / "made", bert, prompts=prompts, default=default)
    found = load_encoder(name)
    assert same(found.encode_queries(TEXTS), theirs(name, [query + text for text in TEXTS]))
    assert same(found.encode(TEXTS), theirs(name, [passage + text for text in TEXTS]))


def test_no_more_tokens_are_read_than_the_files_say(bert: Path, tmp_path: Path) -> None:
    name = saved(tmp_path / "made", bert)
    found = load_encoder(name)
    long, longer = "sea " * 200, "sea " * 200 + "krill " * 9
    assert np.array_equal(found.encode([long]), found.encode([longer]))
    stated = tmp_path / "made" / "sentence_bert_config.json"
    wider = json.loads(stated.read_text())
    wider["max_seq_length"] = 8
    stated.write_text(json.dumps(wider))
    assert not np.allclose(load_encoder(name).encode([long]), found.encode([long]))


def test_an_encoder_without_such_files_is_pooled_by_the_mean_within_its_window(folder: Path) -> None:
    found = load_encoder(str(folder)).encode(TEXTS)
    assert same(found[:2], theirs(str(folder), TEXTS[:2]))
    assert np.isfinite(found).all()


def test_an_encoder_of_a_sequence_to_sequence_model_may_search(tmp_path: Path) -> None:
    name = saved(tmp_path / "made", tiny_models.save(tmp_path / "t5", "t5"), out=8)
    assert same(load_encoder(name).encode(TEXTS), theirs(name, TEXTS))


def test_any_file_that_changes_the_vectors_changes_the_fingerprint_and_no_other_does(
    bert: Path, tmp_path: Path
) -> None:
    made = Path(saved(tmp_path / "made", bert, out=12, prompts=PROMPTS))
    whole = load_encoder(str(made)).fingerprint
    assert whole.startswith("made/")
    assert whole == load_encoder(str(shutil.copytree(made, tmp_path / "again" / "made"))).fingerprint
    (made / "README.md").write_text("a card")
    (made / ".git").mkdir()
    (made / ".git" / "a.json").write_text("{}")
    (made / "onnx").mkdir()
    (made / "onnx" / "model.json").write_text("{}")
    assert load_encoder(str(made)).fingerprint == whole
    for file in ("model.safetensors", "2_Dense/model.safetensors"):
        spoiled = shutil.copytree(made, tmp_path / file.replace("/", "-") / "made")
        data = bytearray((spoiled / file).read_bytes())
        data[-1] ^= 0x01
        (spoiled / file).write_bytes(data)
        assert load_encoder(str(spoiled)).fingerprint != whole, file
    changes = {
        "config_sentence_transformers.json": ("query: ", "ask: "),
        "tokenizer_config.json": ("100", "90"),
        "1_Pooling/config.json": ('"mean"', '"cls"'),
        "tokenizer.json": ('"ByteLevel"', '"ByteLevel" '),
    }
    for file, (old, new) in changes.items():
        changed = shutil.copytree(made, tmp_path / file.replace("/", "-") / "made")
        text = (changed / file).read_text()
        assert old in text, file
        (changed / file).write_text(text.replace(old, new, 1))
        assert load_encoder(str(changed)).fingerprint != whole, file


@pytest.mark.parametrize("kind", ["nowhere", "empty", "hub", "pickled", "code", "torn"])
def test_what_cannot_be_loaded_is_refused_in_one_line(bert: Path, tmp_path: Path, kind: str) -> None:
    made = tmp_path / "made"
    if kind == "empty":
        made.mkdir()
    if kind in ("pickled", "code", "torn"):
        saved(made, bert)
    if kind == "pickled":
        (made / "model.safetensors").rename(made / "pytorch_model.bin")
    if kind == "code":
        stated = json.loads((made / "modules.json").read_text())
        stated[1]["type"] = "own.Pooling"
        (made / "modules.json").write_text(json.dumps(stated))
        (made / "own.py").write_text("raise SystemExit('code of a model was run')")
    if kind == "torn":
        (made / "modules.json").write_text("{")
    name = "nobody/no-such-encoder" if kind == "hub" else str(made)
    with pytest.raises(RetrievalError, match="leave the setting encoder empty") as refused:
        load_encoder(name)
    assert "\n" not in str(refused.value)


def test_a_search_asks_with_the_prompt_of_queries(bert: Path, tmp_path: Path) -> None:
    whale = tmp_path / "whale.md"
    whale.write_text("# Whale\n\nThe blue whale eats krill. It is the largest animal.\n")
    name = saved(tmp_path / "made", bert, prompts=PROMPTS)
    with open_bot(tmp_path / "data", "quote", encoder=name, rerank=0) as bot:
        bot.ingest([whale])
        retriever, embedder = bot.responder.retriever, bot.library.embedder
        assert isinstance(retriever, Versioned)
        assert isinstance(retriever.retriever, Voted)
        retriever = retriever.retriever.retriever
        assert isinstance(retriever, HybridRetriever)
        assert isinstance(embedder, NamedEncoder)
        [found] = retriever.search(["What eats krill?"], 1)
        expected = theirs(name, ["query: What eats krill?", f"passage: Whale\n{found.passage.text}"])
        assert found.similarity == pytest.approx(float(expected[0] @ expected[1]), abs=1e-3)


@pytest.mark.slow
def test_a_library_is_embedded_again_when_the_encoder_changes(
    tmp_path: Path, bert: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("retrieval.encoder.embed._packaged", lambda: encoder)
    (tmp_path / "whale.md").write_text("# Whale\n\nThe blue whale eats krill. It is the largest animal.\n")
    with open_bot(tmp_path / "data", "quote") as bot:
        bot.ingest([tmp_path / "whale.md"])
        assert bot.ask("What does the blue whale eat?").outcome == "answered"
    with open_bot(tmp_path / "data", "quote", encoder=saved(tmp_path / "made", bert)) as bot:
        assert "the encoder has changed" in caplog.text
        assert bot.ask("What does the blue whale eat?").outcome == "answered"
        assert [finding.state for finding in bot.doctor() if finding.name in ("encoder", "index")] == ["ok", "ok"]
