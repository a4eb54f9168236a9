"""The page of a PDF as it is drawn: text that no reader sees is taken out of what is drawn on it.

Text in the colour that was painted behind it, in letters too small to read, beside the page, or drawn invisibly, unless
there is a picture: text recognition lays its words so over a scan. Text within forms is not looked at.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from retrieval.colours import BLACK, WHITE, Colour, alike
from retrieval.hidden import is_passage
from retrieval.types import Note

if TYPE_CHECKING:
    from pypdf import PageObject

Matrix = tuple[float, float, float, float, float, float]
Box = tuple[float, float, float, float]  # left, bottom, right, top

TINY: Final = 2.0  # points
_START: Final[Matrix] = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
_SHOWS: Final = frozenset({b"Tj", b"TJ", b"'", b'"'})
_FILLS: Final = frozenset({b"f", b"F", b"f*", b"B", b"B*", b"b", b"b*"})
_SCAN: Final = 0.3  # share of a page from which on its pictures may be a scan
_INVISIBLE: Final = (3, 7)  # modes of drawing text
_MOST_PAINTED: Final = 2_000  # boxes remembered; beyond, what lies behind text is not known


@dataclass(frozen=True, slots=True)
class _State:
    """What `q` saves and `Q` restores."""

    matrix: Matrix = _START
    colour: Colour | None = BLACK
    size: float = 0.0
    mode: int = 0
    leading: float = 0.0


@dataclass
class _Canvas:
    """The state of drawing, and what has been painted so far."""

    page: Box
    state: _State = field(default_factory=_State)
    saved: list[_State] = field(default_factory=list)
    text: Matrix = _START
    path: list[tuple[float, float]] = field(default_factory=list)
    painted: list[tuple[Box, Colour | None]] = field(default_factory=list)
    images: frozenset[str] = frozenset()
    pictured: float = 0.0  # share of the page that pictures take

    def draw(self, operator: bytes, operands: list[Any]) -> None:
        """Take one step other than showing text."""
        figures = [float(one) for one in operands if isinstance(one, int | float)]
        match operator:
            case b"q":
                self.saved.append(self.state)
            case b"Q":
                self.state = self.saved.pop() if self.saved else self.state
            case b"cm" if len(figures) == 6:
                self.state = replace(self.state, matrix=_times(_matrix(figures), self.state.matrix))
            case b"g" | b"rg" | b"k":
                self.state = replace(self.state, colour=_colour(figures))
            case b"cs":
                self.state = replace(self.state, colour=BLACK)
            case b"sc" | b"scn":
                self.state = replace(self.state, colour=_colour(figures) if len(figures) in (3, 4) else None)
            case b"sh":
                self._paint(_EVERYWHERE, None)
            case b"Do" | b"INLINE IMAGE":
                self._place(operator == b"INLINE IMAGE" or str(operands[:1]) in self.images)
            case _:
                self._set_path(operator, figures)
                self._set_text(operator, figures)

    def _place(self, image: bool) -> None:
        """Paint a picture, or a form, of which nothing is known."""
        if not image:
            self.pictured = 1.0
            self._paint(_EVERYWHERE, None)
            return
        self._paint([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)], None)
        a, b, c, d, _, _ = self.state.matrix
        left, bottom, right, top = self.page
        self.pictured += abs(a * d - b * c) / max(1.0, (right - left) * (top - bottom))

    def _set_path(self, operator: bytes, figures: list[float]) -> None:
        match operator:
            case b"re" if len(figures) == 4:
                left, bottom, width, height = figures
                right, top = left + width, bottom + height
                self.path += [(left, bottom), (right, bottom), (right, top), (left, top)]
            case b"m" | b"l" | b"c" | b"v" | b"y":
                self.path += zip(figures[::2], figures[1::2], strict=False)
            case b"n" | b"S" | b"s":
                self.path.clear()
            case _ if operator in _FILLS:
                self._paint(self.path, self.state.colour)
                self.path.clear()

    def _set_text(self, operator: bytes, figures: list[float]) -> None:
        match operator:
            case b"BT":
                self.text = _START
            case b"Tf" if figures:
                self.state = replace(self.state, size=abs(figures[-1]))
            case b"Tr" if figures:
                self.state = replace(self.state, mode=int(figures[0]))
            case b"TL" if figures:
                self.state = replace(self.state, leading=figures[0])
            case b"Tm" if len(figures) == 6:
                self.text = _matrix(figures)
            case b"Td" | b"TD" if len(figures) == 2:
                self.text = _times((1.0, 0.0, 0.0, 1.0, *figures), self.text)  # type: ignore[arg-type]
                if operator == b"TD":
                    self.state = replace(self.state, leading=-figures[1])
            case b"T*" | b"'" | b'"':
                self.text = _times((1.0, 0.0, 0.0, 1.0, 0.0, -self.state.leading), self.text)

    def hides(self) -> bool:
        """Whether text that is shown now is not seen."""
        placed = _times(self.text, self.state.matrix)
        height = self.state.size * max(abs(placed[2]), abs(placed[3]))
        if self.state.mode in _INVISIBLE and self.pictured < _SCAN:
            return True
        if 0 < height < TINY:
            return True
        x, y = placed[4], placed[5]
        left, bottom, right, top = self.page
        if x >= right or x < left - 200 or y >= top or y + height <= bottom:
            return True
        return self.state.mode in (0, 4) and alike(self.state.colour, self._behind(x, y + height / 3))

    def _behind(self, x: float, y: float) -> Colour | None:
        if len(self.painted) > _MOST_PAINTED:
            return None
        behind = (
            colour
            for (left, low, right, high), colour in reversed(self.painted)
            if left <= x <= right and low <= y <= high
        )
        return next(behind, WHITE)

    def _paint(self, points: list[tuple[float, float]], colour: Colour | None) -> None:
        if not points or len(self.painted) > _MOST_PAINTED:
            return
        a, b, c, d, e, f = self.state.matrix if points is not _EVERYWHERE else _START
        xs = [a * x + c * y + e for x, y in points]
        ys = [b * x + d * y + f for x, y in points]
        self.painted.append(((min(xs), min(ys), max(xs), max(ys)), colour))


_EVERYWHERE: Final = [(-1e9, -1e9), (1e9, 1e9)]


def _matrix(figures: list[float]) -> Matrix:
    a, b, c, d, e, f = figures
    return a, b, c, d, e, f


def _times(one: Matrix, other: Matrix) -> Matrix:
    a, b, c, d, e, f = one
    p, q, r, s, t, u = other
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u


def _colour(figures: list[float]) -> Colour | None:
    match figures:
        case [grey]:
            return grey, grey, grey
        case [red, green, blue]:
            return red, green, blue
        case [cyan, magenta, yellow, key]:
            return (1 - cyan) * (1 - key), (1 - magenta) * (1 - key), (1 - yellow) * (1 - key)
    return None


def seen_text(page: "PageObject", notes: Counter[Note]) -> str:
    """Return the text of a page that is seen; runs of what is not are counted as passages."""
    from pypdf.generic import ArrayObject, ByteStringObject, ContentStream, NameObject

    if "/Contents" not in page:
        return page.extract_text()
    content = ContentStream(page["/Contents"], page.pdf, "bytes")  # as the library reads it, which takes it over below
    box = page.cropbox
    canvas = _Canvas((float(box.left), float(box.bottom), float(box.right), float(box.top)), images=_images(page))
    empty = ByteStringObject(b"")
    kept: list[tuple[Any, bytes]] = []
    hidden = False
    for operands, operator in content.operations:
        canvas.draw(operator, list(operands) if isinstance(operands, list) else [])
        if operator in _SHOWS and canvas.hides():
            hidden = True
            kept.append(([ArrayObject([empty])] if operator == b"TJ" else [*operands[:-1], empty], operator))
        else:
            kept.append((operands, operator))
    if not hidden:
        page[NameObject("/Contents")] = content
        return page.extract_text()
    whole = page.extract_text()
    content.operations = kept
    page[NameObject("/Contents")] = content
    text = page.extract_text()
    notes[Note.HIDDEN] += max(1, _lines(whole) - _lines(text)) if is_passage(_rest(whole, text)) else 0
    return text


def _images(page: "PageObject") -> frozenset[str]:
    """The names of the pictures of a page, as operands write them."""
    from pypdf.generic import DictionaryObject

    found: Any = page
    for name in ("/Resources", "/XObject"):
        found = found[name] if name in found else DictionaryObject()
    return frozenset(str([name]) for name in found if found[name].get("/Subtype") == "/Image")


def _lines(text: str) -> int:
    return sum(bool(line.strip()) for line in text.splitlines())


def _rest(whole: str, text: str) -> str:
    """The words of the one that are not in the other."""
    return " ".join((Counter(whole.split()) - Counter(text.split())).elements())
