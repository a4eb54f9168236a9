"""The question inside a long message: what of it is asked, with the name that a pronoun of the question stands for."""

import re

from dialogue.names import COMMON, names
from dialogue.talk import asks
from retrieval.text import sentences

LONG = 32  # words from which on a message is more than its question

_PRONOUN = re.compile(
    r"\b(?P<own>its|his|their|her(?=\s+[a-z]))\b|\b(?P<self>it|he|him|she|her|they|them)\b", re.IGNORECASE
)
_INNER = re.compile(
    r"(?:^|[:;,–—-]\s+)(?P<question>(?:(?:at|in|on|by|for|from|to|since|until) )?"
    r"(?:who|whom|whose|what|when|where|which|why|how|is|are|was|were|do|does|did|can|could|will|may|must|has|have)\b"
    r"[^:;–—]*)$",
    re.IGNORECASE,
)
_ARTICLES = frozenset({"a", "an", "the", "our", "my", "your", "this", "that", "these", "those"})
_AHEAD = re.compile(
    r"(?P<thing>[^,:–—]{2,60}?)(?:,| ?[-–—:]) (?P<ask>what|who|where)(?P<verb>['’]s| is| are| was| were) "
    r"(?:that|it|this|he|she|they|those|these)(?P<rest> about| for)?[?!. ]*",
    re.IGNORECASE,
)
_OPENER = re.compile(
    r"^(?:(?:so|but|and|well|anyway|now|please|hi|hello)[\s,]+)*"
    r"(?:(?:my question is|i was wondering|i wonder|could you tell me|can you tell me|do you know|i would like to know|"
    r"i want to know|tell me)[\s,:]+)",
    re.IGNORECASE,
)


def asked_in(message: str) -> str:
    """Return the question of a long message, standing alone as far as a name before it tells; a short one as it is, but
    that what it asks about ahead ("TAT - what's that?") is put in its place."""
    text = " ".join(message.split())
    if len(text.split()) < LONG:
        ahead = _AHEAD.fullmatch(text)
        if not ahead or ahead["thing"].split()[0].casefold() in {*COMMON, "sorry"} - _ARTICLES:
            return text
        verb = re.sub("['’]s", " is", ahead["verb"])
        return f"{ahead['ask'].capitalize()}{verb} {ahead['thing']}{ahead['rest'] or ''}?"
    pieces = [text[start:end] for start, end in sentences(text)]
    asking = [place for place, piece in enumerate(pieces) if piece.endswith("?")] or [
        place for place, piece in enumerate(pieces) if asks(_OPENER.sub("", piece))
    ]
    if not asking:
        return text
    questions = [_bare(pieces[place]) for place in asking[-2:]]
    return _named(" ".join(questions), pieces[: asking[-2:][0]])


def _bare(piece: str) -> str:
    """A question without what leads it in: "But I was wondering: how long is it?"."""
    inner = _INNER.search(piece.rstrip("?!. ").split(": ")[-1]) if ": " in piece else None
    bare = inner["question"] if inner else _OPENER.sub("", piece)
    return f"{bare[:1].upper()}{bare[1:].rstrip('?!. ')}?"


def _named(question: str, before: list[str]) -> str:
    pronoun = _PRONOUN.search(question)
    if pronoun is None or any(question.find(name) < pronoun.start() for name in names(question)):
        return question
    name = next((found[-1] for piece in reversed(before) if (found := names(piece))), "")
    if not name:
        return question
    put = f"{name}'s" if pronoun["own"] else name
    return f"{question[: pronoun.start()]}{put}{question[pronoun.end() :]}"
