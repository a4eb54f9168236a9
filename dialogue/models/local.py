"""A causal language model on this machine, through transformers: n drafts from one prefill, options weighed.

Knows nothing of judges or ranking; prompt texts come from `dialogue.prompts`, weights from
`dialogue.models.checkpoints`.
"""

import logging
import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dialogue.models.checkpoints import memory_errors, open_checkpoint
from dialogue.models.drafts import clean
from dialogue.prompts import Message, alternating, render, render_plain, shortened
from dialogue.types import Context, ModelError, Sampling

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

LOG = logging.getLogger(__name__)
WINDOW = 4096  # tokens, where a checkpoint does not say
NARROWEST = 32  # tokens kept for the prompt however long a reply is asked for
TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|end_of_turn|>", "</s>")
PLAIN_STOPS = ("\nUser:", "\nNote:")  # what `render_plain` writes before another speaker's turn

# Sampling draws from torch's one generator per process, so the calls of all models take turns.
_GENERATOR = threading.Lock()


class Local:
    """A LanguageModel over a causal transformers model and its tokenizer. Thread-safe."""

    def __init__(
        self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", name: str, fingerprint: str
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self._model = model
        self._tokenizer = tokenizer
        self.window = _window(model.config, tokenizer)
        self._ends = _turn_ends(model, tokenizer)
        self._pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else self._ends[0]

    def sample(self, context: Context, sampling: Sampling) -> list[str]:
        """Return up to `sampling.n` drafts, in the order sampled; empty ones are left out.

        Temperature 0 gives the one greedy draft. The same seed gives the same drafts for the same prompt,
        whatever other threads do. Raises ModelError when the question does not fit or memory runs out.
        """
        ids, note = self.fit(context, sampling.max_new_tokens)
        if note:
            LOG.warning("%s: %s", self.name, note)
        room = max(1, min(sampling.max_new_tokens, self.window - len(ids)))
        with memory_errors(self.name, "fewer candidates, a shorter reply or a smaller model"):
            rows = self._generate(ids, replace(sampling, max_new_tokens=room))
        drafts = []
        for row in rows:
            end = next((place for place, token in enumerate(row) if token in self._ends), len(row))
            text = self._tokenizer.decode(row[:end], skip_special_tokens=True)
            drafts.append(clean(text, finished=end < len(row)))
        return [draft for draft in drafts if draft]

    def fit(self, context: Context, max_new_tokens: int) -> tuple[list[int], str]:
        """Return the prompt's tokens within the window and a note of what was left out ("": nothing).

        The oldest turns go first, then the last (weakest) passages; the question and the system turns stay.
        """
        room = self.window - min(max_new_tokens, max(self.window - NARROWEST, self.window // 2))
        old = sum(turn.role != "system" for turn in context.turns[:-1])
        most = old + len(context.evidence)
        prompts: dict[int, list[int]] = {}

        def fits(dropped: int) -> bool:
            prompts[dropped] = self._prompt(shortened(context, dropped))
            return len(prompts[dropped]) <= room

        dropped = 0 if fits(0) else bisect_left(range(most + 1), True, lo=1, key=fits)
        if dropped > most:
            raise ModelError(
                f"question and instructions take {len(prompts[most])} tokens, {self.name!r} reads {room}: "
                "ask a shorter question, lower max_new_tokens, or use a model with a longer context"
            )
        turns, passages = min(dropped, old), max(dropped - old, 0)
        lost = f"left out to fit {room} tokens: {turns} oldest turns, {passages} last passages"
        return prompts[dropped], lost if dropped else ""

    def weigh(self, prompt: str, options: Sequence[str]) -> list[float]:
        """Return the probability of each option as the continuation of `prompt`, over the options.

        One batched forward pass. Options are compared from the first token in which any two differ, so one
        that merges with the end of the prompt is treated like the others. A prompt that does not fit loses
        its beginning. Raises ModelError for an empty prompt and for equal or empty options.
        """
        if not prompt or not options or not all(options) or len(set(options)) < len(options):
            raise ModelError(f"weigh takes a prompt and different, non-empty options; got {list(options)!r}")
        rows = [self._tokens(prompt + option) for option in options]
        if self._tokenizer.bos_token_id is not None:
            rows = [
                row if row[0] == self._tokenizer.bos_token_id else [self._tokenizer.bos_token_id, *row] for row in rows
            ]
        shared = max(_shared_prefix([*rows, rows[0]]), 1)
        shared = min(shared, min(map(len, rows)) - 1)
        if shared < 1:
            raise ModelError(f"the prompt {prompt!r} has no token before its options: write a longer one")
        excess = max(max(map(len, rows)) - self.window, 0)
        if excess >= shared:
            raise ModelError(f"the options alone do not fit the {self.window} tokens that {self.name!r} reads")
        with memory_errors(self.name, "fewer options or a smaller model"):
            return self._weigh([row[excess:] for row in rows], shared - excess)

    def _prompt(self, context: Context) -> list[int]:
        if not self._tokenizer.chat_template:
            return self._tokens(render_plain(context))
        from jinja2 import TemplateError

        messages = render(context)
        try:
            text = self._chat(messages)
        except TemplateError:  # some templates know no system role and ask for strict alternation
            text = self._chat(alternating(messages))
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _chat(self, messages: Sequence[Message]) -> str:
        text: str = self._tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        return text

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, verbose=False)["input_ids"]
        if ids and ids[-1] in self._ends:  # some tokenizers close every text
            ids = ids[:-1]
        return ids

    def _generate(self, ids: list[int], sampling: Sampling) -> list[list[int]]:
        """Return the new tokens of each draft: the prompt is read once and its cache repeated per draft."""
        import torch

        n = sampling.n if sampling.temperature > 0 else 1
        options: dict[str, Any] = {"do_sample": False}
        if sampling.temperature > 0:
            options = {
                "do_sample": True,
                "temperature": sampling.temperature,
                "top_k": sampling.top_k,
                "top_p": sampling.top_p,
            }
        if not self._tokenizer.chat_template:
            options |= {"stop_strings": list(PLAIN_STOPS), "tokenizer": self._tokenizer}
        prompt = torch.tensor([ids], device=self._model.device)
        with torch.inference_mode(), _GENERATOR, _seeded(sampling.seed):
            options |= self._prefilled(prompt, n)
            rows = self._model.generate(
                prompt.expand(n, -1),
                attention_mask=torch.ones_like(prompt).expand(n, -1),
                max_new_tokens=sampling.max_new_tokens,
                pad_token_id=self._pad,
                eos_token_id=list(self._ends),
                **options,
            )
        new: list[list[int]] = rows[:, prompt.shape[1] :].tolist()
        return new

    def _prefilled(self, prompt: "torch.Tensor", n: int) -> dict[str, Any]:
        """Return the cache of all but the last prompt token for n rows; nothing where that cannot pay."""
        from transformers import DynamicCache

        if n == 1 or prompt.shape[1] < 2:
            return {}
        read = self._model(prompt[:, :-1], use_cache=True, logits_to_keep=1)
        cache = getattr(read, "past_key_values", None)
        if not isinstance(cache, DynamicCache):  # recurrent states of other architectures cannot be repeated
            return {}
        cache.batch_repeat_interleave(n)
        return {"past_key_values": cache}

    def _weigh(self, rows: list[list[int]], shared: int) -> list[float]:
        import torch

        width = max(map(len, rows))
        ids = torch.tensor([row + [self._pad] * (width - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
        ids, mask = ids.to(self._model.device), mask.to(self._model.device)
        with torch.inference_mode():
            logits = self._model(ids, attention_mask=mask, logits_to_keep=width - shared + 1).logits
        logs = logits[:, :-1].float().log_softmax(-1).gather(2, ids[:, shared:, None])[..., 0]
        totals = (logs * mask[:, shared:]).sum(1)
        weights: list[float] = totals.double().softmax(0).tolist()
        return weights


def load_local(name: str, device: str = "auto") -> Local:
    """Load the causal model in folder `name`, or the hub's model of that name, on a GPU where there is one.

    bfloat16 on a GPU, float32 on a CPU. Raises ModelError with what to do when it cannot be loaded.
    """
    model, tokenizer, label, fingerprint = open_checkpoint(name, device)
    return Local(model, tokenizer, label, fingerprint)


def _shared_prefix(rows: Sequence[Sequence[int]]) -> int:
    shortest = min(map(len, rows))
    return next((i for i in range(shortest) if len({row[i] for row in rows}) > 1), shortest)


def _window(config: "PretrainedConfig", tokenizer: "PreTrainedTokenizerBase") -> int:
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    stated = [getattr(text, key, None) for key in ("max_position_embeddings", "n_positions")]
    limits = [limit for limit in (*stated, tokenizer.model_max_length) if isinstance(limit, int) and 0 < limit < 10**9]
    return min(limits, default=WINDOW)


def _turn_ends(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> tuple[int, ...]:
    """Return the tokens that end a reply: the model's own and the marks of common chat formats."""
    own = model.generation_config.eos_token_id
    found = [*(own if isinstance(own, list) else [own]), tokenizer.eos_token_id]
    vocabulary = tokenizer.get_added_vocab()
    found += [vocabulary.get(mark) for mark in TURN_ENDS]
    ends = tuple(dict.fromkeys(token for token in found if token is not None))
    return ends or (0,)


@contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    """Draw from a generator seeded for this call alone; without a seed, from the process's own."""
    import torch

    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
