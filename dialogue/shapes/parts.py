"""A question of several parts split into questions that stand alone each.

By form alone; what a later part leaves out it takes from the first, as a follow-up does.
"""

import re
from collections.abc import Sequence

from dialogue.shapes.topic import PRONOUN, completed

MOST = 4  # parts of one question

_WH = r"(?:who|whom|whose|what|when|where|which|why|how)"
_AUX = r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|may|might|must)"
_STARTS = rf"(?:(?:at|in|on|by|for|from|to|since|with|until) (?:what|which|whom|when)|{_WH})\b"
_SPLIT = re.compile(
    rf"\?\s+(?:and\s+|also,?\s+)?(?={_STARTS}|{_AUX}\b)|[,;]?\s+and\s+(?:also\s+)?(?={_STARTS})|[,;]\s+(?:also\s+)?(?={_STARTS})",
    re.IGNORECASE,
)
_ASKING = re.compile(
    rf"(?:(?:please|and|so|hi|hello|hey|ok|well)[\s,]+)*(?:(?:can|could|would|will) you (?:please )?)?"
    rf"(?:(?:tell|let|show) (?:me|us) (?:know )?)?(?={_STARTS}|{_AUX}\b)",
    re.IGNORECASE,
)
_SHARED = re.compile(rf"(?:how \w+|{_WH}(?: \w+)?|(?:at|in|on|by|from|since|until) (?:what|which) \w+)", re.IGNORECASE)
_HEAD = re.compile(rf"^(?:how \w+|{_STARTS})\s+", re.IGNORECASE)
_ALONE = re.compile(r"when|where|why|how|in (?:what|which) year|what year", re.IGNORECASE)
_OF = re.compile(
    r"(?P<ask>what(?: is| are| was| were|'s)) (?P<the>the |an? )?(?P<first>[\w-]+(?: [\w-]+)?)"
    r"(?P<more>(?:, (?:the )?[\w-]+(?: [\w-]+)?)*),? and (?:the |an? )?(?P<last>[\w-]+(?: [\w-]+)?) (?P<of>of .+)",
    re.IGNORECASE,
)
_BOTH = re.compile(
    rf"(?P<ask>(?:what|how \w+(?: \w+)?|when|where|who|which \w+) {_AUX} )(?P<first>.+?),? and (?P<last>.+?)"
    r"(?P<rest>(?: (?:cost|weigh|have|open|close|start|begin|end|take|last|mean|do|run|live|die|leave|hold))?)",
    re.IGNORECASE,
)
_TWICE = re.compile(
    r"(?P<ask>.+?) (?P<first>(?P<link>for|of|at|in|from|to|on|by) .+?),? and (?P<last>(?P=link) .+)", re.IGNORECASE
)
_OWN = re.compile(r"(?:the|an?|our|my|your)\s|[A-Z\d]|[a-z]+ [A-Z\d]")
_ONE = re.compile(r"\b(?:the |an? )?ones?\s+(?P<where>(?:for|of|at|in|from|to|with|on|by)\s+.+)", re.IGNORECASE)


def split(question: str, complete: bool = True) -> tuple[str, ...]:
    """Return the parts of a question, each to stand alone or not `complete` as typed, () for a question that is one."""
    text = " ".join(question.split())
    asking = _ASKING.match(text)
    if not asking:
        return ()
    bare = text[asking.end() :].rstrip("?!. ")
    pieces = _of_one_thing(bare) or [piece.strip(" ,;?") for piece in _SPLIT.split(bare)]
    if len(pieces) == 1 and (both := _of_both(bare)):
        return tuple(f"{piece}?" for piece in both)
    if not 2 <= len(pieces) <= MOST or any(_parenthetic(piece) for piece in pieces):
        return ()
    pieces = _completed_ends(pieces)
    first = pieces[0]
    if any(len(piece.split()) < 2 for piece in pieces):
        return ()
    return (f"{first}?", *(f"{_of_first(piece, first) if complete else piece}?" for piece in pieces[1:]))


def as_typed(question: str, parts: Sequence[str]) -> tuple[str, ...]:
    """Return the parts of a question without what they were completed with, "" for one that points back itself."""
    plain = split(question, complete=False)
    return tuple("" if part == own or PRONOUN.search(own) else own for part, own in zip(parts, plain, strict=True))


def like(thing: str, other: str) -> str:
    """Return a thing named by what tells it from another in full: "the one at Rye", "for Rye": "the mill at Rye"."""
    one = _ONE.fullmatch(thing.strip())
    where = one["where"] if one else thing.strip()
    preposition = re.match(r"(?:for|of|at|in|from|to|with|on|by)\b", where, re.IGNORECASE)
    if preposition is None:
        return thing.strip()
    at = re.search(rf"\s{preposition[0]}\s", other, re.IGNORECASE)
    return f"{other[: at.start()]} {where}" if at else thing.strip()


def _of_one_thing(text: str) -> list[str]:
    """The parts of "what are the A and B of C"."""
    match = _OF.fullmatch(text)
    if not match or " of " in f" {match['first']} {match['last']} ":
        return []
    asked = [match["first"], *(part.removeprefix("the ") for part in match["more"].split(", ")[1:]), match["last"]]
    if any(word in ("difference", "relation", "distance", "between") for word in asked):
        return []
    return [f"What is the {each} {match['of']}" for each in asked]


def _of_both(text: str) -> list[str]:
    """The parts of "how much do A and B cost", "what is the fare to A and to B": one for each thing."""
    if match := _TWICE.fullmatch(text):
        return [f"{match['ask']} {match['first']}", f"{match['ask']} {match['last']}"]
    match = _BOTH.fullmatch(text)
    things = [match["first"], match["last"]] if match else []
    if not match or not all(_OWN.match(thing) for thing in things) or " and " in match["last"] or "between" in text:
        return []
    ask = re.sub(r"\bdo $", "does ", re.sub(r"\bare $", "is ", re.sub(r"\bwere $", "was ", match["ask"])))
    return [f"{match['ask'] if thing.endswith('s') else ask}{thing}{match['rest']}" for thing in things]


def _parenthetic(piece: str) -> bool:
    return piece.count("(") != piece.count(")") or piece.count('"') % 2 == 1


def _completed_ends(pieces: list[str]) -> list[str]:
    """Give "when" of "when and where was it built" the rest of the part behind it, at the end that of the first one."""
    if _ALONE.fullmatch(pieces[-1]) and (head := _HEAD.match(pieces[0])):
        pieces[-1] = f"{pieces[-1]} {pieces[0][head.end() :]}"
    for place in range(len(pieces) - 2, -1, -1):
        if _SHARED.fullmatch(pieces[place]) and (head := _HEAD.match(pieces[place + 1])):
            pieces[place] = f"{pieces[place]} {pieces[place + 1][head.end() :]}"
    return pieces


def _of_first(piece: str, first: str) -> str:
    """A later part with what it leaves to the first one to say."""
    if one := _ONE.search(piece):
        preposition = one["where"].split(maxsplit=1)[0]
        thing = re.search(rf"\b((?:the|an?)\s+(?:[\w-]+\s+){{1,4}}?){preposition}\s", first, re.IGNORECASE)
        if thing:
            return f"{piece[: one.start()]}{thing[1]}{one['where']}"
    return completed(piece, first)
