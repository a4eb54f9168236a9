"""Which cells of a row a reply shows: those that tell which row it is, and those that are asked for.

Each cell has the name of its column, so that a few say by themselves what they say in the row. Where it is not clear
what is asked for, or whether it is this row that is meant, all of it is shown, so that nobody is misled.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from dialogue.judges.facts import stem, words
from dialogue.judges.lookup import signs
from dialogue.judges.subject import stems, subject_of
from dialogue.shapes.rows import MONEY, is_currency
from dialogue.shapes.verdict import statement
from dialogue.shapes.words import measures, travels
from retrieval.text import BAR

FEW: Final = 3  # cells up to which a row is shown whole
CLEAR: Final = 4.0  # by how many logits a cell has to be likelier to be what is asked for than another
WORD: Final = 3  # letters from which on something is no unit
MOST: Final = 2  # cells of which either may be what is asked for

_PLAIN = re.compile(r"[^\W_]+")
_ENDING = re.compile(r"(?<=\w\w)(?:er|or|ed|e)$")  # "Maker" is who made it, "Use" what it is used for
_LETTER = re.compile(r"[^\W\d_]")
_IDENTIFIER = re.compile(r"(?=\S*\d)(?=\S*[^\W\d_])\S+")
_WHOLE = re.compile(  # what asks for all that there is
    r"\b(?:everything|anything|details?|info(?:rmation)?|overview|summar\w+|why|"
    r"(?:tell|know|say|hear|read|learn|more|all|what|how) (?:me |us )?(?:more |all )?about)\b",
    re.IGNORECASE,
)
_KIND = re.compile(  # a question that says of which kind its answer is
    r"\b(?P<kind>when|where|who(?:se|m)?|which|what(?!['’]|s\b| (?:is|are|was|were|do|does|did|has|have|had|can|could|"
    r"will|would|should|happens?|else|if)\b)(?= \w))\b",
    re.IGNORECASE,
)
_COSTS = re.compile(r"\bhow much (?:is|are|was|were|do|does|did|for|will)\b|\bexpensive\b", re.IGNORECASE)
_WHICH = re.compile(
    r"\b(?:which|what) (?!(?:day|time|date|year|month|hour)\b)[a-z]+ (?:is|are|was|were|has|have|had|did)\b",
    re.IGNORECASE,
)
_FIGURES = re.compile(r"\d+")
_WHEN = re.compile(r"\bwhen\b", re.IGNORECASE)
_SUM = re.compile(r"\d|free|nothing", re.IGNORECASE)
_PERSON = re.compile(
    r"\b(?:by|charge|person|people|name|staff|responsible|contact|\w{2,}(?:er|or|ist|ian|ee)s?)\b", re.IGNORECASE
)
_TIME = re.compile(r"\d|day\b|daily|week|month|noon|midnight|always|never", re.IGNORECASE)
_PRICE = frozenset(_ENDING.sub("", stem(word)) for word in "cost price fee fare".split())


@dataclass(frozen=True)
class _Cell:
    text: str

    @cached_property
    def name(self) -> str:
        """What its column is called, "" where it is not."""
        return self.text.partition(": ")[0] if ": " in self.text else ""

    @cached_property
    def value(self) -> str:
        return self.text.partition(": ")[2] if ": " in self.text else self.text


@dataclass(frozen=True)
class _Question:
    text: str

    @cached_property
    def roots(self) -> frozenset[str]:
        """The roots of its words, and of what an adjective of it measures."""
        named = frozenset[str]().union(*(measures(word.text) for word in words(self.text)))
        return _roots(self.text) | {_ENDING.sub("", one) for one in named}

    def says(self, value: str) -> bool:
        """Whether a value stands in it word for word."""
        return bool(_PLAIN.search(value)) and _plain(value) in _plain(self.text)

    def touches(self, value: str) -> bool:
        """Whether it has a word in common with a value, and not a unit alone."""
        shared = _roots(value) & _roots(self.text)
        return self.says(value) or any(len(root) >= WORD or root[-1].isdigit() for root in shared)


def shown(question: str, row: str, title: str, likely: Sequence[float], others: Sequence[str]) -> str:
    """Return the cells of a row that answer a question, or all of it.

    `likely` has for each cell how likely its value is to be what is asked for, as a logit; `title` is what the row
    stands under, `others` are rows that stand there too. Cells in which the question has a word are shown, else the
    first with letters; so many more as tell the row from others that have the same; and what is asked for.
    """
    cells = [_Cell(text) for text in row.split(BAR)]
    others = [other for other in others if other != row]
    asked = _Question(question)
    unnamed = [place for place, cell in enumerate(cells) if not cell.name]
    if len(cells) <= FEW or unnamed not in ([], [0]) or _WHOLE.search(question) or _strays(asked, row, title, others):
        return row
    told = {place for place, cell in enumerate(cells) if asked.touches(cell.value)}
    wanted = _wanted(asked, cells, likely)
    if not wanted:
        return row
    first = next((place for place, cell in enumerate(cells) if _LETTER.search(cell.value)), 0)
    lettered = any(_LETTER.search(cells[place].value) for place in told)
    keys = told | set(unnamed) | ({first} if not lettered or _WHICH.search(question) else set())
    more = _apart(cells, keys, wanted, [_by_name(other) for other in others])
    return BAR.join(cells[place].text for place in sorted(keys | wanted | more))


def _strays(asked: _Question, row: str, title: str, others: Sequence[str]) -> bool:
    """Whether a question names what neither the row nor its title has: a name, a figure, or what another row has."""
    there = f"{row} {title}"
    if any(_plain(sign) not in _plain(there) for sign in signs(asked.text)):
        return True
    if not stems(there).issuperset(subject_of(asked.text).names):
        return True
    return bool((_roots(asked.text) & _roots(" ".join(others))) - _roots(there))


def _wanted(asked: _Question, cells: Sequence[_Cell], likely: Sequence[float]) -> set[int]:
    """Return which cells are asked for, none where that is not clear.

    They are those whose columns the question names, and those that are likelier by far; where it names none, the
    likeliest, if no more than MOST are about as likely and it asks for something of a kind.
    """
    said = {place for place, cell in enumerate(cells) if asked.says(cell.value)}
    named = {place for place, cell in enumerate(cells) if _roots(cell.name) & asked.roots}
    way = travels(asked.text)
    named |= {place for place, cell in enumerate(cells) if way and travels(cell.name) == way}
    named -= set() if statement(asked.text) else said
    best = max(range(len(cells)), key=lambda place: likely[place])
    if not cells[0].name:
        return _of_sheet(asked, cells, said, named, best)
    if _COSTS.search(asked.text) or asked.roots & _PRICE:
        sums = {place for place, cell in enumerate(cells) if place not in said and _is_money(cell)}
        if not sums and asked.roots & _PRICE:
            return set()
        named |= set() if named & sums else sums
    told = {place for place, cell in enumerate(cells) if asked.touches(cell.value)}
    near = {place for place in range(len(cells)) if place not in told and likely[best] - likely[place] < CLEAR}
    if best not in told and not near & named and not (way and travels(cells[best].name)):
        alike = {place for place in range(len(cells)) if _alike(cells[place], cells[best])} - told
        sure = len(near) <= MOST and likely[best] >= 0 and _may_be(asked, cells[best])
        named |= {best, *alike} if named else near | alike if sure else set()
    timed = _WHEN.search(asked.text)
    return set() if timed and not any(_TIME.search(cells[place].value) for place in named) else named


def _of_sheet(asked: _Question, cells: Sequence[_Cell], said: set[int], named: set[int], best: int) -> set[int]:
    """Return which cells are asked for of a row whose first one says what the others are of, their columns whose."""
    lettered = {place for place in said if place and _LETTER.search(cells[place].value)}
    if _roots(cells[0].value) & asked.roots:
        return named or lettered
    return lettered or (named & {best} if _KIND.search(asked.text) else set())


def _may_be(asked: _Question, cell: _Cell) -> bool:
    """Whether a cell whose column is not named may be taken for what is asked for: it is of a kind that is told."""
    kind = _KIND.search(asked.text)
    if kind and kind["kind"].casefold().startswith("who"):
        return bool(_PERSON.search(cell.name))
    return bool(kind and kind["kind"].casefold() in ("when", "where"))


def _alike(cell: _Cell, other: _Cell) -> bool:
    """Whether two values are of one form: where no column is named, a departure may be taken for an arrival."""
    return _FIGURES.sub("0", cell.value) == _FIGURES.sub("0", other.value) and bool(_FIGURES.search(cell.value))


def _is_money(cell: _Cell) -> bool:
    named = bool(MONEY.search(cell.name)) and bool(_SUM.search(cell.value))
    return named or is_currency(cell.name) or bool(re.search(r"[€£$]", cell.value))


def _apart(cells: Sequence[_Cell], keys: set[int], wanted: set[int], others: Sequence[Mapping[str, str]]) -> set[int]:
    """Return which other cells tell a row from those with the same `keys`, as far as they do, those with codes last."""
    alike = [row for row in others if all(row.get(cells[place].name) == cells[place].value for place in keys)]
    free = [place for place in range(len(cells)) if place not in keys | wanted]
    more = set[int]()
    for place in sorted(free, key=lambda place: bool(_IDENTIFIER.fullmatch(cells[place].value))):
        left = [row for row in alike if row.get(cells[place].name) == cells[place].value]
        if len(left) < len(alike):
            more.add(place)
            alike = left
    return more


def _by_name(row: str) -> dict[str, str]:
    return {cell.name: cell.value for cell in map(_Cell, row.split(BAR))}


def _roots(text: str) -> frozenset[str]:
    return frozenset(_ENDING.sub("", word.stem) for word in words(text) if word.content)


def _plain(text: str) -> str:
    return f" {' '.join(_PLAIN.findall(text.casefold()))} "
