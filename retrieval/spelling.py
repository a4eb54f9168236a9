"""Slips of typing, mended by the words of the collection and of English.

A noisy channel: of the words within one edit, or two of a long word, the one that is likeliest by how often it is used
and how near it is. What exists is never touched, nor what may be a code or a name that the collection does not hold.
"""

import math
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

LONG = 8  # letters from which two slips are looked for
SHORT, LONGEST = 3, 40  # letters of the shortest and the longest word that is mended
RARE = 19_000  # rank from which a word of English may itself be a slip for one of the commonest
COMMON = 500
USUAL = 8_000  # rank up to which two words make a third that no list holds
PLAIN = 2_000  # rank up to which a word is no name, and may be meant where the collection lacks it
ENGLISH = 0.25  # the least share of the commonest words in a question of which three words are unknown
_ASKING = frozenset("what when where which who whom whose why how".split())
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_ENDINGS = ("s", "es", "d", "ed", "ing", "er", "ers", "est", "ly", "able")
_CODE = re.compile(r"[\d_@/\\<>{}=#$%&+*|.-]")
_DIGIT = re.compile(r"\d")
_QUOTED = re.compile(r"[\"“`][^\"”`]{0,500}[\"”`]")


class Spelling:
    """Mends the words of a question. Safe to use from several threads.

    `lexicon` maps English words to their rank, the commonest first; `vocabulary` returns the words of the collection
    with the number of passages that hold each, the same object as long as they stay the same.
    """

    def __init__(self, lexicon: Mapping[str, int], vocabulary: Callable[[], Mapping[str, int]]) -> None:
        self._lexicon, self._vocabulary = lexicon, vocabulary
        self._lock = threading.Lock()
        self._made: _Words | None = None

    def corrected(self, text: str) -> str:
        """Return the text with its slips mended; the very same where there are none or the collection has no words."""
        held = self._vocabulary()
        if not held:
            return text
        with self._lock:
            if self._made is None or self._made.held is not held:
                self._made = _Words(self._lexicon, held)
            words = self._made
        kept = _typed_whole(text)
        found = [m for m in _WORD.finditer(text) if not (kept[m.start()] and kept[m.end() - 1])]
        if words.foreign([match.group() for match in found]):
            return text
        pieces, place, skip = [], 0, False
        for number, match in enumerate(found):
            if skip:
                skip = False
                continue
            following = found[number + 1] if number + 1 < len(found) else None
            end, put = match.end(), match.group()
            if following and text[match.end() : following.start()] == " " and words.joined(put, following.group()):
                end, put, skip = following.end(), put + following.group().casefold(), True
            else:
                put = words.mended(put, not number)
            pieces += [text[place : match.start()], put]
            place = end
        return "".join([*pieces, text[place:]])


def _typed_whole(text: str) -> bytearray:
    """Return for each character whether it stands in a code, an address or a quotation, where no slip is mended.

    In time linear in the text.
    """
    kept = bytearray(len(text))
    for token in re.finditer(r"\S+", text):
        bare = token.group().rstrip("?!.,;:)")
        end = token.end() if _DIGIT.search(token.group()) else token.start() + len(bare)
        if _DIGIT.search(token.group()) or _CODE.search(bare, 0, max(len(bare) - 1, 0)):
            kept[token.start() : end] = b"\1" * (end - token.start())
    for start, end in (match.span() for match in _QUOTED.finditer(text)):
        kept[start:end] = b"\1" * (end - start)
    return kept


class _Words:
    """What is known of words: those of the collection, `held`, and of English."""

    def __init__(self, lexicon: Mapping[str, int], held: Mapping[str, int]) -> None:
        self._lexicon, self.held = lexicon, held

    def joined(self, first: str, second: str) -> bool:
        """Whether two words are one that the collection holds.

        They are not where it holds both of them, if it does so as often as the one, or that is a word of English.
        """
        one, two = first.casefold(), second.casefold()
        whole, parts = self.held.get(one + two, 0), min(self.held.get(one, 0), self.held.get(two, 0))
        apart = parts and (parts >= whole or one + two in self._lexicon)
        return len(one) > 2 and len(two) > 2 and whole > 0 and not apart

    def foreign(self, words: Sequence[str]) -> bool:
        """Whether a question is hardly in English."""
        plain = [word.casefold() for word in words]
        unknown = sum(not self._known(word) for word in plain)
        return unknown > 2 and sum(self._lexicon.get(word, RARE) < COMMON for word in plain) < ENGLISH * len(plain)

    def mended(self, word: str, first: bool = False) -> str:
        """Return the word that was meant, or this one. The `first` of a question mostly asks."""
        stem = re.sub(r"['’]s?$", "", word)
        plain = stem.casefold()
        if not SHORT <= len(plain) <= LONGEST or stem not in (plain, plain.capitalize()):
            return word
        name = word[0].isupper() and not first
        if plain not in self.held and not name and not self._compound(plain) and (split := self._split(plain)):
            return split
        if self._known(plain):
            return word
        if plain in self._lexicon:  # rare, so a slip only where one asks
            near = [found for found in _edited(plain) if found in _ASKING and first]
        else:
            near = [found for found in self._near(plain) if self._may_be(plain, found, name)]
        best = max(near, key=lambda found: self._score(plain, found), default="")
        if not best:
            return word
        return (best.capitalize() if word[0].isupper() else best) + word[len(stem) :]

    def _known(self, plain: str) -> bool:
        if len(plain) > LONGEST:
            return False
        if plain in self.held or self._lexicon.get(plain, RARE) < RARE or "'" in plain:
            return True
        for ending in _ENDINGS:
            stem = plain.removesuffix(ending)
            single = stem[:-1] if stem[-1:] == stem[-2:-1] else stem  # running, run
            if stem != plain and len(single) > 2 and any(self._is(found) for found in (stem, f"{stem}e", single)):
                return True
        if any(f"{plain}{ending}" in self.held for ending in ("s", "es", "d", "ed", "ing")):
            return True
        return self._compound(plain)

    def _compound(self, plain: str) -> bool:
        return any(self._usual(plain[:place]) and self._usual(plain[place:]) for place in range(4, len(plain) - 3))

    def _usual(self, word: str) -> bool:
        return self._lexicon.get(word, RARE) < USUAL

    def _is(self, stem: str) -> bool:
        return stem in self.held or self._lexicon.get(stem, RARE) < RARE

    def _near(self, plain: str) -> Iterator[str]:
        once = [found for found in _edited(plain) if found in self.held or found in self._lexicon]
        yield from once
        if not once and len(plain) >= LONG:
            for found in set(self._by_start.get(plain[:3], ())) | set(self._by_end.get(plain[-3:], ())):
                near = abs(len(found) - len(plain)) <= 2 and len(set(found) ^ set(plain)) <= 4
                other_ending = found[: len(plain) - 3] == plain[:-3]  # of the same stem, it may be meant
                if near and not other_ending and _distance(plain, found, 2) <= 2:
                    yield found

    def _may_be(self, plain: str, found: str, name: bool) -> bool:
        """Whether `found` may be meant: another name is, only where letters were left out, doubled or exchanged."""
        rank, same = self._lexicon.get(found, 40_000), len(found) == len(plain) and sorted(found) != sorted(plain)
        if found not in self.held:
            return not name and rank < PLAIN
        if not name and rank < RARE:
            return True
        if len(plain) < 5 or found[0] != plain[0] or (name and rank < PLAIN):
            return False
        once = _distance(plain, found, 1) <= 1
        return (once and (not same or _beside(plain, found))) or (not name and not once)

    def _score(self, plain: str, found: str) -> float:
        """The logarithm, to a constant, of how likely a word is meant and written so."""
        rank = self._lexicon.get(found)
        general = 3 * (1 - math.log(rank + 1) / math.log(40_000)) if rank is not None else 0.0
        used = math.log10(1 + 10 * self.held.get(found, 0))
        slip = 3.0 * _distance(plain, found, 3)
        if sorted(found) == sorted(plain):
            slip -= 0.7
        elif len(found) == len(plain) and not _beside(plain, found):
            slip += 0.8
        if found[0] != plain[0]:
            slip += 1.0 if found[:2] == plain[1::-1] else 1.5
        return general + used - slip

    def _split(self, plain: str) -> str:
        """Two words of the collection that were written as one."""
        for place in range(3, len(plain) - 2):
            if plain not in self._lexicon and plain[:place] in self.held and plain[place:] in self.held:
                return f"{plain[:place]} {plain[place:]}"
        return ""

    @cached_property
    def _by_start(self) -> dict[str, list[str]]:
        return self._grouped(lambda word: word[:3])

    @cached_property
    def _by_end(self) -> dict[str, list[str]]:
        return self._grouped(lambda word: word[-3:])

    def _grouped(self, key: Callable[[str], str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for word in {*self.held, *self._lexicon}:
            if len(word) >= LONG - 2:
                found[key(word)].append(word)
        return dict(found)


def _edited(word: str) -> set[str]:
    """What one slip makes of a word: a letter more, less, another, or two exchanged."""
    cuts = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    return {
        *(a + b[1:] for a, b in cuts if b),
        *(a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1),
        *(a + letter + b[1:] for a, b in cuts if b for letter in _LETTERS),
        *(a + letter + b for a, b in cuts for letter in _LETTERS),
    } - {word}


def _distance(one: str, two: str, most: int) -> int:
    """The slips between two words (optimal string alignment), `most` + 1 where they are more."""
    rows: list[list[int]] = [list(range(len(two) + 1))]
    for i, a in enumerate(one, start=1):
        row = [i]
        for j, b in enumerate(two, start=1):
            cost = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == two[j - 2] and b == one[i - 2]:
                cost = min(cost, rows[-2][j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
        rows.append(row)
    return rows[-1][-1]


def _beside(one: str, two: str) -> bool:
    """Whether the one letter that differs lies beside the other on a keyboard."""
    if len(one) != len(two):
        return False
    differ = [(a, b) for a, b in zip(one, two, strict=True) if a != b]
    rows = [(row.index(a), row.index(b)) for a, b in differ for row in _ROWS if a in row and b in row]
    return len(differ) == 1 and any(abs(i - j) == 1 for i, j in rows)


def lexicon_of(pieces: Mapping[str, int]) -> dict[str, int]:
    """Return the whole words among word pieces with their ranks: a WordPiece vocabulary lists the commonest first."""
    whole = sorted(
        (number, word) for word, number in pieces.items() if word.isalpha() and (len(word) > 1 or word in "ai")
    )
    return {word: rank for rank, (_, word) in enumerate(whole)}
