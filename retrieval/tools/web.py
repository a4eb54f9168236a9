"""Tools over the web: a wiki or a search engine finds pages, and their passages are the evidence, under their address.

Nothing is asked unless a user names where. The query goes there, and to no other place.
"""

import json
import re
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from html import unescape
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote_plus, unquote, urljoin, urlsplit

from retrieval.index.memory import MemoryRetriever
from retrieval.passages import cut
from retrieval.sources import read_documents
from retrieval.text import clean
from retrieval.tools.addresses import EVERYWHERE, Refused, checked
from retrieval.tools.fetch import Fetcher, Page, PageLimits, decoded
from retrieval.tools.toolset import passage_id
from retrieval.types import Document, Embedder, Evidence, Passage, SourceError, Unreachable

PAGES_READ: Final = 3  # of those that were found
WAIT: Final = 10.0  # seconds for one answer while a user waits
LONGEST: Final = 300  # characters of a query
SUFFIXES: Final = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/plain": ".txt",
    "text/markdown": ".md",
    "application/pdf": ".pdf",
}
_HEAD: Final = 200_000  # bytes of a page in which its head is looked for
_LINK: Final = re.compile(rb"<link\b[^>]{1,3000}>", re.IGNORECASE)
_CANONICAL: Final = re.compile(rb"\brel\s*=\s*[\"']?canonical\b", re.IGNORECASE)
_HREF: Final = re.compile(rb"\bhref\s*=\s*[\"']?([^\"'\s>]{1,2000})", re.IGNORECASE)
_JSON: Final = ("application/json", "text/json")


@dataclass(frozen=True, slots=True)
class Hit:
    """A page that was found, and what the engine quotes of it."""

    url: str
    title: str
    snippet: str = ""


class Engine(Protocol):
    """Finds pages. `fetcher` reaches the engine itself, wherever the user has it."""

    @property
    def url(self) -> str: ...  # noqa: D102

    @property
    def fetcher(self) -> Fetcher: ...  # noqa: D102

    def find(self, query: str) -> list[Hit]:
        """Return pages for a query, best first. Raises Unreachable."""
        ...


def _own() -> Fetcher:
    """A fetcher for an address that the user has named, wherever that is; it is led nowhere else."""
    return Fetcher(EVERYWHERE, PageLimits(whole=WAIT, redirects=0))


@dataclass(frozen=True)
class MediaWiki:
    """A wiki that runs MediaWiki; `url` is that of its ``api.php``."""

    url: str
    fetcher: Fetcher = field(default_factory=_own, repr=False)

    def find(self, query: str) -> list[Hit]:
        """Return the pages of the wiki for a query, best first. Raises Unreachable."""
        parameters = "action=query&generator=search&prop=info&inprop=url&format=json&formatversion=2"
        answer = _get_json(self, f"{self.url}?{parameters}&gsrlimit={PAGES_READ}&gsrsearch={quote_plus(query)}")
        found = answer.get("query", {}).get("pages", []) if isinstance(answer.get("query", {}), dict) else []
        pages = [page for page in found if isinstance(page, dict)] if isinstance(found, list) else []
        pages.sort(key=lambda page: page["index"] if isinstance(page.get("index"), int) else len(pages))
        return [Hit(clean(str(page.get("fullurl", ""))), clean(str(page.get("title", "")))) for page in pages]


@dataclass(frozen=True)
class SearXNG:
    """A SearXNG, whose settings have to allow the format ``json``; `url` is that of its front page."""

    url: str
    fetcher: Fetcher = field(default_factory=_own, repr=False)

    def find(self, query: str) -> list[Hit]:
        """Return the pages of the web for a query, best first. Raises Unreachable."""
        answer = _get_json(self, f"{self.url.rstrip('/')}/search?format=json&q={quote_plus(query)}")
        found = answer.get("results", [])
        rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
        return [Hit(*(clean(str(row.get(key) or "")) for key in ("url", "title", "content"))) for row in rows]


@dataclass(frozen=True)
class Web:
    """A Tool that reads the pages an engine finds; passages come best first. `fetcher` is for pages of strangers."""

    engine: Engine
    fetcher: Fetcher
    embedder: Embedder
    depth: int = 12

    def look_up(self, query: str) -> Sequence[Evidence]:
        """Return passages for the query under the addresses of their pages.

        Raises Unreachable when the engine is not there.
        """
        words = " ".join(clean(query).split())[:LONGEST].strip()
        if not words:
            return ()
        hits = self.engine.find(words)[:PAGES_READ]
        with ThreadPoolExecutor(max_workers=PAGES_READ) as pool:
            passages = [passage for found in pool.map(self._passages, hits) for passage in found]
        numbered = {passage_id(p.source, p.text, p.start): p for p in passages}
        known = [replace(passage, id=number, kind="page") for number, passage in numbered.items()]
        return MemoryRetriever(known, self.embedder).search([words], self.depth) if known else ()

    def _passages(self, hit: Hit) -> list[Passage]:
        """Return the passages of a page; when it cannot be read, what the engine quotes of it."""
        try:
            own = urlsplit(plain_address(hit.url))[:2] == urlsplit(self.engine.url)[:2]
            page = (self.engine.fetcher if own else self.fetcher).fetch(hit.url)
            return cut(read_page(page, hit.url))
        except (Unreachable, SourceError):
            text = " ".join(clean(unescape(re.sub(r"<[^>]*>", "", hit.snippet))).split())
            try:
                source = plain_address(hit.url)
            except Refused:
                return []
            return [Passage(0, text, source, hit.title or source, (), 0, len(text))] if text else []


def plain_address(url: str) -> str:
    """Return the form in which an address names a page: as it is fetched, without a fragment. Raises Refused."""
    return str(checked(url).copy_with(fragment=None))


def canonical_address(page: Page) -> str:
    """Return the address that a page calls its own, where that is one of its site, else the one it was found at."""
    found = plain_address(page.url)
    for link in _LINK.findall(page.data[:_HEAD]):
        named = _HREF.search(link) if _CANONICAL.search(link) else None
        if named is None:
            continue
        try:
            own = plain_address(urljoin(found, unescape(named[1].decode("utf-8", "replace"))))
        except (Refused, ValueError):
            continue
        at_root = urlsplit(own).path in ("", "/") and urlsplit(found).path not in ("", "/")  # a mistake of many sites
        if urlsplit(own).netloc == urlsplit(found).netloc and not at_root:
            return own
    return found


def read_page(page: Page, url: str = "") -> Document:
    """Return a fetched page as a document whose source is its `url`, by default the one it was found at in the end.

    Raises SourceError for what holds no text or is of another kind.
    """
    name = plain_address(url or page.url)
    with tempfile.TemporaryDirectory(prefix="candor-") as folder:
        path = stored(page, Path(folder))
        try:
            return replace(next(iter(read_documents(path, name))), source=name)
        except SourceError as error:
            raise SourceError(f"{name}: {str(error).removeprefix(f'{path}: ')}") from None


def stored(page: Page, folder: Path, number: int = 0) -> Path:
    """Write a page into a folder under a name that tells its kind, and return its path. Raises SourceError."""
    suffix = SUFFIXES.get(page.kind)
    if suffix is None:
        raise SourceError(f"{page.url}: cannot read {page.kind or 'what is of no kind'}")
    last = unquote(urlsplit(page.url).path.rstrip("/").rpartition("/")[2]) or str(urlsplit(page.url).hostname)
    stem = re.sub(r"[^\w -]+", "_", last.rsplit(".", 1)[0])[:60].strip(" _") or "page"
    inside = folder / str(number)
    inside.mkdir(parents=True, exist_ok=True)
    path = inside / f"{stem}{suffix}"
    path.write_bytes(decoded(page) if suffix != ".pdf" else page.data)
    return path


def _get_json(engine: Engine, url: str) -> dict[str, Any]:
    """GET one JSON object of an engine."""
    page = engine.fetcher.fetch(url, kinds=())
    try:
        answer = json.loads(page.data)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or (page.kind not in _JSON and "error" in answer):
        raise Unreachable(
            f"{engine.url}: does not answer with a JSON object; check the address, and that JSON is allowed"
        )
    return answer
