"""The facts behind a question of a certain shape: which unit answers a part, and the value that it states."""

import re
from calendar import day_name, month_name
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dialogue.judges.answers import AnswerScorer, Offer
from dialogue.judges.facts import content_stems, stem, words
from dialogue.judges.quantities import Quantity, read
from dialogue.shapes.money import sums, takes_money
from dialogue.shapes.plan import Plan, Value
from dialogue.shapes.rows import cell_of, cells, name_in
from dialogue.shapes.words import is_difference
from dialogue.units import quotable, setting, units, with_lead
from retrieval.text import sentences
from retrieval.types import Passage

_NAMES = re.compile(r"(?<![\w.])(?:[A-Z][\w'’-]*|\d[\w-]*)(?:\s+(?:[A-Z][\w'’-]*|\d[\w-]*))*")
FOUNDED = re.compile(
    r"\b(?:found|establish|buil[td]|beg[au]n|born|open|creat|start|set up|launch|dates? |made|complet|form|la[iy]d|"
    r"inaug|releas|publish|introduc|finish|invent|consecrat|erect|lit\b)",
    re.IGNORECASE,
)
BORN = re.compile(r"\b(?:born|birth|birthday|b\.)(?!\w)|\*\s?\d|\d\s?[–-]", re.IGNORECASE)
CAME = re.compile(
    r"\b(?:bought|purchas|acquir|registered|planted|arrived|came to (?:us|the)|donated|given to)", re.IGNORECASE
)
DIED = re.compile(r"\b(?:died?|dies|death|dead|deceased|killed|drowned|passed away)\b|†|\d\s?[–-]", re.IGNORECASE)
_LIFE = re.compile(r"\((?P<first>[^()–—-]*\d{3,4})\s*[–—-]\s*(?P<last>[^()–—-]*\d{3,4})[^()]*\)")
_MONTH = rf" (?:{'|'.join(month_name[1:])})"
_DAYS = re.compile(rf"\b(?P<first>\d{{1,2}}) ?(?:to|until|till|–|-) ?\d{{1,2}}(?P<rest>{_MONTH})\b", re.IGNORECASE)
_MONTHS = re.compile(
    rf"\b(?P<first>\d{{1,2}}{_MONTH}) ?(?:to|until|till|–|-) ?\d{{1,2}}{_MONTH}(?P<rest> \d{{4}})\b", re.IGNORECASE
)
_FIRST = r"\g<first>\g<rest>"  # of what lasts from one day to another
_CLAUSE = re.compile(r"[;,]\s|\s(?:and|but|while|whereas)\s")
_DATES = frozenset((*month_name[1:], *day_name))
_TITLES = ("Dr", "Mr", "Mrs", "Ms", "Miss", "Sir", "Lady", "Lord", "Professor", "The", "In", "When", "After")
_MORE = r"(?:\s[A-Z][\w.'’-]*){0,2}?\s"  # names between those of a thing
ALIKE = 0.6  # the share of common words in lower case from which two units say the like of two things
_UNIT_BEHIND = 24  # characters behind an answer's end that may hold the unit of its number


@dataclass(frozen=True, slots=True)
class Fact:
    """A unit that may answer a part, with the probability that it does, its likeliest span and the logit of that.

    `told` says that it begins what is told of the thing that a part asks about.
    """

    offer: Offer
    probability: float
    span: tuple[int, int]
    logit: float = 0.0
    told: bool = False

    @property
    def text(self) -> str:
        """The unit as it is quoted: on one line, after what it leans on."""
        return with_lead(self.offer)


def facts(scorer: AnswerScorer, question: str, passages: Sequence[Passage]) -> list[Fact]:
    """Return the units of passages, the likeliest answers to a question first."""
    offers = [offer for passage in dict.fromkeys(passages) for offer in units(passage) if len(offer.text) <= 600]
    scores = scorer.score(question, offers)
    pages = list(dict.fromkeys(offer.page for offer in offers))
    readings = dict(zip(pages, scorer.reader.read(question, pages), strict=True))
    found = [
        Fact(offer, score, (start, end), logit)
        for offer, score in zip(offers, scores, strict=True)
        for logit, start, end in [readings[offer.page].best(offer.start, offer.end)]
    ]
    return sorted(found, key=lambda fact: -fact.probability)


def mentions(thing: str, text: str) -> bool:
    """Say whether a text names a thing: its names and numbers as they stand, else all of its words."""
    plain = " ".join(text.casefold().split())
    bare = re.sub(r"^(?:the|an?|our|my)\s+", "", thing.strip(), flags=re.IGNORECASE)
    names = _NAMES.findall(bare[:1] + bare[1:])
    if names:
        return all(re.search(rf"(?<!\w){re.escape(' '.join(name.casefold().split()))}(?!\w)", plain) for name in names)
    held = {word.stem for word in words(text)}
    return all(word.stem in held for word in words(bare) if word.content)


def is_about(thing: str, fact: Fact, exactly: bool = False) -> bool:
    """Say whether a fact is about a thing: names it around the unit, or by a part of its name that the page has whole.

    "Ada Lovelace" may be "Ada" or "Lovelace" where the same passage names her in full, and all of a page that is headed
    "Ada King Lovelace" is about her. `exactly` leaves out what has a longer name, as the Swift Pro beside the Swift
    has, and takes what a paragraph says that begins with the thing.
    """
    if exactly and mentions(thing, fact.text) and _longer(thing, fact.text):
        return False
    if mentions(thing, setting(fact.offer)):
        return True
    if exactly and mentions(thing, opening(fact.offer)) and not _longer(thing, opening(fact.offer)):
        return not [n for n in _NAMES.findall(fact.offer.line[1:]) if not n[0].isdigit() and n.split()[0] not in _DATES]
    parts = [part for name in _NAMES.findall(thing) for part in name.split() if part[:1].isupper()]
    if len(parts) > 1 and re.search(rf"\b{_MORE.join(map(re.escape, parts))}\b", fact.offer.page.title):
        return True
    if len(parts) < 2 or not mentions(thing, f"{fact.offer.page.title}\n{fact.offer.page.text}"):
        return False
    return any(mentions(part, fact.text) for part in parts) and not _of_another(parts, fact.text)


def _of_another(parts: Sequence[str], text: str) -> bool:
    """Whether every name of a text that has a part of this one is somebody else's: Absalom's sister Hesper Lidgate."""
    sharing = [name.split() for name in _NAMES.findall(text) if set(parts) & set(re.findall(r"[\w-]+", name))]
    return bool(sharing) and all(
        len(name) > 1 and any(re.sub(r"['’]s$", "", word) not in (*parts, *_TITLES) for word in name)
        for name in sharing
    )


def opening(offer: Offer) -> str:
    """The sentence that the paragraph of a unit begins with."""
    text = offer.page.text
    begin = text.rfind("\n\n", 0, offer.start) + 2 if "\n\n" in text[: offer.start] else 0
    return next((text[begin + start : begin + end] for start, end in sentences(text[begin:])), "")


def _longer(thing: str, text: str) -> bool:
    """Whether a text names things of longer names alone, which begin with that of the thing."""
    bare = re.sub(r"^(?:the|an?|our|my)\s+", "", thing.strip(), flags=re.IGNORECASE)
    found = list(re.finditer(rf"(?<!\w){re.escape(bare)}(?P<more> (?:[A-Z][\w-]*|\d[\w-]*))?(?!\w)", text))
    return bool(found) and bare[:1].isupper() and all(match["more"] for match in found)


def value_of(fact: Fact, plan: Plan, label: str, question: str) -> Value | None:
    """Return the one value of a fact that a plan can work with: the one in the answer's span, or the only one.

    Of a row it is that in the column which the `question` names; where a sentence states several, it is that of the
    clause which says most of the question.
    """
    text = fact.offer.text
    start, end = fact.span
    span = fact.offer.page.text[start : min(end + _UNIT_BEHIND, fact.offer.end or end)]
    inside = fact.offer.page.text[start:end]
    if cells(text):
        found = cell_of(text, question, plan.money, plan.fits, plan.dates)
        return Value(label, found[0], found[1]) if found else None
    if plan.dates:
        return _date_of(_of_life(text, question) or text, inside, label)
    every = sums if takes_money(plan.fits) else _quantities
    fitting = [
        quantity
        for quantity in every(text)
        if _usable(quantity) and (plan.fits is None or plan.fits(quantity)) and not is_difference(quantity.text, text)
    ]
    spanned = [quantity for quantity in fitting if quantity.value in {q.value for q in every(inside)}]
    named = _in_named_clause(text, question, fitting)
    chosen = _only(named) or _only(spanned) or _only(fitting)
    return Value(label, _said(chosen, span if chosen in spanned else text), chosen) if chosen else None


def _quantities(text: str) -> list[Quantity]:
    return list(read(text)[0])


def _in_named_clause(text: str, question: str, fitting: Sequence[Quantity]) -> list[Quantity]:
    """Of several quantities those in the one clause of a sentence that says most of the question."""
    if _only(fitting):
        return []
    asked = content_stems(question)
    clauses = [clause for clause in _CLAUSE.split(text) if any(quantity.text in clause for quantity in fitting)]
    shared = [len(asked & {word.stem for word in words(clause)}) for clause in clauses]
    if not shared or shared.count(max(shared)) > 1:
        return []
    clause = clauses[shared.index(max(shared))]
    return [quantity for quantity in fitting if quantity.text in clause]


def _of_life(text: str, question: str) -> str:
    """Which of the two days behind a name, in brackets, a question is about: that of birth or that of death."""
    life = _LIFE.search(text)
    ends = bool(re.search(r"\bdied?\b", question))
    if life is None or not (ends or re.search(r"\bborn\b", question)):
        return ""
    return life["last"] if ends else life["first"]


def _date_of(text: str, inside: str, label: str) -> Value | None:
    """The one date that is told; of what lasts from one day to another, the first."""
    text, inside = (_MONTHS.sub(_FIRST, _DAYS.sub(_FIRST, part)) for part in (text, inside))
    for part in (inside if inside in text else "", text):
        quantities, dates = read(part)
        known = [date for date in dates if date.year]
        if len(known) == 1:
            return Value(label, known[0].text, None, known[0])
        years = {quantity.value: quantity for quantity in quantities if quantity.dimension == "year"}
        if len(years) == 1 and not known:
            [year] = years.values()
            return Value(label, year.text, year)
    return None


def _usable(quantity: Quantity) -> bool:
    return quantity.dimension not in ("ordinal", "decade")


def _only(quantities: Sequence[Quantity]) -> Quantity | None:
    """The one value among quantities, None for none or several."""
    values = {(quantity.value, quantity.dimension): quantity for quantity in quantities}
    return next(iter(values.values())) if len(values) == 1 else None


def _said(quantity: Quantity, text: str) -> str:
    """A quantity as the text has it, with a sign or a name of money that belongs to it."""
    figure = re.escape(quantity.text)
    match = re.search(rf"(?:(?:[£€$]|[A-Z]{{3}})\s?)?{figure}(?:\s?(?:[€£$]|EUR|CHF|USD|GBP)(?!\w))?", text)
    return match[0] if match else quantity.text


def like(best: Fact, every: Sequence[Fact], passages: Sequence[Passage], noun: str) -> Iterator[Fact]:
    """Yield the facts of the same source that read as the best one does but for names and numbers, in its order."""
    source = next(passage.source for passage in passages if passage.text == best.offer.page.text)
    pages = {passage.text: passage.start for passage in passages if passage.source == source}
    own = _shape(best.offer.text)
    near = [
        fact
        for fact in every
        if fact.offer.page.text in pages
        and _overlap(own, _shape(fact.offer.text)) >= ALIKE
        and mentions(noun, _things(fact))
    ]
    yield from sorted(near, key=lambda fact: (pages[fact.offer.page.text], fact.offer.start))


def name_of(fact: Fact, noun: str) -> str:
    """Return what the thing of a fact is called: the noun with the name beside it, else the first name."""
    text = fact.text
    if row := cells(text):
        return name_in(row, noun)
    root = re.escape(stem(noun)[:4])
    before = rf"(?:\b[A-Z][\w'’-]*\s)+(?:[a-z-]+\s){{0,2}}?{root}\w*"
    behind = rf"\b{root}\w* (?:at|of|in) (?:[A-Z][\w'’-]*\s?)+"
    named = re.search(rf"(?:\b[Tt]he )?(?:{before}|{behind})", text)
    if named and named[0].split()[0] not in ("It", "Its") and len(named[0].split()) > 1:
        return _lowered(named[0].strip())
    names = [name for name in _NAMES.findall(text) if name not in ("The", "It", "Its", "A", "An")]
    return names[0].removeprefix("The ") if names else ""


def usable(fact: Fact) -> bool:
    """Say whether a fact can be quoted by itself."""
    return quotable(fact.offer.line)


def _lowered(name: str) -> str:
    return f"the {name.removeprefix('The ')}" if name.startswith("The ") else name


def _things(fact: Fact) -> str:
    return setting(fact.offer)


def _shape(text: str) -> frozenset[str]:
    """The words in lower case of a unit, the columns of a row."""
    if row := cells(text):
        return frozenset(row)
    return frozenset(word.stem for word in words(text) if word.text.islower())


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    shared = len(one & other)
    return max(shared / max(1, len(one | other)), shared / max(3, len(one)), shared / max(3, len(other)))
