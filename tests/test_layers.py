"""retrieval.encoder.layers: the layers run directly give what transformers' own modules give."""

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.encoder.embed import Encoder, load_encoder
from retrieval.encoder.layers import direct, product

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


@pytest.mark.parametrize("kind", tiny_models.ENCODERS)
def test_states_are_those_of_the_model_after_every_layer(kind: str, tmp_path: Path, engine: str) -> None:
    encoder = load_encoder(str(tiny_models.save(tmp_path / kind, kind, window=128)))
    assert (encoder._layers is None) == (kind == "megatron-bert")
    for layers in (0, 1, encoder._model.config.num_hidden_layers):
        for text, states in zip(TEXTS, encoder.hidden(TEXTS, layers, 40), strict=True):
            read = encoder._tokenizer(text, truncation=True, max_length=40, return_tensors="pt")
            with torch.inference_mode():
                theirs = encoder._model(read["input_ids"], output_hidden_states=True).hidden_states[layers][0]
            assert torch.allclose(states, theirs, atol=5e-3 if encoder.dtype == torch.float32 else 0.1)


def test_vectors_of_the_packaged_encoder_are_those_of_its_model(encoder: Encoder, engine: str) -> None:
    found = Encoder(copy.deepcopy(encoder._model), encoder._tokenizer, "again")
    own = found.encode(TEXTS)
    found._layers = None
    assert (own * found.encode(TEXTS)).sum(1).min() > 0.9999


@settings(max_examples=8)
@given(st.lists(st.sampled_from(TEXTS[:5]), max_size=6))
def test_the_company_of_a_text_does_not_change_its_vector(encoder: Encoder, texts: list[str]) -> None:
    alone = {text: encoder.encode([text])[0] for text in set(texts)}
    together = encoder.encode(texts)
    assert together.shape == (len(texts), encoder.dimension)
    for text, vector in zip(texts, together, strict=True):
        assert np.dot(alone[text], vector) > 0.9999


def test_other_shapes_of_layers_are_left_to_their_model(tmp_path: Path) -> None:
    encoder = load_encoder(str(tiny_models.save(tmp_path / "bert", "bert", window=128)))
    encoder._model.config.hidden_act = "relu"
    assert direct(encoder._model) is None


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (384, 384), (33, 1536)])
def test_a_packed_product_is_the_product(shape: tuple[int, int], engine: str) -> None:
    chance = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(shape, generator=chance), torch.randn(shape[0], generator=chance)
    states = torch.randn((2, 3, shape[1]), generator=chance)
    wanted = torch.nn.functional.linear(states, weight, bias)
    assert torch.allclose(product(weight, bias)(states), wanted, atol=2e-2)
