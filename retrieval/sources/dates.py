"""Calendars and address books: each event and each contact a row under its name, longer texts below it.

Both are lines of the same make (RFC 5545 and RFC 6350), which icalendar takes apart.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from quopri import decodestring
from typing import Final

from retrieval.outline import Outline, one_line
from retrieval.rows import cells, line
from retrieval.sources.decode import decode
from retrieval.sources.filetypes import SourceLimits
from retrieval.text import clean
from retrieval.types import Document, SourceError

Property = tuple[str, Mapping[str, object], str]  # name in capitals, parameters, value
_KINDS: Final = {"VEVENT": "Event", "VTODO": "Task", "VJOURNAL": "Entry"}
_TOLD: Final = {
    "DTSTART": "Starts",
    "DTEND": "Ends",
    "DUE": "Due",
    "DURATION": "Lasts",
    "RRULE": "Repeats",
    "EXDATE": "Not on",
    "LOCATION": "Location",
    "ORGANIZER": "Organiser",
    "ATTENDEE": "Attendee",
    "CATEGORIES": "Category",
    "STATUS": "Status",
    "URL": "Address",
}
_CONTACT: Final = {
    "TITLE": "Position",
    "ROLE": "Role",
    "TEL": "Telephone",
    "EMAIL": "E-mail",
    "ADR": "Address",
    "BDAY": "Birthday",
    "URL": "Website",
    "NICKNAME": "Nickname",
}
_PLAIN: Final = frozenset({"voice", "pref", "internet", "text", "x-internet"})  # what a kind of number adds nothing by
_CALLED: Final = {"cell": "mobile", "dom": "domestic", "intl": "international"}
_ENCODINGS: Final = frozenset({"QUOTED-PRINTABLE", "BASE64", "8BIT", "7BIT"})
_SOFT: Final = re.compile(r"=\n(?=.)")
_OLDER: Final = re.compile(r"(?P<name>[\w.-]+)(?P<given>(?:;[^;:]*)*):(?P<value>.*)", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\([\\;,:nN])")
_DATE: Final = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?:T(\d\d)(\d\d)(\d\d)?(Z)?)?")
_RULE: Final = {"FREQ": "{}", "INTERVAL": "every {}", "BYDAY": "on {}", "COUNT": "{} times", "UNTIL": "until {}"}
_DAYS: Final = {"MO": "Monday", "TU": "Tuesday", "WE": "Wednesday", "TH": "Thursday", "FR": "Friday", "SA": "Saturday"}


def read_ics(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one document: an event or a task by the other, dates in words with the day of the week."""
    outline = Outline()
    title = ""
    for kind, properties in _things(path, outline, "VCALENDAR"):
        if kind == "VCALENDAR":
            title = next((_text(value) for name, _, value in properties if name in ("X-WR-CALNAME", "NAME")), title)
        if kind not in _KINDS:
            continue
        name = next((_text(value) for key, _, value in properties if key == "SUMMARY"), "")
        outline.close(1)
        outline.heading(1, name)
        row = [(_KINDS[kind], name)]
        for key, parameters, value in properties:
            if key in _TOLD:
                whole = key == "DTSTART" and "T" not in value
                row.append(("Date" if whole else _TOLD[key], _of_event(key, parameters, value)))
        _add_row(outline, row)
        for key, _, value in properties:
            if key in {"DESCRIPTION", "COMMENT"}:
                outline.add(_text(value))
        limits.check_text(outline.length)
    yield "", outline.document("", one_line(title))


def read_vcf(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one document: a contact by the other, each number with what it is for."""
    outline = Outline()
    for kind, properties in _things(path, outline, "VCARD"):
        if kind != "VCARD":
            continue
        named = {key: _text(value) for key, _, value in reversed(properties)}
        parts = [part for part in _parts(named.get("N", "")) if part]
        name = named.get("FN") or " ".join([*parts[1:2], *parts[:1]]) or named.get("ORG", "")
        firm = ", ".join(part for part in _parts(named.get("ORG", "")) if part and part != name)
        outline.close(1)
        outline.heading(1, f"{name}, {firm}" if name and firm else name)
        row = [("Name", name)]
        for key, parameters, value in properties:
            if key == "ORG":
                company, *departments = [part for part in _parts(value) if part] or [""]
                row += [("Organisation", company)] * (company != name) + [("Department", ", ".join(departments))]
            elif key in _CONTACT:
                row.append((_labelled(_CONTACT[key], parameters), _of_contact(key, value)))
        _add_row(outline, row)
        for key, _, value in properties:
            if key == "NOTE":
                outline.add(_text(value))
        limits.check_text(outline.length)
    yield "", outline.document("", "")


def _things(path: Path, outline: Outline, wanted: str) -> Iterator[tuple[str, list[Property]]]:
    """Yield the parts of a file as they end, each its kind and what stands in it alone. Raises SourceError."""
    from icalendar.parser import Contentlines

    text = clean(decode(path.read_bytes(), outline.notes))
    if f"BEGIN:{wanted}" not in text.upper():
        raise SourceError(f"nothing begins with BEGIN:{wanted} in it")
    held: list[tuple[str, list[Property]]] = []
    for content in Contentlines.from_ical(_joined(text)):
        if not content.strip():
            continue
        try:
            name, parameters, value = content.parts()
        except ValueError:
            if (parts := _older(content)) is None:  # one broken line
                continue
            name, parameters, value = parts
        key = name.upper().rpartition(".")[2]
        if key == "BEGIN":
            held.append((value.upper(), []))
        elif key == "END" and held:
            yield held.pop()
        elif held:
            told = [f"{name}={said}".upper() for name, said in parameters.items()]
            held[-1][1].append((key, parameters, _unquoted(str(value), told)))
    yield from reversed(held)


def _joined(text: str) -> str:
    """The text with lines joined that quoted-printable parts, as vCard 2.1 has them."""
    return _SOFT.sub("", text) if "QUOTED-PRINTABLE" in text.upper() else text


def _older(content: str) -> Property | None:
    """A line in which parameters stand without their names, ``TEL;WORK;VOICE:...``; None for what is none."""
    found = _OLDER.fullmatch(content.strip())
    if not found:
        return None
    given = [part.partition("=") for part in found["given"].split(";") if part]
    parameters: dict[str, object] = {name.upper(): said for name, sign, said in given if sign}
    kinds = [name for name, sign, _ in given if not sign and name.upper() not in _ENCODINGS]
    if kinds:
        parameters["TYPE"] = kinds
    return found["name"], parameters, _unquoted(found["value"], [part.upper() for part in found["given"].split(";")])


def _unquoted(value: str, given: Sequence[str]) -> str:
    if not any(part.removeprefix("ENCODING=") == "QUOTED-PRINTABLE" for part in given):
        return value
    charset = next((part.removeprefix("CHARSET=") for part in given if part.startswith("CHARSET=")), "utf-8")
    try:
        return decodestring(value.encode()).decode(charset, "replace")
    except LookupError:
        return decodestring(value.encode()).decode("utf-8", "replace")


def _add_row(outline: Outline, row: Sequence[tuple[str, str]]) -> None:
    filled = [(name, value) for name, value in row if value]
    outline.add(line([name for name, _ in filled], cells(value for _, value in filled)), item=True)


def _text(value: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], value).strip()


def _of_event(key: str, parameters: Mapping[str, object], value: str) -> str:
    if key in {"DTSTART", "DTEND", "DUE", "EXDATE"}:
        zone = str(parameters.get("TZID") or "")
        said = ", ".join(map(_when, value.split(",")))
        return f"{said} ({zone})" if zone and ":" in said else said
    if key == "RRULE":
        parts = [part.partition("=") for part in value.split(";")]
        return ", ".join(_RULE[name].format(_rule(name, said)) for name, _, said in parts if name in _RULE)
    if key in {"ORGANIZER", "ATTENDEE"}:
        address = re.sub(r"^mailto:", "", _text(value), flags=re.IGNORECASE)
        name = str(parameters.get("CN") or "")
        return f"{name} <{address}>" if name else address
    return _text(value)


def _rule(name: str, said: str) -> str:
    if name == "BYDAY":
        return ", ".join(re.sub("[A-Z]{2}$", lambda day: _DAYS.get(day[0], "Sunday"), day) for day in said.split(","))
    return _when(said) if name == "UNTIL" else said.lower()


def _when(value: str) -> str:
    """A moment in words, with its day of the week; the last day of an event of whole days is the one it ends before."""
    found = _DATE.fullmatch(value.strip())
    if not found:
        return _text(value)
    year, month, day, hour, minute, _, utc = found.groups()
    try:
        told = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0))
    except ValueError:
        return value
    said = f"{told:%A}, {told.day} {told:%B} {told.year}"
    return f"{said}, {told:%H:%M}{' UTC' if utc else ''}" if hour else said


def _labelled(name: str, parameters: Mapping[str, object]) -> str:
    """The name of a field with what it is for: ``Telephone (work)``."""
    given = parameters.get("TYPE") or ()
    kinds = [given] if isinstance(given, str) else list(given) if isinstance(given, list | tuple) else []
    said = [_CALLED.get(kind, kind) for one in kinds for kind in str(one).lower().split(",") if kind not in _PLAIN]
    return f"{name} ({', '.join(said)})" if said else name


def _of_contact(key: str, value: str) -> str:
    if key == "ADR":
        return ", ".join(part for part in _parts(value) if part)
    if key == "BDAY":
        return _birthday(value)
    return re.sub(r"^(?:tel|mailto):", "", _text(value), flags=re.IGNORECASE)


def _birthday(value: str) -> str:
    found = _DATE.match(value)
    try:
        told = date(int(found[1]), int(found[2]), int(found[3])) if found else None
    except ValueError:
        told = None
    return f"{told.day} {told:%B} {told.year}" if told else _text(value)


def _parts(value: str) -> list[str]:
    return [_text(part) for part in re.split(r"(?<!\\);", value)]
