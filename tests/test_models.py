"""The doors to language models, and one conformance suite over everything behind them."""

from pathlib import Path

import pytest
import tiny_models
from conformance_model import ModelConformance

from dialogue.models import load_model
from dialogue.types import LanguageModel, ModelError
from retrieval.encoder.embed import Encoder


class TestScripted(ModelConformance):
    @pytest.fixture
    def model(self, tmp_path: Path, encoder: Encoder) -> LanguageModel:
        path = tmp_path / "drafts.txt"
        path.write_text("Krill.\n\nIt eats krill.\nUp to 190 tonnes.\nI do not know.\n")
        return load_model(f"scripted:{path}", encoder)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> LanguageModel:
    folder = tiny_models.save(tmp_path_factory.mktemp("llama"), "llama", tiny_models.CHAT)
    return load_model(f"hf:{folder}", encoder)


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> LanguageModel:
    return load_model(f"hf:{tiny_models.save(tmp_path_factory.mktemp('gpt2'), 'gpt2')}", encoder)


class TestLlamaWithChatTemplate(ModelConformance):
    @pytest.fixture
    def model(self, llama: LanguageModel) -> LanguageModel:
        return llama


class TestGpt2WithoutChatTemplate(ModelConformance):
    @pytest.fixture
    def model(self, gpt2: LanguageModel) -> LanguageModel:
        return gpt2


class TestQuote(ModelConformance):
    @pytest.fixture
    def model(self, encoder: Encoder) -> LanguageModel:
        return load_model("quote", encoder)


@pytest.mark.parametrize("spec", ["", "gpt2", "openai:gpt-4", "hf:", "scripted:", "quote:x"])
def test_an_unknown_model_is_refused_with_the_doors_there_are(spec: str, encoder: Encoder) -> None:
    with pytest.raises(ModelError, match=r"hf:.*scripted:"):
        load_model(spec, encoder)
