"""Who asks: the one place that decides who may use the API, and which conversations are theirs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from app.api.errors import ApiError
from app.errors import InputError

if TYPE_CHECKING:
    from app.bot import Bot
    from app.store.conversations import StoredConversation


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request; `name` is "" where there are no accounts."""

    name: str = ""


async def caller(request: Request) -> Caller:
    """Return who sent a request. Raises ApiError for somebody who is not let in.

    Without accounts everybody is who can reach the server, which listens on this machine alone.
    """
    return Caller()


def own_conversation(bot: "Bot", asking: Caller, conversation: str) -> "StoredConversation":
    """Return a conversation of the caller's. Raises ApiError, the same for one of somebody else as for none."""
    try:
        return bot.history.conversation(conversation)
    except InputError:
        raise ApiError(
            404, "there is no such conversation: GET /v1/conversations lists them", "conversation_not_found"
        ) from None
