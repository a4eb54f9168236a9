"""The panel on the right as HTML: sources, a document, why a reply won, the library. Pure functions.

Like `render`, it escapes every word it did not write itself.
"""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from app.web.pictures import address
from app.web.render import count, icon, icon_button, place_of, served
from app.web.uploads import Upload
from dialogue.research import lookups
from dialogue.types import Candidate, Citation, Reply, Role, Trace

if TYPE_CHECKING:
    from app.library.catalogue import StoredSource
    from app.store.conversations import StoredTurn

WINDOW = 30_000  # characters of a document shown on each side of a mark


def _blank(title: str, words: str) -> str:
    return f"<div class='blank'><b>{title}</b><p>{words}</p></div>"


def _about(turn: "StoredTurn") -> str:
    return f"<p class='about'>Reply to <q>{escape(turn.question[:140])}</q></p>"


def marked(text: str, start: int, end: int) -> str:
    """`text` with the characters from `start` to `end` highlighted; no mark when the offsets do not fit."""
    if not 0 <= start < end <= len(text):
        return escape(text)
    return f"{escape(text[:start])}<mark>{escape(text[start:end])}</mark>{escape(text[end:])}"


# --- sources ---------------------------------------------------------------------------------------------


def sources(turn: "StoredTurn | None") -> str:
    """The sentences a reply rests on, each inside its passage, and what else was found."""
    if turn is None or turn.reply is None:
        return _blank(
            "Sources appear here",
            "Ask something, then select a number in the reply to see the sentence behind it.",
        )
    reply, key = turn.reply, escape(str(turn.id))
    if reply.citations:
        cards = "".join(_card(citation, key) for citation in reply.citations)
        body = f"<ol class='sources' data-turn='{key}' aria-label='Sources of this reply'>{cards}</ol>"
    elif reply.outcome == "refused":
        body = _blank("Declined", "This message was not answered, so there are no sources.")
    else:
        body = _blank(
            "No source for this reply",
            "Nothing in your documents supports an answer. Add a document, or ask in other words.",
        )
    return _about(turn) + body + _also_found(reply)


def _card(citation: Citation, key: str) -> str:
    place, number = escape(place_of(citation)), citation.number
    title = f"<div><b>{escape(citation.title)}</b>{place and f'<small>{place}</small>'}</div>"
    strength = "<span class='support' title='How strongly this sentence supports the reply'>"
    at = f"data-turn='{key}' data-number='{number}'"
    behind = f"<button type='button' class='lnk' data-act='document' {at}>{icon('open')}Open in document</button>"
    if citation.passage.kind == "picture":  # and what a model says it shows
        url = escape(address(key, citation.source))
        strength = "<span class='support' title='What a model says the picture shows'>"
        behind = f"<a class='lnk' href='{url}' target='_blank' rel='noopener'>{icon('open')}Open picture</a>"
        title = f"<img class='seen' src='{url}' alt=''>{title}"
    elif citation.passage.kind in ("tool", "page"):  # what a tool said: a sum, or a passage of a page on the web
        behind = _page(citation.source)
    return (
        f"<li class='source' id='source-{key}-{number}' data-number='{number}' tabindex='-1'>"
        f"<div class='title'><span class='number'>{number}</span>{title}"
        f"{strength}{citation.support:.0%} support</span></div>"
        f"<blockquote>{_passage(citation)}</blockquote>"
        f"<div class='acts'>{behind}"
        f"<button type='button' class='lnk' data-act='quote' data-text='{escape(citation.quote)}'>"
        f"{icon('copy')}Copy quote</button></div></li>"
    )


def _page(source: str) -> str:
    """A link to a page, empty when it is not an address."""
    if not source.startswith(("http://", "https://")):
        return ""
    attributes = f"class='lnk' href='{escape(source)}' target='_blank' rel='noopener noreferrer'"
    return f"<a {attributes}>{icon('open')}Open page</a>"


def _passage(citation: Citation) -> str:
    start = citation.start - citation.passage.start
    return marked(citation.passage.text, start, start + citation.end - citation.start)


def _also_found(reply: Reply) -> str:
    cited = {citation.passage.id for citation in reply.citations}
    rest = [item.passage for item in reply.trace.evidence if item.passage.id not in cited]
    if not rest:
        return ""
    items = "".join(
        f"<li><b>{escape(passage.title)}</b><span>{escape(' '.join(passage.text.split())[:180])}</span></li>"
        for passage in rest
    )
    head = f"<summary>Also found, not used ({len(rest)})</summary>"
    return f"<details class='rest'>{head}<ul>{items}</ul></details>"


def document(text: str, title: str, citation: Citation, turn: str) -> str:
    """A document around a cited sentence, which is highlighted; long ones are cut at both ends.

    When the document no longer holds the sentence at its place, the passage as it was is shown instead.
    """
    back = f"<button type='button' class='lnk' data-act='sources' data-turn='{escape(turn)}'>"
    head = f"<div class='title'>{back}{icon('back')}Sources</button><b>{escape(title)}</b></div>"
    note = ""
    if text[citation.start : citation.end] == citation.quote:
        low, high = max(0, citation.start - WINDOW), min(len(text), citation.end + WINDOW)
        words = marked(text[low:high], citation.start - low, citation.end - low)
        words = ("<i>… earlier text not shown …</i>\n\n" if low else "") + words
        words += "\n\n<i>… later text not shown …</i>" if high < len(text) else ""
    else:
        gone = "was removed" if not text else "has changed"
        note = f"<p class='fine'>This document {gone} since the reply. This is the passage as it was then.</p>"
        words = _passage(citation)
    return (
        f"<div class='document' data-turn='{escape(turn)}'>{head}{note}"
        f"<div class='text' tabindex='-1'>{words}</div></div>"
    )


# --- why -------------------------------------------------------------------------------------------------

_COLUMNS = (
    ("Safe", "Safe: would do no harm"),
    ("Sense", "Sensible: makes sense in this conversation"),
    ("Spec", "Specific: speaks to this message and no other"),
    ("Int", "Interesting: insightful or surprising"),
    ("Grnd", "Grounded: the weakest support of any of its claims"),
    ("Ans", "Answers: answers the question"),
)
_ROLE = ("Role", "In its role: what this agent would say")
_STAGE_NAMES = {
    "guard": "Screen",
    "look": "Look",
    "search": "Search",
    "research": "Research",
    "sample": "Write",
    "judge": "Check",
    "rank": "Rank",
}


def why(turn: "StoredTurn | None") -> str:
    """Every candidate with its scores and its fate, and where the time went."""
    if turn is None or turn.reply is None:
        return _blank(
            "How a reply is chosen",
            "Several replies are written and scored, unsafe and unsupported ones are dropped, and the best is served.",
        )
    reply, trace = turn.reply, turn.reply.trace
    table = _table(reply) if trace.candidates else ""
    return f"{_about(turn)}<div class='why'>{_summary(reply)}{_time_bar(trace)}{table}{_facts(trace)}</div>"


def _summary(reply: Reply) -> str:
    trace = reply.trace
    if not trace.candidates:
        reason = f" {escape(trace.asked.reason)}" if trace.asked.reason else ""
        return f"<p class='sum'><b>No replies were written.</b>{reason}</p>"
    dropped = sum(bool(candidate.dropped) for candidate in trace.candidates)
    words = f"<b>{len(trace.candidates)} replies weighed, {dropped} dropped.</b>"
    best = served(reply)
    if best is None:
        return f"<p class='sum'>{words} None could be served.</p>"
    words += f" The served one scored {best.quality:.2f}."
    rivals = [c.quality for c in trace.candidates if not c.dropped and c is not best]
    if rivals and best.quality - max(rivals) >= 0.005:
        words += f" It led the next by {best.quality - max(rivals):.2f}."
    return f"<p class='sum'>{words}</p>"


def _time_bar(trace: Trace) -> str:
    total = sum(trace.timings.values())
    if total <= 0:
        return ""
    bar, keys = [], []
    for stage, seconds in trace.timings.items():
        if seconds >= total / 100:
            look, name = escape(stage), escape(_STAGE_NAMES.get(stage, stage.title()))
            bar.append(f"<span class='t-{look}' style='flex:{max(seconds / total, 0.03):.3f}'></span>")
            keys.append(f"<span><i class='t-{look}'></i>{name} {seconds:.2f} s</span>")
    said = f"role='img' aria-label='Time: {total:.2f} seconds'"
    return f"<div class='times' {said}>{''.join(bar)}</div><div class='keys'>{''.join(keys)}</div>"


def _table(reply: Reply) -> str:
    acted = any(candidate.scores.in_role is not None for candidate in reply.trace.candidates)
    columns = (*_COLUMNS, _ROLE) if acted else _COLUMNS
    heads = "".join(f"<th scope='col'><abbr title='{tip}'>{name}</abbr></th>" for name, tip in columns)
    best, place, rows = served(reply), 0, []
    for candidate in reply.trace.candidates:
        if not candidate.dropped:
            place += 1
        rows.append(_row(candidate, candidate is best, place, acted))
    return (
        "<div class='scroll' tabindex='0' role='region' aria-label='Scores'><table>"
        "<caption class='sr'>Scores of every reply that was written</caption>"
        f"<thead><tr><th scope='col'>Reply</th>{heads}<th scope='col'>Total</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        "<p class='fine'>Scores run from 0 to 1; – means not judged or not applicable. Safety and grounding "
        "are gates: what fails them is dropped, whatever its total.</p>"
    )


def _row(candidate: Candidate, best: bool, place: int, acted: bool) -> str:
    fate = "served" if best else "dropped" if candidate.dropped else "kept"
    badge = {"served": "Served", "dropped": "Dropped", "kept": f"#{place}"}[fate]
    text = f"<details><summary><span>{escape(candidate.text)}</span></summary></details>"
    if not candidate.verdict.safe:
        text = (
            "<details class='veiled'><summary>Hidden: not safe. Show it</summary>"
            f"<span>{escape(candidate.text)}</span></details>"
        )
    reason = f"<small class='reason'>{escape(candidate.dropped)}</small>" if candidate.dropped else ""
    repaired = "<small>After taking out unsupported sentences</small>" if candidate.repaired else ""
    risk, scores = candidate.verdict.risk, candidate.scores
    values = [
        None if risk is None else 1 - risk,
        scores.sensible,
        scores.specific,
        scores.interesting,
        scores.grounded,
        scores.answers,
        *([scores.in_role] if acted else []),
    ]
    bad = [not candidate.verdict.safe, False, False, False, any(_unfounded(candidate)), False, False][: len(values)]
    cells = "".join(_cell(value, low) for value, low in zip(values, bad, strict=True))
    total = f"<td class='total'>{candidate.quality:.2f}</td>"
    reply = f"<td><span class='badge'>{badge}</span>{text}{reason}{repaired}</td>"
    return f"<tr class='{fate}'>{reply}{cells}{total}</tr>"


def _unfounded(candidate: Candidate) -> list[bool]:
    return [claim.support is not None and not claim.supported for claim in candidate.scores.claims]


def _cell(value: float | None, low: bool) -> str:
    said = "<span class='sr'> below the limit</span>" if low else ""
    if value is None:
        look = "v low" if low else "v"
        return f"<td><span class='{look}'>–<span class='sr'> not judged</span>{said}</span></td>"
    heat = "low" if low else f"h{min(4, int(value * 5))}"
    return f"<td><span class='v {heat}'>{value:.2f}{said}</span></td>"


def _facts(trace: Trace) -> str:
    rows = []
    if trace.role not in ("", Role().name):
        rows.append(("In the role of", trace.role))
    if trace.query:
        rows.append(("Searched for", trace.query))
    rows += [("Asked the toolset", f"{query} → {count(n, 'passage')}") for query, n in lookups(trace.research)]
    if trace.evidence:
        rows.append(("Found", count(len(trace.evidence), "passage")))
    if trace.withheld:
        reasons = "; ".join(sorted({reason for _, reason in trace.withheld}))
        rows.append(("Withheld", f"{count(len(trace.withheld), 'passage')}: {reasons}"))
    if trace.rounds > 1:
        rows.append(("Rounds", f"{trace.rounds}: the first replies were all dropped"))
    if trace.model:
        rows.append(("Model", trace.model))
    rows += [("Note", note) for note in trace.notes]
    items = "".join(f"<dt>{name}</dt><dd>{escape(words)}</dd>" for name, words in rows)
    return f"<dl class='facts'>{items}</dl>" if items else ""


# --- documents -------------------------------------------------------------------------------------------


def _size(number: int) -> str:
    return f"{number / 1_000_000:.1f} MB" if number >= 1_000_000 else f"{max(1, round(number / 1000))} kB"


def documents(stored: Sequence["StoredSource"], uploads: Sequence[Upload] = ()) -> str:
    """Files on their way in, then the sources that replies may cite."""
    items = [_upload(row) for row in uploads] + [_source(row) for row in stored]
    if not items:
        return _blank("No documents yet", "Replies can only cite what you add here.")
    head = f"<p class='fine'>{count(len(stored), 'document')}</p>" if stored else ""
    return f"{head}<ul class='documents' aria-label='Documents'>{''.join(items)}</ul>"


def _upload(row: Upload) -> str:
    name, note = escape(row.name), escape(row.note)
    bar = f"<progress max='1' value='{row.share:.2f}' aria-label='{name}'></progress>"
    if row.state == "failed":
        bar, note = "", f"Not added: {note}"
    return f"<li class='{row.state}'>{icon('file')}<div><b>{name}</b><small>{note}</small>{bar}</div></li>"


def _source(row: "StoredSource") -> str:
    title = escape(row.title)
    facts = " · ".join((escape(row.kind.upper()), count(row.passages, "passage"), _size(row.bytes)))
    remove = icon_button("trash", "remove", f"Remove {row.title}", f" data-source='{escape(str(row.id))}'")
    return f"<li>{icon('file')}<div><b title='{title}'>{title}</b><small>{facts}</small></div>{remove}</li>"
