"""OpenAI's protocol for chat and plain completions: bodies of requests, and what answers say.

What a server turns out not to take is kept in `Known`, so that it is asked that only once. The shapes are those of the
OpenAI API reference, as vLLM, SGLang, TGI, llama.cpp and transformers serve them.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from dialogue.prompts import alternating, render, render_plain, weighing, weighing_plain
from dialogue.types import Attribute, Context, ModelError, Sampling
from retrieval.text import paired

CHAT: Final = "/chat/completions"
PLAIN: Final = "/completions"
TOP: Final = 20  # alternatives asked for when weighing; where fewer are allowed, FEWER
FEWER: Final = 5
PLAIN_STOPS: Final = ("\nUser:", "\nNote:")  # what `render_plain` writes before another speaker's turn
BROKEN: Final = frozenset({"abort", "error", "content_filter", "tool_calls", "function_call"})

_NOTED = ("top_k", "min_p", "top_p", "temperature", "seed")  # without these a draft is another one
_OPTIONAL = (*_NOTED, "stream_options", "chat_template_kwargs")
_LONG = re.compile(
    r"context[ _](length|window|size)|model length|too long|longer than|reduce the length|max_new_tokens` must",
    re.IGNORECASE,
)
_ROLES = re.compile(r"system role|role.{0,20}alternate|only user(,| and) assistant", re.IGNORECASE)
_TEMPLATE = re.compile(r"chat.?template", re.IGNORECASE)
_SPACE = " \t\n\r▁ĠĊ"  # also as tokenizers spell it


@dataclass
class Known:
    """What has been learned of a server: `plain` completions only (`fell`: not because it was asked for), `many`
    choices at once, a template that wants `strict` alternation, the fields it `refused`, the name of the `length`
    field, `top` alternatives it gives and whether it is `mute` about probabilities.
    """

    plain: bool = False
    fell: bool = False
    many: bool = True
    strict: bool = False
    refused: set[str] = field(default_factory=set)
    length: str = "max_tokens"
    top: int = TOP
    mute: bool = False

    @property
    def path(self) -> str:
        """Where requests go."""
        return PLAIN if self.plain else CHAT

    def sampling(self, model: str, context: Context, sampling: Sampling, n: int, seed: int | None) -> dict[str, Any]:
        """Return the body that asks for `n` drafts, streamed."""
        body: dict[str, Any] = {"model": model, self.length: sampling.max_new_tokens, "stream": True}
        body |= {"stream_options": {"include_usage": True}, "temperature": sampling.temperature}
        if n > 1:
            body["n"] = n
        if seed is not None:
            body["seed"] = seed % 2**63
        if sampling.temperature > 0:
            chosen = {"top_p": (sampling.top_p, 1.0), "top_k": (sampling.top_k, 0), "min_p": (sampling.min_p, 0.0)}
            body |= {key: value for key, (value, idle) in chosen.items() if value != idle}
        if self.plain:
            body |= {"prompt": render_plain(context), "stop": [*PLAIN_STOPS, f"\n{context.role.name}:"]}
        else:
            body |= self._chat(render(context))
        return self._taken(body)

    def weighing(self, model: str, context: Context, draft: str, attribute: Attribute) -> dict[str, Any]:
        """Return the body that asks for a yes or no and the probabilities of its first token."""
        # at temperature 1 also the servers that scale what they tell give the model's own probabilities
        body: dict[str, Any] = {"model": model, self.length: 1, "temperature": 1.0}
        if self.plain:
            body |= {"prompt": weighing_plain(context, draft, attribute), "logprobs": self.top}
        else:
            body |= self._chat(weighing(context, draft, attribute)) | {"logprobs": True, "top_logprobs": self.top}
        return self._taken(body)

    def learn(self, body: dict[str, Any], status: int, message: str) -> str | None:
        """Learn from a rejected request; return a note to show, "" for none, None when nothing explains it."""
        if (self.length == "max_tokens") and "max_completion_tokens" in message and not too_long(status, message):
            self.length = "max_completion_tokens"
            return ""
        named = {name for name in _OPTIONAL if name in body and re.search(rf"\b{name}\b", message)}
        if named - self.refused:
            self.refused |= named
            left_out = ", ".join(name for name in _NOTED if name in named)
            return f"the model server does not take {left_out}: left out" if left_out else ""
        if "logprobs" in body and "logprobs" in message:
            self.mute, self.top = self.top == FEWER, FEWER
            return ""
        return self._learn_form(body, status, message)

    def _learn_form(self, body: dict[str, Any], status: int, message: str) -> str | None:
        absent = status in (404, 405, 501) and "model" not in message.casefold()
        if "prompt" in body and absent and self.fell:  # there is nothing at all, perhaps only for now
            self.plain = self.fell = False
            return None
        if "chat_template_kwargs" in body and _TEMPLATE.search(message):  # some mean this and name the other
            self.refused.add("chat_template_kwargs")
            return ""
        if "messages" in body and not self.plain and (absent or _TEMPLATE.search(message)):
            self.plain = self.fell = True
            return "the model server has no chat for this model: plain completions are asked for"
        if "messages" in body and not self.strict and _ROLES.search(message):
            self.strict = True
            return ""
        if body.get("n", 1) > 1 and self.many and status in (400, 422):
            self.many = False
            return ""
        return None

    def _chat(self, messages: Sequence[dict[str, str]]) -> dict[str, Any]:
        turns = alternating(messages) if self.strict else list(messages)
        return {"messages": turns, "chat_template_kwargs": {"enable_thinking": False}}

    def _taken(self, body: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in body.items() if key not in self.refused}


def prompt_of(body: Mapping[str, Any]) -> str:
    """Return what a request for drafts has the model read, as text."""
    turns = (f"{turn['role']}: {turn['content']}" for turn in body.get("messages", ()))
    return str(body.get("prompt", "")) or "\n\n".join(turns)


@dataclass(frozen=True, slots=True)
class Written:
    """A choice that is complete: its place among the choices of its request, its text, why it ended."""

    index: int
    text: str
    reason: str


class Choices:
    """Puts the `n` choices of one answer together from its pieces; more than asked for are left out."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._texts: dict[int, list[str]] = {}
        self._ended: set[int] = set()
        self.tokens: Counter[str] = Counter()

    def feed(self, data: dict[str, Any]) -> list[Written]:
        """Return the choices that this piece completes.

        Raises ModelError for a message outside the protocol; the rest is ignored.
        """
        try:
            return self._feed(data)
        except ModelError:
            self._n = 0
            self._texts.clear()
            raise

    def _feed(self, data: dict[str, Any]) -> list[Written]:
        if "choices" not in data and "usage" not in data:
            raise _strange("an answer", data)
        if data.get("usage") is not None:  # counts what was so far
            self.tokens = tokens_of(data)
        complete = []
        for item in _list(data.get("choices") or [], "choices"):
            choice = _dict(item, "a choice")
            index = choice.get("index", 0)
            if isinstance(index, bool) or not isinstance(index, int):
                raise _strange("the index of a choice", index)
            if not 0 <= index < self._n or index in self._ended:
                continue
            self._texts.setdefault(index, []).append(_text(choice))
            reason = choice.get("finish_reason")
            if reason is None and "message" in choice:
                reason = "stop"
            if reason is not None:
                self._ended.add(index)
                complete.append(Written(index, paired("".join(self._texts[index])), str(reason)))
        return complete

    def rest(self) -> list[Written]:
        """Return the choices that were begun and never ended; an answer that is whole ends them."""
        begun = [index for index in sorted(self._texts) if index not in self._ended]
        return [Written(index, paired("".join(self._texts[index])), "stop") for index in begun]

    @property
    def ended(self) -> int:
        """How many choices are complete."""
        return len(self._ended)


def too_long(status: int, message: str) -> bool:
    """Say whether a request was rejected because the model cannot read so much."""
    return status == 413 or (status in (400, 422) and _LONG.search(message) is not None)


def yes_share(data: dict[str, Any]) -> float | None:
    """Return P(yes) / (P(yes) + P(no)) at the first token of an answer, None when no probabilities are given.

    All spellings in case and space count together. Raises ModelError when neither is among the likely answers.
    """
    choices = _list(data.get("choices"), "choices")
    logprobs = _dict(choices[0], "a choice").get("logprobs") if choices else None
    likely = _likely(_dict(logprobs, "logprobs")) if logprobs else []
    if not likely:
        return None
    shares = {"yes": 0.0, "no": 0.0}
    for token, logprob in likely:
        word = token.strip(_SPACE).casefold()
        if word in shares:
            shares[word] += math.exp(min(logprob, 0.0))
    total = sum(shares.values())
    if not total > 0:
        raise ModelError(
            "the model answers a yes-or-no question with neither (it may be thinking first): name one that follows "
            "instructions, or serve it without thinking"
        )
    return shares["yes"] / total


def tokens_of(data: dict[str, Any]) -> Counter[str]:
    """Return an answer's tokens as `Working.tokens` counts them; missing numbers are not counted."""
    usage = _dict(data.get("usage") or {}, "usage")
    details = usage.get("prompt_tokens_details") or {}
    numbers = {
        "prompt": usage.get("prompt_tokens"),
        "sampled": usage.get("completion_tokens"),
        "reused": details.get("cached_tokens") if isinstance(details, dict) else None,
    }
    tokens = Counter({key: value for key, value in numbers.items() if isinstance(value, int) and value >= 0})
    if len(tokens) == 3:
        tokens["encoded"] = tokens["prompt"] - tokens["reused"] + tokens["sampled"]
    return tokens


def _likely(logprobs: dict[str, Any]) -> list[tuple[str, float]]:
    """The likely first tokens with their log-probabilities, from the shape of chat or of plain completions."""
    try:
        if logprobs.get("content"):
            first = logprobs["content"][0]
            found = [(item["token"], item["logprob"]) for item in [*(first.get("top_logprobs") or []), first]]
        else:
            top = (logprobs.get("top_logprobs") or [None])[0] or {}
            first_tokens = zip(logprobs.get("tokens") or [], logprobs.get("token_logprobs") or [], strict=False)
            found = [*top.items(), *list(first_tokens)[:1]]
        distinct = {str(token): float(logprob) for token, logprob in found}
    except (TypeError, KeyError, IndexError, AttributeError, ValueError):
        raise _strange("logprobs", logprobs) from None
    return [(token, logprob) for token, logprob in distinct.items() if not math.isnan(logprob)]


def _text(choice: dict[str, Any]) -> str:
    """What a choice says: the delta or the message of a chat, the text of a plain completion."""
    message = choice.get("delta", choice.get("message"))
    text = choice.get("text") if message is None else _dict(message, "a message").get("content")
    if text is None:
        return ""
    if not isinstance(text, str):
        raise _strange("the text of a choice", text)
    return text


def _dict(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _strange(what, value)
    return value


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise _strange(what, value)
    return value


def _strange(what: str, value: object) -> ModelError:
    return ModelError(
        f"the model server does not speak OpenAI's protocol: {what} is {str(value)[:80]!r}; check that the address "
        "is that of an OpenAI-compatible server"
    )
