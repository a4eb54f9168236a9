"""Bytes to text: by what the file says of itself, then UTF-8, then what fits. Knows nothing of formats."""

import logging
import re

from retrieval.sources.kinds import BOMS
from retrieval.sources.noise import is_misread
from retrieval.types import SourceError

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x9f]")  # terminal logs are full of \x1b
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]{2,20})", re.IGNORECASE)
_SURE = 0.2  # from this coherence on the guesser has recognised the language
_log = logging.getLogger(__name__)


def decode(data: bytes, name: str, *, page: bool = False) -> str:
    """Decode by byte order mark, the character set that a page declares, UTF-8, and last a legacy encoding.

    A few bytes that are not UTF-8 are replaced, with a warning that has the name. Raises SourceError, a clause, for binary
    data and for an encoding that cannot be told.
    """
    declared = _CHARSET.search(data[:2048]) if page else None
    named = next((encoding for bom, encoding in BOMS if data.startswith(bom)), None)
    for encoding in filter(None, [named, "utf-8", declared and declared.group(1).decode()]):
        try:
            return _text(data.decode(encoding))
        except (UnicodeDecodeError, LookupError):
            continue
    mended = data.decode("utf-8", "replace")
    bad = mended.count("\ufffd")
    if sum(letter > "\x7f" for letter in mended) > 4 * bad:
        _log.warning("%s: %d characters are not UTF-8 and were replaced", name, bad)
        return _text(mended)
    try:
        western = data.decode("cp1252")
    except UnicodeDecodeError:
        western = data.decode("latin-1")
    return _text(_guessed(data) if is_misread(western) else western)


def _text(text: str) -> str:
    if len(_CONTROL.findall(text)) > max(4, 0.002 * len(text)):
        raise SourceError("holds binary data or an unknown encoding")
    return text


def _guessed(data: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(data).best()
    if best is None or best.coherence < _SURE:
        raise SourceError("its encoding is unknown: save it as UTF-8")
    return str(best)
