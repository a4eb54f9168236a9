"""The events that may be called over HTTP, and what each may be given.

Gradio turns whatever looks like a file in the input of an event into a copy of that file, so nothing but the words
named here reaches it: no event takes a path. What is not listed cannot be called.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, create_model

from app.errors import AppError
from dialogue.pictures import MOST

if TYPE_CHECKING:
    from gradio import Blocks

_STRICT: Final = ConfigDict(strict=True, extra="forbid")
_Name = Annotated[str, StringConstraints(max_length=200)]
_Words = Annotated[str, StringConstraints(max_length=2000)]
_Identity = Annotated[str, StringConstraints(max_length=64)]
_Session = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
_Number = Annotated[str, StringConstraints(pattern=r"^[0-9]{0,18}$")]  # what SQLite holds
_Index = Annotated[int, Field(ge=0, le=10**6)]
_Pictures = Annotated[list[_Identity], Field(max_length=MOST)]


class CallError(AppError):
    """A call that is not carried out. `status` is the HTTP status that says so."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Event:
    """What an event may be given.

    `conversation` says whether the page's conversation is its input, `fields` are the types of what comes along, and
    `queued` whether it is joined as a stream instead of being answered at once.
    """

    conversation: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)
    queued: bool = False

    @cached_property
    def _model(self) -> type[BaseModel]:
        optional: dict[str, Any] = {name: (kind | None, None) for name, kind in self.fields.items()}
        return create_model("EventData", __config__=_STRICT, **optional)

    def checked(self, data: object) -> dict[str, object]:
        """Return what comes along with a call. Raises ValidationError."""
        return self._model.model_validate({} if data is None else data).model_dump(exclude_none=True)


EVENTS: Final[Mapping[str, Event]] = {  # by the name of the handler
    "load": Event(),
    "open": Event(fields={"id": _Identity, "turn": _Number, "quiet": bool}),
    "choose": Event(fields={"role": _Name}),
    "send": Event(True, {"text": str, "pictures": _Pictures, "role": _Name}),
    "retry": Event(True),
    "turn": Event(
        True,
        {
            "turn": _Number,
            "act": _Name,
            "text": str,
            "rank": _Number,
            "good": bool,
            "reason": _Name,
            "words": _Words,
            "undo": bool,
        },
    ),
    "change": Event(True, {"act": _Name, "id": _Identity, "title": str, "form": _Name}),
    "earlier": Event(True),
    "tune": Event(True, {"key": _Name, "value": _Name}),
    "stop": Event(True),
    "find": Event(True, {"search": str, "more": bool}),
    "show": Event(True, {"turn": _Number}),
    "document": Event(True, {"turn": _Number, "number": _Number}),
    "list_documents": Event(),
    "source": Event(True, {"act": _Name, "source": _Number, "url": _Words, "search": str}),
    "follow": Event(True, queued=True),
    "suggest": Event(True, queued=True),
    "follow_uploads": Event(queued=True),
}


class Call(BaseModel):
    """One call of an event, as the page makes it."""

    model_config = _STRICT
    fn_index: _Index
    session_hash: _Session
    data: Annotated[list[_Identity | None], Field(max_length=1)]
    event_data: dict[str, Any] | None = None
    trigger_id: _Index | None = None


class Calls:
    """Checks the calls of one page's events."""

    def __init__(self) -> None:
        self._events: dict[int, Event] = {}
        self._blocks: Blocks | None = None

    def learn(self, blocks: "Blocks") -> None:
        """Take the events of a page. Raises KeyError for one that is not listed."""
        self._events = {number: EVENTS[str(function.name)] for number, function in blocks.fns.items()}
        self._blocks = blocks

    def checked(self, body: bytes, queued: bool) -> bytes:
        """Return a call with nothing in it but what its event takes. Raises CallError."""
        try:
            call = Call.model_validate_json(body)
            event = self._events.get(call.fn_index)
            if event is None or event.queued is not queued:
                raise CallError(f"there is no event {call.fn_index} here: reload the page", 404)
            if len(call.data) != event.conversation:
                raise CallError(f"event {call.fn_index} takes {int(event.conversation)} inputs, not {len(call.data)}")
            data = event.checked(call.event_data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise CallError(f"the call cannot be read: {place}{place and ': '}{first['msg']}") from None
        clean = {
            "fn_index": call.fn_index,
            "session_hash": call.session_hash,
            "data": [identity or "" for identity in call.data],
            "event_data": data if call.event_data is not None else None,
            "trigger_id": call.trigger_id,
        }
        return json.dumps(clean).encode()

    def follows(self, session: str) -> bool:
        """Whether there is anything to stream to this page."""
        return self._blocks is not None and session in self._blocks._queue.pending_messages_per_session
