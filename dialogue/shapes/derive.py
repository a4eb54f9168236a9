"""Questions whose answer is worked out from one fact or two: another unit, a share, a longer time, an age, days until.

By form alone: which facts are needed, and the calculator's sentence of them. English only.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date
from fractions import Fraction
from functools import partial
from math import floor, log10
from typing import Final

from dialogue.judges.quantities import Quantity
from dialogue.shapes.figures import exact, grouped, written_like
from dialogue.shapes.plan import Plan, Value
from dialogue.shapes.several import TOGETHER, read_several
from dialogue.shapes.topic import topic
from dialogue.shapes.words import NUMBERS, capitalised
from retrieval.tools.arithmetic import read_number
from retrieval.tools.dates import shown
from retrieval.tools.units import Unit, convert, named, unit

Today = Callable[[], date]

_IN_UNIT = re.compile(
    r"(?P<base>(?:what|how|tell|give).+?),? (?:in|into|expressed in|converted (?:in)?to) (?P<unit>[a-z°²³/ ]{1,20})",
    re.IGNORECASE,
)
_MANY_UNITS = re.compile(
    r"how many (?P<unit>[a-z ]+?) (?:does (?P<heavy>.+) weigh|"
    r"(?P<adjective>long|wide|high|tall|deep|heavy|far) (?P<be>is|are|was|were) (?P<thing>.+))",
    re.IGNORECASE,
)
_PERCENT = re.compile(
    r"(?:how (?:much|many)|what)(?: is| are|'s| would be)? (?P<share>\d+(?:\.\d+)?) ?(?:%|per ?cent) of (?P<base>.+)",
    re.IGNORECASE,
)
_PERIODS: Final = {"day": 365, "week": 52, "fortnight": 26, "month": 12, "quarter": 4, "year": 1}  # in a year
_LENGTHS: Final = {("day", "week"): 7, ("month", "quarter"): 3, ("week", "fortnight"): 2, ("hour", "day"): 24}
_PERIOD = rf"(?P<period>{'|'.join((*_PERIODS, 'hour', 'night'))})"
_FOR = re.compile(
    rf"(?P<base>(?:what|how).+?) (?:for|per|in|over|during|a) (?:the )?"
    rf"(?:(?P<count>\d+|a|an|each|every|{'|'.join(NUMBERS)}) )?(?:whole |full |entire |single )*{_PERIOD}s?",
    re.IGNORECASE,
)
_PERIODS_IN = re.compile(
    rf"(?:how much|what)(?: (?:do|does|would|will|are|is))? (?P<count>\d+|{'|'.join(NUMBERS)}) {_PERIOD}s "
    r"(?:in|at|of|on|with|for) (?P<thing>.+?)(?: cost| come to| be)",
    re.IGNORECASE,
)
_YEARLY = re.compile(
    r"(?P<base>(?:what|how).+?)(?P<adverb>,? (?:yearly|annually|weekly|monthly|daily))|"
    r"what(?: is|'s) the (?P<kind>annual|yearly|weekly|monthly|daily) (?P<rest>.+)",
    re.IGNORECASE,
)
_ADVERBS: Final = {
    "annual": "year",
    "annually": "year",
    "yearly": "year",
    "weekly": "week",
    "monthly": "month",
    "daily": "day",
}
_PER = re.compile(rf"(?:\b(?:a|per|each|every|an)|/)\s*{_PERIOD}\b|\b(?P<adverb>{'|'.join(_ADVERBS)})\b", re.IGNORECASE)
_OLD_WHEN = re.compile(
    r"(?:how old|(?:at|in) (?:what|which) age) (?:was|were|did) (?P<who>.+?) "
    r"(?:when (?P<event>.+)|(?P<verb>die|marry|retire|move|start|begin|finish)(?P<rest>.*))",
    re.IGNORECASE,
)
_GOT = re.compile(
    r"how old did (?P<a>.+?) (?:get|become|grow|live)(?: to be)?|"
    r"(?:to |at )?(?:what|which) age did (?P<b>.+?) (?:reach|attain|get to|live|live to|make it to|pass away)|"
    r"how (?:long|many years) did (?P<c>.+?) live|"
    r"(?:how old (?:was|were) (?P<d>.+?)|what was (?P<e>.+?)(?:'s?)? age) "
    r"(?:at|by) (?:the time of )?(?:(?:his|her|its|their) )?(?:death|end)|"
    r"what was (?P<f>.+?)(?:'s?)? age when (?:he|she|they|it) died|what was the age of (?P<g>.+?) "
    r"(?:at (?:(?:his|her|its|their) )?death|when (?:he|she|they|it) died)",
    re.IGNORECASE,
)
_OLD = re.compile(r"how old (?:is|are) (?P<who>.+)", re.IGNORECASE)
_AGO = re.compile(
    r"how (?:long|many (?P<unit>years|months|weeks|days)) ago (?P<rest>(?:was|were|did|is) .+)", re.IGNORECASE
)
_UNTIL = re.compile(
    r"how (?:long|many (?P<unit>years|months|weeks|days))"
    r"(?: (?:is it|are there|are left|there are|remain|do we have|left|is left))* "
    r"(?:until|till|before|to go (?:until|till|to)|to) (?P<event>.+)",
    re.IGNORECASE,
)
_SINCE = re.compile(
    r"how (?:long|many (?P<unit>years|months|weeks|days)) "
    r"(?:is it|has it been|have passed|has passed)? ?since (?P<event>.+)",
    re.IGNORECASE,
)


def read_derivation(question: str, today: Today) -> Plan | None:
    """Return which facts a question needs that is answered by working something out, None for any other."""
    text = " ".join(question.replace("’", "'").split()).rstrip("?!. ")
    readers: tuple[Callable[[str], Plan | None], ...] = (
        _in_unit, _percent, partial(_age, today=today), partial(_days, today=today), _over_time, read_several,
    )  # fmt: skip
    return next((plan for reader in readers if (plan := reader(text))), None)


def _plan(
    question: str, about: str, work: Callable[[Sequence[Value]], str], dates: bool = False, second: str = ""
) -> Plan:
    parts = (f"{question}?", f"{second}?") if second else (f"{question}?",)
    return Plan(parts, (about,) * len(parts), work, dates=dates, kind="derive")


def _in_unit(text: str) -> Plan | None:
    if match := _MANY_UNITS.fullmatch(text):
        thing = match["thing"] or match["heavy"]
        base = f"how much does {thing} weigh" if match["heavy"] else f"how {match['adjective']} {match['be']} {thing}"
    elif match := _IN_UNIT.fullmatch(text):
        base = match["base"]
    target = unit(match["unit"].strip()) if match else None
    if match is None or target is None or (len(match["unit"]) < 2 and target.dimension != "temperature"):
        return None
    return _plan(base, topic(base), partial(_converted, target=target))


def _converted(values: Sequence[Value], target: Unit) -> str:
    [value] = values
    source = _unit_of(value)
    if value.quantity is None or source is None or source.dimension != target.dimension or source == target:
        return ""
    try:
        result = convert(exact(value.quantity), source, target)
    except ValueError:
        return ""
    given = named(grouped(exact(value.quantity)), source)
    return f"{capitalised(given)} is about {named(grouped(_rounded(result, value.quantity)), target)}."


def _unit_of(value: Value) -> Unit | None:
    """The unit that a value stands in, by its spelling."""
    match = re.search(r"\d[\d.,]*\s*(.+)$", value.said) or re.search(r"([^\W\d_]+)$", value.said)
    return unit(match[1].strip()) if match else None


def _rounded(result: Fraction, source: Quantity) -> Fraction:
    """A converted figure as exact as the one it is from: to the power of ten next below the worth of its last digit."""
    if not result or not source.value:
        return result
    step = abs(float(result)) * min(source.step, 1.0) / abs(source.value)
    places = -floor(log10(step)) if step else 0
    return Fraction(round(result * Fraction(10) ** places)) / Fraction(10) ** places


def _percent(text: str) -> Plan | None:
    match = _PERCENT.fullmatch(text)
    if not match:
        return None
    share = read_number(match["share"])
    base = f"what is {match['base']}"
    about = topic(base)
    return _plan(base, about, partial(_share_of, share=share)) if re.search(r"[^\W\d_]", match["base"]) else None


def _share_of(values: Sequence[Value], share: Fraction) -> str:
    [value] = values
    if value.quantity is None or value.quantity.dimension in ("year", "ordinal", "decade", "per cent"):
        return ""
    part = exact(value.quantity) * share / 100
    return f"{grouped(share)}% of {value.said} is {written_like(value.said, part)}."


def _over_time(text: str) -> Plan | None:
    text = TOGETHER.sub("", text)
    if match := _PERIODS_IN.fullmatch(text):
        text = f"how much does {match['thing']} cost for {match['count']} {match['period']}s"
    if match := _FOR.fullmatch(text):
        base, period, count = match["base"], match["period"].casefold(), (match["count"] or "1").casefold()
        times = int(count) if count.isdigit() else NUMBERS.index(count) + 1 if count in NUMBERS else 1
    elif match := _YEARLY.fullmatch(text):
        base = match["base"] or f"what is the {match['rest']}"
        period, times = _ADVERBS[(match["adverb"] or match["kind"]).strip(" ,").casefold()], 1
    else:
        return None
    if not topic(base):
        return None
    return _plan(base, topic(base), partial(_for_period, period=period, times=times))


def _for_period(values: Sequence[Value], period: str, times: int) -> str:
    [value] = values
    stated = _PER.search(value.label)
    if value.quantity is None or stated is None or value.quantity.dimension.startswith(("year", "ordinal", "per cent")):
        return ""
    own = (stated["period"] or _ADVERBS[stated["adverb"].casefold()]).casefold()
    factor = _periods(own, period)
    if factor is None or (own == period and times == 1):
        return ""
    count = factor * times
    total = written_like(value.said, exact(value.quantity) * count)
    return f"{_counted(count, own)} at {value.said} a {own} come to {total}."


def _periods(own: str, wanted: str) -> int | None:
    """How many of one period make another, None where that is no whole number that everybody counts by."""
    if own == wanted:
        return 1
    if (own, wanted) in _LENGTHS:
        return _LENGTHS[own, wanted]
    mine, theirs = _PERIODS.get(own), _PERIODS.get(wanted)
    return mine if mine and theirs == 1 else None


def _age(text: str, today: Today) -> Plan | None:
    if match := _GOT.fullmatch(text):
        who = next(name for name in match.groups() if name)
        text = f"how old was {who} when they died"
    if match := _OLD_WHEN.fullmatch(text):
        who = match["who"]
        event = match["event"] or f"they {match['verb']}{match['rest'] or ''}"
        own = re.match(r"(?:he|she|it|they)\b ?(?P<rest>.+)", event, re.IGNORECASE)
        verb = own["rest"] if own else ""
        if re.match(r"pass(?:ed)? away", verb):
            verb = "died"
        if re.match(r"died?\b", verb):
            second = f"when did {who} die{re.sub(r'^died?', '', verb)}"
        else:
            second = f"when was it that {who} {verb}" if own else f"when was it that {event}"
        return _plan(
            _beginning(who, bool(re.match(r"died?\b", verb))),
            who,
            partial(_between, who=who),
            dates=True,
            second=second,
        )
    if (match := _OLD.fullmatch(text)) and not re.match(r"you\b", match["who"], re.IGNORECASE):
        return _plan(_beginning(match["who"]), match["who"], partial(_since, today=today, unit="years"), dates=True)
    return None


def _beginning(who: str, mortal: bool = False) -> str:
    """The question when somebody was born, or something established: names of people have no article."""
    named = re.match(r"[A-Z][\w'’-]+(?: [A-Z][\w'’.-]*)+$", who)
    return f"when was {who} {'born' if mortal or named else 'established'}"


def _days(text: str, today: Today) -> Plan | None:
    for pattern in (_AGO, _UNTIL, _SINCE):
        match = pattern.fullmatch(text)
        if not match:
            continue
        asked = match["unit"] or ""
        if pattern is _AGO:
            base = f"when {match['rest']}"
            return _plan(base, topic(base), partial(_since, today=today, unit=asked or "years"), dates=True)
        base = f"when is {match['event']}" if pattern is _UNTIL else f"when was {match['event']}"
        return _plan(base, match["event"], partial(_since, today=today, unit=asked or "days"), dates=True)
    return None


def _between(values: Sequence[Value], who: str) -> str:
    """How old somebody was: exactly where both days are known, else one of two numbers of years."""
    first, last = values
    if not first.year or not last.year or first.year > last.year:
        return ""
    years = last.year - first.year
    one, other = first.date, last.date
    known = one and other and one.day and other.day
    if known and one and other:
        age = str(years - ((other.month, other.day) < (one.month, one.day)))
    else:
        age = f"{years - 1} or {years}" if years else "0"
    return f"{capitalised(who)} was {age} years old: from {first.said} to {last.said}."


def _since(values: Sequence[Value], today: Today, unit: str) -> str:
    """How long it is from a date to today, or from today to it."""
    [value] = values
    now, day = today(), value.date
    if day is not None and day.year and day.month and day.day:
        try:
            then = date(day.year, day.month, day.day)
        except ValueError:
            return ""
        first, last = sorted((then, now))
        days = (last - first).days
        months = (last.year - first.year) * 12 + last.month - first.month - (last.day < first.day)
        count = {"days": days, "weeks": days // 7, "months": months, "years": months // 12}[unit]
        if count == 0 and unit != "days":
            count, unit = days, "days"
        whole = "" if unit == "days" or not days else "full "
        return f"From {shown(first)} to {shown(last)} it is {count:,} {whole}{unit if count != 1 else unit[:-1]}."
    if not value.year or unit in ("days", "weeks", "months"):
        return ""
    years = abs(now.year - value.year)
    return f"From {value.said} to {now.year} it is {years:,} year{'s' * (years != 1)}."


def _counted(count: int, period: str) -> str:
    return f"{count} {period}{'s' * (count != 1)}"
