"""Why a reply was chosen: one sentence, then the drafts with what each lost by, then the details."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Final

from app.web.parts.basics import about, blank, small
from app.web.parts.models import writer
from app.web.parts.replies import served
from app.web.words import count, html, said
from dialogue.prompts import is_abstention
from dialogue.research import lookups
from dialogue.types import Candidate, Reply, Role, Trace

BARS: Final = (  # the scores that are shown, by their words
    ("grounded", "Supported by the sources"),
    ("answers", "Answers the question"),
    ("sensible", "Makes sense"),
    ("specific", "Speaks to this question"),
    ("interesting", "Says something new"),
    ("in_role", "In its role"),
    ("preferred", "To your raters' taste"),
)
_FIGURES: Final = re.compile(r" \([\d.]+ < [\d.]+\)")
_CLEAR: Final = 0.05  # a difference of scores that is worth a word
_STAGES: Final = {
    "guard": "Screen",
    "intent": "Understand",
    "look": "Look",
    "search": "Search",
    "research": "Research",
    "sample": "Write",
    "judge": "Check",
    "rank": "Rank",
}


def why(
    question: str, turn: str, reply: Reply | None, preferred: bool = False, mask: Callable[[str], str] = str
) -> str:
    """Why a reply won, and what became of the other drafts; `preferred` says that the user took it.

    `mask` covers what drafts must not show.
    """
    if reply is None:
        return blank(
            "How a reply is chosen",
            "Several replies are written and checked, unsafe and unsupported ones are dropped, and the best is shown.",
        )
    best, drafts = served(reply), _weighed(reply)
    cards = "".join(_card(draft, draft is best, best, turn, rank, mask) for rank, draft in drafts)
    listed = f"<ol class='cards-why' aria-label='{html('Drafts')}'>{cards}</ol>" if cards else ""
    sentence = escape(summary(reply, preferred))
    return f"{about(question)}<div class='why'><p class='sum'>{sentence}</p>{listed}{_details(reply.trace, mask)}</div>"


def _weighed(reply: Reply) -> list[tuple[int, Candidate]]:
    """The drafts with their ranks; an abstention that was not needed is none of them."""
    best = served(reply)
    return [(n, c) for n, c in enumerate(reply.trace.candidates) if c is best or not is_abstention(c.text)]


def summary(reply: Reply, preferred: bool = False) -> str:
    """In one sentence why this reply, out of how many, and what the others were dropped for."""
    drafts, best = [draft for _, draft in _weighed(reply)], served(reply)
    if not drafts:
        return said("No drafts were written.") + (
            f" {said(reply.trace.asked.reason)}" if reply.trace.asked.reason else ""
        )
    lost = dict[str, int]()
    for draft in drafts:
        if draft.dropped:
            lost[fate(draft)] = lost.get(fate(draft), 0) + 1
    dropped = _dropped(lost)
    if best is None:
        return said("None of {drafts} could be served.", drafts=count(len(drafts), "draft")) + (
            f" {dropped}" if lost else ""
        )
    chosen = "You chose it from {drafts}" if preferred else "Chosen from {drafts}"
    words = said(chosen, drafts=count(len(drafts), "draft"))
    if because := said(" and ").join(_because(best)):
        words += said(": {reasons}" if preferred else " because {reasons}", reasons=because)
    return f"{words}; {dropped}" if lost else f"{words}."


def _dropped(lost: Mapping[str, int]) -> str:
    """How many drafts were dropped, and what for."""
    number = sum(lost.values())
    if len(lost) == 1:
        [reason] = lost
        return said(
            "1 was dropped as {reason}." if number == 1 else "{n} were dropped as {reason}.",
            n=number,
            reason=said(reason),
        )
    reasons = ", ".join(f"{each} {said(reason)}" for reason, each in lost.items())
    return said("{n} were dropped: {reasons}.", n=number, reasons=reasons)


def _because(best: Candidate) -> Iterator[str]:
    claims = [claim for claim in best.scores.claims if claim.support is not None]
    good = sum(claim.supported for claim in claims)
    if good and good == len(claims):
        whole = {1: "its statement is supported", 2: "both of its statements are supported"}
        yield said(whole.get(good, "all {n} of its statements are supported"), n=good)
    elif good:
        yield said("{n} of its {of} statements are supported", n=good, of=len(claims))
    if best.scores.answers is not None and best.scores.answers >= 0.5:
        yield said("it answers the question")


def fate(draft: Candidate) -> str:
    """For what a draft was dropped, in a word."""
    if not draft.verdict.safe or draft.dropped.startswith("unsafe"):
        return "unsafe"
    if any(claim.support is not None and not claim.supported for claim in draft.scores.claims):
        return "unsupported"
    return "not answering" if draft.dropped.startswith("does not answer") else "not sensible"


def _card(draft: Candidate, best: bool, won: Candidate | None, turn: str, rank: int, mask: Callable[[str], str]) -> str:
    look = "served" if best else "dropped" if draft.dropped else "kept"
    badge = {"served": "Served", "dropped": "Dropped", "kept": "Not chosen"}[look]
    by = f"<span class='by'>{escape(writer(draft.writer))}</span>" if draft.writer else ""
    head = f"<div class='fate'><span class='badge'>{html(badge)}</span>{by}</div>"
    words = escape(mask(draft.text))
    if draft.verdict.safe:
        text = f"<details class='draft-text'><summary><span>{words}</span></summary></details>"
    else:
        text = (
            f"<details class='veiled'><summary>{html('Hidden: not safe. Show it')}</summary>"
            f"<span>{words}</span></details>"
        )
    reason = "" if best else f"<p class='reason'>{escape(_lost_by(draft, won))}</p>"
    if draft.repaired:
        reason += f"<p class='fine'>{html('Unsupported sentences were taken out of it.')}</p>"
    use = ""
    if look == "kept" and won is not None:
        at = f" data-turn='{escape(turn)}' data-rank='{rank}'"
        use = small("use", "check", html("Use this one instead"), at)
    return f"<li class='{look}'>{head}{text}{reason}{_bars(draft)}{use}</li>"


def _lost_by(draft: Candidate, won: Candidate | None) -> str:
    """Why a draft was not served, in a sentence."""
    if draft.dropped:  # without the figures, which the bars show
        words = _FIGURES.sub("", draft.dropped)
        return words[:1].upper() + words[1:]
    if won is None:
        return said("It was not needed.")
    gaps = {name: (getattr(won.scores, name) or 0.0) - (getattr(draft.scores, name) or 0.0) for name, _ in BARS}
    name = max(gaps, key=lambda name: gaps[name])
    if gaps[name] < _CLEAR:
        return said("Nearly as good; the one shown came out ahead by a little.")
    return said("Less good at: {what}.", what=said(dict(BARS)[name]).lower())


def _bars(draft: Candidate) -> str:
    rows = [_bar(said("Safe"), None if draft.verdict.risk is None else 1 - draft.verdict.risk, not draft.verdict.safe)]
    loose = any(claim.support is not None and not claim.supported for claim in draft.scores.claims)
    for name, words in BARS:
        value = getattr(draft.scores, name)
        if value is not None or name not in ("in_role", "interesting", "preferred"):
            rows.append(_bar(said(words), value, name == "grounded" and loose))
    return f"<dl class='bars'>{''.join(rows)}</dl>"


def _bar(words: str, value: float | None, low: bool) -> str:
    told = f"<span class='sr'> ({html('below the limit')})</span>" if low else ""
    if value is None:
        return f"<dt>{escape(words)}</dt><dd class='{'low' if low else 'none'}'>{html('not judged')}{told}</dd>"
    fill = f"<i style='width:{min(max(value, 0.0), 1.0):.0%}'></i>"
    return (
        f"<dt>{escape(words)}</dt><dd class='{'low' if low else ''}'><span>{fill}</span><b>{value:.0%}</b>{told}</dd>"
    )


def _details(trace: Trace, mask: Callable[[str], str]) -> str:
    """What most people need not see: evidence with ranks, look-ups, the prompt, time by stage, fingerprints."""
    parts = [_facts(trace), _research(trace), _evidence(trace, mask), _prompt(trace, mask), _times(trace)]
    body = "".join(f"<h2>{html(name)}</h2>{inner}" for name, inner in (*parts, _prints(trace)) if inner)
    return f"<details class='deep'><summary>{html('Details')}</summary>{body}</details>" if body else ""


def _facts(trace: Trace) -> tuple[str, str]:
    rows: list[tuple[str, str]] = []
    if trace.role not in ("", Role().name):
        rows.append((said("In the role of"), trace.role))
    if trace.query:
        rows.append((said("Searched for"), trace.query))
    rows += [(said("Looked up"), f"{query} → {count(n, 'passage')}") for query, n in lookups(trace.research)]
    if trace.withheld:
        reasons = "; ".join(sorted({reason for _, reason in trace.withheld}))
        rows.append((said("Withheld"), f"{count(len(trace.withheld), 'passage')}: {reasons}"))
    if trace.rounds > 1:
        rows.append((said("Rounds"), said("{n}: the first drafts were all dropped", n=trace.rounds)))
    rows += [(said("Note"), note) for note in trace.notes]
    return "Steps", _listed(rows)


def _research(trace: Trace) -> tuple[str, str]:
    """What the model and the toolset told each other: the base reply, look-ups, what was found, the revised reply."""
    names = {"assistant": said("Model"), "system": said("Found"), "user": said("Asked")}
    items = "".join(
        f"<li><b>{escape(names[turn.role])}</b> <span class='piece'>{escape(turn.text[:400])}</span></li>"
        for turn in trace.research
    )
    return "Research", f"<ol class='ranks'>{items}</ol>" if items else ""


def _prompt(trace: Trace, mask: Callable[[str], str]) -> tuple[str, str]:
    """What a language model was sent, closed until it is wanted."""
    if not trace.prompt:
        return "Prompt", ""
    long = html("The prompt as it was sent ({n} characters)", n=f"{len(trace.prompt):,}")
    body = f"<summary>{long}</summary><pre>{escape(mask(trace.prompt))}</pre>"
    return "Prompt", f"<details class='prompt'>{body}</details>"


def _evidence(trace: Trace, mask: Callable[[str], str]) -> tuple[str, str]:
    items = [
        f"<li><b>{escape(item.passage.title)}</b> {escape(item.passage.place)}"
        + (f"<span class='support'>{item.probability:.0%}</span>" if item.probability is not None else "")
        + f"<span class='piece'>{escape(mask(' '.join(item.passage.text.split()))[:200])}</span></li>"
        for item in trace.evidence
    ]
    return "Passages found, the likeliest first", f"<ol class='ranks'>{''.join(items)}</ol>" if items else ""


def _times(trace: Trace) -> tuple[str, str]:
    total = sum(trace.timings.values())
    if total <= 0:
        return "Time", ""
    bar, keys = [], []
    for stage, seconds in trace.timings.items():
        if seconds >= total / 100:
            look, name = escape(stage), html(_STAGES.get(stage, stage.title()))
            bar.append(f"<span class='t-{look}' style='flex:{max(seconds / total, 0.03):.3f}'></span>")
            keys.append(f"<span><i class='t-{look}'></i>{name} {seconds:.2f} s</span>")
    told = f"role='img' aria-label='{html('Time: {seconds} seconds', seconds=f'{total:.2f}')}'"
    return "Time", f"<div class='times' {told}>{''.join(bar)}</div><div class='keys'>{''.join(keys)}</div>"


def _prints(trace: Trace) -> tuple[str, str]:
    named = ((said("Model"), trace.model), (said("Judges"), trace.judges), (said("Policy"), trace.policy))
    tokens = ", ".join(f"{name} {number:,}" for name, number in trace.tokens.items())
    return "Fingerprints", _listed([*(row for row in named if row[1]), *([(said("Tokens"), tokens)] if tokens else [])])


def _listed(rows: Sequence[tuple[str, str]]) -> str:
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(words)}</dd>" for name, words in rows)
    return f"<dl class='facts'>{items}</dl>" if items else ""
