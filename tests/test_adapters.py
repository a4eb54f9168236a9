"""retrieval.encoder.adapters and their training: on the real encoder, with adapters made here."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from app.training.adapters import AdapterTraining, Pair, fit
from retrieval.encoder.adapters import Adapter, Reader, load_adapter, load_reader, new_adapter
from retrieval.encoder.embed import Encoder
from retrieval.encoder.folded import LOWER
from retrieval.types import RetrievalError

TEXTS = [
    "",
    "No.",
    "The tower is 330 metres tall.",
    "It was built in 1889 by Eiffel. " * 6,
    "Ünïcode 東京 🗼",
    "a" * 900,
]


def noisy(encoder: Encoder, matching: bool = True, whole: bool = False) -> Adapter:
    """An adapter whose every number counts, as if it had been trained."""
    adapter = new_adapter("trial", ("yes", "no"), encoder, 3, rank=4, matching=matching, whole=whole)
    chance = torch.Generator().manual_seed(1)
    for tensor in adapter.tensors.values():
        tensor.add_(0.05 * torch.randn(tensor.shape, generator=chance))
    return adapter


@pytest.fixture(scope="module")
def reader(encoder: Encoder) -> Reader:
    return Reader(encoder, noisy(encoder))


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(TEXTS), st.sampled_from(TEXTS)), min_size=1, max_size=9), st.randoms())
def test_neither_company_nor_order_moves_a_logit(reader: Reader, pairs: list[tuple[str, str]], chance: object) -> None:
    together = reader(pairs)
    order = list(range(len(pairs)))
    chance.shuffle(order)  # type: ignore[attr-defined]
    assert np.abs(reader([pairs[at] for at in order]) - together[order]).max() < 1e-3
    assert np.abs(reader(pairs[:1]) - together[:1]).max() < 1e-3


@pytest.mark.parametrize("matching", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_texts_that_lie_end_to_end_are_read_as_padded_ones_are_in_training(
    encoder: Encoder, matching: bool, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.encoder.folded.TOKENS", 300)  # several batches
    reader = Reader(encoder, noisy(encoder, matching, whole))
    pairs = [(before, text) for before in TEXTS for text in TEXTS]
    with torch.inference_mode():
        hidden = encoder.hidden(TEXTS, 0 if whole else LOWER)
        states = reader.lower(hidden, reader.merged(low=True)) if whole else hidden
        after = [TEXTS.index(before) for before, _ in pairs]
        padded = reader.read(states, [states[TEXTS.index(text)] for _, text in pairs], after, reader.merged())
    assert np.abs(reader(pairs) - padded.numpy()).max() < 0.02


def test_nothing_to_read_gives_no_rows(reader: Reader) -> None:
    assert reader([]).shape == (0, 2)


def test_the_text_before_matters_and_the_text_does(reader: Reader) -> None:
    one, other, third = reader([(TEXTS[2], TEXTS[1]), (TEXTS[3], TEXTS[1]), (TEXTS[2], TEXTS[4])])
    assert np.abs(one - other).max() > 1e-3
    assert np.abs(one - third).max() > 1e-3


def test_an_untrained_adapter_leaves_the_base_as_it_is(encoder: Encoder) -> None:
    untrained = Reader(encoder, new_adapter("trial", ("yes",), encoder, 0))
    states = torch.randn(5, encoder.dimension, generator=torch.Generator().manual_seed(2)).to(encoder.dtype)
    for layer, maps in zip(encoder.upper(3), untrained.merged(), strict=True):
        assert torch.equal(maps["query"](states), layer.attention.self.query(states))


@pytest.mark.parametrize("matching", [True, False])
def test_what_is_saved_is_read_again_within_float16(encoder: Encoder, tmp_path: Path, matching: bool) -> None:
    adapter = noisy(encoder, matching)
    adapter.about["temperature"] = 1.5
    adapter.save(tmp_path / "a.safetensors")
    read = load_adapter(tmp_path / "a.safetensors", {})
    assert (read.name, read.outputs, read.about) == (adapter.name, adapter.outputs, adapter.about)
    assert read.fingerprint == adapter.fingerprint
    pairs = [(TEXTS[3], TEXTS[2]), ("", TEXTS[1])]
    again = load_reader(encoder, tmp_path / "a.safetensors", {})
    assert np.abs(again(pairs) - Reader(encoder, adapter)(pairs)).max() < 0.02
    assert (tmp_path / "a.safetensors").stat().st_size < 2_000_000


def test_the_fingerprint_follows_the_weights(encoder: Encoder) -> None:
    one, other = noisy(encoder), noisy(encoder)
    other.tensors["head.1.bias"] += 0.1
    assert one.fingerprint != other.fingerprint


def test_a_file_that_is_no_adapter_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RetrievalError, match="is missing"):
        load_adapter(tmp_path / "missing.safetensors", {})
    (tmp_path / "broken.safetensors").write_bytes(b"not a tensor in sight")
    with pytest.raises(RetrievalError, match="is no safetensors"):
        load_adapter(tmp_path / "broken.safetensors", {})
    packaged = Path(__file__).parent.parent / "dialogue" / "weights" / "sensible.safetensors"
    with pytest.raises(RetrievalError, match="candor train judges"):
        load_adapter(packaged, {})


GOOD, BAD = "What a lovely day it is", "The meeting was moved to Tuesday"


def taught(encoder: Encoder, seed: int) -> tuple[Adapter, list[dict[str, float]]]:
    """An adapter taught to tell a text that repeats the one before from one that does not."""
    texts = [f"{GOOD}, {word}" for word in "one two three four five six".split()] + [f"{BAD} {n}" for n in range(6)]
    groups = [
        tuple(Pair(before, text, (("same", float(before == text)),)) for text in (before, texts[at - 3]))
        for at, before in enumerate(texts)
    ]
    adapter = new_adapter("same", ("same", "unused"), encoder, seed, rank=4, matching=True)
    plan = AdapterTraining(examples=240, rate=5e-3, batch=8, warm=5, before_tokens=16, text_tokens=16)
    return adapter, fit(encoder, adapter, {"texts": (1.0, groups)}, plan, seed)


@pytest.mark.slow
def test_an_adapter_learns_and_the_same_seed_gives_the_same_weights(encoder: Encoder) -> None:
    adapter, _ = taught(encoder, 0)
    logits = Reader(encoder, adapter)([(GOOD, GOOD), (GOOD, BAD), (BAD, BAD), (BAD, GOOD)])[:, 0]
    assert min(logits[0], logits[2]) > max(logits[1], logits[3])
    assert not any(tensor.requires_grad for tensor in adapter.tensors.values())
    again, _ = taught(encoder, 0)
    assert again.fingerprint == adapter.fingerprint
