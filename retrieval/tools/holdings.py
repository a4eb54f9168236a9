"""Which documents of a library are meant in a message: by their titles, names and kinds, years and numbers exactly.

Knows nothing of what is then said of them.
"""

import re
from calendar import month_name
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from math import log
from typing import Final

from retrieval.text import clean
from retrieval.versions import Version, marks_of, stems, version_of

_TOKEN: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_ENDING: Final = re.compile(r"\.[a-z]\w{1,4}\b")  # of a file's name
_KINDS: Final = {
    "eml": "email e-mail mail message letter",
    "mbox": "email e-mail mail message letter",
    "csv": "table spreadsheet list csv",
    "tsv": "table spreadsheet list tsv",
    "xlsx": "table spreadsheet sheet workbook excel",
    "pptx": "presentation slides deck powerpoint",
    "docx": "word docx",
    "pdf": "pdf",
    "html": "page website webpage html",
    "epub": "book ebook epub",
}
NOUNS: Final = frozenset(
    stems(
        " ".join([*_KINDS.values(), "document doc file text paper source note notes article record transcript report"])
    )
)
_TYPES: Final = NOUNS | stems(
    "guide manual handbook policy report minutes agenda leaflet brochure booklet rule guideline faq form "
    "contract agreement schedule plan calendar catalogue review paper"
)
_LINKS: Final = frozenset(
    "a an the my our your this that of about on for from in by with to and called titled named".split()
)
_DATED: Final = frozenset({"old", "new", "current", "latest", "previous", *map(str.casefold, month_name[1:])})
_MEETING: Final = frozenset({"meeting", "session", "sitting", "assembly"})  # of which minutes are kept
_MINUTES: Final = "minute"
_MONTHS: Final = "|".join(month_name[1:])
_BARE_MONTH: Final = re.compile(rf"(?<!\d )(?<!\d)\b({_MONTHS})\b(?!,? \d)(?!-\d)")
_OPENERS: Final = frozenset("a an the my our your this that".split())
UNTELLING: Final = _LINKS | frozenset(
    "is are was do does what which who when where how say says it at or be as".split()
)
LEAST: Final = 0.5  # of the weight of a title's words that has to be named
DATED: Final = 0.2  # the same where the month is named in which a meeting was
SURE: Final = 0.9  # of the best score: what is as good may be meant as well


@dataclass(frozen=True, slots=True)
class Holding:
    """A document of the library: its id there, the name of its source, its title, its kind and when it was added."""

    id: int
    source: str
    title: str
    kind: str
    added: datetime


@dataclass(frozen=True, slots=True)
class Meant:
    """What a message means: the documents, the likeliest first, and where in it they are named."""

    holdings: tuple[Holding, ...] = ()
    start: int = 0
    end: int = 0


class Holdings:
    """The documents of a library, found by what they are called."""

    def __init__(self, held: Sequence[Holding]) -> None:
        self.held = held

    @cached_property
    def _versions(self) -> list[Version]:
        return [version_of(one.source, one.title) for one in self.held]

    @cached_property
    def _names(self) -> list[tuple[frozenset[str], frozenset[str]]]:
        """The telling words of the title and of the file's name of each document, without those of its versions."""
        return [
            (
                version_of("", one.title).words - UNTELLING,
                version_of(one.source, "").words - UNTELLING,
            )
            for one in self.held
        ]

    @cached_property
    def _by_word(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for place, names in enumerate(self._names):
            for word in names[0] | names[1]:
                found[word].append(place)
        return found

    def _weight(self, word: str) -> float:
        return log(1 + len(self.held) / (1 + len(self._by_word.get(word, ()))))

    def meant(self, message: str) -> Meant:
        """Return the documents that a message names, () when it names none."""
        tokens = [(match.start(), match.end(), _stem(match.group())) for match in _TOKEN.finditer(message)]
        words = {word for _, _, word in tokens} - UNTELLING
        words |= {_MINUTES} if words & _MEETING else set()
        hits = Counter(place for word in words for place in self._by_word.get(word, ()))
        scored = [(self._score(place, words, message), place) for place in hits]
        best = max((score for score, _ in scored), default=0.0)
        if best <= 0:
            return Meant()
        chosen = sorted((-score, place) for score, place in scored if score >= SURE * best)
        named = frozenset().union(*(names for _, place in chosen[:1] for names in self._names[place]))
        start, end = _span(message, tokens, named | (_MEETING if _MINUTES in named else frozenset()))
        return Meant(tuple(self.held[place] for _, place in chosen), start, end)

    def versions(self, documents: Sequence[Holding]) -> tuple[Holding, ...]:
        """Return the documents with all their other versions, the newest first."""
        places = [self.held.index(one) for one in documents]
        family = [
            place
            for place, version in enumerate(self._versions)
            if place in places or any(version.newer(v) or v.newer(version) for v in (self._versions[p] for p in places))
        ]
        age = {p: sum(self._versions[q].newer(self._versions[p]) for q in family) for p in family}
        return tuple(self.held[place] for place in sorted(family, key=lambda p: age[p]))

    def _score(self, place: int, words: set[str], message: str) -> float:
        """How well the words name a document, 0 where they do not."""
        version, one = self._versions[place], self.held[place]
        asked = marks_of(message)
        if asked and not asked <= version.marks and (asked & version.marks or version.marks):
            return 0.0
        months = {month_name[:].index(name) for name in _BARE_MONTH.findall(message)}
        if months and version.date[1:2] and version.date[1] not in months and _MINUTES in version.words:
            return 0.0
        least = DATED if months and version.date[1:2] and _MINUTES in words & version.words else LEAST
        best = 0.0
        for name in self._names[place]:
            whole = sum(map(self._weight, name))
            held = sum(map(self._weight, name & words))
            if whole and held / whole >= least:
                best = max(best, held * held / whole)
        kinds = stems(_KINDS.get(one.kind, ""))
        return best * (1 + 0.2 * bool(kinds & words) + 0.2 * bool(asked & version.marks))


def lead(message: str, place: int) -> int:
    """Return where the words begin that lead up to a place: "the document about"."""
    for match in reversed(list(_TOKEN.finditer(message, 0, place))):
        if _stem(match.group()) not in _LINKS | _TYPES:
            break
        place = match.start()
    return place


def _stem(word: str) -> str:
    word = re.sub(r"['’]s$", "", clean(word).casefold())
    return word if len(word) < 4 else word.rstrip("s")


def _span(message: str, tokens: Sequence[tuple[int, int, str]], named: frozenset[str]) -> tuple[int, int]:
    """Where a document is named: most of its words in a row, with what joins them, leads up to them or dates them."""
    joins = _LINKS | _TYPES
    runs: list[list[int]] = [[]]
    for place, (_, _, word) in enumerate(tokens):
        if word in named | joins | _DATED or word[0].isdigit():
            runs[-1].append(place)
        else:
            runs.append([])
    run = max(runs, key=lambda places: len({tokens[place][2] for place in places} & named))
    while tokens[run[-1]][2] in _LINKS - named:
        run.pop()
    while tokens[run[0]][2] in _LINKS - _OPENERS - named:
        run.pop(0)
    end = _ENDING.match(message, tokens[run[-1]][1])
    return tokens[run[0]][0], end.end() if end else tokens[run[-1]][1]
