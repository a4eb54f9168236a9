"""Opening hours as they are posted: "Mon-Fri 8:15-18:30, Sat 9:00-12:00" answers when something is open."""

import re
from collections.abc import Sequence

from dialogue.judges.facts import words

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = re.compile(
    r"\b(mon|tues?|wed|thu(?:rs?)?|fri|sat|sun)(?:days?|nesdays?|urdays?|sdays?|rsdays?)?\b\.?", re.IGNORECASE
)
_SPAN = re.compile(rf"({_DAY.pattern})\s*(?:-|–|—|to|until|till|through)\s*({_DAY.pattern})", re.IGNORECASE)
_ALL = re.compile(r"\b(?:daily|every day)\b", re.IGNORECASE)
_WEEK = re.compile(r"\b(?:working days|weekdays)\b", re.IGNORECASE)
_END = re.compile(r"\bweek-?ends?\b", re.IGNORECASE)
_TIME = re.compile(r"\b\d{1,2}(?:[:.]\d{2}| ?[ap]\.?m\b|(?= ?[-–] ?\d))", re.IGNORECASE)
CLOCK = re.compile(
    r"(?<![\d.:])(?P<hour>[01]?\d|2[0-3])[:.](?P<minute>[0-5]\d)(?![\d.:])(?: ?(?P<half>[ap])\.?m\b\.?)?", re.IGNORECASE
)
_ASKS = re.compile(r"\b(?:when|what time|hours)\b", re.IGNORECASE)
_ABOUT = frozenset(
    word.stem for word in words("open opens opening close closes closed closing hours time day days today")
)
_VERB = re.compile(r"\b(?:open|close|hours)", re.IGNORECASE)


def posted(question: str, lines: Sequence[tuple[str, str, str]]) -> int | None:
    """Return which of the lines, each with its title and its page, posts the hours that are asked for; None for no
    single one.

    The line names days with times, that of the question among them, and what else the question names stands in the
    title, in the line or on its page.
    """
    if not (_ASKS.search(question) and _VERB.search(question)):
        return None
    days = _days(question)
    asked = {word.stem for word in words(_DAY.sub(" ", question)) if word.content} - _ABOUT
    found = []
    for place, (line, title, page) in enumerate(lines):
        told = _days(line) if _TIME.search(line) else set()
        there = {word.stem for word in words(f"{title} {page}")}
        if told and days <= told and asked and asked <= there:
            found.append((place, line))
    return found[0][0] if len({line for _, line in found}) == 1 else None


def minutes(clock: re.Match[str]) -> int:
    """Return the minutes of the day of a match of CLOCK."""
    hour = int(clock["hour"])
    if clock["half"]:
        hour = hour % 12 + (12 if clock["half"].casefold() == "p" else 0)
    return hour * 60 + int(clock["minute"])


def _days(text: str) -> set[str]:
    """The days of the week that a text names, those between the two ends of a span among them."""
    found = {match[1][:3].casefold() for match in _DAY.finditer(text)}
    for match in _SPAN.finditer(text):
        first, last = _DAYS.index(match[2][:3].casefold()), _DAYS.index(match[4][:3].casefold())
        found |= {_DAYS[at % 7] for at in range(first, (last if last >= first else last + 7) + 1)}
    found |= set(_DAYS) if _ALL.search(text) else set()
    found |= set(_DAYS[:5]) if _WEEK.search(text) else set()
    return found | (set(_DAYS[5:]) if _END.search(text) else set())
