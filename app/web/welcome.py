"""The empty page and the head of a conversation: who may be talked to, and how a role opens.

Pure functions to escaped HTML, as in `render`.
"""

from collections.abc import Mapping, Sequence
from html import escape

from app.web.render import sentence
from dialogue.roles import DEFAULT
from dialogue.types import Role


def opening(role: Role) -> str:
    """The turns that a role opens a conversation with."""
    turns = "".join(
        f"<div class='{'you' if turn.role == 'user' else 'words'}' role='group' aria-label='"
        f"{'Example of a message' if turn.role == 'user' else escape(role.name)}'>{escape(turn.text)}</div>"
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
    return f"<div class='roles' role='group' aria-label='Talk to'>{buttons}</div>" if len(roles) > 1 else ""


def welcome(examples: Sequence[str], roles: Mapping[str, Role] | None = None, chosen: str = "") -> str:
    """The empty state: what this is, who may be talked to, and questions to begin with or the role's opening."""
    roles = roles or {}
    role = roles.get(chosen)
    if role is not None and (role.opening or chosen != DEFAULT):
        about = f"<p>{escape(sentence(role.about))}</p>" if role.about else ""
        hello = f"<div class='hello'><h2>{escape(role.name)}</h2>{about}</div>"
        return hello + _roles(roles, chosen) + opening(role)
    cards = "".join(
        f"<button type='button' class='card' data-act='ask'>{escape(text)}</button>" for text in examples[:4]
    )
    return (
        "<div class='hello'><h2>Ask about your documents</h2><p>Several replies are written to each "
        "question. Unsafe and unsupported ones are dropped, and the best is shown with the sentences it "
        "rests on.</p></div>" + _roles(roles, chosen) + (f"<div class='cards'>{cards}</div>" if cards else "")
    )
