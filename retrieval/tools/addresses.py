"""Which addresses on the web may be fetched from: their form, and whether what they stand for is public."""

import ipaddress
import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Final

from retrieval.types import Unreachable

if TYPE_CHECKING:
    import httpx2

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

EVERYWHERE: Final[tuple[Network, ...]] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
PORTS: Final = {"http": 80, "https": 443}
LONGEST: Final = 4000  # characters of an address

_METADATA: Final = frozenset(
    {IPv4Address("168.63.129.16"), IPv4Address("100.100.100.200")}
)  # globally routed, not public
_SPECIAL: Final = tuple(  # what the standard library of some versions takes for public
    ipaddress.ip_network(text)
    for text in (
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "240.0.0.0/4",
        "::/96",
        "fec0::/10",
        "64:ff9b:1::/48",
    )
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


class Refused(Unreachable):
    """An address that is not fetched, or an answer that is not taken, whatever the state of its server."""


def read_networks(text: str) -> tuple[Network, ...]:
    """Read networks such as ``127.0.0.1/32, 10.1.0.0/16``. Raises ValueError naming the one that is not a network."""
    found: list[Network] = []
    for part in filter(None, re.split(r"[\s,]+", text)):
        try:
            found.append(ipaddress.ip_network(part))
        except ValueError:
            raise ValueError(f"{part!r} is no network: write one as 127.0.0.1/32") from None
    return tuple(found)


def is_public(text: str) -> bool:
    """Whether an address is of the public internet, whatever it is wrapped in. False when it is not an address."""
    try:
        address: Address = ipaddress.ip_address(text)
    except ValueError:
        return False
    inner = _unwrapped(address)
    if inner is not None:
        return is_public(str(inner))
    special = any(address in network for network in _SPECIAL) or address in _METADATA
    local = address.is_private or address.is_loopback or address.is_link_local or address.is_unspecified
    return address.is_global and not (special or local or address.is_multicast or address.is_reserved)


def _unwrapped(address: Address) -> IPv4Address | None:
    """The address of version 4 that one of version 6 leads to: mapped, 6to4, Teredo, NAT64."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    if address.teredo:
        return IPv4Address("127.0.0.1")  # a tunnel through a stranger's server is no public place
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


def checked(text: str) -> "httpx2.URL":
    """Return an address as the client reads it. Raises Refused for one that is malformed or not to be fetched."""
    import httpx2

    shown = text[:200]
    if len(text) > LONGEST or not re.fullmatch(r"[^\s\\\x00-\x20\x7f]+", text):
        raise Refused(f"{shown!r}: is no address of a page")
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError, UnicodeError) as error:
        raise Refused(f"{shown!r}: is no address of a page ({error})") from error
    if url.userinfo or "@" in text.partition("://")[2].partition("/")[0]:
        host = url.host
        raise Refused(f"the address at {host!r} holds a name or a password: leave it out")
    if url.scheme not in PORTS:
        raise Refused(f"{shown}: only http and https are fetched, not {url.scheme!r}")
    if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9a-fA-F:.]+", url.raw_host.decode("ascii")):
        raise Refused(f"{shown}: {url.host!r} is no host")
    if url.port is not None and not 0 < url.port < 65536:
        raise Refused(f"{shown}: there is no port {url.port}")
    return url
