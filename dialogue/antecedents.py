"""What a sentence leans on: the sentence before it that names what its pronoun stands for.

By form alone: a sentence that begins with a pronoun or the like depends, and so does a fragment; its antecedent is the
nearest one before it in the same paragraph that does not. Knows nothing of questions or scores.
"""

import re
from functools import lru_cache

from retrieval.text import sentences

Span = tuple[int, int]
FAR = 320  # characters from an antecedent to the end of what leans on it, if its subject is put in

_DEPENDENT = re.compile(
    r"(?:(?:But|And|So|Also|However|Instead|Then|Today|Now|Later|Therefore|There|(?:Since|After|Before) then),? )?"
    r"(?:[Ii]t|[Hh]e|[Ss]he|[Tt]hey|[Ii]ts|[Hh]is|[Hh]er|[Tt]heir|[Bb]oth|[Ss]uch|[Tt]h(?:is|at|ese|ose))\b(?![-’'])"
)
_FRAGMENT = re.compile(  # what does not say of what: "£11 an hour on any day.", "Not for candles."
    r"(?:(?:From |Only |About )?[£€$] ?\d|Not (?:for|in|on|to|with|at)\b|No [a-z]+\.|There (?:is|are|was|were)\b)"
)
_LINKED = re.compile(r"(?:But|And|So|However|Instead|Then|Thus|Therefore|Likewise|Also)\b,? ")
_PLACED = re.compile(  # "In 1904 she moved": a short adverbial before the pronoun
    r"(?:In|At|On|From|After|Before|Since|During|By|Until|With|For|Under)\s+(?:[\w'’.,:-]+\s+){1,6}?"
    r"(?:it|he|she|they|its|his|her|their)\b"
)
_NAMED = re.compile(  # "Her brother Duncan Bell was"
    r"(?:His|Her|Their)\s+(?:(?!(?:is|are|was|were|has|had)\s)[a-z][\w'’-]*\s+){1,2}(?:[A-Z][a-z'’]+,?\s+)+[a-z]"
)
_SUBJECT = re.compile(r"((?:(?:The|A|An|Our) )?(?:[\w'’&-]+ ){0,6}?[\w'’&-]+) (?:is|was) (?:(?:an?|the) )?")
_ACTOR = re.compile(r"([A-Z][\w'’-]+(?: [A-Z][\w'’-]+){0,3}) [a-z]{3,}(?:ed|t|w|k|e)\b")  # "Ada Byron moved"
_AMBIGUOUS = re.compile(
    r"\b(?:of|and|or|it|its|he|his|she|her|they|their|who|which|that|has|had|have)\b|[a-z]{3}s \d", re.IGNORECASE
)
_THING = re.compile(r"\b(?:an?|the|its|this|another)\s")  # what else "it" may stand for, behind the verb
_PERSON = re.compile(r"[A-Z][\w'’-]+ [A-Z]|\b(?:by|with|and|than|of) (?:an?|the|his|her|[A-Z])")
_SPOKEN_OF = re.compile(r"\b(?:he|him|his|she|her)\b")
_REPLACEABLE = re.compile(r"(?:[Ii]t|[Hh]e|[Ss]he)(?= [a-z])|(?P<own>[Ii]ts|[Hh]is|[Hh]er)(?= [a-z])")
_BREAK = re.compile(r"\n[ \t]*\n|\n\s*(?:[-*+•–—·‣▪◦#|>]|\d{1,3}[.)]|[a-z]\))\s")


def is_dependent(sentence: str) -> bool:
    """Say whether a sentence begins with what stands for something named before it: "It", "Its", "In 1904 she"."""
    text = sentence.strip().lstrip("\"'“‘([")
    if not text[:1].isupper() or _NAMED.match(text):
        return False
    return bool(_DEPENDENT.match(text) or _LINKED.match(text) or _PLACED.match(text))


def antecedent(text: str, start: int) -> Span | None:
    """Return the span of the sentence that the one at `start` leans on: the nearest before it that leans on none.

    None where it leans on nothing, or on nothing of its own paragraph in this text.
    """
    spans = _sentences(text)
    place = next((at for at, (begin, end) in enumerate(spans) if begin <= start < end), None)
    if place is None or not _leans(text, start, spans[place][1]):
        return None
    for at in range(place - 1, -1, -1):
        begin, end = spans[at]
        if _BREAK.search(text, end, spans[at + 1][0] + 2):
            return None
        if not _leans(text, begin, end):
            return None if text[begin:end].endswith(":") else (begin, end)
    return None


def _leans(text: str, start: int, end: int) -> bool:
    """Whether a sentence depends, or goes on as a fragment behind another on its line."""
    behind = text[start - 1 : start] == " " and text[end - 1 : end] in ".!"
    return is_dependent(text[start:end]) or (behind and bool(_FRAGMENT.match(text, start)))


@lru_cache(maxsize=512)
def _sentences(text: str) -> tuple[Span, ...]:
    return tuple(sentences(text))


@lru_cache(maxsize=4096)
def put_in(text: str, start: int) -> tuple[Span, str] | None:
    """Return the sentence at `start` with what its "It", "He", "She" or "Its" stands for put in, and the span of both.

    Only where there is one thing that it can stand for: the antecedent says of a subject what it is or was, and that
    subject is named. None otherwise.
    """
    lead = antecedent(text, start)
    if lead is None:
        return None
    end = next(stop for begin, stop in _sentences(text) if begin == start or begin <= start < stop)
    said, before = " ".join(text[start:end].split()), " ".join(text[slice(*lead)].split())
    placed = _PLACED.match(said)
    begin = placed.end() - len(placed[0].split()[-1]) if placed else 0
    pronoun = _REPLACEABLE.match(said, begin)
    actor = _ACTOR.match(before) if pronoun and pronoun[0][:1] in "HhSs" else None
    subject = _SUBJECT.match(before) or actor
    if end - lead[0] > FAR or subject is None or pronoun is None:
        return None
    rivals = _THING if pronoun[0][:1] in "Ii" else _PERSON
    if rivals is _PERSON and _SPOKEN_OF.search(before):
        return None  # "The ship was named after her cat. She lives in Rye.": who it is was said before that
    if (
        rivals.search(before, subject.end())
        or _AMBIGUOUS.search(subject[1])
        or not (actor or re.search(r"[A-Z0-9]", subject[1][1:]))
    ):
        return None
    own = f"{subject[1]}'s" if pronoun["own"] else subject[1]
    own = own if not begin else re.sub(r"^(The|An?|Our) ", lambda article: article[0].lower(), own)
    return (lead[0], end), f"{said[:begin]}{own}{said[pronoun.end() :]}"
