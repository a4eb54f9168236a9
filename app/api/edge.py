"""The gate of the API: bodies of bounded size that arrive in time and are sound JSON; and an answer, whatever happens.

Sits around the application that has the routes, inside what turns away other sites (`app.web.gate.Guarded`).
"""

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import ClientDisconnect

from app.api.errors import ApiError, respond
from app.web.documents import UPLOAD_LIMIT
from app.web.gate import Body, Refused, read_body, replayed
from app.web.jobs import UNEXPECTED

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_LIMIT: Final = 16 * 2**20  # bytes of JSON: some 12 MB of pictures
SMALL: Final = 2**18  # bytes; larger bodies, and those that do not say how large they are, are read a few at a time
LARGE_AT_ONCE: Final = 8
SECONDS: Final = 20.0  # in which a body has to be there
DEEPEST: Final = 64  # of lists and objects in each other
AT_ONCE: Final = 400  # requests; those beyond are asked to come again
UPLOADS: Final = "/v1/sources"  # whose body is a file
_CODES: Final = {408: "timeout", 413: "request_too_large"}
log = logging.getLogger(__name__)


class Edge:
    """Lets sound requests through to `app`, and answers the others, and what goes wrong, in OpenAI's shape."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._now = 0

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        begun = False

        async def noting(message: "Message") -> None:
            nonlocal begun
            begun = True
            await send(message)

        self._now += 1
        try:
            if self._now > AT_ONCE:
                raise ApiError(429, "too many requests at once: try again", "busy_full", headers={"Retry-After": "1"})
            await self._app(scope, await self._checked(scope, receive), noting)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:  # the server stops
            if not begun:
                words = "the server is stopping: send it again when it is back"
                await respond(ApiError(503, words, "busy_stopping", headers={"Retry-After": "5"}))(scope, receive, send)
        except Exception as error:
            if begun:
                log.exception("a response broke off")
                return
            await respond(_told(error))(scope, receive, send)
        finally:
            self._now -= 1

    async def _checked(self, scope: "Scope", receive: "Receive") -> "Receive":
        """Return what gives the application a checked body."""
        if scope["method"] not in ("POST", "PUT", "PATCH"):
            return receive
        if scope["path"] == UPLOADS:
            return Body(scope, receive, UPLOAD_LIMIT, 3 * SECONDS)
        async with self._room(scope):
            body = await read_body(Body(scope, receive, BODY_LIMIT, SECONDS))
        if not body:
            return replayed(body, receive)
        kind = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise ApiError(415, f"the body has to be application/json, not {kind[:80] or 'of no type'}")
        return replayed(sound(body), receive)

    @asynccontextmanager
    async def _room(self, scope: "Scope") -> AsyncIterator[None]:
        length = dict(scope["headers"]).get(b"content-length", b"")
        if length.isdigit() and len(length) < 10 and int(length) <= SMALL:
            yield
            return
        try:
            async with asyncio.timeout(SECONDS):
                await self._large.acquire()
        except TimeoutError:
            raise ApiError(429, "too many large requests at once: try again", headers={"Retry-After": "5"}) from None
        try:
            yield
        finally:
            self._large.release()


def sound(body: bytes) -> bytes:
    """Return a body of JSON, half characters in it replaced. Raises ApiError where it is none that means one thing."""
    try:
        value = json.loads(body.decode(), parse_constant=_no_number, parse_float=_finite, object_pairs_hook=_object)
        _measure(value)
    except UnicodeDecodeError:
        raise ApiError(400, "the body is not UTF-8") from None
    except RecursionError:
        raise ApiError(400, f"the body is nested deeper than {DEEPEST} levels") from None
    except ValueError as error:
        raise ApiError(400, f"the body is not valid JSON: {str(error)[:200]}") from None
    if b"\\ud" in body or b"\\uD" in body:
        text = json.dumps(value, ensure_ascii=False)
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    return body


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError(f"{text[:40]} is too large a number")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:80]!r} is given twice")
    return found


def _measure(value: object) -> None:
    """Raise RecursionError where lists and objects lie too deep in each other."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise RecursionError


def _told(error: Exception) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, Refused):
        return ApiError(error.status, str(error), _CODES.get(error.status), headers={"Connection": "close"})
    log.error("a request failed", exc_info=error)
    return ApiError(500, UNEXPECTED, "internal_error")
