"""What frames the conversation: the bar above, the column on the left, the message box, the tabs on the right."""

from html import escape

from app.web.parts.basics import icon, icon_button
from app.web.pictures import chooser
from app.web.words import html, said
from dialogue.types import Role

TABS = (("sources", "Sources"), ("why", "Why this reply"), ("documents", "Library"), ("settings", "Settings"))


def header(title: str, empty: bool, role: str = "") -> str:
    """The bar above a conversation; `role` is who speaks in it."""
    off = " disabled" if empty else ""
    named = "" if empty or role in ("", Role().name) else f"<span class='as'>{escape(role)}</span>"
    return (
        "<header class='bar'>"
        + icon_button("menu", "nav", said("Open conversations"), " aria-controls='nav'").replace("icb", "icb phone", 1)
        + f"<h1>{escape(title)}</h1>{named}<span class='gap'></span>"
        + icon_button("down", "export", said("Download conversation"), off)
        + icon_button("share", "share", said("Share conversation"), off)
        + icon_button("panel", "side", said("Sources and scores"), " aria-controls='side'")
        + "</header>"
    )


def nav_head() -> str:
    """What stands above the list of conversations."""
    find = html("Search conversations")
    return (
        f"<a class='skip' href='#message' data-act='skip'>{html('Skip to the message box')}</a>"
        "<div class='brand'><span class='logo' aria-hidden='true'>C</span>Candor</div>"
        f"<button type='button' id='new' class='wide' data-act='new'>{icon('plus')}{html('New conversation')}</button>"
        f"<input id='find' type='search' placeholder='{find}' aria-label='{find}' autocomplete='off' maxlength='200'>"
    )


def nav_foot(name: str = "") -> str:
    """What stands below the list of conversations; `name` is who has logged in, with a way to log out."""
    where = f"<a href='/login'>{escape(name)}</a>" if name else html("On this machine")
    return (
        f"<div class='foot'><span>{where}</span><span class='gap'></span>"
        + icon_button("keys", "keys", said("Keyboard shortcuts"))
        + icon_button("moon", "theme", said("Light or dark"))
        + icon_button("gear", "settings", said("Settings"))
        + "</div>"
    )


def composer(notice: str, limit: int) -> str:
    """The message box, the status region for screen readers, and which model answers."""
    note = f"<span class='model'>{escape(notice)}</span><span> · </span>"
    return (
        f"<form class='box' aria-label='{html('Write a message')}'>"
        + chooser()
        + icon_button("clip", "attach", said("Add documents"))
        + icon_button("image", "picture", said("Add pictures to the message"))
        + f"<textarea id='message' rows='1' data-limit='{limit}' placeholder='{html('Ask about your documents…')}' "
        f"aria-label='{html('Message')}'></textarea>"
        f"<button type='submit' class='round' id='send' aria-label='{html('Send')}' title='{html('Send')}'>"
        f"{icon('send')}</button>"
        f"<button type='button' class='round' id='stop' data-act='stop' aria-label='{html('Stop')}' "
        f"title='{html('Stop')}' hidden>{icon('stop')}</button></form>"
        f"<p class='under'>{note}<span>{html('Replies can be wrong.')}</span></p>"
        "<div id='status' class='sr' role='status' aria-live='polite'></div>"
    )


def side_tabs() -> str:
    """The tabs of the panel on the right."""
    tabs = "".join(_tab(key, said(name), first=key == "sources") for key, name in TABS)
    close = icon_button("close", "closeside", said("Close panel"))
    row = f"<div role='tablist' aria-label='{html('About the reply')}'>{tabs}</div>"
    return f"<div class='tabs'>{row}<span class='gap'></span>{close}</div>"


def _tab(key: str, name: str, first: bool) -> str:
    return (
        f"<button type='button' role='tab' id='tab-{key}' aria-controls='pane-{key}' "
        f"aria-selected='{'true' if first else 'false'}' tabindex='{0 if first else -1}'>{escape(name)}</button>"
    )
