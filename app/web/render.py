"""Conversations as HTML: pure functions from stored things to escaped text.

Knows nothing of Gradio, SQL or threads. Every word of a user, a model or a document goes through
`html.escape` or a Markdown renderer that emits no raw HTML, no links and no images.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

from app.web.jobs import Job
from app.web.pictures import Shown, chooser, sent, thumbnails
from dialogue.pictures import QUESTION
from dialogue.prompts import is_abstention
from dialogue.roles import DEFAULT
from dialogue.types import Candidate, Citation, Reply, Role

if TYPE_CHECKING:
    from app.store.conversations import StoredConversation, StoredTurn

_STROKES = {
    "plus": "M8 3.2v9.6M3.2 8h9.6",
    "more": "M3.6 8h.01M8 8h.01M12.4 8h.01",
    "trash": "M3 4.6h10M6.4 4.6V2.8h3.2v1.8M4.5 4.6l.5 8.6h6l.5-8.6",
    "down": "M8 2.8v7.4M4.8 7.2 8 10.4l3.2-3.2M3.2 13.2h9.6",
    "menu": "M2.6 4.4h10.8M2.6 8h10.8M2.6 11.6h10.8",
    "panel": "M2.4 3.2h11.2v9.6H2.4zM9.8 3.2v9.6",
    "moon": "M13 9.6A5.6 5.6 0 1 1 6.4 3 4.4 4.4 0 0 0 13 9.6z",
    "close": "m4 4 8 8M12 4l-8 8",
    "file": "M4 2.6h5l3 3v7.8H4zM9 2.6v3h3",
    "open": "M6.6 3.6h-3v8.8h8.8v-3M9.2 3.6h3.2v3.2M12.4 3.6 7.6 8.4",
    "keys": "M1.6 4.2h12.8v7.6H1.6zM4.2 7h.01M6.8 7h.01M9.2 7h.01M11.8 7h.01M5 9.6h6",
    "copy": "M5.6 5.6h7.2v7.2H5.6zM3.2 10.4V3.2h7.2",
    "again": "M12.8 8A4.8 4.8 0 1 1 11 4.3M12.8 2.6v3h-3",
    "send": "M8 12.8V3.4M3.8 7.4 8 3.2l4.2 4.2",
    "stop": "M4.6 4.6h6.8v6.8H4.6z",
    "clip": "m12.6 7.4-5 5a3 3 0 0 1-4.2-4.2l5.4-5.4a2 2 0 0 1 2.8 2.8l-5.3 5.3a.9.9 0 0 1-1.3-1.3l4.6-4.6",
    "image": "M2.4 3.2h11.2v9.6H2.4zM5.4 6.6h.01M2.6 11.4l3.2-3 2.4 2.2 2.6-3 2.8 3",
    "back": "M9.6 3.6 5.2 8l4.4 4.4",
    "link": "M6.6 9.4 9.4 6.6M7.2 4.6l1-1a3 3 0 0 1 4.2 4.2l-1 1M8.8 11.4l-1 1a3 3 0 0 1-4.2-4.2l1-1",
}


def icon(name: str) -> str:
    """A 16-pixel drawing in the colour of its text, hidden from screen readers."""
    return f"<svg class='i' viewBox='0 0 16 16' aria-hidden='true'><path d='{_STROKES[name]}'/></svg>"


def icon_button(name: str, act: str, label: str, extra: str = "") -> str:
    """A round button that shows only a drawing; `label` is what it is called."""
    named = f"aria-label='{escape(label)}' title='{escape(label)}'"
    return f"<button type='button' class='icb' data-act='{act}' {named}{extra}>{icon(name)}</button>"


def count(number: int, noun: str) -> str:
    """``3 sources``, ``1 source``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


# --- replies ---------------------------------------------------------------------------------------------


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
        f"aria-label='Source {number}: {title}'>{number}</a>"
    )


def place_of(citation: Citation) -> str:
    """Where in its source a citation stands: headings and page, as far as they are known."""
    headings = [heading for heading in citation.headings if heading != citation.title]
    return " · ".join(part for part in (" › ".join(headings), citation.place) if part)


Grade = Literal["good", "part", "none", "plain", "declined"]


def grade(reply: Reply) -> tuple[Grade, str]:
    """The state of a reply in one or two words, and which colour they get."""
    if reply.outcome == "refused":
        return "declined", "Declined"
    if reply.outcome == "abstained":
        return ("part", "Closest passage") if reply.citations else ("none", "No source found")
    best = served(reply)
    claims = [claim for claim in best.scores.claims if claim.support is not None] if best else []
    if any(not claim.supported for claim in claims):
        return "part", "Partly grounded"
    return ("good", "Grounded") if reply.citations else ("plain", "Makes no claims")


def served(reply: Reply) -> Candidate | None:
    """The candidate a reply was made from, None when it is a fixed sentence such as a refusal."""
    kept = [candidate for candidate in reply.trace.candidates if not candidate.dropped]
    if reply.outcome == "answered":
        return next((candidate for candidate in kept if not is_abstention(candidate.text)), None)
    return next((candidate for candidate in kept if candidate.text == reply.text), None)


def chip(act: str, label: str, turn: str = "", look: str = "") -> str:
    """A rounded button in the line under a reply; `label` is HTML."""
    at = f" data-turn='{escape(turn)}'" if turn else ""
    return f"<button type='button' class='chip {look}' data-act='{act}'{at}>{label}</button>"


def _chips(turn: "StoredTurn", reply: Reply) -> str:
    look, label = grade(reply)
    key, sources = str(turn.id), count(len(reply.citations), "source")
    chips = [chip("why", label, key, look)]
    if reply.citations:
        chips.append(chip("sources", sources, key))
    chips.append(chip("why", "Why this reply", key))
    copy = icon_button("copy", "copy", "Copy reply")
    return f"<div class='chips'>{''.join(chips)}<span class='gap'></span>{copy}</div>"


_ENDS = {
    "cancelled": "Stopped before a reply was chosen.",
    "interrupted": "The program closed before a reply was chosen. Your message is saved.",
    "damaged": "This turn is not as it was stored, so it is not shown. The log of the server has the details.",
    "pending": "A reply to this message is still being written.",
}


def _reply_block(turn: "StoredTurn", last: bool) -> str:
    if turn.state == "done" and turn.reply is not None:
        body = f"<div class='words'>{reply_html(turn.reply.text, turn.reply.citations, str(turn.id))}</div>"
        notes = "".join(f"<p class='note'>{escape(sentence(note))}</p>" for note in turn.reply.trace.notes)
        return body + notes + _chips(turn, turn.reply)
    if turn.state == "failed":
        return failure(turn.reason, last)
    again = f"<div class='chips'>{_again('Try again')}</div>" if last and turn.state != "pending" else ""
    return f"<p class='ended'>{_ENDS.get(turn.state, '')}</p>{again}"


def _again(label: str, look: str = "") -> str:
    return chip("retry", icon("again") + label, look=look)


def failure(reason: str, retry: bool) -> str:
    """What stands in place of a reply that could not be written; the log, not the page, has the details."""
    if reason.startswith("unexpected"):
        reason = "Something unexpected went wrong; the log of the server has the details."
    chip = _again("Failed – try again", "failed") if retry else "<span class='chip failed'>Failed</span>"
    words = f"<b>That didn’t work.</b> {escape(sentence(reason))} Your message is kept."
    return f"<p class='ended'>{words}</p><div class='chips'>{chip}</div>"


def sentence(text: str) -> str:
    """A line such as an error message as a sentence: a capital at the head, a stop at the end."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if not text or text[-1] in ".!?" else ".")


def _article(
    key: str, question: str, answer: str, fresh: bool = False, conversation: str = "", pictures: Sequence[Shown] = ()
) -> str:
    of = f" data-conversation='{escape(conversation)}'" if conversation else ""
    return (
        f"<article class='turn{' fresh' if fresh else ''}' data-turn='{escape(key)}'{of}>{thumbnails(pictures)}"
        f"<div class='you' role='group' aria-label='You'>{escape(question or QUESTION)}</div>"
        f"<div class='reply' role='group' aria-label='Reply'>{answer}</div></article>"
    )


def transcript(turns: Sequence["StoredTurn"], earlier: int = 0, fresh: bool = False) -> str:
    """The finished turns of a conversation. A try that failed is left out once it was tried again.

    `earlier` is how many turns are not shown; `fresh` lets the last one fade in.
    """
    shown = [
        turn
        for turn, after in pairwise([*turns, None])
        if turn is not None and (turn.state == "done" or after is None or after.question != turn.question)
    ]
    head = chip("earlier", f"Show {count(earlier, 'earlier message')}", look="earlier") if earlier else ""
    body = [
        _article(
            str(turn.id),
            turn.question,
            _reply_block(turn, turn is shown[-1]),
            fresh and turn is shown[-1],
            pictures=sent(turn),
        )
        for turn in shown
    ]
    return head + "".join(body)


def refused(question: str, reason: str, pictures: Sequence[Shown] = ()) -> str:
    """A message that could not even be stored."""
    return _article("refused", question, failure(reason, retry=True), pictures=pictures)


# A step tells what the stage before it found: (line, its stages, the steps whose words belong to it).
_STAGES = (
    ("Searching your documents", ("guard", "look", "search", "research"), ("search", "research", "sample")),
    ("Writing replies", ("sample",), ("judge",)),
    ("Checking safety and sources", ("judge", "rank"), ("rank",)),
)
_LOOKING = ("Looking at the pictures", ("guard", "look"), ("look",))  # where the message has some
_SAID = {"done": "done", "now": "in progress", "later": "not begun"}


def working(job: Job) -> str:
    """A turn whose reply is being written: its message, and one plain line for each stage."""
    if job.stopping:
        stopping = "<ul class='stages'><li class='now'>Stopping…</li></ul>"
        return _article("live", job.question, stopping, conversation=job.conversation, pictures=job.shown)
    steps = list(job.steps)
    current = steps[-1].stage if steps and not job.ahead else ""
    lined = (_LOOKING, *_STAGES) if job.shown else _STAGES
    at = next((n for n, (_, stages, _) in enumerate(lined) if current in stages), -1)
    lines = []
    if job.ahead:
        lines.append(f"<li class='now'>Waiting for a free place <em>{job.ahead} ahead of you</em></li>")
    for number, (label, _, tellers) in enumerate(lined):
        state = "done" if number < at else "now" if number == at else "later"
        details = [step.detail for step in steps if step.stage in tellers and step.detail]
        detail = f" <em>{escape(details[-1])}</em>" if details else ""
        lines.append(f"<li class='{state}'>{label}{detail}<span class='sr'> ({_SAID[state]})</span></li>")
    stages = f"<ul class='stages'>{''.join(lines)}</ul>"
    return _article("live", job.question, stages, conversation=job.conversation, pictures=job.shown)


# --- frame -----------------------------------------------------------------------------------------------


def _age(moment: datetime, now: datetime) -> str:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    moment, now = moment.astimezone(), now.astimezone()
    days = (now.date() - moment.date()).days
    if days <= 0:
        return "Today"
    if days == 1:
        return "Yesterday"
    return "Previous 7 days" if days < 8 else moment.strftime("%B %Y")


def conversations(
    rows: Sequence["StoredConversation"],
    active: str,
    search: str = "",
    more: bool = False,
    now: datetime | None = None,
) -> str:
    """The list on the left, grouped by date, pinned ones first; `more` adds a button for the rest."""
    if not rows:
        words = f"No conversation matches <b>{escape(search)}</b>." if search else "No conversations yet."
        return f"<p class='empty'>{words}</p>"
    groups: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: not row.pinned):
        group = "Pinned" if row.pinned else _age(row.updated_at, now or datetime.now(UTC))
        groups.setdefault(group, []).append(_conversation(row, active))
    body = "".join(f"<h2>{escape(name)}</h2><ul>{''.join(items)}</ul>" for name, items in groups.items())
    return body + (chip("more", "Show more") if more else "")


def _conversation(row: "StoredConversation", active: str) -> str:
    key, title = escape(str(row.id)), escape(row.title or "Untitled")
    current = " aria-current='page'" if str(row.id) == active else ""
    held = "" if row.role == DEFAULT else f"<small class='as'>{escape(row.role)}</small>"
    return (
        f"<li class='conversation' data-id='{key}'><a href='?c={key}' title='{title}'{current}>{title}</a>{held}"
        f"<button type='button' class='icb dots' aria-haspopup='menu' aria-expanded='false' "
        f"aria-label='Actions for {title}'>{icon('more')}</button></li>"
    )


def header(title: str, empty: bool, role: str = "") -> str:
    """The bar above a conversation; `role` is who speaks in it."""
    off = " disabled" if empty else ""
    named = "" if empty or role in ("", Role().name) else f"<span class='as'>{escape(role)}</span>"
    return (
        "<header class='bar'>"
        + icon_button("menu", "nav", "Open conversations", " aria-controls='nav'").replace("icb", "icb phone", 1)
        + f"<h1>{escape(title)}</h1>{named}<span class='gap'></span>"
        + icon_button("down", "export", "Download conversation", off)
        + icon_button("link", "link", "Copy link to conversation", off)
        + icon_button("panel", "side", "Sources and scores", " aria-controls='side'")
        + "</header>"
    )


def nav_head() -> str:
    """What stands above the list of conversations."""
    return (
        "<a class='skip' href='#message' data-act='skip'>Skip to the message box</a>"
        "<div class='brand'><span class='logo' aria-hidden='true'>C</span>Candor</div>"
        f"<button type='button' id='new' class='wide' data-act='new'>{icon('plus')}New conversation</button>"
        "<input id='find' type='search' placeholder='Search conversations' aria-label='Search conversations' "
        "autocomplete='off' maxlength='200'>"
    )


def nav_foot() -> str:
    """What stands below the list of conversations."""
    return (
        "<div class='foot'><span>On this machine only</span><span class='gap'></span>"
        + icon_button("keys", "keys", "Keyboard shortcuts")
        + icon_button("moon", "theme", "Light or dark")
        + "</div>"
    )


def composer(notice: str, limit: int) -> str:
    """The message box, the status region for screen readers, and the standing notice."""
    note = f"<b class='notice'>{escape(notice)}</b> · " if notice else ""
    return (
        "<form class='box' aria-label='Write a message'>"
        + chooser()
        + icon_button("clip", "attach", "Add documents")
        + icon_button("image", "picture", "Add pictures to the message")
        + f"<textarea id='message' rows='1' data-limit='{limit}' placeholder='Ask about your documents…' "
        "aria-label='Message'></textarea>"
        "<button type='submit' class='round' id='send' aria-label='Send' title='Send'>"
        f"{icon('send')}</button>"
        "<button type='button' class='round' id='stop' data-act='stop' aria-label='Stop' title='Stop' hidden>"
        f"{icon('stop')}</button></form><p class='under'>{note}Replies can be wrong. "
        "Select a number to see the sentence behind it.</p>"
        "<div id='status' class='sr' role='status' aria-live='polite'></div>"
    )


def side_tabs() -> str:
    """The tabs of the panel on the right."""
    names = (("sources", "Sources"), ("why", "Why this reply"), ("documents", "Documents"))
    tabs = "".join(_tab(key, name, first=key == "sources") for key, name in names)
    close = icon_button("close", "closeside", "Close panel")
    row = f"<div role='tablist' aria-label='About the reply'>{tabs}</div>"
    return f"<div class='tabs'>{row}<span class='gap'></span>{close}</div>"


def _tab(key: str, name: str, first: bool) -> str:
    return (
        f"<button type='button' role='tab' id='tab-{key}' aria-controls='pane-{key}' "
        f"aria-selected='{'true' if first else 'false'}' tabindex='{0 if first else -1}'>{name}</button>"
    )
