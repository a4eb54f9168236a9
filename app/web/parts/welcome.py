"""The empty page and the head of a conversation: who may be talked to, and how a role opens."""

from collections.abc import Mapping, Sequence
from html import escape

from app.web.parts.basics import icon, sentence
from app.web.words import html
from dialogue.roles import DEFAULT
from dialogue.types import Role


def opening(role: Role) -> str:
    """The turns that a role opens a conversation with."""
    example = html("Example of a message")
    turns = "".join(
        f"<div class='{'you' if turn.role == 'user' else 'words'}' role='group' "
        f"aria-label='{example if turn.role == 'user' else escape(role.name)}'>{escape(turn.text)}</div>"
        for turn in role.opening
    )
    return f"<div class='opening'>{turns}</div>" if turns else ""


def _roles(roles: Mapping[str, Role], chosen: str) -> str:
    """A button for every role, the chosen one pressed."""
    buttons = "".join(
        f"<button type='button' class='chip' data-act='role' data-role='{escape(name)}' title='{escape(role.about)}' "
        f"aria-pressed='{'true' if name == chosen else 'false'}'>{escape(role.name)}</button>"
        for name, role in roles.items()
    )
    if len(roles) < 2:
        return ""
    return f"<div class='roles' role='group' aria-label='{html('Talk to')}'>{buttons}</div>"


def welcome(
    examples: Sequence[str], roles: Mapping[str, Role] | None = None, chosen: str = "", documents: int = 1
) -> str:
    """The empty state: what this is, who may be talked to, and questions to begin with or the role's opening.

    Without any `documents` it asks for some, in the middle of the page.
    """
    roles = roles or {}
    role = roles.get(chosen)
    if not documents:
        return _first_run()
    if role is not None and (role.opening or chosen != DEFAULT):
        about = f"<p>{escape(sentence(role.about))}</p>" if role.about else ""
        hello = f"<div class='hello'><h2>{escape(role.name)}</h2>{about}</div>"
        return hello + _roles(roles, chosen) + opening(role)
    cards = "".join(
        f"<button type='button' class='card' data-act='ask'>{escape(text)}</button>" for text in examples[:4]
    )
    what = html(
        "Several replies are written to each question. Unsafe and unsupported ones are dropped, and the best is shown "
        "with the sentences it rests on."
    )
    hello = f"<div class='hello'><h2>{html('Ask about your documents')}</h2><p>{what}</p></div>"
    return hello + _roles(roles, chosen) + (f"<div class='cards'>{cards}</div>" if cards else "")


def _first_run() -> str:
    what = html("Replies are written only from what you add here, and show the sentence behind every statement.")
    return (
        f"<div class='hello first'><h2>{html('Add your first documents')}</h2><p>{what}</p></div>"
        f"<div class='start'><button type='button' class='drop-here' data-act='attach'>{icon('plus')}"
        f"<b>{html('Drop files here, or select to choose')}</b>"
        f"<small>{html('Text, PDF, Office, tables, e-books, mail or code')}</small></button>"
        f"<p>{html('Nothing leaves this machine.')}</p>"
        f"<button type='button' class='btn' data-act='demo'>{html('Try the demo')}</button></div>"
    )
