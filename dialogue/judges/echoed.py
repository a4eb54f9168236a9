"""A question that a source asks itself: what follows it there is the answer.

Of lists of questions and answers, interviews and chats. Compared by words alone, which tell more here than any reading:
the answer often holds none of them.
"""

import re
from collections.abc import Sequence

from dialogue.judges.facts import words

_ASKED = re.compile(r"(?P<asked>[^?\n]*[^\W\d_][^?\n]*)\?[\"'”’)]*\s+(?P<said>\S[^?]*)", re.DOTALL)
_KINDS = (
    ("money", r"\bhow much (?:is|are|was|were|do|does|did|will|would|for)\b|\b(?:cost|costs|pay|owe|price|charge)\b"),
    ("many", r"\bhow many\b"),
    ("who", r"\bwh(?:o|om|ose)\b"),
    ("when", r"\bwhen\b|\bwh(?:at|ich) (?:time|day|date|year)\b"),
    ("where", r"\bwhere\b"),
    ("why", r"\bwhy\b"),
    ("how", r"\bhow\b"),
    ("what", r"\bwh(?:at|ich)\b"),
)
_SENTENCE = re.compile(r"[.!:] ")
_MONEY = frozenset("much cost pay owe price charge".split())


def echoed(question: str, lines: Sequence[tuple[str, str, str]]) -> int | None:
    """Return which of the lines, each with its title and its page, asks the same and answers; None for no single one.

    The same is asked where the line asks for the same kind of thing, of nothing that the question does not name, and
    what else the question names stands in the title, on the page or in the answer. A question that is answered with
    yes or no is none of these: its words may say otherwise with one "not".
    """
    kind = _kind(question)
    asked = _content(question)
    found = []
    for place, (line, title, page) in enumerate(lines):
        match = _ASKED.search(line)
        if match is None or not kind or _kind(match["asked"]) != kind or match.end() < len(line):
            continue
        own = _content(_SENTENCE.split(match["asked"])[-1])
        if own and own <= asked and asked - own <= _content(f"{title} {page}"):
            found.append((len(own), place, line))
    best = [(place, line) for count, place, line in found if count == max(found)[0]]
    return best[0][0] if len({line for _, line in best}) == 1 else None


def _kind(question: str) -> str:
    return next((kind for kind, form in _KINDS if re.search(form, question, re.IGNORECASE)), "")


def _content(text: str) -> frozenset[str]:
    return frozenset(
        word.stem for word in words(text) if word.content and word.text.casefold() not in _MONEY and len(word.text) > 1
    )
