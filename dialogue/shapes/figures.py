"""Figures of what is worked out: exact, and written as those are from which they come."""

import re
from fractions import Fraction

from dialogue.judges.quantities import Quantity
from retrieval.tools.arithmetic import Number, written


def exact(quantity: Quantity) -> Fraction:
    """Return the value of a quantity in its own unit."""
    return Fraction(str(quantity.value)) if quantity.value != int(quantity.value) else Fraction(int(quantity.value))


def grouped(value: Fraction) -> str:
    """Return a figure with commas between thousands."""
    figure = written(Number(value))
    whole, point, rest = figure.partition(".")
    return f"{int(whole):,}{point}{rest}" if re.fullmatch(r"-?\d+", whole) else figure


def written_like(said: str, value: Fraction) -> str:
    """Return a value written as another is: "£2.50" for "£5"; sums of money in hundredths."""
    rounded = Fraction(round(value * 100), 100)
    figure = grouped(rounded)
    if re.search(r"[£€$]|euro|dollar|pound", said) and re.search(r"\.\d$", figure):
        figure += "0"
    return re.sub(r"\d[\d,.]*\d|\d", lambda _: figure, said, count=1)
