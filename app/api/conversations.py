"""``/v1/conversations``: what is stored of the dialogues; they go on under their ids in ``/v1/chat/completions``."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from app.api.callers import Chatting
from app.api.service import Service
from app.api.shapes import Json, as_bytes, told
from app.store.conversations import StoredConversation, StoredTurn

LARGEST: Final = 2**63 - 1
Id = Annotated[str, Path(max_length=100, description="the id of a conversation")]


def add_conversations(router: APIRouter, service: Service) -> None:
    """Answer at ``/conversations``."""

    @router.get("/conversations", tags=["Candor"], summary="List the conversations", response_class=Response)
    def list_conversations(
        asking: Chatting,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        offset: Annotated[int, Query(ge=0, le=LARGEST)] = 0,
        search: Annotated[str, Query(max_length=500, description="words of titles or messages")] = "",
    ) -> Response:
        rows = asking.bot.history.conversations(limit, offset, search)
        return _json({"object": "list", "data": [_conversation(row) for row in rows]})

    @router.get("/conversations/{conversation}", tags=["Candor"], summary="One, with turns", response_class=Response)
    def one_conversation(
        conversation: Id,
        asking: Chatting,
        limit: Annotated[int, Query(ge=1, le=1000, description="the last so many turns")] = 100,
    ) -> Response:
        row = asking.conversation(conversation)
        turns = [_turn(turn) for turn in asking.bot.history.turns(row.id, limit)]
        return _json({**_conversation(row), "turns": turns})

    @router.delete("/conversations/{conversation}", tags=["Candor"], summary="Delete one", response_class=Response)
    def delete_conversation(conversation: Id, asking: Chatting) -> Response:
        row = asking.conversation(conversation)
        service.jobs.stop(row.id)
        asking.bot.history.delete(row.id)
        asking.note("conversation deleted", row.id)
        return _json({"id": row.id, "object": "conversation.deleted", "deleted": True})


def _conversation(row: StoredConversation) -> Json:
    return {
        "id": row.id,
        "object": "conversation",
        "created_at": int(row.created_at.timestamp()),
        "updated_at": int(row.updated_at.timestamp()),
        "title": row.title,
        "turns": row.turns,
        "role": row.role,
        "pinned": row.pinned,
        "metadata": {},
    }


def _turn(turn: StoredTurn) -> Json:
    reply = turn.reply
    return {
        "number": turn.number,
        "created_at": int(turn.created_at.timestamp()),
        "question": turn.question,
        "pictures": list(turn.pictures),
        "state": turn.state,
        "reason": turn.reason,
        "reply": reply.text if reply else None,
        "candor": told(reply) if reply else None,
    }


def _json(value: object) -> Response:
    return Response(as_bytes(value), media_type="application/json")
