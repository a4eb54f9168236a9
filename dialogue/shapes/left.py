"""What is left: income less costs, what there was less what was used of it. English only.

Both have to stand in one sentence or row, or in two neighbouring ones, that tells of what is asked about, and nothing
beside them may add to either.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from dialogue.judges.answers import Offer
from dialogue.judges.facts import content_stems, words
from dialogue.judges.quantities import Quantity
from dialogue.shapes.figures import exact, written_like
from dialogue.shapes.money import is_money, sums
from dialogue.shapes.rows import cells, value_in
from dialogue.units import units
from retrieval.types import Passage

Worked = tuple[str, list[Offer]]

_LEFT = re.compile(
    r"\b(?:left(?: over)?|remain(?:s|ed|ing|der)?|surplus|profit|loss|deficit|net (?:result|income|gain)|"
    r"(?:gain|lose|lost|made|make|earn(?:ed)?|clear(?:ed)?) (?:on|from|with|out of|after|by)|come out ahead|"
    r"after (?:all )?(?:the )?(?:costs|expenses)|net of)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(r"(?:and |so )?(?:how|what|was|were|did|is|are|which|calculate|tell me)\b", re.IGNORECASE)
_MANY = re.compile(r"\bhow many\b", re.IGNORECASE)
_RESULT = re.compile(r"\b(?:left|remain|surplus|profit|loss|deficit|balance|net\b|in hand)", re.IGNORECASE)
_IN_MONEY: Final = (
    r"income|incomings|takings|revenues?|receipts|proceeds|turnover|sales|subscriptions?|donations?|donated|"
    r"grant(?:ed)?|budget|fund|raised|earned|received|collected|took|taken|taking|brought in|came in|gave|given|had|"
    r"set aside|sold for"
)
_OUT_MONEY: Final = (
    r"costs?|spent|spend|expenses|expenditures?|outgoings|outlay|paid|pay|went (?:on|to|for)|used|bought|buying|"
    r"work|bills?|invoices?|repairs?|wages|salar(?:y|ies)"
)
_IN_THINGS: Final = (
    r"printed|ordered|baked|bought|made|delivered|stock|had|received|got|cooked|grew|planted|collected|came"
)
_OUT_THINGS: Final = (
    r"sold|used|gave away|given away|eaten|ate|lent|broke|broken|thrown|lost|spoilt|died|drunk|handed out"
)
_NOT_ALL = re.compile(
    r"\b(?:of which|of that|including|among (?:them|which)|per|each|every|a (?:head|day|week|person))\b"
)
_MORE = re.compile(
    r"\b(?:another|further|additional(?:ly)?|also|in addition|on top|besides|plus|as well|extra)\b", re.IGNORECASE
)
_CLAUSE = re.compile(r"[;,](?=\s)|\s(?:and|but|while|whereas|of which|against)\s", re.IGNORECASE)
_GIVEN = re.compile(r"\b(?:grant|budget|fund|donat|gave|given|had|set aside)", re.IGNORECASE)
_NO_NOUN: Final = ("were", "was", "had", "have", "of", "in", "at", "on", "for", "during")
_FILL: Final = frozenset(
    """much money over left remain remained remaining remains sum amount surplus profit loss deficit net result income
    gain lose lost make made earn earned total big large high great club end cost costs expense takings pay paid spend
    spent use used calculate tell many come ahead clear cleared budget pounds euros dollars year money balance
    after out bring brought in""".split()
)


@dataclass(frozen=True, slots=True)
class _Sides:
    """What sentences state: what came in and what went out, and in which words."""

    came: tuple[Quantity, ...]
    went: tuple[Quantity, ...]
    told: tuple[str, ...] = ()  # the words of each that came and went


def asks_left(question: str) -> bool:
    """Say whether a question asks what is left of something."""
    return bool(_LEFT.search(question) and _ASKS.match(question.strip()))


def left_of(question: str, passages: Sequence[Passage]) -> Worked | None:
    """Return the sentence that says what is left, with what it is from; None where it is not clear."""
    of, _, after = re.sub(r"[?!.]", " ", question).partition(" after ")
    asked, then = _asked(of), _asked(after)
    asked, then = asked or then, then if asked else frozenset()
    if not any(word[0].isalpha() for word in asked):
        return None
    found: dict[str, Worked] = {}
    for passage in passages:
        for offers, around in _windows(passage):
            told = _roots(f"{passage.title} {' '.join(passage.headings)} {passage.source} {around}")
            if not asked <= told or (then and not then & told):
                continue
            if any(_RESULT.search(offer.text) and sums(offer.text) for offer in offers):
                return None  # a source says it itself
            sides = _sides(offers)
            if not _both(sides) or any(map(is_money, sides.came)) == bool(_MANY.search(question)):
                continue
            paid = [bool(then & _roots(words_of)) for words_of in sides.told[1:]]
            if any(paid) and not all(paid):
                return None  # only some of the costs are asked about
            if worked := _worked(sides, offers, asked, passage):
                found.setdefault(worked[0], worked)
    return next(iter(found.values())) if len(found) == 1 else None


def _asked(text: str) -> frozenset[str]:
    return frozenset(w.stem for w in words(text) if w.content and w.text.casefold() not in _FILL)


def _windows(passage: Passage) -> Iterator[tuple[list[Offer], str]]:
    """Units and pairs of neighbouring units of one paragraph, with what stands before them in it."""
    paragraphs: list[list[Offer]] = []
    for offer in units(passage):
        if not paragraphs or "\n\n" in passage.text[paragraphs[-1][-1].stop : offer.start]:
            paragraphs.append([])
        paragraphs[-1].append(offer)
    for paragraph in paragraphs:
        for place, offer in enumerate(paragraph):
            around = " ".join(each.text for each in paragraph[: place + 1])
            yield [offer], around
            if place and not _both(_sides([paragraph[place - 1]])) and not _both(_sides([offer])):
                yield [paragraph[place - 1], offer], around


def _worked(sides: _Sides, offers: Sequence[Offer], asked: frozenset[str], passage: Passage) -> Worked | None:
    if not _speaks_of(offers, asked) or _goes_on(offers, passage):
        return None
    [came] = sides.came
    rest = exact(came) - sum((exact(each) for each in sides.went), Fraction(0))
    minus = " - ".join(each.text for each in (came, *sides.went))
    said = written_like(came.text, abs(rest))
    if rest < 0:
        short = f"leaves {said} too little" if _GIVEN.search(sides.told[0]) else f"is a loss of {said}"
        return (f"{minus} {short}.", list(offers)) if is_money(came) else None
    return f"{minus} = {said} left.", list(offers)


def _both(sides: _Sides) -> bool:
    return len(sides.came) == 1 and bool(sides.went)


def _speaks_of(offers: Sequence[Offer], asked: frozenset[str]) -> bool:
    """Whether sentences say nothing of another thing: before their figures stand words of the two sides, or the thing
    that is asked about."""
    text = " ".join(offer.line for offer in offers)
    if asked & _roots(text):
        return True
    sides = rf"\b(?:{_IN_MONEY}|{_OUT_MONEY}|{_IN_THINGS}|{_OUT_THINGS})\b"
    subject = re.sub(sides, " ", re.split(r"\d", text, maxsplit=1)[0], flags=re.IGNORECASE)
    return not [word for word in words(subject) if word.content and word.text.casefold() not in _FILL]


def _goes_on(offers: Sequence[Offer], passage: Passage) -> bool:
    """Whether the sentence behind adds to what these state."""
    every = list(units(passage))
    behind = every[every.index(offers[-1]) + 1 :][:1]
    return any(_MORE.search(offer.text) and any(map(is_money, sums(offer.text))) for offer in behind)


def _sides(offers: Sequence[Offer]) -> _Sides:
    """What came in and what went out by the words nearest to the figures of each clause."""
    if len(offers) == 1 and (row := cells(offers[0].text)):
        named = [(name, value_in(cell, name)) for name, cell in row.items()]
        return _split([(name, name, replace(value[1], text=value[0])) for name, value in named if value])
    text = " ".join(offer.line for offer in offers)
    if _NOT_ALL.search(text):
        return _Sides((), ())
    stated: list[tuple[str, str, Quantity]] = []
    money = any(map(is_money, sums(text)))
    last = ""
    for clause in _CLAUSE.split(" ".join(f"{offer.line};" for offer in offers)):
        own = [each for each in sums(clause) if _counts(each, money)]
        if len(own) > 1:
            return _Sides((), ())
        last = clause if re.search(_words(money), clause, re.IGNORECASE) else last
        stated += [(last, clause, _bare(each)) for each in own]
    return _split(stated)


def _bare(quantity: Quantity) -> Quantity:
    """A quantity without what is no name of a thing behind it: "94 were"."""
    return replace(quantity, noun="") if quantity.noun in _NO_NOUN else quantity


def _counts(quantity: Quantity, money: bool) -> bool:
    if quantity.dimension:
        return money and is_money(quantity)
    return not money or (quantity.noun in ("", *_NO_NOUN) and quantity.value >= 1)


def _words(money: bool) -> str:
    return rf"\b(?:{_IN_MONEY if money else _IN_THINGS}|{_OUT_MONEY if money else _OUT_THINGS})\b"


def _split(stated: Sequence[tuple[str, str, Quantity]]) -> _Sides:
    """The two sides of quantities, each with the clause that tells which it is on, and that in which it stands."""
    money = any(is_money(quantity) for _, _, quantity in stated)
    money = money or all(re.search(_words(True), name, re.IGNORECASE) for name, _, _ in stated)
    comes, goes = (_IN_MONEY, _OUT_MONEY) if money else (_IN_THINGS, _OUT_THINGS)
    came, went = list[Quantity](), list[Quantity]()
    told: dict[bool, list[str]] = {True: [], False: []}
    for said, own, quantity in stated:
        is_in = bool(re.search(rf"\b(?:{comes})\b", said, re.IGNORECASE))
        is_out = bool(re.search(rf"\b(?:{goes})\b", said, re.IGNORECASE))
        if is_in != is_out:
            (came if is_in else went).append(quantity)
            told[is_in].append(own)
        elif is_in:
            return _Sides((), ())
    if came and {each.kind for each in went} - {"", came[0].kind}:
        return _Sides((), ())
    return _Sides(tuple(came), tuple(went), (*told[True], *told[False]))


def _roots(text: str) -> frozenset[str]:
    return content_stems(re.sub(r"[-_./]", " ", text))
