"""``POST /v1/chat/completions``: OpenAI's chat, answered by a turn of the dialogue, whole or as a stream of events."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final, Literal
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from app.api.callers import Chatting
from app.api.errors import ApiError
from app.api.messages import MOST_MESSAGES, Message, turns_of
from app.api.models import checked_model
from app.api.once import HEADER, Answered, under_key
from app.api.service import Asked, Running, Service
from app.api.shapes import Json, as_bytes, citation_of, told, usage_of
from dialogue.choices import choices
from dialogue.types import Reply, Step, Turn
from dialogue.vetting import Mask

IDLE: Final = 10.0  # seconds after which a silent stream says that it is alive
DONE: Final = b"data: [DONE]\n\n"
_PIECE: Final = re.compile(r"\s*(?:\S+\s*){1,4}")  # some words of a text
_OURS: Final = (
    *("model", "messages", "n", "stream", "stream_options", "store", "conversation", "role", "response_format"),
    *("user", "metadata"),
)


class StreamOptions(BaseModel):
    """How a stream is sent."""

    model_config = ConfigDict(extra="allow")
    include_usage: bool = False


class Format(BaseModel):
    """The form of the reply; only text is written."""

    model_config = ConfigDict(extra="allow")
    type: Literal["text", "json_object", "json_schema"] = "text"


class ChatRequest(BaseModel):
    """A conversation to be continued by the assistant.

    What stands here changes the reply; other parameters of OpenAI's are taken and listed in `candor.ignored`.
    """

    model_config = ConfigDict(extra="allow")
    model: Annotated[str | None, Field(max_length=500)] = None
    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST_MESSAGES)]
    n: Annotated[int, Field(ge=1, le=128, strict=True)] = 1
    stream: Annotated[bool | None, Field(strict=True)] = False
    stream_options: StreamOptions | None = None
    store: Annotated[bool | None, Field(strict=True)] = None
    conversation: Annotated[str | None, Field(max_length=100)] = None
    role: Annotated[str | None, Field(max_length=100)] = None
    response_format: Format | None = None
    temperature: Annotated[float | None, Field(ge=0, le=2, allow_inf_nan=False)] = None
    top_p: Annotated[float | None, Field(ge=0, le=1, allow_inf_nan=False)] = None
    max_tokens: Annotated[int | None, Field(ge=1)] = None
    max_completion_tokens: Annotated[int | None, Field(ge=1)] = None

    def ignored(self) -> list[str]:
        """The parameters that were given and change nothing."""
        given = {name: getattr(self, name) for name in self.model_fields_set} | (self.model_extra or {})
        return sorted(name[:100] for name, value in given.items() if value is not None and name not in _OURS)[:50]


def asked_of(request: ChatRequest, role: str | None) -> Asked:
    """Return what is asked of a role. Raises ApiError for what cannot be honoured."""
    if request.response_format and request.response_format.type != "text":
        raise ApiError(400, "response_format: only text is written", "unsupported_parameter", "response_format")
    tools = (request.model_extra or {}).get("tool_choice")
    if tools not in (None, "auto", "none"):
        raise ApiError(400, "tool_choice: no tools of a client are called", "unsupported_parameter", "tool_choice")
    turns = turns_of(request.messages, "messages")
    if request.conversation is not None and request.store is False:
        raise ApiError(400, "store: a turn of a stored conversation is stored", param="store")
    return Asked(turns, request.conversation, role, request.store is not False)


def add_chat(router: APIRouter, service: Service) -> None:
    """Answer at ``/chat/completions``."""

    @router.post(
        "/chat/completions",
        tags=["OpenAI"],
        summary="Answer the last message of a conversation",
        response_class=Response,
        responses={200: {"content": {"application/json": {}, "text/event-stream": {}}}},
    )
    async def complete(request: Request, body: ChatRequest, asking: Chatting) -> Response:
        name, role = checked_model(service.bot, body.model, body.role)
        asked = asked_of(body, role)
        key = request.headers.get(HEADER)
        once = asked if key is None else await asyncio.to_thread(under_key, asking, asked, key)
        running = once if isinstance(once, Answered) else await service.begin(asking, once, bool(body.stream))
        completion = Completion(name, asked.turns, body, asking.responder.mask)
        if body.stream:
            return StreamingResponse(completion.events(running), media_type="text/event-stream", headers=STREAM)
        reply = await running.reply(request)
        return Response(as_bytes(completion.whole(reply)), media_type="application/json")


STREAM: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class Completion:
    """The shapes of one completion."""

    def __init__(self, model: str, turns: Sequence[Turn], request: ChatRequest, mask: Mask) -> None:
        self._head: Json = {"id": f"chatcmpl-{uuid4().hex}", "created": int(time.time()), "model": model}
        self._turns, self._request, self._mask = turns, request, mask

    def whole(self, reply: Reply) -> Json:
        """A reply in one piece."""
        replies = choices(reply, self._request.n, self._mask)
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [
                {
                    "index": index,
                    "message": {"role": "assistant", "content": each.text, "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
                for index, each in enumerate(replies)
            ],
            "usage": self._usage(reply, replies),
            "candor": self._candor(reply, replies),
        }

    async def events(self, running: Running | Answered) -> AsyncIterator[bytes]:
        """The stages of a turn as empty pieces, then its reply in pieces, as server-sent events."""
        yield self._event({"role": "assistant", "content": ""})
        steps = running.steps(IDLE)
        try:
            async for step in steps:
                yield b": waiting\n\n" if step is None else self._event({}, candor={"step": step_of(step)})
            reply = running.result()
        except ApiError as error:
            yield b"data: " + error.body + b"\n\n" + DONE
            return
        finally:
            await steps.aclose()
        replies = choices(reply, self._request.n, self._mask)
        for index, each in enumerate(replies):
            for piece in pieces(each.text):
                yield self._event({"content": piece}, index)
            end = {"candor": self._candor(reply, replies)} if index == 0 else {}
            yield self._event({}, index, "stop", **end)
        options = self._request.stream_options
        if options and options.include_usage:
            yield as_event(self._chunk([], usage=self._usage(reply, replies)))
        yield DONE

    def _event(self, delta: Json, index: int = 0, finish: str | None = None, **more: Json) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return as_event(self._chunk([choice], **more))

    def _chunk(self, found: Sequence[Json], **more: Any) -> Json:  # noqa: ANN401
        return {**self._head, "object": "chat.completion.chunk", "choices": list(found), **more}

    def _candor(self, reply: Reply, replies: Sequence[Reply]) -> Json:
        others = [[citation_of(citation) for citation in each.citations] for each in replies[1:]]
        return {**told(reply, self._request.ignored()), "others": others}

    def _usage(self, reply: Reply, replies: Sequence[Reply]) -> Json:
        read, written = usage_of(self._turns, reply, [each.text for each in replies])
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def as_event(value: object) -> bytes:
    """Return a server-sent event."""
    return b"data: " + as_bytes(value) + b"\n\n"


def step_of(step: Step) -> Json:
    """A stage that has begun."""
    return {"stage": step.stage, "detail": step.detail}


def pieces(text: str) -> list[str]:
    """Return a text in pieces of a few words, which joined are the text."""
    found = _PIECE.findall(text)
    rest = text[sum(map(len, found)) :]
    return [*found, rest] if rest else found
