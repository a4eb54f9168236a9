"""How a text and the turn before it are cut for the classifier: what shows of them, in windows it reads whole.

Training and judging both call it.
"""

import re
from typing import Final

from safety.rules import visible

WINDOW: Final = 600  # characters, at most some 160 tokens
BEFORE: Final = 300  # characters of the turn before that are read: its end, where questions stand
_HEADING = re.compile(r"^#{1,6} ", re.MULTILINE)  # a mark of tweets to a classifier, of headings in documents


def shown(before: str, text: str) -> tuple[str, str]:
    """Return the end of the turn before and a window of text as they are read."""
    return visible(before)[-BEFORE:], _HEADING.sub("", visible(text))


def windows(text: str) -> list[str]:
    """Return `text` in pieces of at most WINDOW characters, cut at white space where there is any."""
    pieces = []
    rest = text
    while len(rest) > WINDOW:
        cut = rest.rfind(" ", WINDOW // 2, WINDOW)
        cut = cut if cut > 0 else WINDOW
        pieces.append(rest[:cut])
        rest = rest[cut:].lstrip()
    return [*pieces, rest] if rest or not pieces else pieces
