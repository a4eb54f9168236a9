"""Words that say how things are compared: adjectives with their degrees and what they measure. English only."""

import re
from dataclasses import dataclass
from typing import Final

from dialogue.judges.facts import stem

_ADJECTIVES: Final = {  # what is measured: (adjectives of more, of less)
    "length": ("long wide high tall deep far thick broad", "short narrow low near shallow thin close"),
    "mass": ("heavy", "light"),
    "money": ("expensive dear costly pricey", "cheap"),
    "date": ("new young late recent", "old early"),
    "speed": ("fast quick", "slow"),
    "temperature": ("hot warm", "cold cool"),
    "size": ("big large great", "small little"),
    "harm": ("bad severe", ""),
    "rain": ("wet rainy", "dry"),
    "sun": ("sunny", ""),
    "wind": ("windy", ""),
    "power": ("powerful strong", "weak"),
    "slope": ("steep", "flat"),
    "noise": ("loud noisy", "quiet"),
}
NUMBERS: Final = "one two three four five six seven eight nine ten eleven twelve".split()
_IRREGULAR: Final = {
    "further": "far",
    "farther": "far",
    "furthest": "far",
    "farthest": "far",
    "elder": "old",
    "eldest": "old",
    "more": "many",
    "most": "many",
    "less": "few",
    "least": "few",
    "fewer": "few",
    "fewest": "few",
    "lesser": "few",
    "worse": "bad",
    "worst": "bad",
    "latter": "",
}
_SINGULAR: Final = {"people": "person", "children": "child", "men": "man", "women": "woman", "buses": "bus"}
_SPEED: Final = "speed duration delivery journey time"
_HARM: Final = "height level depth strength magnitude"
_RAIN: Final = "rain rainfall precipitation"
_POWER: Final = "power strength"
_NOISE: Final = "noise loudness sound"
MEASURED: Final = {  # the nouns by which columns name what a question asks for with an adjective or a verb
    "long": "length duration", "high": "height altitude elevation", "tall": "height", "deep": "depth", "wide": "width",
    "heavy": "weight mass", "weigh": "weight mass", "fast": _SPEED, "old": "age", "hot": "temperature",
    "warm": "temperature", "cold": "temperature", "thick": "thickness", "big": "size area", "large": "size area",
    "far": "distance", "near": "distance", "cost": "price fee fare", "costs": "price fee fare",
    "short": "length duration", "low": "height altitude elevation", "shallow": "depth", "narrow": "width",
    "light": "weight mass", "slow": _SPEED, "young": "age", "small": "size area", "cool": "temperature",
    "quick": _SPEED, "bad": _HARM, "severe": _HARM, "wet": _RAIN, "rainy": _RAIN, "dry": _RAIN,
    "sunny": "sunshine sun", "windy": "wind gust", "powerful": "power", "strong": _POWER, "weak": _POWER,
    "steep": "slope gradient", "flat": "slope gradient", "loud": _NOISE, "noisy": _NOISE, "quiet": _NOISE,
}  # fmt: skip
CURRENCIES: Final = frozenset(  # that are no known units, by the stems of their names
    map(stem, "franc crown krone krona kroner kronor yen rupee zloty forint shilling".split())
)
DIMENSIONS: Final = {  # what a measure may be given in, by the dimensions of quantities
    "length": ("length", "time", "months"),
    "mass": ("mass",),
    "money": ("dollars", "euros", "pounds sterling", *sorted(CURRENCIES)),
    "speed": ("speed", "time"),
    "temperature": ("celsius", "fahrenheit", "degrees", "kelvin"),
    "harm": ("harm",),  # nothing is given in that; a column may say by what it is measured
    **{name: (name,) for name in ("sun", "wind", "power", "slope", "noise")},
    "rain": ("length",),
}


@dataclass(frozen=True, slots=True)
class Degree:
    """A comparative or superlative: its word, the adjective, what that measures ("" for a count), and if less wins."""

    word: str
    adjective: str
    measure: str
    less: bool
    superlative: bool


def _measures() -> dict[str, tuple[str, bool]]:
    found: dict[str, tuple[str, bool]] = {}
    for measure, sides in _ADJECTIVES.items():
        for less, side in enumerate(sides):
            found |= {word: (measure, bool(less)) for word in side.split()}
    return found


_MEASURES: Final = _measures()
_OFF = re.compile(r"\b(?:leav\w+|depart\w*|(?:sets?|setting|takes?|taking) (?:off|out))\b", re.IGNORECASE)
_BACK = re.compile(
    r"^back$|\b(?:arriv\w+|return(?:s|ing)?|(?:gets?|getting|comes?|coming|be|is|are) (?:us |home )?(?:back|home|in)|"
    r"home again)\b(?! \w+ing)",
    re.IGNORECASE,
)


def degree(word: str) -> Degree | None:
    """Return what a comparative or superlative compares ("heavier", "cheapest", "more"), None for any other word."""
    word = word.casefold()
    superlative = word.endswith("st")
    if (base := _IRREGULAR.get(word)) in ("many", "few"):
        return Degree(word, base, "", base == "few", superlative)
    if base is None:
        base = next((form for form in _bases(word) if form in _MEASURES), "")
    if not base or base not in _MEASURES:
        return None
    measure, less = _MEASURES[base]
    return Degree(word, base, measure, less, superlative)


def singular(things: str) -> str:
    """Return several things as one: "group lessons" is "group lesson"."""
    *before, last = things.split()
    if last.casefold().endswith("ies"):
        last = f"{last[:-3]}y"
    last = _SINGULAR.get(last.casefold()) or re.sub(r"(?<=ss|ch|sh)es$|(?<=x)es$|(?<!s)s$", "", last)
    return " ".join([*before, last])


def capitalised(text: str) -> str:
    """Return a text as it begins a sentence."""
    return text[:1].upper() + text[1:]


def superlatives(text: str) -> list[str]:
    """Return the words of a text that say what is the most of all ("tallest", "most")."""
    return [word for word in re.findall(r"\w+", text) if (found := degree(word)) and found.superlative]


def measures(word: str) -> frozenset[str]:
    """Return the stems of the nouns by which columns and values name what a word asks for ("long": "length")."""
    return frozenset(map(stem, MEASURED.get(word.casefold(), "").split()))


def travels(text: str) -> str:
    """Return "off" where a text speaks of setting off, "in" where of coming back, "" for both or neither."""
    off, back = _OFF.search(text), _BACK.search(text)
    return "" if bool(off) == bool(back) else "off" if off else "in"


def is_difference(figure: str, text: str) -> bool:
    """Say whether a figure tells by how much one thing is more than another: "300 metres higher"."""
    behind = re.search(rf"{re.escape(figure)} ([a-z]+)", text)
    return behind is not None and degree(behind[1]) is not None


def plain(adjective: str) -> tuple[str, bool] | None:
    """Return what an adjective measures, and whether it speaks of little ("expensive": money, False)."""
    return _MEASURES.get(adjective.casefold())


def _bases(word: str) -> list[str]:
    match = re.fullmatch(r"(\w{2,}?)(?:er|est)", word)
    if not match:
        return []
    stem = match[1]
    doubled = [stem[:-1]] if len(stem) > 2 and stem[-1] == stem[-2] else []
    return [stem, f"{stem}e", *doubled, *([f"{stem[:-1]}y"] if stem.endswith("i") else [])]
