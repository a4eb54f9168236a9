"""Sums as text to exact numbers: a parser of its own grammar over fractions, and numbers back to text.

    sum     = product {("+" | "-") product}         a percentage added or taken away is one of what stands before it
    product = power {("*" | "/" | "of") power}
    power   = ["-" | "+"] value ["^" power]
    value   = (number | "(" sum ")" | "sqrt" ["-"] value) {"%" | "!"}

Nothing of a text is ever executed, and every step is bounded in size. Knows nothing of words, units or dates.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction
from functools import partial
from typing import Final

LONGEST: Final = 300  # characters of a sum
DEEPEST: Final = 40  # nested brackets, signs and powers
MOST_BITS: Final = 4096  # of a numerator or denominator, some 1,200 digits
DIGITS: Final = 12  # significant ones of what has no exact decimal
WIDEST: Final = 60  # digits that are written out
LARGEST: Final = 400  # decimal exponent of a number that is read
_LARGEST_FACTORIAL: Final = 1000

NUMBER: Final = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][+-]?\d+(?![\w.]))?|\.\d+"
_TOKEN = re.compile(rf"\s*(?:(?P<number>{NUMBER})(?![\w.])|(?P<sign>\*\*|[-+*/^()%!])|(?P<word>of|sqrt)\b)")
_SIGNS = str.maketrans({"×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-", "–": "-", "∕": "/"})
_ROUNDED = Context(prec=DIGITS)
_FINE = Context(prec=40)


class NoSum(ValueError):
    """The text is not a calculation."""


class NoValue(ValueError):
    """A sum, but one without a value here; the message says why in words that follow it: ``is out of range: …``."""


_BY_ZERO: Final = "is not defined, because nothing can be divided by zero"
_TOO_LARGE: Final = "is out of range: the calculator goes as far as numbers of some 1,200 digits"
_TOO_DEEP: Final = f"is out of range: brackets, signs and powers are worked out up to {DEEPEST} deep"
_NO_ROOT: Final = "has no real value, because nothing negative has a real square root"
_NO_POWER: Final = "is out of range: powers of negative numbers are worked out for whole exponents alone"
_NO_FACTORIAL: Final = "is not defined, because only whole numbers from 0 have a factorial"


@dataclass(frozen=True, slots=True)
class Number:
    """A value; `exact` is whether nothing was rounded on the way to it."""

    value: Fraction
    exact: bool = True


def work_out(text: str) -> Number:
    """Return the value of a sum.

    Raises NoSum when it is not a calculation, NoValue when it has no value or one out of range.
    """
    if len(text) > LONGEST:
        raise NoSum(f"longer than {LONGEST} characters")
    parser = _Parser(_tokens(text.translate(_SIGNS)))
    number, _ = parser.sum()
    if parser.place < len(parser.tokens):
        raise NoSum(f"{parser.tokens[parser.place]!r} was not expected")
    if parser.trouble:
        raise parser.trouble
    return number


def read_number(text: str) -> Fraction:
    """Return the value of text that matches NUMBER. Raises NoValue where it is out of range."""
    try:
        value = Decimal(text.replace(",", ""))
    except InvalidOperation:  # an exponent of twenty digits
        value = Decimal(f"1e{2 * LARGEST}")
    if value and (abs(value.adjusted()) > LARGEST or len(text) > LONGEST):
        raise NoValue(f"is out of range: numbers are read from 10^-{LARGEST} to 10^{LARGEST}")
    return Fraction(value) if value else Fraction(0)


def written(number: Number) -> str:
    """Return a value in digits: in full where it has a decimal that is not too long, else rounded, after "about"."""
    value, exact = number.value, number.exact
    twos_and_fives = value.denominator
    for factor in (2, 5):
        while twos_and_fives % factor == 0:
            twos_and_fives //= factor
    places = value.denominator.bit_length()
    if exact and twos_and_fives == 1 and len(str(abs(value.numerator))) + places <= WIDEST * 3:
        text = _plain(Context(prec=WIDEST * 4).divide(Decimal(value.numerator), Decimal(value.denominator)))
        if len(text) <= WIDEST:
            return text
    rounded = _ROUNDED.divide(Decimal(value.numerator), Decimal(value.denominator))
    if -7 <= rounded.adjusted() < 21:
        return f"about {_plain(rounded)}"
    mantissa, _, exponent = f"{rounded.normalize(_ROUNDED):E}".partition("E")
    return f"about {mantissa} × 10^{int(exponent)}"


def _plain(value: Decimal) -> str:
    """Digits without an exponent and without zeros at the end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _tokens(text: str) -> list[str]:
    found, place = [], 0
    text = text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise NoSum(f"{text[place : place + 20]!r} is no part of a sum")
        found.append("^" if match[0].strip() == "**" else match[0].strip())
        place = match.end()
    return found


class _Parser:
    """Reads the tokens of one sum from left to right. Every method returns a value and whether it is a bare percentage.

    A step without a value is kept as `trouble` and reading goes on, for only a text that is a sum to its end has one.
    """

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.place = 0
        self.depth = 0
        self.trouble: NoValue | None = None

    def step(self, make: Callable[[], Number]) -> Number:
        """The result of one step, or 1 in the place of one that has none."""
        try:
            return make()
        except (NoValue, ZeroDivisionError) as error:
            self.trouble = self.trouble or (error if isinstance(error, NoValue) else NoValue(_BY_ZERO))
            return Number(Fraction(1))

    def sum(self) -> tuple[Number, bool]:
        left, percentage = self.product()
        while sign := self.take("+", "-"):
            right, share = self.product()
            amount = right.value * left.value if share and not percentage else right.value
            value = left.value + amount if sign == "+" else left.value - amount
            exact = left.exact and right.exact
            left, percentage = self.step(partial(_bounded, value, exact)), percentage and share
        return left, percentage

    def product(self) -> tuple[Number, bool]:
        left, percentage = self.power()
        while sign := self.take("*", "/", "of"):
            if sign == "of" and not percentage:
                raise NoSum("only a percentage is taken of something")
            right, _ = self.power()
            left, percentage = self.step(partial(_multiplied, left, sign, right)), False
        return left, percentage

    def power(self) -> tuple[Number, bool]:
        self.deeper()
        sign = self.take("-", "+")
        number, percentage = self.power() if sign else self.value()
        if not sign and self.take("^"):
            exponent, _ = self.power()
            number, percentage = self.step(partial(_raised, number, exponent)), False
        self.depth -= 1
        return (Number(-number.value, number.exact), percentage) if sign == "-" else (number, percentage)

    def value(self) -> tuple[Number, bool]:
        self.deeper()
        if self.take("("):
            number, _ = self.sum()
            if not self.take(")"):
                raise NoSum("a bracket is not closed")
        elif self.take("sqrt"):
            negative = self.take("-")
            under = self.value()[0]
            under = Number(-under.value, under.exact) if negative else under
            number = self.step(partial(_raised, under, Number(Fraction(1, 2))))
        elif self.place < len(self.tokens) and re.fullmatch(NUMBER, self.tokens[self.place]):
            number = self.step(partial(_read, self.tokens[self.place]))
            self.place += 1
        else:
            raise NoSum("a number is missing")
        percentage, last = False, ""
        while sign := self.take("%", "!"):
            if sign == last == "!":
                raise NoSum("a double factorial, or an exclamation")
            last, percentage = sign, sign == "%"
            number = Number(number.value / 100, number.exact) if percentage else self.step(partial(_factorial, number))
        self.depth -= 1
        return number, percentage

    def take(self, *signs: str) -> str:
        """The next token if it is one of these, which is then done with; else empty."""
        if self.place < len(self.tokens) and self.tokens[self.place] in signs:
            self.place += 1
            return self.tokens[self.place - 1]
        return ""

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise NoValue(_TOO_DEEP)


def _bounded(value: Fraction, exact: bool) -> Number:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MOST_BITS:
        raise NoValue(_TOO_LARGE)
    return Number(value, exact)


def _read(figure: str) -> Number:
    return Number(read_number(figure))


def _multiplied(left: Number, sign: str, right: Number) -> Number:
    value = left.value / right.value if sign == "/" else left.value * right.value
    return _bounded(value, left.exact and right.exact)


def _factorial(number: Number) -> Number:
    if number.value < 0 or number.value.denominator != 1:
        raise NoValue(_NO_FACTORIAL)
    if number.value > _LARGEST_FACTORIAL:
        raise NoValue(_TOO_LARGE)
    return _bounded(Fraction(math.factorial(int(number.value))), number.exact)


def _raised(base: Number, exponent: Number) -> Number:
    """Return a power: exact for whole exponents and roots of squares, else to 40 digits, of which fewer are shown."""
    power, exact = exponent.value, base.exact and exponent.exact
    if power.denominator == 1:
        size = max(base.value.numerator.bit_length(), base.value.denominator.bit_length())
        if (size - (abs(base.value) == 1)) * abs(power.numerator) > MOST_BITS:
            raise NoValue(_TOO_LARGE)
        return _bounded(base.value ** int(power), exact)
    if base.value < 0:
        raise NoValue(_NO_POWER if power.denominator % 2 else _NO_ROOT)
    if abs(power) > 1000 or base.value.numerator.bit_length() > 1024:
        raise NoValue(_TOO_LARGE)
    if base.value == 0:
        if power < 0:
            raise ZeroDivisionError
        return Number(Fraction(0), exact)
    root = _FINE.power(_decimal(base.value), _decimal(power))
    if not root.is_finite() or abs(root.adjusted()) > 400:
        raise NoValue(_TOO_LARGE)
    near = Fraction(root).limit_denominator(10**9)
    whole = power.denominator <= 16 and near**power.denominator == base.value**power.numerator
    return Number(near, exact) if whole else Number(Fraction(root), False)


def _decimal(value: Fraction) -> Decimal:
    return _FINE.divide(Decimal(value.numerator), Decimal(value.denominator))
