"""Values in values, as configuration and JSON have them, as lines that tell where in them each stands.

A key is told with its path, ``server.http.port = 8080``; an item of a list of objects is a row that names its fields.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from retrieval.outline import Outline
from retrieval.rows import cells, line
from retrieval.types import Note

Tree: TypeAlias = "dict[str, Tree] | list[Tree] | str"
MASKED: Final = "(secret, not shown)"
NAMES: Final = ("title", "name", "headline", "subject")
_LONGEST: Final = 600  # characters of a value; what is longer is a text and stands by itself
_SECRET: Final = re.compile(
    r"(?:^|[^a-z])(?:api_?-?key|secret|tokens?|passw(?:or)?d|passwd|pwd|pass_?-?phrase|private_?-?key|access_?-?key|"
    r"credentials?|client_?-?secret|encryption_?-?key|signing_?-?key|auth)(?:$|[^a-z])",
    re.IGNORECASE,
)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_HARMLESS: Final = re.compile(
    r"(?:true|false|yes|no|on|off|none|null|\d{1,5}(?:\.\d+)?)?|\$\{?\w+\}?|<[^>]*>|\{\{.*\}\}", re.I
)
_KEY_ITSELF: Final = re.compile(
    r"\b(?:AKIA[0-9A-Z]{16}|gh[opsu]_[A-Za-z0-9]{20,}|xox[abprs]-[\w-]{10,}|[sr]k_(?:live|test)_\w{10,}|"
    r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+)"
)
_IN_ADDRESS: Final = re.compile(r"(?<=://)([^\s:/@]*):[^\s/@]+(?=@)")


def name_in(tree: Tree) -> str:
    """What a tree says that it is: the field that names it, else the first where that is words and no figure."""
    if not isinstance(tree, dict):
        return ""
    named = [tree.get(key) for key in NAMES]
    for value in [*named, *list(tree.values())[:1]]:
        if isinstance(value, str) and (value in named or re.fullmatch(r"[^\W\d_a-z][^\W_]*(?:[ ’'-]+\w+){1,8}", value)):
            return value
    return ""


def masked(key: str, value: str) -> str:
    """Return a value as it may be shown: not where its key or its form says that it is a secret."""
    if _SECRET.search(_CAMEL.sub("_", key.rpartition(".")[2])) and not _HARMLESS.fullmatch(value):
        return MASKED
    return _IN_ADDRESS.sub(rf"\1:{MASKED}", _KEY_ITSELF.sub(MASKED, value))


def add_tree(outline: Outline, tree: Tree, comments: Mapping[str, str] | None = None, path: str = "") -> None:
    """Append every value with its path, each a unit; `comments`, by paths, stand behind the values they belong to."""
    for where, value in leaves(tree, path):
        if isinstance(value, dict):
            _add_row(outline, where, value)
            continue
        shown = masked(where, value)
        outline.notes[Note.SECRET] += shown != value
        said = (comments or {}).get(where, "")
        if len(shown) > _LONGEST:
            outline.add(f"{where} =", item=True)
            outline.add(shown)
        else:
            told = " ".join(shown.split())
            outline.add(f"{where} = {told}" + (f"  # {said}" if said else ""), item=True)


def leaves(tree: Tree, path: str = "") -> Iterator[tuple[str, "str | dict[str, Tree]"]]:
    """Yield the single values with their paths, and the objects of lists."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    elif isinstance(tree, str):
        yield path, tree
    elif all(isinstance(item, str) for item in tree):
        yield path, ", ".join(map(str, tree))
    else:
        for number, item in enumerate(tree):
            if isinstance(item, dict):
                yield path, item
            else:
                yield from leaves(item, f"{path}[{number}]")


def _add_row(outline: Outline, path: str, item: dict[str, Tree]) -> None:
    """Append an object of a list: a row of its single values, those of the lists in it after it, under its name."""
    flat, deep = dict[str, str](), dict[str, Tree]()
    for where, value in _fields_of(item):
        if isinstance(value, str):
            flat[where] = masked(where, value)
            outline.notes[Note.SECRET] += flat[where] != value
        else:
            deep[where] = value
    told = line([*flat], cells(flat.values()))
    outline.add(f"{path}: {told}" if path and told else told, item=True)
    name = name_in({key: value for key, value in flat.items() if key in NAMES}) if deep else ""
    for where, value in deep.items():
        add_tree(outline, value, None, f"{path}.{where} of {name}" if name else f"{path}.{where}")


def _fields_of(item: dict[str, Tree], path: str = "") -> "Iterator[tuple[str, Tree]]":
    for key, value in item.items():
        where = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            yield from _fields_of(value, where)
        elif isinstance(value, list) and all(isinstance(one, str) for one in value):
            yield where, ", ".join(map(str, value))
        else:
            yield where, value
