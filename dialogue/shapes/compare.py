"""Questions that compare: which of two is more, by how much, and which of all is the most.

By form alone: the two things, what is asked of each, and the calculator's sentence of what was found.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

from dialogue.judges.facts import stem
from dialogue.judges.quantities import Quantity, comparable
from dialogue.shapes.parts import like
from dialogue.shapes.plan import Fits, Plan, Value
from dialogue.shapes.words import DIMENSIONS, Degree, degree
from retrieval.tools.arithmetic import Number, written

_BE = r"(?:is|are|was|were)"
_VERB = rf"(?:{_BE}|has|have|had|does|do|did|costs?|weighs?|takes?|lasts?|gets?|comes?|offers?)"
_WHICH = re.compile(
    rf"(?:and )?(?:which|what|who)(?: one)?(?: of (?:the|these) two)?(?: (?P<noun>[\w -]+?))??\s"
    rf"(?P<pred>{_VERB}\s.+?)\s*[,:;–-]\s*"
    r"(?P<a>.+?),? or (?P<b>.+)",
    re.IGNORECASE,
)
_EITHER = re.compile(rf"{_BE} (?P<a>.+?) or (?P<b>.+?) (?P<pred>(?:the )?\w+)", re.IGNORECASE)
_THAN = re.compile(
    rf"(?:by )?how (?:much|many(?: \w+)?)"
    rf"(?P<more> (?:more|less|fewer)(?: (?!does|do|did|is|are|was|has)\w+)?| \w+er)? "
    rf"(?:{_BE}|does|do|did|has|have|had) "
    rf"(?P<a>.+?)(?: (?P<verb>have|cost|weigh|last|take))?(?P<late> more| less)? than (?P<b>.+)",
    re.IGNORECASE,
)
_IS_THAN = re.compile(
    rf"(?:{_BE}|does|do|did|has|have|had) (?P<a>.+?) (?P<pred>(?:(?:cost|weigh|have|take|last)s? )?"
    r"(?:(?:more|less|fewer) [\w-]+|\w+er|more|less)) than (?P<b>.+)",
    re.IGNORECASE,
)
_DIFFERENCE = re.compile(
    r"(?:what(?: is|'s| was)|how (?:big|large|great) is|calculate|tell me)? ?(?:the )?"
    r"(?:difference in |(?P<before>[\w-]+) difference )"
    r"(?P<noun>(?(before)|[\w -]+?)) ?between (?P<a>.+?) and (?P<b>.+)",
    re.IGNORECASE,
)
_MOST = re.compile(
    rf"(?:which|what|who)(?: of the)? ?(?P<noun>[\w -]*?) ?(?P<verb>{_VERB})(?: (?:the|its))? "
    r"(?P<most>\w+)(?P<rest> [\w -]+)?",
    re.IGNORECASE,
)
_PLACE = re.compile(r" (?:of|in|at|on|for|from|to|with|near|around|that|which|you|we|I)\b")
_MONEY = re.compile(r"price|cost|fee|fare|rent|charge|salary|deposit", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of a thing, with `{}` in the thing's place, and how what is found is compared."""

    question: str
    degree: Degree | None
    noun: str = ""


def read_comparison(question: str) -> Plan | None:
    """Return how a question that compares is answered, None for any other."""
    text = " ".join(question.split()).rstrip("?!. ")
    for pattern, asked_of in (
        (_DIFFERENCE, _of_difference),
        (_THAN, _of_than),
        (_WHICH, _of_which),
        (_EITHER, _of_which),
    ):
        match = pattern.fullmatch(text)
        asked = asked_of(match) if match else None
        if match and asked:
            return _two(
                match["a"], match["b"], asked, match.groupdict().get("noun") or "", text[:4].casefold() == "who "
            )
    match = _IS_THAN.fullmatch(text)
    asked = _of_words(match["pred"].split()) if match else None
    if match and asked and (plan := _two(match["a"], match["b"], asked, "", who=False)):
        return replace(plan, work=partial(_confirmed, asked=asked))
    match = _MOST.fullmatch(text)
    asked, noun = _of_most(match) if match else (None, "")
    return _all(noun, asked) if asked else None


def _two(first: str, second: str, asked: _Asked, noun: str, who: bool) -> Plan | None:
    if who:
        asked = replace(asked, question=asked.question.replace("established", "born"))
    first = like(first, second)
    second = like(second, first)
    if first.casefold() == second.casefold() or len(f"{first} {second}".split()) > 24:
        return None
    things = [_whole(thing, noun if asked.noun != noun else "") for thing in (first, second)]
    return Plan(
        tuple(asked.question.format(thing) for thing in things),
        (first, second),
        partial(_verdict, asked=asked),
        _fits(asked),
        dates=asked.degree is not None and asked.degree.measure == "date",
        money=bool(_MONEY.search(asked.question)),
        kind="compare",
    )


def _all(noun: str, asked: _Asked) -> Plan | None:
    if not noun or noun.casefold() in ("one", "ones", "of them"):
        return None
    return Plan(
        (asked.question.format(f"the {noun}"),),
        (noun,),
        partial(_extreme, asked=asked),
        _fits(asked),
        dates=asked.degree is not None and asked.degree.measure == "date",
        money=bool(_MONEY.search(asked.question)),
        every=asked.question,
        kind="compare",
    )


def _whole(thing: str, noun: str) -> str:
    """A thing with its kind: "Bergen" of offices is "Bergen office"."""
    return thing if not noun or stem(noun) in map(stem, thing.split()) or len(thing.split()) > 3 else f"{thing} {noun}"


def _of_which(match: re.Match[str]) -> _Asked | None:
    return _of_words(match["pred"].split())


def _of_than(match: re.Match[str]) -> _Asked | None:
    words = (match["more"] or match["late"] or "").split()
    verb = match["verb"]
    if verb and len(words) == 1:
        words = [verb, *words]
    counted = re.match(r"(?:by )?how many (?!more|less|fewer)(\w+)", match.group(), re.IGNORECASE)
    if counted and not match["more"]:
        return None
    return _of_words(words)


def _of_difference(match: re.Match[str]) -> _Asked | None:
    noun = (match["before"] or match["noun"] or "").strip()
    return _Asked(f"What is the {noun} of {{}}?", None, noun) if noun and noun != "the" else None


def _of_most(match: re.Match[str]) -> tuple[_Asked | None, str]:
    """What a superlative asks of each thing, and the noun of what there are many of."""
    found = degree(match["most"])
    if found is None or not found.superlative:
        return None, ""
    rest, noun = (match["rest"] or "").split(), (match["noun"] or "").strip()
    if not found.measure and rest and degree(f"{rest[0]}er"):  # "the most expensive part"
        behind, rest = rest[:1], rest[1:]
    else:
        behind = rest if noun else []
    return _of_words([match["verb"], match["most"], *behind]), noun or _PLACE.split(" ".join(rest))[0]


def _of_words(words: Sequence[str]) -> _Asked | None:
    """What a predicate asks of a thing: "has more desks", "is cheaper", "has a longer range", "costs less"."""
    for place, word in enumerate(words):
        found = degree(word)
        if found is None:
            continue
        behind = [w for w in words[place + 1 :] if w.casefold() not in ("the", "of")]
        if not found.measure and behind:
            adjective = degree(f"{behind[0]}er") or degree(f"{behind[0]}r")  # "more expensive"
            if adjective:
                less = adjective.less != found.less
                return _asked(
                    Degree(f"{word} {behind[0]}", adjective.adjective, adjective.measure, less, found.superlative), []
                )
            return _Asked(f"How many {' '.join(behind)} does {{}} have?", found, behind[-1])
        if not found.measure:
            verb = next((w for w in words[:place] if w.casefold().startswith(("cost", "weigh"))), "")
            if not verb:
                return None
            money = verb.casefold().startswith("cost")
            found = Degree(word, found.adjective, "money" if money else "mass", found.less, found.superlative)
        return _asked(found, behind)
    return None


def _asked(found: Degree, behind: Sequence[str]) -> _Asked:
    if behind and found.measure == "size":  # "has a larger tank"
        return _Asked(f"How large is the {' '.join(behind)} of {{}}?", found, behind[-1])
    if behind:  # "has a longer range"
        return _Asked(f"What is the {' '.join(behind)} of {{}}?", found, behind[-1])
    if found.measure == "money":
        return _Asked("How much does {} cost?", found)
    if found.measure == "date":
        return _Asked("When was {} established?", found)
    if found.measure == "mass":
        return _Asked("How much does {} weigh?", found)
    return _Asked(f"How {found.adjective} is {{}}?", found)


def _fits(asked: _Asked) -> Fits | None:
    """What a quantity has to be to be compared, None for anything."""
    if asked.degree is None:
        dimensions = DIMENSIONS["money"] if _MONEY.search(asked.noun) else ()
    elif not asked.degree.measure:
        return partial(_counts, noun=stem(asked.noun))
    else:
        dimensions = DIMENSIONS.get(asked.degree.measure, ())
    return partial(_in, dimensions=dimensions) if dimensions else None


def _counts(quantity: Quantity, noun: str) -> bool:
    return not quantity.dimension and stem(quantity.noun) == noun


def _in(quantity: Quantity, dimensions: tuple[str, ...]) -> bool:
    return quantity.dimension in dimensions


def _verdict(values: Sequence[Value], asked: _Asked) -> str:
    """The sentence that names the winner and the difference, "" where the two cannot be compared."""
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
    low_wins = asked.degree.less
    won, lost = (first, second) if (sizes[0] < sizes[1]) == low_wins else (second, first)
    verb = "has" if asked.noun else "is"
    word = asked.degree.word if not asked.degree.superlative else f"the {asked.degree.word}"
    object_ = f" {asked.noun}" if asked.noun else ""
    article = "a " if asked.degree.measure and asked.noun and not asked.degree.superlative else ""
    return (
        f"{_head(won.label)} {verb} {article}{word}{object_}: {won.said} against {lost.said}, a difference of {apart}."
    )


def _confirmed(values: Sequence[Value], asked: _Asked) -> str:
    """The sentence that says whether the first is more than the second."""
    sentence = _verdict(values, asked)
    if not sentence:
        return ""
    return f"{'Yes' if sentence.startswith(_head(values[0].label)) else 'No'}. {sentence}"


def _extreme(values: Sequence[Value], asked: _Asked) -> str:
    """The sentence that names the most of all that were found, "" where they cannot be compared or two share it."""
    sizes = _sizes(values)
    if sizes is None or asked.degree is None or len(values) < 2:
        return ""
    best = (min if asked.degree.less else max)(sizes)
    if sizes.count(best) > 1:
        return ""
    won = values[sizes.index(best)]
    verb = "has" if asked.noun else "is"
    rest = f" {asked.noun}" if asked.noun else ""
    others = ", ".join(value.said for value, size in zip(values, sizes, strict=True) if size != best)
    return f"Of the {len(values)} found, {won.label} {verb} the {asked.degree.word}{rest}: {won.said} against {others}."


def _sizes(values: Sequence[Value]) -> list[float] | None:
    """The values as numbers that can be compared, None where they cannot."""
    if all(value.year for value in values):
        return [_day(value) for value in values]
    quantities = [value.quantity for value in values]
    known = [quantity for quantity in quantities if quantity is not None]
    if len(known) < len(values) or any(value.date for value in values):
        return None
    if not all(comparable(known[0], other) or _unlike_nouns(known[0], other) for other in known[1:]):
        return None
    return [quantity.value * quantity.size for quantity in known]


def _unlike_nouns(one: Quantity, other: Quantity) -> bool:
    return not one.dimension and not other.dimension and not (one.noun and other.noun)


def _day(value: Value) -> float:
    date = value.date
    return value.year + ((date.month - 1) / 12 + date.day / 372 if date and date.month else 0)


def _apart(first: Value, second: Value, sizes: Sequence[float]) -> str:
    """The difference with its unit."""
    if first.year and second.year:
        years = abs(first.year - second.year)
        return f"{years} year{'s' * (years != 1)}"
    one, other = first.quantity, second.quantity
    assert one is not None and other is not None  # noqa: PT018, quantities were compared
    finest = min((one, other), key=lambda quantity: quantity.size)
    figure = written(Number(abs(_exact(one, finest) - _exact(other, finest))))
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


def _head(label: str) -> str:
    return label[:1].upper() + label[1:]
