"""Colours as style sheets and documents write them, and whether one can be told from another."""

import colorsys
import re
from typing import Final

Colour = tuple[float, float, float]  # red, green, blue, each from 0 to 1

WHITE: Final[Colour] = (1.0, 1.0, 1.0)
BLACK: Final[Colour] = (0.0, 0.0, 0.0)
FAINTEST: Final = 1.2  # contrast below which nobody reads; the least that the WCAG allow is 3
_NAMES: Final = (
    "white ffffff; snow fffafa; ivory fffff0; ghostwhite f8f8ff; whitesmoke f5f5f5; floralwhite fffaf0; "
    "mintcream f5fffa; azure f0ffff; aliceblue f0f8ff; linen faf0e6; seashell fff5ee; honeydew f0fff0; "
    "lavenderblush fff0f5; oldlace fdf5e6; beige f5f5dc; lightyellow ffffe0; cornsilk fff8dc; gainsboro dcdcdc; "
    "lightgray d3d3d3; silver c0c0c0; lightgrey d3d3d3; darkgray a9a9a9; darkgrey a9a9a9; gray 808080; grey 808080; "
    "dimgray 696969; black 000000; red ff0000; green 008000; lime 00ff00; blue 0000ff; navy 000080; darkblue 00008b; "
    "midnightblue 191970; darkslategray 2f4f4f; yellow ffff00; orange ffa500; maroon 800000; purple 800080; "
    "teal 008080; olive 808000; aqua 00ffff; cyan 00ffff; fuchsia ff00ff; magenta ff00ff; gold ffd700; pink ffc0cb"
)
_NAMED: Final = dict(row.split() for row in _NAMES.split("; "))
_HEX = re.compile(r"#?([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})")
_FUNCTION = re.compile(r"(rgb|hsl)a?\(([^()]{1,60})\)")
_FIGURE = re.compile(r"(-?[\d.]+)(%|deg)?")


def read_colour(text: str) -> tuple[Colour, float] | None:
    """Return a colour and its opacity, from 0 to 1; None when it is not a colour or not known."""
    text = text.strip().lower()
    if text == "transparent":
        return WHITE, 0.0
    text = _NAMED.get(text, text)
    if match := _HEX.fullmatch(text):
        digits = match[1] if len(match[1]) > 4 else "".join(2 * digit for digit in match[1])
        red, green, blue, alpha = (int((digits + "ff")[at : at + 2], 16) / 255 for at in (0, 2, 4, 6))
        return (red, green, blue), alpha
    if match := _FUNCTION.fullmatch(text):
        return _of_function(match[1], _FIGURE.findall(match[2]))
    return None


def _of_function(name: str, figures: list[tuple[str, str]]) -> tuple[Colour, float] | None:
    try:
        values = [float(figure) / (100 if unit == "%" else 1) for figure, unit in figures]
    except ValueError:
        return None
    if len(values) not in (3, 4):
        return None
    alpha = values[3] if len(values) == 4 else 1.0
    if name == "hsl":
        return colorsys.hls_to_rgb(values[0] % 360 / 360, values[2], values[1]), alpha
    scaled = [value if unit == "%" else value / 255 for value, (_, unit) in zip(values, figures, strict=True)]
    red, green, blue = (min(1.0, max(0.0, value)) for value in scaled[:3])
    return (red, green, blue), alpha


def alike(one: Colour | None, other: Colour | None) -> bool:
    """Whether text of one colour cannot be read on the other; not where one is not known."""
    if one is None or other is None:
        return False
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    near = max(abs(a - b) for a, b in zip(one, other, strict=True)) < 0.15
    return near and (lighter + 0.05) / (darker + 0.05) < FAINTEST


def _luminance(colour: Colour) -> float:
    """The relative luminance that the WCAG define."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
