"""The web server: the page and the API on FastAPI, their headers, and a clean start and stop.

Without accounts only loopback addresses are served.
"""

import asyncio
import errno
import gc
import hashlib
import os
import signal
import socket
from collections.abc import Callable, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.accounts.accounts import Accounts
from app.accounts.sign_on import Provider
from app.config import listed
from app.errors import AppError
from app.library.catalogue import UPLOADS, as_text, file_of
from app.web.documents import add_document_route
from app.web.doors import Doors
from app.web.events import Calls
from app.web.gate import Gate, Guarded, loopback
from app.web.health import trouble
from app.web.jobs import Jobs
from app.web.originals import add_original_route
from app.web.papers import add_paper_routes
from app.web.pictures import add_routes
from app.web.shelves import Shelves
from app.web.undo import Undo
from app.web.uploads import Uploads

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI
    from starlette.applications import Starlette

    from app.bot import Bot
    from app.library.ingest import IngestProgress

GRACE = 1  # seconds that open connections get when the server stops, beyond what replies on their way get
PAUSE = 0.05  # seconds between two looks at whether these are finished
CONNECTIONS = 512


class ServeError(AppError):
    """The server cannot start. The message is one line and says what to do."""


def build_app(bot: "Bot", examples: Sequence[str] = ()) -> "FastAPI":
    """The whole web application around `bot`, ready for any ASGI server; see `server_config`."""
    folder = Path(bot.settings.data_dir).resolve()
    # Gradio reads these when it is imported and mounted: no telemetry, no hub, what it caches beside the data.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ["GRADIO_TEMP_DIR"] = str(folder / UPLOADS / "incoming")
    from fastapi import FastAPI

    from app.api.metrics import Metrics
    from app.api.observe import Observed
    from app.api.routes import add_api
    from app.api.service import Service
    from app.web.handlers import Handlers
    from app.web.page import mount

    settings = bot.settings
    guarded = settings.accounts == "on"
    calls, metrics = Calls(), Metrics(text=settings.log_text == "on")
    uploads = Shelves(lambda place: _uploads(bot, place), folder / UPLOADS, guarded)
    api = FastAPI(title="Candor", docs_url=None, redoc_url=None, openapi_url=None)
    api.add_middleware(Gate, calls=calls)
    if guarded:
        provider = Provider(settings.oidc, settings.oidc_client, settings.oidc_secret) if settings.oidc else None
        api.add_middleware(Doors, database=bot.library.database, provider=provider)
    api.add_middleware(Guarded, anywhere=guarded, origins=listed(settings.cors))
    api.add_middleware(Observed, metrics=metrics)  # the outermost
    api.state.jobs = Jobs(bot, settings.workers, settings.waiting, metrics.turn)
    metrics.watch(api.state.jobs.load)
    _add_health(api, folder)
    api.state.undo = Undo()
    page = Handlers(bot, api.state.jobs, uploads, examples, api.state.undo)
    add_api(api, Service(bot, api.state.jobs, uploads, folder, page.limits), metrics)
    add_routes(api, lambda: page.bot.history, page.held)
    add_paper_routes(api, bot.history, lambda: page.bot.history, page.shares, api.state.undo)
    add_original_route(api, page.sources)
    add_document_route(api, uploads, folder, api.state.undo)
    return mount(api, page, calls)


def _uploads(bot: "Bot", folder: Path) -> Uploads:
    """The documents on their way into the library of `bot`, those included that were left unread."""

    def ingest(path: Path, progress: Callable[[str, float], None]) -> str:
        def report_step(step: "IngestProgress") -> None:
            done = step.done / max(step.total, 1)
            if step.stage == "embedding":
                progress(f"Reading passage {step.done} of {step.total}", 0.1 + 0.8 * done)
            elif step.stage == "indexing":
                progress("Adding to the index", 0.9)

        report = bot.ingest([path], report_step)
        return "; ".join(file.reason for file in report.files if file.outcome == "failed")

    def stored(path: Path) -> bool:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        rows = [row for row in bot.library.sources() if file_of(row.uri) == as_text(path)]
        return any(row.sha256.startswith(digest) for row in rows)

    def fetch(target: str, progress: Callable[[str, float], None]) -> str:
        known = target.isdecimal()  # the id of a source; else an address, or the folder of the demo
        progress("Reading again" if known else "Fetching", 0.3)
        report = bot.refresh([target]) if known else bot.ingest([target])
        return "; ".join(file.reason for file in report.files if file.outcome == "failed")

    uploads = Uploads(ingest, stored, folder, fetch)
    uploads.resume()
    return uploads


def _add_health(api: "FastAPI", folder: Path) -> None:
    """Answer ``GET /healthz``: 503 with the reason when nothing can be stored."""
    from anyio import CapacityLimiter, to_thread
    from fastapi.responses import JSONResponse

    own = CapacityLimiter(1)  # however many threads are at work for others

    @api.get("/healthz")
    async def healthz() -> JSONResponse:
        problem = await to_thread.run_sync(trouble, folder, limiter=own)
        return JSONResponse(
            {"status": "fail", "reason": problem} if problem else {"status": "ok"}, 503 if problem else 200
        )


def server_config(app: "Starlette") -> "uvicorn.Config":
    """How the application is served: one connection is not kept waiting for ever, and there are not too many."""
    import uvicorn

    from app.web.patience import Patient

    return uvicorn.Config(
        app,
        http=Patient,
        ws="none",
        log_config=None,  # so that it logs as all else does
        log_level="warning",
        access_log=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=GRACE,
        server_header=False,
    )


def serve(bot: "Bot", host: str, port: int, ready: Callable[[str], None], examples: Sequence[str] = ()) -> None:
    """Serve the web chat until Ctrl-C or SIGTERM; `ready` gets one line once requests are answered.

    Raises ServeError when `host` is not a loopback address or the port is taken.
    """
    with listening(host, port, bot.settings.accounts == "on") as listener:
        import uvicorn

        if bot.settings.accounts == "on" and not bot.settings.oidc and not Accounts(bot.library.database).any():
            raise ServeError("there is no account yet: make one with `candor accounts add NAME --role admin`")

        app = build_app(bot, examples)
        url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets=sockets)
                await warm(app)
                ready(f"Candor is ready: {url}")

            async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
                for server in self.servers:
                    server.close()
                await _finished(self, app.state.jobs, bot.settings.grace)
                await super().shutdown(sockets=sockets)

        until_stopped(Server(server_config(app)), listener)
        app.state.jobs.close()
        app.state.undo.close()


async def _finished(server: "uvicorn.Server", jobs: Jobs, seconds: float) -> None:
    """Wait so long for the replies on their way, or until a second Ctrl-C, then stop them; begin no more."""
    jobs.refuse()
    ends = asyncio.get_running_loop().time() + seconds
    while any(jobs.load()) and not server.force_exit and asyncio.get_running_loop().time() < ends:
        await asyncio.sleep(PAUSE)
    await asyncio.to_thread(jobs.close)


async def warm(app: "FastAPI") -> None:
    """Answer for the page once, so that what is imported and made late is there before anybody waits for it.

    Nothing of that is garbage: Python's collector, which takes a fifth of a second for it, looks at it no more.
    """

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: "MutableMapping[str, Any]") -> None:
        pass

    for path in ("/", "/config", "/theme.css"):
        scope = {
            "type": "http",
            "http_version": "1.1",
            "asgi": {"version": "3.0"},
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
            "server": ("localhost", 80),
            "client": ("127.0.0.1", 0),
        }
        await app(scope, receive, send)
    gc.collect()
    gc.freeze()


def probe(host: str, port: int, accounts: bool = False) -> None:
    """Raise ServeError when `serve` could not listen there now, with `accounts` or without."""
    listening(host, port, accounts).close()


def listening(host: str, port: int, accounts: bool) -> socket.socket:
    """Return a socket that listens there. Raises ServeError."""
    if not accounts and not loopback(host):
        raise ServeError(
            f"{host!r} is not an address of this machine alone, and without accounts everybody there could read and "
            "write: use --host 127.0.0.1, or set accounts = on (see `candor accounts`)"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, or asyncio lets each answer wait
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


def until_stopped(server: "uvicorn.Server", listener: socket.socket) -> None:
    """Run a server until Ctrl-C or SIGTERM."""
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
