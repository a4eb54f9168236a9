"""Values of a spreadsheet as it displays them: its number formats, as far as they change what a value says.

Money keeps its sign, shares their per cent, codes their leading zeros. Dates are told in words, ``8 April 2024``, which
nobody can misread, whatever order of figures their format has.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final

_TOKEN: Final = re.compile(r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|[_*].|\[(?P<bracket>[^\]]*)\]|(?P<sign>.)', re.DOTALL)
_SEPARATOR: Final = re.compile(r';(?=(?:[^"]*"[^"]*")*[^"]*$)')
_PLAIN: Final = frozenset({"", "general", "@"})


@dataclass(frozen=True, slots=True)
class _Form:
    """How a number is written: what stands before and behind it, its places, its share of a thousand or a hundred."""

    before: str
    behind: str
    whole: int  # digits before the point, at least
    fixed: int  # digits behind it
    most: int
    thousands: bool
    scale: float
    written: bool = True  # whether the number itself is


def displayed(value: object, number_format: str | None) -> str:
    """Return the value of a cell as text; "" for none."""
    code = number_format or ""
    if isinstance(value, datetime) and value.time() == time():
        value = value.date()
    match value:
        case None:
            return ""
        case datetime():
            return f"{_day(value.date(), code)}, {_clock(value.time(), code)}"
        case date():
            return _day(value, code)
        case time():
            return _clock(value, code)
        case timedelta():
            minutes, seconds = divmod(round(value.total_seconds()), 60)
            return f"{minutes // 60}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")
    return _number(value, code) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _day(day: date, code: str) -> str:
    if "mmm" not in code.lower():
        return f"{day.day} {day:%B} {day.year}"
    weekday = f"{day:%A}, " if "ddd" in code.lower() else ""
    number = f"{day.day} " if re.search(r"(?<!d)d{1,2}(?!d)", code, re.IGNORECASE) else ""
    return f"{weekday}{number}{day:%B} {day.year}" if "y" in code.lower() else f"{weekday}{number}{day:%B}"


def _clock(moment: time, code: str) -> str:
    return moment.isoformat("seconds" if moment.second or "ss" in code.lower() else "minutes")


def _number(value: float, code: str) -> str:
    form = _form(code, (value > 0) - (value < 0))
    if form is None:
        return f"{value:.15g}"
    if not form.written:
        return form.before
    scaled = abs(value) * form.scale
    text = f"{scaled:{',' if form.thousands else ''}.{form.most}f}"
    whole, point, part = text.partition(".")
    while len(part) > form.fixed and part.endswith("0"):
        part = part[:-1]
    sign = "-" if value < 0 and len(_SEPARATOR.split(code)) < 2 else ""
    number = whole.zfill(form.whole) + (f"{point}{part}" if part else "")
    return " ".join(f"{sign}{form.before}{number}{form.behind}".split())


@lru_cache(maxsize=1_000)
def _form(code: str, sign: int) -> _Form | None:
    """The form for numbers of this sign; None for what is written as it is: fractions, powers of ten, no format."""
    sections = _SEPARATOR.split(code)
    place = 1 if sign < 0 and len(sections) > 1 else 2 if not sign and len(sections) > 2 else 0
    section = sections[place]
    if section.strip().lower() in _PLAIN or "[<" in code or "[>" in code or "[=" in code:
        return None
    before, core, behind, percent = "", "", "", 0
    for token in _TOKEN.finditer(section):
        sign_, bracket = token["sign"] or "", token["bracket"]
        literal = token["quoted"] or token["escaped"] or ""
        if bracket is not None:
            literal = bracket[1:].partition("-")[0] if bracket.startswith("$") else ""
        if sign_ in {"E", "e", "/"} and core:
            return None
        if sign_ and sign_ in "0#?.,":
            core += sign_
            continue
        percent += sign_ == "%"
        literal += sign_
        before, behind = (before, behind + literal) if core else (before + literal, behind)
    bare = core.rstrip(",")
    whole, _, part = bare.partition(".")
    if not bare:
        return _Form(" ".join(before.split()), "", 0, 0, 0, False, 1.0, written=False) if before.strip() else None
    scale = 100.0**percent / 1000.0 ** (len(core) - len(bare))
    return _Form(before, behind, whole.count("0"), part.count("0"), len(part), "," in whole, scale)
