"""Decoding for architectures whose attention cannot be handed in: the model's own cache, repeated for each draft.

Decoders such as BLOOM or GPT-J, encoder-decoders such as T5. Speaks tokens; knows nothing of text.
"""

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dialogue.models.checkpoints.plan import REPEATED
from dialogue.models.decoding import Drafting, Question, rated
from dialogue.models.decoding.choice import choose, generator

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ASKED = 1024  # tokens asked in one pass when drafts are weighed: each has the logits of a whole vocabulary


class Plain:
    """The decoder of any causal or encoder-decoder model: one prefill per request, nothing kept between turns."""

    def __init__(self, model: "PreTrainedModel") -> None:
        self._model: Any = model
        self._encoded = bool(model.config.is_encoder_decoder)

    def sample(self, ids: Sequence[int], drafting: Drafting) -> Iterator[list[tuple[list[int], bool]]]:
        """Yield the drafts finished at each step, as tokens and whether they ended by themselves."""
        with torch.inference_mode():
            chance = generator(drafting.sampling.seed, self._model.device)
            drafting.tokens["prompt"] += len(ids)
            drafting.tokens["encoded"] += len(ids)
            logits, state = self._read(ids)
            logits = drafting.allowed(logits, [[]])
            rows = [[token] for token in choose(logits, drafting.sampling, chance, times=drafting.n)]
            state = _repeated(state, drafting.n)
        while True:
            ended = {n: how for n, row in enumerate(rows) if (how := drafting.ended(row)) is not None}
            drafting.tokens["sampled"] += sum(len(rows[n]) for n in ended)
            yield [(drafting.said(rows[n]), how) for n, how in ended.items()]
            staying = [n for n in range(len(rows)) if n not in ended]
            rows = [rows[n] for n in staying]
            if not rows:
                return
            with torch.inference_mode():
                if ended:
                    _select(state, staying)
                logits = self._next([[row[-1]] for row in rows], state)[:, -1]
                drafting.tokens["encoded"] += len(rows)
                logits = drafting.allowed(logits, rows)
                for row, token in zip(rows, choose(logits, drafting.sampling, chance), strict=True):
                    row.append(token)

    def weigh(
        self, ids: Sequence[int], drafts: Sequence[Sequence[int]], questions: Sequence[Question], tokens: Counter[str]
    ) -> list[list[float]]:
        """Return the probability of each question's wanted answer after each draft; the prompt is read once."""
        with torch.inference_mode():
            _, read = self._read(ids)
            tokens["encoded"] += len(ids)
            pairs = [(draft, question) for draft in drafts for question in questions]
            found: list[float] = []
            size = ASKED // max((len(draft) + len(question.ids) for draft, question in pairs), default=1)
            size = max(1, min(size, REPEATED))
            for first in range(0, len(pairs), size):
                part = pairs[first : first + size]
                rows = [[*draft, *question.ids] for draft, question in part]
                new = sum(map(len, rows))
                tokens.update(asked=new, encoded=new)
                width = max(map(len, rows))
                padded = [[*row, *[0] * (width - len(row))] for row in rows]
                state = _repeated(copy.deepcopy(read), len(rows))
                last = torch.tensor([len(row) - 1 for row in rows], device=self._model.device)
                logits = self._next(padded, state)[torch.arange(len(rows)), last]
                found += [rated(logits[n][None, None], [question])[0][0] for n, (_, question) in enumerate(part)]
        width = len(questions)
        return [found[n * width : (n + 1) * width] for n in range(len(drafts))]

    def _read(self, ids: Sequence[int]) -> tuple[Tensor, dict[str, Any]]:
        """Return logits (1, vocabulary) after the prompt, and the state that goes on from it."""
        given = torch.tensor([list(ids)], device=self._model.device)
        if self._encoded:
            encoded = self._model.get_encoder()(input_ids=given)
            start = self._model.config.decoder_start_token_id
            first = torch.tensor([[start if start is not None else self._model.config.pad_token_id or 0]])
            out = self._model(encoder_outputs=encoded, decoder_input_ids=first.to(given.device), use_cache=True)
            return out.logits[:, -1], {"cache": out.past_key_values, "encoded": encoded, "length": 1}
        out = self._model(input_ids=given, use_cache=True)
        return out.logits[:, -1], {"cache": out.past_key_values, "encoded": None, "length": len(ids)}

    def _next(self, rows: Sequence[Sequence[int]], state: dict[str, Any]) -> Tensor:
        """Return logits (rows, new, vocabulary) after feeding tokens that continue the state."""
        new = torch.tensor(rows, device=self._model.device)
        given: dict[str, Any] = {"past_key_values": state["cache"], "use_cache": True}
        if self._encoded:
            given |= {"decoder_input_ids": new, "encoder_outputs": state["encoded"]}
        else:
            given |= {"input_ids": new, "attention_mask": new.new_ones(len(new), state["length"] + new.shape[1])}
        out = self._model(**given)
        state |= {"cache": out.past_key_values, "length": state["length"] + new.shape[1]}
        logits: Tensor = out.logits
        return logits


def _repeated(state: dict[str, Any], times: int) -> dict[str, Any]:
    state["cache"].batch_repeat_interleave(times)
    if state["encoded"] is not None:
        hidden = state["encoded"].last_hidden_state.expand(times, -1, -1)
        state["encoded"] = type(state["encoded"])(last_hidden_state=hidden)
    return state


def _select(state: dict[str, Any], staying: Sequence[int]) -> None:
    places = torch.tensor(staying)
    state["cache"].batch_select_indices(places)
    if state["encoded"] is not None:
        state["encoded"] = type(state["encoded"])(last_hidden_state=state["encoded"].last_hidden_state[places])
