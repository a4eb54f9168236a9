"""What reaches the page's server: from whom, which routes, how much, and for how long.

Two layers around the whole application. `Guarded` turns away other sites; `Gate` holds the list of routes, and lets
nothing else through: no other route, no other parameter, no longer body, no call that is not checked.
"""

import asyncio
import ipaddress
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode

from starlette.requests import ClientDisconnect

from app.web.documents import UPLOAD_LIMIT
from app.web.events import CallError, Calls
from app.web.who import SCOPE
from dialogue.pictures import MOST_BYTES

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CALL_LIMIT: Final = 256 * 1024  # bytes of a call: the longest message, every character escaped
CALL_SECONDS: Final = 10.0  # in which the body of a call has to be there
UPLOAD_SECONDS: Final = 60.0
UPLOADS_AT_ONCE: Final = 4
PAGES: Final = 10_000  # open pages of which is known whose they are
HEADERS: Final = (
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        b"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        b"connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
KEPT: Final = ((b"cache-control", b"private, max-age=31536000, immutable"),)


@dataclass(frozen=True, slots=True)
class Route:
    """A route that is served: its method, the parameters that get through, and the bytes of an upload.

    `calls` names how an event is called there: at once or as a stream.
    """

    method: str = "GET"
    query: frozenset[str] = frozenset()
    upload: int = 0
    calls: str = ""


def _taking(*names: str) -> frozenset[str]:
    return frozenset(names)


ROUTES: Final[Mapping[str, Route]] = {  # patterns of whole paths
    "/": Route(query=_taking("c")),
    "/config": Route(),
    r"/theme\.css": Route(query=_taking("v")),
    r"/favicon\.ico": Route(),
    r"/(?:assets|static)/(?!.*\.\.)[\w./@+-]+": Route(),
    "/gradio_api/app_id": Route(),  # asked for when the page has lost the server
    "/gradio_api/run/predict": Route("POST", _taking("c"), calls="now"),
    "/gradio_api/queue/join": Route("POST", _taking("c"), calls="stream"),
    "/gradio_api/queue/data": Route(query=_taking("session_hash")),
    "/healthz": Route(),
    "/readyz": Route(),
    "/metrics": Route(),
    "/picture": Route(query=_taking("turn", "name", "word")),
    "/original": Route(query=_taking("source")),
    "/paper": Route(query=_taking("c")),
    "/shared": Route(query=_taking("word")),
    "/pictures": Route("POST", _taking("name"), MOST_BYTES + 2**16),  # the route itself says what is too large
    "/documents": Route("POST", _taking("name", "taken"), UPLOAD_LIMIT + 2**16),
}
_PATTERNS: Final = tuple((re.compile(pattern), route) for pattern, route in ROUTES.items())


class Refused(Exception):
    """A request that is refused with this status. The message is fit for a user."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Gate:
    """Serves the routes of the list, with bounded bodies that arrive in time."""

    def __init__(self, app: "ASGIApp", calls: Calls) -> None:
        self._app = app
        self._calls = calls
        self._uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self._streams: dict[str, str] = {}  # open pages, and the accounts that they belong to

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)  # `app.api.edge` is its gate
        else:
            try:
                await self._serve(scope, receive, send)
            except Refused as refused:
                await _answer(send, refused.status, str(refused), of_api(scope["path"]))
            except CallError as error:
                await _answer(send, error.status, str(error))
            except ClientDisconnect:
                return  # nobody is there to be answered

    async def _serve(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        route = _route(scope["path"], scope["method"])
        query = [pair for pair in parse_qsl(scope["query_string"].decode("latin-1")) if pair[0] in route.query]
        scope = {**scope, "query_string": urlencode(query).encode()}
        who = scope.get(SCOPE)
        account = who.account if who else ""
        if scope["path"] == "/gradio_api/queue/data":
            page = dict(query).get("session_hash", "")
            if not self._calls.follows(page) or self._streams.get(page, account) != account:
                raise Refused(404, "there is nothing to follow: reload the page")
        if route.calls:
            body = await read_body(Body(scope, receive, CALL_LIMIT, CALL_SECONDS))
            checked = self._calls.checked(body, route.calls == "stream")
            if account:
                self._claim(json.loads(checked)["session_hash"], account)
            await self._app(scope, replayed(checked, receive), send)
        elif route.upload:
            async with self._slot():
                await self._app(scope, Body(scope, receive, route.upload, UPLOAD_SECONDS), send)
        else:
            await self._app(scope, receive, send)

    def _claim(self, page: str, account: str) -> None:
        """Note whose an open page is, so that nobody else follows it."""
        if self._streams.setdefault(page, account) != account:
            raise Refused(404, "this page is somebody else's: reload it")
        while len(self._streams) > PAGES:
            self._streams.pop(next(iter(self._streams)))

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Wait for one of the places of those who upload."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._uploads.acquire()
        except TimeoutError:
            raise Refused(503, "the server is busy with other uploads: try again in a moment") from None
        try:
            yield
        finally:
            self._uploads.release()


class Body:
    """Receives a body of at most `limit` bytes within `seconds`."""

    def __init__(self, scope: "Scope", receive: "Receive", limit: int, seconds: float) -> None:
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 18 or int(length) > limit:
            raise Refused(413, f"the request is larger than {limit:,} bytes")
        self._receive, self._limit, self._left = receive, limit, limit
        self._ends = asyncio.get_running_loop().time() + seconds
        self._whole = False

    async def __call__(self) -> "Message":
        """Receive the next part, and once all are there what comes after."""
        if self._whole:
            return await self._receive()
        message = await self._next()
        while self._left < 0:
            if self._whole or self._left < -self._limit:
                raise Refused(413, f"the request is larger than {self._limit:,} bytes")
            await self._next()  # thrown away: who still sends reads no answer
        return message

    async def _next(self) -> "Message":
        try:
            async with asyncio.timeout_at(self._ends):
                message = await self._receive()
        except TimeoutError:
            raise Refused(408, "the request did not arrive in time: send it again") from None
        self._left -= len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        return message


async def read_body(body: Body) -> bytes:
    """Return a whole body. Raises Refused, and ClientDisconnect when the client has gone."""
    parts = bytearray()
    while True:
        message = await body()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(parts)


def replayed(body: bytes, receive: "Receive") -> "Receive":
    """Return what gives the application this body, then what comes after it."""
    given = False

    async def again() -> "Message":
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _route(path: str, method: str) -> Route:
    for pattern, route in _PATTERNS:
        if pattern.fullmatch(path):
            if method == route.method or (method, route.method) == ("HEAD", "GET"):
                return route
            raise Refused(405, f"{method} is not served here")
    raise Refused(404, "there is nothing here")


def of_api(path: str) -> bool:
    """Whether a path is that of the HTTP API."""
    return path == "/v1" or path.startswith("/v1/")


def error_body(
    words: str, kind: str = "invalid_request_error", code: str | None = None, param: str | None = None
) -> bytes:
    """An error as OpenAI's API tells it, in JSON."""
    return json.dumps({"error": {"message": words, "type": kind, "param": param, "code": code}}).encode()


async def _answer(send: "Send", status: int, words: str, api: bool = False) -> None:
    headers = [(b"content-type", b"application/json")]
    if status in (408, 413):
        headers.append((b"connection", b"close"))  # the rest of the body is not waited for
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send(
        {"type": "http.response.body", "body": error_body(words) if api else json.dumps({"error": words}).encode()}
    )


class Guarded:
    """Adds the security headers to every answer, and turns away what does not come from its own page.

    A page of another site may reach a loopback address: by a name that resolves to it (then the Host header
    gives it away) or directly (then the Origin header does).
    """

    def __init__(self, app: "ASGIApp", anywhere: bool = False, origins: Sequence[str] = ()) -> None:
        """With `anywhere` the server goes by any name; then it asks who comes, which such a page cannot say.

        Pages of the `origins` may use the API.
        """
        self._app, self._anywhere, self._origins = app, anywhere, frozenset(origins)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: "Message") -> None:
            if message["type"] == "http.response.start":
                named = scope["path"].startswith("/assets/")  # by its content, so that it never changes
                message["headers"] = [*message.get("headers", []), *HEADERS, *(KEPT if named else ())]
            await send(message)

        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        allowed = {None, f"http://{host}", f"https://{host}", *(self._origins if of_api(scope["path"]) else ())}
        if (self._anywhere or loopback(_name(host))) and origin in allowed:
            await self._app(scope, receive, with_headers)
        else:
            await _answer(with_headers, 403, "requests from other sites are not served", of_api(scope["path"]))


def loopback(host: str) -> bool:
    """Whether a host is this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    """The host part of a Host header: no port, no brackets."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
