"""Sums of money as they are written out: pounds, which are weighed too, and currencies of other names. English only."""

import re
from dataclasses import replace
from typing import Final

from dialogue.judges.facts import stem
from dialogue.judges.quantities import Quantity, read
from dialogue.shapes.plan import Fits
from dialogue.shapes.words import CURRENCIES, DIMENSIONS

_WEIGHED: Final = re.compile(r"\b(?:weigh|weight|heav|mass\b|load\b|kg\b|kilo|lbs?\b|ounces?\b|stone\b)", re.IGNORECASE)
_POUNDS: Final = re.compile(r"\bpounds?$", re.IGNORECASE)
STERLING: Final = "pounds sterling"


def is_money(quantity: Quantity) -> bool:
    """Say whether a quantity is a sum of money."""
    return quantity.dimension in DIMENSIONS["money"]


def takes_money(fits: Fits | None) -> bool:
    """Say whether sums of money are among what fits."""
    return fits is not None and fits(Quantity("", 0.0, 1, STERLING))


def sums(text: str) -> list[Quantity]:
    """Return the quantities of a text in which sums of money are looked for: pounds are money where nothing is weighed.

    A currency that is no known unit is the dimension of its sums.
    """
    weighed = bool(_WEIGHED.search(text))
    return [_as_sum(quantity, text, weighed) for quantity in read(text)[0]]


def _as_sum(quantity: Quantity, text: str, weighed: bool) -> Quantity:
    if _POUNDS.search(quantity.text) and not weighed:
        return replace(quantity, dimension=STERLING, size=1.0)
    if quantity.dimension or stem(quantity.noun) not in CURRENCIES:
        return quantity
    named = re.search(rf"{re.escape(quantity.text)}\s+(\w+)", text)
    said = f"{quantity.text} {named[1]}" if named else quantity.text
    return replace(quantity, text=said, dimension=stem(quantity.noun), noun="")
