"""JSON, JSON Lines and notebooks: objects as rows of ``key: value``, long texts as paragraphs, keys as headings.

An object in an object that holds but single values is told with its path, as configuration is.
"""

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeAlias

from retrieval.outline import Outline, one_line
from retrieval.rows import line
from retrieval.sources.decode import decode
from retrieval.sources.filetypes import SourceLimits
from retrieval.sources.tables import add_lines
from retrieval.sources.tree import NAMES, Tree, add_tree, name_in
from retrieval.types import Document, Note, SourceError

_Json: TypeAlias = "dict[str, _Json] | list[_Json] | str | int | Decimal | float | bool | None"
_TEXTS: Final = ("text", "contents", "content", "body", "passage", "abstract")
_IDS: Final = ("_id", "id", "uuid")
_DEEPEST: Final = 50


def read_json(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one document; items of a list are its places, objects in an object its headings."""
    outline = Outline()
    try:
        value = _loaded(decode(path.read_bytes(), outline.notes), outline.notes)
    except json.JSONDecodeError as error:
        raise SourceError(f"broken JSON: line {error.lineno}: {error.msg}") from None
    if isinstance(value, list):
        value = [_unfolded(item) for item in value]
    if isinstance(value, list) and all(map(_is_row, value)):
        add_lines(outline, ((number, _line(item)) for number, item in enumerate(value, start=1)), "item", limits)
    elif isinstance(value, list):
        for number, item in enumerate(value, start=1):
            outline.at(f"item {number}")
            _add_item(outline, item, 1)
    else:
        _add(outline, value, 1)
    named = "" if isinstance(value, list) else one_line(name_in(_as_tree(value)))
    yield "", outline.document("", _title(value) or named)


def read_jsonl(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document | SourceError]]:
    """Yield a document per line, numbered by the lines. Raises SourceError when not even the first can be read."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(limits.max_bytes + 1):
            number += 1
            if len(line) > limits.max_bytes:
                raise SourceError(f"line {number}: more than the {limits.max_bytes} bytes allowed")
            if not line.strip():
                continue
            try:
                item: Document | SourceError = _record(line)
            except SourceError as error:
                if number == 1:
                    raise SourceError(f"line 1: {error}") from None
                item = error
            yield f"#{number}", item


def _loaded(text: str, notes: Counter[Note]) -> "_Json":
    """Parse JSON; of a key given twice in one object the later value is kept as ``key (2)`` unless it is the same.

    Raises json.JSONDecodeError, SourceError for a number that is out of range.
    """

    def read(pairs: "list[tuple[str, _Json]]") -> "dict[str, _Json]":
        found: dict[str, _Json] = {}
        times: Counter[str] = Counter()
        for key, value in pairs:
            times[key] += 1
            name = key
            while name in found and (type(found[name]), found[name]) != (type(value), value):
                times[key] += name != key
                name = f"{key} ({max(2, times[key])})"
            notes[Note.DUPLICATE] += name != key
            found[name] = value
        return found

    try:
        value: _Json = json.loads(text, object_pairs_hook=read, parse_float=Decimal)
    except json.JSONDecodeError:
        raise
    except (ValueError, ArithmeticError):
        raise SourceError("a number in it is out of range: write it as text, in quotes") from None
    return value


def _record(line: bytes) -> Document:
    outline = Outline()
    try:
        value = _loaded(decode(line, outline.notes), outline.notes)
    except json.JSONDecodeError as error:
        raise SourceError(f"broken JSON: {error.msg}") from None
    except RecursionError:
        raise SourceError("broken JSON: nested too deeply") from None
    _add(outline, value, 1)
    return outline.document("", _title(value))


def _add(outline: Outline, value: _Json, level: int, path: tuple[str, ...] = ()) -> None:
    """Append a value: what is flat first, then the rest under headings. Raises SourceError for a deep one."""
    if level > _DEEPEST:
        raise SourceError(f"nested more than {_DEEPEST} deep")
    if isinstance(value, list) and not _is_flat(value):
        for item in value:
            _add_item(outline, item, level)
    elif isinstance(value, dict):
        outline.add(_prose(value))
        if level == 1 and any(isinstance(item, dict) for item in value.values()) and not _prose(value):
            given: dict[str, _Json] = {
                key: item for key, item in value.items() if _is_flat(item) and item not in (None, "", [])
            }
            add_tree(outline, _as_tree(given))  # settings rather than a record
        else:
            outline.add(_line(value), item=True)
        for key, item in value.items():
            if isinstance(item, dict) and _is_settings(item):
                add_tree(outline, _as_tree(item), None, ".".join([*path, key]))
            elif not _is_flat(item):
                called = _title(item) if isinstance(item, dict) and not _prose(item) else ""
                outline.heading(level, f"{key}: {called}" if called else key)
                _add(outline, item, level + 1, (*path, key))
                outline.close(level)
    else:
        outline.add(_line(value))


def _add_item(outline: Outline, item: _Json, level: int) -> None:
    """Append an item of a list, under its title where it is more than a row."""
    item = _unfolded(item)
    if _is_row(item):
        outline.add(_line(item), item=True)
    else:
        outline.heading(level, _title(item))
        _add(outline, item, level + 1)
        outline.close(level)


def _is_settings(value: dict[str, _Json]) -> bool:
    """Whether an object holds but single values, and objects of these, and no text."""
    return not _prose(value) and all(
        _is_settings(item) if isinstance(item, dict) else _is_flat(item) for item in value.values()
    )


def _as_tree(value: _Json) -> Tree:
    if isinstance(value, dict):
        return {key: _as_tree(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_tree(item) for item in value]
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _unfolded(value: _Json) -> _Json:
    """An object with the fields of the objects in it as its own, ``master.name``; anything else as it is."""
    if not isinstance(value, dict):
        return value
    made: dict[str, _Json] = {}
    for key, item in value.items():
        if isinstance(item, dict) and item and _is_settings(item):
            inner = _unfolded(item)
            made |= {f"{key}.{name}": field for name, field in inner.items()} if isinstance(inner, dict) else {}
        else:
            made[key] = item
    return made


def _is_flat(value: _Json) -> bool:
    """Whether the value fits on a line: neither an object nor a list with objects or lists in it."""
    return not isinstance(value, dict) and not (
        isinstance(value, list) and any(isinstance(item, dict | list) for item in value)
    )


def _is_row(value: _Json) -> bool:
    """Whether the value is an object of short fields, or no object at all."""
    if isinstance(value, dict):
        return not _prose(value) and all(map(_is_flat, value.values()))
    return _is_flat(value)


def _title(value: _Json) -> str:
    fields = [value.get(key) for key in NAMES] if isinstance(value, dict) else []
    return one_line(next((field for field in fields if isinstance(field, str) and field.strip()), ""))


def _prose(record: dict[str, _Json]) -> str:
    fields = [record.get(key) for key in _TEXTS]
    return next((field for field in fields if isinstance(field, str) and field.strip()), "")


def _line(value: _Json) -> str:
    """A flat value, or the flat fields of an object, without its numbers and what its title and its text say."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(_line, value)))
    if not isinstance(value, dict):
        return "" if value is None else ("no", "yes")[value] if isinstance(value, bool) else str(value).strip()
    prose = [_prose(value), *(field for key, field in value.items() if key in NAMES and _prose(value))]
    unseen = _IDS if prose[0] else ()
    flat = {key: _line(field) for key, field in value.items() if _is_flat(field) and key not in unseen}
    told = {key: text for key, text in flat.items() if text and value[key] not in prose}
    return line([*told], [*told.values()])
