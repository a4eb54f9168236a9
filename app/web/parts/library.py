"""The library as a place: what is in it, how it gets in, what is on its way."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from typing import TYPE_CHECKING, Final

from app.library.catalogue import UPLOADS, is_address
from app.web.parts.basics import blank, icon, icon_button, size
from app.web.uploads import Upload
from app.web.words import count, html, said

if TYPE_CHECKING:
    from app.library.catalogue import StoredSource

SHOWN: Final = 200  # sources; the search finds the others
NEW: Final = timedelta(minutes=2)


def drop(limit: int, kinds: str) -> str:
    """Where documents are dropped or chosen, links are given and the library is searched."""
    find, link = html("Search the library"), html("Add a page by its address")
    hint = html("Text, PDF, Office, tables, e-books, mail or code, up to {n} MB each", n=limit >> 20)
    return (
        f"<label class='drop'><b>{html('Drop files here, or select to choose')}</b><small>{hint}</small>"
        f"<input type='file' multiple accept='{escape(kinds)}' data-bytes='{limit}' "
        f"aria-label='{html('Add documents')}'></label>"
        f"<form class='link'><input id='link' type='url' inputmode='url' placeholder='https://…' aria-label='{link}' "
        f"maxlength='2000' autocomplete='off'><button type='submit' class='btn'>{html('Add link')}</button></form>"
        f"<ul id='refusals' class='documents' aria-label='{html('Not added')}'></ul>"
        f"<input id='seek' type='search' placeholder='{find}' aria-label='{find}' autocomplete='off' maxlength='200'>"
    )


def documents(
    stored: Sequence["StoredSource"],
    uploads: Sequence[Upload] = (),
    search: str = "",
    places: Mapping[int, str] | None = None,
    now: datetime | None = None,
) -> str:
    """What is on its way in, then the sources, the newest first; `places` is the last place in each."""
    coming = "".join(_upload(number, row) for number, row in enumerate(uploads))
    rows = found(stored, search)
    now = now or datetime.now(UTC)
    fresh = {row.id for row in stored if now - row.added_at < NEW}
    if len(fresh) == len(stored):  # a word on every one says nothing
        fresh = set()
    items = coming + "".join(_source(row, (places or {}).get(row.id, ""), row.id in fresh) for row in rows[:SHOWN])
    if not items and search:
        return blank("Nothing found", "No document of the library has these words in its title or name.")
    if not items:
        return blank(
            "No documents yet",
            "Replies can only cite what you add here.",
            f"<button type='button' class='btn' data-act='demo'>{html('Try the demo')}</button>",
        )
    number = count(len(rows), "document") if stored else ""
    rest = f" · {html('the newest {n} are shown', n=SHOWN)}" if len(rows) > SHOWN else ""
    head = f"<p class='fine'>{escape(number)}{rest}</p>"
    return f"{head}<ul class='documents' aria-label='{html('Documents')}'>{items}</ul>"


def found(stored: Sequence["StoredSource"], search: str) -> list["StoredSource"]:
    """The sources of which title or name hold every word of a search, the newest first."""
    words = search.casefold().split()
    rows = [row for row in stored if all(word in f"{row.title} {row.name}".casefold() for word in words)]
    return sorted(rows, key=lambda row: (row.added_at, row.id), reverse=True)


def _upload(number: int, row: Upload) -> str:
    name, note = escape(row.name), escape(said(row.note))
    bar = f"<progress max='1' value='{row.share:.2f}' aria-label='{name}'></progress>"
    end = ""
    if row.state == "failed":
        bar, note = "", html("Not added: {reason}", reason=row.note)
        end = icon_button("close", "dismiss", said("Dismiss"), f" data-number='{number}'")
    return f"<li class='{row.state}'>{icon('file')}<div><b>{name}</b><small>{note}</small>{bar}</div>{end}</li>"


def _source(row: "StoredSource", place: str, fresh: bool) -> str:
    title, key = escape(row.title), f" data-source='{row.id}'"
    pages = count(int(place[3:]), "page") if place.startswith("p. ") and place[3:].isdigit() else ""
    day = f"{row.added_at:%Y-%m-%d}"
    facts = " · ".join([row.kind.upper(), pages or count(row.passages, "passage"), size(row.bytes), day])
    web = is_address(row.uri)
    new = f"<span class='badge new'>{html('Added')}</span>" if fresh else ""
    return (
        f"<li>{icon('link' if web else 'file')}<div><button type='button' class='open' data-act='source'{key} "
        f"title='{escape(row.uri)}'>{new}<b>{title}</b><small>{escape(facts)}</small><small>{escape(_from(row))}</small></button></div>"
        + icon_button("again", "refresh", said("Read {title} again", title=row.title), key)
        + icon_button("trash", "remove", said("Remove {title}", title=row.title), f"{key} data-title='{title}'")
        + "</li>"
    )


def _from(row: "StoredSource") -> str:
    """Where a source is from."""
    if is_address(row.uri):
        return row.uri.partition("://")[2]
    *_, folder, _ = ("", *row.uri.split("/"))
    here = folder == UPLOADS or row.account
    return f"{row.name} · {said('added here')}" if here else f"{folder}/{row.name}"
