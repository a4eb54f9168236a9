"""A page on which raters answer the paper's questions about stored replies: routes, and how they are served.

Everything is kept in the database as it is answered, so that a rater who comes back goes on where they were. Only this
machine is served. Knows nothing of the chat.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, quote, unquote

from app.errors import AppError, InputError
from app.store.annotations import QUESTIONS, Annotations, named
from app.store.history import History
from app.web.gate import Guarded
from app.web.rating.page import Place, done, shell, summary, turn_page, welcome
from app.web.server import listening, server_config, until_stopped

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from app.store.database import Database

COOKIE: Final = "candor_rater"
MOST: Final = 8192  # bytes of a form
_SAID: Final = {"yes": True, "no": False, "none": None}
_FILES: Final = {"page.css": "text/css", "page.js": "text/javascript"}


def build_rating(database: "Database", turns: Sequence[int]) -> "Starlette":
    """The application on which the replies of these turns are rated, in their order, ready for any ASGI server."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.routing import Route

    pages = Pages(database, turns)
    routes = [
        Route("/", pages.first),
        Route("/rater", pages.enter, methods=["POST"]),
        Route("/leave", pages.leave),
        Route("/turn/{number:int}", pages.ask),
        Route("/turn/{number:int}", pages.answer, methods=["POST"]),
        Route("/summary", pages.summary),
        *(Route(f"/files/{name}", pages.file) for name in _FILES),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guarded)], exception_handlers={AppError: pages.failed})


class Pages:
    """What each route answers."""

    def __init__(self, database: "Database", turns: Sequence[int]) -> None:
        self._annotations, self._history, self._turns = Annotations(database), History(database), turns
        self._files = {name: (Path(__file__).with_name(name).read_bytes(), kind) for name, kind in _FILES.items()}

    def first(self, request: "Request") -> "Response":
        """The first reply that the rater has not rated; whoever has no name yet is asked for it."""
        rater = _rater(request)
        if not rater:
            return _page(welcome())
        mine = self._annotations.by(rater)
        left = [at for at, turn in enumerate(self._turns, 1) if turn not in mine]
        return _to(f"/turn/{left[0]}") if left else _page(done(rater, len(self._turns)))

    async def enter(self, request: "Request") -> "Response":
        """Keep the name of a rater in a cookie."""
        return _as(named((await _form(request)).get("rater", "")))

    def leave(self, request: "Request") -> "Response":
        """Forget it."""
        return _as("")

    def ask(self, request: "Request") -> "Response":
        """A reply with the questions."""
        rater, number = _rater(request), request.path_params["number"]
        if not rater or not 1 <= number <= len(self._turns):
            return _to("/")
        turn, mine = self._history.turn(self._turns[number - 1]), self._annotations.by(rater)
        place = Place(rater, number, len(self._turns), sum(one in mine for one in self._turns))
        kept = mine.get(turn.id)
        before = self._history.context(turn.conversation, turn.id)
        return _page(turn_page(place, turn, before, kept.answers if kept else {}))

    async def answer(self, request: "Request") -> "Response":
        """Keep the answers."""
        from anyio import to_thread

        rater, number, given = _rater(request), request.path_params["number"], await _form(request)
        if rater and 1 <= number <= len(self._turns):
            answers = {name: _SAID.get(given.get(name, "none")) for name in QUESTIONS}
            await to_thread.run_sync(self._annotations.save, self._turns[number - 1], rater, answers)
        return _to("/")

    def summary(self, request: "Request") -> "Response":
        """What most raters say."""
        return _page(summary(self._annotations.of(self._turns), len(self._turns)))

    def file(self, request: "Request") -> "Response":
        """The style or the script."""
        from starlette.responses import Response

        data, kind = self._files[request.url.path.rpartition("/")[2]]
        return Response(data, media_type=kind)

    def failed(self, request: "Request", error: Exception) -> "Response":
        """What went wrong, in a line."""
        return _page(welcome(str(error)), 400)


def _page(body: str, status: int = 200) -> "Response":
    from starlette.responses import HTMLResponse

    return HTMLResponse(shell(body), status, {"cache-control": "no-store"})


def _rater(request: "Request") -> str:
    return unquote(request.cookies.get(COOKIE, ""))


async def _form(request: "Request") -> dict[str, str]:
    """The fields of a form, each once. Raises InputError for one that is too long or no text."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST:
            raise InputError("the form is too long")
    try:
        return {name: values[-1] for name, values in parse_qs(body.decode(), max_num_fields=20).items()}
    except ValueError:
        raise InputError("the form cannot be read") from None


def _to(path: str) -> "Response":
    from starlette.responses import RedirectResponse

    return RedirectResponse(path, 303)


def _as(rater: str) -> "Response":
    response: Any = _to("/")
    response.set_cookie(COOKIE, quote(rater), httponly=True, samesite="strict", max_age=30 * 86_400 if rater else 0)
    return response  # type: ignore[no-any-return]


def serve_rating(
    database: "Database", turns: Sequence[int], host: str, port: int, ready: Callable[[str], None]
) -> None:
    """Serve the page until Ctrl-C or SIGTERM; `ready` gets one line. Raises ServeError as `serve` does."""
    with listening(host, port, accounts=False) as listener:
        import uvicorn

        url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"

        class Server(uvicorn.Server):
            async def startup(self, sockets: Any = None) -> None:  # noqa: ANN401, as uvicorn has it
                await super().startup(sockets=sockets)
                ready(f"{len(turns)} replies to rate: {url}")

        until_stopped(Server(server_config(build_rating(database, turns))), listener)
