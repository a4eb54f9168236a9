"""The API put on the server: its routes as an application of their own under ``/v1``, health and metrics beside it."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from app.api import docs
from app.api.chat import add_chat
from app.api.checks import add_check
from app.api.conversations import add_conversations
from app.api.edge import Edge
from app.api.errors import ApiError, tell, tell_http, tell_invalid
from app.api.metrics import Metrics
from app.api.models import add_models
from app.api.moderations import add_moderations
from app.api.ready import readiness
from app.api.responses import add_responses
from app.api.service import Service
from app.api.sources import add_sources
from app.bot import USER_ERRORS
from app.config import listed

if TYPE_CHECKING:
    from starlette.types import ASGIApp

ABOUT: Final = (
    "Answers from documents, each sentence checked against its source. OpenAI's routes, with citations, outcome and "
    "trace in the extra field `candor`, and Candor's own."
)
_ERRORS: Final = {
    400: "the request cannot be understood",
    401: "no valid key",
    403: "not allowed",
    404: "there is nothing of this name",
    408: "the request did not arrive in time",
    409: "in conflict with what is there",
    413: "the request is too large",
    415: "the body has another type",
    422: "the document cannot be read",
    429: "too much at once: try again after the seconds of Retry-After",
    502: "the model failed",
    503: "storage or model are not available, or the server is stopping",
    507: "the disk is full",
}


class ErrorObject(BaseModel):
    """What went wrong, and with which parameter."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorResponse(BaseModel):
    """Every answer with a status of 400 or more."""

    error: ErrorObject


def add_api(api: FastAPI, service: Service, metrics: Metrics) -> None:
    """Serve the API of `service` under ``/v1``, and ``/readyz`` and ``/metrics``."""
    application: ASGIApp = Edge(build(service))
    if origins := listed(service.bot.settings.cors):
        application = CORSMiddleware(
            application,
            allow_origins=origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["x-request-id", "retry-after"],
        )
    api.mount("/v1", application)

    @api.get("/readyz")
    def readyz() -> JSONResponse:
        found = readiness(service.bot, service.folder, service.jobs.stopping)
        return JSONResponse(found, 200 if found["ready"] else 503)

    @api.get("/metrics")
    def counted() -> Response:
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


def build(service: Service) -> FastAPI:
    """Return the application of the routes under ``/v1``."""
    try:
        release = version("candor")
    except PackageNotFoundError:  # run from a checkout that is not installed
        release = "0"
    api = FastAPI(
        title="Candor",
        version=release,
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        dependencies=[Depends(_named)],
        responses={status: {"description": words, "model": ErrorResponse} for status, words in _ERRORS.items()},
    )
    api.state.service = service
    router = APIRouter()
    for add in (
        *(add_chat, add_responses, add_models, add_moderations, add_check),
        *(add_sources, add_conversations),
    ):
        add(router, service)
    api.include_router(router)
    for error in (ApiError, *USER_ERRORS):
        api.add_exception_handler(error, tell)
    api.add_exception_handler(HTTPException, tell_http)
    api.add_exception_handler(RequestValidationError, tell_invalid)
    _add_docs(api)
    return api


async def _named(request: Request) -> None:
    """Name the route for metrics and logs."""
    request.state.route = "/v1" + getattr(request.scope.get("route"), "path", "")


def _add_docs(api: FastAPI) -> None:
    @cache
    def schema() -> dict[str, Any]:
        return get_openapi(
            title=api.title,
            version=api.version,
            description=api.description,
            routes=api.routes,
            servers=[{"url": "/v1"}],
        )

    async def as_json() -> JSONResponse:
        return JSONResponse(schema())

    async def as_page() -> HTMLResponse:
        return HTMLResponse(docs.page(schema()))

    api.add_api_route("/openapi.json", as_json, include_in_schema=False)
    api.add_api_route("/docs", as_page, include_in_schema=False)
