"""Pictures in a conversation: encoded bytes to pixels under limits, and descriptions to evidence.

A picture is a source like any other: what it is described as stands among the evidence under the picture's name, so
that claims about it are checked and cited.
"""

import hashlib
import re
import struct
import threading
import warnings
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, Final, Protocol

from dialogue.types import DialogueError, Picture, Scores, Turn
from retrieval.text import clean
from retrieval.tools.toolset import stated
from retrieval.types import Evidence

if TYPE_CHECKING:
    from PIL import Image

QUESTION: Final = "What is in this picture?"  # what a picture without words asks
UNSEEN: Final = (
    "I cannot see pictures, because no viewer is loaded; --viewer hf:NAME loads one, and pip install 'candor[ocr]' "
    "lets me read the words in them."
)
BLANK: Final = "I could make out nothing in this picture. Ask something about it that a document may answer."
FORMATS: Final = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
MOST: Final = 4  # pictures in one message
MOST_LOOKED_AT: Final = 8  # pictures of a conversation, the latest
MOST_BYTES: Final = 10_000_000
MOST_PIXELS: Final = 40_000_000  # 120 MB decoded
SIDE: Final = 1536  # pixels of the longer side that a model is given
LONGEST_NAME: Final = 80  # characters
REMEMBERED: Final = 512  # descriptions

_NAMED: Final = re.compile(r"\b(?:picture|photo|photograph|image|screenshot|drawing|painting|diagram|chart)s?\b", re.I)
# What Pillow raises on a damaged file.
_DAMAGED: Final = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError, struct.error)
_ARTICLES: Final = frozenset("a an the one two three four five several some many".split())


class PictureError(DialogueError):
    """A picture cannot be used. The message names it and says what to do."""


class Viewer(Protocol):
    """Says what pictures show. `fingerprint` identifies the weights."""

    @property
    def fingerprint(self) -> str: ...  # noqa: D102

    def describe(self, pictures: Sequence[Picture]) -> list[str]:
        """Return one description per picture, in order, empty where nothing can be said. Raises ModelError.

        The question is not shown to a viewer: a description that a question has led is no evidence.
        """
        ...


class Remembering:
    """A Viewer that asks another one only once about the same bytes. Thread-safe."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._known: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """That of the viewer that is asked."""
        return self._viewer.fingerprint

    @property
    def caveat(self) -> str:
        """What the viewer that is asked cannot do, "" where there is nothing to say."""
        return str(getattr(self._viewer, "caveat", ""))

    def describe(self, pictures: Sequence[Picture]) -> list[str]:
        """Return the descriptions, asking for those that are not known."""
        keys = [hashlib.sha256(picture.data).hexdigest() for picture in pictures]
        with self._lock:
            found = {key: self._known[key] for key in keys if key in self._known}
        missing = {key: picture for key, picture in zip(keys, pictures, strict=True) if key not in found}
        if missing:
            found |= dict(zip(missing, self._viewer.describe(list(missing.values())), strict=True))
        with self._lock:
            for key in keys:
                self._known[key] = found[key]
                self._known.move_to_end(key)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return [found[key] for key in keys]


@dataclass(frozen=True, slots=True)
class Viewing:
    """What pictures add to the evidence: those of the last turn, those of earlier turns, and what to tell."""

    now: tuple[Evidence, ...] = ()
    before: tuple[Evidence, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """What the pictures of the last turn show, to search for it too."""
        return tuple(item.passage.text for item in self.now)


def look(viewer: Viewer | None, turns: Sequence[Turn]) -> Viewing:
    """Have the latest pictures of the conversation described. Raises ModelError and PictureError."""
    *_, last = turns
    if viewer is None:
        return Viewing(notes=(UNSEEN,) if last.pictures else ())
    earlier = [picture for turn in turns[:-1] for picture in turn.pictures]
    pictures = [*earlier, *last.pictures][-MOST_LOOKED_AT:]
    descriptions = viewer.describe(pictures)
    cut = max(0, len(pictures) - len(last.pictures))
    before, now = evidence(pictures[:cut], descriptions[:cut]), evidence(pictures[cut:], descriptions[cut:])
    described = {item.passage.source for item in (*before, *now)}
    notes = [f"nothing could be said of the picture {p.name!r}" for p in last.pictures if p.name not in described]
    if last.pictures and (caveat := str(getattr(viewer, "caveat", ""))):
        notes.append(caveat)
    return Viewing(tuple(now), tuple(reversed(before)), tuple(notes))


def rests_on_pictures(scores: Scores, turns: Sequence[Turn]) -> bool:
    """Say whether all claims of a draft rest on pictures that the last message speaks of.

    These are its own, and all earlier ones when it names a picture. Such a draft need not pass the gate of
    `answers`: a description repeats no word of a question such as "What colour is it?".
    """
    spoken = [turn for turn in turns if turn is turns[-1] or _NAMED.search(turns[-1].text)]
    names = {picture.name for turn in spoken for picture in turn.pictures}
    behind = [claim.passage for claim in scores.claims if claim.support is not None]
    return bool(behind) and all(one is not None and one.kind == "picture" and one.source in names for one in behind)


def evidence(pictures: Sequence[Picture], descriptions: Sequence[str]) -> list[Evidence]:
    """Return the descriptions as passages under the pictures' names; empty ones are left out.

    A passage is the whole of its source, so that its offsets hold.
    """
    texts = [_sentence(" ".join(clean(text).split())) for text in descriptions]
    return [
        stated(text, picture.name, f"Picture: {picture.name}", "picture")
        for picture, text in zip(pictures, texts, strict=True)
        if text
    ]


def checked(pictures: Sequence[Picture]) -> tuple[Picture, ...]:
    """Return the pictures of a message under tidy names, each of its own, after decoding every one.

    Raises PictureError when there are too many, or one is too large, damaged, or of another kind.
    """
    if len(pictures) > MOST:
        raise PictureError(f"a message takes {MOST} pictures, not {len(pictures)}: send the others with the next one")
    for picture in pictures:
        pixels(picture)
    return named(pictures)


def named(pictures: Sequence[Picture], taken: Collection[str] = ()) -> tuple[Picture, ...]:
    """Return the pictures under tidy names of their own that are not among those `taken`."""
    names, found = set(taken), []
    for picture in pictures:
        stem, dot, ending = _tidy(picture.name).rpartition(".")
        stem, ending = (stem, dot + ending) if stem else (ending, "")
        name = next(n for i in range(1, len(names) + 2) if (n := f"{stem}{f' ({i})' * (i > 1)}{ending}") not in names)
        names.add(name)
        found.append(replace(picture, name=name))
    return tuple(found)


def media_type(picture: Picture) -> str:
    """Return the media type that the first bytes tell. Raises PictureError when they match no supported format."""
    data = picture.data
    marks = {
        "PNG": data.startswith(b"\x89PNG\r\n\x1a\n"),
        "JPEG": data.startswith(b"\xff\xd8\xff"),
        "WEBP": data[:4] == b"RIFF" and data[8:12] == b"WEBP",
        "GIF": data[:6] in (b"GIF87a", b"GIF89a"),
    }
    found = next((FORMATS[name] for name, here in marks.items() if here), "")
    if not found:
        what = "is empty" if not data else f"is none of {', '.join(FORMATS)}"
        raise PictureError(f"the picture {picture.name!r} {what}: save it as PNG or JPEG and send that")
    return found


def pixels(picture: Picture) -> "Image.Image":
    """Return the picture upright in RGB, its first frame, transparency on white, the longer side at most `SIDE`.

    Raises PictureError before anything large is decoded.
    """
    from PIL import Image, ImageOps

    if len(picture.data) > MOST_BYTES:
        size = f"{len(picture.data) / 1e6:.1f} MB, the limit is {MOST_BYTES // 1_000_000} MB"
        raise PictureError(f"the picture {picture.name!r} has {size}: make it smaller")
    media_type(picture)
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(BytesIO(picture.data), formats=list(FORMATS)) as image,
        ):
            width, height = image.size
            upright = ImageOps.exif_transpose(image) if width * height <= MOST_PIXELS else None
    except Image.DecompressionBombError:
        width, height, upright = 0, 0, None
    except _DAMAGED as error:
        raise PictureError(f"the picture {picture.name!r} is damaged: save it again and send that") from error
    if upright is not None:
        return _plain(upright)
    size = f"{width:,} × {height:,}" if width else "too many"
    limit = f"{MOST_PIXELS // 1_000_000} million"
    raise PictureError(f"the picture {picture.name!r} has {size} pixels, the limit is {limit}: make it smaller")


def _plain(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    if image.mode.startswith(("I", "F")):  # more than 8 bits per pixel, which RGB would cut off
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image)
    image = image.convert("RGB")
    image.thumbnail((SIDE, SIDE))
    return image


def _tidy(name: str) -> str:
    """A file name without folders and what cannot be seen, its ending kept when it is too long."""
    line = " ".join(clean(name.replace("\\", "/").rpartition("/")[2]).split())
    if not line.strip("."):
        return "picture"
    return line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 9] + "…" + line[-8:]


def _sentence(text: str) -> str:
    """A caption such as ``a red car`` as a sentence; a full sentence is returned unchanged."""
    if not text or text[-1] in ".!?…\"'”’":
        return text
    first, _, rest = text.partition(" ")
    if first.lower() in _ARTICLES:
        first = first.lower()
    return f"The picture shows {first} {rest}".rstrip() + "."
