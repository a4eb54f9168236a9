"""A model that reads pictures, through transformers: it describes them, and takes part in the conversation itself.

BLIP and BLIP-2 (Li et al. 2022, 2023), GIT, the kin of Flamingo (Alayrac et al. 2022: Idefics, SmolVLM), Gemma 3 and
every other image-text-to-text model. Prompt texts come from `dialogue.prompts`, pixels from `dialogue.pictures`.
"""

import copy
import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dialogue.models.checkpoints import load_checkpoint, memory_errors, reads_pictures
from dialogue.models.checkpoints.plan import Needs
from dialogue.models.drafts import clean
from dialogue.models.formats import Chat
from dialogue.models.local import Local, turn_ends
from dialogue.pictures import pixels
from dialogue.prompts import (
    DESCRIBE,
    Message,
    plain,
    render,
    render_plain,
    shortened,
    weighing,
    weighing_plain,
)
from dialogue.types import Attribute, Context, ModelError, Picture, Sampling, Step
from retrieval.text import each

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from transformers import BatchFeature, PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin

WORDLESS: Final = ("blip", "blip-2", "git")  # captioners that begin by themselves
ONE_PICTURE: Final = (*WORDLESS, "instructblip")  # these read exactly one, and have no place for it in a text
TOKENS: Final = 120  # of one description
MOST_SEEN: Final = 4  # pictures of a conversation, the latest, that are shown to the model itself
REMEDY: Final = "fewer candidates, a smaller picture or a smaller model"

# Sampling draws from torch's one generator per process, so the calls of all models take turns.
_GENERATOR = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Prompt:
    """What a model reads, in both forms: chat messages with the pictures of each, or one text."""

    messages: Sequence[tuple[Message, "Sequence[Image.Image]"]]
    text: str

    @property
    def images(self) -> "list[Image.Image]":
        return [image for _, images in self.messages for image in images]


@dataclass(frozen=True, slots=True)
class _Worded(Chat):
    """The chat format of a model whose template wants the parts of a message named; `marks` are taken out."""

    marks: tuple[str, ...] = ()

    def _template(self, messages: Sequence[Message]) -> str:
        named: list[Any] = [
            {**message, "content": [{"type": "text", "text": without(message["content"], self.marks)}]}
            for message in messages
        ]
        return Chat._template(self, named)


class Vision:
    """A Viewer and a LanguageModel over a transformers model and its processor. Thread-safe."""

    def __init__(self, model: "PreTrainedModel", processor: "ProcessorMixin", name: str, fingerprint: str) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self._model, self._processor, self._tokenizer = model, processor, processor.tokenizer
        self._kind = str(model.config.model_type)
        separator = {self._tokenizer.sep_token_id} - {None}  # BERT's, with which GIT ends a caption
        self._ends = turn_ends(model, self._tokenizer, ("<end_of_utterance>",)) | separator
        self._special = _special(processor)
        self._words = _local(model, self._tokenizer, self._special, self) if processor.chat_template else None
        self.window = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 10**9

    def describe(self, pictures: Sequence[Picture]) -> list[str]:
        """Return what each picture shows, greedily, in at most `TOKENS` tokens. Raises ModelError."""
        descriptions = []
        for picture in pictures:
            message = {"role": "user", "content": DESCRIBE}
            prompt = _Prompt([(message, [pixels(picture)])], f"User: {DESCRIBE}\nAssistant:")
            with memory_errors(self.name, "a smaller picture or a smaller model"):
                [row] = self._generate(self._inputs(prompt, wordless=True), Sampling(1, temperature=0), TOKENS)
            descriptions.append(self._draft(row))
        return descriptions

    def sample(self, context: Context, sampling: Sampling) -> Iterator[Step | str]:
        """Yield up to `sampling.n` drafts written from the pictures, the evidence and the conversation.

        Temperature 0 gives the one greedy draft. Raises ModelError when the question does not fit, memory runs out,
        or a model that reads one picture at a time has none to read.
        """
        if self._words and not _pictured(context):
            yield from self._words.sample(context, sampling)
            return
        images = _images(context)
        inputs = self._fitting(context, images, sampling.max_new_tokens)[1]
        context.working.tokens["prompt"] += _length(inputs)
        context.working.tokens["encoded"] += _length(inputs)
        with memory_errors(self.name, REMEDY):
            rows = self._generate(inputs, sampling, sampling.max_new_tokens)
        context.working.tokens["sampled"] += sum(len(self._until_end(row)) for row in rows)
        yield from filter(None, map(self._draft, rows))

    def weigh(self, context: Context, drafts: Sequence[str], attributes: Sequence[Attribute]) -> list[list[float]]:
        """Return P(wanted answer | context, draft, question) over yes and no, as the model's next token."""
        drafts = each(drafts)
        if self._words and not _pictured(context):
            return self._words.weigh(context, drafts, attributes)
        images = _images(context)
        cut = self._fitting(context, images, Sampling().max_new_tokens)[0]
        yes, no = self._first_tokens("yes"), self._first_tokens("no")
        answers = {"yes": yes - no, "no": no - yes}  # where a word begins with the token of a space, both do

        def weighed(draft: str, attribute: Attribute) -> float:
            messages = self._shown(cut, weighing(cut, draft, attribute), images)
            inputs = self._inputs(_Prompt(messages, weighing_plain(cut, draft, attribute)))
            if _length(inputs) >= self.window:
                raise ModelError(f"the conversation is too long for {self.name!r} to judge: {_length(inputs)} tokens")
            context.working.tokens["encoded"] += _length(inputs)
            chances = self._next(inputs)
            wanted, other = answers[attribute.answer], answers["no" if attribute.answer == "yes" else "yes"]
            for_it, against = (sum(chances[token] for token in tokens) for tokens in (wanted, other))
            return for_it / (for_it + against)

        with memory_errors(self.name, REMEDY):
            return [[weighed(draft, attribute) for attribute in attributes] for draft in drafts]

    def _fitting(
        self, context: Context, images: "dict[int, list[Image.Image]]", new: int
    ) -> tuple[Context, dict[str, Any]]:
        """Return the longest part of the context that leaves room for `new` tokens, and the inputs made of it.

        What is left out is noted.
        """
        room = max(self.window - new, self.window // 2)
        most = len(context.turns) - 1 + len(context.evidence)
        tried: dict[int, dict[str, Any]] = {}

        def fits(dropped: int) -> bool:
            cut = shortened(context, dropped)
            messages = self._shown(cut, render(cut), images)
            tried[dropped] = self._inputs(_Prompt(messages, render_plain(cut)))
            return _length(tried[dropped]) <= room

        dropped = 0 if fits(0) else bisect_left(range(most + 1), True, lo=1, key=fits)
        if dropped > most:
            raise ModelError(
                f"question, pictures and instructions take {_length(tried[most])} tokens, {self.name!r} reads {room}: "
                "ask a shorter question, send fewer pictures, or use a model with a longer context"
            )
        if dropped:
            context.working.notes.append(f"{dropped} turns or passages were left out to fit {room} tokens")
        return shortened(context, dropped), tried[dropped]

    def _shown(
        self, context: Context, messages: Sequence[Message], images: "dict[int, list[Image.Image]]"
    ) -> "list[tuple[Message, Sequence[Image.Image]]]":
        """The messages with the pictures of the turns they come from; the first message holds the instructions."""
        of = [images.get(id(turn), []) for turn in context.turns]
        wordy: list[list[Image.Image]] = [[]] * (len(messages) - 1 - len(of))
        return list(zip(messages, [[], *of, *wordy], strict=True))

    def _inputs(self, prompt: _Prompt, wordless: bool = False) -> dict[str, Any]:
        """Return the tensors the model takes."""
        images = prompt.images
        text = self._safe(prompt.text)
        if self._kind in ONE_PICTURE:
            if not images:
                raise ModelError(f"{self.name!r} only speaks of pictures: send one, or use it as the viewer")
            given = {} if wordless and self._kind in WORDLESS else {"text": text}
            made = self._processor(images=images[-1], return_tensors="pt", **given)
            made.pop("token_type_ids", None)
            for key in made.keys() & {"qformer_input_ids", "qformer_attention_mask"}:  # InstructBLIP's reads a part
                made[key] = made[key][:, : self._model.config.qformer_config.max_position_embeddings]
        elif self._processor.chat_template:
            made = self._chat(prompt)
        elif self._kind == "idefics":  # takes pictures and words in one list
            made = self._processor(text=[[*images, text]], return_tensors="pt")
        else:
            token = getattr(self._processor, "image_token", "<image>")
            text = f"{token * len(images)}{text}"
            made = self._processor(images=images or None, text=text, return_tensors="pt")
        moved: dict[str, Any] = dict(made.to(self._model.device, self._model.dtype))
        return moved

    def _chat(self, prompt: _Prompt) -> "BatchFeature":
        from jinja2 import TemplateError

        chat = [
            {
                "role": message["role"],
                "content": [
                    *({"type": "image", "image": image} for image in images),
                    {"type": "text", "text": self._safe(message["content"])},
                ],
            }
            for message, images in prompt.messages
        ]
        options = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
        try:
            made: BatchFeature = self._processor.apply_chat_template(chat, **options)
        except TemplateError:  # some templates know no system role and ask for strict alternation
            made = self._processor.apply_chat_template(_alternating(chat), **options)
        return made

    def _generate(self, inputs: dict[str, Any], sampling: Sampling, new: int) -> list[list[int]]:
        """Return the new tokens of each draft."""
        import torch

        start = _Start()
        options: dict[str, Any] = {"do_sample": False, "max_new_tokens": new, "num_beams": 1}
        if sampling.temperature > 0:
            options |= {"do_sample": True, "num_return_sequences": sampling.n, "temperature": sampling.temperature}
            options |= {"top_k": sampling.top_k, "top_p": sampling.top_p}
            options |= {"min_p": sampling.min_p} if sampling.min_p else {}
        with torch.inference_mode(), _GENERATOR, _seeded(sampling.seed):
            rows = self._model.generate(**inputs, logits_processor=[start], **options)
        written: list[list[int]] = rows[:, start.length :].tolist()
        return written

    def _next(self, inputs: dict[str, Any]) -> list[float]:
        """Return the probability of every next token."""
        import torch

        with torch.inference_mode(), _GENERATOR:
            options = {"do_sample": False, "num_beams": 1, "output_logits": True, "return_dict_in_generate": True}
            made = self._model.generate(**inputs, max_new_tokens=1, **options)
        chances: list[float] = made.logits[0][0].float().softmax(-1).tolist()
        return chances

    def _until_end(self, row: Sequence[int]) -> Sequence[int]:
        return row[: next((place for place, token in enumerate(row) if token in self._ends), len(row))]

    def _draft(self, row: Sequence[int]) -> str:
        kept = self._until_end(row)
        text = self._tokenizer.decode(kept, skip_special_tokens=True)
        return clean(text, finished=len(kept) < len(row))

    def _first_tokens(self, word: str) -> set[int]:
        """The tokens that may begin an answer, in its usual spellings."""
        forms = [form for text in (word, word.capitalize()) for form in (text, f" {text}")]
        rows = [self._tokenizer(form, add_special_tokens=False)["input_ids"] for form in forms]
        return {row[0] for row in rows if row}

    def _safe(self, text: str) -> str:
        """The words without marks that would stand for pictures or other speakers."""
        return plain(without(text, self._special))


class _Start:
    """Notes how much a model had before it wrote its first token: what comes back differs from kind to kind."""

    length = 0

    def __call__(self, ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        self.length = self.length or ids.shape[1]
        return scores


def load_vision(name: str, device: str = "auto", needs: Needs | None = None) -> Vision:
    """Load the image-text-to-text model in folder `name`, or the hub's model of that name.

    Raises ModelError with what to do when it cannot be loaded or reads no pictures.
    """
    from transformers import AutoProcessor

    if not sees(name):
        load_checkpoint(name, device)  # says what is wrong with one that cannot be loaded at all
        raise ModelError(f"{name!r} reads no pictures: choose a model such as BLIP, Idefics, SmolVLM or Gemma 3")
    found = load_checkpoint(name, device, needs)
    try:
        processor = AutoProcessor.from_pretrained(found.model.name_or_path, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, TypeError, AttributeError) as error:
        raise ModelError(f"{name!r} has no processor that can be loaded: {error}") from error
    return Vision(found.model, processor, found.name, found.fingerprint)


def sees(name: str) -> bool:
    """Say whether the checkpoint in folder `name`, or the hub's of that name, is one that reads pictures.

    False also for what cannot be read at all: the door that then tries to load it says why.
    """
    from transformers import AutoConfig

    folder = Path(name).expanduser()
    try:
        config = AutoConfig.from_pretrained(str(folder) if folder.is_dir() else name, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError):
        return False
    return reads_pictures(config)


def _images(context: Context) -> "dict[int, list[Image.Image]]":
    """The latest pictures by the turn they came with."""
    latest = [(id(turn), picture) for turn in context.turns for picture in turn.pictures][-MOST_SEEN:]
    found: dict[int, list[Image.Image]] = {}
    for turn, picture in latest:
        found.setdefault(turn, []).append(pixels(picture))
    return found


def _alternating(chat: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Fold system messages into the user's and join neighbours of one role."""
    folded: list[dict[str, Any]] = []
    for message in chat:
        role = "user" if message["role"] == "system" else message["role"]
        if folded and folded[-1]["role"] == role:
            folded[-1]["content"] = [*folded[-1]["content"], *message["content"]]
        else:
            folded.append({"role": role, "content": message["content"]})
    return folded


def _length(inputs: dict[str, Any]) -> int:
    return int(inputs["input_ids"].shape[1])


def _local(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", marks: tuple[str, ...], named: Vision
) -> Local | None:
    """Return the door for conversations without pictures, over the same weights; None where text alone is not read.

    The copy shares every tensor and has a configuration of its own, since that door takes the attention over.
    """
    if tokenizer.chat_template is None or model.config.is_encoder_decoder:
        return None
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    twin = copy.deepcopy(model, shared)
    return Local(twin, tokenizer, named.name, named.fingerprint, _Worded(tokenizer, marks=marks))


def without(text: str, marks: Sequence[str]) -> str:
    """Return the text with every mark replaced by a space."""
    for mark in marks:
        text = text.replace(mark, " ")
    return text


def _pictured(context: Context) -> bool:
    return any(turn.pictures for turn in context.turns)


def _special(processor: "ProcessorMixin") -> tuple[str, ...]:
    """The marks that a text from outside must not hold, the longest first."""
    added = [token.content for token in processor.tokenizer.added_tokens_decoder.values() if token.special]
    own = str(getattr(processor, "image_token", ""))
    return tuple(sorted({mark for mark in (*added, own) if len(mark) > 1}, key=len, reverse=True))


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
