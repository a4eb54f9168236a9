"""Addresses of model servers, read from what a user types."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from dialogue.models.server.protocol import CHAT, PLAIN
from dialogue.types import ModelError


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, whether plain completions are asked for, and the model ("": the server's first)."""

    url: str
    plain: bool
    model: str

    @property
    def here(self) -> bool:
        """Whether it is this machine."""
        return urlsplit(self.url).hostname in ("localhost", "127.0.0.1", "::1")


def read_address(spec: str) -> Address:
    """Read ``http(s)://HOST[:PORT][/PATH][#MODEL]``; a path that ends in /completions asks for plain completions.

    Without a path it is /v1. Raises ModelError, which shows nothing that may be a password.
    """
    try:
        parts = urlsplit(spec.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if not host or not all(" " < letter < "\x7f" for letter in parts.netloc + parts.path):
        raise ModelError("the address of the model server is not of the form http://HOST:PORT/v1#MODEL")
    if "@" in parts.netloc or parts.query:
        raise ModelError(
            f"the address of the model server at {host!r} holds a name, a password or a query: "
            "leave them out and put the key into CANDOR_API_KEY"
        )
    place = f"[{host}]" if ":" in host else host
    path = parts.path.rstrip("/") or "/v1"
    plain = path.endswith(PLAIN) and not path.endswith(CHAT)
    path = path.removesuffix(CHAT).removesuffix(PLAIN)
    url = f"{parts.scheme}://{place}{f':{port}' if port is not None else ''}{path}"
    return Address(url, plain, unquote(parts.fragment).strip())
