"""Is what a unit tells of done, and done first? Who tried to climb it did not climb it."""

import re
from collections.abc import Sequence
from typing import Final

from dialogue.judges.facts import words

TOLD: Final = 0.35  # the probability from which a unit answers that says who was the first

_DONE = re.compile(r"(?:and |so |but )?(?:who|which|what|when|where|how (?:many|much|often))\b", re.IGNORECASE)
_MEANT = re.compile(
    r"\b(?:tried|try|tries|trying|attempt(?:s|ed|ing)?|fail(?:s|ed|ing)?|hop(?:e|es|ed|ing)|plan(?:s|ned|ning)?|"
    r"want(?:s|ed|ing)?|intend(?:s|ed|ing)?|refus(?:e|es|ed|ing)|declin(?:e|es|ed|ing)|offer(?:s|ed|ing)?|"
    r"promis(?:e|es|ed|ing)|threaten(?:s|ed|ing)?|unable|supposed)(?: \w+){0,2}? to (?P<verb>[a-z]+)",
    re.IGNORECASE,
)
_ORDER = re.compile(
    r"\b(?P<order>first|last)\b(?! (?:name|aid|floor|class|thing|week|month|year|day|night|time|of all)\b)"
)
_ORDERED: Final = {
    "first": re.compile(
        r"\b(?:first|earliest|original(?:ly)?|pioneer\w*|inaugura\w*|debut|until then|never before|"
        r"before (?:any|every)\w*|(?:nobody|no one) (?:had|else))\b",
        re.IGNORECASE,
    ),
    "last": re.compile(
        r"\b(?:last|latest|final(?:ly)?|most recent(?:ly)?|since then|never again|ended?)\b", re.IGNORECASE
    ),
}


def only_meant(question: str, said: str) -> bool:
    """Return whether a question asks of a deed that a unit tells of only as tried, meant or refused."""
    meant = [match["verb"] for match in _MEANT.finditer(said)] if _DONE.match(question) else []
    if not meant or _MEANT.search(question):
        return False
    asked = {word.stem for word in words(question)}
    done = {word.stem for word in words(_MEANT.sub(" ", said))}
    return any(word.stem in asked - done for verb in meant for word in words(verb))


def out_of_order(question: str, lines: Sequence[str], found: Sequence[float]) -> list[int]:
    """Return which of the lines do not say that what they tell was the first, or the last, where a likely one does.

    `found` are the probabilities that they answer.
    """
    match = _ORDER.search(question) if _DONE.match(question) else None
    if match is None:
        return []
    said = [bool(_ORDERED[match["order"]].search(line)) for line in lines]
    if not any(told and likely >= TOLD for told, likely in zip(said, found, strict=True)):
        return []
    return [place for place, told in enumerate(said) if not told]
