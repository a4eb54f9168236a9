"""Names in short English texts, by their capitals."""

import re
from calendar import day_name, month_name
from typing import Final

from retrieval.text import sentences

_NAME = re.compile(
    r"(?:\b[A-Z][\w’'.-]*|\b[a-z]+[A-Z][\w-]*|\b\d*[A-Z]+[\w-]*\d[\w-]*)"
    r"(?:\s+(?:(?:of|the|de|van|von|and the)\s+)*(?:[A-Z][\w’'.-]*|\d+[\w-]*))*"
)
_TIME: Final = re.compile(
    rf"(?:\d{{1,2}}(?:st|nd|rd|th)? )?(?:{'|'.join(month_name[1:])})?(?: ?\d{{4}})?|\d{{4}}-\d\d-\d\d|20\d\d|"
    rf"(?:{'|'.join(day_name)})s?"
)
COMMON: Final = frozenset(
    "a about actually after all also an and any are as at be because been before both but by can could did do does "
    "during each few first for from had has have he her here hers him his how however i if in is it its just let like "
    "many may me more most much my name no not now of ok okay on one only or our out over please she should since so "
    "some such tell than thanks that the their them then there these they this those though to two us very was we well "
    "were what what's when where which while "
    "who who's whom whose why will with would yes you your hi hello hey there's that's it's during".split()
)


def names(text: str) -> list[str]:
    """Return the names in a text: capitalised runs and words such as GPT-3, but not words that open a sentence."""
    found: list[str] = []
    for start, end in sentences(text):
        for match in _NAME.finditer(text[start:end]):
            words = match.group().rstrip(".").split()
            while words and words[0].casefold().strip("'’") in COMMON:
                words = words[1:]
            while words and words[0] in ("of", "the", "in", "at", "on"):
                words = words[1:]
            name = re.sub(r"['’]s$", "", " ".join(words))
            if len(name) > 1 and not re.match(r"I['’]", name):
                found.append(name)
    return found


def is_time(name: str) -> bool:
    """Say whether what is written like a name is a day, a month, a year or a date."""
    return bool(_TIME.fullmatch(name)) or name.isdigit()
