"""Pages from the web on their way into the library: addresses and sitemaps to files that can be read like any other.

A page that its server or its content says is the same is not fetched or embedded again.
"""

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from app.library.catalogue import as_address, as_read
from retrieval.tools.addresses import Refused
from retrieval.tools.fetch import PAGES, Answered, Fetcher, Page
from retrieval.tools.sitemap import KINDS, Robots, Sitemap, is_sitemap, read_sitemap
from retrieval.tools.web import canonical_address, plain_address, stored
from retrieval.types import SourceError, Unreachable

CACHE: Final = "pages.json"  # in the data folder: what servers say of the pages as they were read
MOST_PAGES: Final = 1000  # of one sitemap
MOST_SITEMAPS: Final = 50
GONE: Final = frozenset({404, 410})  # statuses that say there is no such page
PATIENCE: Final = 3  # times that a site may fail to answer in a row before its other pages are left alone


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one address: a file with its content, nothing new, or the `reason` why it could not be had.

    `gone`: its server says that there is no such page. `origin` is the sitemap through which it was found.
    """

    uri: str
    path: Path | None = None
    unchanged: bool = False
    reason: str = ""
    gone: bool = False
    origin: str = ""


@dataclass
class Pages:
    """Fetches pages into a folder. `known` are the digests of what the library holds, by address.

    `listed` are the pages of every sitemap that was read to its end; `expected` counts the pages known of.
    """

    fetcher: Fetcher
    folder: Path
    known: Mapping[str, str]
    tags: dict[str, list[str]] = field(default_factory=dict)  # address: ETag, Last-Modified, digest, kind
    count: int = 0
    expected: int = 0
    listed: dict[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._robots = Robots(self.fetcher)
        self._silent: dict[str, int] = {}  # how often a site has not answered, by host and port

    def at(self, url: str, sitemap: bool = False) -> Iterator[Fetched]:
        """Yield the page at an address, or all pages of the sitemap there, each as it comes.

        A page that calls another address of its site its own is kept under that one.

        With `sitemap` it was one before: then nothing else is taken.
        """
        uri = re.sub(r"//[^/@]*@", "//…@", url)  # what may be a password is not repeated
        try:
            uri = plain_address(url)
            page = self._fetched(uri, (*KINDS, *PAGES), None) if sitemap else self._page(uri, (*PAGES, *KINDS))
            if not page.unchanged and (sitemap or is_sitemap(page)):
                yield from self._all(uri, read_sitemap(page))
            else:
                yield self._kept(uri if page.unchanged else canonical_address(page), page)
        except (Unreachable, SourceError) as error:
            yield Fetched(uri, reason=str(error).removeprefix(f"{uri}: "))

    def again(self, pages: Mapping[str, str]) -> Iterator[Fetched]:
        """Yield pages that were read before, by uri; where one has an origin, a sitemap, as its site allows."""
        self.expected += len(pages)
        for uri, origin in pages.items():
            yield self._one(uri, origin)

    def _all(self, uri: str, sitemap: Sitemap) -> Iterator[Fetched]:
        pages, waiting, sitemaps, whole = list(sitemap.pages), list(sitemap.sitemaps), 0, True
        while waiting and sitemaps < MOST_SITEMAPS and len(pages) <= MOST_PAGES:
            sitemaps += 1
            further = waiting.pop(0)
            try:
                found = read_sitemap(self._fetched(further, (*KINDS, *PAGES), None))
            except (Unreachable, SourceError) as error:
                whole = False
                yield Fetched(further, reason=str(error).removeprefix(f"{further}: "))
                continue
            pages += found.pages
        if waiting or len(pages) > MOST_PAGES:
            whole = False
            yield Fetched(uri, reason=f"only the first {MOST_PAGES} pages are read: name the other sitemaps one by one")
        urls = list(dict.fromkeys(map(as_address, pages[:MOST_PAGES])))
        self.expected += len(urls)
        for place, url in enumerate(urls):
            yield self._one(url, uri, pause=place > 0)
        if whole:
            self.listed[uri] = frozenset(urls)

    def _one(self, url: str, origin: str, pause: bool = False) -> Fetched:
        """Return what became of one page that is not named by a user just now."""
        try:
            self._answers(url)
            if origin and (refusal := self._robots.refusal(url)):
                return Fetched(url, reason=refusal, origin=origin)
            if pause:
                time.sleep(self._robots.pause(url))
            return replace(self._kept(url, self._page(url, PAGES)), origin=origin)
        except (Unreachable, SourceError) as error:
            missing = isinstance(error, Answered) and error.status in GONE
            return Fetched(url, reason=str(error).removeprefix(f"{url}: "), gone=missing, origin=origin)

    def _page(self, uri: str, kinds: tuple[str, ...]) -> Page:
        """Fetch a page, or learn that it is what the library has."""
        etag, modified, digest, kind = self.tags.get(uri) or ("", "", "", "")
        held = self.known.get(uri) == digest == as_read(digest.partition(".")[0])
        return self._fetched(uri, kinds, Page(uri, kind, b"", "", etag, modified) if held else None)

    def _fetched(self, url: str, kinds: tuple[str, ...], known: Page | None) -> Page:
        """Fetch a page unless its site is silent. Raises Unreachable."""
        site = self._answers(url)
        try:
            page = self.fetcher.fetch(url, kinds, known)
        except (Answered, Refused):
            self._silent[site] = 0
            raise
        except Unreachable:
            self._silent[site] = self._silent.get(site, 0) + 1
            raise
        self._silent[site] = 0
        return page

    def _answers(self, url: str) -> str:
        """Return the site of an address. Raises Unreachable where it has not answered for `PATIENCE` pages in a row."""
        site = urlsplit(url).netloc
        if self._silent.get(site, 0) >= PATIENCE:
            raise Unreachable(f"{url}: its site did not answer {PATIENCE} times in a row and was not asked again")
        return site

    def _kept(self, uri: str, page: Page) -> Fetched:
        if page.unchanged:
            return Fetched(uri, unchanged=True)
        self.count += 1
        path = stored(page, self.folder, self.count)
        self.tags.pop(uri, None)
        if page.etag or page.modified:
            digest = as_read(hashlib.sha256(path.read_bytes()).hexdigest())
            self.tags[uri] = [page.etag, page.modified, digest, page.kind]
        return Fetched(uri, path)


@contextmanager
def opened_pages(fetcher: Fetcher, data: Path, known: Mapping[str, str]) -> Iterator[Pages]:
    """Fetch pages for the time of a with block; their files are gone after it."""
    cache = data / CACHE
    with tempfile.TemporaryDirectory(prefix="candor-") as folder:
        pages = Pages(fetcher, Path(folder), known, {uri: row for uri, row in _tags(cache).items() if uri in known})
        try:
            yield pages
        finally:
            if pages.tags or cache.exists():
                with suppress(OSError):  # without it, pages are fetched once more
                    _write(cache, pages.tags)


def forget_pages(data: Path, uris: Collection[str]) -> None:
    """Leave nothing of these pages in what is kept of servers' answers. Raises OSError."""
    tags = _tags(data / CACHE)
    if not tags.keys().isdisjoint(uris):
        _write(data / CACHE, {uri: row for uri, row in tags.items() if uri not in uris})


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
