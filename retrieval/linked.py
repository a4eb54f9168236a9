"""What a page says for machines in JSON-LD: how to reach somebody, when something is open, what it costs."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from retrieval.text import clean

if TYPE_CHECKING:
    from bs4 import BeautifulSoup

_Json: TypeAlias = Any
_MOST: Final = 500  # objects of a page
_LONGEST: Final = 300  # characters of a value
_DEEPEST: Final = 8
_PLAIN: Final = {
    "telephone": "Telephone",
    "faxNumber": "Fax",
    "email": "E-mail",
    "address": "Address",
    "openingHours": "Opening hours",
    "openingHoursSpecification": "Opening hours",
    "specialOpeningHoursSpecification": "Opening hours",
    "priceRange": "Prices",
    "startDate": "Begin",
    "endDate": "End",
    "location": "Place",
    "offers": "Price",
}
_ADDRESS: Final = (
    "streetAddress",
    "postOfficeBoxNumber",
    "postalCode",
    "addressLocality",
    "addressRegion",
    "addressCountry",
)
_DAYS: Final = {day[:2]: day for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")}
_DAY: Final = re.compile(r"\b(Mo|Tu|We|Th|Fr|Sa|Su)\b")
_SPAN: Final = re.compile(r"(?<=day)\s?[-–]\s?(?=[MTWFS]\w+day)")


@dataclass(frozen=True, slots=True)
class Said:
    """Lines, each with the values in it."""

    lines: tuple[tuple[str, str], ...]

    def missing(self, text: str) -> Iterator[str]:
        """Yield the lines that say what does not stand in a text."""
        seen = _letters(text)
        for line, value in self.lines:
            if _letters(value) not in seen:
                yield line


def said_in_data(soup: "BeautifulSoup") -> Said:
    """Return what the JSON-LD of a page says of what people look for."""
    found: dict[tuple[str, str], None] = {}
    for script in soup.find_all("script", type="application/ld+json"):
        try:
            data = json.loads(script.get_text())
        except (ValueError, RecursionError):
            continue
        for number, thing in enumerate(_things(data, _DEEPEST)):
            if number >= _MOST:
                break
            name = _text(thing.get("name"))
            for key, label in _PLAIN.items():
                if value := _value(key, thing.get(key)):
                    found.setdefault((f"{label} of {name}: {value}" if name else f"{label}: {value}", value))
    return Said(tuple(found))


def _things(data: _Json, deeper: int) -> Iterator[dict[str, Any]]:
    if isinstance(data, dict):
        yield data
    inner = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    if deeper:
        for value in inner:
            yield from _things(value, deeper - 1)


def _value(key: str, value: _Json) -> str:
    """Return a value in words; empty where it is of a form that is not known."""
    if isinstance(value, list):
        return "; ".join(dict.fromkeys(filter(None, (_value(key, one) for one in value[:20]))))[: 4 * _LONGEST]
    if not isinstance(value, dict):
        text = _text(value)
        return _SPAN.sub(" to ", _DAY.sub(lambda day: _DAYS[day[1]], text)) if key == "openingHours" else text
    parts: list[str] = []
    match key:
        case "address":
            parts = [_text(value.get(part)) for part in _ADDRESS]
        case "openingHoursSpecification" | "specialOpeningHoursSpecification":
            parts = [_hours(value)]
        case "location":
            parts = [_text(value.get("name")), _value("address", value.get("address"))]
        case "offers" if price := _text(value.get("price") or value.get("lowPrice")):
            parts = [f"{price} {_text(value.get('priceCurrency'))}".strip()]
    return ", ".join(filter(None, parts))


def _hours(value: dict[str, Any]) -> str:
    days = value.get("dayOfWeek")
    names = [_text(day).rsplit("/", 1)[-1] for day in (days if isinstance(days, list) else [days])]
    opens, closes = (_text(value.get(name))[:5] for name in ("opens", "closes"))
    span = "closed" if opens == closes else f"{opens}–{closes}"
    season = [_text(value.get(name)) for name in ("validFrom", "validThrough")]
    when = f"{' to '.join(filter(None, season))}:" if any(season) else ""
    return " ".join(filter(None, [when, ", ".join(filter(None, names)), span])) if opens or closes else ""


def _text(value: _Json) -> str:
    if isinstance(value, dict):
        value = value.get("name")
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return ""
    return " ".join(clean(str(value)).split())[:_LONGEST]


def _letters(text: str) -> str:
    return "".join(sign for sign in text.casefold() if sign.isalnum())
