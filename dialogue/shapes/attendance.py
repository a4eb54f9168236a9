"""Who was at a meeting, and who was missing: the lines of its minutes that say so, by their labels.

Knows nothing of judging; which meeting is meant is told by the titles of documents, their months and days.
"""

import re
from calendar import month_name
from collections.abc import Sequence
from typing import Final

from dialogue.judges.answers import Offer
from dialogue.judges.facts import words
from dialogue.judges.quantities import read
from dialogue.units import units
from retrieval.types import Passage
from retrieval.versions import marks_of, version_of

MOST: Final = 12  # lines that are quoted
MEETING: Final = (
    r"\b(?:(?:meeting|session|sitting|assembly|minutes|workshop|call|conference|agm|hearing|gathering|seminar|visit|"
    r"inspection|interview)s?|at (?:the |our )?(?:[\w'’-]+ ){0,4}(?:committee|board|council))\b"
)

_CAME: Final = re.compile(
    r"(?:who|which (?:people|members?|persons?|of (?:them|the members))|what people)(?: (?:all|else))? "
    r"(?:(?:was|were|is)(?: all)?(?: there| present| in attendance)? (?:at|during|attending|"
    r"in(?= .*\b(?:meeting|session|call|workshop)\b)) |"
    r"(?:was|were|is)(?: all)? (?:present|there|in attendance)\b|"
    r"(?:all )?(?:attended|came|took part|participated|turned up|showed up|went|sat in|joined|made it|had come)\b|"
    r"(?:did|has|have|had) (?:all )?(?:attend|come|take part|participated|attended)\b)|"
    r"(?:who were|name|list|give me|show me|tell me)(?: me)? (?:all )?(?:the |all )?(?:names of (?:the |all )?)?"
    r"(?:attendees|participants|attendance|people (?:at|who (?:were|came|attended))|"
    r"members (?:present|who (?:were|came)))\b",
    re.IGNORECASE,
)
_MISSED: Final = re.compile(
    r"(?:who|which (?:people|members?|persons?|of (?:them|the members)))(?: (?:all|else))? "
    r"(?:(?:was|were|is) (?:absent|missing|away|excused|unable|not (?:present|at|there|in attendance|able))\b|"
    r"(?:sent|gave|made|offered|had sent|has sent)\b.*\b(?:apolog(?:y|ies)|regrets?|excuses?)\b|"
    r"(?:had |has )?(?:apologi[sz]ed|missed|cancelled|excused)\b|"
    r"(?:did not|didn['’]t|could not|couldn['’]t|was not able|were not able) "
    r"(?:attend|come|take part|make it|be (?:at|there|present)|join|turn up|show up)\b)|"
    r"whose (?:apologies|absence|regrets)\b|from whom\b.*\bapologies\b",
    re.IGNORECASE,
)
_CHAIRED: Final = re.compile(
    r"who (?:chaired|led|presided|opened|was (?:the )?chair(?:man|woman|person)?|was in the chair|"
    r"(?:took|wrote|kept) the minutes)\b",
    re.IGNORECASE,
)
_ONE: Final = re.compile(
    r"(?i:was|were|did|has) (?P<who>[A-Z][\w'’.-]*(?: [A-Z][\w'’.-]*)*) (?:also )?(?:there )?"
    r"(?:at|present|in attendance|attend(?:ed)?|come|take part|absent|missing|excused|make it|miss|send)\b"
)
_PRESENT_LINE: Final = re.compile(
    r"(?:[-*•] )?(?:(?:also |those |members |committee |others? |trustees |councillors )*"
    r"(?:present|attending|in attendance)|"
    r"attend(?:ees|ance|ed(?: by)?)|participants|people present|there were present|delegates)"
    r"(?: (?:were|was))?(?: \([^)]*\))?\s*(?::|[–-] )\s*|(?:present|in attendance) were\b|"
    r"[^.:]*\b(?:were|was) (?:present|in attendance)\b|[^.:]*\battended\b",
    re.IGNORECASE,
)
_ABSENT_LINE: Final = re.compile(
    r"(?:[-*•] )?(?:apologies(?: for absence)?|absent(?: with apologies)?|absentees|regrets|excused|not present|"
    r"missing|sent apologies|unable to attend)(?: (?:received )?from)?(?: (?:were|was))?(?: \([^)]*\))?\s*(?::|[–-] )|"
    r".*\bapologies\b.*\b(?:from|received|sent|given)\b|.*\b(?:sent|gave) (?:his |her |their )?apologies\b|"
    r".*\b(?:was|were) (?:absent|excused)\b",
    re.IGNORECASE,
)
_CHAIR_LINE: Final = re.compile(
    r".*\((?:in the )?chair(?:man|woman|person)?\b[^)]*\)|(?:[-*•] )?(?:in the )?chair(?:man|woman|person|ed by)?\s*:|"
    r".*\b(?:chaired|presided|in the chair|took the chair)\b",
    re.IGNORECASE,
)
_MINUTED_LINE: Final = re.compile(
    r"(?:[-*•] )?(?:minutes(?: taken)?(?: by)?|minute[- ]taker|secretary|clerk|recorded by)\s*:|"
    r".*\((?:minutes|minute[- ]taker|secretary|clerk)\b[^)]*\)|.*\btook the minutes\b",
    re.IGNORECASE,
)
_HEADING_PRESENT: Final = re.compile(r"(?:also )?(?:present|attend(?:ees|ance|ing)|participants|in attendance)", re.I)
_HEADING_ABSENT: Final = re.compile(r"(?:apologies(?: for absence)?|absent|absentees|regrets|excused)", re.I)
_NEVER: Final = re.compile(r"(?!)")
_MONTH: Final = re.compile(rf"\b({'|'.join(month_name[1:])})\b")


def asks_who_came(question: str) -> bool:
    """Whether a question asks who was at a meeting or there on a day, whether somebody was, who was not or led it."""
    text = " ".join(question.split())
    asks = any(form.match(text) for form in (_MISSED, _CAME, _CHAIRED, _ONE))
    return asks and bool(re.search(MEETING, text, re.IGNORECASE) or read(text)[1])


def who_came(question: str, passages: Sequence[Passage]) -> list[tuple[Passage, Offer]] | None:
    """Return the lines that say who was at the meeting that a question means, or missing.

    [] where they are of other meetings only, None where there are none or something else is asked.
    """
    text = " ".join(question.split())
    if not asks_who_came(text):
        return None
    best: tuple[float, list[tuple[Passage, Offer]]] = (-1.0, [])
    for source in dict.fromkeys(passage.source for passage in passages):
        own = [passage for passage in passages if passage.source == source]
        found = _told(text, own)
        meant = _meant(text, own) if found else -1.0
        best = max(best, (meant, found), key=lambda each: each[0])
    return best[1][:MOST] if best[0] > 0 else [] if best[0] == 0 else None


def _told(question: str, own: Sequence[Passage]) -> list[tuple[Passage, Offer]]:
    """The lines of a document that answer who was there, or missing, or led it."""
    if one := _ONE.match(question):
        told = _lines(own, _PRESENT_LINE, _HEADING_PRESENT) + _lines(own, _ABSENT_LINE, _HEADING_ABSENT)
        return [(passage, offer) for passage, offer in told if one["who"].split()[-1] in offer.line]
    if chaired := _CHAIRED.match(question):
        return _lines(own, _MINUTED_LINE if "minutes" in chaired[0].casefold() else _CHAIR_LINE, _NEVER)[:1]
    if _MISSED.match(question):
        return _lines(own, _ABSENT_LINE, _HEADING_ABSENT)
    return _lines(own, _PRESENT_LINE, _HEADING_PRESENT)


def _meant(question: str, own: Sequence[Passage]) -> float:
    """How far a question means this document: the share of its words that title and opening say, 0 for another day."""
    title = own[0].title
    version = version_of(own[0].source, title, own[0].text)
    months = {month_name[:].index(name) for name in _MONTH.findall(question)}
    asked = marks_of(question)
    if months and version.date[1:2] and version.date[1] not in months:
        return 0.0
    if asked and version.marks and not asked <= version.marks:
        return 0.0
    # what the question is about, without what only asks for people
    sought = {word.stem for word in words(re.sub(MEETING, " ", _rest(question), flags=re.I)) if word.content}
    said = {word.stem for word in words(f"{title}\n{own[0].source}\n{own[0].text[:200]}")}
    sought = {stem for stem in sought if not stem.isdigit() and stem not in _MONTHS}
    return 1.0 if not sought else len(sought & said) / len(sought)


_MONTHS: Final = {word.stem for name in month_name[1:] for word in words(name)}


def _rest(question: str) -> str:
    """A question without the words that ask who came."""
    match = next((found for form in (_MISSED, _CAME, _CHAIRED, _ONE) if (found := form.match(question))), None)
    return question[match.end() :] if match else question


def _lines(own: Sequence[Passage], line: re.Pattern[str], heading: re.Pattern[str]) -> list[tuple[Passage, Offer]]:
    """The units that a label opens, with the list below it where the label stands alone, or those under a heading."""
    found: list[tuple[Passage, Offer]] = []
    for passage in own:
        headed = bool(passage.headings and heading.fullmatch(passage.headings[-1].strip(" :0123456789.")))
        opened = False
        for offer in units(passage):
            labelled = bool(line.match(offer.line))
            listed = opened and not re.search(r"^[^-•*:]{2,40}:", offer.line) and len(offer.line.split()) <= 8
            opened = (labelled and offer.line.rstrip().endswith(":")) or listed
            if headed or labelled or listed:
                found.append((passage, offer))
    return found
