"""The page of a PDF as it is drawn: its words where they stand, the lines ruled on it, its pictures.

Words that no reader sees are left out: in the colour that was painted behind them, in letters too small to read, beside
the page, or drawn invisibly, unless there is a picture: text recognition lays its words so over a scan.
"""

import math
from collections.abc import Iterator
from ctypes import byref, c_float, c_int, c_uint, c_void_p, cast, create_string_buffer
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from retrieval.colours import WHITE, Colour, alike
from retrieval.sources.words import Box, Page, Rule, Word, turned

if TYPE_CHECKING:
    from pypdfium2 import PdfPage

Handle: TypeAlias = Any  # of the library's, which has no types
Matrix = tuple[float, float, float, float, float, float]

TINY: Final = 2.0  # points
_START: Final[Matrix] = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
_SCAN: Final = 0.3  # share of a page from which on its pictures may be a scan
_INVISIBLE: Final = frozenset({3, 7})  # modes of drawing text
_MOST_PAINTED: Final = 2_000  # boxes remembered; beyond, what lies behind text is not known
_DEEPEST: Final = 6  # forms within forms
_THIN: Final = 2.5  # points of a line ruled
_LONG: Final = 8.0
_MOST_POINTS: Final = 400  # of one path that may rule lines
_HEAVY: Final = 600  # weight of a font that is bold
_SKEW: Final = 0.2  # radians from upright or lying within which text is read with the rest
_LINE_ENDS: Final = frozenset("\x02\ufffe")  # a hyphen where a word is parted
_LETTERS: Final = str.maketrans(
    {"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl", "\ufb05": "st", "\ufb06": "st"}
    | {"\x02": "-", "\ufffe": "-"}
)


@dataclass(frozen=True, slots=True)
class _Look:
    """How the words of one object are drawn. `turn` counts quarters from upright, None for text that is aslant."""

    size: float
    bold: bool
    turn: int | None
    hidden: bool


@dataclass
class _Canvas:
    """What was drawn on a page, object by object."""

    api: Any
    box: Box
    looks: dict[int, _Look] = field(default_factory=dict)
    painted: list[tuple[Box, Colour | None]] = field(default_factory=list)
    invisible: list[int] = field(default_factory=list)  # text drawn so
    rules: list[Rule] = field(default_factory=list)
    pictures: list[Box] = field(default_factory=list)
    fonts: dict[int, bool] = field(default_factory=dict)

    def draw(self, item: Handle, matrix: Matrix, depth: int) -> None:
        """Take one object; what a form holds is taken by itself."""
        api = self.api
        kind = api.FPDFPageObj_GetType(item)
        if kind == api.FPDF_PAGEOBJ_TEXT:
            self._write(item, matrix)
        elif kind == api.FPDF_PAGEOBJ_FORM and depth < _DEEPEST:
            inner = _times(self._matrix(item), matrix)
            for number in range(max(0, api.FPDFFormObj_CountObjects(item))):
                self.draw(api.FPDFFormObj_GetObject(item, number), inner, depth + 1)
        elif kind == api.FPDF_PAGEOBJ_PATH:
            self._paint(item, matrix)
        elif kind in (api.FPDF_PAGEOBJ_IMAGE, api.FPDF_PAGEOBJ_SHADING):
            bounds = self._bounds(item, matrix)
            self.painted.append((bounds, None))
            if kind == api.FPDF_PAGEOBJ_IMAGE:
                self.pictures.append(bounds)

    def _write(self, item: Handle, matrix: Matrix) -> None:
        api = self.api
        a, b, c, d, _, _ = _times(self._matrix(item), matrix)
        given = c_float()
        api.FPDFTextObj_GetFontSize(item, byref(given))
        size = abs(given.value) * math.hypot(c, d)
        mode = api.FPDFTextObj_GetTextRenderMode(item)
        address = _address(item)
        angle = math.atan2(b, a) / (math.pi / 2)
        aslant = abs(angle - round(angle)) > _SKEW
        left, bottom, right, top = bounds = self._bounds(item, matrix)
        away = left >= self.box[2] or right <= self.box[0] or bottom >= self.box[3] or top <= self.box[1]
        hidden = away or 0 < size < TINY or (mode in (0, 4) and self._is_lost(item, bounds))
        if mode in _INVISIBLE:
            self.invisible.append(address)
        self.looks[address] = _Look(size, self._is_bold(item), None if aslant else round(angle) % 4, hidden)

    def _is_lost(self, item: Handle, bounds: Box) -> bool:
        """Whether text has the colour that lies behind it."""
        colour = self._colour(item)
        if colour is None or len(self.painted) > _MOST_PAINTED:
            return False
        if not alike(colour, WHITE) and not any(other and alike(colour, other) for _, other in self.painted):
            return False
        x, y = min(bounds[0] + 1, bounds[2]), (2 * bounds[1] + bounds[3]) / 3
        behind = (
            other
            for (left, low, right, high), other in reversed(self.painted)
            if left <= x <= right and low <= y <= high
        )
        return alike(colour, next(behind, WHITE))

    def _is_bold(self, item: Handle) -> bool:
        font = self.api.FPDFTextObj_GetFont(item)
        address = _address(font)
        if address not in self.fonts:
            name = create_string_buffer(200)
            self.api.FPDFFont_GetBaseFontName(font, name, 200)
            heavy = self.api.FPDFFont_GetWeight(font) >= _HEAVY
            self.fonts[address] = heavy or any(word in name.value.lower() for word in (b"bold", b"black", b"heavy"))
        return self.fonts[address]

    def _paint(self, item: Handle, matrix: Matrix) -> None:
        api = self.api
        fill, stroke = c_int(), c_int()
        api.FPDFPath_GetDrawMode(item, byref(fill), byref(stroke))
        left, bottom, right, top = bounds = self._bounds(item, matrix)
        if fill.value and len(self.painted) <= _MOST_PAINTED:
            self.painted.append((bounds, self._colour(item)))
        wide, high = right - left, top - bottom
        if min(wide, high) <= _THIN and max(wide, high) >= _LONG:
            self.rules.append(bounds)
        elif stroke.value and min(wide, high) > _THIN:
            self.rules += self._lines(item, matrix)

    def _lines(self, path: Handle, matrix: Matrix) -> Iterator[Rule]:
        """Yield the upright and level lines of a path."""
        api = self.api
        count = api.FPDFPath_CountSegments(path)
        if not 1 < count <= _MOST_POINTS:
            return
        place = _times(self._matrix(path), matrix)
        first = last = (0.0, 0.0)
        for number in range(count):
            segment = api.FPDFPath_GetPathSegment(path, number)
            x, y = c_float(), c_float()
            api.FPDFPathSegment_GetPoint(segment, byref(x), byref(y))
            point = _moved(x.value, y.value, place)
            kind = api.FPDFPathSegment_GetType(segment)
            ends = [(last, point)] if kind == api.FPDF_SEGMENT_LINETO else []
            first = point if kind == api.FPDF_SEGMENT_MOVETO else first
            if api.FPDFPathSegment_GetClose(segment):
                ends.append((point, first))
            for one, other in ends:
                (left, right), (low, high) = sorted((one[0], other[0])), sorted((one[1], other[1]))
                if min(right - left, high - low) <= _THIN and max(right - left, high - low) >= _LONG:
                    yield left, low, right, high
            last = point

    def _matrix(self, item: Handle) -> Matrix:
        found = self.api.FS_MATRIX()
        if not self.api.FPDFPageObj_GetMatrix(item, byref(found)):
            return _START
        return found.a, found.b, found.c, found.d, found.e, found.f

    def _bounds(self, item: Handle, matrix: Matrix) -> Box:
        left, bottom, right, top = c_float(), c_float(), c_float(), c_float()
        self.api.FPDFPageObj_GetBounds(item, byref(left), byref(bottom), byref(right), byref(top))
        corners = [_moved(x.value, y.value, matrix) for x in (left, right) for y in (bottom, top)]
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        return min(xs), min(ys), max(xs), max(ys)

    def _colour(self, item: Handle) -> Colour | None:
        red, green, blue, opacity = c_uint(), c_uint(), c_uint(), c_uint()
        found = self.api.FPDFPageObj_GetFillColor(item, byref(red), byref(green), byref(blue), byref(opacity))
        if not found or opacity.value < 255:
            return None
        return red.value / 255, green.value / 255, blue.value / 255


def _address(handle: Handle) -> int:
    return cast(handle, c_void_p).value or 0


def _moved(x: float, y: float, matrix: Matrix) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _times(one: Matrix, other: Matrix) -> Matrix:
    a, b, c, d, e, f = one
    p, q, r, s, t, u = other
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u


def drawn(page: "PdfPage") -> tuple[Page, Box]:
    """Return what is drawn on a page, its words in the order in which they are drawn, and its box as the PDF has it."""
    import pypdfium2.raw as api

    box = page.get_cropbox(fallback_ok=True) or (0.0, 0.0, *page.get_size())
    canvas = _Canvas(api, box)
    count = api.FPDFPage_CountObjects(page.raw)
    for number in range(count):
        canvas.draw(api.FPDFPage_GetObject(page.raw, number), _START, 0)
    area = max(1.0, (box[2] - box[0]) * (box[3] - box[1]))
    pictured = sum((right - left) * (top - bottom) for left, bottom, right, top in canvas.pictures) / area
    unseen = frozenset(canvas.invisible) if pictured < _SCAN else frozenset()
    words: list[Word] = []
    hidden: list[Word] = []
    textpage = page.get_textpage()
    try:
        for text, bounds, address in _words(api, textpage.raw):
            look = canvas.looks.get(address) or _Look(bounds[3] - bounds[1], False, 0, False)
            word = Word(text, *bounds, look.size, look.bold, look.turn)
            (hidden if look.hidden or address in unseen else words).append(word)
    finally:
        textpage.close()
    return turned(Page(words, hidden, canvas.rules, canvas.pictures, box, count > 0)), box


def _words(api: Handle, text: Handle) -> Iterator[tuple[str, Box, int]]:
    """Yield each word of a page with its box and the address of the object that draws it."""
    count = api.FPDFText_CountChars(text)
    letters = [chr(api.FPDFText_GetUnicode(text, number) or 32) for number in range(count)]
    begin = 0
    for place in range(count + 1):
        ends = place == count or letters[place].isspace()
        if not ends and letters[place] not in _LINE_ENDS:
            continue
        end = place if ends else place + 1
        if begin < end:
            yield from _parted(api, text, letters, begin, end)
        begin = place + 1


def _parted(api: Handle, text: Handle, letters: list[str], begin: int, end: int) -> Iterator[tuple[str, Box, int]]:
    """Yield a word, or the parts of what the library took for one though they stand apart."""
    left, bottom, right, top = first = _box(api, text, begin)
    last = _box(api, text, end - 1)
    size = max(4.0, right - left, top - bottom)
    level, upright = abs(first[1] - last[1]) < 0.5 * (top - bottom), abs(first[0] - last[0]) < 0.5 * (right - left)
    reach = max(abs(last[0] - first[0]), abs(last[1] - first[1]))
    if end - begin > 1 and (not (level or upright) or reach > 3 * size * (end - begin)):
        cuts = [begin, *_jumps(api, text, begin, end), end]
    else:
        cuts = [begin, end]
    for start, stop in pairwise(cuts):
        one, other = _box(api, text, start), _box(api, text, stop - 1)
        box = min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])
        word = "".join(letters[start:stop]).translate(_LETTERS)
        yield word, box, _address(api.FPDFText_GetTextObject(text, start))


def _jumps(api: Handle, text: Handle, begin: int, end: int) -> Iterator[int]:
    """Yield where in a word the letters jump to another place."""
    boxes = [_box(api, text, place) for place in range(begin, end)]
    for place, (one, other) in enumerate(pairwise(boxes), start=begin + 1):
        apart = max(other[0] - one[2], one[0] - other[2], other[1] - one[3], one[1] - other[3])
        if apart > 0.5 * max(1.0, one[3] - one[1], one[2] - one[0]):
            yield place


def _box(api: Handle, text: Handle, place: int) -> Box:
    found = api.FS_RECTF()
    api.FPDFText_GetLooseCharBox(text, place, byref(found))
    return found.left, found.bottom, found.right, found.top
