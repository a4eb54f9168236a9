"""The words of a reply: Markdown without links, images or HTML, its marks turned into links to their sources."""

import re
from collections.abc import Sequence
from functools import cache
from html import escape
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

from app.web.words import html, said
from dialogue.prompts import is_abstention
from dialogue.talk import DISTRESS
from dialogue.types import Candidate, Citation, Reply


@cache
def _markdown() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    return parser.disable(["image", "link", "autolink", "html_inline", "html_block", "reference"])


_MARK = re.compile(r"\s?\[([1-9]\d?)\]")


def reply_html(text: str, citations: Sequence[Citation], turn: str) -> str:
    """The words of a reply: Markdown without links, images or HTML, its marks turned into links.

    A mark without a citation is left out: a number must never lead nowhere.
    """
    known = {citation.number: citation for citation in citations}
    tokens = _markdown().parse(text)
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = "p"
            token.attrs = {"class": "head"} if token.nesting == 1 else {}
        if token.type == "inline" and token.children:
            token.children = [piece for child in token.children for piece in _marked(child, known, turn)]
    return str(_markdown().renderer.render(tokens, _markdown().options, {}))


def _marked(token: Token, known: dict[int, Citation], turn: str) -> list[Token]:
    if token.type != "text":
        return [token]
    pieces, at = [], 0
    for mark in _MARK.finditer(token.content):
        pieces.append(Token("text", "", 0, content=token.content[at : mark.start()]))
        if citation := known.get(int(mark[1])):
            pieces.append(Token("html_inline", "", 0, content=_cite(citation, turn)))
        at = mark.end()
    return [*pieces, Token("text", "", 0, content=token.content[at:])]


def _cite(citation: Citation, turn: str) -> str:
    number, turn, title = citation.number, escape(turn), escape(citation.title)
    place, quote = escape(place_of(citation)), escape(citation.quote)
    return (
        f"<a class='cite' href='#source-{turn}-{number}' data-turn='{turn}' data-number='{number}' "
        f"data-title='{title}' data-place='{place}' data-quote='{quote}' "
        f"aria-label='{html('Source {number}: {title}', number=number, title=citation.title)}'>{number}</a>"
    )


def place_of(citation: Citation) -> str:
    """Where in its source a citation stands: headings and page, as far as they are known."""
    headings = [heading for heading in citation.headings if heading != citation.title]
    return " · ".join(part for part in (" › ".join(headings), citation.place) if part)


Grade = Literal["good", "part", "none", "plain", "declined", "care"]


def in_need(reply: Reply) -> bool:
    """Whether the message was a cry for help, which is answered with support and no more."""
    kind = reply.trace.intent.partition(" ")[0]
    return reply.outcome == "refused" and (reply.trace.asked.action == "support" or kind in DISTRESS)


def grade(reply: Reply) -> tuple[Grade, str]:
    """The state of a reply in one or two words, and which colour they get."""
    if in_need(reply):
        return "care", said("Support")
    if reply.outcome == "refused":
        return "declined", said("Declined")
    if reply.outcome == "abstained":
        return ("part", said("Closest passage")) if reply.citations else ("none", said("No source found"))
    best = served(reply)
    claims = [claim for claim in best.scores.claims if claim.support is not None] if best else []
    if any(not claim.supported for claim in claims):
        return "part", said("Partly grounded")
    return ("good", said("Grounded")) if reply.citations else ("plain", said("Makes no claims"))


def served(reply: Reply) -> Candidate | None:
    """The candidate a reply was made from, None when it is a fixed sentence such as a refusal."""
    kept = [candidate for candidate in reply.trace.candidates if not candidate.dropped]
    if reply.outcome == "answered":
        return next((candidate for candidate in kept if not is_abstention(candidate.text)), None)
    return next((candidate for candidate in kept if candidate.text == reply.text), None)
