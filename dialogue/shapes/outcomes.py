"""The calculator's sentences of what is compared: which of two is more and by how much, which of all is the most."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from dialogue.judges.quantities import Quantity, comparable
from dialogue.shapes.plan import Value
from dialogue.shapes.words import DIMENSIONS, Degree, capitalised
from retrieval.tools.arithmetic import Number, written

_SEVERAL = re.compile(  # "pensioners", "the trousers"
    r"(?:(?:the|our|my) )?(?!an? |one |the |[A-Z])(?:[a-z]+ )?(?:[a-z]+(?<![sui])s|children|people|men|women)"
)
_MANY = {"is": "are", "has": "have", "costs": "cost", "weighs": "weigh", "pays": "pay"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a thing, with `{}` in the thing's place, and how what is found is compared."""

    question: str
    degree: Degree | None
    noun: str = ""
    by: str = ""
    verb: str = ""  # what a thing does that is more or less


def verdict(values: Sequence[Value], asked: Asked) -> str:
    """Return the sentence that names the winner and the difference, "" where the two cannot be compared."""
    first, second = values
    sizes = _sizes(values)
    if sizes is None:
        return ""
    apart = _apart(first, second, sizes)
    if sizes[0] == sizes[1]:
        return f"The two are alike: {first.said}."
    if asked.degree is None:
        high, low = (first, second) if sizes[0] > sizes[1] else (second, first)
        return f"The difference is {apart}: {high.said} for {high.label} against {low.said} for {low.label}."
    low_wins = asked.degree.less != _timed(values, asked)
    won, lost = (first, second) if (sizes[0] < sizes[1]) == low_wins else (second, first)
    verb = "has" if asked.noun else "is"
    if not asked.noun and asked.degree.word in ("more", "less"):
        verb = asked.verb or {"money": "costs", "mass": "weighs"}.get(asked.degree.measure, verb)
    verb = _MANY.get(verb, verb) if _SEVERAL.fullmatch(won.label) else verb
    word = asked.degree.word if not asked.degree.superlative else f"the {asked.degree.word}"
    object_ = f" {asked.noun}" if asked.noun else ""
    article = "a " if asked.degree.measure and asked.noun and not asked.degree.superlative else ""
    against = f"{won.said} against {lost.said}, a difference of {apart}"
    return f"{capitalised(won.label)} {verb} {article}{word}{object_}: {against}."


def confirmed(values: Sequence[Value], asked: Asked) -> str:
    """Return the sentence that says whether the first is more than the second."""
    sentence = verdict(values, asked)
    if not sentence:
        return ""
    return f"{'Yes' if sentence.startswith(capitalised(values[0].label)) else 'No'}. {sentence}"


def extreme(values: Sequence[Value], asked: Asked) -> str:
    """Return the sentence that names the most of all found, "" where they cannot be compared or two share it."""
    sizes = _sizes(values)
    if sizes is None or asked.degree is None or len(values) < 2:
        return ""
    best = (min if asked.degree.less != _timed(values, asked) else max)(sizes)
    if sizes.count(best) > 1:
        return ""
    won = values[sizes.index(best)]
    verb = "has" if asked.noun and asked.verb != "is" else "is"
    rest = f" {asked.noun}" if asked.noun else ""
    others = ", ".join(value.said for value, size in zip(values, sizes, strict=True) if size != best)
    by = f" by “{asked.by}”" if asked.by else ""
    most = f"{verb} the {asked.degree.word}{rest}{by}"
    return f"Of the {len(values)} found, {won.label} {most}: {won.said} against {others}."


def _timed(values: Sequence[Value], asked: Asked) -> bool:
    """Whether what is fast is told by the time that it takes, of which less is more."""
    speed = asked.degree is not None and asked.degree.measure == "speed"
    return speed and any(value.quantity and value.quantity.dimension in ("time", "months") for value in values)


def _sizes(values: Sequence[Value]) -> list[float] | None:
    """The values as numbers that can be compared, None where they cannot."""
    if all(value.year for value in values):
        return [value.moment for value in values]
    quantities = [value.quantity for value in values]
    known = [quantity for quantity in quantities if quantity is not None]
    if len(known) < len(values) or any(value.date for value in values):
        return None
    if not all(comparable(known[0], other) or _unlike_nouns(known[0], other) for other in known[1:]):
        return None
    return [quantity.value * quantity.size for quantity in known]


def _unlike_nouns(one: Quantity, other: Quantity) -> bool:
    return not one.dimension and not other.dimension and not (one.noun and other.noun)


def _apart(first: Value, second: Value, sizes: Sequence[float]) -> str:
    """The difference with its unit."""
    if first.year and second.year:
        years = abs(first.year - second.year)
        return f"{years} year{'s' * (years != 1)}"
    one, other = first.quantity, second.quantity
    assert one is not None and other is not None  # noqa: PT018, quantities were compared
    finest = min((one, other), key=lambda quantity: quantity.size)
    figure = written(Number(abs(_exact(one, finest) - _exact(other, finest))))
    if finest.dimension in DIMENSIONS["money"] and re.search(r"\.\d$", figure):
        figure += "0"
    grouped = re.sub(
        r"\d+", lambda m: f"{int(m[0]):,}" if len(m[0]) > 3 and not figure.startswith("0.") else m[0], figure, count=1
    )
    return _in_unit(grouped, finest)


def _exact(quantity: Quantity, unit: Quantity) -> Fraction:
    value = Fraction(str(quantity.value)) if quantity.value != int(quantity.value) else Fraction(int(quantity.value))
    return value * Fraction(quantity.size).limit_denominator(10**6) / Fraction(unit.size).limit_denominator(10**6)


def _in_unit(figure: str, like_this: Quantity) -> str:
    """A figure written as a quantity is: "4 kilograms", "£2.50"."""
    text = like_this.text
    return re.sub(r"\d[\d,.]*\d|\d", figure, text, count=1) if re.search(r"\d", text) else figure
