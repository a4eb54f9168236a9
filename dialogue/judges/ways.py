"""The way and the part of the day that a timetable's row is of: from where to where, in the morning or at night."""

import re
from typing import Final

from dialogue.judges.hours import CLOCK, minutes
from retrieval.text import BAR

_WAY = re.compile(r"\bfrom (?P<start>\w[^?!.,;]*?) to (?P<end>\w[^?!.,;]*)", re.IGNORECASE)
_BACK = re.compile(r"\bto (?P<end>\w[^?!.,;]*?) from (?P<start>\w[^?!.,;]*)", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_ARRIVAL = re.compile(r"\b(?:to|destination|arriv\w*)\b", re.IGNORECASE)
_ORIGIN = re.compile(r"\b(?:from|origin|depart\w*|leav\w*)\b", re.IGNORECASE)
_PART = re.compile(r"\b(?P<part>morning|afternoon|evening)\b", re.IGNORECASE)
_HOURS: Final = {"morning": (4.0, 12.5), "afternoon": (11.5, 18.5), "evening": (16.5, 24.0)}  # of the clock, generously


def of_another_way(question: str, row: str) -> bool:
    """Return whether a row of a table is of the opposite way, or of another part of the day, than is asked for.

    It is of the opposite way where it names both places of "from Orby to Tarn" the other way round. It is of another
    part where none of its times lies in the part that the question names and the row does not name that part itself.
    """
    return BAR in row and (_opposite(question, row) or _of_another_part(question, row))


def _opposite(question: str, row: str) -> bool:
    way = _WAY.search(question) or _BACK.search(question)
    if way is None:
        return False
    start, end = (_found(way[name], row, way.end(name) == way.end()) for name in ("start", "end"))
    if start is None or end is None or start == end:
        return False
    origin, destination = _column(row, start), _column(row, end)
    if origin == destination:  # one cell for both
        return end < start
    return bool(_ARRIVAL.search(origin) or _ORIGIN.search(destination))


def _found(name: str, row: str, ends: bool) -> int | None:
    """Where the row names a place; where the name `ends` the question, its last words may be no part of it."""
    said = _WORD.findall(name)
    for count in range(len(said), 0, -1) if ends else (len(said),):
        place = re.search(r"\b" + r"\W+".join(map(re.escape, said[:count])) + r"\b", row, re.IGNORECASE)
        if place:
            return place.start()
    return None


def _column(row: str, place: int) -> str:
    """The name of the column that a place of a row stands in."""
    begins = row.rfind(BAR, 0, place)
    cell = row[begins + len(BAR) if begins >= 0 else 0 :].split(BAR, maxsplit=1)[0]
    return cell.rpartition(": ")[0]


def _of_another_part(question: str, row: str) -> bool:
    part = _PART.search(question)
    if part is None or re.search(rf"\b{part['part']}", row, re.IGNORECASE):
        return False
    first, last = _HOURS[part["part"].casefold()]
    times = [minutes(match) / 60 for match in CLOCK.finditer(row)]
    return bool(times) and not any(first <= time < last for time in times)
