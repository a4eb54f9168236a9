"""The calculator of the toolset: sums, percentages, units and dates in a question, worked out exactly.

What is no sum gives nothing: better one question missed than a number in the place of an answer. ``24/7``, ``9-11`` and
``4x4`` without spaces are sums only where the question says so ("calculate 24/7"). What is one and has no value, or
none in range, is answered with that, lest the documents be searched for its numbers.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final

from retrieval.tools.arithmetic import LONGEST, NUMBER, NoSum, NoValue, Number, read_number, work_out, written
from retrieval.tools.dates import about_dates
from retrieval.tools.toolset import stated
from retrieval.tools.units import Unit, convert, named, unit
from retrieval.types import Evidence

SOURCE: Final = "calculator"

_OPENING = re.compile(
    r"(?:(?:please|hey|hi|hello|ok|okay|and|so|well|now|then|candor|can you|could you|would you|tell me|say)[\s,:]+)*"
    r"(?:(?:(?P<told>calculate|compute|work out|evaluate|solve|how much (?:is|are|does|would)|how many (?:is|are))|"
    r"(?:what|how much)(?:\s+(?:is|are|was|would be|does|do)|'s|s)(?:\s+the (?:result|value|sum|answer) (?:of|to))?|"
    r"the (?:result|value) of)[\s:]+)?",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"(?P<told>\s*=)?\s*(?:(?:equal|make|give|come)s?(?: to)?|be|please|now)?[\s?=.!]*$", re.IGNORECASE
)
_WORDS: Final = (
    (r"\bto the power of\b|\braised to\b", " ^ "),
    (r"\b(?:multiplied by|times)\b", " * "),
    (r"\b(?:divided by|over)\b", " / "),
    (r"\b(?:plus|and add)\b", " + "),
    (r"\bminus\b", " - "),
    (r"\bsquared\b", " ^ 2"),
    (r"\bcubed\b", " ^ 3"),
    (r"²", " ^ 2"),
    (r"³", " ^ 3"),
    (r"\b(?:the )?factorial of (\d+)", r"\1!"),
    (r"\b(\d+) factorial\b", r"\1!"),
    (r"\b(?:the )?square root of\b|√", " sqrt "),
    (r"\s*\b(?:percent|per cent)\b", "%"),
    (r"(?<=[\d)])\s*[x×]\s*(?=[\d(.])", " * "),
    (r"\b(?P<whole>a |one )?half of\b", " 50% of "),
)
_UNCLEAR = re.compile(r"(?!\d+/0+$)\d+(?:[-–/x]\d+)+|\d+(?:\.\d+)?%?")  # a date, a range, a name; or one number
_SIGN = re.compile(r"[-+*/^%×÷·−!]|sqrt")
_FACTORIAL = re.compile(r"(?<=[\d)])!(?!!)")
_LONG_SUM = re.compile(r"[\d\s.,()+*/^%×÷·−√!eE=?-]+")
_TERMS = re.compile(r"\d\)?\s?[+*×÷^]\s?[\d(.√-]")
_SHARE = re.compile(
    rf"(?:what (?:percent|percentage) (?:of (?P<b>{NUMBER}) is (?P<a>{NUMBER})|is (?P<c>{NUMBER}) of (?P<d>{NUMBER}))|"
    rf"(?P<e>{NUMBER}) is what (?:percent|percentage) of (?P<f>{NUMBER}))",
    re.IGNORECASE,
)
_NAME = r"[a-zµ°²³/][a-zµ°²³0-9/ -]{0,24}?"
_AMOUNT = rf"(?P<value>[-−]?(?:{NUMBER})|an?|one)\s*(?P<source>{_NAME})"
_CONVERSIONS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?:convert |change |turn )?{_AMOUNT}\s+(?:in|into|to|as|expressed in)\s+(?P<target>{_NAME})",
        rf"(?:how many|how much) (?P<target>{_NAME}) (?:is|are|are in|is in|are there in|in|make|makes|make up|equal) "
        rf"{_AMOUNT}",
    )
)


@dataclass(frozen=True)
class Calculator:
    """A Tool that works out sums, percentages, units and dates. `today` tells the date of "today"."""

    today: Callable[[], date] = date.today

    def look_up(self, query: str) -> tuple[Evidence, ...]:
        """Return the result as one sentence, () when there is nothing to calculate."""
        text = " ".join(query.replace("’", "'").split())
        if len(text) > LONGEST:
            answer = _too_long(text)
        else:
            today = self.today()
            answer = about_dates(text, today) or about_dates(_request_of(text)[0], today) or _reckoned(text)
        return (stated(answer, SOURCE, "Calculator"),) if answer else ()


def _reckoned(text: str) -> str:
    """The sentence that a sum, a percentage or a conversion comes to, else empty."""
    bare, explicit = _request_of(text)
    try:
        return _share(bare) or _converted(bare) or _converted(text.rstrip(" ?.!")) or _summed(bare, explicit)
    except NoSum:
        return ""


def _request_of(text: str) -> tuple[str, bool]:
    """Return what a question is about, and whether it says that this is to be worked out."""
    opening = _OPENING.match(text)
    rest = text[opening.end() :] if opening else text
    closing = _CLOSING.search(rest)
    explicit = bool(opening and opening["told"]) or bool(closing and closing["told"])
    bare = (rest[: closing.start()] if closing else rest).strip()
    if _FACTORIAL.match(rest, len(bare)) and (rest != text or _SIGN.search(bare)):  # "42!" alone is an exclamation
        bare += "!"
    return bare, explicit


def _too_long(text: str) -> str:
    """What is said of a sum with more signs than are read."""
    opening = _OPENING.match(text)
    long_sum = _LONG_SUM.fullmatch(text, opening.end() if opening else 0) and _TERMS.search(text)
    return f"The sum is out of range: sums are worked out up to {LONGEST} characters." if long_sum else ""


def _summed(text: str, explicit: bool) -> str:
    unclear = _UNCLEAR.fullmatch(text.removesuffix("!")) and not re.fullmatch(r"\d+!", text)
    if unclear and not (explicit and re.search(r"[-–/x]", text)):
        return ""
    for pattern, sign in _WORDS:
        text = re.sub(pattern, sign, text, flags=re.IGNORECASE)
    if not _SIGN.search(text) or not re.search(r"\d", text):
        return ""
    shown = _spaced(text)
    try:
        result = work_out(text)
    except NoValue as error:
        return f"{shown} {error}."
    figures = written(result)
    return f"{shown} {'is' if figures.startswith('about') else 'equals'} {figures}."


def _share(text: str) -> str:
    match = _SHARE.fullmatch(text)
    if match is None:
        return ""
    part, whole = (match["a"] or match["c"] or match["e"]), (match["b"] or match["d"] or match["f"])
    try:
        base, value = read_number(whole), read_number(part)
    except NoValue as error:
        return f"{part} as a percentage of {whole} {error}."
    if base == 0:
        return f"{part} as a percentage of {whole} is not defined, because nothing can be divided by zero."
    percentage = written(Number(value / base * 100))
    return f"{part} is {percentage}% of {whole}."


def _converted(text: str) -> str:
    for pattern in _CONVERSIONS:
        match = pattern.fullmatch(text)
        source, target = (_unit(match["source"]), _unit(match["target"])) if match else (None, None)
        if match is None or source is None or target is None or source.dimension != target.dimension:
            continue
        sign = -1 if match["value"][0] in "-−" else 1
        figure = match["value"].lstrip("-−")
        try:
            amount = sign * (Fraction(1) if figure.casefold() in ("a", "an", "one") else read_number(figure))
        except NoValue as error:
            return f"{match['value']} {source.name} {error}."
        given = named(written(Number(amount)), source)
        try:
            result = convert(amount, source, target)
        except ValueError as error:
            return f"{given} is {error}."
        figures = written(Number(result))
        verb = "is" if figures.startswith("about") else "equals"
        return f"{given} {verb} {named(figures, target)}."
    return ""


def _unit(spelling: str) -> Unit | None:
    return unit(spelling) or unit(re.sub(r"^(?:the|an?) ", "", spelling))


def _spaced(text: str) -> str:
    """A sum with one space around its signs."""
    text = re.sub(r"\*\*", "^", text.replace("×", "*").replace("÷", "/").replace("−", "-"))
    text = re.sub(r"(?<=[\d)%!])\s*([-+*/^])\s*", r" \1 ", text)
    return re.sub(r"\s+%", "%", " ".join(text.split())).replace("( ", "(").replace(" )", ")")
