"""The list of conversations on the left."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from app.store.conversations import Match
from app.web.parts.basics import chip, icon
from app.web.words import html, said

if TYPE_CHECKING:
    from app.store.conversations import StoredConversation


def conversations(
    rows: Sequence["StoredConversation"],
    active: str,
    search: str = "",
    more: bool = False,
    now: datetime | None = None,
    found: Mapping[str, Match] | None = None,
    roles: Mapping[str, str] | None = None,
) -> str:
    """The conversations by date, pinned ones first; `more` adds a button for the rest.

    `found` are the words of a search with their place, by conversation; `roles` are the names of roles that are said.
    """
    if not rows:
        words = html("No conversation holds “{search}”.", search=search) if search else html("No conversations yet.")
        return f"<p class='empty'>{words}</p>"
    groups: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: not row.pinned):
        group = said("Pinned") if row.pinned else _age(row.updated_at, now or datetime.now(UTC))
        groups.setdefault(group, []).append(_row(row, active, search, (found or {}).get(row.id), roles or {}))
    body = "".join(f"<h2>{escape(name)}</h2><ul>{''.join(items)}</ul>" for name, items in groups.items())
    return body + (chip("more", html("Show more")) if more else "")


def _age(moment: datetime, now: datetime) -> str:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    moment, now = moment.astimezone(), now.astimezone()
    days = (now.date() - moment.date()).days
    if days <= 0:
        return said("Today")
    if days == 1:
        return said("Yesterday")
    return said("Previous 7 days") if days < 8 else f"{said(moment.strftime('%B'))} {moment.year}"


def _row(row: "StoredConversation", active: str, search: str, match: Match | None, roles: Mapping[str, str]) -> str:
    key, title = escape(str(row.id)), escape(row.title or said("Untitled"))
    current = " aria-current='page'" if str(row.id) == active else ""
    held = f"<small class='as'>{escape(roles[row.role])}</small>" if row.role in roles else ""
    at = f" data-turn='{match.turn}'" if match else ""
    words = f"<span class='found'>{_emphasised(match.words, search.split())}</span>" if match else ""
    return (
        f"<li class='conversation' data-id='{key}'{at}><a href='?c={key}' title='{title}'{current}>"
        f"<span class='title'>{title}</span>{held}{words}</a>"
        f"<button type='button' class='icb dots' aria-haspopup='menu' aria-expanded='false' "
        f"aria-label='{html('Actions for {title}', title=row.title)}'>{icon('more')}</button></li>"
    )


def _emphasised(text: str, words: Sequence[str]) -> str:
    """A text with the words of the search marked."""
    pieces: list[str] = []
    folded, at = text.casefold(), 0
    if len(folded) != len(text):  # a letter that folds to several
        return escape(text)
    while True:
        places = [(place, word) for word in words if (place := folded.find(word.casefold(), at)) >= 0 and word]
        if not places:
            return "".join(pieces) + escape(text[at:])
        place, word = min(places, key=lambda found: (found[0], -len(found[1])))
        end = place + len(word.casefold())
        pieces += [escape(text[at:place]), f"<mark>{escape(text[place:end])}</mark>"]
        at = end
