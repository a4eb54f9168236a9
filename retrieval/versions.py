"""Versions of one document: titles that differ in a date or a number, and what says that it replaces another.

Of two versions that answer a question, the newer one is given, or the one that the question names or dates ("before
2021", "since March"), and with it that there is another. Knows nothing of how passages are found.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from retrieval.types import Evidence, Retriever

OPENING: Final = 600  # characters of a document in which it says what it replaces, and from when on it holds
BORN: Final = "\fdated "  # behind an opening: the date that the file has of its own, in ISO 8601
NEAR: Final = 0.5  # share of the words of two openings that are the same, of versions that but their files date
AS_LIKELY: Final = 0.3  # of the older version's probability to answer: from there on the newer one stands in for it
REPLACED: Final = 0.1  # the same where a version says that it replaces the older one

_MONTHS: Final = "january february march april may june july august september october november december".split()
_MONTH: Final = rf"(?P<month>{'|'.join(_MONTHS)}|{'|'.join(name[:3] for name in _MONTHS)})\.?"
_YEAR: Final = r"(?<![\d.,])(?P<year>(?:19|20)\d\d)(?![\d])"
_DATES: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<!\d)(?P<year>(?:19|20)\d\d)[-_./](?P<number>\d\d)[-_./](?P<day>\d\d)(?!\d)",
        r"(?<!\d)(?P<day>\d{1,2})\.(?P<number>\d{1,2})\.(?P<year>(?:19|20)\d\d)(?!\d)",
        rf"(?<!\d)(?P<day>\d{{1,2}})(?:st|nd|rd|th)? {_MONTH},? {_YEAR}",
        rf"\b{_MONTH} (?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? {_YEAR}",
        rf"\b{_MONTH},? {_YEAR}",
        _YEAR,
    )
)
_NUMBER: Final = re.compile(
    r"\b(?:v(?:er(?:sion)?)?|rev(?:ision)?|ed(?:ition)?|issue|release)[ ._-]?(?P<number>\d+(?:\.\d+){0,2})\b",
    re.IGNORECASE,
)
_STATUS: Final = re.compile(
    r"\b(?:valid|effective|in force|applies|as) (?:from|of|since|until|on)\b|\b(?:valid|effective|updated|revised|"
    r"draft|final|old|new|current|previous|archived?|copy|of|the|a|an|and|for|in|from|to|re|fwd?|aw)\b",
    re.IGNORECASE,
)
_SINCE: Final = re.compile(
    r"(?:\b(?:valid|effective|in force|applies|apply|as of|updated|revised|dated|adopted|issued|approved)\b"
    r"(?!\W+(?:until|till|to|through)\b)|^Date:)",
    re.IGNORECASE | re.MULTILINE,
)
_REPLACES: Final = re.compile(
    r"\b(?:replac(?:es|ing)|supersed(?:es|ing)|takes the place of|withdraws|revokes|repeals)\b(?P<what>[^.\n]+)",
    re.IGNORECASE,
)
_OVER: Final = re.compile(
    r"\b(?:has been|was|is|are)? ?(?:replaced|superseded|withdrawn) (?:by|on|from)\b"
    r"|\bno longer (?:valid|in force|applies)\b",
    re.IGNORECASE,
)
_OLDER: Final = (
    r"\b(?:old(?:er)?|previous|former|earlier|superseded|outdated|original|replaced)\b"
    r"(?:\W+\w+){0,2}?\W+(?:version|edition|%s)"
)
_NEWEST: Final = re.compile(
    r"\b(?:new(?:est)?|latest|current|most recent|up-to-date)\b(?:\W+\w+)?\W+(?:version|edition|issue|revision)\b", re.I
)
_BOUND: Final = re.compile(
    r"\b(?P<word>before|prior to|until|till|up to|by|since|after|from|starting|as of|as at|in|on|during)\s+"
    r"(?:(?:the )?(?:end|start|beginning|middle) of )?(?:the )?$",
    re.IGNORECASE,
)
_BARE_MONTH: Final = re.compile(
    rf"\b(?P<word>before|until|since|after|in)\s+(?P<month>{'|'.join(_MONTHS)})\b(?!,? \d)", re.IGNORECASE
)
_EARLIER: Final = frozenset({"before", "prior to", "until", "till", "up to"})
_LATER: Final = frozenset({"since", "after", "from", "starting"})
_OF_EVENTS: Final = frozenset(  # in titles of what tells of one day: of two the later is given, as no newer version
    "minute meeting newsletter bulletin diary journal log letter interview session sitting match result invoice".split()
)
_DRAFT: Final = re.compile(r"\b(?:draft|proposal|provisional)\b", re.IGNORECASE)
_FINAL: Final = re.compile(r"\b(?:final|adopted|approved)\b", re.IGNORECASE)
_LINE: Final = 80  # characters of a line that dates a document
_OTHERS: Final = 3  # words beside the date and the status in it
_WORD: Final = re.compile(r"[^\W_]+")
When = Literal["earlier", "later", "then"]
Bound = tuple[When, tuple[int, ...]]  # before a date, from a date on, or at it; the month alone as (0, month)


@dataclass(frozen=True, slots=True)
class Version:
    """A document as one of several versions: what they have in common, and what tells this one from the others.

    `words` are those of the title without dates and numbers; `marks` the years, dates and numbers; `date` is (year,
    month, day), `number` that of a version, each empty when there is none. `replaces` is what it says it replaces,
    `over` whether it says that it holds no more, `status` whether it is a draft (-1) or final (1). The date is `told`
    where the text or the name tells it, and not the file alone; `opening` are the words with which it begins.
    """

    source: str
    title: str
    words: frozenset[str]
    marks: frozenset[str]
    date: tuple[int, ...]
    number: tuple[int, ...]
    replaces: str = ""
    over: bool = False
    status: int = 0
    told: bool = True
    opening: frozenset[str] = frozenset()

    def newer(self, other: "Version") -> bool:
        """Whether this is a later version of the same document."""
        if self.supersedes(other):
            return True
        if not self.words or self.words != other.words or other.supersedes(self):
            return False
        if self.number and other.number and self.number != other.number:
            return self.number > other.number
        if self.date and other.date and self.date != other.date:
            return self.date > other.date and ((self.told and other.told) or self._near(other))
        return self.status > other.status

    def _near(self, other: "Version") -> bool:
        """Whether both begin alike."""
        both = self.opening | other.opening
        return bool(both) and len(self.opening & other.opening) >= NEAR * len(both)

    def supersedes(self, other: "Version") -> bool:
        """Whether this one says that it replaces the other, or the other that it holds no more."""
        if self.source == other.source or not other.words:
            return False
        same = self.words == other.words
        if self.replaces and (same or other.words <= stems(self.replaces)):
            years = {mark for mark in marks_of(self.replaces) if len(mark) == 4}
            return not years or bool(years & other.marks)
        return same and other.over and not self.over


def version_of(source: str, title: str, opening: str = "") -> Version:
    """Return what tells this document from its other versions, read from its title, its name and its `opening`."""
    name = re.sub(r"[-_]+", " ", re.sub(r"\.\w{1,5}(?=#|\Z)", "", source.rpartition("/")[2]))
    opening, _, born = opening.partition(BORN)
    opening = opening[:OPENING]
    told = f"{title}\n{opening}"
    since = [date for match in _SINCE.finditer(told) if (date := _date_after(told, match.end()))]
    dated = [date for text in (title, source.rpartition("/")[2]) for date, _ in dates(text)]
    since = since or ([] if dated else [date for line in opening.split("\n") if (date := _date_of_line(line))])
    number = _NUMBER.search(title) or _NUMBER.search(name)
    replaces = _REPLACES.search(opening)
    own = next(iter(since or dated), ())
    called = f"{title}\n{name}\n{opening[: 2 * _LINE]}"
    return Version(
        source,
        title,
        stems(_bare(title) or _bare(name)),
        marks_of(title) | marks_of(source.rpartition("/")[2]),
        own or next((date for date, _ in dates(born)), ()),
        tuple(map(int, number["number"].split("."))) if number else (),
        replaces["what"].strip() if replaces else "",
        bool(_OVER.search(told)),
        -1 if _DRAFT.search(called) else int(_FINAL.search(called) is not None),
        bool(own) or not born,
        stems(opening),
    )


def dates(text: str) -> list[tuple[tuple[int, ...], tuple[int, int]]]:
    """Return the dates and years in a text with where they stand, (year, month, day) as far as they are given."""
    found: list[tuple[tuple[int, ...], tuple[int, int]]] = []
    for pattern in _DATES:
        for match in pattern.finditer(text):
            if any(match.start() < end and start < match.end() for _, (start, end) in found):
                continue
            part = match.groupdict()
            month = part.get("number") or (part.get("month") and _month(part["month"]))
            date = (
                int(part["year"]),
                *([int(month)] if month else []),
                *([int(part["day"])] if part.get("day") else []),
            )
            found.append((date, match.span()))
    return sorted(found, key=lambda item: item[1])


def marks_of(text: str) -> frozenset[str]:
    """Return the years, dates and version numbers in a text, each in one spelling."""
    told = {"-".join(map(str, date[:parts])) for date, _ in dates(text) for parts in range(1, len(date) + 1)}
    return frozenset(told | {f"v{match['number']}" for match in _NUMBER.finditer(text)})


def stems(text: str) -> frozenset[str]:
    """Return the words of a text in small letters, plurals like their singulars."""
    return frozenset(word if len(word) < 4 else word.rstrip("s") for word in map(str.casefold, _WORD.findall(text)))


def _month(name: str) -> int:
    return next(number for number, month in enumerate(_MONTHS, 1) if month.startswith(name[:3].casefold()))


def _date_of_line(line: str) -> tuple[int, ...]:
    """The date that a short line tells of the document, alone or with its status: ``Final version of 3 May 2024``."""
    found = dates(line) if len(line) <= _LINE else []
    if len(found) != 1 or len(found[0][0]) < 2 or line.rstrip().endswith(("?", "!", ":")):
        return ()
    date, (start, end) = found[0]
    rest = _STATUS.sub(" ", f"{line[:start]} {line[end:]}")
    words = [word for word in _WORD.findall(rest) if word.casefold() not in {"version", "date", "dated", "stand"}]
    return date if len(words) <= (_OTHERS if _STATUS.search(line) else 1) else ()


def bound_of(question: str) -> Bound | None:
    """Return what a question says of when, as far as it bounds a date; None where it says nothing of it."""
    for date, (start, _) in dates(question):
        if found := _BOUND.search(question[:start]):
            return _when(found["word"]), date
    month = _BARE_MONTH.search(question)
    return (_when(month["word"]), (0, _month(month["month"]))) if month else None


def _when(word: str) -> When:
    said = word.casefold()
    return "earlier" if said in _EARLIER else "later" if said in _LATER else "then"


def fits(version: Version, bound: Bound, newest: tuple[int, ...] = ()) -> bool:
    """Whether a version is of the time that a question asks for; one without a date never is.

    "then" is of any that held from that time or before. A month without its year is the last such month up to the
    `newest` date.
    """
    when, date = bound
    if not date[0] and newest:
        date = (newest[0] - (newest[1:2] < date[1:2]), *date[1:])
    length = min(len(date), len(version.date))
    if not length or not date[0]:
        return False
    own, asked = version.date[:length], date[:length]
    return own < asked if when == "earlier" else own >= asked if when == "later" else own <= asked


def _date_after(text: str, place: int) -> tuple[int, ...]:
    near = text[place : place + 60].partition("\n")[0]
    return next((date for date, _ in dates(near)), ())


def _bare(title: str) -> str:
    """A title without what tells one version from another."""
    for _, (start, end) in reversed(dates(title)):
        title = f"{title[:start]} {title[end:]}"
    return " ".join(_WORD.findall(_STATUS.sub(" ", _NUMBER.sub(" ", title))))


def left_out(question: str, found: Sequence[Version], likely: Mapping[str, float]) -> set[str]:
    """Return the sources of those versions that give way to another that was found.

    `likely` is the probability, by source, that a version answers. A question that names a version by its year, date or
    number wants that one, one that asks for the old version wants no newer one, and one that says when wants the newest
    that fits.
    """
    asked, bound = marks_of(question), bound_of(question)
    bounded = bound is not None and bound[0] != "then"
    gone: set[str] = set()
    for newer in found:
        for older in found:
            if newer.source == older.source or not newer.newer(older):
                continue
            share = REPLACED if newer.supersedes(older) else AS_LIKELY
            both = [one for one in (newer, older) if bound and fits(one, bound, newer.date)]
            named = [one for one in (newer, older) if asked & (one.marks - _other(one, newer, older).marks)]
            if named and not bounded:
                gone |= {one.source for one in (newer, older) if one not in named}
            elif _wants_older(question, newer.words | older.words) or (
                both == [older] and likely.get(older.source, 0.0) >= AS_LIKELY * likely.get(newer.source, 0.0)
            ):
                gone.add(newer.source)
            elif _NEWEST.search(question) or likely.get(newer.source, 0.0) >= share * likely.get(older.source, 0.0):
                gone.add(older.source)
    return gone if len(gone) < len(found) else set()


def _other(one: Version, newer: Version, older: Version) -> Version:
    return older if one is newer else newer


def _wants_older(question: str, words: Iterable[str]) -> bool:
    subjects = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    return bool(subjects and re.search(_OLDER % subjects, question, re.IGNORECASE))


@dataclass(frozen=True)
class Versioned:
    """A Retriever that leaves out, of several versions of a document that another finds, those that give way.

    `openings` returns how documents begin, by the names of their sources, BORN and the date of the file behind it. What
    another gave way to has that as its `remark`.
    """

    retriever: Retriever
    openings: Callable[[Sequence[str]], Mapping[str, str]]

    def search(self, queries: Sequence[str], k: int, sources: Sequence[str] = ()) -> tuple[Evidence, ...]:
        """Return up to `k` passages, none of a version that gives way. Raises RetrievalError as the other."""
        found = self.retriever.search(queries, k, sources)
        titles = {item.passage.source: item.passage.title for item in found}
        if len(titles) < 2:
            return found
        openings = self.openings(list(titles))
        versions = [version_of(source, title, openings.get(source, "")) for source, title in titles.items()]
        likely: dict[str, float] = {}
        for item in found:
            source = item.passage.source
            likely[source] = max(likely.get(source, 0.0), item.probability or 0.0)
        gone = left_out(" ".join(queries[:2]) if not isinstance(queries, str) else queries, versions, likely)
        remarks = {one.source: remark for one in versions if (remark := _remark(one, versions, gone))}
        kept = (item for item in found if item.passage.source not in gone)
        return tuple(replace(item, remark=remarks.get(item.passage.source, "")) for item in kept)


def _remark(version: Version, versions: Sequence[Version], gone: set[str]) -> str:
    """What is said of a version beside a reply from it: that another one gave way to it."""
    if version.words & _OF_EVENTS:
        return ""
    others = [one for one in versions if one.source in gone and version.source not in gone]
    older = [one.source for one in others if version.newer(one)]
    newer = [one for one in others if one.newer(version)]
    if newer:
        newest = max(newer, key=lambda one: sum(one.newer(other) for other in newer))
        return f"There is a newer version: “{newest.source}”."
    if older:
        named = ", ".join(f"“{name}”" for name in older[:2])
        return f"This is the newer version; {'an older one is' if len(older) == 1 else 'older ones are'} {named}."
    return ""
