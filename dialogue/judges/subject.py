"""Is a unit about what the question names? Names, figures and identifiers of the question, looked for around the unit.

An embedding cannot tell Oslo from Bergen, nor part 0142 from part 0124: these are compared by their signs. A name may
stand in the unit, in the sentence it leans on, in its paragraph or in the titles above it. Knows nothing of readers.
"""

import re
from calendar import month_name
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from dialogue.antecedents import antecedent
from dialogue.judges.facts import name_in, names, stem, words
from dialogue.names import COMMON
from retrieval.reading import Page
from retrieval.text import BAR

FEATURES = ("near", "elsewhere", "astray", "strange", "figures")
MONTHS = frozenset(month_name)
LETTERED = 3  # characters of a letter or number behind a name, less one
MOST = 3  # names or figures that count

_FIGURE = re.compile(r"(?<![\w.,-])\d+(?:[.,:]\d+)*(?![\w-]|[.,]\d)")
_MEASURE = re.compile(
    r"(?:and |so )?(?:how (?:much|many|\w+ (?:is|are|was|were|does|do|did|has|have))|"
    r"what (?:does|do|did|is the|are the|was the|were the)|what['’]s the)\b",
    re.IGNORECASE,
)
_WHOSE = re.compile(
    r"\b(?:who|whom|whose)\b|(?<!what)(?<!where)(?<!when)(?<!how)(?<!it)(?<!that)(?<!there)['’](?:s\b|(?!\w))",
    re.IGNORECASE,
)
_LETTERED = re.compile(r"\b[A-Z][\w’'-]+ (?:[A-Z]|\d{1,2})\b(?![.:,]?\d| [a-z]?[ap]m\b)")
_PAIR = re.compile(r"\b(?=([A-Z][\w’'-]+) ([A-Z][\w’'-]+)\b)")
_IDENTIFIER = re.compile(
    r"(?<![\w.-])(?=[\w.-]*\d)(?:[^\W\d_]+[-_.]?\d[\w-]*|\d+(?:[-_.]\w+){2,}|\d+[-_][^\W\d_]\w*)(?![\w-])"
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a question names: stems of names, figures and years as they are written, identifiers without joints."""

    names: tuple[str, ...]
    figures: tuple[str, ...]
    identifiers: tuple[str, ...]


def subject_of(question: str, known: Collection[str] = ()) -> Subject:
    """Return what a question names; `known` holds stems that are names wherever they stand, in lower case too."""
    identifiers = tuple(dict.fromkeys(_bare(match[0]) for match in _IDENTIFIER.finditer(question)))
    rest = _IDENTIFIER.sub(lambda match: "_" * len(match[0]), question)
    typed = [word.text for word in words(rest) if word.content and word.stem in known]
    kept = [name for name in (*names(rest, known), *typed) if not name[0].isdigit()]
    figures = tuple(dict.fromkeys(match[0] for match in _FIGURE.finditer(rest)))
    return Subject(tuple(dict.fromkeys(map(stem, kept))), figures, identifiers)


def names_of(pages: Sequence[Page]) -> frozenset[str]:
    """Return the stems of what pages write as names and never as common words."""
    return frozenset().union(*(_named(page) for page in pages)) - frozenset().union(*(_plain(page) for page in pages))


def placed(subject: Subject, page: Page, start: int, end: int) -> tuple[float, ...]:
    """Return FEATURES of the unit at characters `start` to `end` of the page, MOST at most of each.

    How many of the names stand near the unit: in it, in what it leans on or in the titles; how many elsewhere on the
    page; how many of these although the unit leans on a sentence that names something else, or is a row, which is about
    a thing of its own; how many nowhere; and how many of the figures are nowhere, or not in the row or line itself.
    """
    if not (subject.names or subject.figures):
        return (0.0,) * len(FEATURES)
    begin, stop = scope(page.text, start, end)
    near = stems(page.title) | stems(page.text[begin:stop])
    close = [name for name in subject.names if name_in(name, near)]
    away = [name for name in subject.names if name not in close and name_in(name, stems(page.text))]
    unit = page.text[start:end]
    other = begin < start and any(stem(name) not in subject.names for name in names(page.text[begin:start]))
    other = other or BAR in unit
    by_itself = page.text[:start].rstrip(" -*•").endswith("\n") and page.text[end : end + 1] in ("", "\n")
    written = set(_FIGURE.findall(f"{page.title} {unit if by_itself or BAR in unit else page.text}"))
    figures = [figure for figure in subject.figures if figure not in written]
    strange = len(subject.names) - len(close) - len(away)
    counts = (len(close), 0 if other else len(away), len(away) if other else 0, strange, len(figures))
    return tuple(float(min(MOST, count)) for count in counts)


def names_another(subject: Subject, page: Page, start: int, end: int) -> bool:
    """Say whether the unit is about another thing with an identifier than every one that is asked for.

    In force at a place is the identifier last written in the unit or before it on the page, else those of the titles.
    """
    if not subject.identifiers:
        return False
    inside = [_bare(match[0]) for match in _IDENTIFIER.finditer(page.text, 0, end)]
    here = {_bare(match[0]) for match in _IDENTIFIER.finditer(page.text, start, end)}
    above = {_bare(match[0]) for match in _IDENTIFIER.finditer(page.title)}
    in_force = here or {sign for sign in inside[-1:]}
    return not any(sign in in_force | above for sign in subject.identifiers)


def namesakes(question: str, pages: Sequence[Page]) -> dict[str, frozenset[str]]:
    """Return the names of several words that a question says, each with those on the pages that are of the same kind.

    The Lower Pool is not the Upper Pool, nor Hangar A Hangar B, nor what is headed Pool. Where the question asks who,
    or for what belongs to somebody, another name may well stand in the answer, and there are none.
    """
    if _WHOSE.search(question):
        return {}
    return _paired(question, pages) | _headed(question, pages)


def _headed(question: str, pages: Sequence[Page]) -> dict[str, frozenset[str]]:
    """The headings that a question says, each with those that are a part of it: the Magpie is not the Little Magpie."""
    headings = {heading_of(page).casefold() for page in pages}
    said = " ".join(question.casefold().split())
    asked = [one for one in headings if " " in one and re.search(rf"\b{re.escape(one)}\b", said)]
    rest = said
    for one in asked:
        rest = rest.replace(one, " ")
    others = {
        one: frozenset(o for o in headings if set(o.split()) < set(one.split()) and o not in rest) for one in asked
    }
    return {one: parts for one, parts in others.items() if parts}


def heading_of(page: Page) -> str:
    """Return the last of the titles that a page stands under."""
    return page.title.rpartition(": ")[2].strip()


def _paired(question: str, pages: Sequence[Page]) -> dict[str, frozenset[str]]:
    pairs = {pair.casefold() for page in pages for pair in _pairs(f"{page.title}.\n{page.text}")}
    said = question.casefold()
    written = {*pairs, *(pair.casefold() for pair in _LETTERED.findall(question))}
    asked = [pair for pair in written if re.search(rf"\b{re.escape(pair)}\b", said)]
    return {pair: frozenset(o for o in pairs if o not in asked and _kin(o, pair)) for pair in asked}


def _kin(one: str, other: str) -> bool:
    """Whether two pairs of words name two of a kind: they end alike, or begin alike before a letter or number."""
    (first, last), (before, after) = one.split(), other.split()
    return last == after if len(last) > 1 and not last.isdigit() else first == before and len(after) < LETTERED


def of_namesake(names: Mapping[str, frozenset[str]], page: Page, start: int, end: int) -> bool:
    """Say whether a unit is about a namesake: it names one, or its titles do, and nowhere what the question does."""
    begin, stop = scope(page.text, start, end)
    for text in (page.text[begin:stop].casefold(), page.title.casefold()):
        if any(pair in text for pair in names):
            return False
        if any(other in text for others in names.values() for other in others if " " in other):
            return True
    return any(heading_of(page).casefold() in others for others in names.values())


@lru_cache(maxsize=512)
def _pairs(text: str) -> frozenset[str]:
    named = {f"{one} {other}" for one, other in _PAIR.findall(text) if one.casefold() not in COMMON}
    return frozenset(named | {pair for pair in _LETTERED.findall(text) if pair.split()[0] not in MONTHS})


def of_another(question: str, subject: Subject, row: str) -> bool:
    """Say whether a row is about another thing than a question that asks for a measure of what it names.

    A row is about what its first cell in words names: the price of a filter that fits the N4 is not that of the N4.
    """
    if not (subject.names or subject.identifiers) or not _MEASURE.match(question):
        return False
    cells = [cell.partition(": ") for cell in " ".join(row.split()).split(BAR)]
    lettered = [(column, cell) for column, colon, cell in cells if colon and any(sign.isalpha() for sign in cell)]
    asked = stems(question)
    column, _, cell = cells[0]
    if not lettered or asked & stems(f"{column} {cell}"):
        return False
    column, cell = lettered[0]
    if asked & (stems(cell) | stems(column)) or _bare(cell) in subject.identifiers:
        return False
    rest = " ".join(cell for _, cell in lettered[1:])
    held = {_bare(word) for word in re.findall(r"[\w.-]+", rest)}
    return any(name_in(name, stems(rest)) for name in subject.names) or any(s in held for s in subject.identifiers)


def scope(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the span of a unit from the sentence on that it leans on, if there is one."""
    lead = antecedent(text, start)
    return (lead[0] if lead else start), end


@lru_cache(maxsize=2048)
def stems(text: str) -> frozenset[str]:
    """Return the stems of a text's words."""
    return frozenset(word.stem for word in words(text))


@lru_cache(maxsize=512)
def _named(page: Page) -> frozenset[str]:
    return frozenset(stem(name) for name in names(f"{page.title}.\n{page.text}"))


@lru_cache(maxsize=512)
def _plain(page: Page) -> frozenset[str]:
    return frozenset(word.stem for word in words(page.text) if word.text[0].islower())


def _bare(identifier: str) -> str:
    """An identifier without case and joints: "E-12" is written "E12" as well."""
    return re.sub(r"[-_.\s]", "", identifier).casefold()
