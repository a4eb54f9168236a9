"""What may be asked next: questions made from sentences that were found and not used, kept where the sources answer
them.

A sentence with a subject of its own is turned round ("The kiln was built in 1764." to "When was the kiln built?"); the
reader, by way of the retriever, decides which of these are questions that the sources answer. English alone.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from dialogue.phrases import ARTICLES, AUXILIARY, PREPOSITIONS, PRONOUNS, SPEAKERS, Phrase, phrases, verbs, words
from dialogue.types import Reply, Role
from retrieval.text import sentences
from retrieval.types import Passage, Retriever

SURE: Final = 0.6  # the least probability that a passage answers a question that is offered
TRIED: Final = 10  # questions that are looked up
OFFERED: Final = 3
NEAR: Final = 10  # passages of the document that was cited
_LONGEST: Final = 90  # characters of a question
_FORMS: Final = frozenset("is are was were has have had can could will would".split()) & AUXILIARY
_YEAR = re.compile(r",?\s+(?:in|on|since|until)\s+(?:the\s+)?(?:\d{1,2}\s)?(?:[A-Z]\w+\s)?\d{4}s?\b.*", re.DOTALL)
_CAUSE = re.compile(r",?\s+(?:because|so that|in order to)\s+.*", re.DOTALL)
_PLACE = re.compile(r",?\s+(?:in|at|near)\s+(?:the\s+)?[A-Z]\w+.*", re.DOTALL)
_MEASURE = re.compile(r"\d[\d,.]*\s+\w+\s+(tall|high|long|deep|wide|old|heavy|thick)\b")
_DATED = re.compile(r"\b(?:on|at|in) (?:the )?\d")
_STOP = re.compile(r"[,;:(—–].*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and the sentence that it was made from."""

    text: str
    sentence: str


def follow_ups(retriever: Retriever, reply: Reply, asked: Sequence[str], role: Role) -> tuple[str, ...]:
    """Return up to OFFERED questions that the sources answer and nobody `asked`. Raises RetrievalError."""
    if reply.outcome == "refused" or not reply.trace.evidence:
        return ()
    used = [citation.quote for citation in reply.citations]
    found: list[str] = []
    for number, question in enumerate(_fresh(_found(retriever, reply, role), used, asked)):
        if number == TRIED or len(found) == OFFERED:
            break
        best = retriever.search([question.text], 4, role.sources)
        sure = [item for item in best[:2] if (item.probability or 0.0) >= SURE]
        if any(question.sentence in item.passage.text for item in sure):
            found.append(question.text)
    return tuple(found)


def _found(retriever: Retriever, reply: Reply, role: Role) -> list[Passage]:
    """The other passages of what was cited; where nothing was, what was found."""
    cited = next((citation for citation in reply.citations if citation.passage.kind == "document"), None)
    near = retriever.search([cited.title], NEAR, (cited.source,)) if cited and not role.sources else ()
    rest = [item for item in reply.trace.evidence if cited is None or item.passage.source == cited.source]
    found = [item.passage for item in (*near, *rest) if item.passage.kind == "document"]
    return list({passage.id: passage for passage in found}.values())


def _fresh(found: Sequence[Passage], used: Sequence[str], asked: Sequence[str]) -> Iterator[Question]:
    """Questions from passages, one of each in turn, none like another or like what was asked."""
    seen = [_content(question) for question in asked]
    lines = [iter(list(questions(passage))) for passage in found]
    while lines:
        for line in list(lines):
            question = next(line, None)
            if question is None:
                lines.remove(line)
                continue
            content = _content(question.text)
            alike = any(2 * len(content & other) > min(len(content), len(other)) for other in seen)
            if question.sentence not in used and not alike:
                seen.append(content)
                yield question
                break


def _content(text: str) -> frozenset[str]:
    return frozenset(word.plain for word in words(text) if len(word.text) > 3)


def questions(passage: Passage) -> Iterator[Question]:
    """Yield the questions that sentences of a passage can be turned into."""
    for start, end in sentences(passage.text):
        sentence = passage.text[start:end].strip()
        if text := _turned(sentence, passage.text):
            yield Question(text, sentence)


def _turned(sentence: str, around: str) -> str:
    """A sentence as a question, "" for one that cannot be turned."""
    subject = next((phrase for phrase in phrases(sentence) if phrase.start == 0), None)
    if subject is None or not _stands_alone(subject):
        return ""
    rest = sentence[subject.end :].rstrip(".!?… ")
    if not rest.startswith(" "):
        return ""
    verb, _, tail = rest.strip().partition(" ")
    named = _inside(subject.text, around)
    question = _of_auxiliary(named, verb, tail) if verb in _FORMS else _of_verb(named, verb, tail)
    return question if 10 < len(question) <= _LONGEST else ""


def _stands_alone(subject: Phrase) -> bool:
    read = words(subject.text)
    plain = {word.plain for word in read}
    if not read or len(read) > 6 or plain & (PRONOUNS | SPEAKERS):
        return False
    return not (len(read) == 2 and read[0].plain in ARTICLES and read[1].text.islower())  # "the net": which one?


def _inside(subject: str, around: str) -> str:
    """A subject as it is written within a sentence: small where the text writes its first word small too."""
    first = subject.split(maxsplit=1)[0]
    small = first.lower() in ARTICLES or re.search(rf"\b{re.escape(first.lower())}\b", around)
    return subject[0].lower() + subject[1:] if small and first[1:].islower() else subject


def _of_auxiliary(subject: str, verb: str, tail: str) -> str:
    if (measure := _MEASURE.match(tail)) and verb in ("is", "are", "was", "were"):
        return f"How {measure[1]} {verb} {subject}?"
    for asking, cut in (("When", _YEAR), ("Why", _CAUSE), ("Where", _PLACE)):
        middle = cut.sub("", tail)
        if asking == "Where" and _DATED.search(middle):
            continue  # "Where is the next meeting on 8 April?" asks for what it says
        if middle != tail and middle and not _STOP.search(middle) and not middle.endswith((" and", " or")):
            return f"{asking} {verb} {subject} {middle}?"
    plain = not subject.startswith(("the ", "a ", "an "))  # "the plural octopuses is the usual one" asks nothing
    if plain and verb in ("is", "are") and re.match(r"(?:an?|the|any|kinds? of)\s", tail):
        return f"What {verb} {subject}?"
    return ""


def _of_verb(subject: str, verb: str, tail: str) -> str:
    base, past = _base(verb)
    if not base:
        return ""
    if past:
        middle = _YEAR.sub("", tail)
        return f"When did {subject} {base} {middle}?" if middle not in (tail, "") and not _STOP.search(middle) else ""
    if base == "take" and tail.startswith("place "):
        return f"When does {subject} take place?"
    return f"What does {subject} {base}?" if tail and tail.split(maxsplit=1)[0] not in PREPOSITIONS else ""


def _base(verb: str) -> tuple[str, bool]:
    """The base form of a regular verb and whether it is in the past, "" for what is none."""
    known = verbs()
    if verb.endswith("ed") and len(verb) > 4:
        doubled, in_y = verb[-3] == verb[-4], verb[-3] == "i"
        forms = (verb[:-1], verb[:-2], verb[:-3] if doubled else "", f"{verb[:-3]}y" if in_y else "")
        return next((form for form in forms if form in known), ""), True
    if verb.endswith("s") and not verb.endswith("ss") and verb.islower():
        ends = (verb[:-1], verb[:-2] if verb.endswith("es") else "")
        return next((form for form in ends if form in known), ""), False
    return "", False
