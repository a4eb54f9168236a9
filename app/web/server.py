"""The web server: the page on FastAPI, its headers, and a clean start and stop.

Knows nothing of conversations. Only loopback addresses are served, because there are no accounts yet.
"""

import errno
import ipaddress
import os
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import AppError
from app.web.jobs import Jobs, Uploads
from app.web.pictures import add_routes

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from app.bot import Bot
    from app.ingest import IngestProgress

GRACE = 1  # seconds that open connections get when the server stops
HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        b"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        b"connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


class ServeError(AppError):
    """The server cannot start. The message is one line and says what to do."""


class Guarded:
    """Adds the security headers to every answer, and turns away what does not come from its own page.

    A page of another site may reach a loopback address: by a name that resolves to it (then the Host header
    gives it away) or directly (then the Origin header does).
    """

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: "Message") -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if _loopback(_name(host)) and origin in {None, f"http://{host}", f"https://{host}"}:
            await self._app(scope, receive, with_headers)
            return
        await with_headers({"type": "http.response.start", "status": 403, "headers": []})
        await with_headers({"type": "http.response.body", "body": b"Requests from other sites are not served.\n"})


def _name(host: str) -> str:
    """The host part of a Host header: no port, no brackets."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def build_app(bot: "Bot", examples: Sequence[str] = ()) -> "FastAPI":
    """The whole web application around `bot`, ready for any ASGI server."""
    uploads = Path(bot.settings.data_dir).resolve() / "uploads"
    # Gradio reads these when it is imported and mounted: no telemetry, no hub, uploads beside the data.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ["GRADIO_TEMP_DIR"] = str(uploads / "incoming")
    from fastapi import FastAPI

    from app.web.handlers import Handlers
    from app.web.page import mount

    def ingest(path: Path, progress: Callable[[str, float], None]) -> str:
        def told(step: "IngestProgress") -> None:
            done = step.done / max(step.total, 1)
            if step.stage == "embedding":
                progress(f"Reading passage {step.done} of {step.total}", 0.1 + 0.8 * done)
            elif step.stage == "indexing":
                progress("Adding to the index", 0.9)

        report = bot.ingest([path], told)
        return "; ".join(file.reason for file in report.files if file.outcome == "failed")

    api = FastAPI(title="Candor", docs_url=None, redoc_url=None, openapi_url=None)
    api.add_middleware(Guarded)
    api.state.jobs = Jobs(bot)

    @api.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    page = Handlers(bot, api.state.jobs, Uploads(ingest, uploads), examples)
    add_routes(api, bot.history, page.held)
    return mount(api, page)


def serve(bot: "Bot", host: str, port: int, ready: Callable[[str], None], examples: Sequence[str] = ()) -> None:
    """Serve the web chat until Ctrl-C or SIGTERM; `ready` gets one line once requests are answered.

    Raises ServeError when `host` is not a loopback address or the port is taken.
    """
    with _bind(host, port) as listener:
        import uvicorn

        app = build_app(bot, examples)
        url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets=sockets)
                ready(f"Candor is ready: {url}")

        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE, server_header=False
        )
        _run(Server(config), listener)
        app.state.jobs.close()


def probe(host: str, port: int) -> None:
    """Raise ServeError when `serve` could not listen there now."""
    _bind(host, port).close()


def _bind(host: str, port: int) -> socket.socket:
    if not _loopback(host):
        raise ServeError(
            f"{host!r} is not an address of this machine alone, and there are no accounts yet; use --host 127.0.0.1"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ServeError(f"port {port} is in use; try --port {port + 1}") from None
        raise ServeError(f"cannot listen on {host}:{port}: {error.strerror}; try another --port") from None
    return listener


def _run(server: "uvicorn.Server", listener: socket.socket) -> None:
    # uvicorn raises the signal that stopped it again when it is done; the caller still has a bot to close.
    ends = (signal.SIGINT, signal.SIGTERM)
    try:
        before = {end: signal.signal(end, lambda *_: None) for end in ends}
    except ValueError:  # not the main thread: signals are somebody else's
        before = {}
    try:
        server.run(sockets=[listener])
    finally:
        for end, handler in before.items():
            signal.signal(end, handler)
