"""Rows of tables as facts: which cell a question asks for, and which rows it asks for all of."""

import re
from collections.abc import Sequence
from dataclasses import replace

from dialogue.judges.answers import Offer
from dialogue.judges.facts import words
from dialogue.judges.quantities import Quantity, read
from dialogue.units import units
from retrieval.text import BAR
from retrieval.types import Passage

_MONEY = re.compile(r"\b(?:price|cost|fee|fare|rent|rate|charge)s?\b", re.IGNORECASE)
_AMOUNT = re.compile(r"(?:about |[^\d\w]|[A-Z]{3} )?\d[\d.,]*(?: ?[^\W\d]+| ?[€£$%°]\w?){0,3}")
_COMMA = re.compile(r"(?<![\d.,])(\d+),(\d{1,2})(?![\d,])")


def cells(text: str) -> dict[str, str]:
    """Return the cells of a row by the names of their columns, {} for what is no row with names."""
    if BAR not in text:
        return {}
    named = [cell.partition(": ") for cell in " ".join(text.split()).split(BAR)]
    return {name: value for name, colon, value in named if colon}


def cell_of(text: str, question: str, money: bool) -> tuple[str, Quantity] | None:
    """Return what stands in the one column that a question names, with its quantity; for sums of `money`, of prices."""
    row = cells(text)
    asked = {word.stem for word in words(question) if word.content}
    named = [name for name in row if {word.stem for word in words(name) if word.content} & asked]
    chosen = (
        named if any(_value(row[name]) for name in named) else [name for name in row if money and _MONEY.search(name)]
    )
    found = [(row[name], quantity) for name in chosen if (quantity := _value(row[name]))]
    return found[0] if len(found) == 1 else None


def _value(cell: str) -> Quantity | None:
    """The one quantity of a cell, a decimal comma read as a point."""
    if not _AMOUNT.fullmatch(cell):
        return None
    quantities, dates = read(_COMMA.sub(r"\1.\2", cell))
    if len(quantities) != 1 or dates:
        return None
    return quantities[0] if quantities[0].dimension else replace(quantities[0], noun="")


def rows_of(question: str, passages: Sequence[Passage]) -> list[tuple[Passage, Offer]]:
    """Return the rows of the first table that has several with one and the same cell whose words the question says."""
    asked = {word.stem for word in words(question) if word.content}
    for source in dict.fromkeys(passage.source for passage in passages):
        found: dict[tuple[str, str], list[tuple[Passage, Offer]]] = {}
        for passage in sorted((p for p in passages if p.source == source), key=lambda each: each.start):
            for offer in units(passage):
                for name, value in cells(offer.text).items():
                    said = {word.stem for word in words(value) if word.content}
                    if said and said <= asked and any(sign.isalpha() for sign in value):
                        found.setdefault((name, value), []).append((passage, offer))
        several = [rows for rows in found.values() if len(rows) > 1]
        if several:
            return max(several, key=len)
    return []
