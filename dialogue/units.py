"""The units of a passage: what of it can be quoted by itself, and what each leans on.

A sentence, a row, a list line, a line of a chat; a question that stands in the passage goes with what follows it. By
form alone: knows nothing of the question that is asked.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from dialogue.antecedents import antecedent, put_in
from dialogue.judges.answers import Offer
from retrieval.reading import page_of
from retrieval.text import BAR, sentences
from retrieval.types import Passage

LONGEST = 600  # characters of one quoted sentence; what is longer is a table or a list gone wrong
STAMP = re.compile(
    r"\[?\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4},? \d{1,2}:\d{2}(?::\d{2})?(?: ?[AP]M)?\]?(?: -)? |"
    r"[\[(](?:\d{1,2}:)?\d{1,2}:\d{2}(?:[.,]\d{1,3})?[\])] |(?:\d{1,2}:)\d{1,2}:\d{2}(?:[.,]\d{1,3})? (?=[A-Z])",
    re.IGNORECASE,
)
_NAMED = re.compile(r"[\w ()/.-]{2,60}(?::| =) \S")  # a value with its name
_ENDED = re.compile(r"[.!?:;…][\"'”’)\]]*$")
_COUNT = re.compile(  # "Twelve seats", as a slide says it
    r"(?:\d[\d.,]*|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty) [^\W\d_]{3,}",
    re.IGNORECASE,
)
SPEAKER = re.compile(r"[\w.'’ -]{1,30}: ")
_ASKED = re.compile(  # a question that nobody marked as one, perhaps after a word or two
    r"(?:[\w'’]+,? ){0,2}(?:who|what|when|where|which|why|how)\s+\w+|"
    r"(?:(?:and|so|hi|hello|hey|ok|nice|great),? )?"
    r"(?:did|does|do|is|are|was|were|can|could|will|has|have|any(?:one|body))\s+\w+",
    re.IGNORECASE,
)


@lru_cache(maxsize=512)
def units(passage: Passage) -> tuple[Offer, ...]:
    """Return what of a passage can be quoted by itself, in reading order."""
    text, spans, asked = passage.text, list[tuple[int, int]](), False
    for start, end in _cut(text):
        if spans and asked:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
        asked = not asked and asks_in_passing(text[start:end])
    page = page_of(passage)
    return tuple(Offer(page, start, end) for start, end in spans)


def asks_in_passing(line: str) -> bool:
    """Say whether a sentence of a passage asks, so that what follows it may be the answer."""
    if line.endswith("?"):
        return True
    stamp = STAMP.match(line)
    if not stamp:
        return line[:1].islower() and line[-1:].isalnum() and bool(_ASKED.match(line)) and len(line) <= LONGEST
    said = line[stamp.end() :]
    speaker = SPEAKER.match(said)
    return bool(_ASKED.match(said[speaker.end() :] if speaker else said))


def around(passage: Passage, start: int, end: int) -> Offer:
    """Return the unit that holds characters `start` to `end` of a passage, else just these."""
    for unit in units(passage):
        if unit.start <= start and end <= (unit.end or 0):
            return unit
    return Offer(page_of(passage), start, end)


def with_lead(offer: Offer) -> str:
    """Return what is offered on one line: with its subject put in for a pronoun, else after what it leans on."""
    lead = antecedent(offer.page.text, offer.start)
    if lead is None or put_in(offer.page.text, offer.start):
        return itself(offer)
    return " ".join(f"{offer.page.text[slice(*lead)]} {offer.text}".split())


def itself(offer: Offer) -> str:
    """Return what is offered on one line, with its subject put in for a pronoun where that is clear."""
    found = put_in(offer.page.text, offer.start)
    return found[1] if found else offer.line


def setting(offer: Offer) -> str:
    """Return all that tells what a unit is about: its title and headings, what it leans on, itself."""
    return f"{offer.page.title}\n{with_lead(offer)}"


def quotable(text: str) -> bool:
    """Say whether a unit says enough to be a reply, and not too much."""
    said = (len(text) >= 15 and len(text.split()) >= 3) or bool(_COUNT.match(text))
    return (said or bool(_NAMED.match(text))) and len(text) <= LONGEST and not text.endswith("?")


def _cut(text: str) -> Iterator[tuple[int, int]]:
    """Yield the sentences; where lines bear stamps of time, each such line is cut off too."""
    for start, end in sentences(text):
        begin = start
        for match in re.finditer(r"\n", text[start:end]):
            place = start + match.end()
            if STAMP.match(text, place):
                yield begin, start + match.start()
                begin = place
        yield begin, end


def joined(offers: Sequence[Offer]) -> str:
    """Return units as one text, each after what it leans on, none said twice."""
    said: list[Offer] = []
    pieces: list[str] = []
    for offer in offers:
        if offer in said:
            continue
        lead = None if put_in(offer.page.text, offer.start) else antecedent(offer.page.text, offer.start)
        before = Offer(offer.page, *lead) if lead else None
        last = said[-1] if said else None
        follows = last is not None and last.page == offer.page and antecedent(offer.page.text, last.start) == lead
        if before and (last == before or follows):
            pieces.append(offer.line)
        else:
            pieces.append(with_lead(offer))
            said += [before] if before else []
        said.append(offer)
    return put_together(pieces)


def put_together(pieces: Sequence[str]) -> str:
    """Return pieces of a draft as one text; each on a line of its own where one is a row or ends like no sentence."""
    apart = any(BAR in piece for piece in pieces) or not all(_ENDED.search(piece) for piece in pieces[:-1])
    return ("\n" if apart else " ").join(pieces)
