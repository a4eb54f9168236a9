"""A role's subject spoken to and speaking: "you" and "I" put as its name, and its name as "I".

So that sources, which speak of it in the third person, can be asked, compared and quoted. Works on English words
only; knows nothing of roles, sources or models.
"""

import re
from functools import cache
from typing import Final

_VERBS: Final = {  # first person: third person
    "am": "is",
    "have": "has",
    "do": "does",
    "don't": "doesn't",
    "don’t": "doesn’t",
    "haven't": "hasn't",
    "haven’t": "hasn’t",
    **{verb: f"{verb}s" for verb in "stand lie rise tower remain form contain take hold come begin lose gain".split()},
    **{verb: f"{verb}s" for verb in "get belong cover sit mark mean offer attract draw make grow run".split()},
    "stretch": "stretches",
    "reach": "reaches",
}
_THIRD: Final = {third: first for first, third in _VERBS.items()}
_SAME: Final = "was|were|had|did|can|could|will|would|may|might|must|should|cannot|can't|became|lost|took|rose|got"
_YOU: Final = re.compile(
    r"(?P<aside>\b(?:can|could|would|will|do|did|may|might|should) you (?:please |also |just |even |really )*"
    r"(?:tell|show|explain|give|say|know|think|help|describe|list|name|find|recommend|suggest|compare|summari[sz]e|"
    r"repeat|mean|want|remember|believe|answer|check|look)\b|\bthanks?(?: to)? you\b|"
    r"\b(?:ask|asked|tell|told|show|bet|hear|see|of|with|for|from|are) you\b"
    r"(?= (?:to|that|about|if|whether|what|for|please)\b)|"
    r"\bif you (?:can|could|please|like|want|know)\b|\byou (?:know|see|mean|said|told|mentioned|think|say)\b)|"
    r"\b(?P<verb>are|were|do|have|aren['’]t|weren['’]t|don['’]t|haven['’]t) you\b|"
    r"\byou(?: (?P<after>are|were)|['’](?P<short>re|ve))\b|"
    r"\b(?P<own>your|yours)\b|\b(?P<you>you|yourself)\b",
    re.IGNORECASE,
)
_ABOUT_YOU: Final = {
    "are": "is",
    "were": "was",
    "do": "does",
    "have": "has",
    "re": "is",
    "ve": "has",
    "aren't": "isn't",
    "weren't": "wasn't",
    "don't": "doesn't",
    "haven't": "hasn't",
}
_I: Final = re.compile(
    r"\bI['’](?P<short>m|ve)\b|\bI (?P<verb>[a-z]+(?:n['’]t)?)\b|\b(?P<before>[Aa]m|[Hh]ave|[Dd]o) I\b|\b(?P<i>I)\b|"
    r"\b(?P<own>[Mm]y(?: own)?|[Mm]ine)\b|\b(?P<me>[Mm]e|[Mm]yself)\b"
)


def about_subject(question: str, subject: str) -> str:
    """Return a question to the subject ("how high are you?") as one about it ("how high is Mount Everest?").

    Where "you" is whoever is asked for an answer ("can you tell me", "thank you") it stays.
    """

    def put(match: re.Match[str]) -> str:
        if match["aside"]:
            return match.group()
        if match["verb"]:
            return _cased(f"{_ABOUT_YOU[match['verb'].casefold().replace('’', chr(39))]} {subject}", match.group())
        if after := match["after"] or match["short"]:
            return f"{subject} {_ABOUT_YOU[after.casefold()]}"
        return f"{subject}'s" if match["own"] else subject

    return _YOU.sub(put, question)


def in_third_person(sentence: str, subject: str) -> str:
    """Return what the subject says of itself ("I am 8,849 metres high") in the third person."""

    def put(match: re.Match[str]) -> str:
        if match["short"]:
            return f"{subject} {'is' if match['short'] == 'm' else 'has'}"
        if match["verb"]:
            return f"{subject} {_VERBS.get(match['verb'], match['verb'])}"
        if match["before"]:
            return _cased(f"{_VERBS[match['before'].casefold()]} {subject}", match.group())
        return f"{subject}'s" if match["own"] else subject

    return _I.sub(put, sentence)


def in_first_person(sentence: str, subject: str, before: str = "") -> str:
    """Return a sentence of a source as the subject says it of itself, "" where that takes more than a new beginning.

    `before` is the sentence before it: where that begins with the subject, "It" and "Its" here mean the subject too.
    """
    begins, again, verbs = _beginnings(subject)
    start = begins.match(sentence)
    if start is None and begins.match(before):
        start = again.match(sentence)
    if start is None:
        return ""
    rest = sentence[start.end() :]
    if re.search(r"\b(?:it|its|itself)\b", rest, re.IGNORECASE) or begins.search(rest):
        return ""
    if start["own"]:
        return f"My{rest}"
    verb = verbs.match(rest)
    return f"I {_THIRD.get(verb[1], verb[1])}{rest[verb.end() :]}" if verb else ""


@cache
def _beginnings(subject: str) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """How a sentence about the subject begins: by its name or the last word of it, by a pronoun; and the verb."""
    names = "|".join(re.escape(name) for name in dict.fromkeys((subject, subject.rsplit(maxsplit=1)[-1])))
    verbs = "|".join(re.escape(verb) for verb in _THIRD)
    return (
        re.compile(rf"(?:{names})\b(?P<own>['’]s\b)?"),
        re.compile(r"It(?P<own>s)?\b(?!['’])"),
        re.compile(rf" ({verbs}|{_SAME})\b"),
    )


def _cased(text: str, model: str) -> str:
    return text[:1].upper() + text[1:] if model[:1].isupper() else text
