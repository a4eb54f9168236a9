"""Text of a page that no reader sees: taken out, by what its tags and its own style sheets say.

What a reader can bring into view stays: a closed `<details>`, a panel that another rule of the sheet opens, what fades
in; so do the short labels that are meant for screen readers. Where a colour or what lies behind it is not known,
nothing is hidden by it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from retrieval.colours import BLACK, WHITE, Colour, alike, read_colour
from retrieval.styles import Declarations, Sheet, own_declarations, read_sheet

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag
    from bs4.element import NavigableString

TINY: Final = 4.0  # pixels
FAINT: Final = 0.1  # opacity
AWAY: Final = 400.0  # pixels beyond an edge
PASSAGE: Final = 3  # words from which on hidden text is counted; below it is an icon or a sign
_LABEL: Final = 40  # characters
_LABELLED: Final = re.compile(
    r"\b(?:sr-?only|visually-?hidden|screen-?reader(?:-text)?|a11y|assistive)\b", re.IGNORECASE
)
_LENGTH: Final = re.compile(r"(-?[\d.]+)\s*(px|pt|em|rem|vw|vh|%|in|cm|mm|)")
_PIXELS: Final = {"": 1, "px": 1, "pt": 4 / 3, "em": 16, "rem": 16, "vw": 12, "vh": 8, "in": 96, "cm": 38, "mm": 3.8}
_VALUE: Final = re.compile(r"[\w-]+\((?:[^()]|\([^()]*\))*\)|[^\s,/]+")
_NO_COLOUR: Final = re.compile(
    r"none|repeat(?:-[xy])?|no-repeat|round|space|scroll|fixed|local|center|left|right|top|bottom|cover|contain|auto|"
    r"(?:padding|border|content)-box|text|inherit|initial|unset|revert|-?[\d.]+(?:[a-z]+|%)?"
)
_SIZES: Final = {"xx-small": 9, "x-small": 10, "small": 13, "medium": 16, "large": 18, "x-large": 24, "xx-large": 32}
_CLEAR: Final[Colour] = (-1.0, -1.0, -1.0)
_WORD: Final = re.compile(r"\w+")
_UNSPACED: Final = 9  # letters that take the place of so many words
_NAME: Final = re.compile(r"[^\W\d_]{3}")
_FOREIGN: Final = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u3040-\u9fff]")  # of scripts without spaces


@dataclass(frozen=True, slots=True)
class _Look:
    """What a tag passes on to the text in it."""

    colour: Colour | None = BLACK
    behind: Colour | None = WHITE
    size: float = 16.0
    visible: bool = True

    @property
    def hides(self) -> bool:
        """Whether text that looks so is not seen."""
        return not self.visible or self.size < TINY or self.colour == _CLEAR or alike(self.colour, self.behind)


@dataclass(frozen=True, slots=True)
class Styles:
    """What styles a page: its own sheet, and whether it has others, of which nothing is known."""

    sheet: Sheet
    linked: bool = False


def styles_of(soup: "BeautifulSoup") -> Styles:
    """Return what styles a page, to be asked before its head is taken off."""
    sheet = read_sheet("\n".join(tag.get_text() for tag in soup.find_all("style")))
    return Styles(sheet, any("stylesheet" in (tag.get("rel") or []) for tag in soup.find_all("link")))


def take_out_hidden(root: "Tag", styles: Styles) -> int:
    """Take the text that is not seen out of a tree; return how many passages that were."""
    from bs4.element import Tag

    gone: list[Tag] = []
    unseen: list[NavigableString] = []
    stack: list[tuple[Tag, _Look]] = [(root, _Look(behind=None if styles.linked else WHITE))]
    while stack:
        tag, look = stack.pop()
        if tag.attrs or styles.sheet.rules or styles.sheet.within:
            declared = _declared(tag, styles.sheet)
            if _is_away(tag, declared, styles.sheet):
                gone.append(tag)
                continue
            look = _within(look, declared)
        if look.hides:
            unseen += _texts(tag)
        stack += [(child, look) for child in tag.children if isinstance(child, Tag)]
    passages = sum(is_passage(tag.get_text(" ")) for tag in gone)
    passages += len({id(text.parent) for text in unseen if is_passage(text)})
    for item in reversed((*gone, *unseen)):  # from the first on, which the parser's tree finds soonest
        item.extract()
    return passages


def hides(tag: "Tag", behind: Colour | None = WHITE) -> bool:
    """Whether a tag hides what is in it, as far as its attributes and the colour behind it tell."""
    declared = _declared(tag, sheet := Sheet())
    return _is_away(tag, declared, sheet) or _within(_Look(behind=behind), declared).hides


def is_passage(text: str) -> bool:
    """Whether hidden text is worth a word: more than an icon or a sign."""
    words = len(_WORD.findall(text)) >= PASSAGE and _NAME.search(text) is not None
    return words or len(_FOREIGN.findall(text)) >= _UNSPACED


def _declared(tag: "Tag", sheet: Sheet) -> Declarations:
    """What applies to a tag; what another state of it undoes is not known."""
    found = sheet.of(tag)
    for name in ("visibility", "color"):
        if name in found and name not in _own(tag) and sheet.changes(tag, name):
            found[name] = "unknown"
    return found


def _own(tag: "Tag") -> Declarations:
    usual, important = own_declarations(tag)
    return {**usual, **important}


def _texts(tag: "Tag") -> "Iterator[NavigableString]":
    from bs4.element import NavigableString

    return (child for child in tag.children if type(child) is NavigableString and child.strip())


def _within(outer: _Look, declared: Declarations) -> _Look:
    """The look of what is in a tag, by that of what is around it."""
    if not declared:
        return outer
    look = replace(outer, size=_size(declared, outer.size), behind=_behind(declared, outer.behind))
    if (shown := declared.get("visibility")) in ("hidden", "collapse", "visible"):
        look = replace(look, visible=shown == "visible" or "animation" in declared)
    colour = declared.get("-webkit-text-fill-color") or declared.get("color")
    if colour and colour not in ("inherit", "currentcolor", "unset"):
        read = read_colour(colour)
        clear = read is not None and read[1] <= FAINT
        filled = any("gradient(" in value or "url(" in value for value in declared.values())  # letters cut out of it
        look = replace(look, colour=None if read is None or (clear and filled) else _CLEAR if clear else read[0])
    return look


def _behind(declared: Declarations, outer: Colour | None) -> Colour | None:
    """The colour behind what is in a tag; None where it is a picture or not known."""
    for name in ("background-image", "background-color", "background"):
        for word in _VALUE.findall(declared.get(name, "")):
            read = read_colour(word)
            if read is None and not _NO_COLOUR.fullmatch(word):
                return None
            if read and read[1] > FAINT:
                return read[0] if read[1] > 0.9 else None
    return outer


def _size(declared: Declarations, outer: float) -> float:
    """The size of letters in pixels."""
    written = declared.get("font", "").replace("/", " / ").split()
    sizes = [word for word in written if word == "0" or (word in _SIZES or _is_length(word))]
    value = declared.get("font-size") or next(iter(sizes), "")
    if value in _SIZES:
        return float(_SIZES[value])
    match = _LENGTH.fullmatch(value)
    if match is None:
        return outer
    figure, unit = _figure(match[1]), match[2]
    return figure * (outer if unit == "em" else outer / 100 if unit == "%" else _PIXELS[unit])


def _is_length(word: str) -> bool:
    match = _LENGTH.fullmatch(word)
    return match is not None and match[2] != ""


def _figure(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # "1.2.3"
        return 0.0


def _pixels(value: str | None) -> float | None:
    """A length in pixels; None for none, and for a share of something."""
    match = _LENGTH.fullmatch(value or "")
    return None if match is None or match[2] == "%" else _figure(match[1]) * _PIXELS[match[2]]


def _is_away(tag: "Tag", declared: Declarations, sheet: Sheet) -> bool:
    """Whether all that is in a tag is out of sight, and a reader cannot bring it there."""
    if ("hidden" in tag.attrs and tag.get("hidden") != "until-found") or tag.get("aria-hidden") == "true":
        return True
    causes = [name for name, value in declared.items() if _puts_away(name, value, declared)]
    if "animation" in declared or "animation-name" in declared:
        causes = [name for name in causes if name not in ("opacity", "transform")]
    own = _own(tag)
    causes = [name for name in causes if name in own or not sheet.changes(tag, name)]
    return bool(causes) and not ({"display", "opacity"}.isdisjoint(causes) and _is_label(tag))


def _puts_away(name: str, value: str, declared: Declarations) -> bool:
    """Whether this declaration, with the others, keeps the whole of a tag out of sight."""
    length = _pixels(value)
    match name:
        case "display" | "content-visibility":
            away = value in ("none", "hidden")
        case "opacity":
            share = _LENGTH.fullmatch(value)
            away = share is not None and _figure(share[1]) / (100 if share[2] == "%" else 1) <= FAINT
        case "filter":
            away = re.search(r"opacity\(0(?:\.0\d*)?%?\)", value) is not None
        case "left" | "top" | "right" | "bottom":
            placed = declared.get("position") in ("absolute", "fixed", "relative")
            away = placed and length is not None and (length <= -AWAY or length >= 8 * AWAY)
        case "text-indent" | "margin-left" | "margin-top":
            away = length is not None and length <= -AWAY
        case "transform":
            moved = (_pixels(figure) or 0 for figure in re.findall(r"-?[\d.]+(?:px|r?em|vw|vh)", value))
            away = re.search(r"scale\(0(?:[,)]|\.0)", value) is not None or any(abs(by) >= 2 * AWAY for by in moved)
        case "clip" | "clip-path":
            away = _clips_all(value)
        case "width" | "height" | "max-width" | "max-height":
            away = length is not None and length <= 1 and _cuts(declared)
        case _:
            away = False
    return away


def _cuts(declared: Declarations) -> bool:
    ways = " ".join(declared.get(name, "") for name in ("overflow", "overflow-x", "overflow-y"))
    return not {"hidden", "clip"}.isdisjoint(ways.split())


def _clips_all(value: str) -> bool:
    figures = [_figure(figure) for figure in re.findall(r"-?[\d.]+", value)]
    if value.startswith("rect") and len(figures) == 4:
        top, right, bottom, left = figures
        return right - left <= 1 or bottom - top <= 1
    if value.startswith("inset") and figures:
        return "%" in value and min(figures) >= 50
    return value.startswith(("circle(0", "ellipse(0")) or (value.startswith("polygon") and not any(figures))


def _is_label(tag: "Tag") -> bool:
    """Whether this is a label for screen readers, or the name that stands under a sign: short, and no sentence."""
    text = " ".join(tag.get_text().split())
    names = tag.get("class") or ""
    is_label = _LABELLED.search(names if isinstance(names, str) else " ".join(names)) is not None
    named = is_label or tag.name in ("a", "label", "legend", "caption", "h1", "h2", "h3", "h4", "h5", "h6")
    return named and len(text) <= _LABEL and not re.search(r"[.!?。]", text)
