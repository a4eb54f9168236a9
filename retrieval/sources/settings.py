"""Configuration: every key with its path, ``server.http.port = 8080``, what a comment says behind it, secrets masked.

YAML, TOML, and the formats of lines: INI, properties and .env. What is broken or a template is read as source code.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retrieval.outline import Outline, one_line
from retrieval.sources.code import read_code
from retrieval.sources.decode import decoded
from retrieval.sources.filetypes import SourceLimits, suffix_of
from retrieval.sources.tree import Tree, add_tree, leaves, masked, name_in
from retrieval.text import clean
from retrieval.types import Document, SourceError

if TYPE_CHECKING:
    from yaml.nodes import Node

Comments = Mapping[str, str]  # by the paths of the keys that they stand beside
_MOST: Final = 100_000  # values, those that an alias repeats counted again
_DEEPEST: Final = 50
_WIDEST: Final = 2_000  # characters of a line
_LONGEST: Final = 100  # characters of a first comment that names what is set
_FRONT: Final = re.compile(
    r"\A(?P<mark>---|\+\+\+)[ \t]*\n(?P<told>.*?\n)(?:(?P=mark)|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL
)
_SECTION: Final = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:[#;].*)?$")
_PAIR: Final = re.compile(
    r"\s*(?:export\s+|set\s+)?(?P<key>[\w.@/ \"'-]+?)\s*(?:=|:(?!//)\s)\s*"
    r"(?P<value>\"(?:[^\"\\]|\\.)*\"|'[^']*'|.*?)(?:\s+[#;]\s*(?P<said>.*))?\s*$"
)
_REMARK: Final = re.compile(r"\s*(?:#+|;+|//+|!)[ \t]?(.*)$")
_NO_NAME: Final = re.compile(r"copyright|licen[cs]e|spdx|-\*-|vim:|^!|coding[:=]|[=#*_-]{4}|\$schema", re.IGNORECASE)


def read_settings(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one document, its title the file's name and what the file says that it sets."""
    outline = Outline()
    text = clean(decoded(path, limits, outline.notes))
    try:
        tree, comments = _read(text, suffix_of(path))
    except (ValueError, RecursionError):
        yield from read_code(path, limits)
        return
    about = one_line(name_in(tree)) or _first_remark(text)
    add_tree(outline, tree, comments)
    name = one_line(path.name)
    yield "", outline.document("", one_line(f"{name}: {about}" if about else name))


def read_front(text: str) -> dict[str, str]:
    """Return what the front matter of a text says, by keys with their paths; {} where there is none or it is broken."""
    front = _FRONT.match(text)
    if not front:
        return {}
    try:
        tree = _plain(tomllib.loads(front["told"])) if front["mark"] == "+++" else _yaml(front["told"])[0]
    except (ValueError, RecursionError):
        return {}
    return {path: masked(path, value) for path, value in leaves(tree) if isinstance(value, str) and value.strip()}


def _read(text: str, suffix: str) -> tuple[Tree, Comments]:
    """Raises ValueError for what is not of the format."""
    if suffix in {".yaml", ".yml"}:
        return _yaml(text)
    if suffix == ".toml":
        lines = dict(_lines(text))
        return _plain(tomllib.loads(text, parse_float=str)), {path: said for path, (_, said) in lines.items() if said}
    found = dict(_lines(text))
    tree: dict[str, Tree] = {path: value for path, (value, _) in found.items()}
    if not tree:
        raise ValueError("no settings in it")
    return tree, {path: said for path, (_, said) in found.items() if said}


def _plain(value: object) -> Tree:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def _lines(text: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the path of every key with its value and the remark beside or above it, by the form of the lines."""
    section, above, begun = "", list[str](), False
    for line in re.sub(r"\\\n[ \t]*", "", text).split("\n"):
        if len(line) > _WIDEST:  # what the patterns cost grows with the square of it
            above = []
        elif remark := _REMARK.match(line):
            above.append(remark[1].strip())
        elif head := _SECTION.match(line):
            section, above, begun = head[1].replace('"', ""), [], True
        elif (pair := _PAIR.match(line)) and pair["key"].strip():
            path = f"{section}.{pair['key'].strip()}" if section else pair["key"].strip()
            said = pair["said"] or (" ".join(above) if begun else "")
            yield path, (_unquoted(pair["value"]), said)
            above, begun = [], True
        else:
            above = []


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _first_remark(text: str) -> str:
    """What the first line says where it is a comment that names what is set; "" otherwise."""
    remark = _REMARK.match(text.lstrip("\n").partition("\n")[0])
    said = remark[1].strip() if remark else ""
    return said if 2 < len(said) <= _LONGEST and not _NO_NAME.search(said) else ""


def _yaml(text: str) -> tuple[Tree, Comments]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    lines, comments, seen = text.split("\n"), dict[str, str](), [0]

    def value(node: "Node", path: str, depth: int) -> Tree:
        seen[0] += 1
        if seen[0] > _MOST or depth > _DEEPEST:
            raise SourceError("broken YAML: aliases repeat too much of it, or it is nested too deeply")
        if isinstance(node, yaml.SequenceNode):
            return [value(item, path, depth + 1) for item in node.value]
        if not isinstance(node, yaml.MappingNode):
            return str(node.value)
        made: dict[str, Tree] = {}
        for key, item in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            below = f"{path}.{name}" if path else name
            merged = value(item, path if name == "<<" else below, depth + 1)
            if name == "<<" and isinstance(merged, dict):
                made = {**made, **{key_: held for key_, held in merged.items() if key_ not in made}}
                continue
            made[name] = merged
            if said := _beside(lines, key.start_mark.line, item):
                comments[below] = said
        return made

    try:
        _check_depth(yaml.parse(text, Loader=loader))
        documents = [value(node, "", 0) for node in yaml.compose_all(text, Loader=loader) if node is not None]
    except yaml.YAMLError as error:
        raise ValueError("no YAML") from error
    trees = [tree for tree in documents if tree]
    if not trees or all(isinstance(tree, str) for tree in trees):
        raise ValueError("no settings in it")
    return trees[0] if len(trees) == 1 else trees, comments


def _check_depth(events: Iterable[object]) -> None:
    """Raise SourceError for what is nested so deeply that libyaml's binding would overflow its stack."""
    depth = 0
    for event in events:
        name = type(event).__name__
        depth += name.endswith("StartEvent") - name.endswith("EndEvent")
        if depth > _DEEPEST:
            raise SourceError(f"broken YAML: nested more than {_DEEPEST} deep")


def _beside(lines: list[str], line: int, item: "Node") -> str:
    """The comment behind a value, or else those on the lines above its key, the first lines of a file apart."""
    behind = lines[item.end_mark.line][item.end_mark.column :] if item.end_mark.line == line else ""
    if remark := re.match(r"\s+#\s*(.+)", behind):
        return remark[1].strip()
    above: list[str] = []
    while line and (remark := re.match(r"\s*#+\s*(.*)", lines[line - 1])):
        above.insert(0, remark[1].strip())
        line -= 1
    return " ".join(above) if line else ""
