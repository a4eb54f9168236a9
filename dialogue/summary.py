"""A document in a few of its own sentences: the opening, then the most telling sentence of each part, in its order.

Parts are sections, or paragraphs where these bear titles of their own ("3. Winter show. It was moved ...") or there is
but one section. Of many parts neighbours share a sentence.

Knows nothing of how the document was found or of how drafts are judged.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from retrieval.text import BAR
from retrieval.types import Passage, Vectors

FEWEST, MOST = 3, 8  # units of a summary
USUAL: Final = 5  # units of a summary of few parts
LONGEST: Final = 300  # characters of one of them
WHOLE: Final = 1000  # characters of a summary
ROWS: Final = 2  # of a table that are given among other things
NEW: Final = 0.5  # what a unit's likeness to those chosen costs
PART: Final = 1.0  # what a part that is not spoken of yet is worth: more than all else
FIRST: Final = 0.1  # what it is worth to open a part
DECIDED: Final = 0.15  # what it is worth to tell of a decision
TITLE: Final = 6  # words of the title that opens a paragraph
LEANING: Final = 0.2  # what it costs a unit to lean on one that is not chosen, or to be no sentence
_HEADER: Final = re.compile(r"(?:From|To|Cc|Bcc|Date|Sent|Subject|Attached|Reply-To): ")
_BOILERPLATE: Final = re.compile(r"©|\bcopyright\b|\ball rights reserved\b|\bcookies?\b", re.IGNORECASE)
_LABELLED: Final = re.compile(
    r"apologies\b|(?:(?:also )?present|absent|attend(?:ing|ees|ance)|in attendance|participants|place|venue|location|"
    r"date|time|chair|minutes|secretary|written by|author|version|signed)\b[^:.]{0,40}(?::|\bat\b)",
    re.IGNORECASE,
)
_VERB: Final = re.compile(
    r"\b(?:is|are|was|were|be|has|have|had|will|can|may|must|should|do|does|did|not|never|no|please|it|they|we|you|i)\b",
    re.IGNORECASE,
)
_PARAGRAPH: Final = re.compile(r"\n\n|\n(?=\d{1,2}[.)] )")
_ITEMS: Final = ("- ", "• ", "* ", "– ")
_PEOPLE: Final = re.compile(
    r"(?:\d+\W+)?(?:(?:also )?present|attend\w+|participants|in attendance|apologies.*|absent\w*)", re.IGNORECASE
)
_TITLED: Final = re.compile(r"[^\W\d_][)\"”]?\.\Z")
_SENTENCE: Final = re.compile(r"(?![\w ]{1,20}:)[^|]+[.!…]\W{0,2}\Z")  # and no label, such as of who was present
_LEANS: Final = re.compile(
    r"(?:It|He|She|They|This|That|These|Those|Its|His|Her|Their|Such|Both|However|But|And|So|Then|There)\b"
)
_DECIDES: Final = re.compile(
    r"\b(?:agreed|decided|resolved|approved|adopted|rejected|refused|chose|chosen|moved to|raised|lowered|put off|"
    r"postponed|elected|accepted)\b",
    re.IGNORECASE,
)
_COURTESY: Final = re.compile(
    r"(?:(?:many )?thank(?:s| you)|i hope (?:you|this)|(?:best|kind|warm) (?:wishes|regards)|yours|sincerely|see you|"
    r"please (?:find|see) attached|p\.?s\.?\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence, row or list line of a passage, as it can be quoted, where in the passage it begins, and the title
    that opens its paragraph."""

    passage: Passage
    text: str
    start: int = 0
    title: str = ""

    @property
    def whole(self) -> str:
        """The unit behind the title of its paragraph."""
        return f"{self.title} {self.text}" if self.title else self.text

    @property
    def paragraph(self) -> tuple[int, int]:
        """Tells its paragraph from the others of its document."""
        return self.passage.id, len(_PARAGRAPH.findall(self.passage.text, 0, self.start))


def summaries(units: Sequence[Unit], encode: Callable[[Sequence[str]], Vectors]) -> list[str]:
    """Return drafts of a summary made of these units, which are in reading order: a longer one, then a shorter one."""
    told = [unit for unit in _with_titles(_with_lists(units)) if _telling(unit.text)]
    if 2 * sum(bool(_SENTENCE.match(unit.text)) for unit in told) > len(told):
        told = [u for u in told if not (_LABELLED.match(u.text) or _PEOPLE.fullmatch("".join(u.passage.headings[-1:])))]
    if titled := any(unit.title for unit in told):
        told = [unit for unit in told if BAR in unit.text or _SENTENCE.match(unit.text)]
    if not told:
        return []
    vectors = encode([" ".join([*unit.passage.headings[-1:], unit.whole]) for unit in told])
    parts = _parts(told, titled)
    several = len(set(parts))
    most = min(MOST, max(FEWEST, several, min(USUAL, max(several + 1, (2 * len(told) + 2) // 3))))
    chosen = _chosen(told, vectors, parts, most)
    return [_joined([told[place] for place in sorted(chosen[:count])]) for count in (len(chosen), FEWEST)]


def _with_lists(units: Sequence[Unit]) -> list[Unit]:
    """The units, a short list as one with the words before it."""
    made: list[Unit] = []
    for unit in units:
        last = made[-1] if made else None
        listed = last and last.paragraph == unit.paragraph and last.text.partition("\n")[0].endswith(":")
        if last and listed and unit.text.startswith(_ITEMS) and len(last.text) + len(unit.text) < LONGEST:
            made[-1] = replace(last, text=f"{last.text}\n{unit.text}")
        else:
            made.append(unit)
    return made


def _with_titles(units: Sequence[Unit]) -> list[Unit]:
    """The units with the titles of their paragraphs, where most of several paragraphs of a section have one."""
    titles: dict[tuple[int, int], Unit] = {}
    several = {one.paragraph for one, after in pairwise(units) if one.paragraph == after.paragraph}
    sections = Counter(
        headings for headings, _ in {(u.passage.headings, u.paragraph): 0 for u in units if u.paragraph in several}
    )
    for place, unit in enumerate(units):
        opens = unit.paragraph in several and (place == 0 or units[place - 1].paragraph != unit.paragraph)
        if opens and len(unit.text.split()) <= TITLE and _TITLED.search(unit.text) and not _VERB.search(unit.text):
            titles[unit.paragraph] = unit
    titled = Counter(unit.passage.headings for unit in titles.values())
    titles = {key: unit for key, unit in titles.items() if _mostly(titled, sections, unit.passage.headings)}
    bare = [unit for unit in units if titles.get(unit.paragraph) is not unit]
    return [replace(unit, title=titles[unit.paragraph].text) if unit.paragraph in titles else unit for unit in bare]


def _mostly(titled: Counter[tuple[str, ...]], of: Counter[tuple[str, ...]], headings: tuple[str, ...]) -> bool:
    return titled[headings] > 1 and 3 * titled[headings] >= 2 * of[headings]


def _parts(units: Sequence[Unit], titled: bool) -> list[int]:
    """The part of the document that each unit stands in, MOST different ones at most."""
    fine = titled or len({unit.passage.headings for unit in units}) == 1
    keys = [(unit.passage.headings, unit.paragraph if fine else None) for unit in units]
    places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    groups = max(1, min(MOST, len(places)))
    return [places[key] * groups // len(places) for key in keys]


def _telling(text: str) -> bool:
    words = text.split()
    return (
        len(words) >= 3
        and len(text) <= LONGEST
        and text[-1] not in "?,:"
        and not _HEADER.match(text)
        and not _BOILERPLATE.search(text)
    )


def _chosen(units: Sequence[Unit], vectors: Vectors, parts: Sequence[int], most: int) -> list[int]:
    """The places of the units, in the order in which they were chosen."""
    middle = vectors.mean(axis=0)
    central = vectors @ (middle / max(float(np.linalg.norm(middle)), 1e-6))
    worth_alone = central + [_worth(units, parts, place) for place in range(len(units))]
    opening = next((place for place, unit in enumerate(units) if _SENTENCE.match(unit.text)), 0)
    chosen = [] if units[opening].title else [opening]
    while len(chosen) < most:
        spoken = {parts[place] for place in chosen}
        rows = sum(BAR in units[place].text for place in chosen)
        length = sum(len(units[place].text) for place in chosen)
        likeness = (vectors @ vectors[chosen].T).max(axis=1) if chosen else np.zeros(len(units))
        worth = worth_alone - NEW * likeness
        for place, unit in enumerate(units):
            worth[place] += PART * (parts[place] not in spoken)
            first = place == 0 or (unit.title and units[place - 1].paragraph != unit.paragraph)
            leans = not first and _LEANS.match(unit.text) and place - 1 not in chosen
            worth[place] -= LEANING * bool(leans or not (BAR in unit.text or _SENTENCE.match(unit.text)))
            full = BAR in unit.text and rows >= ROWS and any(BAR not in other.text for other in units)
            if place in chosen or full or length + len(unit.text) > WHOLE:
                worth[place] = -np.inf
        best = int(worth.argmax())
        if not np.isfinite(worth[best]):
            break
        chosen.append(best)
    return chosen


def _worth(units: Sequence[Unit], parts: Sequence[int], place: int) -> float:
    """What a unit is worth by itself: opening its part, telling of a decision, being more than courtesy."""
    text, opens = units[place].text, place == 0 or parts[place] != parts[place - 1]
    return FIRST * opens + DECIDED * bool(_DECIDES.search(text)) - PART * bool(_COURTESY.match(text))


def _joined(units: Sequence[Unit]) -> str:
    """The units one after the other, a title once; rows, lists and what does not end like a sentence stand on lines of
    their own."""
    whole = units[0].whole
    for before, unit in pairwise(units):
        ends = before.text.rstrip("\"'”’)")[-1:] in ".!?" and BAR not in before.text and BAR not in unit.text
        same = unit.title and unit.paragraph == before.paragraph
        apart = not ends or "\n" in before.text + unit.text or unit.text.startswith(_ITEMS)
        whole += ("\n" if apart else " ") + (unit.text if same else unit.whole)
    return whole
