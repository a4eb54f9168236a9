"""A request that is sent again under the same ``Idempotency-Key``: one turn, however often its answer is lost.

The conversation that the request begins has an id made from the key and the account, so that the database alone knows
what was asked and answered under it, for every process and after every restart.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

from app.api.callers import Caller
from app.api.errors import ApiError
from app.api.service import Asked
from app.bot import checked_message
from app.errors import InputError
from dialogue.types import Reply, Step

if TYPE_CHECKING:
    from starlette.requests import Request

HEADER: Final = "Idempotency-Key"
LONGEST: Final = 255  # characters of a key
_KEYS: Final = UUID("5b0d1c1e-6d0f-4a53-9a0c-2f6f0f6c1d57")


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply that was given before, where a running one is expected."""

    stored: Reply

    async def steps(self, idle: float) -> AsyncGenerator[Step | None]:
        """Yield nothing: all of it is there."""
        nothing: tuple[Step | None, ...] = ()
        for step in nothing:
            yield step

    async def reply(self, request: "Request") -> Reply:
        """Return the reply."""
        return self.stored

    def result(self) -> Reply:
        """Return the reply."""
        return self.stored


def under_key(asking: Caller, asked: Asked, key: str) -> Asked | Answered:
    """Return what is to be asked under a key, or the answer that it had before. Raises ApiError.

    A turn under the key that was never answered is taken again, as another version of it.
    """
    if not key.strip() or len(key) > LONGEST:
        raise ApiError(400, f"{HEADER}: 1 to {LONGEST} characters", param=HEADER)
    if asked.conversation is not None or not asked.store:
        raise ApiError(400, f"{HEADER}: only a request that begins a stored conversation has one", param=HEADER)
    identity = str(uuid5(_KEYS, f"{asking.account or ''}\n{key}"))
    asked = replace(asked, identity=identity)
    try:
        turns = asking.bot.history.turns(identity)
    except InputError:
        return asked
    if not turns:
        return asked
    first, last = turns[0], asked.turns[-1]
    if first.question != checked_message(last.text, pictured=bool(last.pictures)):
        raise ApiError(422, f"{HEADER}: it was sent with another message before", "idempotency_key_reused", HEADER)
    if first.state == "done" and first.reply is not None:
        return Answered(first.reply)
    if first.state == "pending":
        words = "the first request under this key is being answered: try again"
        raise ApiError(409, words, "busy_conversation", headers={"Retry-After": "1"})
    return replace(asked, instead=first.id)
