"""Generative guards, such as Llama Guard: a conversation in, the probability that its last message is unsafe.

The chat template of the checkpoint asks; the first token of the answer is the verdict; where the family names
categories, an unsafe message's are read from what follows. Knows nothing of policies' thresholds.
"""

import hashlib
import re
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from safety.guards.families import Family, family_of, titles_in
from safety.types import SafetyError, Stage

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

AT_ONCE: Final = 8  # prompts per batch
LONGEST: Final = 4096  # tokens of a prompt
BEFORE: Final = 2000  # characters of the turn before that are read: its end
ANSWER: Final = 16  # tokens in which categories are named
NAMED: Final = 0.1  # the least risk from which on categories are asked for
SURE: Final = 0.5  # the least probability that a guard answers one of its words at all
_SHORTEST: Final = 32  # characters that are not split any more
_BLOCK: Final = 1 << 16  # bytes
_LLAMA_3: Final = "<|end_header_id|>"  # after it every turn begins with two line breaks
_FRAME = re.compile(r"<(?=(?:BEGIN|END)[ _])", re.IGNORECASE)
_REPLIES: Final = ("candidate", "served")


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A prompt about the message at `place`, whose yes means `meaning`."""

    place: int
    meaning: str
    ids: list[int]


class Generative:
    """A RiskSource by a causal model of one of the families of guards."""

    def __init__(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        family: Family,
        name: str,
        fingerprint: str,
    ) -> None:
        """Raises SafetyError when the model does not read or answer as its family does."""
        self.name = name
        self.family = family
        self.fingerprint = fingerprint
        self._model = model
        self._tokenizer = tokenizer
        self._lock = threading.Lock()
        self._parts = self._earlier = False
        text_config = model.config.get_text_config()
        window = getattr(text_config, "max_position_embeddings", None) or LONGEST
        self._room = min(LONGEST, window) - ANSWER - 8  # and the words that lead to the categories
        self._pad = next(i for i in (tokenizer.pad_token_id, tokenizer.eos_token_id, 0) if i is not None)
        self._ends = _ends(model, tokenizer)
        special = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
        self._special = re.compile("|".join(map(re.escape, sorted(special, key=len, reverse=True))) or r"(?!)")
        unsafe = self._first(family.unsafe)
        self._half = self._first(family.half)
        self._safe = self._first(family.safe) - unsafe - self._half
        self._titles = titles_in(self._settled())
        self._try(unsafe)

    def tells(self, stage: Stage) -> Collection[str]:
        """Return what its categories mean; nothing of evidence, which is nobody's message."""
        return set() if stage == "evidence" else self.family.may(self._titles)

    def risks(self, pairs: Sequence[tuple[str, str]], stage: Stage) -> list[dict[str, float]]:
        """Return per message the probability that it is unsafe, under the objectives that its categories mean.

        A message that is too long is read in overlapping windows and its worst counts; of the turn before, only the
        end is read. Whatever the model answers but its word for safe counts against the message. Raises SafetyError.
        """
        with self._lock:
            prompts = [
                prompt
                for place, (before, text) in enumerate(pairs)
                if text.strip()
                for prompt in self._prompts(place, self._plain(before)[-BEFORE:], self._plain(text), stage in _REPLIES)
            ]
            risks = self._verdicts([prompt.ids for prompt in prompts])
            to_name = [number for number, risk in enumerate(risks) if self.family.naming and risk >= NAMED]
            answers = dict(zip(to_name, self._answers([prompts[number].ids for number in to_name]), strict=True))
        found: list[dict[str, float]] = [{} for _ in pairs]
        for number, (prompt, risk) in enumerate(zip(prompts, risks, strict=True)):
            meanings = {prompt.meaning}
            if number in answers:
                meanings = self.family.meanings(answers[number], self._titles)
            for meaning in meanings:
                found[prompt.place][meaning] = max(found[prompt.place].get(meaning, 0.0), risk)
        return found

    def _prompts(self, place: int, before: str, text: str, reply: bool) -> Iterator[_Prompt]:
        """Yield the prompts about a message; what is too long is halved, with an overlap, until it fits."""
        made = [
            _Prompt(place, question.meaning, self._ids(self._ask(before, text, reply, question.variables)))
            for question in self.family.questions(reply)
        ]
        if max(len(prompt.ids) for prompt in made) <= self._room:
            yield from made
        elif before and (len(before) > len(text) or len(text) < _SHORTEST):
            yield from self._prompts(place, before[(len(before) + 1) // 2 :], text, reply)
        elif len(text) >= _SHORTEST:
            middle, overlap = len(text) // 2, len(text) // 16
            yield from self._prompts(place, before, text[: middle + overlap], reply)
            yield from self._prompts(place, before, text[middle - overlap :], reply)
        else:
            raise SafetyError(f"the guard {self.name!r} cannot read its own instructions in {self._room} tokens")

    def _ask(self, before: str, text: str, reply: bool, variables: Any) -> str:  # noqa: ANN401
        """Return the prompt up to where the verdict stands."""
        messages = [("user", text)]
        if reply:
            messages = [("user", before), ("assistant", text)]
        elif before and self._earlier:
            messages = [("user", ""), ("assistant", before), ("user", text)]
        turns = [
            {"role": role, "content": [{"type": "text", "text": words}] if self._parts else words}
            for role, words in messages
        ]
        made = str(self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True, **variables))
        return made + ("\n\n" if made.endswith(_LLAMA_3) else "") + self.family.lead

    def _plain(self, text: str) -> str:
        """`text` without lone surrogates, and a space in what would be read as the prompt's own frame."""
        whole = text.encode("utf-8", "replace").decode("utf-8")
        return _FRAME.sub("< ", self._special.sub(lambda found: f"{found[0][:1]} {found[0][1:]}", whole))

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _first(self, words: Sequence[str]) -> set[int]:
        """The tokens that these words can begin with, at the start of a line or after a space."""
        return {self._ids(spelled)[0] for word in words for spelled in (word, f" {word}")}

    def _verdicts(self, prompts: Sequence[list[int]]) -> list[float]:
        """Risks: 1 less the probability of safe, and less half of what is in between."""
        safe, half = sorted(self._safe), sorted(self._half)
        found = [0.0] * len(prompts)
        for places in _batches(prompts):
            first = self._run([prompts[place] for place in places], 1)[1]
            risks = 1 - first[:, safe].sum(1) - first[:, half].sum(1) / 2
            for place, risk in zip(places, risks.clamp(0, 1).tolist(), strict=True):
                found[place] = risk
        return found

    def _answers(self, prompts: Sequence[list[int]]) -> list[str]:
        """What the model goes on to say when it has said unsafe."""
        found = [""] * len(prompts)
        more = self._ids(self.family.naming) if prompts else []
        for places in _batches(prompts):
            output, _ = self._run([prompts[place] + more for place in places], ANSWER)
            for place, tokens in zip(places, output.tolist(), strict=True):
                found[place] = str(self._tokenizer.decode(tokens, skip_special_tokens=True))
        return found

    def _run(self, prompts: Sequence[list[int]], tokens: int) -> "tuple[Tensor, Tensor]":
        """Return the greedy continuations (n, tokens) and the probabilities of their first token (n, vocabulary)."""
        import torch
        from transformers import GenerationConfig

        width = max(map(len, prompts))
        ids = torch.tensor([[self._pad] * (width - len(line)) + line for line in prompts])
        mask = torch.tensor([[0] * (width - len(line)) + [1] * len(line) for line in prompts])
        how = GenerationConfig(
            max_new_tokens=tokens,
            do_sample=False,
            pad_token_id=self._pad,
            eos_token_id=self._ends,
            output_logits=True,
            return_dict_in_generate=True,
        )
        device = self._model.device
        with torch.inference_mode():
            made = self._model.generate(ids.to(device), attention_mask=mask.to(device), generation_config=how)
        first = made.logits[0].float()
        if not bool(torch.isfinite(first.amax(1)).all()):
            raise SafetyError(f"the guard {self.name!r} gave numbers that are not finite: load its weights again")
        return made.sequences[:, width:], first.softmax(-1).cpu()

    def _settled(self) -> str:
        """Find out how the chat template takes messages, and return a prompt. Raises SafetyError.

        Some templates read messages as lists of parts only, and leave out, without a word, what they cannot read.
        """
        for self._parts in (False, True):
            for self._earlier in (True, False):
                prompts = [self._shown(reply, question.variables) for reply in (False, True) for question in
                           self.family.questions(reply)]  # fmt: skip
                if all(prompts) and len(set(prompts)) == len(prompts):
                    return prompts[0]
        raise SafetyError(
            f"the chat template of {self.name!r} does not show a user's message and a reply to it as guards of the "
            f"family {self.family.name} do: name such a guard, or its family, as in hf-guard:NAME#llama-guard"
        )

    def _shown(self, reply: bool, variables: Any) -> str:  # noqa: ANN401
        """Return a prompt about a trial message, "" when the template rejects the message or leaves part of it out."""
        import jinja2

        try:
            made = self._ask("tried before", "tried message", reply, variables)
        except (jinja2.TemplateError, TypeError, ValueError, KeyError, AttributeError):
            return ""
        whole = "tried message" in made and ("tried before" in made or not (reply or self._earlier))
        return made if whole else ""

    def _try(self, unsafe: set[int]) -> None:
        """Raise SafetyError unless the model answers a harmless message with its family's words."""
        question = self.family.questions(False)[0]
        ids = self._ids(self._ask("", "How high is Mount Everest?", False, question.variables))
        if len(ids) > self._room:
            raise SafetyError(f"the guard {self.name!r} cannot read its own instructions in {self._room} tokens")
        with self._lock:
            first = self._run([ids], 1)[1][0]
        words = sorted(self._safe | self._half | unsafe)
        if not self._safe or float(first[words].sum()) < SURE:
            known = ", ".join((*self.family.safe, *self.family.half, *self.family.unsafe))
            raise SafetyError(
                f"{self.name!r} does not answer with one of {known}, as guards of the family {self.family.name} do: "
                "name such a guard, or another family, as in hf-guard:NAME#llama-guard"
            )


def load_generative(name: str, family: str = "") -> Generative:
    """Load the guard at path or hub name `name`, on a GPU (bfloat16) where there is one, else in float32.

    Its family is read from its chat template, unless it is named. Safetensors only, and no code of it is run. Raises
    SafetyError when it cannot be loaded, or is no guard of a known family.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    folder = Path(name).expanduser()
    place = str(folder) if folder.is_dir() else name
    gpu = torch.cuda.is_available()
    try:
        config = AutoConfig.from_pretrained(place, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        kind = family_of(_template(tokenizer), family)
        model = AutoModelForCausalLM.from_pretrained(
            place,
            config=config,
            dtype=torch.bfloat16 if gpu else torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
        )
        model = model.to("cuda" if gpu else "cpu").eval()
    except SafetyError as error:
        raise SafetyError(f"the guard {name!r} cannot be used: {error}") from None
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise SafetyError(
            f"the guard {name!r} cannot be loaded: {str(error).partition(chr(10))[0]}; name a folder or a hub model "
            "with safetensors weights that fits into memory"
        ) from error
    identity = str(getattr(config, "_commit_hash", "") or "unknown")
    if folder.is_dir():
        identity = _digest(folder)
    label = folder.resolve().name if folder.is_dir() else name
    return Generative(model, tokenizer, kind, label, f"{label}/{identity[:12]}/{kind.name}")


def _template(tokenizer: "PreTrainedTokenizerBase") -> str:
    template = tokenizer.chat_template
    return str(template.get("default", "")) if isinstance(template, dict) else template or ""


def _ends(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """The tokens that end an answer."""
    end = model.generation_config.eos_token_id
    known = {tokenizer.eos_token_id, *(end if isinstance(end, list) else [end])}
    return sorted(known - {None})


def _batches(prompts: Sequence[list[int]]) -> Iterator[list[int]]:
    """Yield places of prompts, those of like length together."""
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    for first in range(0, len(order), AT_ONCE):
        yield order[first : first + AT_ONCE]


def _digest(folder: Path) -> str:
    """Tell checkpoints apart: whole small files, and of the weights the sizes and blocks from all over them."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.json")) + sorted(folder.glob("*.jinja")):
        digest.update(path.name.encode() + path.read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with path.open("rb") as file:
            for start in range(0, size, max(_BLOCK, size // 64)):
                file.seek(start)
                digest.update(file.read(_BLOCK))
    return digest.hexdigest()
