"""Books in EPUB: the pages of the spine in their order, each read as the web page it is."""

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from retrieval.html import feed_html
from retrieval.outline import Outline, one_line
from retrieval.sources.archive import checked_zip
from retrieval.sources.decode import decode
from retrieval.sources.filetypes import SourceLimits
from retrieval.types import Document, SourceError

_CONTAINER: Final = "META-INF/container.xml"
_DRM: Final = "META-INF/rights.xml"


def read_epub(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one document; what stands under no heading is placed by the number of its page in the spine."""
    from defusedxml.ElementTree import fromstring

    with checked_zip(path, "EPUB", limits) as archive:
        names = set(archive.namelist())
        if _DRM in names:
            raise SourceError("copy-protected; only a book without protection can be read")
        root = fromstring(archive.read(_CONTAINER)).find(".//{*}rootfile")
        package = fromstring(archive.read(root.get("full-path")))
        folder = posixpath.dirname(root.get("full-path"))
        pages = {item.get("id"): item.get("href") for item in package.iterfind(".//{*}manifest/{*}item")}
        outline = Outline()
        number = 0
        for reference in package.iterfind(".//{*}spine/{*}itemref"):
            name = posixpath.normpath(posixpath.join(folder, unquote(pages.get(reference.get("idref")) or "")))
            if name in names and reference.get("linear") != "no":
                number += 1
                outline.at(f"part {number}")
                feed_html(outline, decode(archive.read(name), outline.notes, page=True))
        title = package.findtext(".//{http://purl.org/dc/elements/1.1/}title")
        yield "", outline.document("", one_line(title or ""))
