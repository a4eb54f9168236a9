"""What an error of ours becomes over HTTP: a status, and OpenAI's object with a type, a code and the parameter."""

from typing import TYPE_CHECKING, Any, Final

from app.accounts.principal import Forbidden, Limited, Unknown
from app.errors import AppError, DataError, InputError
from app.web.gate import error_body
from app.web.jobs import UNEXPECTED, Busy
from dialogue.pictures import PictureError
from dialogue.types import DialogueError, Unavailable
from retrieval.types import RetrievalError
from safety.types import SafetyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

_KINDS: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_STATUS: Final[tuple[tuple[tuple[type[Exception], ...], int, str | None, int], ...]] = (  # and when to try again
    ((Unknown,), 401, "invalid_key", 0),
    ((Forbidden,), 403, "missing_scope", 0),
    ((InputError, PictureError), 400, None, 0),
    ((Unavailable,), 503, "model_unavailable", 5),
    ((DataError,), 503, "storage_unavailable", 5),
    ((DialogueError,), 502, "model_error", 0),
    ((RetrievalError, SafetyError), 503, "not_available", 5),
    ((AppError,), 400, None, 0),
)
_BUSY: Final = {"conversation": 409, "full": 429, "stopping": 503}


class ApiError(Exception):
    """A request that cannot be served. The message is one line, fit for a user."""

    def __init__(
        self,
        status: int,
        words: str,
        code: str | None = None,
        param: str | None = None,
        headers: "Mapping[str, str] | None" = None,
    ) -> None:
        super().__init__(words)
        self.status = status
        self.code = code
        self.param = param
        self.headers = dict(headers or {})

    @property
    def body(self) -> bytes:
        """The error as JSON."""
        kind = _KINDS.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return error_body(str(self), kind, self.code, self.param)


def as_api_error(error: Exception) -> ApiError:
    """Return how an error of a turn or of the library is told to a client."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, Busy):
        return ApiError(
            _BUSY[error.why], str(error), code=f"busy_{error.why}", headers={"Retry-After": str(error.seconds)}
        )
    if isinstance(error, Limited):
        return ApiError(429, str(error), "rate_limit_exceeded", headers={"Retry-After": str(error.seconds)})
    for kinds, status, code, seconds in _STATUS:
        if isinstance(error, kinds):
            return ApiError(status, str(error), code, headers={"Retry-After": str(seconds)} if seconds else None)
    return ApiError(500, UNEXPECTED, "internal_error")


def respond(error: ApiError) -> "Response":
    """Return the response that tells an error."""
    from starlette.responses import Response

    return Response(error.body, error.status, error.headers, "application/json")


async def tell(_: "Request", error: Exception) -> "Response":
    """Answer for an error that a handler raised."""
    return respond(as_api_error(error))


async def tell_http(_: "Request", error: Exception) -> "Response":
    """Answer for a route or a method that there is not."""
    status = getattr(error, "status_code", 404)
    words = {404: "there is no such route: /v1/docs lists them", 405: "this method is not served here"}
    headers = getattr(error, "headers", None)
    return respond(ApiError(status, words.get(status, "the request cannot be read"), headers=headers))


async def tell_invalid(_: "Request", error: Exception) -> "Response":
    """Answer for a request that does not fit its schema: 400, naming the parameter."""
    found: Sequence[Any] = error.errors() if hasattr(error, "errors") else ()
    if not found:
        return respond(ApiError(400, "the request does not fit its schema"))
    first = found[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    param = ".".join(place)[:200]
    more = f" ({len(found) - 1} more such errors)" if len(found) > 1 else ""
    words = f"{param}: {first['msg']}{more}" if param else f"the body: {first['msg']}"
    return respond(ApiError(400, words[:500], param=param or None))
