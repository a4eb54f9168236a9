"""Source code: a section per class and function, what is said of it first, placed by its lines.

Where they begin is told by the form of the lines, alike in all languages: what is indented deeper belongs to it. Code
without any is divided at its gaps.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from retrieval.outline import Outline, one_line
from retrieval.sources.decode import decoded
from retrieval.sources.filetypes import SourceLimits
from retrieval.text import clean
from retrieval.types import Document

_BLOCK: Final = 400  # characters from which on a section ends where the code has a gap
_BEGINS: Final = re.compile(
    r"(?P<indent> *)(?:(?:export|default|public|private|protected|internal|static|final|abstract|async|pub(?:\(\w+\))?|"
    r"unsafe|override|virtual|inline|extern|const|open|sealed|data|local|partial)\s+)*"
    r"(?:(?P<word>def|function\*?|func|fn|fun|sub|proc|class|struct|interface|trait|enum|impl|module|object|protocol|"
    r"type(?=\s+\w+\s+(?:struct|interface)))\s+(?:\([^)]*\)\s*)?(?P<name>[\w.:$]+)|"
    r"(?P<called>[A-Za-z_]\w*)\s*(?:=|:)\s*(?:async\s+)?(?:function\b|\([^)]*\)\s*=>)|"
    r"(?:[A-Za-z_][\w:<>,*&\[\]]*\s+)+[*&]*(?P<typed>[A-Za-z_]\w*)\s*\([^;=]*\)\s*(?:const\s*)?(?:throws [\w., ]+)?"
    r"\{\s*$)"
)
_NO_NAME: Final = frozenset("if else for while switch return catch do try new throw sizeof await yield in of".split())
_TYPES: Final = frozenset("class struct interface trait enum impl module object protocol type".split())
_PARAMETERS: Final = re.compile(r"\((?P<all>[^()]*(?:\([^()]*\)[^()]*)*)\)?")
_DOCSTRING: Final = re.compile(r"\s*[ru]*(?:\"\"\"|\'\'\')(?P<said>.*?)(?:\"\"\"|\'\'\'|\n\s*\n|\Z)", re.DOTALL)
_SIGNS: Final = re.compile(r"^\s*(?:/\*\*?|\*/?|///?!?|#+|--+|;+)?\s?|\s*\*/\s*$", re.MULTILINE)
_HEAD: Final = 2_000  # characters in which a file says what it is
_WIDEST: Final = 500  # characters of a line that are looked at
_LONGEST: Final = 300  # characters of what is told of a part
_DECORATED: Final = re.compile(r" *(?:@|#\[|//|#(?!include|define|if|end)|/?\*|--)")
_REMARK: Final = re.compile(r"\s*(?:///?!?|#+(?!\w)|--|;+|/?\*+)\s?(?P<said>.*?)\s*(?:\*/)?$")
_CONSTANT: Final = re.compile(
    r"\s*(?:#define\s+(?=\w+\s)|(?:(?:export|public|private|protected|internal|static|final|readonly|const(?:expr)?|let|"
    r"var|val|pub)\s+)*(?:[A-Za-z_][\w:<>]*\s+)?)(?P<name>[A-Za-z_]\w*)\s*(?::\s*[\w\[\], .&'|]+?)?\s*"
    r"(?::?=(?!=)|(?<=\s)(?=[\d\"'-]))\s*(?P<value>[^=\n;]+?)\s*;?\s*$"
)
_LITERAL: Final = re.compile(
    r"-?[\d_.]+\w{0,3}(?:\s*[*+/-]\s*[\d_.]+)*|\"[^\"]*\"|'[^']*'|true|false|None|null|nil", re.IGNORECASE
)
_ABOUT: Final = re.compile(
    r"\A(?:#![^\n]*\n|#.*?coding[^\n]*\n|\s)*(?:[ru]*(?:\"\"\"|''')|/\*\*?|//[/!]?|#|--|;+)\s*(?P<said>[^\n]{3,100}?)"
    r"\s*(?:\"\"\"|'''|\*/)?(?:\n|\Z)"
)
_NO_TITLE: Final = re.compile(
    r"copyright|licen[cs]e|spdx|-\*-|vim:|coding[:=]|[=#*_-]{4}|eslint|pylint|include|define", re.I
)


@dataclass(frozen=True, slots=True)
class _Part:
    """A class or function: the line it begins on, how deep, and its name."""

    line: int
    indent: int
    word: str
    name: str

    @property
    def called(self) -> str:
        """Its name after what it is: ``class Gauge``."""
        return f"{self.word} {self.name}"


def read_code(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield source code; its title is the name of the file and what its first comment says of it."""
    outline = Outline()
    text = clean(decoded(path, limits, outline.notes, "source code"))
    lines = text.expandtabs(4).splitlines()
    parts = _parts(lines)
    borders = [0]
    for part in parts:
        borders.append(_above(lines, part.line, borders[-1]))
    borders.append(len(lines))
    open_parts: list[_Part] = []
    for place, (first, last) in enumerate(pairwise(borders)):
        told = ""
        if place:
            part = parts[place - 1]
            open_parts = [*(one for one in open_parts if one.indent < part.indent), part]
            outline.headings = [(one.indent + 1, one_line(one.called)) for one in open_parts]
            told = _told(lines, part, first)
        _add_lines(outline, lines, first, last, told)
    name = os.fsencode(path.name).decode("utf-8", "replace")
    about = _ABOUT.match(text[:_HEAD])
    said = about["said"].strip() if about and not _NO_TITLE.search(about["said"]) else ""
    yield "", outline.document("", one_line(f"{name}: {said}" if said else name))


def _parts(lines: Sequence[str]) -> list[_Part]:
    """The classes and functions in order; of one that stands in a function, nothing is told."""
    found: list[_Part] = []
    for number, line in enumerate(lines):
        begins = _BEGINS.match(line[:300])
        name = begins and (begins["name"] or begins["called"] or begins["typed"])
        if begins and name and name not in _NO_NAME:
            word = begins["word"] if begins["word"] in _TYPES else "function"
            found.append(_Part(number, len(begins["indent"]), word, name.rstrip(":")))
    return found


def _told(lines: Sequence[str], part: _Part, begin: int) -> str:
    """What a docstring or the comment above says of a part, behind its name and its parameters; "" where none does."""
    head = "\n".join(line[:_WIDEST] for line in lines[part.line : part.line + 12])
    named = head.partition(part.name)[2]
    parameters = _PARAMETERS.match(named)
    after = named[parameters.end() if parameters else 0 :].partition("\n")[2]
    inside = _DOCSTRING.match(after)
    above = "\n".join(line[:_WIDEST] for line in lines[begin : part.line] if not line.lstrip().startswith(("@", "#[")))
    said = inside["said"] if inside else re.split(r"\n\s*\n|\n\s*@", _SIGNS.sub("", above).strip())[0]
    if not (said := one_line(said)[:_LONGEST]):
        return ""
    given = re.sub(r"\[[^\[\]]*\]|<[^<>]*>", "", parameters["all"]) if parameters else ""
    first = 0 if re.search(r"\bfunc\s", head) else -1  # Go names before types, C after them
    words = [re.split("[:=]", one)[0].split() for one in given.split(",")]
    names = [word[first].strip("*&.") for word in words if word]
    taken = ", ".join(name for name in names if name not in ("self", "cls", "this"))
    return f"{part.called}({taken}): {said}" if part.word == "function" else f"{part.called}: {said}"


def _constants(lines: Sequence[str]) -> Iterator[str]:
    """Yield the constants with a comment on the lines above, as `settings` tells keys: ``LIMIT = 48  # what it is``."""
    above: list[str] = []
    for line in lines:
        remark, given = _REMARK.match(line[:_WIDEST]), _CONSTANT.match(line[:_WIDEST])
        if given and above and _LITERAL.fullmatch(given["value"]):
            yield f"{given['name']} = {given['value']}  # {one_line(' '.join(above))[:_LONGEST]}"
        above = [*above, remark["said"]] if remark and remark["said"] else []


def _above(lines: Sequence[str], line: int, first: int) -> int:
    """The line, from `first` on, on which the comments and decorators above a part begin."""
    while line > first and _DECORATED.match(lines[line - 1]):
        line -= 1
    return line


def _add_lines(outline: Outline, lines: Sequence[str], first: int, last: int, told: str) -> None:
    """Append what is told of the lines from `first` on, and these, in sections that end at gaps where they get long."""
    start, length = first, 0
    for number in range(first, last + 1):
        ends = number == last
        gap = not ends and number > start and not lines[number - 1].strip()
        begins = gap and not lines[number].startswith((" ", "}", ")", "]"))
        if ends or length > 2 * _BLOCK or (length > _BLOCK and (begins or (gap and length > 1.5 * _BLOCK))):
            filled = [at for at in range(start, number) if lines[at].strip()]
            if filled:
                one = filled[0] == filled[-1]
                outline.at(f"line {filled[0] + 1}" if one else f"lines {filled[0] + 1}-{filled[-1] + 1}")
                if start == first and told:
                    outline.add(told)
                for said in _constants(lines[filled[0] : filled[-1] + 1]):
                    outline.add(said, item=True)
                outline.add("\n".join(lines[filled[0] : filled[-1] + 1]))
            start, length = number, 0
        if not ends:
            length += len(lines[number]) + 1
