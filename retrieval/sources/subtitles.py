"""Subtitles: what is said, joined to sentences over the cues, each stretch placed by its times."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from retrieval.outline import Outline
from retrieval.sources.decode import decode
from retrieval.sources.filetypes import SourceLimits
from retrieval.text import clean
from retrieval.types import Document, SourceError

_TIMES: Final = re.compile(r"\s*((?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3})\s*-->\s*((?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3})")
_VOICE: Final = re.compile(r"<v(?:\.[\w.]+)?\s+([^>]+)>")
_TAG: Final = re.compile(r"</?[a-zA-Z][^<>]*>|<\d[\d:.,]*>|\{\\[^}]*\}")
_ENDS: Final = re.compile(r"[.!?…][\"'”’)\]]*$")
_BLOCK: Final = 320  # characters from which on a stretch ends with its sentence
_PAUSE: Final = 4.0  # seconds of silence that end a stretch


@dataclass(frozen=True, slots=True)
class _Cue:
    """What is shown at one time; `begins` and `ends` in seconds."""

    begins: float
    ends: float
    text: str


def read_subtitles(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one document, in stretches of some sentences that begin where somebody begins to speak."""
    outline = Outline()
    text = clean(decode(path.read_bytes(), outline.notes))
    cues = _cues(text)
    if not cues:
        raise SourceError("no subtitles: no line with two times and an arrow between them")
    stretch: list[_Cue] = []
    for cue in cues:
        if stretch and _parts(stretch, cue):
            _add(outline, stretch)
            stretch = []
        if not stretch or stretch[-1].text != cue.text:  # lines that roll are shown twice
            stretch.append(cue)
    _add(outline, stretch)
    yield "", outline.document("", "")


def _cues(text: str) -> list[_Cue]:
    found: list[_Cue] = []
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if _TIMES.match(line)]
    for place, number in enumerate(starts):
        end = starts[place + 1] if place + 1 < len(starts) else len(lines)
        said = lines[number + 1 : end]
        if "" in (bare := [line.strip() for line in said]):
            said = said[: bare.index("")]
        shown = _TAG.sub("", _VOICE.sub(r"\1: ", " ".join(said)))
        times = _TIMES.match(lines[number])
        if times and shown.strip():
            found.append(_Cue(_seconds(times[1]), _seconds(times[2]), " ".join(shown.split())))
    return found


def _parts(stretch: list[_Cue], cue: _Cue) -> bool:
    """Whether a cue begins another stretch."""
    length = sum(len(one.text) for one in stretch)
    ended = bool(_ENDS.search(stretch[-1].text))
    return (ended and length > _BLOCK) or length > 3 * _BLOCK or cue.begins - stretch[-1].ends > _PAUSE


def _add(outline: Outline, stretch: list[_Cue]) -> None:
    outline.at(f"{_clock(stretch[0].begins)}–{_clock(stretch[-1].ends)}")
    said = ""
    for cue in stretch:
        own_line = re.match(r"[\w .'-]{1,30}: |[-–—] ?", cue.text)
        said += ("\n" if own_line else " ") + cue.text
    outline.add(said)


def _seconds(time: str) -> float:
    parts = [float(part) for part in time.replace(",", ".").split(":")]
    return float(sum(part * 60.0**place for place, part in enumerate(reversed(parts))))


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
