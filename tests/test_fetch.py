"""The fetcher: what it refuses, what it bounds, and that it connects to the address that it checked."""

import contextlib
import gzip
import shutil
import ssl
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_server import Answer, PageServer, page_server

from retrieval.tools import fetch
from retrieval.tools.addresses import Refused, checked, is_public, read_networks
from retrieval.tools.fetch import Answered, Fetcher, PageLimits, decoded
from retrieval.types import Unreachable
from safety import retry

HERE = read_networks("127.0.0.1/32")
PUBLIC = "93.184.216.34"


@pytest.fixture
def server() -> Iterator[PageServer]:
    with page_server() as server:
        yield server


def leading(*places: str) -> Fetcher:
    """A fetcher for which every host has these addresses; nothing is allowed."""
    return Fetcher(resolver=lambda host, port: list(places))


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "240.0.0.1"),
        *("100.64.0.1", "100.100.100.200", "198.18.0.1", "192.0.0.8", "168.63.129.16", "224.0.0.1", "255.255.255.255"),
        *("192.0.2.1", "203.0.113.5", "::1", "::", "fc00::1", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1", "100::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "2002:7f00:1::", "2002:a00:1::1", "64:ff9b::7f00:1"),
        *("64:ff9b:1::a00:1", "64:ff9b::a9fe:a9fe", "2001:0:53aa:64c::1", "no address", ""),
    ],
)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(Unreachable):
        leading(address).fetch("http://site.example/")
    with pytest.raises(Refused, match="not public"):
        leading(PUBLIC, address).fetch("http://site.example/")  # one bad address among good ones is enough


@pytest.mark.parametrize("address", ["8.8.8.8", PUBLIC, "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_what_is_public_is_not(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="127.0.0.0/8"))
def test_a_private_address_is_refused_in_every_wrapping(address: object) -> None:
    number = int(address)  # type: ignore[call-overload]
    high, low = number >> 16, number & 0xFFFF
    for wrapped in (f"::ffff:{address}", f"2002:{high:x}:{low:x}::1", f"64:ff9b::{high:x}:{low:x}", f"::{address}"):
        assert not is_public(wrapped)


@pytest.mark.parametrize(
    "host", ["127.1", "0177.0.0.1", "2130706433", "0x7f000001", "0x7f.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_a_host_that_the_system_takes_for_this_machine_is_refused(host: str) -> None:
    with pytest.raises(Unreachable, match=r"not public|not known|no address"):
        Fetcher().fetch(f"http://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        *("http://evil.example\\@127.0.0.1/", "http://127.0.0.1@evil.example/", "http://user:pw@evil.example/"),
        *("http:///127.0.0.1/", "http://①②⑦.0.0.1/", "file:///etc/passwd", "ftp://site.example/", "gopher://x/"),
        *("//site.example/", "site.example", "", " http://site.example/", "http://site.example/\r\nHost: x", "http://"),
        *("http://site.example:99999/", "http://a b/", "http://[fe80::1%25eth0]/", "javascript:alert(1)", "http://@x/"),
        *("http://" + "a" * 5000, "http://x\x00y/", "data:text/html,x", "jar:http://site.example/!/"),
    ],
)
def test_an_address_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        leading(PUBLIC).fetch(url)


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(Refused) as caught:
        leading(PUBLIC).fetch("http://me:secret@site.example/")
    assert "secret" not in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    with contextlib.suppress(Refused):
        assert checked(text).scheme in ("http", "https")


def test_an_odd_port_is_refused_unless_its_network_is_allowed(server: PageServer) -> None:
    server.page("/", "<p>Here.</p>")
    with pytest.raises(Refused, match="the port 8080"):
        leading(PUBLIC).fetch("http://site.example:8080/")
    with pytest.raises(Refused, match=r"127.0.0.1, which is not public; the setting fetch_allow"):
        Fetcher().fetch(server.url())
    page = Fetcher(HERE).fetch(server.url("/#top"))
    assert (page.url, page.kind, page.data, page.charset) == (server.url(), "text/html", b"<p>Here.</p>", "utf-8")


def test_the_connection_goes_to_the_address_that_was_checked(server: PageServer) -> None:
    server.page("/", "<p>Here.</p>")
    looked_up: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.1"] if len(looked_up) == 1 else ["127.0.0.2"]

    page = Fetcher(HERE, resolver=rebinding).fetch(server.url(host="site.example"))
    assert page.data == b"<p>Here.</p>"
    assert looked_up == ["site.example"]
    [(_, headers)] = server.asked
    assert headers["host"] == f"site.example:{server.port}"
    assert headers["user-agent"] == "candor"
    assert not {"cookie", "authorization"} & headers.keys()


def test_environment_proxies_are_not_used(server: PageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.page("/", "<p>Here.</p>")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert Fetcher(HERE).fetch(server.url()).data


def test_a_redirect_is_followed_and_checked_like_the_first_address(server: PageServer) -> None:
    server.page("/new", "<p>Moved.</p>")
    server.pages["/old"] = Answer(status=302, headers={"Location": "/new", "Set-Cookie": "a=b"})
    assert Fetcher(HERE).fetch(server.url("/old")).url == server.url("/new")
    assert "cookie" not in server.asked[-1][1]
    for target in ("http://169.254.169.254/", "http://10.0.0.1/", "http://[::1]/", "file:///etc/passwd", "//x@y/"):
        server.pages["/away"] = Answer(status=301, headers={"Location": target})
        with pytest.raises(Refused):
            Fetcher(HERE).fetch(server.url("/away"))


def test_a_redirect_from_outside_leads_into_no_allowed_network(server: PageServer) -> None:
    """What is allowed to the user is not allowed to a stranger's page; the stranger here is an address called
    public."""
    server.pages["/away"] = Answer(status=302, headers={"Location": server.url("/secret")})
    server.page("/secret", "<p>Secret.</p>")
    fetcher = Fetcher(HERE)
    _, inside = fetcher._places(checked("http://93.184.216.34/"), True)
    assert not inside
    with pytest.raises(Refused, match="not public"):
        fetcher._places(checked(server.url("/secret")), inside)


def test_redirects_are_counted(server: PageServer) -> None:
    for place in range(9):
        server.pages[f"/{place}"] = Answer(status=307, headers={"Location": f"/{place + 1}"})
    with pytest.raises(Refused, match="more than 3 redirects"):
        Fetcher(HERE).fetch(server.url("/0"))
    assert server.paths() == ["/0", "/1", "/2", "/3"]


def test_what_is_too_large_is_refused_packed_or_not(server: PageServer) -> None:
    fetcher = Fetcher(HERE, PageLimits(size=10_000))
    bomb = gzip.compress(bytes(30_000_000))
    assert len(bomb) < 40_000
    server.page("/fits", "x" * 10_000)
    server.page("/plain", "x" * 10_001)
    server.pages["/untold"] = Answer(slow=(b"x" * 6_000,) * 2)
    server.pages["/bomb"] = Answer(bomb, headers={"Content-Encoding": "gzip"})
    server.pages["/slow-bomb"] = Answer(
        slow=tuple(bomb[i : i + 5000] for i in range(0, len(bomb), 5000)), headers={"Content-Encoding": "gzip"}
    )
    assert len(fetcher.fetch(server.url("/fits")).data) == 10_000
    for path in ("/plain", "/untold", "/bomb", "/slow-bomb"):
        with pytest.raises(Refused, match="more than the 10000 bytes allowed"):
            fetcher.fetch(server.url(path))


def test_packed_pages_are_unpacked(server: PageServer) -> None:
    server.pages["/gzip"] = Answer(gzip.compress(b"<p>Packed.</p>"), headers={"Content-Encoding": "gzip"})
    server.pages["/cut"] = Answer(gzip.compress(b"<p>Packed.</p>")[:-9], headers={"Content-Encoding": "gzip"})
    server.pages["/wrong"] = Answer(b"<p>Packed.</p>", headers={"Content-Encoding": "gzip"})
    server.pages["/other"] = Answer(zlib.compress(b"x"), headers={"Content-Encoding": "br"})
    assert Fetcher(HERE).fetch(server.url("/gzip")).data == b"<p>Packed.</p>"
    for path, message in (("/cut", "broke off"), ("/wrong", "not packed as it says"), ("/other", "packed as 'br'")):
        with pytest.raises(Unreachable, match=message):
            Fetcher(HERE).fetch(server.url(path))


def test_time_is_bounded_in_all(server: PageServer) -> None:
    server.pages["/drip"] = Answer(slow=(b"x",) * 1000, pause=0.05)
    server.pages["/silent"] = Answer(slow=(b"x",), pause=150.0)
    for path, limits in (("/drip", PageLimits(read=5, whole=0.4)), ("/silent", PageLimits(read=0.2, whole=10))):
        with pytest.raises(Unreachable):
            Fetcher(HERE, limits).fetch(server.url(path))


def test_other_kinds_and_failures_are_told(server: PageServer) -> None:
    server.pages["/film"] = Answer(b"...", kind="video/mp4")
    server.pages["/untold"] = Answer(b"...", kind="")
    server.pages["/broken"] = Answer(b"down", 503)
    with pytest.raises(Refused, match="holds video/mp4, not text/html"):
        Fetcher(HERE).fetch(server.url("/film"))
    with pytest.raises(Refused, match="holds an undeclared type"):
        Fetcher(HERE).fetch(server.url("/untold"))
    with pytest.raises(Unreachable, match="HTTP 503"):
        Fetcher(HERE).fetch(server.url("/broken"))
    with pytest.raises(Unreachable, match="HTTP 404"):
        Fetcher(HERE).fetch(server.url("/none"))
    assert Fetcher(HERE).fetch(server.url("/film"), kinds=()).data == b"..."


def test_a_server_that_is_not_there_and_a_host_that_is_not_known_are_told() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    with pytest.raises(Unreachable, match="no connection"):
        Fetcher(HERE).fetch("http://127.0.0.1:1/")
    with pytest.raises(Unreachable, match=r"'site.example' is not known"):
        Fetcher(resolver=unknown).fetch("http://site.example/")


def test_a_redirect_to_what_is_no_address_is_told(server: PageServer) -> None:
    server.pages["/"] = Answer(b"", 302, {"Location": "http://site.example:port/"})
    with pytest.raises(Unreachable, match="cannot be fetched"):
        Fetcher(HERE).fetch(server.url())


@pytest.mark.parametrize("mistake", [KeyError("site.example"), AssertionError("never"), AttributeError("none")])
def test_a_mistake_of_ours_is_not_taken_for_one_of_the_network(mistake: Exception) -> None:
    def broken(host: str, port: int) -> list[str]:
        raise mistake

    with pytest.raises(type(mistake)) as caught:
        Fetcher(resolver=broken).fetch("http://site.example/")
    assert caught.value is mistake


def test_every_package_takes_the_same_statuses_for_passing() -> None:
    assert fetch.TRANSIENT == retry.TRANSIENT
    assert Answered("", 409).transient
    assert not Answered("", 404).transient


def test_an_unchanged_page_is_not_sent_again(server: PageServer) -> None:
    def page(headers: dict[str, str]) -> Answer:
        if headers.get("if-none-match") == '"1"':
            return Answer(status=304)
        return Answer(b"<p>One.</p>", headers={"ETag": '"1"', "Last-Modified": "Sat, 21 Nov 2026 10:00:00 GMT"})

    server.pages["/"] = page
    first = Fetcher(HERE).fetch(server.url())
    again = Fetcher(HERE).fetch(server.url(), known=first)
    assert (first.unchanged, again.unchanged, again.data) == (False, True, b"")
    assert (again.etag, again.modified) == (first.etag, first.modified) == ('"1"', "Sat, 21 Nov 2026 10:00:00 GMT")
    assert server.asked[-1][1]["if-modified-since"] == first.modified


def test_the_character_set_of_the_header_is_heeded(server: PageServer) -> None:
    server.pages["/"] = Answer("<p>Größe</p>".encode("latin-1"), kind="text/html; charset=ISO-8859-1")
    server.pages["/wrong"] = Answer("<p>Größe</p>".encode(), kind='text/html; charset="no-such"')
    assert decoded(Fetcher(HERE).fetch(server.url())) == "<p>Größe</p>".encode()
    assert decoded(Fetcher(HERE).fetch(server.url("/wrong"))) == "<p>Größe</p>".encode()


def test_the_certificate_has_to_be_the_names(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=site.example"
    made = ["-addext", "subjectAltName=DNS:site.example", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *made], check=True, capture_output=True)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate, key)
    trust = ssl.create_default_context(cafile=str(certificate))
    with page_server(served) as server:
        server.page("/", "<p>Safe.</p>")
        fetcher = Fetcher(HERE, resolver=lambda host, port: ["127.0.0.1"], trust=trust)
        assert fetcher.fetch(f"https://site.example:{server.port}/").data == b"<p>Safe.</p>"
        for host, who in (
            ("other.example", fetcher),
            ("site.example", Fetcher(HERE, resolver=lambda host, port: ["127.0.0.1"])),
        ):
            with pytest.raises(Refused, match="certificate cannot be trusted"):
                who.fetch(f"https://{host}:{server.port}/")


def test_a_network_that_is_none_is_named() -> None:
    assert len(read_networks("127.0.0.1/32, 10.0.0.0/8\n::1/128")) == 3
    assert read_networks("") == ()
    with pytest.raises(ValueError, match="'everything' is no network"):
        read_networks("127.0.0.1/32 everything")
