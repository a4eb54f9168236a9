"""Columns of running text on a page, whatever the height of their lines: the gap between them that no word crosses."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from retrieval.sources.words import Word

_BIN: Final = 2.0  # points in which a page is looked at from side to side
_GUTTER: Final = 6.0  # points at least
_QUIET: Final = 0.2  # of the usual number of words above each other, that may cross a gutter
_SPACE: Final = 0.5  # sizes between words of one line
_LINES: Final = 4  # of each column at least
_WORDS: Final = 3.0  # of a line, on average
_GOES_ON: Final = 0.25  # share of the lines that begin with a small letter
_ALIGNED: Final = 0.55  # share of the lines that begin where most do

Parts = tuple[list[Word], list[Word], list[Word], list[Word]]  # above the columns, left, right, below


def columns_of(words: Sequence[Word]) -> Parts | None:
    """Return words parted by the best gutter between columns of running text, None where there is none."""
    best: tuple[int, Parts] | None = None
    lines = _lines(words)
    for middle in _gutters(words):
        crossing = sorted((word for line in lines for word in _crossing(line, middle)), key=lambda word: word.top)
        across = {id(word) for word in crossing}
        bounds = [float("-inf"), *(y for word in crossing for y in (word.top, word.bottom)), float("inf")]
        spans = list(zip(bounds[::2], bounds[1::2], strict=True))
        for top, bottom in spans:
            inside = [word for word in words if top <= word.middle <= bottom and id(word) not in across]
            left = [word for word in inside if word.right <= middle]
            right = [word for word in inside if word.left >= middle]
            count = min(_prose(left), _prose(right))
            if count and (best is None or count > best[0]):
                best = count, _cut(words, left, right)
    return best[1] if best else None


def _cut(words: Sequence[Word], left: list[Word], right: list[Word]) -> Parts:
    """Return the parts; what crosses the gap between the columns stands above or below them."""
    begin = min(word.top for word in (*left, *right))
    apart = {id(word) for word in (*left, *right)}
    rest = [word for word in words if id(word) not in apart]
    above = [word for word in rest if word.middle < begin]
    return above, left, right, [word for word in rest if word.middle >= begin]


def _gutters(words: Sequence[Word]) -> list[float]:
    """Return the middles of the stretches that few words cross, from left to right."""
    counts = Counter[int]()
    for word in words:
        counts.update(range(int(word.left // _BIN), int(word.right // _BIN) + 1))
    if not counts:
        return []
    usual = sorted(counts.values())[len(counts) // 2]
    quiet = [place for place in range(min(counts), max(counts)) if counts[place] <= _QUIET * usual]
    found: list[float] = []
    run: list[int] = []
    for place, following in pairwise([*quiet, 1 << 30]):
        run.append(place)
        if following > place + 1:
            if len(run) * _BIN >= _GUTTER:
                least = min(counts[one] for one in run)
                least_run = [one for one in run if counts[one] == least]
                found.append((least_run[len(least_run) // 2] + 0.5) * _BIN)
            run = []
    return found


def _prose(words: Sequence[Word]) -> int:
    """Return how many lines of running text words make, 0 for anything else."""
    rows = _lines(words)
    if len(rows) < _LINES:
        return 0
    firsts = [row[0] for row in rows]
    starts = Counter(round(word.left / 4) for word in firsts)
    place = max(starts, key=lambda start: starts[start])
    aligned = sum(starts[place + step] for step in (-1, 0, 1))
    small = sum(word.text[:1].islower() for word in firsts)
    many = sum(len(word.text.split()) for word in words)
    running = many >= _WORDS * len(rows) and small >= _GOES_ON * len(rows) and aligned >= _ALIGNED * len(rows)
    return len(rows) if running else 0


def _lines(words: Sequence[Word]) -> list[list[Word]]:
    """Return words that stand beside each other, from left to right, line by line."""
    rows: list[list[Word]] = []
    for word in sorted(words, key=lambda word: word.middle):
        if rows and word.middle - rows[-1][-1].middle <= 0.3 * (word.bottom - word.top):
            rows[-1].append(word)
        else:
            rows.append([word])
    return [sorted(row, key=lambda word: word.left) for row in rows]


def _crossing(line: list[Word], middle: float) -> list[Word]:
    """Return the words of a line that lies across a gutter, also where a space is right there."""
    for word, following in pairwise(line):
        if word.right <= middle <= following.left and following.left - word.right < _SPACE * max(word.size, 1.0):
            return [word, following]
    return [word for word in line if word.left < middle < word.right]
