"""A document in a few of its own sentences: the opening, then what stands nearest to the whole and covers its sections.

Knows nothing of how the document was found or of how drafts are judged.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from retrieval.text import BAR
from retrieval.types import Passage, Vectors

FEWEST, MOST = 3, 5  # units of a summary
LONGEST: Final = 300  # characters of one of them
WHOLE: Final = 800  # characters of a summary
ROWS: Final = 2  # of a table that are given among other things
NEW: Final = 0.5  # what a unit's likeness to those chosen costs
SECTION: Final = 0.15  # what a section that is not spoken of yet is worth
LEANING: Final = 0.2  # what it costs a unit to lean on one that is not chosen, or to be no sentence
_HEADER: Final = re.compile(r"(?:From|To|Cc|Bcc|Date|Sent|Subject|Attached|Reply-To): ")
_BOILERPLATE: Final = re.compile(r"©|\bcopyright\b|\ball rights reserved\b|\bcookies?\b", re.IGNORECASE)
_SENTENCE: Final = re.compile(r"(?![\w ]{1,20}:)[^|]+[.!…]\W{0,2}\Z")  # and no label, such as of who was present
_LEANS: Final = re.compile(
    r"(?:It|He|She|They|This|That|These|Those|Its|His|Her|Their|Such|Both|However|But|And|So|Then|There)\b"
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence, row or list line of a passage, as it can be quoted."""

    passage: Passage
    text: str


def summaries(units: Sequence[Unit], encode: Callable[[Sequence[str]], Vectors]) -> list[str]:
    """Return drafts of a summary made of these units, which are in reading order: a longer one, then a shorter one."""
    told = [unit for unit in units if _telling(unit.text)]
    if not told:
        return []
    vectors = encode([" ".join([*unit.passage.headings[-1:], unit.text]) for unit in told])
    sections = len({unit.passage.headings for unit in told})
    most = min(MOST, max(FEWEST, sections + 1, (len(told) + 1) // 2))
    chosen = _chosen(told, vectors, most)
    return [_joined([told[place].text for place in sorted(chosen[:count])]) for count in (len(chosen), FEWEST)]


def _telling(text: str) -> bool:
    words = text.split()
    return (
        len(words) >= 3
        and len(text) <= LONGEST
        and text[-1] not in "?,:"
        and not _HEADER.match(text)
        and not _BOILERPLATE.search(text)
    )


def _chosen(units: Sequence[Unit], vectors: Vectors, most: int) -> list[int]:
    """The places of the units, in the order in which they were chosen."""
    middle = vectors.mean(axis=0)
    central = vectors @ (middle / max(float(np.linalg.norm(middle)), 1e-6))
    opening = next((place for place, unit in enumerate(units) if _SENTENCE.match(unit.text)), 0)
    chosen = [opening]
    while len(chosen) < most:
        spoken = {units[place].passage.headings for place in chosen}
        rows = sum(BAR in units[place].text for place in chosen)
        length = sum(len(units[place].text) for place in chosen)
        likeness = (vectors @ vectors[chosen].T).max(axis=1)
        worth = central - NEW * likeness
        for place, unit in enumerate(units):
            worth[place] += SECTION * (unit.passage.headings not in spoken)
            leans = place > 0 and _LEANS.match(unit.text) and place - 1 not in chosen
            worth[place] -= LEANING * bool(leans or not (BAR in unit.text or _SENTENCE.match(unit.text)))
            full = BAR in unit.text and rows >= ROWS and any(BAR not in other.text for other in units)
            if place in chosen or full or length + len(unit.text) > WHOLE:
                worth[place] = -np.inf
        best = int(worth.argmax())
        if not np.isfinite(worth[best]):
            break
        chosen.append(best)
    return chosen


def _joined(texts: Sequence[str]) -> str:
    """The texts one after the other; rows and what does not end like a sentence stand on lines of their own."""
    whole = texts[0]
    for before, text in pairwise(texts):
        ends = before.rstrip("\"'”’)")[-1:] in ".!?" and BAR not in before and BAR not in text
        whole += (" " if ends else "\n") + text
    return whole
