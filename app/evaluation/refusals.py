"""What a reply is, where its system does not say: an answer, an abstention for want of a source, or a refusal.

By the wording alone, and only of short texts or at their beginning: a long text that says what it does not know has
answered something. It reads English.
"""

import re
from typing import Final

from dialogue.cite import without_marks
from dialogue.prompts import is_abstention
from dialogue.types import Outcome

LEAD: Final = 220  # characters of a reply in which it says that it does not answer
_NOT = r"(?:not|n['’]t|never|no)"
_SOURCES = (
    r"(?:documents?|sources?|context|passages?|information|knowledge base|texts?|articles?|material|evidence|files?|"
    r"provided|given|data)"
)
_ABSTAINS: Final = re.compile(
    rf"\b(?:do(?:es)?|did|could|can|is|are|was|were|have|has)\s?{_NOT}\b[^.!?]{{0,60}}\b(?:know|find|found|say|mention|contain|"
    rf"cover|include|provide|state|specify|answer|available|enough|sufficient|able to (?:find|answer|determine)|"
    rf"information|have)\b|"
    rf"\b(?:cannot|unable to|can['’]t)\b[^.!?]{{0,30}}\b(?:find|answer|determine|tell|say)\b|"
    rf"\bno (?:relevant |further |such )?(?:information|mention|answer|evidence|data)\b|"
    rf"\b{_SOURCES}\b[^.!?]{{0,40}}\b(?:silent|lacks?|nothing)\b|\bunanswerable\b",
    re.IGNORECASE,
)
_REFUSES: Final = re.compile(
    r"\bI(?:['’]m| am)? ?(?:sorry,? (?:but )?)?(?:I )?"
    r"(?:can(?:no|['’])t|cannot|won['’]t|will not|am unable to|am not able to|must decline|have to decline|decline|"
    r"refuse)"
    r"\b[^.!?]{0,40}\b"
    r"(?:help|assist|do that|comply|provide|support|engage|fulfil|discuss|create|write|generate)\b",
    re.IGNORECASE,
)


def outcome_of(text: str) -> Outcome:
    """Return what a reply is by its wording."""
    plain = without_marks(text).strip()
    lead = plain[:LEAD]
    if is_abstention(plain):
        return "abstained"
    refuses = _REFUSES.search(lead)
    if refuses and not re.search(_SOURCES, lead, re.IGNORECASE):
        return "refused"
    abstains = _ABSTAINS.search(lead)
    if abstains and (len(plain) <= LEAD or not plain[: abstains.start()].strip()) and _first_person_or_source(lead):
        return "abstained"
    return "answered"


def _first_person_or_source(lead: str) -> bool:
    """Whether it is the speaker who does not know, or the sources that do not say; not a fact with a "not" in it."""
    return bool(re.search(rf"\bI\b|\bwe\b|\b{_SOURCES}\b|\bunanswerable\b", lead, re.IGNORECASE))
