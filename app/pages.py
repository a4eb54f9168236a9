"""Pages from the web on their way into the library: addresses and sitemaps to files that can be read like any other.

A page that its server or its content says is the same is not fetched or embedded again. Knows nothing of SQL.
"""

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from retrieval.fetch import PAGES, Fetcher, Page
from retrieval.sitemap import KINDS, Robots, Sitemap, is_sitemap, read_sitemap
from retrieval.types import SourceError, Unreachable
from retrieval.web import plain_address, stored

CACHE: Final = "pages.json"  # in the data folder: what servers say of the pages as they were read
MOST_PAGES: Final = 1000  # of one sitemap
MOST_SITEMAPS: Final = 50


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one address: a file with its content, nothing new, or the `reason` why it could not be had."""

    uri: str
    path: Path | None = None
    unchanged: bool = False
    reason: str = ""


@dataclass
class Pages:
    """Fetches pages into a folder. `known` are the digests of what the library holds, by address."""

    fetcher: Fetcher
    folder: Path
    known: Mapping[str, str]
    tags: dict[str, list[str]] = field(default_factory=dict)  # address: ETag, Last-Modified, digest, kind
    count: int = 0

    def at(self, url: str) -> Iterator[Fetched]:
        """Yield the page at an address, or all pages of the sitemap there, each as it comes."""
        uri = re.sub(r"//[^/@]*@", "//…@", url)  # what may be a password is not repeated
        try:
            uri = plain_address(url)
            page = self._page(uri, (*PAGES, *KINDS))
            if not page.unchanged and is_sitemap(page):
                yield from self._all(uri, read_sitemap(page))
            else:
                yield self._kept(uri, page)
        except (Unreachable, SourceError) as error:
            yield Fetched(uri, reason=str(error).removeprefix(f"{uri}: "))

    def _all(self, uri: str, sitemap: Sitemap) -> Iterator[Fetched]:
        robots = Robots(self.fetcher)
        pages, waiting, sitemaps = list(sitemap.pages), list(sitemap.sitemaps), 0
        while waiting and sitemaps < MOST_SITEMAPS and len(pages) <= MOST_PAGES:
            sitemaps += 1
            further = waiting.pop(0)
            try:
                found = read_sitemap(self.fetcher.fetch(further, (*KINDS, *PAGES)))
            except (Unreachable, SourceError) as error:
                yield Fetched(further, reason=str(error).removeprefix(f"{further}: "))
                continue
            pages += found.pages
        left = len(pages) - MOST_PAGES
        if waiting or left > 0:
            yield Fetched(uri, reason=f"only the first {MOST_PAGES} pages are read: name the other sitemaps one by one")
        for place, url in enumerate(dict.fromkeys(pages[:MOST_PAGES])):
            if not robots.allows(url):
                yield Fetched(url, reason="its site does not want it fetched by programs (robots.txt)")
                continue
            if place:
                time.sleep(robots.pause(url))
            try:
                page_uri = plain_address(url)
                yield self._kept(page_uri, self._page(page_uri, PAGES))
            except (Unreachable, SourceError) as error:
                yield Fetched(url, reason=str(error).removeprefix(f"{url}: "))

    def _page(self, uri: str, kinds: tuple[str, ...]) -> Page:
        """Fetch a page, or learn that it is what the library has."""
        etag, modified, digest, kind = self.tags.get(uri) or ("", "", "", "")
        held = bool(digest) and self.known.get(uri) == digest
        return self.fetcher.fetch(uri, kinds, Page(uri, kind, b"", "", etag, modified) if held else None)

    def _kept(self, uri: str, page: Page) -> Fetched:
        if page.unchanged:
            return Fetched(uri, unchanged=True)
        self.count += 1
        path = stored(page, self.folder, self.count)
        self.tags.pop(uri, None)
        if page.etag or page.modified:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            self.tags[uri] = [page.etag, page.modified, digest, page.kind]
        return Fetched(uri, path)


@contextmanager
def opened_pages(fetcher: Fetcher, data: Path, known: Mapping[str, str]) -> Iterator[Pages]:
    """Fetch pages for the time of a with block; their files are gone after it."""
    cache = data / CACHE
    with tempfile.TemporaryDirectory(prefix="candor-") as folder:
        pages = Pages(fetcher, Path(folder), known, _tags(cache))
        try:
            yield pages
        finally:
            if pages.tags or cache.exists():
                with suppress(OSError):  # without it, pages are fetched once more
                    _write(cache, pages.tags)


def _tags(cache: Path) -> dict[str, list[str]]:
    try:
        found = json.loads(cache.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    rows = found.items() if isinstance(found, dict) else ()
    return {
        uri: row
        for uri, row in rows
        if isinstance(row, list) and len(row) == 4 and all(isinstance(x, str) for x in row)
    }


def _write(cache: Path, tags: Mapping[str, list[str]]) -> None:
    partial = cache.with_name(f"{CACHE}.{os.getpid()}")
    partial.write_text(json.dumps(tags, indent=0), encoding="utf-8")
    os.replace(partial, cache)
