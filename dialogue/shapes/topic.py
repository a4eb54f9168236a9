"""What a question is about, as a whole noun phrase, and a later question that leaves it out completed with it.

By light grammar: where the auxiliary stands, and what may follow it. English only.
"""

import re

from dialogue.names import names
from dialogue.query import standalone
from dialogue.types import Turn

_LEAD = r"(?:(?:at|in|on|by|for|from|to|since|until) )?(?:who|whom|whose|what|when|where|which|why|how)\b"
_DO = re.compile(
    rf"(?:{_LEAD}.*?\s)?(?:do|does|did|will|would|can|could|should|must|may)\s+(?P<rest>.+)", re.IGNORECASE
)
_BE = re.compile(rf"(?P<lead>{_LEAD}.*?\s)?(?:is|are|was|were|has|have|had)\s+(?P<rest>.+)", re.IGNORECASE)
_VERB = re.compile(r"(?:who|what|which(?: \w+)?)\s+(?P<verb>[a-z]+)\s+(?P<rest>.+)", re.IGNORECASE)
_ADVERBIAL = re.compile(r"(?<=\w)\s(?:on|in|by|with|per|during|after|before|until|each|every|when|if)\s.+$")
_PARTICIPLE = re.compile(
    r"\s(?:[a-z]+ed|[a-z]+[eow]n|born|built|held|made|sold|lost|found|set|laid|paid|kept|left|led|run|begun|won|cut|"
    r"put|read|bought|caught|taught|dug|open|free|ready|\w+ing)(?:\s+(?:up|down|out|off|in|on|to|for|by|of|called))?$"
)
_WHERE = re.compile(r"(?:in|on|at|by|near|under|behind|beside|inside)\s", re.IGNORECASE)
_ARTICLE = re.compile(r"(?:^|\s)(?:the|an?|this|our|my)$", re.IGNORECASE)
_COUNTED = re.compile(r"(?:how many|what|which)\s(?P<things>(?:[\w-]+\s)?[\w-]+s)", re.IGNORECASE)
_OF = re.compile(r".*\b(?:of|for)\s+(?P<whole>(?:the|an?|this|our|my)?\s?.+)$", re.IGNORECASE)
PRONOUN = re.compile(
    r"\b(?P<own>its|his|their|her(?=\s+[a-z]))\b|\b(?P<self>it|he|him|she|her|they|them|this|that)\b(?!\s+[a-z]+ing\b)",
    re.IGNORECASE,
)
_DEFINITE = re.compile(r"\b(?:is|are|was|were)\s+the\s+\w+(?:\s\w+)?$", re.IGNORECASE)
_DONE = "cost|weigh|take|last|open|close|start|begin|end|mean|need|have|hold|leave|arrive|come|live|work|run|stand"
_OWN_SUBJECT = re.compile(r"\b(?:I|we|you|my|our|your|there|one|ones|someone|somebody|people)\b", re.IGNORECASE)


def topic(question: str) -> str:
    """Return the noun phrase that a question is about, "" where its form does not tell."""
    text = question.strip().rstrip("?!. ")
    if match := _DO.fullmatch(text):
        rest = _ADVERBIAL.sub("", match["rest"])
        before = re.match(rf"(?P<subject>.+)\s(?:{_DONE})\b", rest)
        subject = before["subject"] if before else " ".join(rest.split()[:-1]) or rest
        return "" if _OWN_SUBJECT.match(subject) or subject.casefold() in ("the", "a", "an") else subject
    if match := _BE.fullmatch(text):
        rest = _ADVERBIAL.sub("", match["rest"])
        whole = _OF.fullmatch(rest) if (match["lead"] or "").casefold().startswith(("who", "what", "which")) else None
        rest = whole["whole"] if whole else rest
        shorter = _PARTICIPLE.sub("", rest)
        shorter = rest if _ARTICLE.search(shorter) else shorter  # "the meeting" is a thing
        if where := _WHERE.match(shorter):  # "how many locks are in the flight" is about these locks
            counted = _COUNTED.fullmatch((match["lead"] or "").strip())
            shorter = f"the {counted['things']} {shorter}" if counted else shorter[where.end() :]
        return "" if _OWN_SUBJECT.match(shorter) else shorter
    if (match := _VERB.fullmatch(text)) and not _OWN_SUBJECT.match(match["rest"]):
        return _ADVERBIAL.sub("", match["rest"])
    return ""


def completed(question: str, first: str) -> str:
    """Return a later question with what it leaves to the `first` to say put in; one that names its own as it is."""
    about = topic(first)
    text = question.rstrip("?!. ")
    if not about or len(about.split()) > 8:
        return standalone(f"{text}?", [Turn("user", f"{first}?")]).rstrip("?. ")
    if pronoun := PRONOUN.search(text):
        put = f"{about}'s" if pronoun["own"] else about
        return f"{text[: pronoun.start()]}{put}{text[pronoun.end() :]}"
    if names(text) or _OWN_SUBJECT.search(text) or about.casefold() in text.casefold():
        return text
    return f"{text} of {about}" if _DEFINITE.search(text) else f"{text} ({about})"
