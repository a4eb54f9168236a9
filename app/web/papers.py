"""Conversations as pages of their own: to be printed by who is at this machine, or read under a secret word."""

from typing import TYPE_CHECKING, Final

from app.errors import AppError, InputError
from app.web.parts.paper import paper
from app.web.words import said

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from app.store.history import History
    from app.store.shares import Shares
    from app.web.undo import Undo

_HEADERS: Final = {  # no script at all, and nothing is kept
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'",
    "cache-control": "no-store",
    "x-robots-tag": "noindex",
}


def add_paper_routes(
    api: "FastAPI", whole: "History", own: "Callable[[], History]", shares: "Shares", undo: "Undo"
) -> None:
    """Give conversations out at ``GET /paper`` by their ids, and at ``GET /shared`` by their secret words.

    `own` is the history of who asks, `whole` that of all, for what is shared.
    """
    from fastapi.responses import HTMLResponse

    def given(conversation: str, history: "History") -> HTMLResponse:
        try:
            if undo.waits(("conversation", conversation)):
                raise InputError("it is being deleted")
            page = paper(history.conversation(conversation), history.turns(conversation))
        except AppError:
            gone = said("There is nothing here. The conversation was deleted, or is not shared any more.")
            return HTMLResponse(f"<!doctype html><title>Candor</title><p>{gone}</p>", 404, _HEADERS)
        return HTMLResponse(page, headers=_HEADERS)

    @api.get("/paper")
    def to_print(c: str = "") -> HTMLResponse:
        return given(c, own())

    @api.get("/shared")
    def shared(word: str = "") -> HTMLResponse:
        return given(shares.conversation(word), whole)
