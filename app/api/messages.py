"""Messages as OpenAI's clients send them, made into turns of a dialogue."""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.api.errors import ApiError
from dialogue.pictures import MOST_BYTES
from dialogue.types import Picture, Speaker, Turn

MOST_MESSAGES: Final = 2_000
MOST_CHARACTERS: Final = 400_000  # of a whole conversation
_ROLES: Final[dict[str, Speaker]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_TEXTS: Final = ("text", "input_text", "output_text", "refusal")
_PICTURES: Final = ("image_url", "input_image")


class Part(BaseModel):
    """A part of a message: text, or a picture as a ``data:`` URL."""

    model_config = ConfigDict(extra="allow")
    type: Annotated[str, Field(max_length=64)]
    text: str | None = None
    refusal: str | None = None
    image_url: str | dict[str, Any] | None = None


class Message(BaseModel):
    """One turn of the conversation."""

    model_config = ConfigDict(extra="allow")
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None


def turns_of(messages: Sequence[Message], param: str) -> tuple[Turn, ...]:
    """Return messages as turns, the last one the user's. Raises ApiError, naming `param`."""
    turns = tuple(_turn(message, f"{param}.{place}") for place, message in enumerate(messages))
    if not turns or turns[-1].role != "user":
        raise ApiError(400, f"{param}: the last message has to be the user's", param=param)
    if not turns[-1].text.strip() and not turns[-1].pictures:
        raise ApiError(400, f"{param}: the last message is empty", param=param)
    count = sum(len(turn.text) for turn in turns)
    if count > MOST_CHARACTERS:
        words = f"{param}: the conversation has {count:,} characters, the limit is {MOST_CHARACTERS:,}"
        raise ApiError(400, words, "context_length_exceeded", param)
    return turns


def _turn(message: Message, place: str) -> Turn:
    role = _ROLES.get(message.role)
    if role is None:
        raise ApiError(400, f"{place}: messages of the role {message.role!r} are not supported", param=place)
    if message.content is None or isinstance(message.content, str):
        return Turn(role, message.content or "")
    texts: list[str] = []
    pictures: list[Picture] = []
    for number, part in enumerate(message.content):
        where = f"{place}.content.{number}"
        if part.type in _TEXTS:
            texts.append(part.text or part.refusal or "")
        elif part.type in _PICTURES and role == "user":
            pictures.append(_picture(part, len(pictures) + 1, where))
        else:
            raise ApiError(400, f"{where}: parts of the type {part.type!r} are not supported", param=where)
    return Turn(role, "\n\n".join(texts), tuple(pictures))


def _picture(part: Part, number: int, where: str) -> Picture:
    given = part.image_url
    url = given.get("url") if isinstance(given, dict) else given
    head, comma, data = url.partition(",") if isinstance(url, str) else ("", "", "")
    if not head.startswith("data:image/") or not head.endswith(";base64") or not comma:
        raise ApiError(
            400, f"{where}: pictures are taken as data:image/…;base64 URLs, and none is fetched", param=where
        )
    if len(data) > MOST_BYTES * 4 // 3 + 4:
        raise ApiError(400, f"{where}: the picture is larger than {MOST_BYTES:,} bytes", param=where)
    try:
        return Picture(f"picture {number}", base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        raise ApiError(400, f"{where}: the picture is not valid Base64", param=where) from None
