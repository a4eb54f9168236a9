"""The clock of the toolset: which day, date, week, month or year it is now, and what time.

A message may greet or tell something before it asks. A question that names something else ("the date of the fair") is
none of these.
"""

import re
from calendar import day_name, month_name
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from retrieval.tools.dates import shown
from retrieval.tools.toolset import stated
from retrieval.types import Evidence

SOURCE: Final = "clock"
LONGEST: Final = 200  # characters of a message that asks for the time

_NOW: Final = (
    r"(?:,? (?:today|now|right now|just now|currently|at the moment|at present|presently|this morning|this evening|"
    r"tonight|here|please|again|actually|exactly|anyway|then|by the way))*"
)
_UNIT: Final = (
    r"(?P<{0}>day of the (?:week|month|year)|calendar week|weekday|week day|day|date|week number|week|month|year|"
    r"time of day|time|hour|o'clock)"
)
_LEAD: Final = re.compile(
    r"(?:(?:please|and|so|well|oh|ok|okay|just|hi|hello|hey|there|good (?:morning|day|afternoon|evening)|thanks|"
    r"thank you|sorry|excuse me|pardon|tell me|remind me|say|do you (?:happen to )?know|any idea|"
    r"(?:can|could|would|will) you (?:please )?(?:tell|say|remind|give)(?: to)?(?: me| us)?|"
    r"i(?:'d| would) like to know|i(?: want| need) to know|i wonder|i was wondering|by the way|btw|quick question|"
    r"give me|show me|check|candor)[\s,.!:;–-]+)+"
)
_IS: Final = r"(?:is|'s|s)"
_FORMS: Final = tuple(
    re.compile(form)
    for form in (
        # what day is it, which week are we in, what date do we have
        rf"(?:in |on )?(?:what|which) {_UNIT.format('unit')} (?:of (?:the|this) \w+ )?"
        rf"(?:is it|is this|is today|is now|is currently|do we have|have we got|do we write|are we(?: in)?|it is|it's|"
        rf"today is|we have|we are(?: in)?|we're(?: in)?|this is){_NOW}",
        # what is today's date, what's the current time
        rf"(?:what {_IS} |what{_IS} )(?:(?:the|today's|our|this) )?(?:(?:current|present|exact|actual|correct) )?"
        rf"(?P<plain>){_UNIT.format('unit')}(?: {_IS}?it)?(?: of today)?{_NOW}",
        rf"what (?:the |today's )?(?:(?:current|exact) )?{_UNIT.format('unit')} (?:it )?is{_NOW}",
        # today's date; the current time; the date today
        rf"(?:today's|(?:the )?(?:current|exact|present)|this) {_UNIT.format('unit')}{_NOW}",
        rf"(?:the )?{_UNIT.format('unit')} (?:of )?(?:today|now|right now){_NOW}",
        rf"(?P<told>)the {_UNIT.format('unit')}{_NOW}",
        # what is today, how late is it, have you got the time
        rf"(?:what|which day|what date) (?:{_IS} |do we have |have we got )?today(?: is)?{_NOW}",
        rf"what{_IS} today{_NOW}",
        rf"(?P<late>how late (?:is it|it is)){_NOW}",
        rf"(?:do you have|have you got|got|you got|do you know) (?:today's|the) {_UNIT.format('unit')}{_NOW}",
        rf"is (?:it|today) (?:a )?(?P<named>{'|'.join(map(str.casefold, day_name))})(?: today)?{_NOW}",
    )
)
_TODAY: Final = re.compile(r"\b(?:today|today's|now|currently|current|at the moment|at present|it|it's|we|late)\b")
_BREAK: Final = re.compile(r"(?<=[.!?…])\s+|\s+[–-]\s+|[,;:]\s+(?=(?:what|which|how late)\b)")


def _here() -> datetime:
    return datetime.now().astimezone()


@dataclass(frozen=True)
class Clock:
    """A Tool that tells the date and the time. `now` returns them, with their zone where it is to be said."""

    now: Callable[[], datetime] = _here

    def look_up(self, query: str) -> tuple[Evidence, ...]:
        """Return the date or the time as one sentence, () where neither is asked for."""
        answer = about_now(query, self.now()) if len(query) <= LONGEST else ""
        return (stated(answer, SOURCE, "Clock"),) if answer else ()


def about_now(message: str, now: datetime) -> str:
    """Return the answer to a question about the date or the time, empty for any other text."""
    text = " ".join(message.casefold().replace("’", "'").split()).replace("todays", "today's")
    *before, last = _BREAK.split(text)
    told = before and _bare(" ".join(before))
    found = _asked(_bare(text)) or (_asked(_bare(last)) if not told or _TODAY.search(last) else None)
    if found is None:
        return ""
    part = found.groupdict()
    if part.get("told") is not None and not _LEAD.match(text):
        return ""  # "the date" alone
    return _told(part.get("unit") or ("time" if part.get("late") else "day"), part.get("named") or "", now)


def leans(message: str) -> bool:
    """Whether a question about a date or a time may lean on what was spoken of before: "What's the date?"."""
    return not _TODAY.search(message.casefold().replace("’", "'")) and bool(about_now(message, datetime(2000, 1, 1)))


def _asked(text: str) -> re.Match[str] | None:
    return next((match for form in _FORMS if (match := form.fullmatch(text))), None)


def _bare(text: str) -> str:
    text = text.strip(" ?.!,")
    lead = _LEAD.match(f"{text} ")
    return text[lead.end() :] if lead else text


def _told(unit: str, named: str, now: datetime) -> str:
    day = now.date()
    told = f"{day_name[day.weekday()]}, {shown(day)}."
    today = f"Today is {told}"
    if unit in ("time", "hour", "o'clock", "time of day"):
        zone = f" ({now.tzname()})" if now.tzinfo else ""
        return f"It is {now:%H:%M}{zone} on {told}"
    if unit == "year":
        return f"It is the year {day.year}: today is {told}"
    if unit == "month":
        return f"It is {month_name[day.month]} {day.year}: today is {told}"
    if "week" in unit and unit not in ("weekday", "week day", "day of the week"):
        year, week, _ = day.isocalendar()
        return f"It is week {week} of {year}: today is {told}"
    if named:
        return f"{'Yes' if named == day_name[day.weekday()].casefold() else 'No'}, t{today[1:]}"
    return today
