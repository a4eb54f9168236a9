"""Who a request comes from, as far as the page is concerned; nobody where there are no accounts."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from app.accounts.principal import Principal, Unknown

if TYPE_CHECKING:
    import gradio as gr

SCOPE: Final = "candor.principal"  # in the scope of a request, where `app.web.doors` puts it
_now: ContextVar[Principal | None] = ContextVar("principal", default=None)


def principal() -> Principal | None:
    """Return who is served now."""
    return _now.get()


def known() -> Principal:
    """Return who is served now. Raises Unknown where that is nobody."""
    who = _now.get()
    if who is None:
        raise Unknown("you are logged out: reload the page")
    return who


@contextmanager
def serving(who: Principal | None) -> Iterator[None]:
    """Serve this one within."""
    token = _now.set(who)
    try:
        yield
    finally:
        _now.reset(token)


def of_event(request: "gr.Request | None") -> Principal | None:
    """Return who called an event of the page."""
    scope: dict[str, Any] = getattr(getattr(request, "request", None), "scope", None) or {}
    found = scope.get(SCOPE)
    return found if isinstance(found, Principal) else None
