"""Several things spoken of just now, put by name where a question compares "them": "Which of them is taller?".

By form alone, and only where just so many things were named. English only.
"""

import re
from typing import Final

from dialogue.names import COMMON, names
from dialogue.shapes.words import degree
from retrieval.text import BAR

_AND: Final = r"(?:and|or|but|so|ok|okay|then|well)[\s,]+"
_OF_THEM = re.compile(
    rf"(?:{_AND})*(?P<which>which|who|what)(?P<one> one)?"
    r"(?P<of> (?:of|out of|among|between) (?:them|these|those|the (?P<count>two|three|four|five)|both)(?: both| two)?)?"
    r"(?P<rest> (?!of\b).+)",
    re.IGNORECASE,
)
_NUMBERS: Final = {"two": 2, "three": 3, "four": 4, "five": 5}
_THING: Final = (
    r"(?:(?:(?:[Tt]he|[Aa]n?|[Oo]ur|[Mm]y) )?[A-Z\d][\w'’&.-]*(?: [A-Z\d][\w'’&.-]*)*|"
    r"(?:[Tt]he|[Aa]n?|[Oo]ur|[Mm]y) [\w'’-]+(?: (?!and\b|or\b)[\w'’-]+)?)"
)
_LISTED = re.compile(rf"\b{_THING}(?:, {_THING})*,? (?:and|or|than|with|against) {_THING}")
_BETWEEN = re.compile(r",? (?:and|or|than|with|against) |, ")
_SO_MANY = re.compile(
    r"\b(?:(?:the|our|your|these|those) )?(?P<count>two|three|four|five|both)(?: the)? "
    r"(?P<noun>(?:[a-z-]+ )??[a-z-]+s)\b",
    re.IGNORECASE,
)
_VERB = re.compile(r" (?:is|are|was|were|has|have|had|costs?|weighs?|takes?|lasts?)(?: [\w-]+){1,2}$", re.IGNORECASE)
_KIND = re.compile(r"\b(?:the|our|your|which|what|many) (?P<noun>(?:[a-z-]+ )??[a-z-]{3,}(?<!s)s)\b", re.IGNORECASE)
MOST: Final = 5  # things that are compared


def of_them(question: str, previous: str, reply: str) -> str:
    """Return a question that compares what was named just now with the names of that, "" for any other question.

    `previous` is the question before as it was meant and `reply` what was answered, without marks.
    """
    text = " ".join(question.split()).rstrip("?!. ")
    match = _OF_THEM.fullmatch(text)
    if match is None or not _compares(match["rest"], bare=not (match["of"] or match["one"])):
        return ""
    if not match["of"] and re.search(r" or |, ", match["rest"]):
        return ""
    named = _named(previous, reply)
    count = _NUMBERS.get((match["count"] or "").casefold(), 0)
    comparative = not any((found := degree(word)) and found.superlative for word in match["rest"].split())
    if not named and (kind := _kind(previous) or _kind(reply) or _of_so_many(previous, match["count"] or "")):
        return f"{match['which'].capitalize()} of {kind}{match['rest']}?"
    if not 2 <= len(named) <= MOST or (count and len(named) != count) or (comparative and len(named) != 2):
        return ""
    return f"{match['which'].capitalize()}{match['rest']}, {', '.join(named[:-1])} or {named[-1]}?"


def _compares(rest: str, bare: bool) -> bool:
    """Whether what is asked of one of several things compares them, by itself or after a verb ("is taller")."""
    if re.search(r"\bthan\b", rest) or not any(degree(word) for word in rest.split()):
        return False
    return not bare or bool(_VERB.match(rest))


def _kind(text: str) -> str:
    """The things that a text counts and does not name: "the two pools"."""
    found = {f"the {match['count']} {match['noun']}".casefold() for match in _SO_MANY.finditer(text)}
    return found.pop().replace("the both", "the two") if len(found) == 1 else ""


def _of_so_many(previous: str, count: str) -> str:
    """The one kind that the question before asks about, of so many: "Tell me about the beaches"."""
    found = {match["noun"].casefold() for match in _KIND.finditer(previous)}
    return f"the {count} {found.pop()}" if count and len(found) == 1 else ""


def _named(previous: str, reply: str) -> list[str]:
    """The things that the last reply lists in rows, or that it or the question before names together."""
    rows = [line for line in reply.splitlines() if BAR in line]
    if rows:
        first = [row.split(BAR)[0].partition(": ") for row in rows]
        found = list(dict.fromkeys(value or name for name, _, value in first))
        return found if len(found) == len(rows) else []
    for text in (previous, reply):
        listed = {tuple(map(_bare, _BETWEEN.split(match[0]))) for match in _LISTED.finditer(text)}
        if len(listed) == 1:
            return list(listed.pop())
        if listed:
            return []
    told = list(dict.fromkeys(names(reply)))
    return told if len(told) == 2 else []


def _bare(thing: str) -> str:
    """A thing as it is named within a sentence, without a word that asks before it: "Does Otto" is Otto."""
    while thing.split(maxsplit=1)[0].casefold() in COMMON - {"the", "a", "an", "our", "my"} and " " in thing:
        thing = thing.split(maxsplit=1)[1]
    return re.sub(r"^(?:The|An?|Our|My) ", lambda article: article[0].lower(), thing)
