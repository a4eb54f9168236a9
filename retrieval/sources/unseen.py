"""Text of Word documents and presentations that a reader does not see, as far as the files say so.

White on white, hidden by its format, too small to read, or beside the slide. Where what lies behind it is not known,
text is not taken for hidden by its colour.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from retrieval.colours import WHITE, Colour, alike, read_colour

if TYPE_CHECKING:
    from pptx.presentation import Presentation
    from pptx.shapes.base import BaseShape
    from pptx.slide import Slide

_Element = Any  # lxml has no types
_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P: Final = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
TINY: Final = 3.0  # points
_PLAIN_TABLES: Final = {"", "TableGrid", "TableNormal", "Table Grid", "Normal Table"}


class WordStyles:
    """What the styles of a document say of the letters that wear them."""

    def __init__(self, root: _Element) -> None:
        styles = {style.get(f"{_W}styleId"): style for style in root.iter(f"{_W}style")}
        self._formats = {name: list(_chain(style, styles)) for name, style in styles.items()}

    def hides(self, run: _Element, paragraph: _Element) -> bool:
        """Whether a run of text in a paragraph is not seen."""
        own = run.find(f"{_W}rPr")
        formats = [own] if own is not None else []
        for holder, kind in ((own, "rStyle"), (paragraph.find(f"{_W}pPr"), "pStyle")):
            named = holder.find(f"{_W}{kind}") if holder is not None else None
            formats += self._formats.get(named.get(f"{_W}val"), []) if named is not None else []
        vanish, size, colour = (_first(formats, name) for name in ("vanish", "sz", "color"))
        if vanish is not None and vanish.get(f"{_W}val") not in ("0", "false", "off"):
            return True
        figure = (size.get(f"{_W}val") or "") if size is not None else ""
        if figure.isdecimal() and int(figure) / 2 < TINY:
            return True
        return colour is not None and alike(_word_colour(colour), _word_ground(formats, run))


def _chain(style: _Element, styles: Mapping[str, _Element]) -> "list[_Element]":
    """The formats of a style and of those it is based on, the nearest first."""
    found: list[_Element] = []
    seen: list[_Element] = []
    while style is not None and style not in seen:
        seen.append(style)
        if (letters := style.find(f"{_W}rPr")) is not None:
            found.append(letters)
        based = style.find(f"{_W}basedOn")
        style = styles.get(based.get(f"{_W}val")) if based is not None else None
    return found


def _first(formats: "list[_Element]", name: str) -> _Element:
    return next((found for format in formats if (found := format.find(f"{_W}{name}")) is not None), None)


def _word_colour(element: _Element) -> Colour | None:
    theme = element.get(f"{_W}themeColor")
    if theme is not None:
        return WHITE if theme in ("background1", "light1") and not element.get(f"{_W}themeShade") else None
    read = read_colour(element.get(f"{_W}val") or "")
    return read[0] if read else None


def _word_ground(formats: "list[_Element]", run: _Element) -> Colour | None:
    """What lies behind a run; None where that is not known, as in a text box or under a style of tables."""
    if _first(formats, "highlight") is not None:
        return None
    shades = [_first(formats, "shd")]
    for holder in run.iterancestors():
        if holder.tag == f"{_W}txbxContent":
            return None
        if holder.tag in (f"{_W}p", f"{_W}tc"):
            shades.append(holder.find(f"{holder.tag}Pr/{_W}shd"))
        if holder.tag == f"{_W}tbl":
            style = holder.find(f"{_W}tblPr/{_W}tblStyle")
            shades.append(holder.find(f"{_W}tblPr/{_W}shd"))
            if style is not None and style.get(f"{_W}val") not in _PLAIN_TABLES:
                return None
        if holder.tag == f"{_W}document":
            shades.append(holder.find(f"{_W}background"))
    for shade in filter(lambda shade: shade is not None, shades):
        fill = shade.get(f"{_W}fill") or shade.get(f"{_W}color") or "auto"
        if shade.get(f"{_W}themeFill") or shade.get(f"{_W}themeColor"):
            return None
        if fill != "auto":
            read = read_colour(fill)
            return read[0] if read else None
    return WHITE


class Ground:
    """What lies behind the text of a presentation."""

    def __init__(self, file: "Presentation") -> None:
        self._width, self._height = file.slide_width or 0, file.slide_height or 0

    def is_away(self, shape: "BaseShape") -> bool:
        """Whether a shape is marked as hidden or lies wholly beside the slide."""
        names = shape._element.iter(f"{_P}cNvPr")
        if (named := next(names, None)) is not None and named.get("hidden") in ("1", "true"):
            return True
        if None in (left := shape.left, top := shape.top, width := shape.width, height := shape.height):
            return False
        return left + width <= 0 or top + height <= 0 or left >= self._width or top >= self._height

    def hides(self, run: _Element, shape: "BaseShape", slide: "Slide") -> bool:
        """Whether a run of text, its XML, is too small to read or of the colour that lies behind it."""
        format = run.find(f"{_A}rPr")
        if format is None:
            return False
        size = format.get("sz") or ""
        if size.isdecimal() and int(size) / 100 < TINY:
            return True
        fill = format.find(f"{_A}solidFill")
        return fill is not None and alike(_drawn(fill), self._behind(shape, slide))

    def _behind(self, shape: "BaseShape", slide: "Slide") -> Colour | None:
        properties = shape._element.find(f"{_P}spPr")
        if properties is not None:
            if (fill := properties.find(f"{_A}solidFill")) is not None:
                return _drawn(fill)
            if any(
                properties.find(f"{_A}{kind}") is not None for kind in ("gradFill", "blipFill", "pattFill", "grpFill")
            ):
                return None
        if shape._element.find(f"{_P}style") is not None:
            return None
        others = [other for other in slide.shapes if other.shape_id != shape.shape_id]
        if any(not other.is_placeholder and (not other.has_text_frame or _is_filled(other)) for other in others):
            return None  # a picture, or a panel that may lie behind
        for holder in (slide, slide.slide_layout, slide.slide_layout.slide_master):
            if (ground := holder._element.find(f"{_P}cSld/{_P}bg")) is not None:
                fill = ground.find(f"{_P}bgPr/{_A}solidFill")
                scheme = ground.find(f"{_P}bgRef/{_A}schemeClr")
                return _drawn(fill) if fill is not None else _scheme(scheme) if scheme is not None else None
        return WHITE


def _is_filled(shape: "BaseShape") -> bool:
    properties = shape._element.find(f"{_P}spPr")
    fills = ("solidFill", "gradFill", "blipFill", "pattFill")
    filled = properties is not None and any(properties.find(f"{_A}{kind}") is not None for kind in fills)
    return filled or shape._element.find(f"{_P}style") is not None


def _drawn(fill: _Element) -> Colour | None:
    """The colour of a solid fill, where it is given by its figures or is the light one of the theme."""
    if (exact := fill.find(f"{_A}srgbClr")) is not None and not len(exact):
        read = read_colour(exact.get("val") or "")
        return read[0] if read else None
    scheme = fill.find(f"{_A}schemeClr")
    return _scheme(scheme) if scheme is not None else None


def _scheme(colour: _Element) -> Colour | None:
    """White for the light colour of a theme: it is behind text and in it the same, whatever the theme makes of it."""
    return WHITE if colour.get("val") in ("bg1", "lt1") and not len(colour) else None
