"""What becomes of an error in an event: words for the page, and one line in the log, or a traceback of what is a
bug."""

import inspect
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any

import gradio as gr

from app.bot import USER_ERRORS
from app.web.jobs import UNEXPECTED
from app.web.parts.basics import sentence

log = logging.getLogger(__name__)


def telling(
    handler: Callable[..., Any], speaking: Callable[[gr.Request], AbstractContextManager[None]]
) -> Callable[..., Any]:
    """Return a handler whose errors are shown on the page, and logged here instead of by Gradio.

    What it says is in the language that `speaking` finds for a request; a stream sees to that itself.
    """

    def told(given: tuple[object, ...]) -> AbstractContextManager[None]:
        request = next((one for one in given if isinstance(one, gr.Request)), None)
        return speaking(request) if request is not None else nullcontext()

    if inspect.isasyncgenfunction(handler):

        @wraps(handler)
        async def stream(*given: object, **named: object) -> AsyncIterator[object]:
            try:
                async for painted in handler(*given, **named):
                    yield painted
            except Exception as error:
                raise _page_error(error) from None

        return stream

    @wraps(handler)
    def answer(*given: object, **named: object) -> object:
        try:
            with told(given):
                return handler(*given, **named)
        except Exception as error:
            raise _page_error(error) from None

    return answer


def _page_error(error: Exception) -> gr.Error:
    if isinstance(error, USER_ERRORS):
        log.warning("an event failed: %s", error)
        return gr.Error(sentence(str(error)), print_exception=False)
    log.error("an event failed", exc_info=error)
    return gr.Error(UNEXPECTED, print_exception=False)
