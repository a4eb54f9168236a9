"""Numbers and dates in English text, and when one number says the same as another.

Reads figures and number words, scales, per cents, ordinals, years, decades and common units. Knows nothing of
claims or evidence as wholes.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from retrieval.tools.units import unit

_ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen"""
_DECADES = "twenty thirty forty fifty sixty seventy eighty ninety"
_RANKS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_MONTH_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec"
_SMALL = {word: value for value, word in enumerate(_ONES.split())}
_TENS = {word: 10 * value for value, word in enumerate(_DECADES.split(), 2)}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SHORT_SCALES = {"k": 1000, "bn": 10**9, "mn": 10**6}
_ORDINAL_WORDS = {word: value for value, word in enumerate(_RANKS.split(), 1)}
_MONTHS = {word: value for value, word in enumerate(_MONTH_NAMES.split(), 1)}

_MEASURES = {  # as they are spelt in prose: the name in the table of units
    **dict.fromkeys(("mm", "millimetre", "millimeter"), "mm"),
    **dict.fromkeys(("cm", "centimetre", "centimeter"), "cm"),
    **dict.fromkeys(("m", "metre", "meter"), "m"),
    **dict.fromkeys(("km", "kilometre", "kilometer"), "km"),
    **dict.fromkeys(("mi", "mile"), "miles"),
    **dict.fromkeys(("ft", "foot", "feet"), "feet"),
    **dict.fromkeys(("inch", "inche"), "inches"),
    **dict.fromkeys(("yd", "yard"), "yards"),
    **dict.fromkeys(("g", "gram", "gramme"), "grams"),
    **dict.fromkeys(("kg", "kilogram", "kilo", "kilogramme"), "kg"),
    **dict.fromkeys(("tonne", "ton"), "tonnes"),
    **dict.fromkeys(("lb", "pound"), "pounds"),
    **dict.fromkeys(("s", "sec", "second"), "seconds"),
    **dict.fromkeys(("min", "minute"), "minutes"),
    **dict.fromkeys(("h", "hr", "hour"), "hours"),
    "day": "days",
    "week": "weeks",
    **dict.fromkeys(("l", "litre", "liter"), "litres"),
    **dict.fromkeys(("kb", "kilobyte"), "kilobytes"),
    **dict.fromkeys(("mb", "megabyte"), "megabytes"),
    **dict.fromkeys(("gb", "gigabyte"), "gigabytes"),
}


def _measured(name: str) -> tuple[str, float]:
    found = unit(name)
    assert found is not None, name
    return found.dimension, float(found.factor)


_UNITS: dict[str, tuple[str, float]] = {  # name: (dimension, size in its base unit)
    **{spelling: _measured(name) for spelling, name in _MEASURES.items()},
    **dict.fromkeys(("month",), ("months", 1.0)),
    **dict.fromkeys(("year", "yr"), ("months", 12.0)),
    **dict.fromkeys(("decade",), ("months", 120.0)),
    **dict.fromkeys(("century", "centurie"), ("months", 1200.0)),
    **dict.fromkeys(("%", "percent", "per cent"), ("per cent", 1.0)),
    **dict.fromkeys(("$", "dollar", "usd"), ("dollars", 1.0)),
    **dict.fromkeys(("€", "euro", "eur"), ("euros", 1.0)),
    **dict.fromkeys(("£", "gbp"), ("pounds sterling", 1.0)),
    **dict.fromkeys(("°c", "celsius", "degree celsius", "degrees celsius"), ("celsius", 1.0)),
    **dict.fromkeys(("°f", "fahrenheit", "degree fahrenheit", "degrees fahrenheit"), ("fahrenheit", 1.0)),
    **dict.fromkeys(("°", "degree"), ("degrees", 1.0)),
    **dict.fromkeys(("kelvin",), ("kelvin", 1.0)),
    **dict.fromkeys(("hz",), ("frequency", 1.0)),
    **dict.fromkeys(("khz", "kilohertz"), ("frequency", 1e3)),
    **dict.fromkeys(("mhz", "megahertz"), ("frequency", 1e6)),
    **dict.fromkeys(("ghz", "gigahertz"), ("frequency", 1e9)),
    **dict.fromkeys(("bc", "bce", "b.c"), ("year bc", 1.0)),
}

_FIGURE = re.compile(
    r"(?<![\w.,])(?<![^\W\d_]-)(?P<coin>[$€£])?(?P<figure>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?:(?P<th>st|nd|rd|th)\b|(?P<decade>['’]?s)\b)?(?![\d])"
)
_NUMBER_WORD = re.compile(
    r"\b(?:" + "|".join(sorted([*_SMALL, *_TENS, *_SCALES], key=len, reverse=True)) + r")\b", re.IGNORECASE
)
_ORDINAL = re.compile(r"\b(?:" + "|".join(_ORDINAL_WORDS) + r")\b", re.IGNORECASE)
_SCALE = re.compile(r"[\s-]?(hundred|thousand|million|billion|trillion)\b|(k|bn|mn)\b", re.IGNORECASE)
_UNIT = re.compile(r"[\s-]?(per cent|degrees? (?:celsius|fahrenheit)|b\.c|%|°[cf]?|[^\W\d_]+)(?:\s+per\s+(\w+))?", re.I)
_ABOUT = re.compile(
    r"(?:\b(?:about|around|approximately|approx\.?|roughly|nearly|almost|some|circa|c\.|close to)|~)\s*$",
    re.IGNORECASE,
)
_OVER = re.compile(r"\b(?:more than|over|at least|above|exceed(?:s|ed|ing)|upwards of)\s*$", re.IGNORECASE)
_UNDER = re.compile(r"\b(?:less than|under|at most|below|fewer than|up to)\s*$", re.IGNORECASE)

_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_DATES = (
    re.compile(
        rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?\s+{_MONTH}(?:,?\s+(?P<year>\d{{4}})\b)?",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?!,\d)(?:,?\s+(?P<year>\d{{4}})\b)?",
        re.IGNORECASE,
    ),
    re.compile(rf"\b{_MONTH},?\s+(?P<year>\d{{4}})\b(?P<day>)", re.IGNORECASE),
    re.compile(r"\b(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})\b"),
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with what it counts.

    `step` is the worth of the last stated digit ("8,800" 100, "3.1 million" 100,000, "8,849" 1); `dimension`
    and `size` normalise the unit, both empty for none; `noun` is the word that follows a bare number.
    """

    text: str
    value: float
    step: float
    dimension: str = ""
    size: float = 1.0
    noun: str = ""
    bound: str = ""  # "about", "over", "under" or nothing
    word: bool = False
    scaled: bool = False  # "million" and the like

    @property
    def kind(self) -> str:
        """What two numbers must share before one can contradict the other."""
        return self.dimension or self.noun


@dataclass(frozen=True, slots=True)
class Date:
    """A date of which any part may be left open (0)."""

    text: str
    year: int
    month: int
    day: int

    def within(self, other: "Date") -> bool:
        """Whether every part this date states is stated alike by the other."""
        pairs = ((self.year, other.year), (self.month, other.month), (self.day, other.day))
        return all(mine in (0, theirs) for mine, theirs in pairs)


@lru_cache(maxsize=4096)
def read(text: str) -> tuple[tuple[Quantity, ...], tuple[Date, ...]]:
    """Return the numbers and the dates of a text. The year of a date is also a number; its day is not."""
    dates: list[Date] = []
    found: list[tuple[int, Quantity]] = []
    for pattern in _DATES:
        for match in pattern.finditer(text):
            month = match["month"]
            number = int(month) if month.isdigit() else _MONTHS[month[:3].lower()]
            date = Date(match[0].strip(), int(match["year"] or 0), number, int(match["day"] or 0))
            dates.append(date)
            if date.year:
                found.append((match.start(), Quantity(str(date.year), date.year, 1, "year")))
        text = pattern.sub(lambda match: " " * len(match[0]), text)
    found += _figures(text)
    text = _FIGURE.sub(lambda match: "_" * len(match[0]), text)
    found += _words(text)
    found += [
        (match.start(), Quantity(match[0], _ORDINAL_WORDS[match[0].lower()], 1, "ordinal", word=True))
        for match in _ORDINAL.finditer(text)
        if not re.search(r"(?:\bper|\ba|\beach|\bone|\d|_)\s*$", text[: match.start()], re.IGNORECASE)
    ]
    return tuple(quantity for _, quantity in sorted(found, key=lambda pair: pair[0])), tuple(dates)


def _figures(text: str) -> list[tuple[int, Quantity]]:
    found = []
    for match in _FIGURE.finditer(text):
        figure = match["figure"].replace(",", "")
        value, step = float(figure), _last_digit(figure)
        rest = text[match.end() :]
        scaled = _SCALE.match(rest)
        scale = 1
        if scaled:
            scale = _SCALES.get((scaled[1] or "").lower()) or _SHORT_SCALES[scaled[2].lower()]
            rest = rest[scaled.end() :]
            step = 10.0 ** -len(figure.partition(".")[2])
        year = len(figure) == 4 and figure == match["figure"] and 1000 <= value <= 2100 and not scaled
        if match["decade"]:
            noun, dimension, size = "", "decade", 1.0
        elif match["th"]:
            noun, dimension, size = "", "ordinal", 1.0
        else:
            noun, dimension, size = _unit(rest, match["coin"])
            if year and not dimension:
                noun, dimension = "", "year"
        named = _UNIT.match(rest) if dimension and not noun and size and not match["coin"] else None
        named = None if dimension in ("year", "decade", "ordinal") else named
        shown = text[match.start() : len(text) - len(rest) + (named.end() if named else 0)].strip()
        bound = _bound(text[max(0, match.start() - 20) : match.start()])
        found.append(
            (
                match.start(),
                Quantity(shown, value * scale, step * scale, dimension, size, noun, bound, scaled=scale > 1),
            )
        )
    return found


def _words(text: str) -> list[tuple[int, Quantity]]:
    """Read runs of number words such as "two hundred and five thousand"."""
    found = []
    runs: list[list[re.Match[str]]] = []
    for match in _NUMBER_WORD.finditer(text):
        between = text[runs[-1][-1].end() : match.start()] if runs else None
        if between is not None and re.fullmatch(r"[\s-]+(?:and\s+)?", between) and _continues(runs[-1], match):
            runs[-1].append(match)
        else:
            runs.append([match])
    for run in runs:
        total = part = 0
        for match in run:
            word = match[0].lower()
            if word in _SCALES:
                part = max(part, 1) * _SCALES[word]
                if _SCALES[word] > 100:
                    total, part = total + part, 0
            else:
                part += _SMALL.get(word, _TENS.get(word, 0))
        noun, dimension, size = _unit(text[run[-1].end() :], None)
        shown = text[run[0].start() : run[-1].end()]
        if shown.lower() == "one" and not dimension:  # "one of them", "no one": hardly ever a count
            continue
        if shown.lower() in _SCALES:  # "million-year-old", "hundred": no figure before it that was read
            continue
        bound = _bound(text[max(0, run[0].start() - 20) : run[0].start()])
        step = 1 if total + part < 100 else _last_digit(str(total + part))
        found.append((run[0].start(), Quantity(shown, total + part, step, dimension, size, noun, bound, word=True)))
    return found


def _continues(run: list[re.Match[str]], match: re.Match[str]) -> bool:
    last, word = run[-1][0].lower(), match[0].lower()
    return word in _SCALES or last in _SCALES or (last in _TENS and 0 < _SMALL.get(word, 0) < 10)


def _last_digit(figure: str) -> float:
    if "." in figure:
        return float(10.0 ** -len(figure.partition(".")[2]))
    return float(10 ** (len(figure) - len(figure.rstrip("0"))) if figure.strip("0") else 1)


def _unit(rest: str, coin: str | None) -> tuple[str, str, float]:
    """Return (noun, dimension, size) from what follows a number; a coin before it wins."""
    if coin:
        return "", *_UNITS[coin]
    match = _UNIT.match(rest)
    if not match:
        return "", "", 1.0
    word = match[1].lower()
    singular = word if word in _UNITS else word.removesuffix("s")
    if singular not in _UNITS:
        return singular, "", 1.0
    dimension, size = _UNITS[singular]
    return "", f"{dimension} per {match[2].lower()}" if match[2] else dimension, size


def _bound(before: str) -> str:
    for name, pattern in (("about", _ABOUT), ("over", _OVER), ("under", _UNDER)):
        if pattern.search(before):
            return name
    return ""


def comparable(claim: Quantity, source: Quantity) -> bool:
    """Whether the two count the same kind of thing, so that unequal values contradict each other."""
    if "decade" in (claim.dimension, source.dimension):
        return source.dimension in ("decade", "year") and claim.dimension in ("decade", "year")
    return claim.kind == source.kind


def agrees(claim: Quantity, source: Quantity) -> bool:
    """Whether the source's number supports the claim's.

    Equal values do. So does a source that is more exact, if rounding it gives the claim: decimals dropped,
    millions abbreviated ("3.1 million"), or a rounding the claim admits ("about 8,800" for 8,849, half the
    worth of the last digit that is not zero). "More than" and "less than" admit all beyond. Another unit of
    the same dimension may differ by 1 %. Without any of these "8,848" does not agree with 8,849.
    """
    if claim.dimension == "decade" and source.dimension == "year":
        return claim.value <= source.value < claim.value + 10
    if claim.dimension and source.dimension and claim.dimension != source.dimension:
        return False
    if claim.dimension and source.dimension and claim.size != source.size:
        mine, theirs = claim.value * claim.size, source.value * source.size
        return abs(mine - theirs) <= 0.01 * max(abs(mine), abs(theirs))
    equal = abs(claim.value - source.value) <= 1e-9 * max(1.0, abs(claim.value))
    return equal or _rounds(claim, source)


def _rounds(claim: Quantity, source: Quantity) -> bool:
    if claim.dimension in ("year", "ordinal", "year bc") and claim.bound != "about":
        return False
    if claim.bound in ("over", "under"):
        return (source.value > claim.value) == (claim.bound == "over")
    decimals = claim.step <= 1 and source.step < 1
    abbreviated = claim.scaled and claim.step >= 1000
    admitted = decimals or abbreviated or claim.bound == "about"
    return admitted and source.step < claim.step and abs(claim.value - source.value) <= claim.step / 2
