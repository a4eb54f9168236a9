"""``POST /v1/responses``: OpenAI's newer form of the same, by default what its clients call; text alone, no tools."""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from app.api.callers import Caller, Chatting
from app.api.chat import IDLE, STREAM, pieces
from app.api.errors import ApiError
from app.api.messages import MOST_MESSAGES, Message, turns_of
from app.api.models import checked_model
from app.api.service import Asked, Running, Service
from app.api.shapes import Json, as_bytes, told, usage_of
from dialogue.cite import MARK
from dialogue.types import Reply, Turn


class Item(Message):
    """A message; items of other types are not supported."""

    type: Literal["message"] = "message"


class Named(BaseModel):
    """A conversation by its id."""

    model_config = ConfigDict(extra="allow")
    id: Annotated[str, Field(max_length=100)]


class ResponseRequest(BaseModel):
    """What the assistant is asked; other parameters of OpenAI's are taken and listed in `candor.ignored`."""

    model_config = ConfigDict(extra="allow")
    model: Annotated[str | None, Field(max_length=500)] = None
    input: str | Annotated[list[Item], Field(min_length=1, max_length=MOST_MESSAGES)]
    instructions: str | None = None
    stream: Annotated[bool | None, Field(strict=True)] = False
    store: Annotated[bool | None, Field(strict=True)] = None
    previous_response_id: Annotated[str | None, Field(max_length=200)] = None
    conversation: Annotated[str, Field(max_length=100)] | Named | None = None
    metadata: dict[str, Any] | None = None
    role: Annotated[str | None, Field(max_length=100)] = None

    def ignored(self) -> list[str]:
        """The parameters that were given and change nothing."""
        return sorted(name[:100] for name, value in (self.model_extra or {}).items() if value is not None)[:50]


def add_responses(router: APIRouter, service: Service) -> None:
    """Answer at ``/responses``."""

    @router.post(
        "/responses",
        tags=["OpenAI"],
        summary="Answer an input",
        response_class=Response,
        responses={200: {"content": {"application/json": {}, "text/event-stream": {}}}},
    )
    async def respond(request: Request, body: ResponseRequest, asking: Chatting) -> Response:
        name, role = checked_model(service.bot, body.model, body.role)
        asked = _asked(asking, body, role)
        running = await service.begin(asking, asked, bool(body.stream))
        made = Made(name, asked.turns, body, running.job.before + 1, running.job.conversation)
        if body.stream:
            return StreamingResponse(made.events(running), media_type="text/event-stream", headers=STREAM)
        reply = await running.reply(request)
        return Response(as_bytes(made.whole(reply)), media_type="application/json")


def _asked(asking: Caller, body: ResponseRequest, role: str | None) -> Asked:
    """Return what is asked. Raises ApiError."""
    extra = body.model_extra or {}
    form = extra.get("text")
    kind = form.get("format") if isinstance(form, dict) else None
    if isinstance(kind, dict) and kind.get("type") not in (None, "text"):
        raise ApiError(400, "text.format: only text is written", "unsupported_parameter", "text")
    if extra.get("tool_choice") not in (None, "auto", "none"):
        raise ApiError(400, "tool_choice: no tools of a client are called", "unsupported_parameter", "tool_choice")
    given = [Item(role="user", content=body.input)] if isinstance(body.input, str) else body.input
    turns = turns_of(given, "input")
    if body.instructions:
        turns = (Turn("system", body.instructions), *turns)
    conversation = body.conversation.id if isinstance(body.conversation, Named) else body.conversation
    if body.previous_response_id is not None:
        conversation = _continued(asking, body.previous_response_id)
    if conversation is not None and body.store is False:
        raise ApiError(400, "store: a turn of a stored conversation is stored", param="store")
    return Asked(turns, conversation, role, body.store is not False)


def _continued(asking: Caller, response: str) -> str:
    """Return the conversation that a response ends. Raises ApiError."""
    conversation, dash, number = response.removeprefix("resp_").rpartition(".")
    if not response.startswith("resp_") or not dash or not number.isdecimal():
        raise ApiError(404, "there is no such response", "response_not_found", "previous_response_id")
    held = asking.conversation(conversation)
    if str(held.turns) != number:
        words = "the conversation has gone on since that response: continue its last one"
        raise ApiError(400, words, param="previous_response_id")
    return held.id


class Made:
    """The shapes of one response; `number` is the place of its turn in the conversation."""

    def __init__(
        self, model: str, turns: Sequence[Turn], request: ResponseRequest, number: int, conversation: str
    ) -> None:
        self._turns, self._request, self._number = turns, request, number
        self._message = f"msg_{uuid4().hex}"
        self._count = -1
        stored = request.store is not False
        self._head: Json = {
            "id": f"resp_{conversation}.{number}" if stored else f"resp_{uuid4().hex}",
            "object": "response",
            "created_at": int(time.time()),
            "model": model,
            "error": None,
            "incomplete_details": None,
            "instructions": request.instructions,
            "metadata": request.metadata or {},
            "previous_response_id": request.previous_response_id,
            "parallel_tool_calls": False,
            "tool_choice": "none",
            "tools": [],
            "temperature": None,
            "top_p": None,
            "store": stored,
            "text": {"format": {"type": "text"}},
        }

    def whole(self, reply: Reply) -> Json:
        """A response that is complete."""
        read, written = usage_of(self._turns, reply, [reply.text])
        usage = {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read + written,
        }
        candor = told(reply, self._request.ignored())
        item = self._item([_text(reply)], "completed")
        return {**self._head, "status": "completed", "output": [item], "usage": usage, "candor": candor}

    async def events(self, running: Running) -> AsyncIterator[bytes]:
        """The response as server-sent events; the stages of the turn are comments."""
        begun = {**self._head, "status": "in_progress", "output": [], "usage": None}
        yield self._event("response.created", response=begun)
        yield self._event("response.in_progress", response=begun)
        steps = running.steps(IDLE)
        try:
            async for step in steps:
                yield f": {step.stage if step else 'waiting'}\n\n".encode()
            reply = running.result()
        except ApiError as error:
            told_error = {"code": error.code or "server_error", "message": str(error)}
            yield self._event("response.failed", response={**begun, "status": "failed", "error": told_error})
            return
        finally:
            await steps.aclose()
        at = {"item_id": self._message, "output_index": 0, "content_index": 0}
        empty, full = {**_text(reply), "text": "", "annotations": []}, _text(reply)
        yield self._event("response.output_item.added", output_index=0, item=self._item([], "in_progress"))
        yield self._event("response.content_part.added", **at, part=empty)
        for piece in pieces(reply.text):
            yield self._event("response.output_text.delta", **at, delta=piece, logprobs=[])
        yield self._event("response.output_text.done", **at, text=reply.text, logprobs=[])
        yield self._event("response.content_part.done", **at, part=full)
        yield self._event("response.output_item.done", output_index=0, item=self._item([full], "completed"))
        yield self._event("response.completed", response=self.whole(reply))

    def _item(self, content: Sequence[Json], status: str) -> Json:
        return {
            "id": self._message,
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": list(content),
        }

    def _event(self, kind: str, **fields: Any) -> bytes:  # noqa: ANN401
        self._count += 1
        data = as_bytes({"type": kind, "sequence_number": self._count, **fields})
        return f"event: {kind}\n".encode() + b"data: " + data + b"\n\n"


def _text(reply: Reply) -> Json:
    """The text of a reply, with an annotation at each mark that leads to a source."""
    sources = {citation.number: citation.source for citation in reply.citations}
    marks = [(mark.start(), int("".join(filter(str.isdecimal, mark[0])) or 0)) for mark in MARK.finditer(reply.text)]
    annotations = [
        {"type": "file_citation", "file_id": sources[number], "filename": sources[number], "index": place}
        for place, number in marks
        if number in sources
    ]
    return {"type": "output_text", "text": reply.text, "annotations": annotations, "logprobs": []}
