"""Which kinds of file are read, what each may cost, and whether a file is of the kind its name says."""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from retrieval.types import SourceError

_CODE: Final = (
    "bash c cc clj cpp cs css cxx dart erl ex exs fs go h hh hpp hs java jl js jsx kt kts lua m mjs ml mm php pl "
    "pm proto ps1 py pyi r rb rs scala scss sh sql svelte swift tf ts tsx vue zig zsh"
)
_SETTINGS: Final = "cfg conf env ini properties toml yaml yml"
SUFFIXES: Final = {
    ".txt": "text",
    ".text": "text",
    ".rst": "text",
    ".md": "Markdown",
    ".markdown": "Markdown",
    ".html": "HTML",
    ".htm": "HTML",
    ".xhtml": "HTML",
    ".pdf": "PDF",
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif"), "picture"),
    ".docx": "Word",
    ".pptx": "PowerPoint",
    ".xlsx": "Excel",
    ".csv": "table",
    ".tsv": "table",
    ".json": "JSON",
    ".jsonl": "JSON Lines",
    ".ndjson": "JSON Lines",
    ".epub": "EPUB",
    ".eml": "mail",
    ".mbox": "mailbox",
    ".msg": "Outlook",
    ".ics": "calendar",
    ".vcf": "contacts",
    ".srt": "subtitles",
    ".vtt": "subtitles",
    ".rtf": "RTF",
    ".odt": "OpenDocument",
    ".ods": "OpenDocument",
    ".odp": "OpenDocument",
    ".tex": "TeX",
    ".ipynb": "notebook",
    ".xml": "MediaWiki",
    ".xml.bz2": "MediaWiki",
    **{f".{suffix}": "settings" for suffix in _SETTINGS.split()},
    **{f".{suffix}": "source code" for suffix in _CODE.split()},
}
READABLE: Final = ", ".join([*(s for s, kind in SUFFIXES.items() if kind != "source code"), "and source code"])
COLLECTIONS: Final = frozenset({"JSON Lines", "mailbox", "MediaWiki"})  # one file holds many documents
PICTURE: Final = "picture"  # read where it is named, and passed over in folders
PLAIN: Final = frozenset({"text", "source code"})  # needs no parser
MARKUP: Final = frozenset(
    {"Markdown", "HTML", "settings"}
)  # its parsers are slow and greedy on what is made to harm them
INLINE: Final = 32_768  # bytes up to which they cost less than a process: a second or two at the worst
_ZIPPED: Final = frozenset({"Word", "PowerPoint", "Excel", "EPUB", "OpenDocument"})
_DECODED: Final = (
    PLAIN | MARKUP | {"table", "JSON", "calendar", "contacts", "subtitles", "TeX", "notebook"}
)  # whole, by `decode`
_SAMPLE: Final = 10_000  # characters looked at
HEAD: Final = 4096  # bytes that tell what a file holds

_OLD: Final = "old or password-protected Office"
_MAGIC = (
    (b"%PDF-", "PDF"),
    (b"PK\x03\x04", "ZIP or Office"),
    (b"\xd0\xcf\x11\xe0", _OLD),
    (b"{\\rtf", "RTF"),
    (b"\x7fELF", "program"),
    (b"MZ\x90", "program"),
    (b"\x89PNG", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"GIF8", "GIF image"),
    (b"II*\x00", "TIFF image"),
    (b"MM\x00*", "TIFF image"),
    (b"BM", "BMP image"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"7z\xbc\xaf", "7z"),
    (b"Rar!", "RAR"),
    (b"SQLite format 3", "SQLite"),
)
BOMS: Final = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_STRAY: Final = 4
_BESIDE = re.compile(rb"(?<=[\s.!?,;:])\0(?!\0)|(?<!\0)\0(?=\s|\Z)")
_HTML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html[\s>])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """What one source may cost. Text is counted in characters, memory in bytes, ratios in bytes per byte.

    In a file that holds many documents, text and time count for each of them.
    """

    max_bytes: int = 20_000_000
    max_collection: int = 200_000_000_000  # of a file that holds many documents: it is never read whole
    max_text: int = 30_000_000  # 100,000 rows of a table, each with the names of its columns, take 12
    max_pages: int = 2_000
    max_recognised: int = 200  # pages of one file whose text is recognised; seconds each
    max_tags: int = 200_000  # of an HTML page; a second or two per 50,000
    max_unpacked: int = 50_000_000
    max_ratio: int = 100  # unpacked to packed, above 1 MB
    max_entries: int = 10_000
    memory: int = 1 << 30
    memory_recognising: int = 3 << 30  # where text is recognised in pictures
    cpu_seconds: int = 30
    wall_seconds: int = 120  # a busy machine is no reason to refuse a file

    @property
    def too_much_text(self) -> str:
        """What is said of a source with more text than is allowed."""
        return f"more than the {self.max_text} characters of text allowed"

    def check_text(self, characters: int) -> None:
        """Raise SourceError for more text than is allowed."""
        if characters > self.max_text:
            raise SourceError(self.too_much_text)


DEFAULT_LIMITS: Final = SourceLimits()


def suffix_of(path: Path) -> str:
    """Return the end of the name that tells the kind, as ``.pdf`` or ``.xml.bz2``, in lower case."""
    both = "".join(path.suffixes[-2:]).lower()
    if path.name.lower() == ".env" or path.name.lower().startswith(".env."):
        return ".env"
    return both if both in SUFFIXES else path.suffix.lower()


def file_type(path: Path) -> str:
    """Return the kind that the name says. Raises SourceError for one that cannot be read."""
    if kind := SUFFIXES.get(suffix_of(path)):
        return kind
    raise SourceError(f"{path}: cannot read {path.suffix!r} files, only {READABLE}")


def check_kind(path: Path, head: bytes, kind: str) -> None:
    """Raise SourceError when the content, known by its first bytes, is of another kind than the name promises."""
    held = next((name for magic, name in _MAGIC if head.startswith(magic)), "")
    if not held and kind != "source code" and _HTML.match(head):
        held = "HTML"
    if (not held and kind == "PDF" and b"%PDF-" in head) or (kind == PICTURE and _is_picture(head, held)):
        return
    nuls = head.count(b"\0") - min(_STRAY, len(_BESIDE.findall(head)))  # a few between words make no binary data
    if not held and 100 * nuls > len(head) and not head.startswith(tuple(bom for bom, _ in BOMS)):
        held = "" if kind in _DECODED and utf16_of(head) else "binary"
    if not held and kind in {*_ZIPPED, "PDF", "Outlook", PICTURE}:
        held = "text"
    if not held and kind == "MediaWiki" and b"<mediawiki" not in head:
        held = "other"
    packed = suffix_of(path) == ".xml.bz2"
    expected = "ZIP or Office" if kind in _ZIPPED else "bzip2" if packed else _OLD if kind == "Outlook" else kind
    if held not in {"", expected} or (packed and not held):
        raise SourceError(f"{path}: named as {kind} ({suffix_of(path)}) but holds {held or 'other'} data")


def _is_picture(head: bytes, held: str) -> bool:
    return held.endswith(" image") or (head.startswith(b"RIFF") and head[8:12] == b"WEBP")


def utf16_of(data: bytes) -> str:
    """Return the encoding of UTF-16 that lacks its byte order mark, empty for anything else."""
    if b"\0" not in data:
        return ""
    found: dict[str, int] = {}
    for encoding in ("utf-16-le", "utf-16-be"):
        try:
            text = data.decode(encoding)[:_SAMPLE]
        except UnicodeDecodeError:
            continue
        unprinted = sum(unicodedata.category(c) in {"Cc", "Cn", "Co", "Cs"} and not c.isspace() for c in text)
        ascii_only = sum(c.isascii() for c in text)
        foreign = [c for c in text if not c.isascii()]
        two_letters = sum(all(0x20 <= byte < 0x7F for byte in c.encode(encoding)) for c in foreign)  # ASCII and a NUL
        if not unprinted and ascii_only and 2 * two_letters <= len(foreign):
            found[encoding] = ascii_only
    return max(found, key=lambda encoding: found[encoding], default="")
