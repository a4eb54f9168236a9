"""ZIP files that may be bombs: what is in one, looked at before anything of it is parsed."""

from pathlib import Path
from typing import Final
from zipfile import BadZipFile, ZipFile

from retrieval.sources.filetypes import SourceLimits
from retrieval.types import SourceError

_HOLDS: Final = {
    "word/document.xml": "Word",
    "ppt/presentation.xml": "PowerPoint",
    "xl/workbook.xml": "Excel",
    "META-INF/container.xml": "EPUB",
    "content.xml": "OpenDocument",
}
_DTD: Final = tuple("<!DOCTYPE".encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be"))
_ENTITY: Final = tuple("<!ENTITY".encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be"))


def checked_zip(path: Path, kind: str, limits: SourceLimits) -> ZipFile:
    """Open the file once it is known to be whole, of this kind, no bomb and free of XML that defines entities.

    The sizes it declares can be trusted afterwards: `zipfile` never unpacks more. Raises SourceError.
    """
    try:
        archive = ZipFile(path)
    except BadZipFile as error:
        raise SourceError(f"broken or truncated {kind} ({error})") from None
    entries = archive.infolist()
    names = {entry.filename for entry in entries}
    if len(entries) > limits.max_entries or len(names) < len(entries):
        raise SourceError(f"{len(entries)} entries, more than the {limits.max_entries} allowed or one name twice")
    unpacked = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if unpacked > limits.max_unpacked:
        raise SourceError(f"{unpacked} bytes unpacked, more than the {limits.max_unpacked} allowed")
    if unpacked > max(1_000_000, limits.max_ratio * packed):
        raise SourceError(f"unpacks to more than {limits.max_ratio} times its size, as only a bomb does")
    if any(entry.flag_bits & 1 for entry in entries):
        raise SourceError("password-protected; save a copy without the password")
    held = next((other for name, other in _HOLDS.items() if name in names), "ZIP")
    if held != kind:
        raise SourceError(f"named as {kind} but holds {held} data")
    for name in names:
        if name.lower().endswith((".xml", ".rels", ".opf", ".ncx", ".xhtml")):
            data = archive.read(name)
            forbidden = _ENTITY if kind == "EPUB" else _ENTITY + _DTD
            if any(mark in data for mark in forbidden):
                raise SourceError(f"broken {kind}: {name} defines entities, which is refused")
    return archive
