"""An emergency of somebody or something else, told with a question: no cry for help of the user's own.

Only plain mishaps are known ("My cat has swallowed a tablet! Who do I call?"). Wherever the user speaks of themselves,
or harm may have been meant, it is none: such a message is met as the cry that it may be. English alone.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Literal

from dialogue.types import Reply
from retrieval.text import sentences

FIRST: Final = "If somebody is in danger, call your local emergency number first."
VET: Final = "If it cannot wait, ring a vet at once."
_ANIMALS: Final = (
    r"animal|pet|cat|kitten|tomcat|dog|puppy|pup|bitch|spaniel|labrador|retriever|collie|terrier|poodle|dachshund|hound|"
    r"horse|pony|mare|foal|gelding|stallion|donkey|mule|cow|calf|bull|heifer|sheep|ewe|lamb|ram|goat|pig|piglet|"
    r"sow|hen|chicken|cockerel|duck|goose|bird|budgie|parrot|canary|rabbit|bunny|hamster|guinea pig|gerbil|ferret|rat|"
    r"mouse|hedgehog|tortoise|turtle|lizard|gecko|snake|fish|goldfish|alpaca|llama"
)
_SMALL: Final = r"baby|newborn|infant|toddler|(?:little|small|young) (?:one|boy|girl|child|son|daughter)|\w+-year-old"
_PEOPLE: Final = (
    r"child|kid|son|daughter|boy|girl|man|woman|husband|wife|partner|mother|father|mum|dad|brother|sister|uncle|aunt|"
    r"grand\w+|granny|friend|colleague|neighbour|guest|visitor|customer|client|patient|pupil|student|rider|resident|worker"
)
_MISHAP: Final = (
    r"swallowed|eaten|ate|drunk|drank|licked|chewed|inhaled|chok(?:ed|ing)|fallen|fell|collapsed|bitten|stung|burn[et]d?|"
    r"scalded|broken|bleeding|poisoned|unconscious|fainted|kicked|trapped|stuck|drowning|limping|vomiting|fitting|"
    r"run over|hit by|hurt (?:its|his|her) \w+|got into|(?:is not|isn't|not|stopped|stops|can't|cannot) "
    r"(?:breathe|breathing|move|moving|eating|get(?:ting)? up|wak(?:e|ing))|an? (?:seizure|fit|stroke)|"
    r"colic|bloat|heart attack"
)
_GRAVE = re.compile(
    r"\b(?:swallowed|drank|drunk|inhaled|chok\w+|collapsed|bleeding|poisoned|unconscious|drowning|trapped|seizure|stroke|"
    r"heart attack|scalded|(?:not|n't|stopped|cannot) (?:breath|mov|wak)\w+)\b",
    re.IGNORECASE,
)
_TOLD = re.compile(
    r"(?:(?:help|please|quick|hurry|oh (?:no|god|dear)|hello|hi|and|but|so)\b[\s,!.]*)*"
    r"(?:(?:my|our|the|a|an|his|her|their|one of (?:my|our|the)|somebody's|someone's|\w+'s) (?:[a-z]+(?:'s)? ){0,2}?"
    rf"(?:(?P<animal>{_ANIMALS})|(?P<small>{_SMALL})|(?P<person>{_PEOPLE}))s?|(?P<one>somebody|someone))\b(?!')"
    rf"[^?]*?\b(?:{_MISHAP})\b",
    re.IGNORECASE,
)
_SELF = re.compile(r"\b(?:i|i'\w+|me|my|mine|myself|we|us|our|ours|ourselves)\b", re.IGNORECASE)
_MEANT = re.compile(
    r"\b(?:kill\w*|suicid\w*|on purpose|deliberately|wan(?:t|ts|ted|na) to|overdos\w*|end(?:s|ed|ing)? (?:it|h\w+ li)|"
    r"(?:him|her|them|my|our)sel\w+|goodbye|depress\w*|note|"
    r"wrists?|hang(?:s|ed|ing)?|hung|jump\w*|noose|razor)\b",
    re.IGNORECASE,
)
_TAKEN = re.compile(r"\b(?:tablet|pill|paracetamol|medic|drug|painkiller|bleach|poison)\w*", re.IGNORECASE)
_LONG_AGO = re.compile(r"\b(?:yesterday|last|ago|once|when|if|(?:19|20)\d\d)\b", re.IGNORECASE)


def emergency(sentence: str) -> Literal["", "animal", "child", "person"]:
    """Say whose mishap a sentence tells of, "" for none, for the user's own and for one that may have been meant.

    A "child" is one so small that it cannot have meant harm.
    """
    plain = sentence.strip().replace("’", "'")
    told = _TOLD.match(plain)
    if told is None or _MEANT.search(plain):
        return ""
    owner = re.match(r"\W*(?:[a-z]+[\s,!.]+)*?(?:one of )?(?:my|our)\b", plain, re.IGNORECASE)
    if _SELF.search(plain, owner.end() if owner else 0):
        return ""
    if told["animal"]:
        return "animal"
    if told["small"]:
        return "child"
    return "" if _TAKEN.search(plain) else "person"


def is_of_another(message: str, cries: Callable[[str], bool]) -> bool:
    """Say whether a message only tells of the mishap of an animal or a small child, and asks what is no cry by itself.

    What is told of anybody else may be a cry for them.
    """
    parts = [message[start:end].strip() for start, end in sentences(message.strip())]
    asked = [part for part in parts if part.endswith("?") and not emergency(part)]
    told = [part for part in parts if emergency(part) in ("animal", "child")]
    short = [part for part in parts if len(part.split()) <= 2 and not _SELF.search(part)]
    whole = bool(told) and all(part in asked or part in told or part in short for part in parts)
    return whole and "?" in message and not any(_MEANT.search(part) or cries(part) for part in (*asked, *short))


def with_help(reply: Reply, message: str) -> Reply:
    """Return the reply, if it is to an emergency, with where help is: for a person first, for an animal that nothing
    was found on last."""
    if reply.outcome == "refused":
        return reply
    parts = [part.strip() for part in re.split(r"[,;.!?]+\s+", message)]
    whose = {emergency(part) for part in parts if _GRAVE.search(part) and not _LONG_AGO.search(part)}
    if whose & {"child", "person"}:
        return replace(reply, text=f"{FIRST} {reply.text}")
    return replace(reply, text=f"{reply.text} {VET}") if "animal" in whose and reply.outcome == "abstained" else reply
