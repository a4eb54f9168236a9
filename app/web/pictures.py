"""Pictures on the page: from the message box to the message, and from the history to the transcript.

A picture is sent when it is chosen, so that an unusable one is reported at once; it is held in memory until its message
comes.
"""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlencode

from app.errors import AppError, InputError
from dialogue.pictures import FORMATS, MOST, MOST_BYTES, PictureError, checked, media_type
from dialogue.types import Picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from app.store.conversations import StoredTurn
    from app.store.history import History

MOST_HELD: Final = 24
KINDS: Final = ",".join(FORMATS.values())
Shown = tuple[str, str, str]  # name, address, what it shows as far as that is known
_HEADERS: Final = {
    "cache-control": "private, max-age=600",  # the transcript is drawn again with every reply
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
}


class Held:
    """Pictures whose message has not come yet, the latest `MOST_HELD`, each under a word nobody can guess."""

    def __init__(self) -> None:
        self._pictures: OrderedDict[str, Picture] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, picture: Picture) -> str:
        """Check and keep a picture; return the word it is asked for by. Raises PictureError."""
        [picture] = checked([picture])
        word = secrets.token_urlsafe(16)
        with self._lock:
            self._pictures[word] = picture
            while len(self._pictures) > MOST_HELD:
                self._pictures.popitem(last=False)
        return word

    def get(self, words: Sequence[str]) -> tuple[Picture, ...]:
        """Return the pictures behind the words. Raises InputError when one is not held any more."""
        with self._lock:
            found = [self._pictures[word] for word in words if word in self._pictures]
        if len(found) < len(words):
            raise InputError("a picture is no longer at hand: remove it and choose it again")
        return tuple(found)


def add_routes(api: "FastAPI", history: "Callable[[], History]", held: Held) -> None:
    """Take pictures in at ``POST /pictures``, give them out at ``GET /picture``, to this page alone.

    `history` is that of who asks.
    """
    from fastapi import Query, Request
    from fastapi.responses import JSONResponse, Response
    from starlette.concurrency import run_in_threadpool

    @api.post("/pictures")
    async def receive(request: Request, name: str = "") -> JSONResponse:
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > MOST_BYTES:
                break
        try:
            word = await run_in_threadpool(held.add, Picture(name, bytes(data)))
        except PictureError as error:
            return JSONResponse({"error": str(error)}, 422)
        return JSONResponse({"id": word})

    @api.get("/picture")
    def give(
        request: Request, turn: Annotated[int, Query(ge=0, lt=2**63)] = 0, name: str = "", word: str = ""
    ) -> Response:
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return Response(status_code=403)
        try:
            [picture] = held.get([word]) if word else [history().picture(turn, name)]
        except AppError:
            return Response(status_code=404)
        return Response(picture.data, media_type=media_type(picture), headers=_HEADERS)


def waiting(words: Sequence[str], pictures: Sequence[Picture]) -> tuple[Shown, ...]:
    """Pictures of a message on its way."""
    return tuple(
        (one.name, f"/picture?{urlencode({'word': word})}", "") for word, one in zip(words, pictures, strict=True)
    )


def sent(turn: "StoredTurn") -> tuple[Shown, ...]:
    """Pictures of a stored message, described where somebody has looked at them."""
    found = turn.reply.trace.evidence if turn.reply else ()
    descriptions = {item.passage.source: item.passage.text for item in found if item.passage.kind == "picture"}
    return tuple((name, address(str(turn.id), name), descriptions.get(name, "")) for name in turn.pictures)


def address(turn: str, name: str) -> str:
    """Where a picture is found: of that turn, or of one before it in the conversation."""
    return f"/picture?{urlencode({'turn': turn, 'name': name})}"


def thumbnails(pictures: Sequence[Shown]) -> str:
    """Pictures above a message; each opens in full."""
    links = "".join(
        f"<a href='{escape(url)}' target='_blank' rel='noopener' title='{escape(name)}'>"
        f"<img src='{escape(url)}' loading='lazy' "
        f"alt='{escape(f'{name}: {description}' if description else f'Picture {name}')}'></a>"
        for name, url, description in pictures
    )
    return f"<div class='sent' role='group' aria-label='Pictures of this message'>{links}</div>" if links else ""


def chooser() -> str:
    """What the message box needs for pictures: a hidden field, and the place of their previews."""
    return (
        f"<input id='pictures' type='file' accept='{KINDS}' multiple hidden data-most='{MOST}' "
        f"data-bytes='{MOST_BYTES}' aria-label='Add pictures'>"
        "<ul id='previews' aria-label='Pictures to send' hidden></ul>"
    )
