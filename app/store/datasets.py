"""What users think of replies as rows to train on: LaMDA's ratings, preferences, and replies worth learning.

Knows the store and the fields of the rows that `candor train generator` and trainers of preferences read.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

if TYPE_CHECKING:
    from app.store.annotations import Annotations
    from app.store.conversations import StoredTurn
    from app.store.database import Database
    from app.store.history import History
    from app.store.opinions import Opinions, Rating
    from dialogue.types import Turn

Form = Literal["lamda", "dpo", "sft", "annotations"]
FORMS: Final = get_args(Form)
Row = dict[str, Any]

_BAD: Final = {  # what a rating with this reason says of a reply, by the names of `candor train generator`
    "wrong": {"sensible": 0},
    "unsupported": {"grounded": 0},
    "unsafe": {"unsafe": 1},
    "padded": {"specific": 0},
    "refused": {"sensible": 0},
}


def dataset(database: "Database", form: Form) -> Iterator[Row]:
    """Yield the rows of a form, the earliest first.

    `lamda`: every rated or annotated reply with what the user, or else most raters, say of it. `dpo`: a draft that
    somebody took instead of another, as ``{prompt, chosen, rejected}`` of messages. `sft`: replies that were liked and
    drafts that were taken, as ``{messages}``. All three with the passages that could be written from. `annotations`:
    every annotated reply with what each rater answered, what most say and how far they disagree, as `candor evaluate
    agreement` reads it. Raises DataError.
    """
    from app.store.annotations import Annotations
    from app.store.history import History
    from app.store.opinions import Opinions

    history, opinions, annotations = History(database), Opinions(database), Annotations(database)
    if form == "lamda":
        yield from _rated(history, opinions, annotations)
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
    elif form == "annotations":
        yield from _annotated(history, annotations)
    else:
        yield from _liked(history, opinions)


def _rated(history: "History", opinions: "Opinions", annotations: "Annotations") -> Iterator[Row]:
    """A row of each reply; what most raters answered by the paper's questions stands for what one user thinks."""
    from app.store.annotations import majority

    rated, annotated = opinions.ratings(None), annotations.of()
    for number in sorted({*rated, *annotated}):
        turn = history.turn(number)
        if turn.state != "done" or turn.reply is None:
            continue
        said = majority(annotated.get(number, ()))
        told: dict[str, int] = {
            name: int(said[name]) for name in ("sensible", "specific", "interesting", "grounded") if name in said
        }
        told |= {"unsafe": int(not said["safe"])} if "safe" in said else {}
        if not (told or number in rated):
            continue
        yield {
            "context": _context(history, turn),
            "response": _said(turn.reply.text)[0]["content"],
            "ratings": {**(_ratings(turn, rated[number]) if number in rated else {}), **told},
            "sources": _sources(turn),
            "dialogue": turn.conversation,
        }


def _annotated(history: "History", annotations: "Annotations") -> Iterator[Row]:
    from app.store.annotations import QUESTIONS, disagreement, majority

    for number, found in annotations.of().items():
        turn = history.turn(number)
        if turn.state != "done" or turn.reply is None:
            continue
        answers = {name: {one.rater: one.answers[name] for one in found} for name in QUESTIONS}
        ratings = {name: {who: int(yes) for who, yes in by.items() if yes is not None} for name, by in answers.items()}
        yield {
            "context": [one["text"] for one in _context(history, turn)],
            "response": _said(turn.reply.text)[0]["content"],
            "evidence": [source["text"] for source in _sources(turn)],
            "ratings": {name: by for name, by in ratings.items() if by},
            "majority": {name: int(yes) for name, yes in majority(found).items()},
            "disagreement": {name: round(share, 4) for name, share in disagreement(found).items()},
            "raters": len(found),
            "dialogue": turn.conversation,
        }


def _context(history: "History", turn: "StoredTurn") -> list[dict[str, str]]:
    context = _messages(_before(history, turn), turn.question)
    return [{"role": one["role"], "text": one["content"]} for one in context]


def _sources(turn: "StoredTurn") -> list[Row]:
    """What the reply could be written from, each passage once."""
    found = {item.passage.id: item.passage for item in turn.reply.trace.evidence} if turn.reply else {}
    return [{"title": passage.title, "text": passage.text} for passage in found.values() if passage.text.strip()]


def _liked(history: "History", opinions: "Opinions") -> Iterator[Row]:
    for turn, rating in _with_ratings(history, opinions):
        if rating.good and turn.reply is not None:
            yield _worth_learning(history, turn, turn.question, turn.reply.text)
    for preference in opinions.preferences():
        yield _worth_learning(history, history.turn(preference.turn), preference.question, preference.chosen)


def _worth_learning(history: "History", turn: "StoredTurn", question: str, reply: str) -> Row:
    messages = [*_messages(_before(history, turn), question), *_said(reply)]
    return {"messages": messages, "sources": _sources(turn), "dialogue": turn.conversation}


def _ratings(turn: "StoredTurn", rating: "Rating") -> dict[str, int]:
    if not rating.good:
        return dict(_BAD.get(rating.reason, {"sensible": 0}))
    claims = turn.reply is not None and bool(turn.reply.citations)
    return {"sensible": 1, "unsafe": 0, **({"grounded": 1} if claims else {})}


def _with_ratings(history: "History", opinions: "Opinions") -> "Iterator[tuple[StoredTurn, Rating]]":
    for number, rating in sorted(opinions.ratings(None).items()):
        turn = history.turn(number)
        if turn.state == "done":
            yield turn, rating


def _before(history: "History", turn: "StoredTurn") -> "tuple[Turn, ...]":
    return history.context(turn.conversation, turn.id)


def _messages(before: "tuple[Turn, ...]", question: str) -> list[dict[str, str]]:
    from dialogue.cite import without_marks

    said = [{"role": turn.role, "content": without_marks(turn.text).strip()} for turn in before]
    return [*said, {"role": "user", "content": question}]


def _said(text: str) -> list[dict[str, str]]:
    from dialogue.cite import without_marks

    return [{"role": "assistant", "content": without_marks(text).strip()}]
