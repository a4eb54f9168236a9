"""The doors to language models, and one conformance suite over everything behind them."""

from pathlib import Path

import pytest
import tiny_models
from conformance_model import ModelConformance

from dialogue.models import load_model
from dialogue.types import LanguageModel, ModelError
from retrieval.reader import PassageReader


class TestScripted(ModelConformance):
    @pytest.fixture
    def model(self, tmp_path: Path, passage_reader: PassageReader) -> LanguageModel:
        path = tmp_path / "drafts.txt"
        path.write_text("Krill.\n\nIt eats krill.\nUp to 190 tonnes.\nI do not know.\n")
        return load_model(f"scripted:{path}", passage_reader)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory, passage_reader: PassageReader) -> LanguageModel:
    folder = tiny_models.save(tmp_path_factory.mktemp("llama"), "llama", tiny_models.CHAT)
    return load_model(f"hf:{folder}", passage_reader)


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory, passage_reader: PassageReader) -> LanguageModel:
    return load_model(f"hf:{tiny_models.save(tmp_path_factory.mktemp('gpt2'), 'gpt2')}", passage_reader)


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
    def model(self, passage_reader: PassageReader) -> LanguageModel:
        return load_model("quote", passage_reader)


@pytest.mark.parametrize("spec", ["", "gpt2", "openai:gpt-4", "hf:", "scripted:", "quote:x"])
def test_an_unknown_model_is_refused_with_the_doors_there_are(spec: str, passage_reader: PassageReader) -> None:
    with pytest.raises(ModelError, match=r"hf:.*scripted:"):
        load_model(spec, passage_reader)
