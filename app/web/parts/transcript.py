"""A conversation: its turns, what can be done with each, and a reply being written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from app.store.opinions import Rating
from app.web.jobs import UNEXPECTED, Job
from app.web.parts.basics import chip, icon, icon_button, sentence
from app.web.parts.drafts import drafts
from app.web.parts.models import written_by
from app.web.parts.replies import grade, in_need, reply_html, served
from app.web.pictures import Shown, sent, thumbnails
from app.web.words import count, html, said
from dialogue.pictures import QUESTION
from dialogue.types import Reply

if TYPE_CHECKING:
    from app.store.conversations import StoredTurn


@dataclass(frozen=True, slots=True)
class Shape:
    """How turns are shown: what their users think of them, and how a shared page shows them, without buttons."""

    ratings: Mapping[int, Rating] = field(default_factory=dict)
    fresh: bool = False
    plain: bool = False


def transcript(turns: Sequence["StoredTurn"], earlier: int = 0, shape: Shape = Shape()) -> str:
    """The finished turns of a conversation. A try that failed is left out once it was tried again.

    `earlier` is how many turns are not shown.
    """
    shown = [
        turn
        for turn, after in pairwise([*turns, None])
        if turn is not None and (turn.state == "done" or after is None or after.question != turn.question)
    ]
    head = chip("earlier", html("Show {earlier}", earlier=count(earlier, "earlier message")), look="earlier")
    return (head if earlier else "") + "".join(_turn(turn, turn is shown[-1], shape) for turn in shown)


def _turn(turn: "StoredTurn", last: bool, shape: Shape) -> str:
    edit = ""
    if last and not shape.plain and turn.state != "damaged":
        edit = icon_button("edit", "edit", said("Edit this message")).replace("icb", "icb edit", 1)
    return article(
        str(turn.id), turn.question, _reply(turn, last, shape), shape.fresh and last, pictures=sent(turn), edit=edit
    )


_ENDS = {
    "cancelled": "Stopped before a reply was chosen.",
    "interrupted": "The program closed before a reply was chosen. Your message is saved.",
    "damaged": "This turn is not as it was stored, so it is not shown. The log of the server has the details.",
    "pending": "A reply to this message is still being written.",
}


def _reply(turn: "StoredTurn", last: bool, shape: Shape) -> str:
    if turn.state == "done" and turn.reply is not None:
        reply = turn.reply
        look = " care" if in_need(reply) else ""
        body = f"<div class='words{look}'>{reply_html(reply.text, reply.citations, str(turn.id))}</div>"
        notes = "".join(f"<p class='note'>{escape(sentence(note))}</p>" for note in reply.trace.remarks)
        return body + notes + ("" if shape.plain else _chips(turn, reply) + _acts(turn, reply, last, shape))
    if shape.plain:
        return f"<p class='ended'>{html(_ENDS.get(turn.state, 'This message was not answered.'))}</p>"
    if turn.state == "failed":
        return failure(turn.reason, last, versions(turn, last))
    again = _again(said("Try again")) if last and turn.state != "pending" else ""
    chips = f"<div class='chips'>{again}{versions(turn, last)}</div>" if again else ""
    return f"<p class='ended'>{html(_ENDS.get(turn.state, ''))}</p>{chips}"


def _chips(turn: "StoredTurn", reply: Reply) -> str:
    """What the reply rests on, and what to do where it rests on nothing."""
    look, label = grade(reply)
    key, chips = str(turn.id), []
    if look == "care":
        return ""
    chips.append(chip("why", escape(label), key, look))
    if reply.citations:
        chips.append(chip("sources", escape(count(len(reply.citations), "source")), key))
    if reply.trace.candidates:
        chips.append(chip("why", html("Why this reply"), key))
    if reply.outcome == "abstained":
        chips.append(chip("attach", icon("plus") + html("Add a document")))
    if (best := served(reply)) and reply.citations:
        chips.append(f"<span class='by'>{escape(written_by(best.writer, reply.trace.model))}</span>")
    return f"<div class='chips'>{''.join(chips)}</div>"


def _acts(turn: "StoredTurn", reply: Reply, last: bool, shape: Shape) -> str:
    """The buttons under a reply: copy, again, and what the user thinks of it."""
    key = f" data-turn='{turn.id}'"
    buttons = [icon_button("copy", "copy", said("Copy reply with its sources"))]
    if last:
        buttons.append(icon_button("again", "again", said("Write another reply"), key))
    if reply.outcome == "refused":
        held = " aria-pressed='true'" if turn.id in shape.ratings else " aria-pressed='false'"
        flag = icon("flag") + html("Report as a mistake" if turn.id not in shape.ratings else "Reported")
        if not in_need(reply):
            buttons.append(chip("report", flag, str(turn.id), "report", held))
    else:
        rating = shape.ratings.get(turn.id)
        for name, good, label in (("up", True, "Good reply"), ("down_thumb", False, "Bad reply")):
            pressed = "true" if rating and rating.good is good else "false"
            extra = f"{key} data-good='{'yes' if good else ''}' aria-pressed='{pressed}'"
            buttons.append(icon_button(name, "rate", said(label), extra))
    return f"<div class='acts'>{''.join(buttons)}<span class='gap'></span>{versions(turn, last)}</div>"


def versions(turn: "StoredTurn", last: bool = True) -> str:
    """What leafs through the versions of a turn, "" where there is one."""
    if not turn.versions or turn.id not in turn.versions:
        return ""
    at, most = turn.versions.index(turn.id), len(turn.versions)
    before = turn.versions[at - 1] if at else 0
    after = turn.versions[at + 1] if at + 1 < most else 0
    sides = [
        icon_button(drawing, "version", said(label), f" data-turn='{other}'" + ("" if other else " disabled"))
        for drawing, label, other in (("back", "Earlier version", before), ("next", "Later version", after))
    ]
    place = html("{at} of {most}", at=at + 1, most=most)
    return f"<span class='versions' role='group' aria-label='{html('Versions')}'>{sides[0]}{place}{sides[1]}</span>"


def _again(label: str, look: str = "") -> str:
    return chip("retry", icon("again") + escape(label), look=look)


def failure(reason: str, retry: bool, leaf: str = "") -> str:
    """What stands in place of a reply that could not be written; the log, not the page, has the details."""
    if reason.startswith("unexpected") or reason == UNEXPECTED:
        reason = said(UNEXPECTED)
    button = _again(said("Failed – try again"), "failed")
    if not retry:
        button = f"<span class='chip failed'>{html('Failed')}</span>"
    words = f"<b>{html('That didn’t work.')}</b> {escape(sentence(reason))} {html('Your message is kept.')}"
    return f"<p class='ended'>{words}</p><div class='chips'>{button}{leaf}</div>"


def refused(question: str, reason: str, pictures: Sequence[Shown] = ()) -> str:
    """A message that could not even be stored."""
    return article("refused", question, failure(reason, retry=True), pictures=pictures)


def article(
    key: str,
    question: str,
    answer: str,
    fresh: bool = False,
    conversation: str = "",
    pictures: Sequence[Shown] = (),
    edit: str = "",
) -> str:
    """A turn: the message with its pictures, and the HTML of what answers it."""
    of = f" data-conversation='{escape(conversation)}'" if conversation else ""
    return (
        f"<article class='turn{' fresh' if fresh else ''}' data-turn='{escape(key)}'{of}>{thumbnails(pictures)}"
        f"<div class='asked'>{edit}"
        f"<div class='you' role='group' aria-label='{html('You')}'>{escape(question or QUESTION)}</div></div>"
        f"<div class='reply' role='group' aria-label='{html('Reply')}'>{answer}</div></article>"
    )


# A step tells what the stage before it found: (line, its stages, the steps whose words belong to it). What goes on with
# writing tells of that.
_STAGES = (
    ("Searching your documents", ("guard", "look", "search", "research"), ("search", "research", "sample")),
    ("Writing replies", ("sample",), ("judge", "more")),
    ("Checking safety and sources", ("judge", "rank"), ("rank",)),
)
_LOOKING = ("Looking at the pictures", ("guard", "look"), ("look",))  # where the message has some
_SAID = {"done": "done", "now": "in progress", "later": "not begun"}


def working(job: Job) -> str:
    """A turn whose reply is being written: its message, one plain line for each stage, and the drafts so far."""
    if job.stopping:
        stopping = f"<ul class='stages'><li class='now'>{html('Stopping…')}</li></ul>"
        return article("live", job.question, stopping, conversation=job.conversation, pictures=job.shown)
    steps = list(job.steps)
    current = steps[-1].stage if steps and not job.ahead else ""
    before = ["", *(step.stage for step in steps)]
    told_by = [
        ("more" if step.stage == last == "sample" else step.stage, step)
        for last, step in zip(before, steps, strict=False)
    ]
    lined = (_LOOKING, *_STAGES) if job.shown else _STAGES
    at = next((n for n, (_, stages, _) in enumerate(lined) if current in stages), -1)
    lines = []
    if job.ahead:
        waiting = html("{n} before you", n=job.ahead)
        lines.append(f"<li class='now'>{html('Waiting for a free place')} <em>{waiting}</em></li>")
    for number, (label, _, tellers) in enumerate(lined):
        state = "done" if number < at else "now" if number == at else "later"
        details = [step.detail for teller, step in told_by if teller in tellers and step.detail]
        detail = f" <em>{escape(details[-1])}</em>" if details else ""
        told = f"<span class='sr'> ({html(_SAID[state])})</span>"
        lines.append(f"<li class='{state}'>{html(label)}{detail}{told}</li>")
    stages = f"<ul class='stages'>{''.join(lines)}</ul>{drafts(list(job.drafts.values()))}"
    return article("live", job.question, stages, conversation=job.conversation, pictures=job.shown)
