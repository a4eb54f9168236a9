"""One HTTP answer read into JSON objects: its status, its errors, its event stream, all bounded.

Knows nothing of connections or of what the objects mean.
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from dialogue.types import ModelError, Unavailable
from safety.retry import TRANSIENT, retry_after

if TYPE_CHECKING:
    import httpx2

DONE: Final[dict[str, Any]] = {}  # what `objects` yields where the server said that nothing is missing
_ERROR_BYTES: Final = 1 << 16


class Rejected(ModelError):
    """The server is well but does not take the request: a status from 400 on.

    `words` are the server's own words, to learn from and not to show: they may hold what was sent.
    """

    def __init__(self, message: str, status: int, words: str) -> None:
        super().__init__(message)
        self.status = status
        self.words = words


class Transient(Unavailable):
    """A failure that may pass; `wait` are the seconds that the server asks for."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class Reader:
    """Reads the answers of the server called `name`, up to `size` bytes each, and never quotes `key`."""

    def __init__(self, name: str, key: str, size: int) -> None:
        self._name = name
        self._key = key
        self._size = size

    def objects(self, response: "httpx2.Response") -> Iterator[dict[str, Any]]:
        """Yield the JSON objects of an answer as they come, then DONE if it is whole.

        Raises Transient for what may be tried again, Rejected, and ModelError when it is not such a server.
        """
        self._check(response)
        if "event-stream" in response.headers.get("content-type", ""):
            yield from self._events(response)
        else:
            data = self._object(b"".join(self._chunks(response)), response)
            self._raise_error(data)
            yield data
            yield DONE

    def _check(self, response: "httpx2.Response") -> None:
        """Raise for every status but success."""
        status = response.status_code
        if status < 300 and response.headers.get("content-encoding", "identity") == "identity":
            return
        if status < 300:
            raise ModelError(f"{self._name} compresses its answers unasked: turn that off")
        if status < 400:
            host = urlsplit(response.headers.get("location", "")).hostname
            raise ModelError(f"{self._name} redirects to {host!r}, which is not followed: name the final address")
        if status in (401, 403):
            raise ModelError(f"{self._name} refuses the key (HTTP {status}): set CANDOR_API_KEY to one that it accepts")
        text = b"".join(self._chunks(response, _ERROR_BYTES)).decode("utf-8", "replace")
        words = message_of(text)
        quoted = self._quoted(words)
        if status in TRANSIENT:
            wait = retry_after(response.headers.get("retry-after", ""))
            later = f", and asks to wait {wait:.0f} s" if wait else ""
            raise Transient(f"{self._name} answers HTTP {status}{later}: {quoted or 'see its log'}", wait)
        what = quoted or "check the address, which mostly ends in /v1"
        raise Rejected(f"{self._name} rejects the request (HTTP {status}): {what}", status, words)

    def _events(self, response: "httpx2.Response") -> Iterator[dict[str, Any]]:
        rest = b""
        for chunk in self._chunks(response):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                name, _, value = line.strip().partition(b":")
                if name != b"data":
                    continue
                if value.strip() == b"[DONE]":
                    yield DONE
                    return
                data = self._object(value, response)
                self._raise_error(data)
                yield data

    def _raise_error(self, data: dict[str, Any]) -> None:
        """Raise the error that a server tells in an answer that began well."""
        error = data.get("error")
        if not error:
            return
        words = message_of(json.dumps(data))
        quoted = self._quoted(words)
        code = error.get("code") if isinstance(error, dict) else None
        if isinstance(code, int) and 400 <= code < 500 and code not in TRANSIENT:
            raise Rejected(f"{self._name} rejects the request: {quoted}", code, words)
        raise Transient(f"{self._name} failed while it answered: {quoted}")

    def _chunks(self, response: "httpx2.Response", most: int | None = None) -> Iterator[bytes]:
        """Yield the raw body, up to `most` bytes; without it, more than the limit is an error."""
        size = 0
        for chunk in response.iter_raw():
            size += len(chunk)
            if most is not None and size >= most:
                return
            if size > self._size:
                raise ModelError(f"{self._name} sends more than {self._size:,} bytes: check that it is a model server")
            yield chunk

    def _object(self, body: bytes, response: "httpx2.Response") -> dict[str, Any]:
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            kind = self._quoted(response.headers.get("content-type", "no type"))
            raise ModelError(
                f"{self._name} does not answer with a JSON object ({kind}): check that the address is that of an "
                "OpenAI-compatible server; it mostly ends in /v1"
            )
        return data

    def _quoted(self, text: str) -> str:
        """The beginning of a server's words as one plain line, without the key."""
        text = text.replace(self._key, "…") if self._key else text
        text = " ".join("".join(c if c.isprintable() else " " for c in text[:2000]).split())
        return text[:297] + "…" if len(text) > 300 else text


def message_of(text: str) -> str:
    """Return the message in an error body, whichever of the usual shapes it has; HTML pages have none."""
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError):
        return "" if text.lstrip().startswith("<") else text
    if isinstance(data, list) and data and isinstance(data[0], dict) and "error" in data[0]:
        data = data[0]
    for key in ("error", "message", "detail"):
        if isinstance(data, dict) and key in data:
            data = data[key]
    if isinstance(data, list):  # fields that did not pass a check
        return "; ".join(f"{item.get('loc')} {item.get('msg')}" for item in data if isinstance(item, dict))
    return data if isinstance(data, str) else text
