"""A conversation as one document: JSON with all that is stored, or Markdown to be read.

What users, models and documents say is text there: no picture is fetched and no link followed from an export.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Final

from app.store.conversations import StoredConversation, StoredTurn
from app.store.jsonform import to_json
from dialogue.pictures import media_type
from dialogue.types import Picture

# what opens a picture, a link or HTML, and what makes a bare address one: the last character gets a backslash
_LIVE: Final = r"[\\\[\]<]|(?<=[a-z0-9+.-]):(?=//)|(?<=www)\.|(?<=\S)@"
_REPLY: Final = re.compile(_LIVE, re.IGNORECASE)
_PLAIN: Final = re.compile(_LIVE + r"|[`*_&|~]|^\s*(?:[#+=>-]|\d+[.)])", re.IGNORECASE | re.MULTILINE)


def as_json(about: StoredConversation, turns: Sequence[StoredTurn], pictures: Sequence[Sequence[Picture]]) -> str:
    """Return a conversation as JSON, with the `pictures` of each turn in Base64."""
    entries = [
        {**to_json(turn), "pictures": list(map(_sent, sent))} for turn, sent in zip(turns, pictures, strict=True)
    ]
    return json.dumps({**to_json(about), "turns": entries}, ensure_ascii=False, indent=2)


def as_markdown(about: StoredConversation, turns: Sequence[StoredTurn]) -> str:
    """Return a conversation as Markdown, its pictures by name."""
    return "\n\n".join([f"# {_plain(about.title)}", *(part for turn in turns for part in _turn(turn))]) + "\n"


def _sent(picture: Picture) -> dict[str, str]:
    return {"name": picture.name, "type": media_type(picture), "base64": b64encode(picture.data).decode()}


def _turn(turn: StoredTurn) -> Iterable[str]:
    yield f"**You:** {_plain(turn.question)}"
    if turn.pictures:
        yield f"*Pictures: {_plain(', '.join(turn.pictures))}*"
    if turn.reply is None:
        yield f"*{turn.state}{': ' if turn.reason else ''}{_plain(turn.reason)}*"
        return
    yield f"**{_plain(turn.reply.trace.role or 'Candor')}:** {_REPLY.sub(_escaped, turn.reply.text)}"
    if turn.reply.citations:
        yield "\n".join(
            f"{cited.number}. {_plain(' › '.join((cited.source, *cited.headings, *filter(None, [cited.place]))))}: "
            f"“{_plain(' '.join(cited.quote.split()))}”"
            for cited in turn.reply.citations
        )


def _plain(text: str) -> str:
    """Text of which nothing is markup, so that what is asked or quoted cannot pass for a turn either."""
    return _PLAIN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return f"{found[0][:-1]}\\{found[0][-1]}"
