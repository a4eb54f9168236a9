"""Rows of tables as facts: which cell a question asks for, and which rows it asks for all of."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dialogue.judges.answers import Offer
from dialogue.judges.facts import content_stems, stem, words
from dialogue.judges.quantities import Quantity, read
from dialogue.shapes.plan import Fits
from dialogue.shapes.words import measures
from dialogue.units import units
from retrieval.text import BAR
from retrieval.tools.units import unit
from retrieval.types import Passage

MONEY = re.compile(r"\b(?:price|cost|fee|fare|rent|rate|charge)s?\b", re.IGNORECASE)
OFTEN = re.compile(r"\b(?:every|interval|frequency|each)\b", re.IGNORECASE)  # of times, how far they are apart
_AMOUNT = re.compile(r"(?:about |[^\d\w]|[A-Z]{3} )?\d[\d.,]*(?: ?[^\W\d]+| ?[€£$%°]\w?){0,3}")
YES = frozenset({"yes", "y", "x", "true", "✓", "✔"})
NO = frozenset({"no", "n", "false", "-", "–", "none"})
LACKS = re.compile(  # a cell that says that there is none
    r"[-–—]|n/?a|none|not (?:available|offered|possible)|no (?!charge|fee|cost)[a-z ]+", re.IGNORECASE
)
DENIED = re.compile(r"\b(?:not|no|never|without|except)\b|n['’]t\b", re.IGNORECASE)
_COMMA = re.compile(r"(?<![\d.,])(\d+),(\d{1,2})(?![\d,])")


def cells(text: str) -> dict[str, str]:
    """Return the cells of a row by the names of their columns, {} for what is no row with names."""
    if BAR not in text:
        return {}
    named = [cell.partition(": ") for cell in " ".join(text.split()).split(BAR)]
    return {name: value for name, colon, value in named if colon}


def cell_of(
    text: str, question: str, money: bool, fits: Fits | None = None, dates: bool = False
) -> tuple[str, Quantity] | None:
    """Return what stands in the one column that a question names, with its quantity and the unit of its column.

    A column may be named by what an adjective measures, "How long" by "Length". Where none is named, it is the one
    column of sums of `money`, or else of quantities that fit, or of years where `dates` are asked for.
    """
    row = cells(text)
    asked = content_stems(question)
    asked = asked.union(*(measures(word.text) for word in words(question)))
    held = {name: value for name, cell in row.items() if (value := value_in(cell, name))}
    chosen = [name for name in held if content_stems(name) & asked]
    if not chosen and money:
        chosen = [name for name in held if MONEY.search(name)] or [name for name in held if is_currency(name)]
    elif not chosen and fits:
        chosen = [name for name, (_, quantity) in held.items() if quantity.dimension and fits(quantity)]
        chosen = [name for name in chosen if not OFTEN.search(name)]
    if dates:
        chosen = [name for name, (_, quantity) in held.items() if quantity.dimension == "year"]
    elif len(chosen) > 1:
        chosen = [name for name in chosen if fits and fits(held[name][1])] or chosen
        plainest = min(len(words(name)) for name in chosen)  # of "Rooms" and "Double room (EUR)" the former
        chosen = [name for name in chosen if len(words(name)) == plainest]
    return held[chosen[0]] if len(chosen) == 1 else None


def is_currency(column: str) -> bool:
    """Say whether a column is in something that is no measure: "Double room (lor)"."""
    named = re.search(r"\(([^\W\d_]{2,5})\)$", column)
    return named is not None and not unit(named[1].casefold())


def name_in(row: Mapping[str, str], noun: str) -> str:
    """Return what the thing of a row is called: the cell of the column that its kind names, or "Name", else the first.

    A column of numbers names nothing where another does.
    """
    lettered = {name: cell for name, cell in row.items() if any(sign.isalpha() for sign in cell)}
    for kind in (stem(noun), stem("name")):
        for name, cell in lettered.items():
            if kind in {word.stem for word in words(name)}:
                return cell
    first = next(iter(row.items()), ("", ""))
    return first[1]


def value_in(cell: str, name: str) -> tuple[str, Quantity] | None:
    """Return the one quantity of a cell as it is said, a decimal comma read as a point, in the unit of its column."""
    if not _AMOUNT.fullmatch(cell):
        return None
    quantities, dates = read(_COMMA.sub(r"\1.\2", cell))
    if len(quantities) != 1 or dates:
        return None
    sign = -1 if cell[0] in "-−" else 1
    if quantities[0].dimension and not (quantities[0].dimension == "year" and is_currency(name) and "AD" not in name):
        return cell, replace(quantities[0], value=sign * quantities[0].value)
    named = re.search(r"(?:^|[\s(/\[])([^\W\d_]+)[)\]]?$", name)
    money = is_currency(name)
    spelt = f"°{named[1]}" if named and named[1] in ("C", "F") else named[1] if named else ""
    said = f"{cell} {spelt}" if named and (money or unit(named[1].casefold())) else cell
    measured = read(_COMMA.sub(r"\1.\2", said.casefold()))[0]
    if said != cell and len(measured) == 1 and measured[0].dimension:
        at = said.casefold().find(measured[0].text)
        text = said[at : at + len(measured[0].text)] if at >= 0 else measured[0].text
        return said, replace(measured[0], text=text, value=sign * measured[0].value)
    return (said if money else cell), replace(quantities[0], value=sign * quantities[0].value, dimension="", noun="")


def unyeared(quantities: Sequence[Quantity]) -> list[Quantity]:
    """Return the quantities of a column, 2,050 as a number like the others unless all may be years."""
    if all(quantity.dimension == "year" for quantity in quantities):
        return list(quantities)
    return [replace(q, dimension="", noun="") if q.dimension == "year" else q for q in quantities]


def rows_of(question: str, passages: Sequence[Passage]) -> list[tuple[Passage, Offer]]:
    """Return the rows of the first table that has several with one and the same cell whose words the question says.

    Of a column of yes and no they are those that say yes, of a question that denies those that say no; what else it
    says of them narrows these down. At least half of what it asks is said by titles, columns and that cell.
    """
    asked = content_stems(question)
    denied = bool(DENIED.search(question))
    for source in dict.fromkeys(passage.source for passage in passages):
        said = dict[tuple[str, str], list[tuple[Passage, Offer]]]()
        ticked = dict[str, list[tuple[Passage, Offer]]]()
        for passage in sorted((p for p in passages if p.source == source), key=lambda each: each.start):
            for offer in units(passage):
                for name, value in cells(offer.text).items():
                    if (
                        value.casefold() in (NO if denied else YES)
                        and content_stems(name)
                        and content_stems(name) <= asked
                    ):
                        ticked.setdefault(name, []).append((passage, offer))
                    elif (
                        not denied
                        and any(sign.isalpha() for sign in value)
                        and frozenset() < content_stems(value) <= asked
                        and 2 * len(asked & _about(offer, value)) >= len(asked)
                    ):
                        said.setdefault((name, value), []).append((passage, offer))
        if ticked:
            rows = min(ticked.values(), key=len)
            for more in [*ticked.values(), *said.values()]:
                rows = [row for row in rows if row in more] or rows
            return rows
        several = [rows for rows in said.values() if len(rows) > 1]
        if several:
            return max(several, key=len)
    return []


def _about(offer: Offer, value: str = "") -> frozenset[str]:
    """The stems of what a row stands under, its titles and its columns, and of a cell."""
    return content_stems(" ".join((offer.page.title, *cells(offer.text), value)))


def rows_of_kind(noun: str, passages: Sequence[Passage]) -> list[tuple[Passage, Offer]]:
    """Return the rows of the first table that has a column of that name, one for each of its cells; else those in which
    what the row is of is called so. The other words of the noun stand in the table's titles or columns."""
    if not noun:
        return []
    kind, *others = [stem(word) for word in reversed(noun.casefold().split())]
    for source in dict.fromkeys(passage.source for passage in passages):
        named: dict[str, tuple[Passage, Offer]] = {}
        called: dict[str, tuple[Passage, Offer]] = {}
        for passage in sorted((p for p in passages if p.source == source), key=lambda each: each.start):
            for offer in units(passage):
                row = cells(offer.text)
                about = {word.stem for text in (offer.page.title, *row) for word in words(text)}
                if not set(others) <= about:
                    continue
                for name, cell in row.items():
                    if kind in {word.stem for word in words(name)} and any(sign.isalpha() for sign in cell):
                        named.setdefault(cell, (passage, offer))
                        break
                if row and kind in {word.stem for word in words(name_in(row, noun))}:
                    called.setdefault(name_in(row, noun), (passage, offer))
        several = named if len(named) > 1 else called
        if len(several) > 1:
            return list(several.values())
    return []


def rows_called(noun: str, asked: frozenset[str], passages: Sequence[Passage]) -> list[tuple[Passage, Offer]]:
    """Return the rows of the first table that has a column of that name, where its titles say half of the rest `asked`.

    What is asked of another column is asked of some of the rows.
    """
    found = rows_of_kind(noun, passages)
    if not found:
        return []
    columns, title = content_stems(" ".join(cells(found[0][1].text))), content_stems(found[0][1].page.title)
    rest = asked - content_stems(noun)
    return found if rest and not rest & columns - title and 2 * len(rest & title) >= len(rest) else []


def rows_under(asked: frozenset[str], passages: Sequence[Passage]) -> list[tuple[Passage, Offer]]:
    """Return the rows of the first table whose title and headings say what is `asked`, stems, all but one of them.

    The heading that it stands under says some of it: "Films", in what is about her, for which films she made.
    """
    for source in dict.fromkeys(passage.source for passage in passages):
        found: dict[str, list[tuple[Passage, Offer]]] = {}
        for passage in sorted((p for p in passages if p.source == source), key=lambda each: each.start):
            heading = content_stems(passage.headings[-1]) if passage.headings else frozenset[str]()
            if (
                heading
                and heading <= asked
                and len(asked - content_stems(" ".join((passage.title, *passage.headings)))) < 2
            ):
                rows = [(passage, offer) for offer in units(passage) if cells(offer.text)]
                found.setdefault(passage.headings[-1], []).extend(rows)
        several = [rows for rows in found.values() if len(rows) > 1]
        if several:
            return several[0]
    return []
