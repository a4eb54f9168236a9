"""Questions about dates: days between two, the day of the week, so many days or years before or after.

Dates are of the Gregorian calendar, from its beginning on 15 October 1582 to the year 9999; of others, and of days that
no month has, that is said. 03/04/2021 is one date here and another there, and therefore none.
"""

import re
from calendar import day_name, month_name, monthrange
from datetime import date, timedelta
from typing import Final

from retrieval.tools.arithmetic import NUMBER, NoValue, read_number

FIRST: Final = date(1582, 10, 15)

_MONTHS = [name.casefold() for name in month_name]
_MONTH_FORMS = "|".join(
    f"{name[:3]}(?:{name[3:]})?" if name != "september" else "sept?(?:ember)?" for name in _MONTHS[1:]
)
_MONTH = rf"(?P<{{0}}>{_MONTH_FORMS})\.?"
_YEAR = r"\d{{4,}}|\d{{1,9}} (?:bce?|ad|ce|b\.c\.?|a\.d\.?)"
_DATE = (
    r"(?:(?P<{0}iso>-?\d{{4,}}-\d{{2}}-\d{{2}})|"
    r"(?:the )?(?P<{0}d>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? " + _MONTH.format("{0}m") + r",? (?P<{0}y>" + _YEAR + r")|"
    + _MONTH.format("{0}M") + r" (?P<{0}D>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<{0}Y>" + _YEAR + r")|"
    r"(?P<{0}now>today|tomorrow|yesterday|now))"
)  # fmt: skip
_ONE, _TWO = _DATE.format("a"), _DATE.format("b")
_SMALL: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_NUMBERS: Final[dict[str, int]] = (
    {word: n for n, word in enumerate(_SMALL.split())}
    | {word: 10 * n for n, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
    | {f"{one} {word}": 10**n for one in ("a", "one") for word, n in (("hundred", 2), ("thousand", 3), ("million", 6))}
    | {f"{one} {word}": 10**n for one in ("a", "one") for word, n in (("billion", 9), ("trillion", 12))}
    | {"a": 1, "an": 1}
)
_COUNT = rf"(?P<n>[-−]?(?:{NUMBER})|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})"
_OPENING = (
    r"(?:what|which) (?:date|day|day of the week|weekday) (?:is|was|will be|will it be|is it|was it|did|does)(?: it)? "
)
_BETWEEN = re.compile(
    rf"(?:how many |number of |the number of |what is the number of )?(?P<unit>day|week)s"
    rf"(?: (?:are|were|is|was|there|lie|passed|have passed|it is|is it))* "
    rf"(?:between|from) {_ONE} (?:and|to|until|till) {_TWO}"
)
_SINCE = re.compile(
    rf"(?:how many |number of )?(?P<unit>day|week)s(?: (?:are|were|is|there|left|it|has it been|have passed|remain))* "
    rf"(?:until|till|to|before|since) {_ONE}"
)
_SHIFTED = re.compile(
    rf"(?:{_OPENING})?{_COUNT} (?P<unit>day|week|month|year|decade|century|centurie)s? "
    rf"(?:(?P<way>after|from|before) {_ONE}|(?P<ago>ago))"
)
_DAY_OF = re.compile(
    rf"(?:(?:on )?(?:what|which) (?:day|weekday|day of the week|date) (?:is|was|will|did)(?: it| be)*(?: on)? |"
    rf"(?:what (?:is|was) the )?(?:day|weekday|day of the week|date) (?:of|on|for)? ?){_ONE}"
    rf"(?: (?:on|fall on|be|fall))?|"
    rf"what (?:is|was) the (?P<kind>date|day) {_TWO}|(?:what(?: is|'s) )?{_DATE.format('c')}(?:'s|s) date|"
    r"what (?:day|date) is it"
)


def about_dates(question: str, today: date) -> str:
    """Return the answer to a question about dates as a sentence, empty for any other text."""
    text = " ".join(question.casefold().replace("’", "'").strip(" ?.!").split())
    for pattern, answer in ((_BETWEEN, _between), (_SINCE, _since), (_SHIFTED, _shifted), (_DAY_OF, _day_of)):
        match = pattern.fullmatch(text)
        if match:
            try:
                return answer(match, today)
            except NoValue as error:
                return f"{error}."
            except (ValueError, OverflowError):  # a clock that stands at an end of the calendar
                return ""
    return ""


def shown(day: date) -> str:
    """Return a date such as ``3 May 2021``."""
    return f"{day.day} {month_name[day.month]} {day.year}"


def _between(match: re.Match[str], today: date) -> str:
    return _counted(_date(match, "a", today), _date(match, "b", today), match["unit"])


def _since(match: re.Match[str], today: date) -> str:
    first, last = sorted((_date(match, "a", today), today))
    return _counted(first, last, match["unit"])


def _counted(first: date, last: date, unit: str) -> str:
    days = abs((last - first).days)
    weeks, rest = divmod(days, 7)
    held = "is" if days == 1 else "are"
    sentence = f"There {held} {_several(days, 'day')} between {shown(first)} and {shown(last)}"
    if unit == "week":
        sentence += f", which is {_several(weeks, 'week')}" + (f" and {_several(rest, 'day')}" if rest else "")
    return f"{sentence}."


def _shifted(match: re.Match[str], today: date) -> str:
    start = today if match["ago"] else _date(match, "a", today)
    back = bool(match["ago"]) or match["way"] == "before"
    unit = "century" if match["unit"] == "centurie" else match["unit"]
    where = "before" if back else "after"
    try:
        count = _count(match["n"])
        found = _moved(start, -count if back else count, unit)
    except (NoValue, ValueError, OverflowError) as error:
        if str(error).startswith(_PARTLY):
            raise
        named = unit if _NUMBERS.get(match["n"]) == 1 or match["n"] == "1" else _plural(unit)
        raise NoValue(f"{match['n']} {named} {where} {shown(start)} {_RANGE}") from None
    return f"{_several(count, unit)} {where} {shown(start)} is {day_name[found.weekday()]}, {shown(found)}."


def _count(figures: str) -> int:
    """Return how many units are meant. Raises NoValue for a part of one, or too many."""
    if figures in _NUMBERS:
        return _NUMBERS[figures]
    value = read_number(figures.lstrip("-−"))
    if value.denominator != 1:
        raise NoValue(f"{_PARTLY}, not {figures} of them")
    count = int(value)
    return -count if figures[0] in "-−" else count


def _moved(start: date, count: int, unit: str) -> date:
    """Return the date so many units later. Raises NoValue, ValueError or OverflowError beyond the calendar."""
    if unit in ("day", "week"):
        return _known(start + timedelta(days=count * (7 if unit == "week" else 1)))
    months = start.year * 12 + start.month - 1 + count * {"month": 1, "year": 12, "decade": 120, "century": 1200}[unit]
    year, month = divmod(months, 12)
    found = date(year, month + 1, 1)
    return _known(found.replace(day=min(start.day, monthrange(year, month + 1)[1])))


def _day_of(match: re.Match[str], today: date) -> str:
    for prefix in "abc":
        if any(value for name, value in match.groupdict().items() if name.startswith(prefix) and name[1:] in _PARTS):
            day = _date(match, prefix, today)
            break
    else:
        day = today
    named = next((match[f"{prefix}now"] for prefix in "abc" if match[f"{prefix}now"]), "")
    verb = "is" if day == today else "was" if day < today else "will be"
    if named or day == today:
        subject = named if named not in ("", "now") else "today"
        return f"{subject.capitalize()} {verb} {day_name[day.weekday()]}, {shown(day)}."
    return f"{shown(day)} {verb} a {day_name[day.weekday()]}."


_RANGE: Final = "is out of range: dates are worked out from 15 October 1582 to 31 December 9999"
_PARTLY: Final = "Dates are worked out in whole days, weeks, months and years"
_PARTS: Final = frozenset({"iso", "d", "m", "y", "M", "D", "Y", "now"})


def _date(match: re.Match[str], prefix: str, today: date) -> date:
    """Return the date that the groups of this prefix hold. Raises NoValue, a sentence, when there is no such date."""
    part = {name: match[f"{prefix}{name}"] for name in _PARTS}
    if part["now"]:
        return today + timedelta(days={"tomorrow": 1, "yesterday": -1}.get(part["now"], 0))
    if iso := part["iso"]:
        year, month, day = iso[:-6], int(iso[-5:-3]), int(iso[-2:])
        named = iso
    else:
        name, day, year = part["m"] or part["M"], int(part["d"] or part["D"]), part["y"] or part["Y"]
        month = next(n for n, known in enumerate(_MONTHS) if n and known.startswith(name[:3]))
        named = f"{day} {month_name[month]} {year.upper()}"
    number, _, era = year.partition(" ")
    if not 1 <= month <= 12:
        raise NoValue(f"{named} is no date: there is no month {month}")
    if number.startswith("-") or era.startswith("b") or len(number) > 4 or int(number) < FIRST.year:
        raise NoValue(f"{named} {_RANGE}")
    days = monthrange(int(number), month)[1]
    if not 1 <= day <= days:
        raise NoValue(f"{named} is no date: {month_name[month]} {int(number)} has {days} days")
    return _known(date(int(number), month, day))


def _known(day: date) -> date:
    if day < FIRST:
        raise NoValue(f"{shown(day)} {_RANGE}")
    return day


def _several(count: int, unit: str) -> str:
    return f"{count} {unit if count == 1 else _plural(unit)}"


def _plural(unit: str) -> str:
    return "centuries" if unit == "century" else f"{unit}s"
