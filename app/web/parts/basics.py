"""What all parts of the page are made of: drawings, buttons, sentences, marks."""

from html import escape
from typing import Final

from app.web.words import html

_STROKES: Final = {
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
    "up": "M5.4 7.2v6H3v-6zM5.4 7.2 8.2 2.6c1.2 0 1.8.9 1.5 2L9.2 6.6h3.6l-1 6.6H5.4",
    "down_thumb": "M5.4 8.8v-6H3v6zM5.4 8.8l2.8 4.6c1.2 0 1.8-.9 1.5-2L9.2 9.4h3.6l-1-6.6H5.4",
    "edit": "M3 13l.7-3L10.6 3a1.6 1.6 0 0 1 2.4 2.4L6 12.3zM9.4 4.4l2.2 2.2",
    "next": "M6.4 3.6 10.8 8l-4.4 4.4",
    "flag": "M3.8 13.4V2.8h8.4L10.4 5.8l1.8 3H3.8",
    "check": "m3.2 8.4 3 3 6.6-6.8",
    "print": "M4.4 6V2.8h7.2V6M4.4 11.4H2.6V6h10.8v5.4h-1.8M4.4 9.4h7.2v3.8H4.4z",
    "globe": (
        "M8 2.4a5.6 5.6 0 1 0 0 11.2A5.6 5.6 0 0 0 8 2.4zM2.4 8h11.2M8 2.4c3.4 3.4 3.4 7.8 0 11.2"
        "M8 2.4c-3.4 3.4-3.4 7.8 0 11.2"
    ),
    "gear": (
        "M8 5.8a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.4M8 2.2v1.6M8 12.2v1.6M2.2 8h1.6M12.2 8h1.6"
        "M3.9 3.9 5 5M11 11l1.1 1.1M12.1 3.9 11 5M5 11l-1.1 1.1"
    ),
    "share": (
        "M11.6 5.2a1.6 1.6 0 1 0 0-3.2 1.6 1.6 0 0 0 0 3.2z"
        "M4.4 9.6a1.6 1.6 0 1 0 0-3.2 1.6 1.6 0 0 0 0 3.2z"
        "M11.6 14a1.6 1.6 0 1 0 0-3.2 1.6 1.6 0 0 0 0 3.2zM5.8 7.2l4.4-2.8M5.8 8.8l4.4 2.8"
    ),
    "link": "M6.6 9.4 9.4 6.6M7.2 4.6l1-1a3 3 0 0 1 4.2 4.2l-1 1M8.8 11.4l-1 1a3 3 0 0 1-4.2-4.2l1-1",
}


def icon(name: str) -> str:
    """A 16-pixel drawing in the colour of its text, hidden from screen readers."""
    return f"<svg class='i' viewBox='0 0 16 16' aria-hidden='true'><path d='{_STROKES[name]}'/></svg>"


def icon_button(name: str, act: str, label: str, extra: str = "") -> str:
    """A round button that shows only a drawing; `label` is what it is called."""
    named = f"aria-label='{escape(label)}' title='{escape(label)}'"
    return f"<button type='button' class='icb' data-act='{act}' {named}{extra}>{icon(name)}</button>"


def chip(act: str, label: str, turn: str = "", look: str = "", extra: str = "") -> str:
    """A rounded button in the line under a reply; `label` is HTML."""
    at = f" data-turn='{escape(turn)}'" if turn else ""
    return f"<button type='button' class='chip {look}' data-act='{act}'{at}{extra}>{label}</button>"


def small(act: str, drawing: str, label: str, extra: str = "") -> str:
    """A small button in words with a drawing before them; `label` is HTML."""
    return f"<button type='button' class='lnk' data-act='{act}'{extra}>{icon(drawing)}{label}</button>"


def sentence(text: str) -> str:
    """A line such as an error message as a sentence: a capital at the head, a stop at the end."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if not text or text[-1] in ".!?" else ".")


def blank(title: str, words: str, more: str = "") -> str:
    """What stands where there is nothing to show, and what can be done; `more` is HTML."""
    return f"<div class='blank'><b>{html(title)}</b><p>{html(words)}</p>{more}</div>"


def about(question: str) -> str:
    """The line that says to which message a panel belongs."""
    return f"<p class='about'>{html('Reply to “{question}”', question=question[:140])}</p>"


def marked(text: str, start: int, end: int) -> str:
    """`text` with the characters from `start` to `end` highlighted; no mark when the offsets do not fit."""
    if not 0 <= start < end <= len(text):
        return escape(text)
    return f"{escape(text[:start])}<mark>{escape(text[start:end])}</mark>{escape(text[end:])}"


def size(number: int) -> str:
    """Bytes in kB or MB."""
    return f"{number / 1_000_000:.1f} MB" if number >= 1_000_000 else f"{max(1, round(number / 1000))} kB"
