"""The sentences that a reply rests on, each inside its passage, and what else was found."""

from html import escape

from app.web.parts.basics import about, blank, icon, marked, small
from app.web.parts.replies import place_of
from app.web.pictures import address
from app.web.words import html
from dialogue.types import Citation, Reply


def sources(question: str, turn: str, reply: Reply | None) -> str:
    """The sources of a reply; None where there is no reply yet."""
    if reply is None:
        return blank(
            "Sources appear here", "Ask something, then select a number in the reply to see the sentence behind it."
        )
    key = escape(turn)
    if reply.citations:
        cards = "".join(_card(citation, key) for citation in reply.citations)
        label = html("Sources of this reply")
        body = f"<ol class='sources' data-turn='{key}' aria-label='{label}'>{cards}</ol>"
    elif reply.outcome == "refused":
        body = blank("No sources", "This message was not answered from documents.")
    else:
        body = blank("No source for this reply", "Nothing in your documents supports an answer.", _near(reply))
    return about(question) + body + (_also_found(reply) if reply.citations else "")


def _near(reply: Reply) -> str:
    """The closest passage of an abstention, and what could be added."""
    add = small("attach", "plus", html("Add a document"))
    if not reply.trace.evidence:
        return add
    passage = reply.trace.evidence[0].passage
    text = escape(" ".join(passage.text.split())[:320])
    advice = html("Add a document that says it, or ask in other words.")
    return (
        f"<div class='near'><b>{html('Closest passage')}</b><cite>{escape(passage.title)}</cite>"
        f"<blockquote>{text}</blockquote></div><p>{advice}</p>{add}"
    )


def _card(citation: Citation, key: str) -> str:
    place, number = escape(place_of(citation)), citation.number
    title = f"<div><b>{escape(citation.title)}</b>{place and f'<small>{place}</small>'}</div>"
    tip = html("How strongly this sentence supports the reply")
    at = f" data-turn='{key}' data-number='{number}'"
    behind = small("document", "open", html("Open in document"), at)
    if citation.passage.kind == "picture":  # and what a model says it shows
        url = escape(address(key, citation.source))
        tip = html("What a model says the picture shows")
        behind = f"<a class='lnk' href='{url}' target='_blank' rel='noopener'>{icon('open')}{html('Open picture')}</a>"
        title = f"<img class='seen' src='{url}' alt=''>{title}"
    elif citation.passage.kind in ("tool", "page"):  # what a tool said: a sum, or a passage of a page on the web
        behind = page_link(citation.source)
    copy = small("quote", "copy", html("Copy quote"), f" data-text='{escape(citation.quote)}'")
    strength = html("{share} support", share=f"{citation.support:.0%}")
    return (
        f"<li class='source' id='source-{key}-{number}' data-number='{number}' tabindex='-1'>"
        f"<div class='title'><span class='number'>{number}</span>{title}"
        f"<span class='support' title='{tip}'>{strength}</span></div>"
        f"<blockquote>{passage_of(citation)}</blockquote><div class='acts'>{behind}{copy}</div></li>"
    )


def page_link(source: str) -> str:
    """A link to a page, empty when it is not an address."""
    if not source.startswith(("http://", "https://")):
        return ""
    attributes = f"class='lnk' href='{escape(source)}' target='_blank' rel='noopener noreferrer'"
    return f"<a {attributes}>{icon('open')}{html('Open page')}</a>"


def passage_of(citation: Citation) -> str:
    """The passage of a citation with its sentence marked."""
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
    head = f"<summary>{html('Also found, not used ({n})', n=len(rest))}</summary>"
    return f"<details class='rest'>{head}<ul>{items}</ul></details>"
