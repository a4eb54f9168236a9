"""retrieval.encoder.layers: the layers run directly give what transformers' own modules give."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoTokenizer, BertModel

from retrieval.encoder.bert import load_bert
from retrieval.encoder.embed import Encoder, minilm_files
from retrieval.encoder.layers import product

TEXTS = ["", "Krill", "The blue whale is large.", "Ünïcode 東京 🗼", "Does it live at sea? " * 30, "a" * 900]


@pytest.fixture(params=["x86", "onednn"])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """What torch multiplies packed matrices with; onednn does not know those of float16."""
    before = torch.backends.quantized.engine
    if request.param not in torch.backends.quantized.supported_engines:
        pytest.skip(f"this torch has no {request.param}")
    torch.backends.quantized.engine = request.param
    yield request.param
    torch.backends.quantized.engine = before


@pytest.fixture(scope="module")
def minilm() -> Path:
    return next(iter(minilm_files())).parent


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save(tmp_path_factory.mktemp("tiny") / "bert", "bert", window=128)


def loaded(folder: Path) -> Encoder:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    weights = load_file(folder / "model.safetensors")
    return Encoder(load_bert(json.loads((folder / "config.json").read_text()), weights), tokenizer, "loaded")


@pytest.mark.parametrize("which", ["tiny", "minilm"])
def test_states_after_every_layer_are_those_of_transformers(
    which: str, request: pytest.FixtureRequest, engine: str
) -> None:
    folder = request.getfixturevalue(which)
    encoder, theirs = loaded(folder), BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    for layers in range(theirs.config.num_hidden_layers + 1):
        for ids, states in zip(encoder._tokenize(TEXTS, 40), encoder.hidden(TEXTS, layers, 40), strict=True):
            with torch.inference_mode():
                wanted = theirs(torch.tensor([ids.ids]), output_hidden_states=True).hidden_states[layers][0]
            assert torch.nn.functional.cosine_similarity(states, wanted, dim=1).min() > 0.999
            assert torch.allclose(states, wanted, atol=5e-2)


def test_tokens_and_their_places_are_those_of_transformers(encoder: Encoder, minilm: Path) -> None:
    theirs = AutoTokenizer.from_pretrained(str(minilm))
    texts = [*TEXTS, "[MASK] is [CLS]", "  x \t\n y ", "ﬁ e\u0301\u200b ½", "मानक हिन्दी", "don't — e.g. U.S."]
    for text, found in zip(texts, encoder._tokenize(texts), strict=True):
        wanted = theirs(text, truncation=True, max_length=encoder.max_tokens, return_offsets_mapping=True)
        assert (found.ids, found.offsets) == (wanted["input_ids"], wanted["offset_mapping"])


@settings(max_examples=8)
@given(st.lists(st.sampled_from(TEXTS[:5]), max_size=6))
def test_the_company_of_a_text_does_not_change_its_vector(encoder: Encoder, texts: list[str]) -> None:
    alone = {text: encoder.encode([text])[0] for text in set(texts)}
    together = encoder.encode(texts)
    assert together.shape == (len(texts), encoder.dimension)
    for text, vector in zip(texts, together, strict=True):
        assert np.dot(alone[text], vector) > 0.9999


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"hidden_act": "relu"}, ValueError),
        ({"model_type": "roberta"}, ValueError),
        ({"position_embedding_type": "relative_key"}, ValueError),
        ({"hidden_size": 48}, RuntimeError),
        ({"num_hidden_layers": 3}, RuntimeError),
    ],
)
def test_a_config_of_another_shape_is_refused(tiny: Path, change: dict[str, object], error: type[Exception]) -> None:
    config = json.loads((tiny / "config.json").read_text()) | change
    with pytest.raises(error):
        load_bert(config, load_file(tiny / "model.safetensors"))


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (384, 384), (33, 1536)])
def test_a_packed_product_is_the_product(shape: tuple[int, int], engine: str) -> None:
    chance = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(shape, generator=chance), torch.randn(shape[0], generator=chance)
    states = torch.randn((2, 3, shape[1]), generator=chance)
    wanted = torch.nn.functional.linear(states, weight, bias)
    assert torch.allclose(product(weight, bias)(states), wanted, atol=2e-2)
