"""A page to what stands on it, in the order of reading: columns one by one, tables row by row, paragraphs whole."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from retrieval.sources.columns import columns_of
from retrieval.sources.grids import Ruled, joined, ruled, text_of
from retrieval.sources.words import Page, Word

_BULLET: Final = re.compile(r"[-*•–‣▪◦●○■□▶➢✓·]|\d{1,3}[.)]|\(?[a-z]\)")
_DOTS: Final = re.compile(r"[.·…_]{3,}|(?:\. ?){3,}")
_ENDED: Final = re.compile(r"[.!?:;…][\"'”’)\]]*$")
_GUTTER: Final = 0.9  # sizes of the letters that part columns at least
_DEEPEST: Final = 4  # columns within columns
_APART: Final = 2.6  # sizes between rows from which on a single piece belongs to the columns above no longer
_STEP: Final = 1.75  # sizes from line to line within a paragraph
_ANEW: Final = 1.8  # steps from row to row, from which on a row that is parted elsewhere begins another table
_FAR: Final = 4.0  # steps from which on it does wherever it is parted
_PROSE: Final = 0.25  # share of the lines that begin with a small letter, in running text
_SLACK: Final = 0.3  # sizes of room by which a full line may fall short of its margin
_RAGGED: Final = 2.5  # the same in running text
_OPEN: Final = re.compile(  # what no paragraph ends with
    r"(?:\b(?:a|an|the|of|in|on|at|to|by|for|from|with|and|or|nor|but|as|than|is|are|was|were|be|been|has|have|had|its|"
    r"his|her|their|our|your|my|this|that|these|those|which|who|whose|until|between|into|per|Mr|Mrs|Ms|Dr|St|no)|,)$"
)
_MONTHS: Final = "January February March April May June July August September October November December".split()


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, or a table as its rows; `size` and `bold` are those of its letters."""

    text: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    size: float = 0.0
    bold: bool = False
    top: float = 0.0
    bottom: float = 0.0


_Row = list[Word]
_Gap = tuple[float, float]


def blocks(page: Page) -> list[Block]:
    """Return what stands on a page, in the order of reading."""
    tables, words = ruled(page.rules, page.words)
    pieces = [
        Word("", table.box[0], table.box[1], table.box[2], table.box[3], 0.0, turn=number)
        for number, table in enumerate(tables)
    ]
    found = list(_parted([*words, *pieces], tables, _DEEPEST))
    for group in page.aside:
        found += _region(_rows(group), [], 1)
    return found


def _parted(words: Sequence[Word], tables: Sequence[Ruled], deeper: int) -> Iterator[Block]:
    """Yield what stands in a part of a page, long columns of text first taken apart."""
    parts = columns_of(words) if deeper else None
    if parts is None:
        yield from _region(_rows(words), tables, deeper)
        return
    for part in parts:
        yield from _parted(part, tables, deeper - 1)


def _rows(words: Sequence[Word]) -> list[_Row]:
    """Return words in rows, from the top; each table is a row of its own."""
    rows: list[_Row] = []
    for word in sorted((word for word in words if word.text), key=lambda word: word.middle):
        last = rows[-1] if rows else None
        if last and word.middle - last[-1].middle <= 0.25 * (word.bottom - word.top) and word.middle <= last[0].bottom:
            last.append(word)
        else:
            rows.append([word])
    made = [_bulleted(sorted(row, key=lambda word: word.left)) for row in rows]
    made += [[word] for word in words if not word.text]
    return sorted(made, key=lambda row: row[0].middle if row[0].text else row[0].top)


def _bulleted(row: _Row) -> _Row:
    """Join the sign or number of an item with the word after it, however wide the gap."""
    if len(row) < 2 or not _BULLET.fullmatch(row[0].text) or row[1].left - row[0].right > 4 * row[0].size:
        return row
    one, other = row[:2]
    joined = Word(
        f"{one.text} {other.text}", one.left, min(one.top, other.top), other.right, max(one.bottom, other.bottom),
        other.size, other.bold, other.turn,
    )  # fmt: skip
    return [joined, *row[2:]]


def _region(rows: list[_Row], tables: Sequence[Ruled], deeper: int) -> Iterator[Block]:
    """Yield what stands in a part of a page."""
    begin = place = 0
    while place < len(rows):
        if _is_table(rows[place]):
            yield from _paragraphs(rows[begin:place])
            [piece] = rows[place]
            yield Block(rows=tables[piece.turn or 0].rows, top=piece.top, bottom=piece.bottom)
            begin = place = place + 1
            continue
        end, gutters = _band(rows, place) if deeper else (place, [])
        if not gutters:
            place += 1
            continue
        yield from _paragraphs(rows[begin:place])
        yield from _columns(rows[place:end], gutters, deeper)
        begin = place = end
    yield from _paragraphs(rows[begin:])


def _is_table(row: _Row) -> bool:
    return not row[0].text


def _band(rows: list[_Row], first: int) -> tuple[int, list[_Gap]]:
    """Return where the columns that begin with this row end, and the gaps between them; no gaps: there are none."""
    gaps = _gaps(rows[first])
    if len(gaps) < 3:  # those at both sides are always there
        return first, []
    end, parted = first + 1, 1
    while end < len(rows) and not _is_table(rows[end]):
        row = rows[end]
        size = max(row[0].size, 1.0)
        other = _gaps(row)
        common = _common(gaps, other)
        inner = len([gap for gap in common if _parts(rows[first:end], gap)])
        alone = len(other) == 2 and row[0].top - rows[end - 1][0].bottom > (_APART - 1) * size
        if not inner or alone or _begins_anew(rows, first, end, other):
            break
        gaps, parted = common, parted + (len(other) > 2)
        end += 1
    while end > first + 1 and len(_gaps(rows[end - 1])) < 3 and _is_apart(rows, end - 1):
        end -= 1
    inner_gaps = [gap for gap in gaps if _parts(rows[first:end], gap)]
    wide = max((right - left for left, right in inner_gaps), default=0.0)
    enough = (
        parted > 2
        or (parted > 1 and (len(inner_gaps) > 1 or wide > 2 * rows[first][0].size))
        or _is_dotted(rows[first])
    )
    if not enough and wide > 3 * rows[first][0].size and rows[first][0].size:
        enough = True
    return (end, inner_gaps) if enough else (first, [])


def _begins_anew(rows: list[_Row], first: int, place: int, other: list[_Gap]) -> bool:
    """Whether something else begins with a row: farther below than the others, and parted in more or fewer places."""
    steps = [rows[at + 1][0].middle - rows[at][0].middle for at in range(first, place - 1)]
    size = max(rows[place][0].size, 1.0)
    usual = max(median(steps), size) if steps else 2 * size
    step = rows[place][0].middle - rows[place - 1][0].middle
    if len(other) < 3 or step <= _ANEW * usual:
        return False
    return step > _FAR * usual or len(other) != max(len(_gaps(row)) for row in rows[first:place])


def _is_apart(rows: list[_Row], place: int) -> bool:
    above, row = rows[place - 1], rows[place]
    return row[0].top - above[0].bottom > 0.9 * max(row[0].size, 1.0)


def _is_dotted(row: _Row) -> bool:
    return any(_DOTS.fullmatch(word.text) for word in row)


def _gaps(row: _Row) -> list[_Gap]:
    """Return where a row is empty: left of it, between words that stand far apart, right of it."""
    gaps: list[_Gap] = [(float("-inf"), row[0].left)]
    shown = [word for word in row if not _DOTS.fullmatch(word.text)] or row
    for word, following in pairwise(shown):
        if following.left - word.right >= _GUTTER * max(word.size, following.size, 4.0):
            gaps.append((word.right, following.left))
    return [*gaps, (shown[-1].right, float("inf"))]


def _common(one: list[_Gap], other: list[_Gap]) -> list[_Gap]:
    """Return where both are empty, and wide enough to part columns."""
    found = []
    for left, right in one:
        for low, high in other:
            if min(right, high) - max(left, low) >= 4.0:
                found.append((max(left, low), min(right, high)))
    return found


def _parts(rows: list[_Row], gap: _Gap) -> bool:
    """Whether words stand on both sides of a gap."""
    left, right = gap
    before = any(word.right <= left + 0.1 for row in rows for word in row[:1])
    return before and any(word.left >= right - 0.1 for row in rows for word in row[-1:])


def _columns(rows: list[_Row], gaps: list[_Gap], deeper: int) -> Iterator[Block]:
    """Yield columns of text one by one, anything else row by row."""
    borders = [(left + right) / 2 for left, right in sorted(gaps)]
    parts = [
        [_between(row, low, high) for row in rows] for low, high in pairwise([float("-inf"), *borders, float("inf")])
    ]
    if len(parts) == 2 and _are_numbers(parts[0]):
        for row in _continued([[text_of(part[number]) for part in parts] for number in range(len(rows))], rows):
            mark = f"{row[0]}." if row[0].isdecimal() else row[0]
            yield Block(text=f"{mark} {row[1]}".strip(), size=rows[0][-1].size, top=rows[0][0].top)
        return
    if _are_prose(parts):
        for part in parts:
            yield from _region([row for row in part if row], [], deeper - 1)
        return
    if letterhead := _letterhead(parts):
        yield from _paragraphs([row for row in parts[0] if row])
        parts, rows = parts[1:], [row[letterhead.get(number, 0) :] for number, row in enumerate(rows)]
    table = _continued([[text_of(_undotted(part[number])) for part in parts] for number in range(len(rows))], rows)
    bold = [all(word.bold for word in row) for row in rows]
    first = rows[0]
    headed = bold[0] and not all(bold)
    yield Block(
        rows=tuple(map(tuple, table)), size=first[0].size, bold=headed, top=first[0].top, bottom=rows[-1][0].bottom
    )


def _letterhead(parts: list[list[_Row]]) -> dict[int, int]:
    """How many words of each row stand left of labels and their values, as an address does; {} where none does.

    It is written in the first rows, two at least, and ends above the last.
    """
    if len(parts) != 3:
        return {}
    filled = [bool(row) for row in parts[0]]
    count = filled.index(False) if False in filled else 0
    labels = [text_of(row) for row in parts[1]]
    plain = all(label and not any(map(str.isdigit, label)) for label in labels) and len({*labels}) == len(labels)
    if count < 2 or any(filled[count:]) or not plain or not all(parts[2]) or all(word.bold for word in parts[1][0]):
        return {}
    return {number: len(row) for number, row in enumerate(parts[0])}


def _are_numbers(part: list[_Row]) -> bool:
    """Whether a column holds but the signs or the numbers of items, one after the other."""
    marks = [text_of(row).strip("().") for row in part if row]
    figures = [int(mark) for mark in marks if mark.isdecimal() and len(mark) < 4]
    if len(figures) == len(marks) > 1:
        return all(below == above + 1 for above, below in pairwise(figures))
    return bool(marks) and all(_BULLET.fullmatch(mark) for mark in marks)


def _between(row: _Row, low: float, high: float) -> _Row:
    return [word for word in row if low <= (word.left + word.right) / 2 < high]


def _undotted(row: _Row) -> _Row:
    return [word for word in row if not _DOTS.fullmatch(word.text)]


def _are_prose(parts: list[list[_Row]]) -> bool:
    """Whether columns hold running text, by how its lines go on: with small letters, and after full lines."""
    running = 0
    for part in parts:
        rows = [row for row in part if row]
        if len(rows) < 3:
            continue
        words = sum(len(word.text.split()) for row in rows for word in row)
        following = [row[0].text[:1].islower() for row in rows[1:]]
        gaps = [below[0].middle - above[0].middle for above, below in pairwise(rows)]
        near = sum(gap <= _STEP * max(row[0].size, 1.0) for gap, row in zip(gaps, rows, strict=False))
        running += words >= 2.5 * len(rows) and sum(following) >= 0.3 * len(following) and near >= 0.6 * len(gaps)
    return running > 1 or (running == 1 and _are_drawn_apart(parts))


def _are_drawn_apart(parts: list[list[_Row]]) -> bool:
    """Whether each of two columns holds lines whose heights are not those of the other's."""
    heights = [{round(row[0].middle) for row in part if row} for part in parts]
    shared = set.intersection(*heights)
    return all(len(height) > 2 and len(shared) < 0.3 * len(height) for height in heights)


def _continued(table: list[list[str]], rows: list[_Row]) -> list[list[str]]:
    """Join the lines of cells that take several."""
    steps = [below[0].middle - above[0].middle for above, below in pairwise(rows)]
    starts = [step for step, row in zip(steps, table[1:], strict=True) if row[0]]
    usual = median(starts) if starts else 0.0
    made: list[list[str]] = []
    for number, row in enumerate(table):
        tight = number > 0 and steps[number - 1] <= _STEP * max(rows[number][0].size, 1.0)
        goes_on = tight and not row[0] and any(row) and len(made) > 0
        filled = [cell for cell in row if cell]
        small = bool(filled) and all(cell[0].islower() for cell in filled)
        beside = [[*map(bool, other)] for other in (*table[number - 1 : number], *table[number + 1 : number + 2])]
        alike = len(filled) > 1 and [*map(bool, row)] in beside
        if goes_on and (small or (steps[number - 1] < 0.92 * usual and not alike)):
            made[-1] = [f"{above} {cell}".strip() for above, cell in zip(made[-1], row, strict=True)]
        else:
            made.append(row)
    return made


def _paragraphs(rows: list[_Row]) -> Iterator[Block]:
    """Yield the paragraphs of rows that stand one below the other."""
    if not rows:
        return
    right = max(row[-1].right for row in rows)
    running = sum(row[0].text[:1].islower() for row in rows[1:]) >= _PROSE * len(rows[1:])
    paragraph = [rows[0]]
    for above, row in pairwise(rows):
        if _goes_on(above, row, right, running):
            paragraph.append(row)
        else:
            yield _paragraph(paragraph)
            paragraph = [row]
    yield _paragraph(paragraph)


def _goes_on(above: _Row, row: _Row, right: float, running: bool) -> bool:
    """Whether a line was broken only because the next word had no room; `running` text is ragged at its margin."""
    size, other = above[0].size, row[0].size
    if row[0].middle - above[0].middle > _STEP * max(size, other, 1.0) or max(size, other) > 1.1 * min(size, other):
        return False
    if _BULLET.match(row[0].text) and " " in row[0].text:
        return False
    if all(word.bold for word in above) != all(word.bold for word in row) and not row[0].text[:1].islower():
        return False
    room = right - above[-1].right
    line, word = row[0].text, row[0].text.split(" ", 1)[0]
    first = (
        (row[0].right - row[0].left) * len(word) / max(1, len(line))
    )  # of a line that was recognised, its first word
    last = above[-1].text
    if line[:1].islower() or _OPEN.search(last) or (last[-1:].isdigit() and word.strip(".,") in _MONTHS):
        return True
    ended = _ENDED.search(last) is not None
    full = room < first + (_RAGGED if running and not ended else _SLACK) * max(size, 1.0)
    return full and not (ended and room > 2.5 * first and room > 8 * size)


def _paragraph(rows: list[_Row]) -> Block:
    words = [word for row in rows for word in row]
    letters = Counter[float]()
    for word in words:
        letters[word.size] += len(word.text)
    text = ""
    for row in rows:
        text = joined(text, " ".join(word.text for word in row))
    size = max(letters, key=lambda size: letters[size])
    bold = all(word.bold for word in words)
    return Block(text=text, size=size, bold=bold, top=rows[0][0].top, bottom=rows[-1][0].bottom)
