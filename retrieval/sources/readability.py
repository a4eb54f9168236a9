"""Text that is noise: wrongly decoded, glyph numbers for letters, encoded data, nothing anyone could read.

Each test asks for so much that real writing in any language passes.
"""

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from retrieval.sources.encoded import encoded
from retrieval.types import Document, Note, Section, SourceError

SAMPLE: Final = 200_000  # characters looked at
_LONGEST_LINES: Final = 400  # characters, the mean
_FOREIGN = re.compile(r"[^\x00-\x7f]+")
# What bytes from 0x80 on become in Windows-1252, but for the punctuation that English has too.
_WESTERN = frozenset(
    bytes([*range(0x82, 0x85), *range(0x86, 0x91), *range(0x98, 0x9D), *range(0xA1, 0x100)]).decode("cp1252", "ignore")
)
_GLYPH = re.compile(r"\(cid:\d{1,6}\)|/(?:uni[0-9A-Fa-f]{4}|[A-Za-z]{0,3}\d{1,5})(?=[/\s]|$)")
_ALPHANUMERIC = re.compile(r"[^\W_]")
_OTHER = re.compile(r"[^\W\d_\u0000-\u024f\u1e00-\u1eff]")
_LETTER = re.compile(r"[A-Za-z]")
_COMMON = re.compile(r"[aeinorstAEINORST]")  # half of the letters of a text and more, in any Latin script
_log = logging.getLogger(__name__)


def readable(document: Document, kind: str) -> Document:
    """Return the document without the sections that are noise, and without encoded data; its notes count both.

    The text stays as it is, so that offsets hold. Raises SourceError when noise is more than a fifth of it, or when
    nothing but encoded data is there.
    """
    noisy: dict[Section, str] = {}
    for section in document.sections:
        if reason := why_unreadable(document.text[section.start : section.end], kind):
            noisy[section] = reason
    lost = sum(section.end - section.start for section in noisy)
    if 5 * lost > len(document.text):
        raise SourceError(next(iter(noisy.values())))
    if len(document.sections) > 1 and (reason := why_unreadable(document.text, kind)) and not noisy:
        raise SourceError(reason)
    for section, reason in noisy.items():
        where = section.place or " > ".join(section.headings) or "a part"
        _log.warning("%s: %s is left out: %s", document.source, where, reason)
    spans = encoded(document.text)
    kept = [
        part
        for section in document.sections
        if section not in noisy
        for part in _without(section, spans, document.text)
    ]
    if spans and not kept:
        raise SourceError("holds encoded data alone, no text")
    notes = Counter(dict(document.notes)) + Counter({Note.GARBLED: len(noisy), Note.ENCODED: len(spans)})
    return replace(document, sections=tuple(kept), notes=tuple(notes.items())) if noisy or spans else document


def _without(section: Section, spans: Sequence[tuple[int, int]], text: str) -> Iterator[Section]:
    """Yield what of a section lies outside the spans, which are in order, and holds a word."""
    place = section.start
    for start, end in [*spans, (section.end, section.end)]:
        if place < min(start, section.end) and (
            not spans or _ALPHANUMERIC.search(text, place, min(start, section.end))
        ):
            yield replace(section, start=place, end=min(start, section.end))
        place = max(place, min(end, section.end))


def foreign_paragraphs(text: str) -> int:
    """How many paragraphs, as far as they are looked at, are for the most part in another script than Latin."""
    if text.isascii():
        return 0
    letters = ((len(_ALPHANUMERIC.findall(part)), len(_OTHER.findall(part))) for part in text[:SAMPLE].split("\n\n"))
    return sum(2 * other > all_ for all_, other in letters)


def why_unreadable(text: str, kind: str = "text") -> str:
    """Return why the text is unreadable, as a clause; "" when it is readable."""
    text = text[:SAMPLE]
    reason = ""
    long_lines = len(text) > _LONGEST_LINES * (text.count("\n") + 1)
    if kind == "source code" and long_lines and 12 * sum(map(str.isspace, text)) < len(text):
        reason = "its long lines without spaces were not written by hand"
    if not reason and not text.isascii():
        reason = _broken_letters(text)
    if not reason and kind == "PDF":
        reason = _broken_glyphs(text)
    return reason


def _broken_letters(text: str) -> str:
    lost = text.count("\ufffd")
    if lost >= 8 and 50 * lost > len(text):
        return f"{lost} of {len(text)} characters were lost in an earlier conversion"
    unknown = sum(n for c, n in Counter(text).items() if c > "\x7f" and unicodedata.category(c) in {"Co", "Cn"})
    if unknown >= 8 and 50 * unknown > len(text):
        return f"{unknown} of {len(text)} characters belong to no script"
    if is_misdecoded(text) or _is_doubled(text):
        return "its letters are garbled, it was once decoded with the wrong encoding: save it again as UTF-8"
    return ""


def _broken_glyphs(text: str) -> str:
    glyphs = [len(match) for match in _GLYPH.findall(text)]
    if len(glyphs) >= 8 and 3 * sum(glyphs) > len(text):
        return "it holds numbers of glyphs where its text should be; run text recognition on it first"
    letters = len(_LETTER.findall(text))
    if letters >= 200 and 2 * letters > len(text) and 3 * len(_COMMON.findall(text)) < letters:
        return "its letters spell no words, its fonts do not tell them; run text recognition on it first"
    return ""


def is_misdecoded(text: str) -> bool:
    """Whether the text is that of another alphabet, its bytes read as Western European."""
    counts = Counter(text[:SAMPLE])
    western = {letter: number for letter, number in counts.items() if letter in _WESTERN}
    number = sum(western.values())
    printed = sum(n for letter, n in counts.items() if not letter.isspace())
    return number >= 8 and len(western) >= 5 and 5 * number > 2 * printed


def _is_doubled(text: str) -> bool:
    """Whether UTF-8 was read as one byte per letter: most of what is not ASCII is then UTF-8 again."""
    runs = Counter(_FOREIGN.findall(text))
    broken = {run: number for run, number in runs.items() if _is_utf8(run)}
    number = sum(broken.values())
    return number >= 2 and 2 * number > runs.total() and 50 * number > len(text.split())


def _is_utf8(run: str) -> bool:
    for encoding in ("cp1252", "latin-1", "cp1251"):
        try:
            run.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        return True
    return False
