"""A conversation as a page of its own, to be read or printed: no script, no buttons, nothing but what was said."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from app.web.parts.replies import place_of
from app.web.parts.transcript import Shape, transcript
from app.web.words import html, said
from dialogue.types import Citation

if TYPE_CHECKING:
    from app.store.conversations import StoredConversation, StoredTurn

_STYLE = """
:root { color-scheme: light dark; --ink: #16202b; --dim: #56616f; --line: #dfe3e8; --soft: #eef0f3; --page: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7ecf1; --dim: #9ba8b5; --line: #2e3843; --soft: #222a33;
  --page: #11161b; } }
body { max-width: 44rem; margin: 2.5rem auto; padding: 0 1.25rem; background: var(--page); color: var(--ink);
  font: 16px/1.6 Inter, ui-sans-serif, system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.3; } .turn:not(:has(+ .behind)) { margin: 0 0 2.2rem; }
.you { margin: 0 0 1rem; padding: .6rem 1rem; border-radius: .8rem; background: var(--soft); white-space: pre-wrap;
  break-after: avoid; }
.cite { color: inherit; font-size: .75em; vertical-align: super; text-decoration: none; }
.cite::before { content: "["; } .cite::after { content: "]"; }
.behind { margin: 1rem 0 0; padding: .6rem 0 0 1.4rem; border-top: 1px solid var(--line); color: var(--dim);
  margin-bottom: 2.2rem; font-size: .85rem; break-inside: avoid; }
table { border-collapse: collapse; } td, th { padding: .25rem .6rem; border: 1px solid var(--line); }
footer, .ended, .note { color: var(--dim); font-size: .85rem; } .sent img { max-width: 16rem; max-height: 10rem; }
@media print { :root { color-scheme: light; --ink: #000; --dim: #444; --line: #bbb; --soft: #eee; --page: #fff; }
  body { margin: 0; max-width: none; font-size: 11pt; } }
"""


def paper(about: "StoredConversation", turns: Sequence["StoredTurn"], language: str = "en") -> str:
    """A whole conversation as one HTML document."""
    body = "".join(transcript([turn], shape=Shape(plain=True)) + _behind(turn) for turn in turns)
    told = html("A conversation with Candor, {day}. Replies can be wrong.", day=f"{about.updated_at:%Y-%m-%d}")
    return (
        f"<!doctype html><html lang='{escape(language)}'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'><meta name='robots' content='noindex'>"
        f"<title>{escape(about.title)} · Candor</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(about.title)}</h1>{body}</main><footer>{told}</footer></body></html>"
    )


def _behind(turn: "StoredTurn") -> str:
    if turn.reply is None or not turn.reply.citations:
        return ""
    items = "".join(_source(turn, citation) for citation in turn.reply.citations)
    return f"<ol class='behind' aria-label='{html('Sources')}'>{items}</ol>"


def _source(turn: "StoredTurn", citation: Citation) -> str:
    place = place_of(citation)
    where = f"{citation.title}{', ' if place else ''}{place}"
    quote = said("“{quote}”", quote=" ".join(citation.quote.split()))
    return (
        f"<li id='source-{turn.id}-{citation.number}' value='{citation.number}'>{escape(where)}: {escape(quote)}</li>"
    )
