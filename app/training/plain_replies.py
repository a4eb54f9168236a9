"""A question and its short answer made into one plain sentence, where the question's form allows it.

What else is said is the sentence of the passage that holds the answer. Knows grammar of questions; nothing of data.
"""

import re
from typing import Final

from retrieval.text import sentences

LONGEST: Final = 32  # words of a sentence that is said as it stands
_SUBJECT = re.compile(
    r"(?:who|(?:what|which)(?: (?!of\b)[\w'’-]+){0,3}?) (?P<rest>(?P<verb>[\w-]+)\b.*)", re.IGNORECASE
)
_COPULA = re.compile(
    r"(?:what|who|which) (?P<be>is|are|was|were) (?P<thing>(?:the|a|an|his|her|its|their|one)\b.+)", re.I
)
_PLACED = re.compile(
    r"(?P<asks>when|where|in (?:what|which) [\w-]+|by whom|how) (?P<be>is|are|was|were) (?P<thing>.+)", re.I
)
_COUNTED = re.compile(r"how many (?P<things>.+?) (?P<be>are|were) (?:there|in)\b(?P<rest>.*)", re.IGNORECASE)
_NAMED = re.compile(r"(?P<thing>.+) (?P<how>called|named|known as|considered|titled|nicknamed)", re.IGNORECASE)
_PLACE = re.compile(
    r"\b(in|on|at|from|by|to|during|since|between|around|near|under|after|before|through|for)\s+(?:the\s+)?$"
)
_AUXILIARY = frozenset(
    "is are was were be do does did has have had can could will would shall should may might must been".split()
)
_PAST = frozenset(
    "began became wrote made won led gave took built held found said told came went ran saw drew sang left lost "
    "taught bought brought thought fought sent spent wore grew knew spoke broke chose rose fell shot".split()
)
_PARTICIPLE = frozenset(
    "born built made held found written known sold shot sent given taken drawn sung lost led won taught brought "
    "bought fought spent worn grown spoken broken chosen fallen begun buried".split()
)
_POINTS_BACK = frozenset("He She They It This These His Her Their Its That Those However Also".split())
_ENDS = frozenset("of in on at for to by from with as about into after before under over".split())


def reply_of(question: str, answer: str, passage: str, start: int) -> str:
    """Return one sentence that says the answer, "" where none that is plain and short can be made.

    `start` is where the answer stands in the passage.
    """
    said = composed(question, answer, passage[:start])
    return said or holding(passage, answer, start)


def holding(passage: str, answer: str, start: int) -> str:
    """Return the sentence of the passage in which the answer stands, "" for a long or a broken one."""
    for first, last in sentences(passage):
        if first <= start and start + len(answer) <= last:
            said = passage[first:last]
            whole = said[:1].isupper() and said[-1:] in ".!?" and len(said.split()) <= LONGEST
            return said if whole and said.split()[0] not in _POINTS_BACK else ""
    return ""


def composed(question: str, answer: str, before: str = "") -> str:
    """Return the statement that the question and its answer make; `before` is what stands before the answer."""
    asked, answer = question.strip().rstrip("?").strip(), answer.strip().rstrip(".,;")
    if not answer or len(answer.split()) > 12 or "?" in asked or len(asked.split()) > 24:
        return ""
    said = (
        _counted(asked, answer) or _copula(asked, answer) or _placed(asked, answer, before) or _subject(asked, answer)
    )
    return f"{said[:1].upper()}{said[1:]}." if said else ""


def _counted(asked: str, answer: str) -> str:
    match = _COUNTED.fullmatch(asked)
    if not match or not re.search(r"\d|^(?:one|two|three|four|five|six|seven|eight|nine|ten|\w+teen)\b", answer, re.I):
        return ""
    rest = match["rest"] if " there" in asked[match.end("be") :][:7] else f" in{match['rest']}"
    number = re.sub(rf"\s*\b{re.escape(match['things'])}$", "", answer)
    return f"there {match['be']} {number} {match['things']}{rest}"


def _copula(asked: str, answer: str) -> str:
    match = _COPULA.fullmatch(asked)
    if not match:
        return ""
    thing, be = match["thing"], match["be"]
    if named := _NAMED.fullmatch(thing):
        return f"{named['thing']} {be} {named['how']} {answer}"
    last = thing.split()[-1]
    if _participle(last) or last in _ENDS or len(thing.split()) > 14:
        return ""
    return f"{thing} {be} {answer}"


def _placed(asked: str, answer: str, before: str) -> str:
    match = _PLACED.fullmatch(asked)
    if not match or match["asks"].casefold() == "how":
        return ""
    thing = match["thing"]
    words = thing.split()
    if not _participle(words[-1]) or len(words) < 2:
        return ""
    place = _PLACE.search(before)
    asks = match["asks"].casefold()
    if place:
        link = place[0].strip()
    elif re.fullmatch(r"(?:1\d|20)\d\d", answer) or asks.startswith("in "):
        link = "in"
    elif asks == "by whom":
        link = "by"
    else:
        return ""
    if answer.split(maxsplit=1)[0].casefold() in _ENDS or answer.split(maxsplit=1)[0] == link.split()[0]:
        link = ""
    return " ".join(f"{' '.join(words[:-1])} {match['be']} {words[-1]} {link} {answer}".split())


def _subject(asked: str, answer: str) -> str:
    """Who, what or which thing did it: the answer takes the place of what asks."""
    match = _SUBJECT.fullmatch(asked)
    if not match:
        return ""
    verb = match["verb"].casefold()
    past = (verb.endswith("ed") and len(verb) > 4) or verb in _PAST
    if (
        verb in _AUXILIARY
        or not past
        or asked.rsplit(maxsplit=1)[-1] in _ENDS
        or re.search(r"\b(?:did|does|do)\b", asked)
    ):
        return ""
    return f"{answer} {match['rest']}"


def _participle(word: str) -> bool:
    return (word.endswith("ed") and len(word) > 4) or word in _PARTICIPLE
