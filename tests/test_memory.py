"""What a process holds on to stays bounded, however many different texts it has read."""

import copy
import ctypes
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from dialogue.models.checkpoints.plan import Needs
from dialogue.models.decoding import Drafting
from dialogue.models.local import load_local
from dialogue.types import Sampling
from retrieval.encoder import embed
from retrieval.encoder.adapters import Reader, new_adapter
from retrieval.encoder.embed import Encoder
from retrieval.encoder.layers import round_up, rounded

PRODUCTS = (torch.ops.aten.linear.default, torch.ops.aten.addmm.default, torch.ops.aten.mm.default)
SIZES = 4 * 7  # four in each doubling, from 8 rows to 1,024


class Products(TorchDispatchMode):
    """Notes the shapes that are multiplied in bfloat16: oneDNN keeps half a megabyte for each."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[tuple[int, ...], ...]] = set()

    def __torch_dispatch__(
        self, func: object, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        assert callable(func)
        if func in PRODUCTS:
            first, second = [arg for arg in args if isinstance(arg, torch.Tensor) and arg.dim() > 1][:2]
            if first.dtype == torch.bfloat16:
                self.seen.add((tuple(first.flatten(0, -2).shape), tuple(second.shape)))
        return func(*args, **kwargs or {})


@pytest.fixture
def narrow(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> Encoder:
    """The packaged encoder as it computes on a processor that multiplies bfloat16."""
    monkeypatch.setattr(embed, "fast_bfloat16", lambda device: True)
    return Encoder(copy.deepcopy(encoder._model), encoder._tokenizer, "narrow")


def text_of(words: int) -> str:
    return " ".join(random.Random(words).choices("whale krill moon rust ring ice gold salt tea owl".split(), k=words))


@given(st.integers(0, 100_000))
def test_rows_are_rounded_to_four_numbers_in_each_doubling(rows: int) -> None:
    assert rows <= round_up(rows) <= rows * 1.25
    assert round_up(round_up(rows)) == round_up(rows)
    assert bin(round_up(rows)).rstrip("0").count("1") <= 3
    assert len({round_up(other) for other in range(1025)} - set(range(9))) == SIZES


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(0, 24), (1, 24), (13, 24), (3, 7, 24), (2, 0, 24)])
def test_a_product_in_a_round_size_is_the_product(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    chance = torch.Generator().manual_seed(0)
    states, weight, bias = (torch.randn(size, generator=chance).to(dtype) for size in (shape, (40, 24), (40,)))
    for added in (bias, None):
        wanted = torch.nn.functional.linear(states, weight, added)
        found = rounded(states, weight, added)
        assert found.shape == wanted.shape
        assert torch.allclose(found.float(), wanted.float(), atol=0.1 if dtype == torch.bfloat16 else 1e-6)


@pytest.mark.slow
def test_texts_of_many_lengths_are_multiplied_in_few_sizes(narrow: Encoder) -> None:
    reader = Reader(narrow, new_adapter("try", ["yes"], narrow, 0))
    with Products() as products:
        for words in range(2, 110, 9):
            narrow.encode([text_of(words)])
            reader([(text_of(words), text_of(words // 2))])
    assert narrow.dtype == torch.bfloat16
    rows = {shapes[0][0] for shapes in products.seen}
    assert rows <= {round_up(number) for number in range(1025)}
    assert len(products.seen) <= 4 * len(rows)  # of queries, keys and values, attended, wide, narrow


@pytest.mark.slow
def test_other_lengths_take_no_more_memory(narrow: Encoder) -> None:
    for words in range(20, 120, 4):
        narrow.encode([text_of(words)])
    before = allocated()
    for words in range(22, 118, 4):
        narrow.encode([text_of(words)])
    assert allocated() - before < 8 * 2**20


def test_a_language_model_in_bfloat16_multiplies_prompts_in_few_sizes(tmp_path: Path) -> None:
    model = load_local(str(tiny_models.save(tmp_path / "llama", "llama", window=256)), "cpu", Needs(dtype="bfloat16"))
    with Products() as products:
        for length in range(3, 120, 4):  # each begins otherwise, so that nothing is remembered
            for _ in model._decoder.sample(
                [length, *[5] * length], Drafting(Sampling(n=2, max_new_tokens=2), frozenset())
            ):
                pass
    rows = {shapes[0][0] for shapes in products.seen}
    assert max(rows) > 100
    assert rows <= {round_up(number) for number in range(256)}


def test_token_vectors_are_kept_up_to_a_number_of_bytes(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "CACHED", 300_000)
    small = Encoder(encoder._model, encoder._tokenizer, "small")
    for words in range(1, 60):
        texts = [text_of(words), text_of(words + 1)]
        [(vectors, _), _] = small.encode_tokens(texts)
        assert small.encode_tokens(texts)[0][0] is vectors
        assert held(small) == small._cached <= 300_000
    longest = " ".join(map(text_of, range(200)))
    monkeypatch.setattr(embed, "CACHED", 1_000)
    assert len(small.encode_tokens([longest])[0][0]) == small.max_tokens - 2
    assert small._cached == held(small) == 0


def test_token_vectors_are_counted_once_when_threads_ask_at_once(encoder: Encoder) -> None:
    shared = Encoder(encoder._model, encoder._tokenizer, "shared")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda place: shared.encode_tokens(["a whale", text_of(1 + place % 3)]), range(24)))
    assert shared._cached == held(shared) > 0


def held(encoder: Encoder) -> int:
    return sum(len(text) + vectors.nbytes + spans.nbytes for text, (vectors, spans) in encoder._cache.items())


def allocated() -> int:
    """Bytes that malloc has given out and not got back."""

    class Figures(ctypes.Structure):
        _fields_ = [
            (name, ctypes.c_size_t)
            for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
        ]

    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        pytest.skip("this C library does not tell what it has given out")
    libc.mallinfo2.restype = Figures
    figures = libc.mallinfo2()
    return int(figures.uordblks + figures.hblkhd)
