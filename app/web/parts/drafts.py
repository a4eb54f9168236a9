"""The drafts of a running turn as they come: greyed until they are judged, then with their verdict."""

from collections.abc import Sequence
from html import escape

from app.web.parts.models import writer
from app.web.parts.why import fate
from app.web.words import html
from dialogue.prompts import is_abstention
from dialogue.types import Drafted

SHOWN = 6  # the latest


def drafts(written: Sequence[Drafted]) -> str:
    """The latest drafts, who wrote each, and what became of it.

    The words of a draft are shown once the guard has passed it, greyed until it is judged.
    """
    written = [draft for draft in written if not is_abstention(draft.text)]
    if not written:
        return ""
    of = max(draft.of for draft in written)
    head = html("Drafts so far: {n} of {of}", n=len(written), of=max(of, len(written)))
    rows = "".join(_draft(draft) for draft in written[-SHOWN:])
    return f"<div class='drafts'><p class='fine'>{head}</p><ul aria-label='{html('Drafts')}'>{rows}</ul></div>"


def _draft(draft: Drafted) -> str:
    look, verdict = _verdict(draft)
    text = escape(draft.text[:280])
    if not draft.safe:
        text = html("A draft is written" if look == "waiting" else "Left out: not safe")
    by = f"<span class='by'>{escape(writer(draft.writer))}</span>"
    why = f"<span>{html(fate(draft.candidate))}</span>" if draft.candidate and draft.candidate.dropped else ""
    return f"<li class='draft {look}'><p>{text}</p><small><b>{html(verdict)}</b>{why}{by}</small></li>"


def _verdict(draft: Drafted) -> tuple[str, str]:
    if draft.candidate is None:
        return "waiting", "Being checked"
    if not draft.safe:
        return "unsafe", "Dropped"
    return ("out", "Dropped") if draft.candidate.dropped else ("in", "May be served")
