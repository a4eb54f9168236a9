"""Requests to one HTTP server of JSON: many at once, each retried, bounded, watched and abortable.

Knows nothing of prompts, drafts or what the answers mean. The API key goes into one header and nowhere else.
"""

import json
import random
import re
import socket
import threading
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Final

import httpx2

from dialogue.models.server.circuit import Circuit
from dialogue.models.server.wire import DONE, Reader, Transient
from dialogue.types import ModelError, Unavailable

TICK: Final = 0.25  # seconds after which a waiting caller gets a turn, to go on or to stop


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What a server gets: seconds to connect, to begin an answer, between its pieces, and for all of a call's
    requests; tries per request and seconds before the second; requests at once; bytes per answer; and the
    failures in a row after which it is left alone for `cooldown` seconds.
    """

    connect: float = 5.0
    first: float = 60.0
    between: float = 30.0
    whole: float = 120.0
    tries: int = 3
    backoff: float = 0.5
    parallel: int = 16
    size: int = 1 << 23
    failures: int = 3
    cooldown: float = 30.0


class Silent(Unavailable):
    """The server took the request and did not answer in time."""


@dataclass(frozen=True, slots=True)
class Request:
    """A path under the server's URL and a JSON body; without a body it is a GET."""

    path: str
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """One JSON object of the answer to request `number`: a streamed event, or the whole body."""

    number: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class End:
    """The end of the answer to request `number`. `whole`: the server said that nothing is missing."""

    number: int
    error: ModelError | None = None
    whole: bool = True


class Server:
    """An HTTP server of JSON under `url`. Environment proxies are not used and no redirect is followed."""

    def __init__(self, url: str, api_key: str = "", limits: ServerLimits | None = None) -> None:
        self.url = url
        self.limits = limits or ServerLimits()
        if not re.fullmatch(r"[!-~]*", api_key):
            raise ModelError("the API key holds characters that no header can carry: set CANDOR_API_KEY again")
        silence = max(self.limits.first, self.limits.between) + 5  # `_watch` comes first
        self._client = httpx2.Client(
            headers={"Accept-Encoding": "identity", "User-Agent": "candor"}
            | ({"Authorization": f"Bearer {api_key}"} if api_key else {}),
            timeout=httpx2.Timeout(silence, connect=self.limits.connect),
            # every request has a connection of its own, so that one can be cut without the others
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
            trust_env=False,
            follow_redirects=False,
        )
        self._reader = Reader(str(self), api_key, self.limits.size)
        self._circuit = Circuit(self.limits.failures, self.limits.cooldown)

    @property
    def resting(self) -> bool:
        """Whether it failed so often that it is left alone for a while."""
        return self._circuit.resting

    def ask(self, requests: Sequence[Request], seconds: float | None = None) -> Generator[Piece | End | None]:
        """Yield the answers in pieces as they come and an End for each request; None when nothing came for a tick.

        `seconds` bounds it all (default: the limit `whole`). Closing it cuts every connection at once. What the
        network and the server do wrong is in an End; raises Unavailable at once while the circuit is open.
        """
        wait = self._circuit.enter()
        if wait:
            raise Unavailable(f"{self} failed {self.limits.failures} times in a row and is left alone for {wait:.0f} s")
        deadline = monotonic() + (self.limits.whole if seconds is None else seconds)
        calls = [_Call(number, request) for number, request in enumerate(requests)]
        open_calls = dict(enumerate(calls))
        waiting, events = deque(calls), SimpleQueue[Piece | End | Exception]()
        worked: bool | None = None
        try:
            for _ in range(min(self.limits.parallel, len(calls))):
                threading.Thread(target=self._work, args=(waiting, events, deadline), name="ask", daemon=True).start()
            while open_calls:
                event = _next(events)
                if isinstance(event, Exception):
                    raise event
                if event is not None and event.number in open_calls:
                    if isinstance(event, End):
                        del open_calls[event.number]
                        worked = worked or not isinstance(event.error, Unavailable)
                    else:
                        worked = True
                    yield event
                elif event is None:
                    yield None
                for late in self._watch(list(open_calls.values()), deadline):
                    del open_calls[late.number]
                    worked = worked or False
                    yield late
        finally:
            self._circuit.settle(worked)
            waiting.clear()
            for call in calls:
                call.abort()

    def fetch(self, path: str, seconds: float) -> dict[str, Any]:
        """GET one JSON object. Raises ModelError."""
        found: dict[str, Any] = {}
        for event in self.ask([Request(path)], seconds):
            if isinstance(event, Piece):
                found = event.data
            elif isinstance(event, End) and event.error is not None:
                raise event.error
        return found

    def __str__(self) -> str:
        return f"the model server {self.url}"

    def _watch(self, calls: "Sequence[_Call]", deadline: float) -> Iterator[End]:
        """End the calls whose time is over."""
        now = monotonic()
        for call in calls:
            limit = self.limits.between if call.answered else self.limits.first
            if now > deadline:
                why = f"{self} was not done in time: ask for fewer drafts, or allow more seconds with CANDOR_TIMEOUT"
            elif call.since is not None and now - call.since > limit:
                why = f"{self} has sent nothing for {limit:.0f} s: see what it is busy with, or restart it"
            else:
                continue
            call.abort()
            yield End(call.number, Silent(why), whole=False)

    def _work(self, waiting: "deque[_Call]", events: "SimpleQueue[Piece | End | Exception]", deadline: float) -> None:
        with suppress(IndexError):  # the line is empty
            while True:
                call = waiting.popleft()
                try:
                    self._take(call, events, deadline)
                except Exception as error:  # a mistake of ours, which is to end the turn and not the thread alone
                    if not call.gone.is_set():  # a connection cut while it was read fails in ways of its own
                        events.put(error)

    def _take(self, call: "_Call", events: "SimpleQueue[Piece | End | Exception]", deadline: float) -> None:
        """Put the answer into `events`, tried again while nothing of it came."""
        for attempt in range(self.limits.tries):
            call.since = monotonic()
            try:
                whole = False
                for data in self._answer(call):
                    call.since, call.answered, whole = monotonic(), True, data is DONE
                    if not whole:
                        events.put(Piece(call.number, data))
                events.put(End(call.number, whole=whole))
                return
            except ModelError as error:
                failure = error
            call.since = None
            pause = self.limits.backoff * 2**attempt * random.uniform(0.5, 1.0)
            pause = max(pause, failure.wait if isinstance(failure, Transient) else 0.0)
            last = attempt + 1 == self.limits.tries or monotonic() + pause > deadline
            if call.answered or last or not isinstance(failure, Transient):
                events.put(End(call.number, failure, whole=False))
                return
            if call.gone.wait(pause):
                return

    def _answer(self, call: "_Call") -> Iterator[dict[str, Any]]:
        body = call.request.body
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        headers = {} if body is None else {"Content-Type": "application/json"}
        method, url = "GET" if body is None else "POST", f"{self.url}{call.request.path}"
        try:
            with self._client.stream(
                method, url, content=content, headers=headers, extensions={"trace": call.trace}
            ) as response:
                yield from self._reader.objects(response)
        except httpx2.TimeoutException as error:
            raise Transient(f"{self} does not answer ({_reason(error)}): start it, or check the address") from error
        except httpx2.TransportError as error:
            reason = _reason(error)
            if "SSL" in reason or "certificate" in reason:
                raise ModelError(
                    f"{self} cannot be trusted ({reason}): check https or http, and its certificate"
                ) from error
            if call.answered:
                raise Transient(f"{self} broke off its answer ({reason})") from error
            raise Transient(f"{self} is not reachable ({reason}): start it, or check the address") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise ModelError(f"{self} cannot be asked ({type(error).__name__}): check the address") from error


class _Call:
    """The state of one request: `since` when it waits for the server, whether anything came, its connection."""

    def __init__(self, number: int, request: Request) -> None:
        self.number = number
        self.request = request
        self.since: float | None = None
        self.answered = False
        self.gone = threading.Event()
        self._stream: Any = None

    def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """Keep the connection as it is made, so that `abort` reaches it from another thread."""
        if name in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._stream = info["return_value"]
            if self.gone.is_set():
                self.abort()

    def abort(self) -> None:
        """Cut the connection: whoever reads from it wakes up, and the server learns of it."""
        self.gone.set()
        if self._stream is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._stream.get_extra_info("socket"), socket.SHUT_RDWR)


def _next(events: "SimpleQueue[Piece | End | Exception]") -> Piece | End | Exception | None:
    try:
        return events.get(timeout=TICK)
    except Empty:
        return None


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
