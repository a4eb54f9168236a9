"""Citation recall and precision as ALCE's code has them (Gao et al. 2023), with our judge in place of its NLI model.

Every sentence counts, also one that claims nothing. Of a sentence without a mark, or with one that leads nowhere, the
recall is 0; at most MOST citations of a sentence are looked at. Its recall is 1 if they together entail it. Then a
citation is correct unless it does not entail the sentence alone and the others do without it; one that stands alone is
correct if it entails. Where the citations do not entail together, none is correct.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dialogue.cite import MARK, without_marks
from retrieval.text import sentences

MOST: Final = 3
Asked = tuple[tuple[int, ...], str]  # the numbers of the citations, and the sentence
_NUMBERS = re.compile(r"\d+(?:\s*[–-]\s*\d+)?")
_RANGE: Final = 50  # marks such as [1-3] are read up to so many


@dataclass(frozen=True, slots=True)
class CitedSentence:
    """A sentence without its marks, the numbers in them in order, each once, and how many of them lead nowhere."""

    text: str
    numbers: tuple[int, ...]
    bad: int = 0

    @property
    def kept(self) -> tuple[int, ...]:
        """The numbers that are looked at, () where one leads nowhere."""
        return () if self.bad else self.numbers[:MOST]


@dataclass(frozen=True, slots=True)
class CitationScore:
    """Recall and precision of a reply, in [0, 1], its sentences, citations and marks that lead nowhere."""

    recall: float
    precision: float
    sentences: int
    citations: int
    bad: int


def cited_sentences(text: str, known: int | frozenset[int]) -> list[CitedSentence]:
    """Part a reply into sentences with the numbers cited in each; `known` are those that lead somewhere, or 1 to it.

    A mark belongs to the sentence it stands in or after.
    """
    there = frozenset(range(1, known + 1)) if isinstance(known, int) else known
    found: list[tuple[str, list[int]]] = []
    for start, end in sentences(text):
        part = text[start:end]
        numbers = [number for mark in MARK.findall(part) for number in numbers_in(mark)]
        plain = without_marks(part).strip()
        if not any(letter.isalnum() for letter in plain):
            if found:
                found[-1][1].extend(numbers)
            continue
        lead = re.match(r"(?:\s*[\[【]\d[^\]】]*[\]】])+", part)
        if lead and found:  # the mark after a full stop is the one before's
            early = [number for mark in MARK.findall(lead[0]) for number in numbers_in(mark)]
            found[-1][1].extend(early)
            numbers = numbers[len(early) :]
        found.append((plain, numbers))
    return [
        CitedSentence(
            plain, tuple(dict.fromkeys(n for n in numbers if n in there)), sum(n not in there for n in numbers)
        )
        for plain, numbers in found
    ]


def numbers_in(mark: str) -> list[int]:
    """The numbers of a mark such as [1], [2, 3] or [1-3]."""
    found: list[int] = []
    for part in _NUMBERS.findall(mark):
        ends = [int(number) for number in re.findall(r"\d{1,9}", part)]
        found += range(ends[0], min(ends[-1], ends[0] + _RANGE) + 1) if len(ends) == 2 else ends[:1]
    return found


def score(found: Sequence[CitedSentence], entails: Callable[[Sequence[Asked]], Sequence[bool]]) -> CitationScore | None:
    """Return the score of a reply, None where it has no sentence. `entails` answers many questions in one call."""
    if not found:
        return None
    together = {(s.kept, s.text) for s in found if s.kept}
    first = _answered(together, entails, {})
    apart: set[Asked] = set()
    for s in found:
        if len(s.kept) > 1 and first[s.kept, s.text]:
            for number in s.kept:
                apart |= {((number,), s.text), (_without(s.kept, number), s.text)}
    known = _answered(apart, entails, first)
    correct = sum(_correct(s, known) for s in found)
    cited = sum(len(s.kept) for s in found)
    recalled = sum(bool(s.kept) and known[s.kept, s.text] for s in found)
    bad = sum(s.bad for s in found)
    return CitationScore(recalled / len(found), correct / cited if cited else 0.0, len(found), cited, bad)


def _answered(
    asked: set[Asked], entails: Callable[[Sequence[Asked]], Sequence[bool]], known: Mapping[Asked, bool]
) -> dict[Asked, bool]:
    new = sorted(asked - known.keys())
    return {**known, **(dict(zip(new, entails(new), strict=True)) if new else {})}


def _correct(s: CitedSentence, known: Mapping[Asked, bool]) -> int:
    if not s.kept or not known[s.kept, s.text]:
        return 0
    if len(s.kept) == 1:
        return 1
    return sum(known[(n,), s.text] or not known[_without(s.kept, n), s.text] for n in s.kept)


def _without(numbers: tuple[int, ...], number: int) -> tuple[int, ...]:
    return tuple(other for other in numbers if other != number)
