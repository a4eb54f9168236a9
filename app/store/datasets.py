"""What users think of replies as rows to train on: LaMDA's ratings, preferences, and replies worth learning.

Knows the store and the fields of the rows that `candor train generator` and trainers of preferences read.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

if TYPE_CHECKING:
    from app.store.conversations import StoredTurn
    from app.store.history import History
    from app.store.opinions import Opinions, Rating
    from dialogue.types import Turn

Form = Literal["lamda", "dpo", "sft"]
FORMS: Final = get_args(Form)
Row = dict[str, Any]

_BAD: Final = {  # what a rating with this reason says of a reply, by the names of `candor train generator`
    "wrong": {"sensible": 0},
    "unsupported": {"grounded": 0},
    "unsafe": {"unsafe": 1},
    "padded": {"specific": 0},
    "refused": {"sensible": 0},
}


def dataset(history: "History", opinions: "Opinions", form: Form) -> Iterator[Row]:
    """Yield the rows of a form, the earliest first.

    `lamda`: every rated reply with what the rating says of it. `dpo`: a draft that somebody took instead of another,
    as ``{prompt, chosen, rejected}`` of messages with the passages that both could be written from. `sft`: replies that were liked and drafts that were taken, as
    ``{messages}``. Raises DataError.
    """
    if form == "lamda":
        yield from _rated(history, opinions)
    elif form == "dpo":
        for preference in opinions.preferences():
            turn = history.turn(preference.turn)
            yield {
                "prompt": _messages(_before(history, turn), preference.question),
                "chosen": _said(preference.chosen),
                "rejected": _said(preference.rejected),
                "sources": _sources(turn),
                "dialogue": turn.conversation,
            }
    else:
        yield from _liked(history, opinions)


def _rated(history: "History", opinions: "Opinions") -> Iterator[Row]:
    for turn, rating in _with_ratings(history, opinions):
        if turn.reply is None:
            continue
        context = _messages(_before(history, turn), turn.question)
        yield {
            "context": [{"role": one["role"], "text": one["content"]} for one in context],
            "response": _said(turn.reply.text)[0]["content"],
            "ratings": _ratings(turn, rating),
            "sources": _sources(turn),
            "dialogue": turn.conversation,
        }


def _sources(turn: "StoredTurn") -> list[Row]:
    """What the reply could be written from, each passage once."""
    found = {item.passage.id: item.passage for item in turn.reply.trace.evidence} if turn.reply else {}
    return [{"title": passage.title, "text": passage.text} for passage in found.values() if passage.text.strip()]


def _liked(history: "History", opinions: "Opinions") -> Iterator[Row]:
    for turn, rating in _with_ratings(history, opinions):
        if rating.good and turn.reply is not None:
            messages = _messages(_before(history, turn), turn.question)
            yield {"messages": [*messages, *_said(turn.reply.text)]}
    for preference in opinions.preferences():
        before = _before(history, history.turn(preference.turn))
        yield {"messages": [*_messages(before, preference.question), *_said(preference.chosen)]}


def _ratings(turn: "StoredTurn", rating: "Rating") -> dict[str, int]:
    if not rating.good:
        return dict(_BAD.get(rating.reason, {"sensible": 0}))
    claims = turn.reply is not None and bool(turn.reply.citations)
    return {"sensible": 1, "unsafe": 0, **({"grounded": 1} if claims else {})}


def _with_ratings(history: "History", opinions: "Opinions") -> "Iterator[tuple[StoredTurn, Rating]]":
    for number in opinions.rated():
        turn = history.turn(number)
        if turn.state == "done":
            yield turn, opinions.ratings([number])[number]


def _before(history: "History", turn: "StoredTurn") -> "tuple[Turn, ...]":
    return history.context(turn.conversation, turn.id)


def _messages(before: "tuple[Turn, ...]", question: str) -> list[dict[str, str]]:
    from dialogue.cite import without_marks

    said = [{"role": turn.role, "content": without_marks(turn.text).strip()} for turn in before]
    return [*said, {"role": "user", "content": question}]


def _said(text: str) -> list[dict[str, str]]:
    from dialogue.cite import without_marks

    return [{"role": "assistant", "content": without_marks(text).strip()}]
