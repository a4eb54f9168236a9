"""Pages from the web, fetched so that a stranger's address cannot reach what only this machine can.

An address is looked up once, every place it stands for has to be public, and the connection goes to the place that was
checked, with TLS still verified against the name; each redirect is checked alike. Size, also unpacked, time, redirects
and kinds of content are bounded. No cookies, no passwords, no proxies.
"""

import ipaddress
import re
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from retrieval.tools.addresses import PORTS, Network, Refused, checked, is_public
from retrieval.types import Unreachable

if TYPE_CHECKING:
    import httpx2

Resolve = Callable[[str, int], Sequence[str]]

AGENT: Final = "candor"
HTML: Final = ("text/html", "application/xhtml+xml")
PAGES: Final = (*HTML, "text/plain", "text/markdown", "application/pdf")

TRANSIENT: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})  # the same as in `safety.retry`
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CUT: Final = 1 << 16  # bytes unpacked at a time


class Answered(Unreachable):
    """The server answered with another status than success; `transient` says that it may be another a little later."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
        self.transient = status in TRANSIENT


@dataclass(frozen=True, slots=True)
class PageLimits:
    """What a page may cost: seconds to connect, between pieces, and in all; bytes unpacked; redirects."""

    connect: float = 5.0
    read: float = 10.0
    whole: float = 20.0
    size: int = 5_000_000
    redirects: int = 3


@dataclass(frozen=True, slots=True)
class Page:
    """What an address holds: the `url` it was found at in the end, its media type, its bytes unpacked.

    `charset` is what the server says of the bytes; `etag` and `modified` serve to ask later whether it has changed.
    `unchanged` says that it has not: then there are no bytes.
    """

    url: str
    kind: str
    data: bytes = field(repr=False)
    charset: str = ""
    etag: str = ""
    modified: str = ""
    unchanged: bool = False


def resolve(host: str, port: int) -> list[str]:
    """Return all addresses that the system has for a host, in its order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


class Fetcher:
    """Fetches pages. Thread-safe.

    `allow` are networks that may be reached although they are not public, on any port; a redirect leads into them only
    from there. `resolver` looks up hosts. `trust` is what certificates are verified by.
    """

    def __init__(
        self,
        allow: Sequence[Network] = (),
        limits: PageLimits | None = None,
        resolver: Resolve = resolve,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.allow = tuple(allow)
        self.limits = limits or PageLimits()
        self._resolve = resolver
        self._trust = trust
        self._opening = threading.Lock()
        self._transport: httpx2.HTTPTransport | None = None

    def fetch(self, url: str, kinds: Sequence[str] = PAGES, known: Page | None = None) -> Page:
        """Return what stands at an address now, after at most `limits.redirects` redirects.

        `kinds` are the media types that are taken, empty for any. With `known`, an earlier page of this address, the
        server is asked whether it has changed. Raises Refused for what may not be fetched, Unreachable for what cannot.
        """
        call, answers = _Call(monotonic() + self.limits.whole), SimpleQueue[Page | BaseException]()

        def work() -> None:
            try:
                answers.put(self._followed(url, tuple(kinds), known, call))
            except BaseException as error:  # whatever it is, it is raised where the page is waited for
                answers.put(error)

        threading.Thread(target=work, name="fetch", daemon=True).start()
        try:
            answer = answers.get(timeout=self.limits.whole)
        except Empty:
            raise Unreachable(f"{url}: took more than {self.limits.whole:g} seconds") from None
        finally:
            call.cut()  # whoever still reads wakes up
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _followed(self, url: str, kinds: tuple[str, ...], known: Page | None, call: "_Call") -> Page:
        """Take the redirects, each checked like the first address."""
        import httpx2

        inside = True
        try:
            for _ in range(self.limits.redirects + 1):
                target = checked(url)
                places, special = self._places(target, inside)
                inside = inside and special
                with closing(self._opened(target, places, known, call)) as response:
                    if response.status_code in _REDIRECTS and "location" in response.headers:
                        url = str(target.join(response.headers["location"]))
                        continue
                    return self._page(target, response, kinds, known)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise Unreachable(f"{url}: cannot be fetched ({type(error).__name__})") from error
        raise Refused(f"{url}: more than {self.limits.redirects} redirects")

    def _places(self, url: "httpx2.URL", inside: bool) -> tuple[list[str], bool]:
        """Return the addresses of a host, and whether they are allowed ones. Raises Refused unless all may be reached.

        `inside` is whether the way here led through allowed networks alone.
        """
        host, port = url.raw_host.decode("ascii"), url.port or PORTS[url.scheme]
        try:
            places = [place.partition("%")[0] for place in self._resolve(host, port)]
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"{url}: the host {host!r} is not known ({error})") from error
        if not places:
            raise Unreachable(f"{url}: the host {host!r} has no address")
        if inside and self.allow and all(self._is_allowed(place) for place in places):
            return places, True
        for place in places:
            if not is_public(place):
                raise Refused(
                    f"{url}: leads to {place}, which is not public; the setting fetch_allow "
                    "lists networks that may be reached"
                )
        if port not in PORTS.values():
            raise Refused(f"{url}: the port {port} is not fetched from, only {' and '.join(map(str, PORTS.values()))}")
        return places, False

    def _is_allowed(self, place: str) -> bool:
        address = ipaddress.ip_address(place)
        return any(address.version == network.version and address in network for network in self.allow)

    def _opened(self, url: "httpx2.URL", places: Sequence[str], known: Page | None, call: "_Call") -> "httpx2.Response":
        """Ask for the page at the first of these addresses that takes a connection."""
        import httpx2

        headers = {
            "Host": url.netloc.decode("ascii"),
            "User-Agent": AGENT,
            "Accept": ", ".join((*PAGES, "*/*;q=0.1")),
            "Accept-Encoding": "gzip",
            "Connection": "close",
        }
        if known and known.etag:
            headers["If-None-Match"] = known.etag
        if known and known.modified:
            headers["If-Modified-Since"] = known.modified
        timeouts = {"connect": self.limits.connect, "read": self.limits.read, "write": self.limits.read, "pool": 5.0}
        extensions = {"timeout": timeouts, "sni_hostname": url.raw_host.decode("ascii"), "trace": call.trace}
        for place in places:
            request = httpx2.Request("GET", url.copy_with(host=place), headers=headers, extensions=extensions)
            try:
                return self._line().handle_request(request)
            except httpx2.ConnectError as error:
                failure: Exception = error
                if "certificate" in str(error).casefold():
                    raise Refused(f"{url}: its certificate cannot be trusted ({error})") from error
            except httpx2.ConnectTimeout as error:
                failure = error
            except httpx2.TransportError as error:
                raise Unreachable(f"{url}: {str(error) or type(error).__name__}") from error
        raise Unreachable(f"{url}: no connection ({str(failure) or type(failure).__name__})") from failure

    def _page(self, url: "httpx2.URL", response: "httpx2.Response", kinds: tuple[str, ...], known: Page | None) -> Page:
        status, headers = response.status_code, response.headers
        shown = str(url.copy_with(fragment=None))
        if status == 304 and known is not None:
            return Page(shown, known.kind, b"", known.charset, known.etag, known.modified, unchanged=True)
        if status != 200:
            raise Answered(f"{shown}: the server answers HTTP {status}", status)
        kind, charset = _content_type(headers.get("content-type", ""))
        if kinds and kind not in kinds:
            raise Refused(f"{shown}: holds {kind or 'an undeclared type'}, not {' or '.join(kinds)}")
        data = b"".join(self._unpacked(shown, response))
        return Page(shown, kind, data, charset, headers.get("etag", "")[:500], headers.get("last-modified", "")[:100])

    def _unpacked(self, url: str, response: "httpx2.Response") -> Iterator[bytes]:
        """Yield the body unpacked, a bounded piece at a time, up to the limit."""
        import httpx2

        encoding = response.headers.get("content-encoding", "identity").strip().casefold() or "identity"
        if encoding not in ("identity", "gzip", "x-gzip"):
            raise Refused(f"{url}: is packed as {encoding!r}, which was not asked for")
        if int(_digits(response.headers.get("content-length", ""))) > self.limits.size:
            raise Refused(f"{url}: more than the {self.limits.size} bytes allowed")
        inflate = zlib.decompressobj(31) if encoding != "identity" else None
        size = 0
        try:
            for chunk in response.iter_raw():
                for piece in _inflated(inflate, chunk) if inflate else (chunk,):
                    size += len(piece)
                    if size > self.limits.size:
                        raise Refused(f"{url}: more than the {self.limits.size} bytes allowed")
                    yield piece
        except httpx2.TransportError as error:
            raise Unreachable(f"{url}: broke off ({str(error) or type(error).__name__})") from error
        except zlib.error as error:
            raise Unreachable(f"{url}: is not packed as it says ({error})") from error
        if inflate and not inflate.eof:
            raise Unreachable(f"{url}: broke off")

    def _line(self) -> "httpx2.HTTPTransport":
        """The transport; no connection is kept, because one belongs to a name and not to an address."""
        import httpx2

        with self._opening:
            if self._transport is None:
                limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
                trust = self._trust or httpx2.create_ssl_context(trust_env=False)
                self._transport = httpx2.HTTPTransport(verify=trust, trust_env=False, limits=limits)
            return self._transport


def decoded(page: Page) -> bytes:
    """Return the bytes of a page in the encoding that its server named, as UTF-8; unchanged when it named none."""
    if not page.charset or page.data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return page.data
    try:
        return page.data.decode(page.charset).encode("utf-8", "replace")
    except (LookupError, UnicodeDecodeError):
        return page.data


class _Call:
    """The connection that a fetch waits for, so that another thread can cut it."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self._gone = False
        self._stream: Any = None

    def trace(self, name: str, info: Mapping[str, Any]) -> None:
        if name in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._stream = info["return_value"]
        if self._gone or monotonic() > self.deadline:
            self.cut()

    def cut(self) -> None:
        self._gone = True
        if self._stream is not None:
            with suppress(OSError, AttributeError):
                socket.socket.shutdown(self._stream.get_extra_info("socket"), socket.SHUT_RDWR)


def _inflated(inflate: "zlib._Decompress", chunk: bytes) -> Iterator[bytes]:
    while chunk:
        yield inflate.decompress(chunk, _CUT)
        chunk = inflate.unconsumed_tail


def _content_type(header: str) -> tuple[str, str]:
    """The media type of a header and its character set."""
    kind, _, rest = header.partition(";")
    charset = re.search(r"charset\s*=\s*[\"']?([\w.:-]{2,40})", rest, re.IGNORECASE)
    return kind.strip().casefold(), charset[1] if charset else ""


def _digits(text: str) -> str:
    return text if re.fullmatch(r"[0-9]{1,18}", text) else "0"
