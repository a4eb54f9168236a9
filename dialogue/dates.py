"""Days, weeks, months and years of questions: moved to the one after or before, and written as a text writes them.

Knows nothing of sources or models. English alone.
"""

import re
from calendar import day_name, month_name
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from dialogue.judges.quantities import Date, read
from dialogue.proposals import ABOUT, OPENER

_UNITS = r"day|night|week|fortnight|month|year|season"
_AFTER = re.compile(
    rf"(?:(?:in|on|for|during|at) )?(?:"
    rf"the (?P<unit>{_UNITS}|one) (?P<way>after|before)\b(?: (?:that|this|it)\b)?|"
    rf"the (?P<near>next|following|previous|preceding) (?P<of>{_UNITS}|one)\b|"
    rf"(?:a|one) (?P<long>{_UNITS}) (?P<later>later|after|earlier|before)\b(?: (?:that|this|it)\b)?)",
    re.IGNORECASE,
)
_BACK: Final = frozenset("before previous preceding earlier".split())
_DAYS: Final = {"day": 1, "night": 1, "week": 7, "fortnight": 14}
_PLAIN: Final = 2001  # the year of a date without one: a common one
_ALONE = re.compile(
    rf"\b(?:(?P<year>1[5-9]\d\d|20\d\d)|(?P<month>{'|'.join(month_name[1:])})|(?P<weekday>{'|'.join(day_name)}))"
    r"(?P<plural>s?)\b"
)
_DAY = re.compile(rf"\b(?:{'|'.join(day_name)}),? (?:the )?$", re.IGNORECASE)  # "Friday, 3 May"
_HANGS = re.compile(r"(?:in|on|for|during|at|from|of)\b", re.IGNORECASE)
_LED = re.compile(
    r"(?:(?:in|on|for|during|at|from|of) )?(?:the )?(?:(?:week|night|morning|evening|month|year|season|weekend)"
    r"(?:,? (?:of|starting|beginning|from|on))? )?(?:the )?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Told:
    """The time that a question tells, at `start` to `end` of it, and what leads to it: "in the week of 3 May"."""

    text: str
    start: int
    end: int
    led: int  # where "in the week of" begins
    date: Date | None = None
    part: str = ""  # "year", "month" or "weekday" of what is no date

    def phrase(self, question: str) -> str:
        """The time with what leads to it, in words that may stand at the end of a question."""
        led = question[self.led : self.end]
        if _HANGS.match(led):
            return led
        return f"{'on' if self.part == 'weekday' or (self.date and self.date.day) else 'in'} {led.removeprefix('the ')}"


def told(question: str) -> Told | None:
    """Return the one time that a question tells: a date, a year, a month or a day of the week; None for any other."""
    dates = read(question)[1]
    if len(dates) > 1:
        return None
    if dates:
        start = question.find(dates[0].text)
        day = _DAY.search(question[:start])
        start = day.start() if day and dates[0].day else start
        text = question[start : question.find(dates[0].text) + len(dates[0].text)]
        found = Told(text, start, start + len(text), 0, dates[0])
    else:
        alone = list(_ALONE.finditer(question))
        if len(alone) != 1:
            return None
        found = Told(alone[0][0], *alone[0].span(), 0, None, _part(alone[0]))
    lead = _LED.search(question[: found.start])
    led = lead.start() if lead else found.start
    return Told(found.text, found.start, found.end, led, found.date, found.part)


def tells_time(question: str) -> bool:
    """Say whether a question tells a time, one or several."""
    return bool(read(question)[1] or _ALONE.search(question))


def _part(match: re.Match[str]) -> str:
    return next(name for name in ("year", "month", "weekday") if match[name])


def moved(question: str, previous: str) -> str:
    """Return a question that means the day, week, month or year after or before that of the one before, as it is meant.

    "And the week after that?" is the question before, a week later. "" where a question means nothing of the kind, or
    the one before tells no such time.
    """
    match = _AFTER.search(question)
    if not match or not (time := told(previous)):
        return ""
    unit = (match["unit"] or match["of"] or match["long"]).casefold()
    if unit == "one":
        named = re.search(rf"\b({_UNITS})s?\b", previous, re.IGNORECASE)
        unit = named[1].casefold() if named else ""
    way = (match["way"] or match["near"] or match["later"]).casefold()
    if not (other := _shifted(time, unit, -1 if way in _BACK else 1)):
        return ""
    there = previous[: time.start] + other + previous[time.end :]
    rest = question[: match.start()] + question[match.end() :]
    if says_nothing(rest):
        return there
    end = time.end + len(other) - len(time.text)
    phrase = Told(other, time.start, end, time.led, time.date, time.part).phrase(there)
    return OPENER.sub("", question[: match.start()] + phrase + question[match.end() :])


def says_nothing(rest: str) -> bool:
    """Say whether what is left of a question when its thing is taken out only opens one: "And what about ...?"."""
    return not re.search(r"\w", ABOUT.sub("", f"{OPENER.sub('', rest.strip())} "))


def untimed(question: str) -> str:
    """Return a question without its "the week after that" and the like."""
    return _AFTER.sub("", question)


def undated(question: str) -> str:
    """Return a question without the one time that it tells: "What was the fee in 2025?": "What was the fee?"."""
    time = told(question)
    if time is None or not _HANGS.match(question[time.led : time.end]):
        return question
    return f"{question[: time.led].rstrip()} {question[time.end :].lstrip()}".replace(" ?", "?").strip()


def _shifted(time: Told, unit: str, by: int) -> str:
    """A time by one unit later (1) or earlier (-1), in its own notation; "" where it cannot be told."""
    if time.date is None:
        return _alone(time, unit, by)
    year, month, day = time.date.year or _PLAIN, time.date.month, time.date.day
    new: date | None
    try:
        if unit in _DAYS:
            new = date(year, month, day) + timedelta(days=by * _DAYS[unit])
        elif unit in ("year", "season"):
            new = date(year + by, month, day or 1) if time.date.year else None
        else:
            months = year * 12 + month - 1 + by
            new = date(months // 12, months % 12 + 1, day or 1) if unit == "month" else None
    except (ValueError, OverflowError):
        return ""
    return _like(time.date, new) if new else ""


def _alone(time: Told, unit: str, by: int) -> str:
    if time.part == "year" and unit in ("year", "season"):
        return str(int(time.text) + by)
    names = {"month": list(month_name[1:]), "weekday": list(day_name)}.get(time.part, [])
    if not names or unit not in {"month": ("month",), "weekday": ("day", "night")}[time.part]:
        return ""
    plain = time.text.removesuffix("s")
    return names[(names.index(plain) + by) % len(names)] + time.text[len(plain) :]


def _like(old: Date, new: date) -> str:
    """A day in the notation of another one."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", old.text):
        return new.isoformat()
    text = re.sub(r"\d{4}", "#", old.text)
    text = re.sub(r"\d{1,2}(st|nd|rd|th)?", lambda m: f"{new.day}{_ordinal(new.day) if m[1] else ''}", text)
    name = month_name[new.month]
    short = old.text.casefold().find(month_name[old.month].casefold()) < 0
    text = re.sub(r"[A-Za-z]{3,}\.?", name[:3] if short else name, text)
    return text.replace("#", str(new.year))


def _ordinal(day: int) -> str:
    return "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def as_written(question: str, texts: Sequence[str]) -> str:
    """Return a question with its one day in the notation in which the texts write this day most, as it is where none
    does or one writes it in its own."""
    time = told(question)
    if time is None or time.date is None or not (time.date.day and time.date.year):
        return question
    asked = time.date
    written = Counter(day.text for text in texts for day in read(text)[1] if asked.within(day) and day.day)
    if not written or asked.text in written:
        return question
    return question[: time.start] + written.most_common(1)[0][0] + question[time.end :]
