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
from app.web.who import of_event, serving

log = logging.getLogger(__name__)


def telling(
    handler: Callable[..., Any],
    speaking: Callable[[gr.Request], AbstractContextManager[None]],
    owns: Callable[[str], bool] = lambda conversation: True,
) -> Callable[..., Any]:
    """Return a handler whose errors are shown on the page, and logged here instead of by Gradio.

    It serves who called the event, and gets no conversation that is not that one's, as `owns` says. What it says is in
    the language that `speaking` finds for a request; a stream sees to that itself.
    """

    def asking(given: tuple[object, ...]) -> gr.Request | None:
        return next((one for one in given if isinstance(one, gr.Request)), None)

    def own(given: tuple[object, ...]) -> tuple[object, ...]:
        foreign = bool(given) and isinstance(given[0], str) and given[0] != "" and not owns(given[0])
        return ("", *given[1:]) if foreign else given

    if inspect.isasyncgenfunction(handler):

        @wraps(handler)
        async def stream(*given: object, **named: object) -> AsyncIterator[object]:
            who = of_event(asking(given))
            try:
                with serving(who):
                    running = handler(*own(given), **named)
                while True:
                    with serving(who):  # in each step, which may run in another context
                        try:
                            painted = await anext(running)
                        except StopAsyncIteration:
                            return
                    yield painted
            except Exception as error:
                raise _page_error(error) from None

        return stream

    @wraps(handler)
    def answer(*given: object, **named: object) -> object:
        try:
            request = asking(given)
            with serving(of_event(request)), speaking(request) if request is not None else nullcontext():
                return handler(*own(given), **named)
        except Exception as error:
            raise _page_error(error) from None

    return answer


def _page_error(error: Exception) -> gr.Error:
    if isinstance(error, USER_ERRORS):
        log.warning("an event failed: %s", error)
        return gr.Error(sentence(str(error)), print_exception=False)
    log.error("an event failed", exc_info=error)
    return gr.Error(UNEXPECTED, print_exception=False)
