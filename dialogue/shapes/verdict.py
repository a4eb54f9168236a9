"""Yes or no: whether a sentence of a source says what a question asks for, says otherwise, or leaves it open.

By the explicit comparison of facts alone: a verdict is given only where all that the question says stands in the
sentence, or where a figure, a date or a negation speaks against it.
"""

import re
from collections.abc import Sequence
from typing import Literal

from dialogue.judges.facts import compare, content_stems, words
from dialogue.judges.quantities import Quantity, comparable, read

Verdict = Literal["Yes", "No", ""]

_AUX = r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|must|may|should)"
_TAG = re.compile(
    rf",?\s+(?:(?:{_AUX}|wo|ca|sha)(?:n['’]t|\snot)?\s(?:it|he|she|they|we|you|I|there)|right|correct|true|yes|no)$",
    re.IGNORECASE,
)
_ASKS = re.compile(
    rf"(?:and |so |but )?(?:is it (?:true|right|correct) that |{_AUX}(?:n['’]t)? (?:there )?)(?P<rest>.+)",
    re.IGNORECASE,
)
_OPEN = re.compile(r"(?:\w+ )?(?:who|whom|whose|what|when|where|which|why|how)\b", re.IGNORECASE)
_BOUNDED = re.compile(
    r"\b(?:before|after|until|till|since|more|less|fewer|over|under|above|below|least|most|between|around|about|than|"
    r"only|or|any|ever|always|never|not|all|every|each|still|already|yet|enough)\b|n['’]t\b",
    re.IGNORECASE,
)
_BOUNDS = {  # besides those that quantities know
    "over": re.compile(r"\b(?:from|beyond|longer than|minimum(?: of)?) ?$", re.IGNORECASE),
    "under": re.compile(r"\b(?:within|(?:no|not) more than|maximum(?: of)?) ?$", re.IGNORECASE),
}
_HEDGED = re.compile(r"\b(?:[Oo]nly|[Uu]nless|[Ee]xcept|[Ii]f|may|might|sometimes|but|should|planned|until|without)\b")
_ASKED = re.compile(r"\?(?:\s|$)")
_OWN = re.compile(r"\?\s+(?:\w+[:.)]\s+)?(?:yes|no)\b", re.IGNORECASE)
_SECOND = re.compile(r"\b(?:I|we|you|my|our|your)\b")
SHARED = 0.75  # of what a question says, to be in a sentence whose figure speaks against it


def statement(question: str) -> str:
    """Return what a question asks to be confirmed, "" where it asks for something else."""
    text = " ".join(question.split()).rstrip("?!. ")
    if _OPEN.match(text):
        return ""
    tag = _TAG.search(text)
    if tag and len(text[: tag.start()].split()) > 2 and not _ASKS.match(text):
        return text[: tag.start()].rstrip(", ")
    match = _ASKS.fullmatch(text)
    return match["rest"] if match and len(match["rest"].split()) > 1 else ""


def settled(claim: str, said: str) -> bool:
    """Say whether a source asks what is claimed and answers with yes or no: "Q: Are dogs allowed? A: No."."""
    own = _OWN.search(said)
    asked = content_stems(claim)
    return own is not None and bool(asked) and asked <= {word.stem for word in words(said[: own.start()])}


def verdict(claim: str, said: str, background: str) -> Verdict:
    """Return whether a sentence says what is claimed; `background`, its title and headings, may name the subject.

    What asks says nothing, with its answer neither.
    """
    found = compare(claim, said, background)
    figures, dates = read(claim)
    stated = " ".join([*(figure.text for figure in figures), *(day.text for day in dates)])
    numbers = set(re.findall(r"[^\W_]+", stated.casefold()))
    asked = [word.stem for word in words(claim) if word.content and word.text.casefold() not in numbers]
    here = {word.stem for word in words(said)}
    there = here | {word.stem for word in words(background)}
    if not asked or _BOUNDED.search(claim) or _ASKED.search(said):
        return ""
    lacking = sum(stem not in there for stem in asked)
    if found.names_missing:
        other = lacking <= len(found.names_missing) and _elsewhere(claim, said, found.names_missing)
    else:
        other = found.reason.startswith("the source says") and 1 - lacking / len(asked) >= SHARED
    if found.names_missing or (found.numbers_missing and not _allowed(figures, said)):
        return "No" if other else ""
    told = [word.stem for word in words(claim) if word.stem in asked and word.text[:1].islower()] or asked
    if not all(stem in there for stem in asked) or told[-1] not in here:
        return ""  # what is told of the thing has to stand in the sentence itself, not in the one that it leans on
    if found.direction or compare(claim, f"{background}. {said}", background).direction:
        return ""  # "closed" under the heading "Opening hours" is not "open"
    if found.negation:
        return "No"
    return "" if _HEDGED.search(said) or found.order or _SECOND.search(claim) else "Yes"


def _allowed(figures: Sequence[Quantity], said: str) -> bool:
    """Whether each figure is one that a bound of the sentence allows: five hours, of "more than four hours"."""
    return bool(figures) and all(
        any(_within(figure, bound, said) for bound in read(said)[0] if comparable(figure, bound)) for figure in figures
    )


def _within(figure: Quantity, bound: Quantity, said: str) -> bool:
    mine, theirs = figure.value * figure.size, bound.value * bound.size
    due, before = "over" if mine > theirs else "under", said[: max(0, said.find(bound.text))]
    stated = next((name for name, form in _BOUNDS.items() if form.search(before)), bound.bound)
    return mine == theirs or stated == due


def _elsewhere(claim: str, said: str, missing: Sequence[str]) -> bool:
    """Whether a sentence has another name behind the same verb and preposition: "born in Oslo", "born in Bergen"."""
    if len(missing) != 1:
        return False
    place = re.search(rf"(\w+) (in|at|from|by|to|for|of) (?:the )?{re.escape(missing[0])}\b", claim)
    if place is None:
        return False
    verb = re.escape(place[1][:4])
    return bool(re.search(rf"\b{verb}\w*(?: [\w,]+){{0,6}}? {place[2]} (?:the )?[A-Z]\w", said))
