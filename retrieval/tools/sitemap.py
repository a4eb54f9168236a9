"""Sitemaps and robots.txt: which pages of a site there are, and which of them a crawler may fetch."""

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError, TreeBuilder, XMLParser

from retrieval.tools.fetch import AGENT, Answered, Fetcher, Page
from retrieval.types import SourceError, Unreachable

if TYPE_CHECKING:
    from protego import Protego

KINDS: Final = ("application/xml", "text/xml", "application/gzip", "application/x-gzip")
LARGEST: Final = 50_000_000  # bytes unpacked, as sitemaps.org has it
LONGEST_PAUSE: Final = 10.0  # seconds between pages that a site may ask for


@dataclass(frozen=True, slots=True)
class Sitemap:
    """The addresses in a sitemap: of pages, and of further sitemaps."""

    pages: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()


def is_sitemap(page: Page) -> bool:
    """Whether a page looks like a sitemap, packed or not."""
    return page.kind in KINDS or page.data.startswith(b"\x1f\x8b")


def read_sitemap(page: Page) -> Sitemap:
    """Return the addresses in a sitemap, those of other hosts left out. Raises SourceError when it is not a sitemap."""
    root = XMLParser(target=_Plain())
    try:
        root.feed(_unpacked(page))
        element = root.close()
    except (ParseError, ValueError, LookupError) as error:
        raise SourceError(f"{page.url}: is no sitemap ({error})") from None
    kind = element.tag.rpartition("}")[2]
    if kind not in ("urlset", "sitemapindex"):
        raise SourceError(f"{page.url}: is XML, but no sitemap")
    host = urlsplit(page.url).hostname
    found = [
        (child.text or "").strip()
        for entry in element
        for child in entry
        if child.tag.rpartition("}")[2] == "loc" and entry.tag.rpartition("}")[2] in ("url", "sitemap")
    ]
    own = tuple(dict.fromkeys(url for url in found if _host(url) == host))
    return Sitemap(pages=own) if kind == "urlset" else Sitemap(sitemaps=own)


@dataclass
class Robots:
    """What the robots.txt of each site says to us (RFC 9309). Fetched once per site."""

    fetcher: Fetcher
    _rules: "dict[str, Protego | str]" = field(default_factory=dict)  # or why they cannot be fetched

    def refusal(self, url: str) -> str:
        """Why a page may not be fetched, nothing where it may; rules that cannot be fetched forbid everything."""
        rules = self._of(url)
        if isinstance(rules, str):
            return f"its site cannot be asked what programs may fetch: {rules}"
        return "" if rules.can_fetch(url, AGENT) else "its site does not want it fetched by programs (robots.txt)"

    def pause(self, url: str) -> float:
        """Return the seconds that a site asks to wait between pages, at most `LONGEST_PAUSE`."""
        rules = self._of(url)
        return 0.0 if isinstance(rules, str) else min(float(rules.crawl_delay(AGENT) or 0.0), LONGEST_PAUSE)

    def _of(self, url: str) -> "Protego | str":
        from protego import Protego

        parts = urlsplit(url)
        site = f"{parts.scheme}://{parts.netloc}"
        if site not in self._rules:
            try:
                page = self.fetcher.fetch(f"{site}/robots.txt", kinds=())
                self._rules[site] = Protego.parse(page.data[:500_000].decode("utf-8", "replace"))
            except Answered as error:
                none = 400 <= error.status < 500 and not error.transient  # a busy server may have rules all the same
                self._rules[site] = Protego.parse("") if none else str(error)
            except Unreachable as error:
                self._rules[site] = str(error)
        return self._rules[site]


class _Plain(TreeBuilder):
    """A tree without a document type, and so without entities of its own."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it has a document type")


def _unpacked(page: Page) -> bytes:
    if not page.data.startswith(b"\x1f\x8b"):
        return page.data
    inflate = zlib.decompressobj(31)
    try:
        data = inflate.decompress(page.data, LARGEST)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not inflate.eof:
        raise ValueError("it is too large or broken off")
    return data


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
