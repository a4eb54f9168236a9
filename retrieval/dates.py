"""Questions about dates: days between two, the day of the week, so many days or years before or after.

Dates are of the Gregorian calendar, from its beginning on 15 October 1582. 03/04/2021 is one date here and another
there, and therefore none. Knows nothing of sums.
"""

import re
from calendar import day_name, month_name, monthrange
from datetime import date, timedelta
from typing import Final

FIRST: Final = date(1582, 10, 15)

_MONTHS = [name.casefold() for name in month_name]
_MONTH = rf"(?P<{{0}}>{'|'.join(f'{name[:3]}(?:{name[3:]})?' if name != 'september' else 'sept?(?:ember)?' for name in _MONTHS[1:])})\.?"
_DATE = (
    r"(?:(?P<{0}iso>\d{{4}}-\d{{2}}-\d{{2}})|"
    r"(?:the )?(?P<{0}d>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? " + _MONTH.format("{0}m") + r",? (?P<{0}y>\d{{4}})|"
    + _MONTH.format("{0}M") + r" (?P<{0}D>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<{0}Y>\d{{4}})|"
    r"(?P<{0}now>today|tomorrow|yesterday|now))"
)  # fmt: skip
_ONE, _TWO = _DATE.format("a"), _DATE.format("b")
_COUNT = r"(?P<n>\d{1,7}|an?|one|two|three|four|five|six|seven|eight|nine|ten)"
_NUMBERS: Final = {
    word: n for n, word in enumerate("zero one two three four five six seven eight nine ten".split())
} | {"a": 1, "an": 1}
_OPENING = (
    r"(?:what|which) (?:date|day|day of the week|weekday) (?:is|was|will be|will it be|is it|was it|did|does)(?: it)? "
)
_BETWEEN = re.compile(
    rf"(?:how many |number of |the number of |what is the number of )?(?P<unit>day|week)s"
    rf"(?: (?:are|were|is|was|there|lie|passed|have passed|it is|is it))* (?:between|from) {_ONE} (?:and|to|until|till) {_TWO}"
)
_SINCE = re.compile(
    rf"(?:how many |number of )?(?P<unit>day|week)s(?: (?:are|were|is|there|left|it|has it been|have passed|remain))* "
    rf"(?:until|till|to|before|since) {_ONE}"
)
_SHIFTED = re.compile(
    rf"(?:{_OPENING})?{_COUNT} (?P<unit>day|week|month|year)s? (?:(?P<way>after|from|before) {_ONE}|(?P<ago>ago))"
)
_DAY_OF = re.compile(
    rf"(?:(?:on )?(?:what|which) (?:day|weekday|day of the week|date) (?:is|was|will|did)(?: it| be)*(?: on)? |"
    rf"(?:what (?:is|was) the )?(?:day|weekday|day of the week|date) (?:of|on|for)? ?){_ONE}(?: (?:on|fall on|be|fall))?|"
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
            except (ValueError, OverflowError):  # 31 June, or a year beyond the calendar
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
    told = f"There {held} {_several(days, 'day')} between {shown(first)} and {shown(last)}"
    if unit == "week":
        told += f", which is {_several(weeks, 'week')}" + (f" and {_several(rest, 'day')}" if rest else "")
    return f"{told}."


def _shifted(match: re.Match[str], today: date) -> str:
    count = int(match["n"]) if match["n"].isdecimal() else _NUMBERS[match["n"]]
    start = today if match["ago"] else _date(match, "a", today)
    back = bool(match["ago"]) or match["way"] == "before"
    unit = match["unit"]
    signed = -count if back else count
    if unit in ("day", "week"):
        found = start + timedelta(days=signed * (7 if unit == "week" else 1))
    else:
        months = start.year * 12 + start.month - 1 + signed * (12 if unit == "year" else 1)
        year, month = divmod(months, 12)
        found = date(year, month + 1, 1)
        found = found.replace(day=min(start.day, monthrange(year, month + 1)[1]))
    where = "before" if back else "after"
    return f"{_several(count, unit)} {where} {shown(start)} is {day_name[_known(found).weekday()]}, {shown(found)}."


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
        return f"{(named if named not in ('', 'now') else 'today').capitalize()} {verb} {day_name[day.weekday()]}, {shown(day)}."
    return f"{shown(day)} {verb} a {day_name[day.weekday()]}."


_PARTS: Final = frozenset({"iso", "d", "m", "y", "M", "D", "Y", "now"})


def _date(match: re.Match[str], prefix: str, today: date) -> date:
    """Return the date that the groups of this prefix hold. Raises ValueError for one that is none."""
    part = {name: match[f"{prefix}{name}"] for name in _PARTS}
    if part["now"]:
        return today + timedelta(days={"tomorrow": 1, "yesterday": -1}.get(part["now"], 0))
    if part["iso"]:
        return _known(date.fromisoformat(part["iso"]))
    month, day, year = part["m"] or part["M"], part["d"] or part["D"], part["y"] or part["Y"]
    number = next(n for n, name in enumerate(_MONTHS) if n and name.startswith(month[:3]))
    return _known(date(int(year), number, int(day)))


def _known(day: date) -> date:
    if day < FIRST:
        raise ValueError("before the calendar began")
    return day


def _several(count: int, unit: str) -> str:
    return f"{count} {unit}{'s' * (count != 1)}"
