"""Noun phrases of short English texts, by a light chunker: what a follow-up may mean, and what it may replace.

Words of the closed classes and verbs end a phrase. Which words are verbs was counted in running text (`verbs.txt`, by
`app.training.rewriting.verbs`). Knows nothing of turns.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

VERBS = Path(__file__).with_name("verbs.txt")

WH = frozenset("who what when where which why how whom whose".split())
AUXILIARY = frozenset(
    "do does did is are was were am be been being can could will would shall should may might must have has had "
    "isn't aren't wasn't weren't don't doesn't didn't can't couldn't won't wouldn't hasn't haven't hadn't".split()
)
_BE = frozenset("is are was were isn't aren't wasn't weren't".split())
_STATES = frozenset(  # what something is said to be at the end of a question: "When is the museum open?"
    "open free available due ready full empty busy deep long wide high tall old new big large heavy warm cold hot safe "
    "dangerous expensive cheap ill sick absent present responsible compulsory necessary possible right wrong".split()
)
_DO = frozenset("do does did can could will would shall should may might must don't doesn't didn't".split())
ARTICLES = frozenset("the a an".split())
OWN = frozenset("its his her their hers theirs".split())
SPEAKERS = frozenset("i me my we us our you your yours mine ours".split())
PRONOUNS = OWN | frozenset("it he him she they them this that these those there here one ones itself".split())
PREPOSITIONS = frozenset(
    "of for in at on from to with by near about into during between under over after before through against among "
    "within without since until towards around across behind along per via than as like".split()
)
_JOINING = frozenset("of for in at on from near with to by".split())  # what hangs one phrase on another
_OTHER = frozenset(
    "and or but so then also ok okay well if because while though although not no yes very too just only even still "
    "again ever never always now today once please there here again's else together much many more most less least "
    "how's what's who's where's it's that's there's he's she's they're all both some any each every another other same "
    "such long far often soon early late up down out off away back not yet already anyway exactly really actually "
    "tell me know let".split()
)
_WORD = re.compile(r"[^\W_]+(?:['’.:\-&/][^\W_]+)*['’]?")


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its place in the text."""

    text: str
    start: int
    end: int

    @property
    def plain(self) -> str:
        """The word in lower case, its apostrophe straight."""
        return self.text.casefold().replace("’", "'")


@dataclass(frozen=True, slots=True)
class Phrase:
    """A noun phrase at `start` to `end`. `before` is the preposition that it hangs on, `head` its last own word.

    `kind` is "base", "long" where another phrase hangs on it, "inner" for a name within a phrase, "owner" for what
    another thing is said to be of ("Ada's book").
    """

    text: str
    start: int
    end: int
    kind: str
    head: str
    before: str = ""

    @property
    def article(self) -> str:
        """The article or possessive that it begins with, in lower case, "" for none."""
        first = self.text.split(maxsplit=1)[0].casefold()
        return first if first in ARTICLES | OWN else ""

    @property
    def bare(self) -> str:
        """The phrase without its article."""
        return self.text[len(self.article) :].lstrip()


def words(text: str) -> list[Word]:
    """Return the words of a text, those with apostrophes, hyphens and inner full stops whole."""
    return [Word(match.group(), match.start(), match.end()) for match in _WORD.finditer(text)]


def phrases(text: str) -> list[Phrase]:
    """Return the noun phrases of a text in order, the longer before what it holds."""
    read = words(text)
    bases = list(_bases(text, read))
    found: list[Phrase] = []
    for place, (first, last) in enumerate(bases):
        before = read[first - 1].plain if first and read[first - 1].plain in PREPOSITIONS else ""
        end = last
        for following, (start, stop) in enumerate(bases[place + 1 :], place + 1):
            names = read[start - 1].plain == "and" and _named(read[start]) and _named(read[end])
            if start - bases[following - 1][1] != 2 or not (read[start - 1].plain in _JOINING or names):
                break
            if "," in text[read[end].end : read[start].start]:
                break
            end = stop
            found.append(_phrase(text, read, first, end, "long", before, last))
        found.append(_phrase(text, read, first, last, "base", before, last))
        found += _inner(text, read, first, last, before)
    return sorted(found, key=lambda phrase: (phrase.start, -phrase.end))


def _phrase(text: str, read: Sequence[Word], first: int, last: int, kind: str, before: str, head: int) -> Phrase:
    start, end = read[first].start, read[last].end
    own = read[head].text
    if kind == "owner":
        end -= len(own) - len(_unowned(own))
    return Phrase(text[start:end], start, end, kind, _unowned(own), before)


def _inner(text: str, read: Sequence[Word], first: int, last: int, before: str) -> Iterator[Phrase]:
    """Yield owners ("Ada's" in "Ada's book") and names within a phrase ("Bergen" in "the Bergen office")."""
    for place in range(first, last):
        if _unowned(read[place].text) != read[place].text:
            yield _phrase(text, read, first, place, "owner", before, place)
    run: list[int] = []
    for place in range(first, last + 2):
        if place <= last and (_named(read[place]) or (run and read[place].text[0].isdigit())):
            run.append(place)
            continue
        whole = run and run[0] == first and run[-1] == last
        if run and not whole and _unowned(read[run[-1]].text) == read[run[-1]].text:
            yield _phrase(text, read, run[0], run[-1], "inner", before, run[-1])
        run = []
    start = first + (read[first].plain in ARTICLES | OWN)
    if text.islower() and last > start:  # typed without capitals: what stands before the head may be a name
        yield _phrase(text, read, start, last - 1, "inner", before, last - 1)


def _bases(text: str, read: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """Yield (first, last) word of every phrase without what hangs on it."""
    run: list[int] = []
    asked = -1  # the auxiliary of do whose verb has not come
    for place, word in enumerate(read):
        plain = word.plain
        gap = text[read[place - 1].end : word.start] if place else ""
        broken = bool(gap.strip(" \"'“”‘’([")) if place else False
        if run and (broken or _ends(read, place, run)):
            yield from _closed(read, run, asked)
            run = []
        if plain in _DO:
            asked = place
        if (_function(word, place, gap) and plain not in ARTICLES | OWN) or (not run and _verb(read, place)):
            if plain not in _DO and plain not in _OTHER:
                asked = asked if plain in PREPOSITIONS else -1
            continue
        run.append(place)
    if run:
        yield from _closed(read, run, asked)


def _closed(read: Sequence[Word], run: list[int], asked: int) -> Iterator[tuple[int, int]]:
    """End a phrase; after a form of do its last word may be the verb, after one of be a state."""
    before = read[run[0] - 1].plain if run[0] else ""
    if before in _BE and read[run[-1]].plain in _STATES and sum(read[p].plain not in ARTICLES | OWN for p in run) > 1:
        run = run[:-1]
    if asked >= 0 and len(run) > 1 and run[-1] + 1 <= len(read) and not _named(read[run[-1]]):
        following = read[run[-1] + 1].plain if run[-1] + 1 < len(read) else ""
        held = [place for place in run if read[place].plain in ARTICLES | OWN]
        ahead = run[-1] + 1 < len(read) and following not in PREPOSITIONS and _verb(read, run[-1] + 1)
        if (
            not ahead
            and following not in AUXILIARY
            and len(run) - len(held) > 1
            and not read[run[-1]].text[0].isdigit()
        ):
            run = run[:-1]
    while run and read[run[-1]].plain in ARTICLES | OWN:
        run = run[:-1]
    if run:
        yield run[0], run[-1]


def _ends(read: Sequence[Word], place: int, run: Sequence[int]) -> bool:
    word = read[place]
    if word.plain in ARTICLES | OWN or _function(word, place, " "):
        return True
    return _verb(read, place)


def _verb(read: Sequence[Word], place: int) -> bool:
    word = read[place]
    if not word.text[0].islower():
        return False
    before = read[place - 1].plain if place else ""
    content = place + 1 < len(read) and not _function(read[place + 1], place + 1, " ")
    if before in ARTICLES | OWN or before.endswith("'s"):
        return not content and word.plain.endswith("ed")
    if word.plain in verbs():
        return True
    following = read[place + 1].plain if place + 1 < len(read) else ""
    if place and word.plain.endswith("s") and (following in ARTICLES or following[:1].isdigit()):
        return before == "who" or not (_function(read[place - 1], place - 1, " ") or before[:1].isdigit())
    if word.plain.endswith("ed") and len(word.plain) > 4:
        return not (before in PREPOSITIONS and content)
    return word.plain.endswith("ly") and len(word.plain) > 4


def _function(word: Word, place: int, gap: str) -> bool:
    plain = word.plain
    closed = plain in WH or plain in AUXILIARY or plain in PRONOUNS or plain in PREPOSITIONS or plain in _OTHER
    opens = place == 0 or not word.text[0].isupper() or "." in gap
    return (closed and (opens or plain in AUXILIARY | WH)) or plain in SPEAKERS or plain in ARTICLES


def _named(word: Word) -> bool:
    return any(letter.isupper() for letter in word.text) and not _function(word, 1, " ")


def _unowned(text: str) -> str:
    return re.sub(r"['’]s?$", "", text) if re.search(r"(?:['’]s|s['’])$", text) else text


@cache
def verbs() -> frozenset[str]:
    """The words, other than regular participles, that are verbs, or follow a form of be, more often than nouns."""
    return frozenset(VERBS.read_text(encoding="utf-8").split())
