"""Which letters of a library a message means by who wrote them: "Ada Reed's e-mail", "the mail from Ada to Bo".

Knows the lines that head a message, nothing of what is then said of it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from retrieval.tools.holdings import Holding, Meant

KINDS: Final = frozenset({"eml", "mbox", "msg", "email"})
READ: Final = 400  # letters whose heads are read
_LETTER: Final = r"(?:e-?mails?|mails?|messages?|letters?)"
_NAMED: Final = re.compile(
    r"(?P<own>(?:[^\W_][\w.-]* ){0,2}?[^\W_][\w.-]*)['’]s? (?:(?:last|latest|long|short|recent) )?"
    rf"{_LETTER}(?: to (?P<owned>[^\W_][\w.-]*(?: [A-Z][\w.-]*)?))?|"
    rf"(?:(?:the|that|an?) )?{_LETTER} (?:that )?(?:was )?(?:from|by|of|sent by|written by) "
    r"(?P<by>[^\W_][\w.-]*(?: [A-Z][\w.-]*){0,2})(?: to (?P<to>[^\W_][\w.-]*(?: [A-Z][\w.-]*)?))?|"
    rf"(?:(?:the|that|an?) )?{_LETTER} (?:that )?(?P<who>[^\W_][\w.-]*(?: [A-Z][\w.-]*){{0,2}}) "
    r"(?:wrote|sent|has written|has sent)(?: to (?P<whom>[^\W_][\w.-]*(?: [A-Z][\w.-]*)?))?"
)
_LINE: Final = re.compile(r"^(From|To|Cc): (.+)$", re.MULTILINE)
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
Openings = Callable[[Sequence[str]], Mapping[str, str]]


def letters_meant(message: str, held: Sequence[Holding], openings: Openings) -> Meant:
    """Return the letters of whom a message names as their writer, by name, () where it names none."""
    match = _NAMED.search(message)
    letters = [one for one in held if one.kind in KINDS][:READ] if match else []
    if match is None or not letters:
        return Meant()
    said = (match["own"] or match["by"] or match["who"]).split()
    place = next((n for n, word in enumerate(said) if word[0].isupper() and word not in ("What", "Who", "The")), None)
    if place is None:
        return Meant()
    writer = _names(" ".join(said[place:]))
    reader = _names(match["owned"] or match["to"] or match["whom"] or "")
    heads = openings([one.source for one in letters])
    found = []
    for one in letters:
        lines = {name: _names(line) for name, line in reversed(_LINE.findall(heads.get(one.source, "")))}
        if writer and writer <= lines.get("From", set()) and reader <= lines.get("To", set()) | lines.get("Cc", set()):
            found.append(one)
    before = " ".join(said[:place]) if match["own"] else ""
    return Meant(tuple(found), match.start() + len(before) + bool(before), match.end()) if found else Meant()


def headed(letter: Holding, openings: Openings) -> str:
    """Return who wrote a letter to whom on what, as a sentence; empty for what is no letter or does not say."""
    if letter.kind not in KINDS:
        return ""
    lines = {name: _called(line) for name, line in reversed(_LINE.findall(openings([letter.source])[letter.source]))}
    if not lines.get("From"):
        return ""
    to = f" to {lines['To']}" if lines.get("To") else ""
    return f"“{letter.title}” is an e-mail from {lines['From']}{to}."


def _called(line: str) -> str:
    """Those whom a line of a head names, without their addresses where they have names."""
    people = [re.sub(r'\s*<[^<>]*>\s*|"', "", one).strip() or one.strip(" <>") for one in line.split(",")]
    return people[0] if len(people) == 1 else f"{', '.join(people[:-1])} and {people[-1]}"


def _names(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(text)}
