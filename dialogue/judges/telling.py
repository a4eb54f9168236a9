"""Does what is offered say what a price, a length, a weight, a day, the most of a kind or a name may be told by?

By form: a unit that states measures of other kinds alone, or none at all, answers no such question.
"""

import re
from typing import Final

from dialogue.judges.quantities import read
from dialogue.shapes.words import DIMENSIONS, degree, superlatives
from retrieval.text import BAR

CALENDAR: Final = (
    "(?:mon|tues|wednes|thurs|fri|satur|sun)days?|january|february|march|april|may|june|july|august|september|october|"
    "november|december"
)
_PRICE = re.compile(
    r"\b(?:what|how much)\b.*\bcosts?\b|\b(?:what|which|how (?:much|high))(?: is| are| was| were|['’]s) (?:the |your )?"
    r"(?:[\w-]+ ){0,2}(?:price|cost|fee|fare|rent|charge|deposit)s?\b",
    re.IGNORECASE,
)
_FREE = re.compile(
    r"(?<![^\W\d_])\d|\b(?:free|gratis|included|includes?|nothing|charges?|no (?:fee|cost)|without (?:charge|fee)|half|"
    r"double|twice|same|more|less|cheap\w*|expensive|pounds?|euros?|dollars?|pence|cents?|depends?|own cost|as much)\b",
    re.IGNORECASE,
)
_POUNDS = re.compile(r"\bpounds?\b", re.IGNORECASE)  # of weight or of money
_MASS = re.compile(r"\bhow heavy\b|\bhow much (?:do|does|did) .+ weigh\b", re.IGNORECASE)
_LENGTH = re.compile(r"\bhow (?:tall|high|deep|wide)\b", re.IGNORECASE)
_OTHER = re.compile(r"square|cubic|kilo\w+|mega\w+|watts?|volts?|amps?|hertz|degrees?|pages?|people|members?|minutes?")
_PAST = re.compile(r"(?:and |so |but |then )*when (?:did|was|were)\b", re.IGNORECASE)
_WRITTEN = re.compile(r"\b\d{1,2}[/.-]\d{1,2}(?![\d ]*[a-z%€£$])", re.IGNORECASE)
_NO_DAY = re.compile(r"[^.?!]*\?|\b\d{1,2}[:.]\d{2}\b|\bin the same \w+ as\b|\b(?:before|after|since),", re.IGNORECASE)
_DAY = re.compile(
    rf"\b(?:{CALENDAR}|before|after|when|while|until|till|during|since|century|centuries|decade|spring|summer|"
    r"autumn|winter|christmas|easter|today|yesterday|ago|last|war|reign|age|later|earlier|era|period|years?|months?|"
    r"weeks?|days?|(?:at|in the|on the|by) (?:night|morning|afternoon|evening|noon|midnight|dawn))\b",
    re.IGNORECASE,
)
_MOST = re.compile(r"(?:and |so |but )*(?:which|what|who|whose)\b", re.IGNORECASE)
_OF_ALL = re.compile(
    r"\b(?:than (?:any|all|every)|no other|nobody else|record|only|first|last|main|single)\b", re.IGNORECASE
)
_CALLED = re.compile(r"\bwhy (?:is|are|was|were)\b.+\b(?:called|named|nicknamed)\b", re.IGNORECASE)
_AFTER = re.compile(
    r"\b(?:names?\w*|call\w*|nick\w*|after|because|since|mean\w*|words?|from|reminds?|honou?r\w*)\b", re.IGNORECASE
)
_SPANS = re.compile(r"\b(?:since|from|until|till|after|before|by|every|each|always|never|still)\b", re.IGNORECASE)
_WEEKDAY = re.compile(r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)day", re.IGNORECASE)
_TIMES: Final = frozenset(("year", "year bc", "ordinal", "time", "months"))
_AGES: Final = frozenset(("ordinal", "year"))  # figures that measure nothing


def tells_none(question: str, said: str, around: str = "") -> bool:
    """Whether a question asks for a price, a length, a weight, a day of the past, the most of a kind or where a name
    comes from, of which a unit tells nothing, what it stands under and leans on included."""
    if _PAST.match(question):
        return not _tells_day(_NO_DAY.sub("", said))
    if _CALLED.search(question):
        return not _AFTER.search(said)
    if _MOST.match(question) and (asked := _compared(question)):
        return not asked & _compared(f"{said} {around}") and not _OF_ALL.search(said)
    if _PRICE.search(question):
        return not _FREE.search(said) or (_measures_others(said, "money") and not _POUNDS.search(said))
    if _MASS.search(question):
        return _measures_others(said, "mass")
    return bool(_LENGTH.search(question)) and _measures_others(said, "length")


def _compared(text: str) -> set[str]:
    """What the superlatives of a text measure."""
    return {found.measure for word in superlatives(text) if (found := degree(word)) and found.measure}


def of_other_year(question: str, told: str) -> bool:
    """Whether a year is asked about and another one told of, none that the asked one may lie between."""
    asked = _years(question)
    if not asked or _SPANS.search(question) or _SPANS.search(told):
        return False
    years = _years(told)
    return bool(years) and not any(min(years) <= year <= max(years) for year in asked)


def of_other_day(question: str, row: str) -> bool:
    """Whether a day is asked about, of the month or of the week, and a row of a table stands for another one."""
    label = row.partition(BAR)[0]
    for days in (_days, _weekdays):
        asked, told = days(question), days(label)
        if asked and len(told) == 1:
            return not asked & told
    return False


def _days(text: str) -> set[tuple[int, int]]:
    return {(date.month, date.day) for date in read(text)[1] if date.month and date.day}


def _weekdays(text: str) -> set[str]:
    return {match[0].casefold() for match in _WEEKDAY.finditer(text)}


def _years(text: str) -> set[int]:
    figures, days = read(text)
    return {int(q.value) for q in figures if q.dimension == "year"} | {day.year for day in days if day.year}


def _tells_day(said: str) -> bool:
    """Whether a unit holds a date, a year, a time that passed or a word for one."""
    figures, days = read(said)
    return bool(
        days or _DAY.search(said) or _WRITTEN.search(said) or any(quantity.dimension in _TIMES for quantity in figures)
    )


def _measures_others(said: str, measure: str) -> bool:
    """Whether a unit states measures, and none that may be one of these."""
    stated = [quantity for quantity in read(said)[0] if quantity.dimension not in _AGES]
    kinds = {quantity.dimension or ("other" if _OTHER.fullmatch(quantity.noun) else "") for quantity in stated}
    return bool(kinds) and not kinds & {"", *DIMENSIONS[measure]}
