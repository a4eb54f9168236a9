"""What is told of a thing: the first sentences under the heading, or of the paragraph, that names it.

For "Tell me about X", for "What is X" and for a bare "X" where X heads a section, such as the code of an error.
"""

import re
from collections.abc import Sequence
from typing import Final

from dialogue.judges.answers import AnswerScorer, Offer
from dialogue.judges.facts import content_stems, words
from dialogue.judges.subject import subject_of
from dialogue.shapes.facts import facts, mentions
from dialogue.shapes.verdict import statement
from dialogue.terms import mentions_term, parties, terms
from dialogue.units import around, quotable, units
from retrieval.text import BAR
from retrieval.types import Passage

MOST: Final = 4  # sentences that are told
ENOUGH: Final = 420  # characters of them
OPENING: Final = 8  # words at the beginning of a paragraph within which its subject is named
OF_PARTY: Final = 0.2  # the least probability that a sentence answers which speaks of the party by its term
SHORT: Final = 5  # words of a message that is little more than a name

_TELL = re.compile(
    r"(?:(?:please|and|so|ok|can you|could you|would you)[\s,]+)*"
    r"(?:tell (?:me|us)|what do you know|what can you (?:tell (?:me|us)|say)|what is (?:there to know|known|said)|"
    r"give (?:me|us)|describe|explain|i(?:'d| would) like to know)"
    r"(?: (?:something|some|a bit|a little|more|everything|all|information|details|facts))*(?: (?:about|on|of))? "
    r"(?P<thing>.+)",
    re.IGNORECASE,
)
_IS = re.compile(
    r"(?:and |so )?(?:(?:what|who)(?:['’]s| is| are| was| were) (?P<thing>.+?)(?: about)?|"
    r"what (?:does|do|did) (?P<sign>.+?) (?:mean|stand for|say))",
    re.IGNORECASE,
)
_NEW = re.compile(
    r"(?:and |so )?(?:what(?:['’]s| is| was| were|(?: has| have)(?: been)?)? (?:new|different|changed|fixed|added)|"
    r"(?:what|which) (?:changes|fixes) (?:are|were|came)(?: there)?) (?:in|with|by|for|since) (?P<thing>.+)",
    re.IGNORECASE,
)
_VERSION = re.compile(r"\b\d+(?:\.\d+)+\b")
_REPORTS = re.compile(r"(?:my|our|the|i|we|it|there)\b(?!.* of )", re.IGNORECASE)  # "my display says E12"
_ASIDE = re.compile(r"\([^()]*\)")
_ARTICLE = re.compile(r"^(?:the|an?|our|my|your)\s+", re.IGNORECASE)
_ASKS = re.compile(r"\b(?:who|what|when|where|which|why|how|how many|how much)\b", re.IGNORECASE)


def told_of(question: str, passages: Sequence[Passage]) -> list[Offer]:
    """Return what passages tell of the thing that a question asks about as a whole, [] where it asks otherwise."""
    text = " ".join(question.split()).rstrip("?!. ")
    tell = _TELL.fullmatch(text)
    thing = _ARTICLE.sub("", _named(text))
    if not thing and len(text.split()) <= SHORT and not _ASKS.search(text):
        thing = text
    if not thing or _ASKS.search(thing):
        return []
    documents = [passage for passage in passages if passage.kind == "document"]
    if party := next((party for passage in documents if (party := _party(thing, passage))), None):
        return [party]
    headed = [passage for passage in documents if _heads(thing, passage, exactly=not tell)]
    if headed:
        first = min((p for p in headed if p.headings == headed[0].headings), key=lambda passage: passage.start)
        return _first(units(first))
    return next((told for passage in documents if (told := _paragraph(thing, passage))), []) if tell else []


def told_of_party(scorer: AnswerScorer, question: str, passages: Sequence[Passage]) -> list[Offer]:
    """Return what a contract says of the party that a question names by its term, and not of another one."""
    named, others = parties(question, [passage.text for passage in passages])
    ranked = facts(scorer, question, passages) if named and not statement(question) else []
    best = next((fact for fact in ranked if mentions_term(fact.offer.text, named)), None)
    if best is None or (best is not ranked[0] and not mentions_term(ranked[0].offer.text, others)):
        return []
    return [best.offer] if best.probability >= (OF_PARTY if best is ranked[0] else OF_PARTY / 2) else []


def _named(text: str) -> str:
    """The thing that a question asks about as a whole, "" where its form does not tell."""
    for form in (_NEW, _TELL, _IS):
        if match := form.fullmatch(text):
            return match["thing"] or match["sign"]
    return ""


def _party(thing: str, passage: Passage) -> Offer | None:
    """What says for whom the thing stands, where it is a term for a party to a contract."""
    named = (one for one in terms(passage.text) if one.term.casefold() == f"the {thing.casefold()}")
    return next((around(passage, one.start, one.end) for one in named), None)


def _heads(thing: str, passage: Passage, exactly: bool) -> bool:
    """Whether a passage stands under a heading, or without one in a document, that names the thing and little else."""
    heading = passage.headings[-1] if passage.headings else passage.title
    if versions := _VERSION.findall(thing):
        return len(words(thing)) <= SHORT and versions == _VERSION.findall(heading)[:1]
    asked, named = subject_of(thing).identifiers, subject_of(heading).identifiers
    if asked:
        beside = sum(word.content for word in words(thing)) - 1
        alone = (beside < 2 and " of " not in thing) or bool(_REPORTS.match(thing))
        return len(asked) == 1 and asked == named and alone
    said = content_stems(_ASIDE.sub(" ", heading))
    sought = content_stems(thing)
    sought = (sought - {word.stem for word in words(passage.title)} if passage.headings else sought) or sought
    return bool(sought) and (said == sought if exactly else sought <= said and len(said) <= len(sought) + 2)


def _paragraph(thing: str, passage: Passage) -> list[Offer]:
    """The first sentences of the paragraph that begins with the thing."""
    told: list[Offer] = []
    for offer in units(passage):
        begins = not offer.start or "\n\n" in passage.text[: offer.start][-3:]
        if told and begins:
            break
        if told or (begins and mentions(thing, " ".join(offer.line.split()[:OPENING]))):
            told.append(offer)
    return _first(told)


def _first(told: Sequence[Offer]) -> list[Offer]:
    """The first of units that are running text, as far as they are short enough together."""
    kept: list[Offer] = []
    for offer in told[:MOST]:
        if BAR in offer.text or sum(len(each.text) for each in kept) > ENOUGH:
            break
        if quotable(offer.line):
            kept.append(offer)
    return kept
