"""What a column of a table comes to, or is on average, over several rows: named, from one to another, or all of them.

English only. Nothing is worked out where the column, the rows or one of their figures is not clear.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from dialogue.judges.facts import content_stems, stem
from dialogue.judges.quantities import Quantity
from dialogue.judges.telling import CALENDAR
from dialogue.shapes.figures import exact, written_like
from dialogue.shapes.ranked import Worked
from dialogue.shapes.rows import MONEY, is_currency, unyeared, value_in
from dialogue.shapes.tables import Row, Table, quoted, tables
from dialogue.shapes.words import capitalised
from retrieval.tools.library import joined
from retrieval.types import Passage

SHOWN: Final = 12  # rows that are added up, all of which are quoted
NAMED: Final = 4  # rows that are all named
STRANGE: Final = 2  # so many words that a table does not have make it one of something else
_NO_FIGURES: Final = ("year", "ordinal")
_NO_SUMS: Final = (*_NO_FIGURES, "per cent", "celsius", "fahrenheit", "degrees")  # which may have a mean
_ASKS = re.compile(r"\b(?:how (?:many|much)|what|total|sum)\b", re.IGNORECASE)
_MUCH = re.compile(r"\bhow much\b|\bcosts?\b|\bpay\b|\bspen[dt]\b", re.IGNORECASE)
_WHOLE = re.compile(
    r"\b(?:together|altogether|in all|in total|in sum|combined|overall|total|totals|sum|added up|all told)\b",
    re.IGNORECASE,
)
_RANGE = re.compile(
    r"\b(?:from|between) (?P<first>\w[^?!.,;]*?) (?:to|until|till|through|and) (?P<last>\w[^?!.,;]*)", re.IGNORECASE
)
_MEAN = re.compile(r"\b(?:the mean|average)\b", re.IGNORECASE)
_OTHERWISE = re.compile(  # what makes it another question
    r"\b(?:each|every|per|most|least|more|less|fewer|differ\w*|than|chang\w*|not|without)\b|\w+est\b",
    re.IGNORECASE,
)
_PERIOD = re.compile(rf"\b(?:{CALENDAR}|(?:19|20)\d\d|week|quarter|spring|summer|autumn|winter)\b", re.IGNORECASE)
_TOTAL = re.compile(r"(?:grand |sub)?totals?|sum|all|overall", re.IGNORECASE)


def asks_sum(question: str) -> bool:
    """Say whether a question may ask what several figures come to."""
    several = _WHOLE.search(question) or _RANGE.search(question)
    added = bool(several and _ASKS.search(question)) and not _OTHERWISE.search(question)
    return added or bool(_MEAN.search(question))


def sum_of(question: str, passages: Sequence[Passage]) -> Worked | None:
    """Return the sentence that adds up a column over the rows that a question names, with these, None where unclear."""
    mean = bool(_MEAN.search(question))
    for table in tables(passages):
        rows = _rows(question, table, mean)
        column = _column(question, rows) if rows else ""
        if not column or not 2 <= len(rows) <= SHOWN:
            continue
        stated = [value_in(row.cells[column], column) for row in rows]
        values = [value for value in stated if value]
        quantities = unyeared([quantity for _, quantity in values])
        if len(values) < len(rows) or not _alike(quantities, _NO_FIGURES if mean else _NO_SUMS):
            continue
        total, added = sum(map(exact, quantities), start=Fraction(0)), " + ".join(said for said, _ in values)
        if mean:
            total, added = total / len(rows), f"({added}) / {len(rows)}"
        figure = written_like(values[0][0], total)
        names = [row.name for row in rows]
        told = joined(names) if len(names) <= NAMED else f"{names[0]} to {names[-1]}"
        sentence = f"{capitalised(column)} for {told}: {added} = {figure}."
        return sentence, list(dict.fromkeys(offer for row in rows for offer in quoted(row, (column,))))
    return None


def _rows(question: str, table: Table, mean: bool) -> list[Row]:
    """The rows that a question names, or all of the span between two of them; where it names none all periods."""
    plain = [row for row in table.rows if not _TOTAL.fullmatch(row.name)]
    named = [row for row in plain if _says(question, row, plain)]
    span = _RANGE.search(question)
    if span and len(named) == 2 and all(_PERIOD.search(row.name) for row in named):  # from Orby to Tarn is a way
        first, last = (plain.index(row) for row in named)
        return plain[first : last + 1] if _says(span["first"], named[0], plain) else []
    if not named and len(plain) == len(table.rows) and (mean or all(_PERIOD.search(row.name) for row in plain)):
        known = _roots(" ".join([table.title, *(column for row in plain for column in row.cells)]))
        asked = _roots(_MEAN.sub(" ", _WHOLE.sub(" ", question)))
        return plain if len(asked - known) < STRANGE else []
    return named if (mean or _WHOLE.search(question)) and len(named) > 1 else []


def _says(text: str, row: Row, rows: Sequence[Row]) -> bool:
    """Whether a text says the name of a row, or a word of it that no other row has: "the Wren", of rowing boats."""
    if re.search(rf"\b{re.escape(row.name)}(?:e?s)?\b", text, re.IGNORECASE):
        return True
    others = frozenset[str]().union(*(content_stems(other.name) for other in rows if other.name != row.name))
    own = {one for one in content_stems(row.name) - others if one.isalpha() and len(one) > 2}
    return bool(own & content_stems(text))


def _column(question: str, rows: Sequence[Row]) -> str:
    """The one column of figures whose name shares most with a question, of a price that of money where it is one."""
    asked = _roots(question) - _roots(" ".join(row.name for row in rows))
    names = [name for name in rows[0].cells if all(value_in(row.cells.get(name, ""), name) for row in rows)]
    shared = {name: len(asked & _roots(name)) for name in names}
    best = [name for name in names if shared[name] and shared[name] == max(shared.values())]
    if not best and _MUCH.search(question):
        best = [name for name in names if MONEY.search(name) or is_currency(name)]
    return best[0] if len(best) == 1 and not _MEAN.search(best[0]) else ""


def _roots(text: str) -> frozenset[str]:
    """The stems of a text, those of its stems too: "takings" are what was taken."""
    return frozenset(stem(one) for one in content_stems(text))


def _alike(quantities: Sequence[Quantity], barred: Sequence[str]) -> bool:
    """Whether quantities are of one measure, and of none that is barred."""
    kinds = {(quantity.dimension, quantity.size) for quantity in quantities}
    return len(kinds) == 1 and quantities[0].dimension not in barred
