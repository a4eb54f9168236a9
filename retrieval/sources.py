"""Files to documents: which files are read, what they truly hold, and plain text with sections out of them.

Knows nothing of passages or indexes. A PDF is parsed in a process of its own (`retrieval/pdf.py`).
"""

import json
import logging
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.markup import from_html, from_markdown, one_line
from retrieval.text import clean
from retrieval.types import Document, Section, SourceError

SUFFIXES = {
    ".txt": "text",
    ".md": "text",
    ".markdown": "text",
    ".html": "HTML",
    ".htm": "HTML",
    ".pdf": "PDF",
}

_log = logging.getLogger(__name__)
_MAGIC = (
    (b"%PDF-", "PDF"),
    (b"PK\x03\x04", "ZIP or Office"),
    (b"\xd0\xcf\x11\xe0", "old Office"),
    (b"{\\rtf", "RTF"),
    (b"\x7fELF", "program"),
    (b"MZ\x90", "program"),
    (b"\x89PNG", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"GIF8", "GIF image"),
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf", "7z"),
    (b"Rar!", "RAR"),
    (b"SQLite format 3", "SQLite"),
)
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]{2,20})", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_POOR_TITLE = re.compile(r"microsoft word|untitled|\.(?:docx?|tex|dvi|indd|pdf)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one source may cost. Text is counted in characters, memory in bytes."""

    max_bytes: int = 20_000_000
    max_text: int = 10_000_000
    max_pages: int = 2_000
    max_tags: int = 200_000  # of an HTML page; a second or two per 50,000
    memory: int = 1 << 30
    cpu_seconds: int = 30
    wall_seconds: int = 60


DEFAULT_LIMITS = Limits()


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files to read, folders searched recursively and sorted, each file once.

    Inside folders, hidden names, links, special files and unknown kinds are skipped and logged with the
    reason. Raises SourceError for a named path that is missing or of an unknown kind.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(_walk(path))
        elif not path.exists():
            raise SourceError(f"{path}: no such file or folder")
        elif path.suffix.lower() not in SUFFIXES:
            raise SourceError(f"{path}: cannot read {path.suffix!r} files, only {', '.join(SUFFIXES)}")
        else:
            found.append(path)
    return list({path.absolute(): path for path in found}.values())


def _walk(folder: Path) -> Iterator[Path]:
    def unreadable(error: OSError) -> None:
        _log.warning("skipped %s: %s", error.filename, error.strerror)

    for parent, folders, files in os.walk(folder, onerror=unreadable):
        hidden = [name for name in folders if name.startswith(".")]
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        for name, reason in [*((n, "hidden") for n in hidden), *((n, "a link") for n in links)]:
            _log.info("skipped %s: %s", Path(parent) / name, reason)
        folders[:] = [name for name in folders if name not in {*hidden, *links}]
        for file in (Path(parent) / name for name in files):
            if reason := _why_skipped(file):
                _log.info("skipped %s: %s", file, reason)
            else:
                yield file


def _why_skipped(file: Path) -> str:
    if file.name.startswith("."):
        return "hidden"
    if file.is_symlink():
        return "a link"
    if not file.is_file():
        return "not a regular file"
    return "" if file.suffix.lower() in SUFFIXES else f"cannot read {file.suffix!r} files"


def read_document(path: Path, limits: Limits = DEFAULT_LIMITS) -> Document:
    """Return the file as plain text with its sections.

    Raises SourceError, one line beginning with the path, when the file cannot be read, is not what its
    name says, holds no text, is protected or broken, or exceeds a limit.
    """
    kind = SUFFIXES.get(path.suffix.lower())
    if path.is_dir():
        raise SourceError(f"{path}: a folder, name a file in it")
    if kind is None:
        raise SourceError(f"{path}: cannot read {path.suffix!r} files, only {', '.join(SUFFIXES)}")
    data = _read(path, limits.max_bytes)
    if not data.strip():
        raise SourceError(f"{path}: no text found, the file is empty")
    _check_kind(path, data, kind)
    source = os.fsencode(path).decode("utf-8", "replace")
    stem = one_line(os.fsencode(path.stem).decode("utf-8", "replace")) or "untitled"
    if kind == "PDF":
        document = _from_pdf(path, source, stem, limits)
    else:
        text = _decode(path, data)
        if len(text) > limits.max_text:
            raise SourceError(f"{path}: {len(text)} characters of text, more than the {limits.max_text} allowed")
        if kind == "HTML":
            if (tags := text.count("<")) > limits.max_tags:
                raise SourceError(f"{path}: {tags} tags, more than the {limits.max_tags} allowed")
            document = from_html(text, source, stem)
        elif path.suffix.lower() == ".txt":
            text = clean(text)
            document = Document(source, stem, text, (Section((), 0, len(text)),))
        else:
            document = from_markdown(clean(text), source, stem)
    if not document.text.strip():
        raise SourceError(f"{path}: no text found")
    return document


def _read(path: Path, most: int) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SourceError(f"{path}: not a regular file")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error
    if len(data) > most:
        raise SourceError(f"{path}: {max(status.st_size, len(data))} bytes, more than the {most} allowed")
    return data


def _check_kind(path: Path, data: bytes, kind: str) -> None:
    """Raise SourceError when the content is of another kind than the name promises."""
    head = data[:1024]
    held = next((name for magic, name in _MAGIC if head.startswith(magic)), "")
    if not held and re.match(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html[\s>])", head, re.IGNORECASE):
        held = "HTML"
    if not held and kind == "PDF":
        held = "PDF" if b"%PDF-" in head else "binary" if b"\0" in data else "text"
    if not held and b"\0" in data and not data.startswith(tuple(bom for bom, _ in _BOMS)):
        held = "binary"
    if held and held != kind:
        raise SourceError(f"{path}: named as {kind} ({path.suffix}) but holds {held} data")


def _decode(path: Path, data: bytes) -> str:
    """Decode by byte order mark, declared character set, UTF-8, and last as Western European text."""
    declared = _CHARSET.search(data[:2048]) if SUFFIXES[path.suffix.lower()] == "HTML" else None
    named = next((name for bom, name in _BOMS if data.startswith(bom)), None)
    for encoding in filter(None, [named, "utf-8", declared and declared.group(1).decode()]):
        try:
            return data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    mended = data.decode("utf-8", "replace")
    bad = mended.count("\ufffd")
    if sum(letter > "\x7f" for letter in mended) > 4 * bad:
        _log.warning("%s: %d characters are not UTF-8 and were replaced", path, bad)
        return mended
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if len(_CONTROL.findall(text)) > 0.002 * len(text):
        raise SourceError(f"{path}: named as text ({path.suffix}) but holds binary data or an unknown encoding")
    return text


def _from_pdf(path: Path, source: str, stem: str, limits: Limits) -> Document:
    parsed = _parse_pdf(path, limits)
    sections: list[Section] = []
    parts: list[str] = []
    length = 0
    for number, page in enumerate(map(clean, parsed["pages"]), start=1):
        if page.strip():
            sections.append(Section((), length, length + len(page), f"p. {number}"))
            parts += [page, "\n\n"]
            length += len(page) + 2
    text = "".join(parts[:-1])
    if not text:
        raise SourceError(f"{path}: no text layer, so it is probably scanned; run text recognition on it first")
    title = one_line(parsed["title"])
    return Document(source, stem if not title or _POOR_TITLE.search(title) else title, text, tuple(sections))


def _parse_pdf(path: Path, limits: Limits) -> dict[str, Any]:
    """Run the parser under its limits. -P keeps this folder's types.py from hiding the standard library's."""
    wanted = {
        "memory": limits.memory,
        "cpu_seconds": limits.cpu_seconds,
        "max_pages": limits.max_pages,
        "max_text": limits.max_text,
    }
    script = Path(__file__).with_name("pdf.py")
    command = [sys.executable, "-P", str(script), str(path.absolute()), json.dumps(wanted)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=limits.wall_seconds, check=False)
        parsed = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise SourceError(f"{path}: took more than {limits.wall_seconds} seconds to read") from None
    except ValueError:
        raise SourceError(
            f"{path}: broken PDF, or one that needs more than {limits.cpu_seconds} seconds or "
            f"{limits.memory >> 20} MB to read"
        ) from None
    if "error" in parsed:
        raise SourceError(f"{path}: {parsed['error']}")
    return dict(parsed)
