"""The replies that might have been served: the ranked candidates that passed every gate, each cited like the first."""

from dialogue.cite import cited
from dialogue.prompts import is_abstention
from dialogue.types import Reply
from dialogue.vetting import Mask, shown


def choices(reply: Reply, most: int, mask: Mask) -> tuple[Reply, ...]:
    """Return up to `most` replies, the served one first, then the candidates that passed beside it, as they rank.

    There is only the served one where it is no answer. No text comes twice.
    """
    found = {reply.text: reply}
    if reply.outcome == "answered":
        asked = f"{reply.trace.query} {' '.join(reply.trace.queries)}"
        for candidate in [c for c in reply.trace.candidates if not c.dropped and not is_abstention(c.text)][1:]:
            if len(found) >= most:
                break
            text, citations = cited(candidate)
            other = shown(Reply(text, "answered", citations, reply.trace, reply.conversation), mask, asked)
            found.setdefault(other.text, other)
    return tuple(found.values())[:most]
