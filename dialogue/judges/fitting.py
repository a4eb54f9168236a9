"""Is what is offered of the kind that a question asks for? A time for "when", for "how many" a number of such things.

By form, and for what is counted by likeness of the nouns; it can only speak against an answer, and knows no readers.
"""

import re
from collections.abc import Callable
from typing import Final

from dialogue.judges.facts import Word, stem, stems, words
from dialogue.judges.quantities import read
from dialogue.judges.telling import CALENDAR, of_other_day, of_other_year, tells_none
from retrieval.text import BAR

Near = Callable[[str, str], float]  # the cosine of two words

MISFIT: Final = 0.2  # what the probability of an answer of another kind is multiplied by
UNLIKE: Final = 0.4  # likewise where something else is counted
ALIKE: Final = 0.36  # the cosine from which two nouns may stand for one another

_LEAD = r"(?:and |so |but |ok |then |also )*"
_WHERE = re.compile(rf"{_LEAD}(?:where|who|whom|whose|why)\b", re.IGNORECASE)
_WHEN = re.compile(
    rf"{_LEAD}(?:(?:since|until|till|from|by|in|on|at) )?(?:when|(?:what|which) (?:year|date|day|month|time))\b",
    re.IGNORECASE,
)
_MANY = re.compile(
    rf"{_LEAD}(?:for |in |on |with |to )?how many (?:of (?:the|your|our) )?(?P<counted>[\w'’ -]+)", re.IGNORECASE
)
_MUCH = re.compile(
    r"\bhow much (?P<counted>[a-z]{3,}) (?:is|are|was|were|does|do|did|can|may|must|should)\b", re.IGNORECASE
)
_TIME = re.compile(
    rf"\d|\b(?:{CALENDAR}|before|after|when\w*|while|until|till|during|since|once|every|each|always|never|now|soon|"
    r"again|daily|weekly|monthly|yearly|annual\w*|hour\w*|day\w*|week\w*|month\w*|year\w*|century|centuries|spring|summer|"
    r"autumn|winter|morning\w*|noon|afternoon\w*|evening\w*|night\w*|midnight|dawn|dusk|sunrise|sunset|christmas|easter|"
    r"today|tomorrow|yesterday|first|last|end|start|beginning|immediately|later|ago|earl\w+|late|time\w*|season\w*|"
    r"in advance|at once|term\w*|holiday\w*|war|reign|age|as soon)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\d|\b(?:an?|one|single|once|twice|both|pair|couple|no|none|nobody|nothing|not|never|without|any|all|every|each|only|"
    r"half|dozen\w*|hundred\w*|thousand\w*|million\w*|several|few|many|most|unlimited|as many)\b",
    re.IGNORECASE,
)
_DATED = re.compile(
    r"(?:(?:in|on|at|from|to|until|since|by|before|after|about|around|the|of|and|early|late|a|year|years|months?|weeks?|"
    rf"days?|hours?|minutes?|am|pm|{CALENDAR}|\d+(?:st|nd|rd|th|s)?|bc|ad|[^\w])\s*)+",
    re.IGNORECASE,
)
_CONTACT: Final = (  # what is asked for, and what it looks like
    (re.compile(r"\b(?:(?:tele)?phone|fax|mobile|hotline) (?:number|no\b)|\b(?:telephone|fax)\b", re.IGNORECASE),
     re.compile(r"\d[\d\s()/.-]*\d")),
    (re.compile(r"\be-?mail(?: address)?\b", re.IGNORECASE), re.compile(r"\S@\S|\[at\]|\(at\)", re.IGNORECASE)),
    (re.compile(r"\bweb ?(?:site|page|address)|\burl\b", re.IGNORECASE),
     re.compile(r"https?:|www\.|\w\.[a-z]{2,}\b", re.IGNORECASE)),
)  # fmt: skip
_ASKED_FOR = re.compile(r"^(?:and |so |but )*(?:what|which|give|tell|show|do you have|can i have)\b", re.IGNORECASE)
_AMOUNT = re.compile(r"number|numbers|amount|quantity|count|total|capacity|size|stock|holds?|takes?", re.IGNORECASE)
_PLURAL = re.compile(r"[a-z-]{2,}(?<!s)s|people|children|men|women|feet|mice|sheep|staff", re.IGNORECASE)
_VERBS = frozenset(
    "is are was were do does did has have had can could will would may must should there in on at of".split()
)


def fit(question: str, said: str, span: str, around: str, near: Near) -> float:
    """Return what the probability is multiplied by that a unit answers: 1 unless it is of another kind than asked for.

    `said` is the unit, `span` its likeliest answer, `around` what it stands under and leans on.
    """
    other = of_other_year(question, f"{said} {around}") or (BAR in said and of_other_day(question, said))
    if other or tells_none(question, said, around) or _lacks_contact(question, said):
        return MISFIT
    if _WHERE.match(question):
        return MISFIT if span and any(sign.isdigit() for sign in span) and _DATED.fullmatch(span) else 1.0
    if _WHEN.match(question):
        return 1.0 if _TIME.search(said) or read(said)[0] else MISFIT
    if (much := _MUCH.search(question)) and BAR not in said:
        return 1.0 if _speaks_of(much["counted"], f"{said} {around}", near) else UNLIKE
    counted = _MANY.match(question)
    return _counts(counted["counted"], said, span, around, near) if counted else 1.0


def _speaks_of(noun: str, said: str, near: Near) -> bool:
    """Whether a unit names what there is so much of, or something like it."""
    told, root, name = _told(said), stem(noun), noun.casefold()
    return any(word.stem == root for word in told) or any(near(name, word.text.casefold()) >= ALIKE for word in told)


def _has_column(noun: str, row: str, near: Near) -> bool:
    """Whether a row or what it stands under says what is counted, or a column may hold how many of it there are."""
    if any(word.stem == stem(noun) or _AMOUNT.fullmatch(word.text) for word in _told(row)):
        return True
    names = [cell.partition(": ")[0].strip().casefold() for cell in row.split(BAR)]
    return any(near(noun, name) >= ALIKE for name in names if name)


def _told(text: str) -> list[Word]:
    """The words of a text that tell what it is about."""
    return [word for word in words(text) if word.content and word.text.isalpha()]


def _lacks_contact(question: str, said: str) -> bool:
    """Whether a number or an address is asked for, of a kind of which a unit holds none."""
    asked = _ASKED_FOR.match(question.strip())
    return bool(asked) and any(kind.search(question) and not looks.search(said) for kind, looks in _CONTACT)


def _noun(phrase: str) -> str:
    """What is counted: the plural before the verb, "" where none is plain."""
    kept: list[str] = []
    for word in phrase.split():
        if kept and word.casefold() in _VERBS:
            break
        kept.append(word)
    if len(kept) == len(phrase.split()):  # without a verb it may be half a question
        return ""
    return next((word for word in kept[:3] if _PLURAL.fullmatch(word)), "")


def _counts(phrase: str, said: str, span: str, around: str, near: Near) -> float:
    """How far the number of the span counts what is asked for, as far as the noun behind it tells."""
    numbers = [quantity for quantity in read(said)[0] if quantity.dimension != "ordinal"]
    if not (numbers or _NUMBER.search(said)):
        return MISFIT
    noun = _noun(phrase)
    if not noun:
        return 1.0
    root = stem(noun)
    if BAR in said:  # the number that a row bears is none of how many there are
        column, _, cell = said.partition(BAR)[0].partition(": ")
        own = stem(column.strip()) == root and span.strip() == cell.strip()
        return UNLIKE if own or not _has_column(noun.casefold(), f"{said} {around}", near) else 1.0
    if root in stems(f"{said} {around}"):
        return 1.0
    spanned = {quantity.value for quantity in read(span)[0]}
    counts = [
        quantity for quantity in numbers if quantity.value in spanned and quantity.noun and not quantity.dimension
    ]
    other = re.search(rf"{re.escape(counts[0].text)}\s+([\w-]+)", said) if len(counts) == 1 else None
    return UNLIKE if other and near(noun.casefold(), other[1].casefold()) < ALIKE else 1.0
