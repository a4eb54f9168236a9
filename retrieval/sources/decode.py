"""Bytes to text: by what the file says of itself, then UTF-8, then what fits."""

import re
from collections import Counter
from pathlib import Path

from retrieval.sources.filetypes import BOMS, SourceLimits, suffix_of, utf16_of
from retrieval.sources.readability import is_misdecoded
from retrieval.types import Note, SourceError

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x9f]")  # terminal logs are full of \x1b
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]{2,20})", re.IGNORECASE)
_CHANCE = 8  # letters beyond ASCII in a line that is UTF-8, as none in an older encoding is by chance
_SURE = 0.2  # from this coherence on the guesser has recognised the language


def decoded(path: Path, limits: SourceLimits, notes: Counter[Note], kind: str = "") -> str:
    """Return the text of a file, decoded as `decode` does; an HTML page may declare its character set.

    Raises SourceError, which says the `kind` that the name promises where one is given, and for too much text.
    """
    try:
        text = decode(path.read_bytes(), notes, page=kind == "HTML")
    except SourceError as error:
        raise SourceError(f"named as {kind} ({suffix_of(path)}) but {error}" if kind else str(error)) from None
    if len(text) > limits.max_text:
        raise SourceError(f"{len(text)} characters of text, more than the {limits.max_text} allowed")
    return text


def decode(data: bytes, notes: Counter[Note], *, page: bool = False) -> str:
    """Decode by byte order mark, the character set that a page declares, UTF-8, and last a legacy encoding.

    Where some lines are UTF-8 and others are not, these are decoded by themselves; bytes that fit nowhere are replaced;
    both are counted in `notes`. Raises SourceError, a clause, for binary data and for an encoding that cannot be
    determined.
    """
    declared = _CHARSET.search(data[:2048]) if page else None
    named = next((encoding for bom, encoding in BOMS if data.startswith(bom)), None) or utf16_of(data)
    for encoding in filter(None, [named, "utf-8", declared and declared.group(1).decode()]):
        try:
            return _text(data.decode(encoding), notes)
        except (UnicodeDecodeError, LookupError):
            continue
    lines = [line for line in data.splitlines() if not line.isascii()]
    legacy = [line for line in lines if not _is_utf8(line)]
    sure = any(
        sum(letter > "\x7f" for letter in line.decode("utf-8", "ignore")) >= _CHANCE for line in lines if _is_utf8(line)
    )
    if len(legacy) < len(lines) and (sure or not is_misdecoded(_western(data))):
        return _text(_by_lines(data, notes), notes)
    mended = data.decode("utf-8", "replace")
    bad = _lost(data, mended)
    if sum(letter > "\x7f" for letter in mended) > 4 * bad:
        notes[Note.LOST] += bad
        return _text(mended, notes)
    try:
        return _text(data.decode(_older(data)), notes)
    except SourceError:
        if len(legacy) == len(lines):
            raise
        return _text(_by_lines(data, notes), notes)


def _by_lines(data: bytes, notes: Counter[Note]) -> str:
    """Decode each line by itself: one that is UTF-8 in part loses the bytes that are not, the others are older."""
    lines = data.splitlines(keepends=True)
    decoded = [line.decode("utf-8", "replace") for line in lines]
    broken = {place: lost for place, line in enumerate(lines) if (lost := _lost(line, decoded[place]))}
    older = [place for place, lost in broken.items() if sum(letter > "\x7f" for letter in decoded[place]) == lost]
    try:
        encoding = _older(b"".join(lines[place] for place in older))
    except SourceError:  # guessed from too little: what is not known is replaced
        older = []
    for place in older:
        decoded[place] = lines[place].decode(encoding, "replace")
    notes[Note.LEGACY] += len(older)
    notes[Note.LOST] += sum(lost for place, lost in broken.items() if place not in set(older))
    return "".join(decoded)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _lost(data: bytes, text: str) -> int:
    """How many replacement characters stand in a text that did not stand in its bytes."""
    return text.count("\ufffd") - data.count("\ufffd".encode())


def _western(data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _text(text: str, notes: Counter[Note]) -> str:
    notes[Note.CONTROL] += text.count("\0")
    if len(_CONTROL.findall(text)) > max(4, 0.002 * len(text)):
        raise SourceError("holds binary data or an unknown encoding")
    return text


def _older(data: bytes) -> str:
    """Return the name of the encoding in which the bytes, which are no UTF-8, are text. Raises SourceError."""
    if not is_misdecoded(_western(data)):
        return "cp1252" if all(byte not in data for byte in b"\x81\x8d\x8f\x90\x9d") else "latin-1"
    from charset_normalizer import from_bytes

    best = from_bytes(data).best()
    if best is None or best.coherence < _SURE:
        raise SourceError("its encoding is unknown: save it as UTF-8")
    return best.encoding
