"""A language model on this machine, through transformers: drafts from one prefill, attributes weighed over it.

Between text and tokens: prompts are fitted to the window, tokens made into drafts.
"""

import time
from bisect import bisect_left
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dialogue.models.checkpoints import load_checkpoint, memory_errors
from dialogue.models.checkpoints.plan import MemoryPlan, Needs, window
from dialogue.models.decoding import Decoder, Drafting, Question, common
from dialogue.models.drafts import clean
from dialogue.models.formats import Asked, Chat, Continued, Format, fine_tuned
from dialogue.models.small import Small, sized
from dialogue.prompts import shortened
from dialogue.types import Attribute, Context, ModelError, Sampling, Step
from retrieval.text import each

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

NARROWEST = 32  # tokens kept for the prompt however long a reply is asked for
REMEMBERED = 64  # prompts whose tokens and drafts are known again when they are weighed
LEFT_OUT = "left out to fit"
BEAT = 0.2  # seconds between two steps of progress
TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|end_of_turn|>", "</s>")

_Prompt = tuple[list[int], dict[str, list[int]]]  # its tokens, and the tokens of the drafts written after it


class Local:
    """A LanguageModel over a transformers model and its tokenizer. Thread-safe.

    `plan` bounds its window and its caches; `preamble` begins every prompt. `small` says that it takes one plain
    request at a time: no look-ups, no list of complaints.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        name: str,
        fingerprint: str,
        form: Format | None = None,
        plan: MemoryPlan | None = None,
        preamble: str = "",
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.small = isinstance(form, Small)
        self.window = plan.window if plan else window(model.config, tokenizer.model_max_length)
        self._tokenizer = tokenizer
        self._form: Format = form or (Chat(tokenizer) if tokenizer.chat_template else Continued())
        self._ends = turn_ends(model, tokenizer)
        self._preamble = f"{preamble} " if preamble else ""
        self._decoder = _decoder(model, plan)
        self._prompts: OrderedDict[Context, _Prompt] = OrderedDict()

    def sample(self, context: Context, sampling: Sampling) -> Iterator[Step | str]:
        """Yield up to `sampling.n` drafts as they are finished, and progress; empty drafts are left out.

        Temperature 0 gives the one greedy draft. The same seed gives the same drafts after the same
        conversation, whatever other threads do. What does not fit is noted in the context's working. Raises
        ModelError when the question does not fit or memory runs out.
        """
        if not self._form.prompt(context):
            return  # such a model had better say nothing to this
        ids, note = self.fit(context, sampling.max_new_tokens)
        if note:
            _note(context, note)
        drafts_as_tokens = self._remember(context, ids)
        room = max(1, min(sampling.max_new_tokens, self.window - len(ids)))
        stopped = self._stopped if self._form.stops else None
        counted = Counter[str]()
        unwanted = tuple(tuple(self._tokens(text)) for text in self._form.unwanted)
        drafting = Drafting(replace(sampling, max_new_tokens=room), self._ends, stopped, counted, unwanted)
        beat, done = time.monotonic(), 0
        try:
            with memory_errors(self.name, "fewer candidates, a shorter reply or a smaller model"):
                for finished in self._decoder.sample(ids, drafting):
                    for row, ended in finished:
                        done += 1
                        if draft := self._draft(row, ended, drafts_as_tokens):
                            yield draft
                    if time.monotonic() - beat > BEAT:
                        beat = time.monotonic()
                        yield Step("sample", f"{done} of {drafting.n} drafts finished")
        finally:
            context.working.tokens.update(counted)

    def weigh(self, context: Context, drafts: Sequence[str], attributes: Sequence[Attribute]) -> list[list[float]]:
        """Return P(desired rating | context, draft, attribute), one row per draft.

        The prompt and the drafts that were sampled after it are not read again. Raises ModelError when the
        question does not fit or memory runs out.
        """
        drafts = each(drafts)
        if not drafts or not attributes:
            return [[] for _ in drafts]
        ids, drafts_as_tokens = self._prompts.get(context) or (self.fit(context, Sampling().max_new_tokens)[0], {})
        rows = [drafts_as_tokens.get(draft) or self._tokens(self._form.reply(draft)) for draft in drafts]
        questions = [self._question(self._form.asked(attribute)) for attribute in attributes]
        longest = max(map(len, rows)) + max(len(question.ids) for question in questions)
        if len(ids) + longest > self.window:  # the longest draft fills what was left for it: the prompt gives way
            ids, _ = self.fit(context, longest)
        if (needed := len(ids) + longest) > self.window:
            raise ModelError(
                f"weighing a draft takes {needed} tokens, {self.name!r} reads {self.window}: shorten the conversation"
            )
        with memory_errors(self.name, "fewer candidates or a smaller model"):
            return self._decoder.weigh(ids, rows, questions, context.working.tokens)

    def fit(self, context: Context, max_new_tokens: int) -> tuple[list[int], str]:
        """Return the prompt's tokens within the window and a note of what was left out ("": nothing).

        The oldest turns go first, then the last (weakest) passages; the question and the system turns stay.
        """
        room = self.window - min(max_new_tokens, max(self.window - NARROWEST, self.window // 2))
        old = sum(turn.role != "system" for turn in context.turns[:-1])
        most = old + len(context.evidence)
        prompts: dict[int, list[int]] = {}

        def fits(dropped: int) -> bool:
            text = self._preamble + self._form.prompt(shortened(context, dropped))
            prompts[dropped] = self._tokens(text, self._form.special)
            return len(prompts[dropped]) <= room

        dropped = 0 if fits(0) else bisect_left(range(most + 1), True, lo=1, key=fits)
        if dropped > most:
            raise ModelError(
                f"question and instructions take {len(prompts[most])} tokens, {self.name!r} reads {room}: "
                "ask a shorter question, lower max_new_tokens, or use a model with a longer context"
            )
        turns, passages = min(dropped, old), max(dropped - old, 0)
        lost = f"{LEFT_OUT} {room} tokens: {turns} oldest turns, {passages} last passages"
        return prompts[dropped], lost if dropped else ""

    def _remember(self, context: Context, ids: list[int]) -> dict[str, list[int]]:
        """Remember the tokens of a prompt; return where those of its drafts are written down."""
        _, drafts_as_tokens = self._prompts.pop(context, (ids, {}))
        self._prompts[context] = (ids, drafts_as_tokens)
        while len(self._prompts) > REMEMBERED:
            self._prompts.popitem(last=False)
        return drafts_as_tokens

    def _draft(self, row: list[int], ended: bool, drafts_as_tokens: dict[str, list[int]]) -> str:
        """Return the draft in a row of tokens, noting which of these it is made of."""
        text = self._text(row)
        draft = clean(text, finished=ended)
        if draft and text.lstrip().startswith(draft):
            wanted = len(text) - len(text.lstrip()) + len(draft)
            length = bisect_left(range(len(row)), wanted, lo=1, key=lambda n: len(self._text(row[:n])))
            if self._text(row[:length]).strip() == draft:
                drafts_as_tokens[draft] = row[:length]
        return draft

    def _stopped(self, row: Sequence[int]) -> bool:
        end = self._text(row[-8:])
        return any(stop in end for stop in self._form.stops)

    def _question(self, asked: Asked) -> Question:
        """Return the tokens of a question; answers are told apart by the first token in which they differ."""
        wanted = [self._tokens(asked.text + answer) for answer in asked.wanted]
        other = [self._tokens(asked.text + answer) for answer in asked.other]
        shared = common(*wanted, *other)
        ids = wanted[0][:shared]
        firsts = [{row[shared] for row in rows if len(row) > shared} for rows in (wanted, other)]
        both = firsts[0] & firsts[1]
        if not ids or not firsts[0] - both or not firsts[1] - both:
            raise ModelError(f"{self.name!r} has no different first tokens for {asked.wanted} and {asked.other}")
        return Question(tuple(ids), tuple(firsts[0] - both), tuple(firsts[1] - both))

    def _text(self, row: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(list(row), skip_special_tokens=True)
        return text

    def _tokens(self, text: str, special: bool = False) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"]
        if special and ids and ids[-1] in self._ends:  # some tokenizers close every text
            ids = ids[:-1]
        return ids


def load_local(name: str, device: str = "auto", needs: Needs | None = None, by_size: bool = False) -> Local:
    """Load the model in folder `name`, a GGUF file, or the hub's model of that name, on a GPU where there is one.

    Its prompts are those that it was fine-tuned on, else `by_size` those of small models, where it is one. Raises
    ModelError with what to do when it cannot be loaded, or when the memory for what it `needs` is not there.
    """
    found = load_checkpoint(name, device, needs)
    form: Format | None = fine_tuned(Path(name).expanduser())
    if form is None and by_size:
        form = sized(found.model, found.tokenizer)
    return Local(found.model, found.tokenizer, found.name, found.fingerprint, form, found.plan, found.preamble)


def _decoder(model: "PreTrainedModel", plan: MemoryPlan | None) -> Decoder:
    """Return the engine for models whose attention can be handed in, else the plain decoder.

    Raises ModelError where memory was planned for the one and is too little for the other.
    """
    from dialogue.models.decoding.engine import KEPT, Engine
    from dialogue.models.decoding.packed import pack
    from dialogue.models.decoding.plain import Plain
    from dialogue.models.decoding.shared_prompt import takes_shared_prompt
    from retrieval.encoder.layers import round_products

    round_products(model)
    if not takes_shared_prompt(model):
        copied = replace(plan, shared=False) if plan else None
        if copied and not copied.fits:
            raise ModelError(f"the model does not fit into memory: {copied.describe()}; {copied.advice()}")
        return Plain(model)
    if plan is None:
        pack(model, 0)
        return Engine(model)
    pack(model, (plan.free - plan.need - KEPT) // 2)
    running = max(plan.caches - KEPT, plan.prompt + plan.drafts)
    return Engine(model, running, min(KEPT, plan.free - plan.need), at_once=plan.at_once)


def _note(context: Context, note: str) -> None:
    """Note what was left out of a prompt; of several prompts of a turn the last counts."""
    notes = context.working.notes
    notes[:] = [other for other in notes if not other.startswith(LEFT_OUT)] + [note]


def turn_ends(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", marks: Sequence[str] = TURN_ENDS
) -> frozenset[int]:
    """Return the tokens that end a reply: the model's own and those of the `marks` that the tokenizer knows."""
    own = model.generation_config.eos_token_id if model.generation_config is not None else None
    vocabulary = tokenizer.get_added_vocab()
    found = [*(own if isinstance(own, list) else [own]), tokenizer.eos_token_id, *map(vocabulary.get, marks)]
    return frozenset(token for token in found if token is not None)
