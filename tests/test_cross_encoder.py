"""retrieval.cross_encoder: any cross-encoder of sentence-transformers orders the passages that were found."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from conformance_retriever import CHECKS, ORDERED, Make, passages, sources
from sentence_transformers import CrossEncoder

from app import open_bot
from app.config import load_settings
from app.errors import SettingsError
from app.evaluation import run
from retrieval.cross_encoder import CrossEncoderReranker, load_cross_encoder
from retrieval.encoder.embed import Encoder
from retrieval.index.memory import MemoryRetriever
from retrieval.passages import embedding_text
from retrieval.types import Passage, RetrievalError
from retrieval.versions import Versioned
from retrieval.votes import Voted

QUERY = "How many hearts has an octopus?"
EVERY = {"sigmoid": torch.nn.Sigmoid(), "identity": torch.nn.Identity()}


@pytest.fixture(scope="module", params=EVERY)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random cross-encoder of one label whose scores are far apart, so far that a sigmoid cannot tell the best."""
    base = tiny_models.save_classifier(tmp_path_factory.mktemp("base") / "cross", "bert", ["relevant"])
    model = CrossEncoder(str(base), device="cpu", activation_fn=EVERY[request.param])
    with torch.no_grad():
        model.model.classifier.weight.mul_(1000)
        model.model.classifier.bias.fill_(60)
    made = tmp_path_factory.mktemp("made") / request.param
    model.save_pretrained(str(made), create_model_card=False)
    return made


def logits(folder: Path, query: str, found: Sequence[Passage]) -> np.ndarray:
    model = CrossEncoder(str(folder), device="cpu", activation_fn=torch.nn.Identity())
    return np.asarray(model.predict([(query, embedding_text(item)) for item in found]))


def beir_folder(folder: Path) -> Path:
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": item.source, "title": item.title, "text": item.text} for item in passages()[:5]]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": QUERY}))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\t0.txt\t1\n")
    return folder


@pytest.mark.parametrize("check", [c for c in CHECKS[3:] if c not in ORDERED], ids=lambda check: check.__name__)
def test_it_is_a_retriever(folder: Path, encoder: Encoder, check: Callable[[Make], None]) -> None:
    reranker = load_cross_encoder(f"hf:{folder}", MemoryRetriever([], encoder))
    check(lambda items: CrossEncoderReranker(MemoryRetriever(items, encoder), reranker.model))


def test_passages_come_in_the_order_of_the_logits_whatever_the_activation(folder: Path, encoder: Encoder) -> None:
    found = load_cross_encoder(f"hf:{folder}", MemoryRetriever(passages(), encoder)).search(["  ", QUERY, "hearts"], 5)
    scores = logits(folder, QUERY, [item.passage for item in found])
    assert len(set(scores.tolist())) == len(found) == 5
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)
    plain = MemoryRetriever(passages(), encoder).search([QUERY, "hearts"], 5)
    assert sources(found) != sources(plain)
    assert {item.passage: item.similarity for item in found} == {item.passage: item.similarity for item in plain}
    assert [item.probability for item in found] == [None] * 5


def test_what_is_beyond_the_depth_follows_as_it_was_found(folder: Path, encoder: Encoder) -> None:
    plain = MemoryRetriever(passages(), encoder).search([QUERY], 5)
    found = load_cross_encoder(f"hf:{folder}", MemoryRetriever(passages(), encoder), 2).search([QUERY], 5)
    assert {item.passage for item in found[:2]} == {item.passage for item in plain[:2]}
    assert found[2:] == plain[2:]
    assert load_cross_encoder(f"hf:{folder}", MemoryRetriever(passages(), encoder), 5).search([QUERY], 1)[0] != plain[0]


def test_a_pair_longer_than_the_positions_is_cut(tmp_path: Path, encoder: Encoder) -> None:
    base = tiny_models.save_classifier(tmp_path / "cross", "roberta", ["relevant"])
    long = passages(("krill " * 900, "whale " * 900))
    assert len(load_cross_encoder(f"hf:{base}", MemoryRetriever(long, encoder)).search(["sea " * 400], 2)) == 2


def test_a_model_that_gives_no_single_score_is_refused(tmp_path: Path, encoder: Encoder) -> None:
    three = tiny_models.save_classifier(tmp_path / "three", "bert", ["no", "maybe", "yes"])
    for name, why in ((f"hf:{three}", "3 scores, not one"), (f"hf:{tmp_path}", "leave the setting reranker empty")):
        with pytest.raises(RetrievalError, match=why) as refused:
            load_cross_encoder(name, MemoryRetriever([], encoder))
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", ["cross-encoder/ms-marco-MiniLM-L6-v2", "hf:", "quote"])
def test_the_setting_names_a_model(value: str) -> None:
    with pytest.raises(SettingsError, match=r"reranker.*hf:FOLDER-OR-HUB-NAME"):
        load_settings({"reranker": value}, {})


def test_a_bot_reads_with_the_reranker_of_its_settings(
    folder: Path, tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.encoder.embed.load_encoder", lambda name="": encoder)
    for item in passages()[:5]:
        (tmp_path / item.source).write_text(item.text)
    with open_bot(tmp_path / "data", "quote", reranker=f"hf:{folder}", rerank=4) as bot:
        bot.ingest([tmp_path / item.source for item in passages()[:5]])
        assert isinstance(bot.responder.retriever, Versioned)
        assert isinstance(bot.responder.retriever.retriever, Voted)
        served = bot.responder.retriever.retriever.retriever
        assert isinstance(served, CrossEncoderReranker)
        assert served.depth == 4
        evidence = bot.ask(QUERY).trace.evidence
        scores = logits(folder, QUERY, [item.passage for item in evidence[:4]]).tolist()
        assert scores == sorted(scores, reverse=True)
        beir = beir_folder(tmp_path / "beir")
        assert run("retrieval", beir, bot)["reranked"]["recall@100"] == 1
    with open_bot(tmp_path / "data", "quote", reranker=f"hf:{folder}", rerank=0) as bot:
        assert isinstance(bot.responder.retriever, Versioned)
        assert isinstance(bot.responder.retriever.retriever, Voted)
        assert not isinstance(bot.responder.retriever.retriever.retriever, CrossEncoderReranker)
