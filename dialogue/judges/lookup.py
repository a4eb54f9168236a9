"""A row looked up by its key: the question names what the row is of and a column of it, and nothing that is not there.

Compared by words and signs alone: of a hundred thousand rows that differ in a digit, an embedding tells none from the
next.
"""

import re
from calendar import day_name, month_name
from collections.abc import Sequence, Set

from dialogue.judges.facts import stem, words
from dialogue.shapes.words import measures
from retrieval.text import BAR

LOOKED_UP = 0.9  # probability that the one row which a question looks up answers it
ASIDE = 0.6  # likewise where the question names no cell that says which row it is, but one of what it is for
LOOSE = 3  # one in so many words of a question that names an identifier may stand nowhere in the row
_WHICH = re.compile(r"\b(?:which|what|how many) (\w+)", re.IGNORECASE)
_DOES = re.compile(r"\b(?:do|does|did)\b", re.IGNORECASE)
_TOTAL = re.compile(r"(?:grand )?totals?|sum", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d\d")
_DATE = re.compile(  # 8 June 2027, 2027-06-08
    rf"(?:(?:{'|'.join(day_name)}),? )?0?(?P<day>\d{{1,2}})\.? (?P<month>{'|'.join(month_name[1:])}) (?P<year>\d{{4}})|"
    r"(?P<year_of_iso>\d{4})-(?P<number>0[1-9]|1[0-2])-(?P<day_of_iso>\d\d)"
)
_LETTERS = re.compile(r"[^\W\d_]{3}")
_PLAIN = re.compile(r"[^\W_]+")
_SIGN = re.compile(r"[\w./-]*\d[\w./-]*")
_BESIDE = re.compile(r"\([^()]*\)|[\[\]_.]")
_ACTOR = re.compile(r"(?:er|or)$")
_GENERIC = frozenset(
    map(stem, "give tell show list find look have need please number many much value entry row".split())
)
_COMMON = frozenset(map(stem, "name number no id kind type date value per unit".split()))


def looked_up(question: str, rows: Sequence[tuple[str, str]]) -> int | None:
    """Return which of the rows, each with the titles that it stands under, a question looks up; None for no single one.

    A row is looked up where a cell of it stands in the question word for word, the name of another cell does so as
    well, or what an adjective of it measures, and so does every figure and identifier of the question in the row, but
    for the year of a total. Other words of the question have to stand in the row or its titles, but for the verb that
    ends a question for which column it is ("At which berth does the Gannet lie?"); beside an identifier one in LOOSE
    need not, unless another row holds it. Nor need the verb that ends a question ("does it use").
    """
    others = frozenset(_stems(" ".join(row for row, _ in rows if BAR in row)))
    found = [place for place, (row, title) in enumerate(rows) if BAR in row and _is_asked(question, row, title, others)]
    return found[0] if len({rows[place][0] for place in found}) == 1 else None


def likely(question: str, row: str) -> float:
    """Return how likely a row that is looked up answers: less by a cell behind those that say which row it is."""
    cells, said = _cells(row), _plain(question)
    worded = [place for place, (_, value) in enumerate(cells) if _LETTERS.search(value)][:1]
    first = any(_plain(cells[place][1]) in said for place in {0, *worded})
    return LOOKED_UP if first else ASIDE


def of_other_keys(question: str, rows: Sequence[tuple[str, str]]) -> set[int]:
    """Return which of the rows, each with the titles that it stands under, are of another key than the question names.

    A key is a cell that stands in the question word for word, in a column where no two rows of the table are alike; a
    mere number is one only where the question says the name of its column too.
    """
    tables: dict[tuple[str, ...], dict[int, list[tuple[str, str]]]] = {}
    for place, (row, title) in enumerate(rows):
        if BAR in row:
            cells = _cells(row)
            tables.setdefault((title, *(name for name, _ in cells)), {})[place] = cells
    asked, said, found = set(_stems(question)), _plain(question), set[int]()
    for table in tables.values():
        for column in range(min(map(len, table.values()))):
            values = {place: _as_said(cells[column][1], said) for place, cells in table.items()}
            name = set(_stems(next(iter(table.values()))[column][0]))
            keys = {value for value in values.values() if value in said and (_LETTERS.search(value) or name & asked)}
            if keys - {" "} and len({*values.values()}) == len({row for row, _ in map(rows.__getitem__, table)}):
                found |= {place for place, value in values.items() if value not in keys}
    return found


def _cells(row: str) -> list[tuple[str, str]]:
    parted = (cell.rpartition(": ") for cell in row.split(BAR))
    return [(name, value) for name, _, value in parted]


def _is_asked(question: str, row: str, title: str, others: Set[str]) -> bool:
    cells = _cells(row)
    said = _plain(question)
    keys = [place for place, (_, value) in enumerate(cells) if _PLAIN.search(value) and _as_said(value, said) in said]
    content = [word for word in words(question) if word.content and word.stem not in _GENERIC]
    asked = {word.stem for word in content}
    measured = {word.stem: measures(word.text) for word in words(question)}
    roots = {_ACTOR.sub("", one) for one in asked}
    names = {_ACTOR.sub("", one) for one in asked.union(*measured.values())} - _COMMON
    named = [
        place
        for place, (name, _) in enumerate(cells)
        if place not in keys and {_ACTOR.sub("", one) for one in _stems(name)} & names
    ]
    if not keys or not named:
        return False
    spelt = "".join(_as_said(cells[place][1], said) for place in keys)
    text = _plain(row) + spelt
    total = any(_TOTAL.fullmatch(cells[place][1]) for place in keys)
    years = {sign for sign in signs(question) if total and _YEAR.fullmatch(sign)}  # of the table
    if any(_plain(sign) not in text for sign in signs(question) if sign not in years):
        return False
    there = {_ACTOR.sub("", one) for one in (*_stems(row), *_stems(title), *_stems(spelt))}
    beside = {one for one in roots - there - years if not measured.get(one, frozenset()) & there}
    *_, noun, verb = (*words(question)[:1], *words(question))
    if noun.content and _DOES.search(question):  # "How much water does the Glass programme use?"
        beside -= {_ACTOR.sub("", verb.stem)}
    column = _WHICH.search(question)
    if column and stem(column[1]) in {one for place in named for one in _stems(cells[place][0])}:
        *_, before, last = words(question)
        if before.stem in {one for place in keys for one in _stems(cells[place][1])}:
            beside -= {_ACTOR.sub("", last.stem)}
    exact = any(_is_identifier(cells[place][1]) for place in keys) and not (asked - set(_stems(row))) & others
    return len(beside) <= (max(1, len(asked) // LOOSE) if exact else 0)


def signs(text: str) -> list[str]:
    """Return the figures and identifiers of a text, without the marks around them."""
    return [sign.strip("./-") for sign in _SIGN.findall(text)]


def _is_identifier(value: str) -> bool:
    """Whether a cell is one sign with a digit in it, and no mere small number."""
    return " " not in value and sum(map(str.isdigit, value)) > 0 and len(value) > 3


def _stems(text: str) -> list[str]:
    return [word.stem for word in words(_BESIDE.sub(" ", text)) if word.content]


def _as_said(value: str, said: str) -> str:
    """A cell as a question may say it: a date in words, without its year where the question names none."""
    date = _DATE.fullmatch(value)
    if date is None:
        return _plain(value)
    year = f" {date['year'] or date['year_of_iso']}" if re.search(rf" {_YEAR.pattern} ", said) else ""
    month, day = date["month"] or month_name[int(date["number"])], int(date["day"] or date["day_of_iso"])
    forms = [_plain(f"{day} {month}{year}"), _plain(f"{month} {day}{year}"), _plain(value)]
    return next((form for form in forms if form in said), forms[-1])


def _plain(text: str) -> str:
    return f" {' '.join(_PLAIN.findall(text.casefold()))} "
