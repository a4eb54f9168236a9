"""The drafts of a running turn as they come: greyed until they are judged, then with their verdict."""

from collections.abc import Sequence
from html import escape

from app.web.parts.models import QUOTE, writer
from app.web.words import html
from dialogue.types import Candidate, Drafted

SHOWN = 6  # the latest


def drafts(written: Sequence[Drafted]) -> str:
    """The latest drafts, who wrote each, and what became of it.

    What a model wrote is shown once it is found safe; what is quoted stands in the user's own documents anyway.
    """
    if not written:
        return ""
    of = max(draft.of for draft in written)
    head = html("Drafts so far: {n} of {of}", n=len(written), of=max(of, len(written)))
    rows = "".join(_draft(draft) for draft in written[-SHOWN:])
    return f"<div class='drafts'><p class='fine'>{head}</p><ul aria-label='{html('Drafts')}'>{rows}</ul></div>"


def _draft(draft: Drafted) -> str:
    look, verdict = _verdict(draft.candidate)
    text = escape(draft.text[:280])
    if look == "unsafe" or (look == "waiting" and draft.writer != QUOTE):
        text = html("Left out: not safe") if look == "unsafe" else html("A draft is written")
    by = f"<span class='by'>{escape(writer(draft.writer))}</span>"
    return f"<li class='draft {look}'><p>{text}</p><small><b>{html(verdict)}</b>{by}</small></li>"


def _verdict(candidate: Candidate | None) -> tuple[str, str]:
    if candidate is None:
        return "waiting", "Being checked"
    if not candidate.verdict.safe:
        return "unsafe", "Dropped"
    return ("out", "Dropped") if candidate.dropped else ("in", "May be served")
