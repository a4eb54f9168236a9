"""Every request with an id, counted by route and status, and logged in a line without what was said."""

import logging
import re
from time import perf_counter
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from app.api.metrics import Metrics
from app.logs import FIELDS, REQUEST
from app.web.gate import ROUTES, of_api

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ID: Final = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")
_PATTERNS: Final = tuple(
    (re.compile(pattern), "/assets" if pattern.startswith("/(?:") else pattern.replace("\\", "")) for pattern in ROUTES
)
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
log = logging.getLogger(__name__)


class Observed:
    """The outermost layer of the server. A route of the API names itself in the state of the request."""

    def __init__(self, app: "ASGIApp", metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"")
        identity = given if _ID.fullmatch(given) else uuid4().hex.encode()
        state = scope.setdefault("state", {})
        status = 499  # nobody waited for the answer

        async def noting(message: "Message") -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", identity)]
            await send(message)

        token, begun = REQUEST.set(identity.decode()), perf_counter()
        try:
            await self._app(scope, receive, noting)
        finally:
            seconds = perf_counter() - begun
            route = state.get("route") or _route(scope["path"])
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.request(route, method, status, seconds)
            facts = {"route": route, "method": method, "status": status, "seconds": round(seconds, 4)}
            log.info("request", extra={FIELDS: facts})
            REQUEST.reset(token)


def _route(path: str) -> str:
    """The route of a path that named none: of the page, or none at all."""
    if of_api(path):
        return "/v1"
    return next((name for pattern, name in _PATTERNS if pattern.fullmatch(path)), "none")
