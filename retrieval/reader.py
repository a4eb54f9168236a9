"""The reader: a question and a passage, read together by a cross-encoder, to where the answer stands and whether it
does.

Six layers of MiniLM, trained on reading comprehension, over the word embeddings of the packaged encoder, which are
shared. One pass gives for every token of the passage how likely an answer begins or ends there, and for the passage how
likely it answers and how relevant it is. The first token stands for "no answer here" (Devlin et al. 2019).
"""

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention

from retrieval.encoder.embed import Encoder, within
from retrieval.encoder.layers import Linear, product
from retrieval.reading import Page, Reading
from retrieval.types import RetrievalError
from retrieval.weights import SHIPPED, Shipped, read_weights
from retrieval.weights import WEIGHTS as FOLDER

WEIGHTS = FOLDER / "reader.safetensors"
FORMAT = "candor-reader-1"
QUESTION_TOKENS = 64
TOKENS = 288  # of question, titles and passage together
BATCH = 2048  # tokens read at once, padding included
KEPT = 256  # readings that are kept, about 2 kB each
EPSILON = 1e-12  # of BERT's layer norms
HEADS = 12
OUTPUTS = ("answers", "relevant")

Weights = dict[str, Tensor]
Products = Mapping[str, Linear]


def initial(encoder: Encoder, seed: int = 0) -> Weights:
    """Return the weights that training begins with: the layers of the encoder, and heads that say nothing yet."""
    chance = torch.Generator().manual_seed(seed)
    weights = {name: weight.detach().float().cpu().clone() for name, weight in _layers(encoder).items()}
    for name, shape in _heads(encoder).items():
        blank = len(shape) == 1 or name == "sides"
        weights[name] = torch.zeros(shape) if blank else torch.randn(shape, generator=chance) * 0.02
    return weights


def _layers(encoder: Encoder) -> Weights:
    """The weights of the encoder's own layers, by their names here; shared, not copied."""
    return {
        f"{place}.{name}.{kind}": getattr(part, kind)
        for place, layer in enumerate(encoder.upper(0))
        for name, part in _parts(layer).items()
        for kind in ("weight", "bias")
    }


def _heads(encoder: Encoder) -> dict[str, tuple[int, ...]]:
    """The shapes of what is added to the layers."""
    wide = encoder.dimension
    return {
        "sides": (2, wide),
        "span.weight": (2, wide),
        "span.bias": (2,),
        "pool.weight": (wide, wide),
        "pool.bias": (wide,),
        "passage.weight": (len(OUTPUTS), wide),
        "passage.bias": (len(OUTPUTS),),
    }


def _parts(layer: Any) -> dict[str, Any]:  # noqa: ANN401, a layer of transformers' BERT
    own, attended = layer.attention.self, layer.attention.output
    return {
        "query": own.query,
        "key": own.key,
        "value": own.value,
        "attended": attended.dense,
        "attended_norm": attended.LayerNorm,
        "wide": layer.intermediate.dense,
        "narrow": layer.output.dense,
        "norm": layer.output.LayerNorm,
    }


def forward(
    weights: Weights, products: Products, embedded: Tensor, sides: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor]:
    """Return (rows, tokens, 2) logits of an answer's ends, and (rows, 2) of OUTPUTS, in float32.

    `embedded` (rows, tokens, dimension) are the encoder's embeddings, `sides` (rows, tokens) is 1 after the question,
    `mask` (rows, tokens) is true where there is a token. `products` multiplies by the matrices of `weights`, by name.
    """
    states = embedded + weights["sides"][sides]
    unseen = None
    if not bool(mask.all()):
        unseen = torch.zeros(mask.shape, dtype=states.dtype, device=states.device)
        unseen = unseen.masked_fill(~mask, -torch.inf)[:, None, None]
    for place in range(sum(name.endswith(".query.weight") for name in weights)):
        states = _layer(str(place), weights, products, states, unseen)
    pooled = torch.tanh(products["pool"](states[:, 0].contiguous()))
    return products["span"](states).float(), products["passage"](pooled).float()


def products_of(weights: Weights, product: Callable[[Tensor, Tensor], Linear]) -> Products:
    """Return by name what `product` makes of every matrix of `weights` and its bias."""
    names = [
        name.removesuffix(".weight") for name, weight in weights.items() if name.endswith("weight") and weight.ndim == 2
    ]
    return {name: product(weights[f"{name}.weight"], weights[f"{name}.bias"]) for name in names}


def _layer(place: str, weights: Weights, products: Products, states: Tensor, unseen: Tensor | None) -> Tensor:
    """One layer of BERT (Devlin et al. 2019)."""

    def normed(name: str, x: Tensor) -> Tensor:
        return layer_norm(x, x.shape[-1:], weights[f"{place}.{name}.weight"], weights[f"{place}.{name}.bias"], EPSILON)

    query, key, value = (
        products[f"{place}.{name}"](states).view(*states.shape[:2], HEADS, -1).transpose(1, 2)
        for name in ("query", "key", "value")
    )
    attended = scaled_dot_product_attention(query, key, value, attn_mask=unseen).transpose(1, 2).flatten(2)
    states = normed("attended_norm", products[f"{place}.attended"](attended) + states)
    wide = gelu(products[f"{place}.wide"](states))
    return normed("norm", products[f"{place}.narrow"](wide) + states)


class PassageReader:
    """Reads passages after a question, in the arithmetic of the encoder whose embeddings it shares."""

    def __init__(self, encoder: Encoder, weights: Weights, about: dict[str, Any] | None = None) -> None:
        self.encoder, self.about = encoder, about or {}
        self._weights = {name: weight.to(encoder.device, encoder.dtype) for name, weight in weights.items()}
        digest = hashlib.sha256()
        for name in sorted(weights):
            digest.update(weights[name].detach().cpu().half().numpy().tobytes())
        digest.update(json.dumps(self.about, sort_keys=True).encode())
        self._products = products_of(self._weights, product)
        self._kept: dict[tuple[str, Page], Reading] = {}  # oldest use first
        self._lock = threading.Lock()
        self.fingerprint = f"reader/{digest.hexdigest()[:12]}"

    def read(self, question: str, pages: Sequence[Page]) -> list[Reading]:
        """Return what is made of each page, in order.

        The last KEPT readings are kept: the parts of a turn share them.
        """
        with self._lock:
            known = {page: self._kept.pop((question, page)) for page in set(pages) if (question, page) in self._kept}
        missing = [page for page in dict.fromkeys(pages) if page not in known]
        known |= dict(zip(missing, self._fresh(question, missing), strict=True))
        with self._lock:
            self._kept |= {(question, page): reading for page, reading in known.items()}
            while len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]
        return [known[page] for page in pages]

    @torch.inference_mode()
    def _fresh(self, question: str, pages: Sequence[Page]) -> list[Reading]:
        tokens = [encoded(self.encoder, question, page) for page in pages]
        lengths = [len(each.ids) for each in tokens]
        order = sorted(range(len(pages)), key=lengths.__getitem__)
        found: dict[int, Reading] = {}
        for rows in within(BATCH, order, lengths):
            found |= self._read(rows, tokens)
        return [found[row] for row in range(len(pages))]

    def _read(self, rows: Sequence[int], tokens: Sequence["Tokens"]) -> dict[int, Reading]:
        ids, sides, mask = padded([tokens[row] for row in rows])
        embedded, device = self.encoder.embed(ids), self.encoder.device
        logits, outputs = forward(self._weights, self._products, embedded, sides.to(device), mask.to(device))
        ends, answers = logits.cpu().numpy(), outputs.cpu().numpy()
        found = {}
        for place, row in enumerate(rows):
            here = tokens[row]
            own = ends[place, here.first : here.first + len(here.spans)] - ends[place, 0]
            found[row] = Reading(here.spans, own[:, 0], own[:, 1], *map(float, answers[place]))
        return found


@dataclass(frozen=True, eq=False, slots=True)
class Tokens:
    """A pair as it is read: `ids` and `sides` (tokens), and the spans (text tokens, 2) of the text from `first` on."""

    ids: list[int]
    sides: list[int]
    first: int
    spans: NDArray[np.int64]


def encoded(encoder: Encoder, question: str, page: Page) -> Tokens:
    """Return the tokens of a question and a page; what is too long loses its end."""
    question_ids = encoder.pieces(question)[0][:QUESTION_TOKENS]
    title = encoder.pieces(page.title)[0][:QUESTION_TOKENS] if page.title else []
    text, spans = encoder.pieces(page.text)
    [start, end] = encoder.brackets
    room = TOKENS - len(question_ids) - len(title) - 3 - bool(title)
    text, spans = text[:room], spans[:room]
    before = [start, *question_ids, end, *title, *([end] if title else [])]
    ids = [*before, *text, end]
    sides = [0] * (len(question_ids) + 2) + [1] * (len(ids) - len(question_ids) - 2)
    return Tokens(ids, sides, len(before), spans)


def padded(tokens: Sequence[Tokens]) -> tuple[Tensor, Tensor, Tensor]:
    """Return ids, sides and mask (rows, tokens) of pairs, padded to the longest."""
    longest = max(len(each.ids) for each in tokens)
    ids = torch.tensor([[*each.ids, *[0] * (longest - len(each.ids))] for each in tokens])
    sides = torch.tensor([[*each.sides, *[1] * (longest - len(each.sides))] for each in tokens])
    mask = torch.arange(longest) < torch.tensor([len(each.ids) for each in tokens])[:, None]
    return ids, sides, mask


def save(weights: Weights, path: Path, about: dict[str, Any]) -> None:
    """Write weights as safetensors: matrices of the layers in int8, a scale for every output; the rest in float16."""
    stored: Weights = {}
    for name, weight in weights.items():
        whole = weight.detach().float().cpu()
        if _in_int8(name, whole):
            scale = whole.abs().amax(1).clamp(min=1e-8) / 127
            stored[name] = (whole / scale[:, None]).round().to(torch.int8).contiguous()
            stored[f"{name}.scale"] = scale.contiguous()
        else:
            stored[name] = whole.half().contiguous()
    save_file(stored, path, metadata={"format": FORMAT, "about": json.dumps(about)})


def load(path: Path, shipped: Shipped = SHIPPED) -> tuple[Weights, dict[str, Any]]:
    """Read weights written by `save`, in float32, and their model card. Raises RetrievalError, see `read_weights`."""
    stored, metadata = read_weights(path, shipped)
    if metadata.get("format") != FORMAT:
        raise RetrievalError(f"{path} is no reader of the format {FORMAT!r}: train it with: candor train judges")
    try:
        about = json.loads(metadata.get("about", ""))
    except ValueError:
        about = None
    if not isinstance(about, dict):
        raise RetrievalError(f"{path} has no card that can be read: train it with: candor train judges")
    scales = {name: stored.pop(name) for name in [name for name in stored if name.endswith(".scale")]}
    narrow = [name for name, value in stored.items() if _in_int8(name, value)]
    if {f"{name}.scale" for name in narrow} != scales.keys():
        raise RetrievalError(f"{path} lacks scales of its matrices: train it with: candor train judges")
    stored |= {name: stored[name] * scales[f"{name}.scale"][:, None] for name in narrow}
    return {name: torch.from_numpy(value) for name, value in stored.items()}, about


def _in_int8(name: str, weight: Tensor | NDArray[np.float32]) -> bool:
    return weight.ndim == 2 and name[0].isdigit()


def load_passage_reader(encoder: Encoder, path: Path = WEIGHTS) -> PassageReader:
    """Read the shipped reader, or the one at `path`, and put it on `encoder`.

    Raises RetrievalError as `load` does, and when the weights are not those of the encoder's layers.
    """
    weights, about = load(path)
    due = {name: tuple(weight.shape) for name, weight in _layers(encoder).items()} | _heads(encoder)
    if due != {name: tuple(weight.shape) for name, weight in weights.items()}:
        raise RetrievalError(f"{path} does not fit its encoder: train it with: candor train judges")
    return PassageReader(encoder, weights, about)
