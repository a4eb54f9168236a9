"""Text recognition: the lines of a picture as words with their places, by RapidOCR, which comes with its models."""

import resource
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from retrieval.sources.words import Page, Word

if TYPE_CHECKING:
    from PIL import Image

DOTS: Final = 150  # an inch, at which pages are looked at
INSTALL: Final = "pip install 'candor[ocr]' to have its words recognised"
_SURE: Final = 0.6  # of a line, by the recogniser's own account
MOST_PIXELS: Final = 3000  # pixels of a side; what is larger is made smaller
_UPRIGHT: Final = 0.8  # of the lines seen, on average; below, the picture may be upside down
_TALL: Final = 1.5  # times as high as wide: lines that stand upright

Pixels: TypeAlias = Any  # an array (height, width, 3), blue first
_engine: Any = None


def is_installed() -> bool:
    """Whether there is a recogniser."""
    return find_spec("rapidocr") is not None


def pixels(picture: "Image.Image") -> Pixels:
    """Return a picture as the array that `recognised` takes; what lies behind its clear parts is white."""
    import numpy as np
    from PIL import Image

    seen = picture.convert("RGBA")
    ground = Image.new("RGBA", seen.size, "white")
    return np.asarray(Image.alpha_composite(ground, seen).convert("RGB"))[:, :, ::-1]


def recognised(picture: Pixels, dots: float = DOTS) -> Page:
    """Return the lines of a picture, an array (height, width, 3) with blue first, each line as one word.

    A picture that is turned or upside down is looked at again, turned back.
    """
    import numpy as np

    lines, poor = _lines(picture)
    high = [box for text, box, _ in lines if len(text) > 3 and box[3] - box[1] > _TALL * (box[2] - box[0])]
    quarters = (1, 3) if len(high) * 2 > len(lines) else (2, 1, 3) if poor else ()
    ways = [(lines, picture)]
    for quarter in quarters:
        other = np.ascontiguousarray(np.rot90(picture, quarter))
        ways.append((_lines(other)[0], other))
    lines, picture = max(ways, key=lambda way: sum(len(text) * score for text, _, score in way[0]))
    scale = 72 / dots
    words = []
    for text, (left, top, right, bottom), _ in lines:
        size = 0.75 * (bottom - top) * scale
        words.append(Word(text, left * scale, top * scale, right * scale, bottom * scale, size))
    height, width = picture.shape[:2]
    return Page(words, [], [], [], (0.0, 0.0, width * scale, height * scale))


def _make_room() -> None:
    """Take the memory that recognition needs, where the process began with less than it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY and (hard == resource.RLIM_INFINITY or soft < hard):
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


_Line = tuple[str, tuple[float, float, float, float], float]


def _lines(picture: Pixels) -> tuple[list[_Line], bool]:
    """Return the lines that the recogniser is sure of: text, box (left, top, right, bottom) in pixels, score; and
    whether it is not sure of most that it sees, as in a picture that is upside down.
    """
    global _engine  # noqa: PLW0603 - loading takes seconds
    if _engine is None:
        _make_room()
        from rapidocr import RapidOCR

        _engine = RapidOCR(params={"Global.log_level": "critical", "Global.max_side_len": MOST_PIXELS})
    found = _engine(picture, use_cls=False)  # which would turn each line, and leave their order upside down
    if found.txts is None:
        return [], False
    lines: list[_Line] = []
    for text, corners, score in zip(found.txts, found.boxes, found.scores, strict=True):
        if score >= _SURE and text.strip():
            xs, ys = [float(x) for x, _ in corners], [float(y) for _, y in corners]
            lines.append((text.strip(), (min(xs), min(ys), max(xs), max(ys)), float(score)))
    return lines, sum(score for _, _, score in lines) < _UPRIGHT * len(found.txts)
