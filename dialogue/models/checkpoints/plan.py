"""How much memory a checkpoint will need, by part: worked out from its configuration, before anything is loaded.

Knows nothing of files or of how much memory there is. All sizes are bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from transformers import PretrainedConfig

WINDOW: Final = 2048  # tokens, where a checkpoint does not say
JUDGES: Final = 300 * 2**20  # encoder, heads and their batches; 0.1 GiB measured on a CPU, more on a GPU
CHUNK: Final = 512  # tokens that pass through the layers at once
ASKED: Final = 160  # tokens per draft while its attributes are weighed
REPEATED: Final = 8  # copies of a prompt's cache while drafts are weighed, where they cannot share it
SMALLEST: Final = 512  # tokens: below this no prompt of a turn fits


@dataclass(frozen=True, slots=True)
class Needs:
    """What is asked of a model: a window of `context` tokens at most (0: its own), and how many drafts how long.

    `dtype` is "auto" (bfloat16 where it is computed natively, else float32), "float32" or "bfloat16".
    """

    context: int = 8192
    candidates: int = 8
    new_tokens: int = 160
    dtype: str = "auto"


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """What a loaded model takes. `token` is the cache of one token over all layers.

    The prompt's cache is held once where drafts share it (`shared`), else once for each draft. `layer` is the
    widest layer's activations per token, `scores` the attention scores per pair of tokens, `logits` one row over
    the vocabulary, `head` a second layout of the output matrix.
    """

    weights: int
    token: int
    window: int
    candidates: int
    new_tokens: int
    free: int
    parameter: float  # bytes of one weight
    shared: bool = True
    layer: int = 0
    scores: int = 0
    logits: int = 0
    head: int = 0

    @property
    def prompt(self) -> int:
        """The cache of a prompt that fills the window."""
        return self.token * self.window * (1 if self.shared else 1 + max(self.candidates, REPEATED))

    @property
    def drafts(self) -> int:
        """The caches of all drafts, while they are written and kept to be weighed."""
        return 2 * self.token * self.new_tokens * self.candidates

    @property
    def at_once(self) -> int:
        """The tokens that pass through the layers at once while drafts are weighed."""
        return max(min(CHUNK, self.window), ASKED * self.candidates)

    @property
    def work(self) -> int:
        """The largest of what is held only for a moment: reading a chunk, weighing, choosing tokens."""
        tokens = self.at_once if self.shared else max(self.at_once, self.window)  # read in one piece
        return tokens * (self.layer + self.scores * self.window) + self.logits * max(self.candidates, 1)

    @property
    def need(self) -> int:
        """Everything, the judges included."""
        return self.weights + self.head + self.prompt + self.drafts + self.work + JUDGES

    @property
    def fits(self) -> bool:
        """Whether it is there."""
        return self.need <= self.free

    @property
    def caches(self) -> int:
        """What is left for the caches of all conversations together, once weights and work have theirs."""
        return max(self.free - self.weights - self.head - self.work - JUDGES, 0)

    def most_candidates(self) -> int:
        """The most candidates that fit with all else as it is, 0 when not even one does."""
        return _most(lambda n: replace(self, candidates=n).fits, self.candidates)

    def most_tokens(self) -> int:
        """The largest window that fits with all else as it is, 0 when not even one token does."""
        return _most(lambda tokens: replace(self, window=tokens).fits, self.window)

    def describe(self) -> str:
        """Return the parts in GiB, in one line."""
        copies = "" if self.shared else ", a copy for each draft,"
        parts = (
            f"weights {gib(self.weights + self.head)}",
            f"a prompt of {self.window} tokens{copies} {gib(self.prompt)}",
            f"{self.candidates} drafts of {self.new_tokens} tokens {gib(self.drafts)}",
            f"work {gib(self.work)}",
            f"judges {gib(JUDGES)}",
        )
        return f"{gib(self.need)} GiB needed ({', '.join(parts)}), {gib(self.free)} GiB free"

    def advice(self) -> str:
        """Say what would fit where this does not."""
        fewer, shorter = self.most_candidates(), self.most_tokens()
        ways = [f"candidates = {fewer}"] if fewer else []
        ways += [f"context = {shorter}"] if shorter >= min(SMALLEST, self.window) else []
        if not ways:
            least = replace(self, candidates=1, window=min(SMALLEST, self.window))
            if least.fits:
                return f"set candidates = 1 and context = {least.most_tokens_from(self.window)}"
            room = max(self.free - (least.need - self.weights), 0)
            if room < 10**8:
                return (
                    f"free memory, or take a machine with more: {gib(least.need - self.weights)} GiB go beside a model"
                )
            sizes = ", ".join(f"{room / size / 1e9:.1f} in {name}" for name, size in (("bfloat16", 2), ("int8", 1)))
            return f"take a model of fewer parameters (in billions: {sizes}), or a machine with more memory"
        return f"set {' or '.join(ways)}"

    def most_tokens_from(self, most: int) -> int:
        """The largest window up to `most` that fits."""
        return replace(self, window=most).most_tokens()


def planned(
    config: "PretrainedConfig", weights: int, needs: Needs, window: int, free: int, parameter: float = 2
) -> MemoryPlan:
    """Work out the plan of a configuration whose weights take `weights` bytes, at a `window` of tokens."""
    text = config.get_text_config()
    layers = _first(text, "num_decoder_layers", "num_hidden_layers", "num_layers") or 1
    heads = _first(text, "num_attention_heads", "num_heads") or 1
    hidden = _first(text, "hidden_size", "d_model") or 1
    size = _first(text, "head_dim", "d_kv") or hidden // heads
    groups = _groups(text, heads)
    number = 4 if parameter == 4 else 2  # caches and activations are never narrower than 16 bits
    both = groups * ((_first(text, "qk_head_dim") or size) + (_first(text, "v_head_dim") or size))
    inner = _first(text, "intermediate_size", "ffn_dim", "d_ff", "dff", "n_inner", "ffn_hidden_size") or 4 * hidden
    inner *= _first(text, "num_experts_per_tok") or 1
    shared, weighed = _attention(config)
    return MemoryPlan(
        weights,
        layers * both * number,
        window,
        needs.candidates,
        needs.new_tokens,
        free,
        parameter,
        shared,
        layer=number * (6 * hidden + 3 * inner + 2 * heads * size),
        scores=heads * (2 * number + 4) if weighed else 0,
        logits=(_first(text, "vocab_size") or 1) * (number + 8),
        head=hidden * _first(text, "vocab_size") * 4 if parameter == 4 else 0,  # laid out again on a CPU
    )


def window(config: "PretrainedConfig", longest: int) -> int:
    """Return the tokens a model reads: what its configuration and its tokenizer (`longest`) say, the smaller.

    Where positions are relative the configuration says nothing, and a tokenizer's limit, such as the 512 of T5, was
    a habit of training rather than a bound: then it is WINDOW.
    """
    text = config.get_text_config()
    stated = [getattr(text, key, None) for key in ("max_position_embeddings", "n_positions", "max_seq_len")]
    limits = [limit for limit in stated if isinstance(limit, int) and 0 < limit < 10**9]
    return min(*limits, max(longest, 1)) if limits else WINDOW


def gib(size: float) -> str:
    """Return bytes as GiB, short."""
    return f"{size / 2**30:.2f}" if size < 10 * 2**30 else f"{size / 2**30:.0f}"


def _most(fits: Callable[[int], bool], most: int) -> int:
    """Return the largest number up to `most` that fits, all smaller ones fitting too; 0 for none."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _first(config: object, *names: str) -> int:
    found = (getattr(config, name, None) for name in names)
    return next((value for value in found if isinstance(value, int) and not isinstance(value, bool)), 0)


def _groups(config: object, heads: int) -> int:
    """Return the heads whose keys and values are kept."""
    if getattr(config, "new_decoder_architecture", False):  # Falcon 40B repeats them before it keeps them
        return heads
    if getattr(config, "multi_query", False):
        return 1
    return _first(config, "num_key_value_heads", "num_kv_heads") or heads


def _attention(config: "PretrainedConfig") -> tuple[bool, bool]:
    """Say whether drafts share the prompt's cache, and whether attention scores are held whole."""
    from transformers import AutoModelForCausalLM

    known = AutoModelForCausalLM._model_mapping.get(type(config), None)
    shared = bool(getattr(known, "_supports_attention_backend", False))
    return shared, shared or not getattr(known, "_supports_sdpa", False)
